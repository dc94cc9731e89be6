//! Messages and answers. Trips, state, roles and events are those of a guard.

use cosmwasm_schema::{QueryResponses, cw_serde};
use cosmwasm_std::HexBinary;
#[cfg(not(target_arch = "wasm32"))]
use portcullis_breaker::{ConfigResponse, ScopeState, TripperResponse};
use portcullis_breaker::{Instantiate, Level, ScopeParts, TripRequest, Word};

/// Constants and first roles.
pub type InstantiateMsg = Instantiate;

/// What can be closed. There is no kind for an arbitrary message.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub enum Switch {
    /// Kind 0: a contract that knows `{"pause":{}}` and `{"unpause":{}}` from the gate, and answers `{"paused":{}}` with a
    /// boolean, or an object with a boolean `paused`.
    Pausable {
        /// The contract.
        account: String,
    },
    /// Kind 6: one message type of the chain, by x/circuit. The gate's address has `LEVEL_SOME_MSGS` with this type.
    Circuit {
        /// As in `/cosmos.bank.v1beta1.MsgSend`.
        type_url: String,
    },
}

/// A switch, and when to use it.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What is closed.
    pub switch: Switch,
    /// The level from which it is closed: 1 (already when limited) or 2 (only when closed).
    pub from_level: Level,
}

/// What can be done.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub enum ExecuteMsg {
    /// Raise a scope to a level; the sender is the tripper. The data of the answer is `true` when it took effect.
    Trip(TripRequest),
    /// The same on behalf of the tripper who signed; anyone may submit it, once.
    TripSigned {
        /// What was signed.
        request: TripRequest,
        /// Unix seconds; refused when now > deadline.
        deadline: u64,
        /// 65 bytes r, s, v in hex, over the digest that `trip_digest` answers.
        signature: HexBinary,
    },
    /// Close what the scope's level asks for and is still open. Anyone.
    Enforce {
        /// Its id.
        scope: Word,
    },
    /// Open what the gate closed and the scope's level does not ask for any more. Anyone.
    Restore {
        /// Its id.
        scope: Word,
    },

    /// People hold the scope at a level (1 or 2) without expiry. Raises only. Guardian or releaser.
    Hold {
        /// What to hold.
        scope: Word,
        /// 1 or 2.
        level: Level,
    },
    /// Ends closure and hold, raises the generation, and restores. Releaser.
    Release {
        /// What to open.
        scope: Word,
        /// 0 (open) or 1 (limited, for the limited tail from now).
        to: Level,
        /// The generation that the releaser saw.
        generation: u32,
        /// The `closed_until` that the releaser saw.
        closed_until: u64,
    },

    /// Ends set-up, once. Owner.
    Seal {},
    /// Announce a call that waits: the same message can be sent by the owner after `max_seconds`, within 14 days. Owner.
    Schedule {
        /// The message.
        call: Box<ExecuteMsg>,
    },
    /// Takes a scheduled call back. Owner, releaser or guardian.
    Cancel {
        /// Of the call: stands in the event `OperationScheduled`.
        id: Word,
    },
    /// Owner, at once.
    RevokeReleaser {},
    /// Owner, at once.
    RevokeGuardian {},
    /// Owner, at once.
    RevokeTripper {
        /// Who trips no more.
        account: String,
    },
    /// Owner, at once: accepts the ownership that a contract (cw-ownable) offers to the gate.
    TakeOver {
        /// The contract.
        account: String,
    },

    /// Owner; at once before `seal`, scheduled after it.
    TransferOwnership {
        /// The new owner.
        account: String,
    },
    /// Owner; at once before `seal`, scheduled after it.
    SetReleaser {
        /// Who may shorten.
        account: String,
    },
    /// Owner; at once before `seal`, scheduled after it.
    SetGuardian {
        /// Who may hold.
        account: String,
    },
    /// Owner; at once before `seal`, scheduled after it.
    GrantTripper {
        /// Who may trip.
        account: String,
        /// Closed seconds within the rolling window; limiting is charged too.
        budget_seconds: u32,
    },
    /// Owner; at once before `seal`, scheduled after it. Scopes of a gate are not nested.
    RegisterScope(ScopeParts),
    /// Owner; at once before `seal`, scheduled after it.
    AddTarget {
        /// The scope that closes it.
        scope: Word,
        /// What is closed.
        target: Target,
    },
    /// Owner; at once before `seal`, scheduled after it. The last target of the scope takes the place of the removed one.
    RemoveTarget {
        /// The scope that closes it.
        scope: Word,
        /// Its place in `targets_of`.
        index: u32,
    },
    /// Owner; at once before `seal`, scheduled after it. Offers the ownership that the gate holds over a contract
    /// (cw-ownable), which it does not list, to another.
    HandBack {
        /// The contract.
        account: String,
        /// Who may accept it.
        to: String,
    },
}

/// What can be asked.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[derive(QueryResponses)]
pub enum QueryMsg {
    /// Constants and roles.
    #[returns(ConfigResponse)]
    Config {},
    /// The id of a scope.
    #[returns(Word)]
    ScopeOf(ScopeParts),
    /// A scope's level now; closed when it is unregistered, and before `seal`.
    #[returns(Level)]
    LevelOf {
        /// Its id.
        scope: Word,
    },
    /// A scope's stored fields.
    #[returns(ScopeState)]
    StateOf {
        /// Its id.
        scope: Word,
    },
    /// What an account may still cause.
    #[returns(TripperResponse)]
    TripperOf {
        /// Its address.
        account: String,
    },
    /// The id of an action.
    #[returns(Word)]
    ActionId {
        /// The action.
        request: TripRequest,
    },
    /// What a tripper signs.
    #[returns(Word)]
    TripDigest {
        /// The action.
        request: TripRequest,
        /// Unix seconds.
        deadline: u64,
    },
    /// The id under which a call of the owner waits.
    #[returns(Word)]
    OperationId {
        /// The message.
        call: Box<ExecuteMsg>,
    },
    /// What a scope closes, and whether it is closed.
    #[returns(Vec<TargetView>)]
    TargetsOf {
        /// Its id.
        scope: Word,
    },
}

/// One target as it is now.
#[cw_serde]
pub struct TargetView {
    /// What is closed, and from which level.
    pub target: Target,
    /// Keccak-256 of what it is: its state lies under this id, see the README.
    pub id: Word,
    /// What the gate's last attempt left.
    pub mark: crate::state::Mark,
    /// What it says itself; none when it gives no answer. x/circuit gives none to a contract.
    pub closed: Option<bool>,
}
