//! The script: who does what, where, and when.

use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize};

/// A chain as the bridge numbers it. Four of them can run as nodes; the others are only named in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Where most of the escrow lies. A node runs for it.
    Ethereum,
    /// The other watched side. A node runs for it.
    Moonbeam,
    /// A sibling corridor of the same escrow; not watched.
    Evmos,
    /// A sibling corridor of the same escrow; not watched.
    Milkomeda,
    /// A side of another family, with a node of its own where a play asks for it.
    Cosmos,
    /// A side of a third family, with a node of its own where a play asks for it.
    Solana,
    /// Behind the side of the other family, reached by a channel whose denominations it escrows; not watched.
    Channel,
}

impl Domain {
    /// The bridge's own number for the chain: its short name in ASCII.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Ethereum => 0x0065_7468,
            Self::Moonbeam => 0x6265_616d,
            Self::Evmos => 0x6576_6d73,
            Self::Milkomeda => 0x6331,
            Self::Cosmos => 0x636f_736d,
            Self::Solana => 0x0073_6f6c,
            Self::Channel => 0x6963_7332,
        }
    }

    /// The name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ethereum => "Ethereum",
            Self::Moonbeam => "Moonbeam",
            Self::Evmos => "Evmos",
            Self::Milkomeda => "Milkomeda",
            Self::Cosmos => "Cosmos",
            Self::Solana => "Solana",
            Self::Channel => "Channel",
        }
    }

    /// Whether it joins the escrow for a play, without a past.
    #[must_use]
    pub fn joins(self) -> bool {
        matches!(self, Self::Cosmos | Self::Solana)
    }

    /// From the short name in recorded directions.
    #[must_use]
    pub fn from_short(short: &str) -> Option<Self> {
        match short {
            "eth" => Some(Self::Ethereum),
            "beam" => Some(Self::Moonbeam),
            "evms" => Some(Self::Evmos),
            "c1" => Some(Self::Milkomeda),
            _ => None,
        }
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Users, and the relayer that delivers for them.
    Honest,
    /// The attackers on the corridor that is watched on both sides.
    Attacker,
    /// The same on the sibling corridors.
    Sibling,
}

/// What a transfer does on its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Puts a message on its way: locks a token at home here, burns a represented one.
    Send,
    /// Consumes a message: releases or mints.
    Process,
}

/// One transfer of the script.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// Seconds after the first false release; negative before it. Recorded time, not yet divided.
    pub at: i64,
    /// Recorded block: what shares one is sent together.
    pub block: u64,
    /// Recorded transaction, as a number: what shares one is one call.
    pub group: u32,
    /// On which chain; only those that run.
    pub side: Domain,
    /// What it does.
    pub kind: Kind,
    /// The other side: destination of a send, origin of a consumption.
    pub remote: Domain,
    /// The bridge's message id.
    pub message_id: u64,
    /// Index into [`Scenario::tokens`].
    pub token: usize,
    /// Base units.
    pub amount: U256,
    /// Who sends; for a consumption, who the recording says receives.
    pub sender: Address,
    /// Who receives on the destination.
    pub recipient: Address,
    /// Whose doing.
    pub actor: Actor,
    /// Makes copies of one message distinct, as they were.
    pub nonce: u64,
}

/// A token with its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Short name.
    pub symbol: String,
    /// Decimals of both forms.
    pub decimals: u8,
    /// Where it is at home; the other side holds a representation.
    pub home: Domain,
    /// Whether the bridge declares it. An undeclared one exists on its home chain only.
    pub declared: bool,
    /// Price of the day in micro-USD per whole token, where there is one.
    pub micro_usd: Option<u64>,
}

impl Token {
    /// Value of an amount in micro-USD; zero where there is no price.
    #[must_use]
    pub fn value(&self, amount: U256) -> u128 {
        let price = U256::from(self.micro_usd.unwrap_or(0));
        let scale = U256::from(10u8).pow(U256::from(self.decimals));
        u128::try_from(amount.saturating_mul(price) / scale).unwrap_or(u128::MAX)
    }
}

/// What a corridor's escrow held when the script begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Index into [`Scenario::tokens`].
    pub token: usize,
    /// The corridor: where the representation lives.
    pub corridor: Domain,
    /// Base units.
    pub amount: U256,
}

/// The whole script.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// For people: where it comes from.
    pub origin: String,
    /// Finality window of the bridge, recorded seconds.
    pub finality_secs: u64,
    /// The live part begins so many recorded seconds before the first false release.
    pub lead_secs: i64,
    /// The last live transfer, recorded seconds after the first false release.
    pub last_secs: i64,
    /// Tokens.
    pub tokens: Vec<Token>,
    /// What the escrow held.
    pub openings: Vec<Opening>,
    /// Laid down before anybody watches; in time order.
    pub history: Vec<Transfer>,
    /// Played live; in time order.
    pub live: Vec<Transfer>,
    /// Micro-USD that the attackers took on the watched corridor with nobody to stop them.
    pub lost_without_us: u128,
    /// The same on the sibling corridors, as far as their tokens have a price.
    pub siblings_without_us: u128,
}

impl Scenario {
    /// Value in micro-USD of one transfer.
    #[must_use]
    pub fn value(&self, transfer: &Transfer) -> u128 {
        self.tokens.get(transfer.token).map_or(0, |token| token.value(transfer.amount))
    }

    /// What an actor takes from the escrow when every live transfer of it succeeds, in micro-USD.
    #[must_use]
    pub fn taken(&self, actor: Actor) -> u128 {
        self.live
            .iter()
            .filter(|transfer| is_loss(transfer, actor))
            .map(|transfer| self.value(transfer))
            .sum()
    }

    /// Fixes what is lost without us, from the whole live part.
    #[must_use]
    pub fn with_losses(mut self) -> Self {
        self.lost_without_us = self.taken(Actor::Attacker);
        self.siblings_without_us = self.taken(Actor::Sibling);
        self
    }

    /// Whether the escrow holds something for a corridor.
    #[must_use]
    pub fn has_corridor(&self, corridor: Domain) -> bool {
        self.openings.iter().any(|opening| opening.corridor == corridor)
    }

    /// Drops what comes later than `secs` after the first false release; what is lost without us stays that of the whole.
    #[must_use]
    pub fn until(mut self, secs: i64) -> Self {
        self.live.retain(|transfer| transfer.at <= secs);
        self.last_secs = self.last_secs.min(secs);
        self
    }
}

/// Whether a transfer is money that `actor` takes out of the escrow.
#[must_use]
pub fn is_loss(transfer: &Transfer, actor: Actor) -> bool {
    // What is minted on a side that joins is a claim on the same escrow.
    let escrow = transfer.side == Domain::Ethereum || transfer.side.joins();
    transfer.actor == actor && transfer.kind == Kind::Process && escrow
}
