//! How much of the power over a chain has moved between two sets of validators. Pure.

use std::collections::BTreeMap;

use portcullis_verifier::B256;
use prost::Message;
use tendermint_proto::v0_38::types::ValidatorSet as RawValidatorSet;

/// Power by address.
type Powers = BTreeMap<Vec<u8>, u64>;

/// The set that was told last, and what is needed to tell the next change.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    base: Option<Powers>,
    seen: Option<B256>,
}

impl Watch {
    /// Takes the set that signs a verified block; the share of the power that moved since the set that was told last,
    /// in basis points, once it reaches `least_bps`.
    ///
    /// Delegations move a little power in nearly every block, and mean nothing; what comes little by little is told
    /// when it has come to `least_bps`. The first set that is seen is the one to start from.
    pub(crate) fn take(&mut self, hash: B256, set: &[u8], least_bps: u64) -> Option<u64> {
        if self.seen == Some(hash) {
            return None;
        }
        let powers = powers(set)?;
        self.seen = Some(hash);
        let Some(base) = &self.base else {
            self.base = Some(powers);
            return None;
        };
        let moved = moved_bps(base, &powers);
        if moved < least_bps {
            return None;
        }
        self.base = Some(powers);
        Some(moved)
    }
}

fn powers(set: &[u8]) -> Option<Powers> {
    let set = RawValidatorSet::decode(set).ok()?;
    let power = |power: i64| u64::try_from(power).unwrap_or(0);
    Some(set.validators.into_iter().map(|one| (one.address, power(one.voting_power))).collect())
}

/// The share of the new power that its holders did not have before, in basis points.
fn moved_bps(old: &Powers, new: &Powers) -> u64 {
    let total =
        |powers: &Powers| powers.values().fold(0u128, |sum, one| sum.saturating_add(u128::from(*one)));
    let (before, after) = (total(old), total(new));
    // Both sets scaled to the product of the totals, so that growth alone moves nothing.
    let gained = new.iter().fold(0u128, |sum, (address, power)| {
        let had = u128::from(old.get(address).copied().unwrap_or(0)).saturating_mul(after);
        let has = u128::from(*power).saturating_mul(before);
        sum.saturating_add(has.saturating_sub(had))
    });
    let whole = before.saturating_mul(after);
    let share = if whole == 0 { Some(10_000) } else { scaled(gained, whole) };
    share.and_then(|bps| u64::try_from(bps).ok()).unwrap_or(10_000)
}

/// `part` of `whole` in basis points, without overflow for totals of up to 2^60 each.
fn scaled(part: u128, whole: u128) -> Option<u128> {
    let (part, whole) = (part >> 14, whole >> 14);
    part.checked_mul(10_000)?.checked_div(whole.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tendermint_proto::v0_38::types::Validator as RawValidator;

    fn set(powers: &[(u8, i64)]) -> Vec<u8> {
        let validators = powers.iter().map(|(address, power)| RawValidator {
            address: vec![*address; 20],
            pub_key: None,
            voting_power: *power,
            proposer_priority: 0,
        });
        RawValidatorSet { validators: validators.collect(), ..RawValidatorSet::default() }.encode_to_vec()
    }

    fn hash(byte: u8) -> B256 {
        B256::with_last_byte(byte)
    }

    #[test]
    fn little_moves_are_told_when_they_have_come_to_much() {
        let mut watch = Watch::default();
        let m = 1_000_000;
        assert_eq!(
            watch.take(hash(1), &set(&[(1, 50 * m), (2, 50 * m)]), 1_000),
            None,
            "the first is the base"
        );
        assert_eq!(watch.take(hash(2), &set(&[(1, 55 * m), (2, 45 * m)]), 1_000), None);
        assert_eq!(watch.take(hash(2), &set(&[(9, m)]), 1_000), None, "the same hash is the same set");
        let told = watch.take(hash(3), &set(&[(1, 61 * m), (2, 39 * m)]), 1_000).unwrap();
        assert!((1_095..=1_105).contains(&told), "{told}");
        assert_eq!(watch.take(hash(4), &set(&[(1, 66 * m), (2, 34 * m)]), 1_000), None, "counted from there");
    }

    #[test]
    fn growth_alone_moves_nothing_and_a_new_set_moves_everything() {
        let mut watch = Watch::default();
        assert_eq!(watch.take(hash(1), &set(&[(1, 1 << 50), (2, 1 << 50)]), 1), None);
        assert_eq!(watch.take(hash(2), &set(&[(1, 1 << 59), (2, 1 << 59)]), 1), None);
        assert_eq!(watch.take(hash(3), &set(&[(3, 1 << 40)]), 1), Some(10_000));
    }
}
