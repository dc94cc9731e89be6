//! Who runs this, and as whom a database server is started when that is root.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use eyre::{Result, WrapErr};

/// A numeric user and its main group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    /// User id.
    pub(crate) uid: u32,
    /// Group id.
    pub(crate) gid: u32,
}

/// Whether this process acts as root. Asked of a file of its own, since the standard library has no call for it.
///
/// # Errors
/// When the temporary folder cannot be written.
pub(crate) fn is_root() -> Result<bool> {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let path = env::temp_dir().join(format!("portcullis-owner-{}-{serial}", process::id()));
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&path);
    let file = file.wrap_err_with(|| format!("cannot write a file in {}", env::temp_dir().display()))?;
    let uid = file.metadata().map(|meta| meta.uid());
    fs::remove_file(&path).wrap_err_with(|| format!("cannot remove {}", path.display()))?;
    Ok(uid? == 0)
}

/// The user that runs servers for root: the system's own `postgres`, else `nobody`.
pub(crate) fn unprivileged() -> User {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    find(&passwd, "postgres").or_else(|| find(&passwd, "nobody")).unwrap_or(User { uid: 65_534, gid: 65_534 })
}

/// Looks a name up in text of the form of `/etc/passwd`; root under another name is not an answer.
fn find(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some(User { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:n:/:/x\ntoor:x:0:0::/:/bin/sh\n";

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        assert_eq!(find(PASSWD, "nobody"), Some(User { uid: 65_534, gid: 65_533 }));
        assert_eq!(find(PASSWD, "nob"), None);
    }

    #[test]
    fn root_is_never_an_unprivileged_user() {
        assert_eq!(find(PASSWD, "toor"), None);
        assert_ne!(unprivileged().uid, 0);
    }
}
