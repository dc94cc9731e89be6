//! Messages and answers.

use cosmwasm_schema::{QueryResponses, cw_serde};
use cosmwasm_std::{Uint128, Uint256};
use portcullis_breaker::Word;

/// The sender becomes the owner.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub struct InstantiateMsg {
    /// The guard that is asked before value leaves.
    pub guard: String,
    /// The name under which the guard knows this contract.
    pub bridge: Word,
    /// Who proves messages.
    pub updater: String,
}

/// A message that arrived. Copies of one message with another nonce are distinct leaves, as they were in reality.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Number of the other side.
    pub origin: u32,
    /// Chosen by the sender.
    pub message_id: Uint256,
    /// Denomination here.
    pub token: String,
    /// Base units.
    pub amount: Uint128,
    /// An address of this chain.
    pub recipient: String,
    /// Chosen by the sender.
    pub nonce: Uint256,
}

/// A transfer to the other side.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// Number of the other side.
    pub destination: u32,
    /// Denomination here.
    pub token: String,
    /// Base units. A home token of exactly this amount is sent with the call.
    pub amount: Uint128,
    /// An address of the other side, as it writes it.
    pub recipient: String,
    /// Chosen by the caller, so that recorded histories can be replayed.
    pub message_id: Uint256,
}

/// What can be done.
#[cw_serde]
#[serde(deny_unknown_fields)]
pub enum ExecuteMsg {
    /// Owner.
    RegisterToken {
        /// A denomination of the bank (`ustake`, `ibc/…`) when it is at home here; else any name, such as that of an
        /// ICS-20 voucher (`transfer/channel-0/uatom`), which this contract keeps the balances of.
        token: String,
        /// Whether the token lives here and is locked; else it is minted and burned.
        is_home: bool,
    },
    /// Locks or burns.
    Send(Send),
    /// Maps the leaves to the committed root. Updater.
    Prove {
        /// See `leaf_of`.
        leaves: Vec<Word>,
    },
    /// Releases or mints, after asking the guard.
    Process(Message),
    /// The same, many at once.
    ProcessMany {
        /// In this order.
        messages: Vec<Message>,
    },
    /// Re-initialises with a committed root of zero: the mistake. Owner.
    Upgrade {},
}

/// What can be asked.
#[cw_serde]
#[serde(deny_unknown_fields)]
#[derive(QueryResponses)]
pub enum QueryMsg {
    /// What a message is proven as.
    #[returns(Word)]
    LeafOf(Message),
    /// The root under which leaves are proven now.
    #[returns(Word)]
    CommittedRoot {},
    /// Whether a leaf was processed.
    #[returns(bool)]
    Processed {
        /// See `leaf_of`.
        leaf: Word,
    },
    /// The balance of a represented token.
    #[returns(Uint128)]
    Balance {
        /// Its name.
        token: String,
        /// Whose.
        account: String,
    },
    /// Base units of a represented token in all hands.
    #[returns(Uint128)]
    Supply {
        /// Its name.
        token: String,
    },
}
