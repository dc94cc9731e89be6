//! Where the fields of the guard's own accounts lie; see `portcullis_solana_breaker::layout`.

/// A bridge that may ask.
#[expect(missing_docs, reason = "the names of the fields; contracts/solana/README.md explains each")]
pub mod bridge {
    pub const TAG: &[u8; 8] = b"PCBRIDG1";
    pub const SEED: &[u8] = b"bridge";
    pub const LENGTH: usize = 112;
    pub const LIMITED: usize = 9;
    pub const SCOPES: usize = 12;
    pub const NAME: usize = 48;
    pub const CONSUMER: usize = 80;
}

/// Which scopes cover a flow.
#[expect(missing_docs, reason = "the names of the fields; contracts/solana/README.md explains each")]
pub mod route {
    pub const TAG: &[u8; 8] = b"PCROUTE1";
    pub const SEED: &[u8] = b"route";
    pub const LENGTH: usize = 720;
    pub const MASK: usize = 9;
    pub const SCOPES: usize = 12;
    pub const BRIDGE: usize = 48;
    pub const CORRIDOR: usize = 80;
    pub const ASSET: usize = 112;
    pub const ADDRESSES: usize = 144;
    pub const ESCROW_BOOK: usize = 656;
    pub const CORRIDOR_BOOK: usize = 688;
}

/// Limits of one outflow scope, and what counts against them.
#[expect(missing_docs, reason = "the names of the fields; contracts/solana/README.md explains each")]
pub mod book {
    pub const TAG: &[u8; 8] = b"PCBOOKL1";
    pub const SEED: &[u8] = b"book";
    pub const LENGTH: usize = 576;
    pub const ID: usize = 48;
    pub const NORMAL: usize = 80;
    pub const LIMITED: usize = 144;
    pub const LOWERED: usize = 208;
    pub const LOWERED_UNTIL: usize = 272;
    pub const LOWERED_UNTIL_SLOT: usize = 280;
    pub const WINDOWS: usize = 288;
    pub const WINDOW_LENGTH: usize = 96;
    pub const QUARTER: usize = 8;
    pub const AMOUNTS: usize = 16;
}
