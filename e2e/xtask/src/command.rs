//! Starting other programs, and errors that show what was started.

use std::path::Path;
use std::process::{Command, Stdio};

use eyre::{Result, WrapErr, bail};

/// Lines of a failed program's output that an error repeats; the cause is nearly always at the end.
const ERROR_LINES: usize = 30;

/// The command as a person would type it: the program without its folder.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Runs to the end with this process's own output.
///
/// # Errors
/// When the program cannot be started or ends with anything but 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().wrap_err_with(|| not_started(command))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs to the end and returns standard output, trimmed.
///
/// # Errors
/// As [`run`]; the message ends with the last lines that the program wrote.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().wrap_err_with(|| not_started(command))?;
    if !output.status.success() {
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        bail!("`{}` ended with {}:\n{}", shown(command), output.status, last_lines(&text));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The end of a program's output.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines.iter().skip(lines.len().saturating_sub(ERROR_LINES)).copied().collect::<Vec<_>>().join("\n")
}

fn not_started(command: &Command) -> String {
    format!("`{}` could not be started", shown(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_trimmed_and_a_failure_shows_command_and_reason() {
        assert_eq!(output(Command::new("sh").args(["-c", "echo ' x '"])).unwrap(), "x");
        let error =
            output(Command::new("sh").args(["-c", "echo the reason >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh -c") && error.contains("the reason") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_program_is_shown_without_its_folder() {
        assert_eq!(shown(Command::new("/a/b/tool").args(["x", "/c/d"])), "tool x /c/d");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err().to_string();
        assert!(error.contains("no-such-program-here"), "{error}");
    }

    #[test]
    fn only_the_end_of_long_output_is_kept() {
        let text = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        let kept = last_lines(&text);
        assert!(kept.starts_with("70\n") && kept.ends_with("99"));
    }
}
