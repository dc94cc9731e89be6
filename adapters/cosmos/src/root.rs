//! The chain's light client: from the header that a person pinned to the newest one that was verified from it.
//!
//! Where the client stands is kept in a file ([`crate::state_file`]), so that a restart after the trusting period's better
//! half needs no person, and so that a chain which signed two truths stays refused.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use portcullis_verifier::{
    BlockRef, ChainId, Verified,
    cosmos::{Checkpoint, Rules, SealedHeader},
};

use crate::{
    config::{Compiled, TrustRoot},
    limits, state_file,
};

/// Why what was kept cannot be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The state that was kept cannot be read.
    #[error("PC-0941: the kept state {} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The state that was kept is torn, edited, or another chain's.
    #[error("PC-0942: the kept state {} cannot be used: {why}", path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Clients that are open, by their file. A configuration that replaces another one while the service runs goes on with
/// the same client: two of one file would each forget what the other has seen, a freeze among it.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Shared>>> = Mutex::new(BTreeMap::new());

/// One light client, shared by all roles. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LightClient(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    chain: ChainId,
    name: String,
    root: TrustRoot,
    file: Option<PathBuf>,
    at: Mutex<Option<Checkpoint>>,
    /// Held over a change and its writing.
    writing: Mutex<()>,
}

impl LightClient {
    /// Opens the client of a chain where it was left, or before its pinned header where it never stood.
    ///
    /// A header that is pinned above where the client was left starts anew from there: that is how a person ends a freeze,
    /// and how a client that slept longer than its trusting period is woken.
    ///
    /// # Errors
    /// [`RootError`] when kept state cannot be read or is not what was written.
    pub fn open(compiled: &Compiled) -> Result<Self, RootError> {
        let config = &compiled.config;
        let file = config.state_dir.as_ref().map(|dir| dir.join(file_name(config.chain, "checkpoint")));
        let root = config.trust.clone();
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = file.as_ref().and_then(|file| open.get(file)).and_then(Weak::upgrade);
        if let Some(shared) = shared.filter(|shared| shared.root == root && shared.name == compiled.name) {
            return Ok(Self(shared));
        }
        let kept = file.as_deref().map(read).transpose()?.flatten();
        let at = match (kept, &file) {
            (Some(kept), Some(file)) => {
                if kept.chain != config.chain || kept.name != compiled.name {
                    return Err(broken(file, "it is of another chain"));
                }
                resumed(kept, &root, file)?
            }
            _ => None,
        };
        let (chain, name) = (config.chain, compiled.name.clone());
        let shared =
            Arc::new(Shared { chain, name, root, file, at: Mutex::new(at), writing: Mutex::default() });
        if let Some(file) = &shared.file {
            open.retain(|_, client| client.strong_count() > 0);
            open.insert(file.clone(), Arc::downgrade(&shared));
        }
        Ok(Self(shared))
    }

    /// Where the client stands; none before the pinned header was seen.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.0.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts at the pinned header; false when `header` is another one, or when the client stands somewhere already.
    ///
    /// SECURITY: the header is untrusted; what makes it the root is that its hash is the configured one.
    pub fn begin(&self, header: &SealedHeader) -> bool {
        let Shared { chain, name, root, .. } = &*self.0;
        if header.block() != root.block() {
            return false;
        }
        self.change(|at| {
            at.is_none().then(|| Checkpoint {
                chain: *chain,
                name: name.clone(),
                block: header.block(),
                time_secs: header.time(),
                time_nanos: header.nanos(),
                next_validators: header.next_validators_hash(),
                signed_bps: None,
                rules: rules(root),
                frozen: None,
            })
        })
    }

    /// Moves on to a later verified header; one that is not later changes nothing, and a frozen client does not move.
    pub fn advance(&self, to: &Verified<SealedHeader>) {
        self.change(|at| {
            let client = at.as_ref()?;
            let later = client.block.height < to.value().block().height;
            (later && client.frozen.is_none()).then(|| client.advanced(to))
        });
    }

    /// The chain has signed two truths at this height: from now on nothing is proven, over restarts too.
    pub fn freeze(&self, height: u64) {
        self.change(|at| at.as_ref().map(|client| client.frozen_at(height)));
    }

    /// Changes where the client stands; false when there is no change.
    ///
    /// The change holds in memory at once, and even where it cannot be kept: a client that forgot a step only has to take
    /// it again, and one that is frozen must refuse. Whoever asks where the client stands never waits for the disk.
    fn change(&self, to: impl FnOnce(&Option<Checkpoint>) -> Option<Checkpoint>) -> bool {
        // One after the other, so that an older state never replaces a newer one in the file.
        let _in_order = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = {
            let mut at = self.0.at.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(next) = to(&at).filter(|next| at.as_ref() != Some(next)) else { return false };
            *at = Some(next.clone());
            next
        };
        if let Some(file) = &self.0.file
            && let Err(error) = write(file, &next)
        {
            tracing::error!(code = "PC-0943", chain = %self.0.chain, %error, "the light client's state is not kept");
        }
        true
    }
}

fn rules(root: &TrustRoot) -> Rules {
    Rules {
        trusting_period_secs: root.trusting_period_secs,
        clock_drift_secs: root.clock_drift_secs,
        ..Rules::default()
    }
}

/// What is made of kept state under a configured root; none where the root is to be started from.
fn resumed(kept: Checkpoint, root: &TrustRoot, file: &Path) -> Result<Option<Checkpoint>, RootError> {
    let pinned: BlockRef = root.block();
    if pinned.height == kept.block.height && pinned.hash != kept.block.hash {
        // SECURITY: one of them is false. Which one, only a person can find out.
        return Err(broken(file, "`trust` names another header of the same height; correct one of them"));
    }
    // A freeze ends only above the height at which the chain lied.
    let above = kept.frozen.is_none_or(|frozen| pinned.height > frozen);
    if pinned.height > kept.block.height && above {
        return Ok(None);
    }
    // What a person says of periods holds from the next start on.
    Ok(Some(Checkpoint { rules: rules(root), ..kept }))
}

pub(crate) fn broken(path: &Path, why: &'static str) -> RootError {
    RootError::Broken { path: path.to_owned(), why }
}

/// What a chain's file of a kind is called: ids have characters that file systems do not take.
pub(crate) fn file_name(chain: ChainId, kind: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    format!("{}.{kind}", chain.as_str().chars().map(plain).collect::<String>())
}

/// Reads kept state; none where there is none.
fn read(path: &Path) -> Result<Option<Checkpoint>, RootError> {
    let Some(content) = state_file::read(path, limits::STATE_BYTES_MAX)? else { return Ok(None) };
    Checkpoint::from_bytes(&content).map(Some).map_err(|_not_one| broken(path, "it holds no checkpoint"))
}

/// Replaces kept state.
fn write(path: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    state_file::write(path, &checkpoint.to_bytes())
}

#[cfg(test)]
#[path = "root_tests.rs"]
mod tests;
