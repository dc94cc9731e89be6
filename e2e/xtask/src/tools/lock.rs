//! One set-up of a tool at a time per cache: two checkouts may share it, and one command may set up two tools at once.

use std::fs::{File, OpenOptions, TryLockError};

use eyre::{Result, WrapErr};

use crate::paths::Paths;

/// Held while something is installed; the operating system frees it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct SetupLock {
    _file: File,
}

impl SetupLock {
    /// Waits until nobody else sets up this tool in this cache.
    ///
    /// # Errors
    /// When the cache folder cannot be made or locked.
    pub(crate) fn take(paths: &Paths, tool: &str) -> Result<Self> {
        std::fs::create_dir_all(&paths.cache)
            .wrap_err_with(|| format!("cannot make the cache folder {}", paths.cache.display()))?;
        let path = paths.cache.join(format!("{tool}.lock"));
        let shown = path.display();
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .wrap_err_with(|| format!("cannot open {shown}"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("… another set-up of {tool} works in {}; waiting for it", paths.cache.display());
                file.lock().wrap_err_with(|| format!("cannot lock {shown}"))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).wrap_err_with(|| format!("cannot lock {shown}"));
            }
        }
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_set_up_of_a_tool_waits_for_the_first_and_that_of_another_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        let paths =
            Paths { root: dir.path().into(), cache: cache.clone(), target: dir.path().join("target") };
        let held = SetupLock::take(&paths, "tool").unwrap();
        drop(SetupLock::take(&paths, "other").unwrap());
        let other = OpenOptions::new().write(true).open(cache.join("tool.lock")).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        assert!(other.try_lock().is_ok());
    }
}
