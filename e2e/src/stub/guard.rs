//! The guard, as far as a service asks it: one word per scope, and the call that raises it.
//!
//! The layout of the word and the rule (closures only grow, closed runs out into limited) are the contracts'; see
//! `contracts/evm/src/lib/ScopeWord.sol`.

use alloy::primitives::{Address, B256, Bytes, LogData, U256, keccak256};
use alloy::sol_types::{SolCall, SolEvent, SolValue};

use super::state::State;
use crate::contracts::{Breaker, Guard, ScopeState};

const CLOSED_UNTIL: usize = 16;
const CLOSED_UNTIL_HEIGHT: usize = 56;
const LIMITED_UNTIL: usize = 96;
const LIMITED_UNTIL_HEIGHT: usize = 136;
const GENERATION: usize = 176;
const BITS_40: u64 = (1 << 40) - 1;
/// Seconds and blocks for which closed runs out into limited.
const TAIL: u64 = 5;
/// Levels as the guard numbers them.
const LIMITED: u8 = 1;
const CLOSED: u8 = 2;

/// Where the word of a scope lies.
#[must_use]
pub fn slot(scope: B256) -> B256 {
    keccak256((scope, U256::ZERO).abi_encode())
}

/// The word of a scope that was registered and never tripped.
#[must_use]
pub fn fresh() -> U256 {
    U256::from(1)
}

fn get(word: U256, shift: usize) -> u64 {
    ((word >> shift) & U256::from(BITS_40)).to::<u64>()
}

fn set(word: U256, shift: usize, value: u64) -> U256 {
    let mask = U256::from(BITS_40) << shift;
    (word & !mask) | (U256::from(value.min(BITS_40)) << shift)
}

/// What a guard says of a scope.
#[must_use]
pub fn unpack(word: U256) -> ScopeState {
    ScopeState {
        registered: word.bit(0),
        hold: 0,
        closedUntil: get(word, CLOSED_UNTIL),
        closedUntilHeight: get(word, CLOSED_UNTIL_HEIGHT),
        limitedUntil: get(word, LIMITED_UNTIL),
        limitedUntilHeight: get(word, LIMITED_UNTIL_HEIGHT),
        generation: u32::try_from(get(word, GENERATION) & u64::from(u32::MAX)).unwrap_or(0),
    }
}

/// Whether nothing gets out at a moment of the chain.
#[must_use]
pub fn is_closed(word: U256, time: u64, height: u64) -> bool {
    !word.bit(0) || time < get(word, CLOSED_UNTIL) || height < get(word, CLOSED_UNTIL_HEIGHT)
}

/// A trip as it stands in a transaction's input; none for any other call.
#[must_use]
pub fn trip_of(input: &[u8]) -> Option<Breaker::TripRequest> {
    Breaker::tripCall::abi_decode(input).ok().map(|call| call.r)
}

/// Applies a trip at a moment of the chain. Gives the event; none where the guard would refuse.
pub fn trip(
    state: &mut State,
    guard: Address,
    from: Address,
    request: &Breaker::TripRequest,
    (time, height, max_secs): (u64, u64, u64),
) -> Option<LogData> {
    let account = state.accounts.get_mut(&guard)?;
    let word = account.storage.get_mut(&slot(request.scope))?;
    if !matches!(request.level, LIMITED | CLOSED) {
        return None;
    }
    let until = request.until.min(time + max_secs);
    let until_height = request.untilHeight.min(height + max_secs);
    let (shift, shift_height) = match request.level {
        CLOSED => (CLOSED_UNTIL, CLOSED_UNTIL_HEIGHT),
        _ => (LIMITED_UNTIL, LIMITED_UNTIL_HEIGHT),
    };
    let (old, old_height) = (get(*word, shift), get(*word, shift_height));
    let (until, until_height) = (until.max(old), until_height.max(old_height));
    *word = set(set(*word, shift, until), shift_height, until_height);
    if request.level == CLOSED {
        let tail = |at: usize, end: u64| get(*word, at).max(end + TAIL);
        let (limited, limited_height) =
            (tail(LIMITED_UNTIL, until), tail(LIMITED_UNTIL_HEIGHT, until_height));
        *word = set(set(*word, LIMITED_UNTIL, limited), LIMITED_UNTIL_HEIGHT, limited_height);
    }
    let event = Guard::Tripped {
        scope: request.scope,
        incident: request.incident,
        level: request.level,
        until,
        untilHeight: until_height,
        record: request.record,
        generation: request.generation,
        actionId: keccak256(request.abi_encode()),
        tripper: from,
    };
    Some(event.encode_log_data())
}

/// What a call that changes nothing answers; none for a call that this guard does not know.
#[must_use]
pub fn view(state: &State, guard: Address, input: &[u8]) -> Option<Bytes> {
    if let Ok(call) = Guard::stateOfCall::abi_decode(input) {
        let answer = unpack(state.word(guard, slot(call.scope)));
        return Some(Guard::stateOfCall::abi_encode_returns(&answer).into());
    }
    if Breaker::isSealedCall::abi_decode(input).is_ok() {
        return Some(Breaker::isSealedCall::abi_encode_returns(&true).into());
    }
    if Breaker::tripperOfCall::abi_decode(input).is_ok() {
        let role = Breaker::tripperOfReturn { active: true, budgetSeconds: 86_400, leftSeconds: 86_400 };
        return Some(Breaker::tripperOfCall::abi_encode_returns(&role).into());
    }
    trip_of(input).map(|_trip| Breaker::tripCall::abi_encode_returns(&true).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stub::state::Account;

    #[test]
    fn a_closure_only_grows_and_runs_out_into_limited() {
        let (guard, scope) = (Address::repeat_byte(1), B256::repeat_byte(2));
        let mut state = State::default();
        let mut account = Account::contract("guard");
        account.storage.insert(slot(scope), fresh());
        state.accounts.insert(guard, account);
        let request = |until| Breaker::TripRequest {
            scope,
            level: CLOSED,
            until,
            untilHeight: 40,
            incident: B256::ZERO,
            record: B256::ZERO,
            generation: 0,
        };
        let now = (1_000, 10, 600);
        assert!(trip(&mut state, guard, guard, &request(1_500), now).is_some());
        assert!(trip(&mut state, guard, guard, &request(1_200), now).is_some());
        let word = state.word(guard, slot(scope));
        let said = unpack(word);
        assert_eq!((said.closedUntil, said.closedUntilHeight), (1_500, 40));
        assert_eq!((said.limitedUntil, said.limitedUntilHeight), (1_505, 45));
        assert!(is_closed(word, 1_499, 99) && is_closed(word, 9_999, 39) && !is_closed(word, 1_500, 40));
        assert!(trip(&mut state, guard, guard, &request(99_999), now).is_some());
        assert_eq!(unpack(state.word(guard, slot(scope))).closedUntil, 1_600, "no trip exceeds the maximum");
        let other = Breaker::TripRequest { scope: B256::ZERO, ..request(1_500) };
        assert!(trip(&mut state, guard, guard, &other, now).is_none(), "an unknown scope is refused");
    }
}
