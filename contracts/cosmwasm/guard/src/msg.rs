//! Messages and answers. Each execute message is a function of the guard's interface on other machines, in snake case,
//! with its parameters.

use cosmwasm_schema::{QueryResponses, cw_serde};
use cosmwasm_std::{Addr, CosmosMsg, StdResult, Uint128, Uint256, WasmMsg, to_json_binary};
#[cfg(not(target_arch = "wasm32"))]
use portcullis_breaker::{ConfigResponse, ScopeState, TripperResponse};
use portcullis_breaker::{Instantiate, Level, ScopeParts, TripRequest, Word};

/// Constants and first roles.
pub type InstantiateMsg = Instantiate;

/// Base units; the greatest value means no limit, zero lets nothing pass.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[derive(Copy)]
pub struct Limits {
    /// Of one transfer.
    pub per_transaction: Uint128,
    /// Of any 60 minutes.
    pub per_hour: Uint128,
    /// Of any 24 hours.
    pub per_day: Uint128,
    /// Of any 7 days.
    pub per_week: Uint128,
}

/// What can be done.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub enum ExecuteMsg {
    /// Asked by a bridge before value leaves. Fails when a scope that covers (bridge, out, corridor, asset) is closed,
    /// when none of them is registered, when the sender is not that bridge, or when a limit would be exceeded; else counts
    /// the amount against the limits. Refunds, acknowledgements, time-outs and repayments do not ask.
    Check {
        /// The bridge's name here.
        bridge: Word,
        /// The other side.
        corridor: Word,
        /// What leaves.
        asset: Word,
        /// Base units.
        amount: Uint256,
    },

    /// Raise a scope to a level; the sender is the tripper. The data of the answer is `true` when it took effect.
    Trip(TripRequest),
    /// The same on behalf of the tripper who signed; anyone may submit it, once.
    TripSigned {
        /// What was signed.
        request: TripRequest,
        /// Unix seconds; refused when now > deadline.
        deadline: u64,
        /// 65 bytes r, s, v in hex, over the digest that `trip_digest` answers; s in the lower half order, v 27 or 28.
        signature: cosmwasm_std::HexBinary,
    },
    /// A tripper lowers limits until a time or height, from its budget; at once.
    LowerLimits {
        /// The bridge's name here.
        bridge: Word,
        /// Zeros are the whole escrow of the asset.
        corridor: Word,
        /// Never any.
        asset: Word,
        /// Every field becomes the smaller of what is set and this.
        lowered: Limits,
        /// Unix seconds.
        until: u64,
        /// Block height; zero asks for none.
        until_height: u64,
    },

    /// People hold the scope at a level (1 or 2) without expiry. Raises only. Guardian or releaser.
    Hold {
        /// What to hold.
        scope: Word,
        /// 1 or 2.
        level: Level,
    },
    /// Ends closure and hold, and raises the generation. Releaser.
    Release {
        /// What to open.
        scope: Word,
        /// 0 (open) or 1 (limited, for the limited tail from now).
        to: Level,
        /// The generation that the releaser saw.
        generation: u32,
        /// The `closed_until` that the releaser saw: a trip that came in between is not undone unseen.
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
        /// Of the call: stands in the event `OperationScheduled`; `operation_id` answers it.
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
    /// Owner, at once: every field becomes the smaller of what is set and what is given.
    TightenLimits {
        /// The bridge's name here.
        bridge: Word,
        /// Zeros are the whole escrow of the asset.
        corridor: Word,
        /// Never any.
        asset: Word,
        /// Always hold.
        normal: Limits,
        /// Hold beside them while the level is limited.
        limited: Limits,
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
        /// Closed seconds within the rolling window.
        budget_seconds: u32,
    },
    /// Owner; at once before `seal`, scheduled after it.
    RegisterBridge {
        /// Its name here.
        bridge: Word,
        /// The only contract that may ask for it.
        consumer: String,
    },
    /// Owner; at once before `seal`, scheduled after it. Scopes are registered with their parts, so that a trip knows what
    /// it covers; any corridor and any asset covers everything.
    RegisterScope(ScopeParts),
    /// Owner; at once before `seal`, scheduled after it. Limits of one asset's outflow.
    SetLimits {
        /// The bridge's name here.
        bridge: Word,
        /// Zeros are the whole escrow of the asset, in which every corridor is nested.
        corridor: Word,
        /// Never any.
        asset: Word,
        /// Always hold.
        normal: Limits,
        /// Hold beside them while the level is limited.
        limited: Limits,
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
    /// A scope's own level now, wildcards aside; closed when it is unregistered, and before `seal`.
    #[returns(Level)]
    LevelOf {
        /// Its id.
        scope: Word,
    },
    /// The strictest level of all scopes that cover the call; closed when none is registered.
    #[returns(Level)]
    LevelFor(ScopeParts),
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
    /// What a tripper signs: the Keccak-256 of action id, deadline and record.
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
    /// The limits of an outflow scope.
    #[returns(LimitsResponse)]
    LimitsOf {
        /// Its id.
        scope: Word,
    },
    /// What counts against them now.
    #[returns(UsedResponse)]
    UsedOf {
        /// Its id.
        scope: Word,
    },
    /// The only contract that may ask for a bridge.
    #[returns(Option<Addr>)]
    ConsumerOf {
        /// Its name here.
        bridge: Word,
    },
}

/// Answer to `limits_of`.
#[cw_serde]
pub struct LimitsResponse {
    /// Always hold.
    pub normal: Limits,
    /// Hold beside them while the level is limited.
    pub limited: Limits,
    /// What a tripper asked for; in force while now < until or height < until_height.
    pub lowered: Limits,
    /// Unix seconds.
    pub until: u64,
    /// Block height.
    pub until_height: u64,
}

/// Answer to `used_of`, in base units.
#[cw_serde]
pub struct UsedResponse {
    /// In the hour's window.
    pub hour: Uint256,
    /// In the day's window.
    pub day: Uint256,
    /// In the week's window.
    pub week: Uint256,
}

/// What a bridge keeps to ask: its guard, and its own name there.
#[cw_serde]
pub struct Guarded {
    /// The guard's address.
    pub guard: Addr,
    /// The name under which the guard knows this contract.
    pub bridge: Word,
}

impl Guarded {
    /// The question, to be sent before the payout as a plain message: SECURITY: without a reply, so that a refusal, and a
    /// guard that cannot answer, undoes the whole call.
    ///
    /// # Errors
    /// When the message cannot be written.
    pub fn check_outflow(&self, corridor: Word, asset: Word, amount: Uint256) -> StdResult<CosmosMsg> {
        let msg = ExecuteMsg::Check { bridge: self.bridge, corridor, asset, amount };
        Ok(WasmMsg::Execute {
            contract_addr: self.guard.to_string(),
            msg: to_json_binary(&msg)?,
            funds: Vec::new(),
        }
        .into())
    }
}
