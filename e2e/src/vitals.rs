//! What a process needs, read from `/proc`: memory and processor.

use std::fs;

use eyre::{Result, WrapErr, eyre};

/// Ticks per second in which Linux counts processor time for user space; fixed by its interface.
const TICKS_PER_SEC: f64 = 100.0;

/// Resident memory of a process, bytes.
///
/// # Errors
/// When there is no such process.
pub fn resident(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).wrap_err_with(|| format!("{path} cannot be read"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1_024).ok_or_else(|| eyre!("{path} names no resident memory"))
}

/// A process's line of numbers, from its parent on.
fn numbers(pid: u32) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, blanks included; behind it stands a letter.
    let fields = text.rsplit_once(')')?.1.split_whitespace().skip(1);
    Some(fields.take(14).map(|field| field.parse().unwrap_or(0)).collect())
}

/// Seconds of processor time of a process alone; zero when there is none.
#[must_use]
pub fn processor(pid: u32) -> f64 {
    let ticks = numbers(pid).map_or(0, |numbers| numbers.iter().skip(10).take(2).sum::<u64>());
    ticks as f64 / TICKS_PER_SEC
}

/// As [`processor`], with the process's children, those that ended included.
#[must_use]
pub fn processor_with_children(pid: u32) -> f64 {
    let ended = numbers(pid).map_or(0, |numbers| numbers.iter().skip(12).take(2).sum::<u64>());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let children = pids.filter(|one| numbers(*one).and_then(|n| n.first().copied()) == Some(u64::from(pid)));
    processor(pid) + ended as f64 / TICKS_PER_SEC + children.map(processor).sum::<f64>()
}

/// One-minute load of this machine: other work shows in figures.
#[must_use]
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_time() {
        let me = std::process::id();
        assert!(resident(me).unwrap() > 1 << 20);
        let mut word = 0u64;
        while processor(me) < 0.02 {
            word = word.wrapping_mul(31).wrapping_add(7);
            std::hint::black_box(word);
        }
        // Read first: the other tests of this process go on using the processor in between.
        let alone = processor(me);
        assert!(processor_with_children(me) >= alone);
        assert!(resident(u32::MAX).is_err() && processor(u32::MAX) == 0.0);
    }
}
