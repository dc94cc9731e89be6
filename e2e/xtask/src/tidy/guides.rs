//! The guides for people keep up with the code: every answer of the threat model names the test that shows it, and
//! every cause of an alarm has its section in the runbook.

use eyre::Result;

use super::Finding;
use super::tree::Tree;

const THREATS: &str = "docs/THREAT-MODEL.md";
const RUNBOOK: &str = "docs/runbook.md";

/// Where the causes of alarms are declared.
const CAUSES: &str = "orchestrator/core/src/effect.rs";
const OPENS: &str = "pub enum Cause {";

/// How the section of one attack begins.
const ATTACK: &str = "### A";

const NAME_A_TEST: &str = "name the test that shows the answer as `path/to/file.rs::name` (or .sol), or move the attack to what is \
     not answered";
const WRITE_A_SECTION: &str =
    "add `### cause` with what it means, what was done already, what to decide, how to undo it";

/// Rule `guides`; that the named tests exist is what `mentions` checks.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in [THREATS, RUNBOOK] {
        if !tree.files().iter().any(|known| known == file) {
            findings.push(Finding::error(file, 0, "guides", "the file is missing".into(), WRITE_A_SECTION));
        }
    }
    if findings.is_empty() {
        findings.extend(answers(&tree.text(THREATS)?));
        findings.extend(alarms(&tree.text(CAUSES)?, &tree.text(RUNBOOK)?));
    }
    Ok(findings)
}

/// Attacks whose section names no test.
fn answers(text: &str) -> Vec<Finding> {
    let mut open: Option<(usize, &str)> = None;
    let mut findings = Vec::new();
    let mut unanswered = |open: Option<(usize, &str)>| {
        if let Some((line, title)) = open {
            let what = format!("`{}` names no test", title.trim_start_matches('#').trim());
            findings.push(Finding::error(THREATS, line, "guides", what, NAME_A_TEST));
        }
    };
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            unanswered(open.take());
            open = line.starts_with(ATTACK).then_some((index + 1, line));
        } else if line.contains(".rs::") || line.contains(".sol::") {
            open = None;
        }
    }
    unanswered(open);
    findings
}

/// Causes without a section in the runbook.
fn alarms(source: &str, runbook: &str) -> Vec<Finding> {
    let causes = causes(source);
    if causes.is_empty() {
        let what = format!("`{OPENS}` was not found");
        return vec![Finding::error(CAUSES, 0, "guides", what, "point this rule at where causes are now")];
    }
    let missing = causes.iter().filter(|(_, cause)| {
        let heading = format!("### {cause}");
        !runbook.lines().any(|line| line.trim_end() == heading)
    });
    missing
        .map(|(line, cause)| {
            let what = format!("the cause `{cause}` has no section in {RUNBOOK}");
            Finding::error(CAUSES, *line, "guides", what, WRITE_A_SECTION)
        })
        .collect()
}

/// Variants of the enum, as they are written in JSON, with their lines.
fn causes(source: &str) -> Vec<(usize, String)> {
    let lines = source.lines().enumerate().skip_while(|(_, line)| line.trim() != OPENS).skip(1);
    lines
        .take_while(|(_, line)| line.trim() != "}")
        .filter(|(_, line)| !line.trim_start().starts_with(['/', '#']))
        .filter_map(|(index, line)| {
            let name = line.trim().strip_suffix(',')?;
            name.chars().all(char::is_alphanumeric).then(|| (index + 1, snake(name)))
        })
        .collect()
}

/// `DarkSource` as `dark_source`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    const SOURCE: &str = "pub enum Cause {\n    /// Why.\n    Unbacked,\n    /// Why.\n    DarkSource,\n}\nenum B {\n    Other,\n}\n";

    fn what(threats: &str, runbook: &str) -> Vec<String> {
        let (_dir, tree) = planted(&[(THREATS, threats), (RUNBOOK, runbook), (CAUSES, SOURCE)]);
        check(&tree).unwrap().into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn answers_with_tests_and_a_section_for_each_cause_pass() {
        let threats = "# T\n### A1. One\nHeld by\n`a/b.rs::c`.\n### A2. Two\n`a/b.sol::d`\n## Rest\nwords\n";
        assert_eq!(what(threats, "### unbacked\n### dark_source\n"), Vec::<String>::new());
    }

    #[test]
    fn an_attack_without_a_test_and_a_cause_without_a_section_are_found() {
        let threats = "### A1. One\nGood will.\n### A2. Two\n`a/b.rs::d`\n### A3. Three\n";
        assert_eq!(
            what(threats, "### unbacked\n### dark_source_of_light\n"),
            [
                "`A1. One` names no test",
                "`A3. Three` names no test",
                "the cause `dark_source` has no section in docs/runbook.md"
            ]
        );
    }

    #[test]
    fn a_missing_guide_and_a_missing_enum_are_found() {
        let (_dir, tree) = planted(&[(CAUSES, SOURCE)]);
        assert_eq!(check(&tree).unwrap().len(), 2);
        let (_dir, tree) = planted(&[(THREATS, ""), (RUNBOOK, ""), (CAUSES, "enum Cause {}")]);
        assert_eq!(check(&tree).unwrap().len(), 1);
    }
}
