//! Files of the data directory that outlive the process: written whole beside the old one and put in its place, with
//! their digest in front, so that a torn or edited one is told from a good one.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use portcullis_verifier::{B256, keccak256};

use crate::root::{RootError, broken};

/// Reads what was kept; none where there is no file. At most `most_bytes` of it are read.
///
/// # Errors
/// [`RootError`] when it cannot be read, or is not what was written.
pub(crate) fn read(path: &Path, most_bytes: u64) -> Result<Option<Vec<u8>>, RootError> {
    let failed = |source| RootError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(most_bytes).read_to_end(&mut bytes).map_err(failed)?;
    let Some((digest, content)) = bytes.split_first_chunk::<32>() else {
        return Err(broken(path, "it is too short"));
    };
    if keccak256(content) != B256::new(*digest) {
        return Err(broken(path, "its digest does not fit"));
    }
    Ok(Some(content.to_vec()))
}

/// Replaces what was kept: the old one stays until the new one is whole and on the disk.
///
/// # Errors
/// Those of the file system.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    // Another ending than the file's own kind: two kinds of one chain must not meet in one file.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut file = File::create(&beside)?;
    file.write_all(keccak256(content).as_slice())?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}
