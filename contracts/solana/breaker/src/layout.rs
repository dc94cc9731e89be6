//! Where the fields of accounts lie: tag, length, and the offset of each field. All begin with the tag (8 bytes) and the bump.

/// Any account.
pub mod any {
    /// The bump of its address.
    pub const BUMP: usize = 8;
    /// The breaker that it belongs to (32), but for the breaker itself.
    pub const BREAKER: usize = 16;
}

/// The guard or gate.
#[expect(missing_docs, reason = "the names of the fields; contracts/solana/README.md explains each")]
pub mod breaker {
    pub const TAG: &[u8; 8] = b"PCBREAK1";
    pub const SEED: &[u8] = b"breaker";
    pub const LENGTH: usize = 224;
    pub const SEALED: usize = 9;
    pub const WINDOW_HOURS: usize = 10;
    pub const MAX_SECONDS: usize = 12;
    pub const MAX_BLOCKS: usize = 16;
    pub const TAIL_SECONDS: usize = 20;
    pub const TAIL_BLOCKS: usize = 24;
    pub const CAIP2: usize = 32;
    pub const CREATOR: usize = 64;
    pub const NAME: usize = 96;
    pub const OWNER: usize = 128;
    pub const RELEASER: usize = 160;
    pub const GUARDIAN: usize = 192;
}

/// A scope, one lane of it.
#[expect(missing_docs, reason = "the names of the fields; contracts/solana/README.md explains each")]
pub mod scope {
    pub const TAG: &[u8; 8] = b"PCSCOPE1";
    pub const SEED: &[u8] = b"scope";
    pub const LENGTH: usize = 312;
    pub const LANE: usize = 9;
    pub const DIRECTION: usize = 10;
    pub const ID: usize = 48;
    pub const WORD: usize = 80;
    pub const BRIDGE: usize = 112;
    pub const CORRIDOR: usize = 144;
    pub const ASSET: usize = 176;
    pub const INCIDENT: usize = 208;
    pub const ACTION: usize = 240;
    pub const RECORD: usize = 272;
    pub const SLOT: usize = 304;
}

/// An account that may close, and what it was charged.
#[expect(missing_docs, reason = "the names of the fields; contracts/solana/README.md explains each")]
pub mod tripper {
    pub const TAG: &[u8; 8] = b"PCTRIPP1";
    pub const SEED: &[u8] = b"tripper";
    pub const ACTIVE: usize = 9;
    pub const BUDGET: usize = 12;
    pub const KEY: usize = 48;
    pub const LATEST: usize = 80;
    pub const HOURS: usize = 96;
}

/// A call of the owner that waits.
#[expect(missing_docs, reason = "the names of the fields; contracts/solana/README.md explains each")]
pub mod operation {
    pub const TAG: &[u8; 8] = b"PCOPERA1";
    pub const SEED: &[u8] = b"operation";
    pub const LENGTH: usize = 112;
    pub const ID: usize = 48;
    pub const READY_AT: usize = 80;
}

/// A signed trip that took effect.
#[expect(missing_docs, reason = "the names of the fields; contracts/solana/README.md explains each")]
pub mod used {
    pub const TAG: &[u8; 8] = b"PCUSEDT1";
    pub const SEED: &[u8] = b"used";
    pub const LENGTH: usize = 120;
    pub const ACTION: usize = 48;
    pub const DEADLINE: usize = 80;
    pub const PAYER: usize = 88;
}
