//! What a Guard and a Gate have in common: a circuit breaker with scopes, three levels, expiry by time or height, trips
//! that only extend, a budget for every tripper, and a way back that belongs to other keys.
//!
//! The rules are those of the guards on every other machine; `contracts/vectors` fixes them. The functions here take the
//! store and the block, and return events; the contracts decide what else follows from an [`Outcome`].

mod actions;
mod budget;
mod error;
mod events;
mod msg;
mod record;
mod roles;
mod scope_id;
mod scope_word;
mod scopes;
mod signature;
pub mod state;
mod word;

pub use actions::{Charging, Outcome, hold, release, trip, trip_signed};
pub use budget::{Span, capped, extend, left_seconds};
pub use error::BreakerError;
pub use events::{Log, amounts};
pub use msg::{
    ConfigResponse, Instantiate, ScopeParts, ScopeState, TripRequest, TripperResponse, level_of, state_of,
    tripper_of,
};
pub use record::record_event;
pub use roles::{Role, instantiate, owner_call, require_owner, require_tripper, seal};
pub use roles::{
    cancel, grant_tripper, revoke_guardian, revoke_releaser, revoke_tripper, schedule, set_guardian,
    set_releaser, transfer_ownership,
};
pub use scope_id::{ANY, DIRECTION_ANY, DIRECTION_IN, DIRECTION_OUT, account_word, action_id, trip_message};
pub use scope_id::{caip2_hash, caip2_name, scope_of};
pub use scope_word::{CLOSED, LIMITED, Level, OPEN, ScopeWord};
pub use scopes::{Block, known, load, register, save};
pub use word::{Word, keccak256};
