//! Who may vote for an account: read from the account's own state, as operators tell it.
//!
//! Only for making a table that a person pins. What an operator tells of an account proves nothing.

use super::{
    bytes::Reader,
    error::{SolanaProofError, bounded},
    limits::{MAX_AUTHORITIES, MAX_LOCKOUTS},
};
use crate::B256;

/// Versions of the state that are in use: before latencies of votes, with them, and with keys for aggregated signatures.
const WITHOUT_LATENCY: u32 = 1;
const WITH_LATENCY: u32 = 2;
const WITH_BLS_KEY: u32 = 3;

/// Bytes of a vote in the tower: slot and confirmations.
const LOCKOUT_BYTES: usize = 12;

/// The key that may vote for an account in an epoch: the newest that was set for it or for an epoch before; none where
/// nobody can. `data` is the account's state, or as much of its beginning as holds these keys ([`STATE_BYTES`] always does).
///
/// # Errors
/// [`SolanaProofError`] when the bytes are no state of a vote account, or of a version that is not known.
pub fn authorized_voter(data: &[u8], epoch: u64) -> Result<Option<B256>, SolanaProofError> {
    let mut reader = Reader::new("vote account", data);
    let version = reader.u32()?;
    reader.skip(2, 32)?; // node, withdrawer
    let vote_bytes = match version {
        WITHOUT_LATENCY => {
            reader.u8()?; // commission
            LOCKOUT_BYTES
        }
        WITH_LATENCY => {
            reader.u8()?; // commission
            LOCKOUT_BYTES.saturating_add(1)
        }
        WITH_BLS_KEY => {
            reader.skip(2, 32)?; // who gets rewards and revenue
            reader.skip(2, 2)?; // their shares
            reader.u64()?; // rewards of delegators that wait
            if reader.flag()? {
                reader.skip(1, 48)?; // the key
            }
            LOCKOUT_BYTES.saturating_add(1)
        }
        other => {
            return Err(SolanaProofError::UnknownVersion { what: "vote account", found: other.into() });
        }
    };
    let votes = bounded("votes of a tower", reader.count(vote_bytes)?, MAX_LOCKOUTS)?;
    reader.skip(votes, vote_bytes)?;
    if reader.flag()? {
        reader.u64()?; // root
    }
    let count = bounded("keys of a vote account", reader.count(40)?, MAX_AUTHORITIES)?;
    let (mut found, mut last) = (None, None);
    for _ in 0..count {
        let from = reader.u64()?;
        let key = reader.b256()?;
        if last.is_some_and(|last| from <= last) {
            let why = "its keys are not in the order of their epochs";
            return Err(SolanaProofError::encoding("vote account", why));
        }
        last = Some(from);
        if from <= epoch {
            found = Some(key);
        }
    }
    Ok(found)
}

/// Bytes of a state's beginning that hold all that [`authorized_voter`] reads.
pub const STATE_BYTES: usize =
    4 + 4 * 32 + 4 + 8 + 49 + 8 + MAX_LOCKOUTS * (LOCKOUT_BYTES + 1) + 9 + 8 + MAX_AUTHORITIES * 40;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// A state by hand: a tower of `votes`, and keys by the epochs from which they count.
    fn state(version: u32, votes: usize, root: bool, keys: &[(u64, u8)]) -> Vec<u8> {
        let mut data = version.to_le_bytes().to_vec();
        data.extend([1; 64]);
        if version == WITH_BLS_KEY {
            data.extend([2; 64 + 4 + 8]);
            data.push(1);
            data.extend([3; 48]);
        } else {
            data.push(9);
        }
        let each = if version == WITHOUT_LATENCY { 12 } else { 13 };
        data.extend(u64::try_from(votes).unwrap().to_le_bytes());
        data.resize(data.len() + votes * each, 7);
        data.push(u8::from(root));
        if root {
            data.extend([8; 8]);
        }
        data.extend(u64::try_from(keys.len()).unwrap().to_le_bytes());
        for (epoch, key) in keys {
            data.extend(epoch.to_le_bytes());
            data.extend([*key; 32]);
        }
        data
    }

    #[test]
    fn the_newest_key_that_counts_already_votes_in_every_version() {
        for version in [WITHOUT_LATENCY, WITH_LATENCY, WITH_BLS_KEY] {
            for (votes, root) in [(0, false), (31, true)] {
                let mut data = state(version, votes, root, &[(5, 0xa), (7, 0xb), (9, 0xc)]);
                // What follows (earlier voters, credits) is not looked at.
                data.extend([0xff; 100]);
                let of = |epoch| authorized_voter(&data, epoch).unwrap();
                assert_eq!(
                    [4, 5, 6, 7, 8, 9, 10].map(of),
                    [None, Some(0xa), Some(0xa), Some(0xb), Some(0xb), Some(0xc), Some(0xc)]
                        .map(|key| key.map(B256::repeat_byte)),
                    "version {version}"
                );
                assert!(data.len() - 100 <= STATE_BYTES);
            }
        }
        let nobody = state(WITH_LATENCY, 3, true, &[]);
        assert_eq!(authorized_voter(&nobody, 7), Ok(None));
        let full: Vec<(u64, u8)> = (0..MAX_AUTHORITIES).map(|at| (u64::try_from(at).unwrap(), 1)).collect();
        assert!(state(WITH_BLS_KEY, 31, true, &full).len() <= STATE_BYTES);
    }

    #[test]
    fn what_is_no_state_is_an_error_and_never_nobody() {
        let good = state(WITH_LATENCY, 31, true, &[(5, 0xa), (7, 0xb)]);
        for end in 0..good.len() {
            assert!(authorized_voter(good.get(..end).unwrap(), 7).is_err(), "cut at {end}");
        }
        for version in [0, 4, u32::MAX] {
            let mut other = good.clone();
            other.splice(..4, version.to_le_bytes());
            let found = authorized_voter(&other, 7);
            assert!(matches!(found, Err(SolanaProofError::UnknownVersion { .. })), "{version}: {found:?}");
        }
        let high = state(WITH_LATENCY, 32, true, &[(5, 0xa)]);
        assert!(matches!(authorized_voter(&high, 7), Err(SolanaProofError::Limit { .. })));
        let many: Vec<(u64, u8)> = (0..=MAX_AUTHORITIES).map(|at| (u64::try_from(at).unwrap(), 1)).collect();
        assert!(matches!(
            authorized_voter(&state(WITH_LATENCY, 0, false, &many), 7),
            Err(SolanaProofError::Limit { .. })
        ));
        for keys in [[(7, 1), (5, 2)], [(5, 1), (5, 2)]] {
            let found = authorized_voter(&state(WITH_LATENCY, 0, false, &keys), 7);
            assert!(matches!(found, Err(SolanaProofError::Encoding { .. })), "{found:?}");
        }
    }
}
