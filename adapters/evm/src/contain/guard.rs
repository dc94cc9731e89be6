//! The interface of Guard and Gate, and the layout of a scope's word.
//!
//! The word of a scope lies at `keccak256(abi.encode(scope, 0))`. Least significant bits first: registered 0..8,
//! hold 8..16, closed until 16..56, closed until height 56..96, limited until 96..136, limited until height
//! 136..176, generation 176..208. A Gate keeps a second word of each scope at `keccak256(abi.encode(scope, 8))`: the same
//! fields, with nothing closed or limited that one of its targets did not follow. Fixed by the contracts' documentation and
//! tested on both sides.

use alloy::sol;
pub use portcullis_adapter::word::{Field, ScopeWord, effect_field};
use portcullis_adapter::{
    Action,
    trip::{self, deadline, level_number},
};
use portcullis_verifier::{B256, keccak256};

sol! {
    #![sol(all_derives = true)]
    #[allow(missing_docs)]
    interface IBreaker {
        struct TripRequest {
            bytes32 scope;
            uint8 level;
            uint64 until;
            uint64 untilHeight;
            bytes32 incident;
            bytes32 record;
            uint32 generation;
        }
        struct ScopeState {
            bool registered;
            uint8 hold;
            uint64 closedUntil;
            uint64 closedUntilHeight;
            uint64 limitedUntil;
            uint64 limitedUntilHeight;
            uint32 generation;
        }
        error InvalidLevel(uint8 level);
        error ScopeUnregistered(bytes32 scope);
        error NotTripper(address caller);
        function trip(TripRequest calldata r) external returns (bool changed);
        function tripSigned(TripRequest calldata r, uint64 deadline, bytes calldata signature)
            external returns (bool changed);
        function stateOf(bytes32 scope) external view returns (ScopeState memory);
        function isSealed() external view returns (bool);
        function tripperOf(address account)
            external view returns (bool active, uint32 budgetSeconds, uint32 leftSeconds);
        function scopeOf(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset)
            external view returns (bytes32);
    }
}

sol! {
    #![sol(all_derives = true)]
    #[allow(missing_docs)]
    interface IGate {
        struct Target {
            address account;
            uint8 kind;
            uint8 fromLevel;
            bytes32 argument;
            address status;
        }
        struct TargetView {
            Target target;
            bool ours;
            bool known;
            bool closed;
        }
        function levelOf(bytes32 scope) external view returns (uint8);
        function targetsOf(bytes32 scope) external view returns (TargetView[] memory);
    }
}

/// What of a Gate's targets a level asks for and is not closed, in words.
pub(crate) fn open_because(level: u8, targets: &[IGate::TargetView]) -> Vec<String> {
    let asked = targets.iter().filter(|one| one.target.fromLevel <= level && !one.closed);
    let words = |one: &IGate::TargetView| {
        let why = if one.known { "is open" } else { "does not say whether it is closed" };
        format!("{} (kind {}) {why}", one.target.account, one.target.kind)
    };
    let mut open: Vec<String> = asked.map(words).collect();
    if targets.is_empty() && level > 0 {
        open.push("its owner has added no target".to_owned());
    }
    open
}

/// The call that asks a gate to close.
pub(crate) fn trip_call(action: &Action, record: B256) -> IBreaker::tripCall {
    IBreaker::tripCall { r: request(action, record) }
}

/// The same call with the tripper's signature, for anybody to bring. It is good for as long as the closure that it
/// asks for, and once.
pub(crate) fn signed_call(action: &Action, record: B256, signature: [u8; 65]) -> IBreaker::tripSignedCall {
    let signature = signature.to_vec().into();
    IBreaker::tripSignedCall { r: request(action, record), deadline: deadline(action), signature }
}

/// What the tripper signs (EIP-191, version 0x45): the action's id, the deadline, and the record, which whoever
/// brings it must not be able to forge.
pub(crate) fn signed_digest(action: &Action, record: B256) -> B256 {
    digest_until(action, record, deadline(action))
}

fn digest_until(action: &Action, record: B256, deadline: u64) -> B256 {
    let message = trip::signed_message(action, record, deadline);
    keccak256([b"\x19Ethereum Signed Message:\n32".as_slice(), message.as_slice()].concat())
}

fn request(action: &Action, record: B256) -> IBreaker::TripRequest {
    IBreaker::TripRequest {
        scope: action.scope,
        level: level_number(action.level),
        until: action.until,
        untilHeight: action.until_height,
        incident: action.incident.0,
        record,
        generation: action.generation,
    }
}

/// Where the word of a scope lies.
#[must_use]
pub fn scope_slot(scope: B256) -> B256 {
    slot_in(scope, 0)
}

/// Where a Gate keeps what of a scope is enforced.
#[must_use]
pub fn enforced_slot(scope: B256) -> B256 {
    slot_in(scope, 8)
}

/// Where the value of a key lies, of the mapping that was declared at a slot.
fn slot_in(key: B256, declared: u8) -> B256 {
    keccak256([key, B256::with_last_byte(declared)].concat())
}

/// A state that a contract told, as the word that it keeps.
pub(crate) fn word_of(state: &IBreaker::ScopeState) -> ScopeWord {
    ScopeWord::new(state.registered, state.hold, state.generation)
        .with(Field::ClosedUntil, state.closedUntil)
        .with(Field::ClosedUntilHeight, state.closedUntilHeight)
        .with(Field::LimitedUntil, state.limitedUntil)
        .with(Field::LimitedUntilHeight, state.limitedUntilHeight)
}

#[cfg(test)]
mod tests {
    use portcullis_adapter::Level;
    use portcullis_verifier::U256;

    use super::*;

    fn state() -> IBreaker::ScopeState {
        IBreaker::ScopeState {
            registered: true,
            hold: 0,
            closedUntil: 100,
            closedUntilHeight: 0,
            limitedUntil: 200,
            limitedUntilHeight: 50,
            generation: 3,
        }
    }

    #[test]
    fn no_call_of_ours_opens_anything() {
        // SECURITY: of everything that a deployed guard or gate accepts and that changes it, this family can encode
        // trips and nothing else.
        for name in ["Guard", "Gate"] {
            let path = format!("{}/../../contracts/artifacts/evm/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let artifact: serde_json::Value =
                serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            let abi: alloy::json_abi::JsonAbi = serde_json::from_value(artifact["abi"].clone()).unwrap();
            let reads = [alloy::json_abi::StateMutability::View, alloy::json_abi::StateMutability::Pure];
            let writes: Vec<_> = abi.functions().filter(|f| !reads.contains(&f.state_mutability)).collect();
            assert!(writes.iter().any(|f| f.name == "release"), "{name}: this is the real interface");
            for function in writes {
                let ours = IBreaker::IBreakerCalls::SELECTORS.contains(&function.selector().0);
                assert_eq!(
                    ours,
                    ["trip", "tripSigned"].contains(&function.name.as_str()),
                    "{name}.{}",
                    function.name
                );
            }
        }
    }

    #[test]
    fn signed_trips_are_digested_as_the_contracts_vectors_say() {
        let path = format!("{}/../../contracts/vectors/digests.json", env!("CARGO_MANIFEST_DIR"));
        let vectors: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let text = |word: &serde_json::Value| {
            let mut padded = [0u8; 32];
            let bytes = word.as_str().unwrap().as_bytes();
            padded[..bytes.len()].copy_from_slice(bytes);
            B256::from(padded)
        };
        let mut compared = 0;
        for vector in vectors["actions"].as_array().unwrap() {
            let of = |key: &str| vector[key].as_str().unwrap();
            let Ok(chain) = of("caip2").parse() else { continue };
            let action = Action {
                id: portcullis_verifier::ActionId(B256::ZERO),
                chain,
                target: of("guard").parse().unwrap(),
                scope: of("scope").parse().unwrap(),
                level: [Level::Open, Level::Limited, Level::Closed]
                    [usize::try_from(vector["level"].as_u64().unwrap()).unwrap()],
                until: of("until").parse().unwrap(),
                until_height: of("untilHeight").parse().unwrap(),
                incident: portcullis_verifier::IncidentId(text(&vector["incident"])),
                generation: u32::try_from(vector["generation"].as_u64().unwrap()).unwrap(),
                class: portcullis_verifier::ActionClass::Halt,
                value_at_risk_micro_usd: 0,
                reasons: Vec::new(),
            };
            assert_eq!(trip::gate_id(&action).to_string(), of("actionId"), "{vector}");
            let digest = digest_until(&action, text(&vector["record"]), of("deadline").parse().unwrap());
            assert_eq!(digest.to_string(), of("eip191"), "{vector}");
            compared += 1;
        }
        assert!(compared >= 4, "{compared} vectors");
    }

    #[test]
    fn closed_runs_out_into_limited_and_limited_into_open_by_time_and_height() {
        let word = word_of(&state());
        assert_eq!(word.level_at(99, 60), Level::Closed);
        assert_eq!(word.level_at(100, 60), Level::Limited);
        assert_eq!(word.level_at(200, 49), Level::Limited, "a chain that stood still does not wake up open");
        assert_eq!(word.level_at(200, 50), Level::Open);
        assert_eq!((word.registered(), word.hold(), word.generation()), (true, 0, 3));
        let held = word_of(&IBreaker::ScopeState { hold: 2, ..state() });
        assert_eq!(held.level_at(999, 999), Level::Closed);
        let unknown = word_of(&IBreaker::ScopeState { registered: false, ..state() });
        assert_eq!(unknown.level_at(999, 999), Level::Closed);
    }

    #[test]
    fn fields_stand_where_the_contract_packs_them() {
        let word = Field::ClosedUntil.place(7) | Field::LimitedUntilHeight.place(9) | U256::from(1);
        let word = ScopeWord(word);
        assert_eq!(word.get(Field::ClosedUntil), 7);
        assert_eq!(word.get(Field::LimitedUntilHeight), 9);
        assert_eq!(word.get(Field::ClosedUntilHeight), 0);
        assert_eq!(ScopeWord(Field::ClosedUntil.place(u64::MAX)).get(Field::ClosedUntilHeight), 0);
    }

    #[test]
    fn a_gate_s_targets_that_a_level_asks_for_and_that_are_open_are_told() {
        let view = |account: u8, from_level: u8, known: bool, closed: bool| IGate::TargetView {
            target: IGate::Target {
                account: alloy::primitives::Address::with_last_byte(account),
                kind: 0,
                fromLevel: from_level,
                argument: B256::ZERO,
                status: alloy::primitives::Address::ZERO,
            },
            ours: false,
            known,
            closed,
        };
        let targets = [view(1, 2, true, true), view(2, 2, true, false), view(3, 1, false, false)];
        let open = open_because(2, &targets);
        assert_eq!(open.len(), 2, "{open:?}");
        assert!(open.iter().any(|text| text.contains("02 (kind 0) is open")), "{open:?}");
        assert!(open.iter().any(|text| text.contains("03 (kind 0) does not say")), "{open:?}");
        assert_eq!(open_because(1, &targets).len(), 1);
        assert!(open_because(0, &targets).is_empty() && open_because(0, &[]).is_empty());
        assert_eq!(open_because(2, &[]).len(), 1, "without targets nothing is closed");
    }
}
