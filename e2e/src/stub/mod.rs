//! Chains without a virtual machine, for rates that no development node carries.
//!
//! *Who is in the play.* A [`chain::Chain`] makes blocks whose hashes, receipts roots and state roots are real: what
//! hangs on them is proven by the service as on any chain. [`server`] speaks JSON-RPC and websockets for it, one path
//! per operator, and notes when a head left and when a trip arrived. [`state`] holds accounts and storage and proves
//! them; [`guard`] knows the one call that changes something. [`traffic`] is what users and attackers of the bridges do,
//! from a seed. [`world`] puts it all together and writes the configuration.
//!
//! The service is not told: the same family code reads these chains as any other.

pub mod block;
pub mod chain;
pub mod guard;
mod rpc;
pub mod server;
mod settings;
pub mod state;
pub mod traffic;
pub mod world;

/// A sequence of numbers from a seed (splitmix64): small, even, and the same everywhere.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`; zero when the bound is.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }
}
