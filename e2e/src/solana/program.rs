//! Addresses and calls of the bridge and its tokens; what lies where stands in contracts/solana/README.md.

use alloy::primitives::{B256, U256, keccak256};
use portcullis_solana::address::{derived, read};
use portcullis_solana::devnet::Call;

use super::guard::Guard;
use crate::contracts::bridge_id;

/// The program of tokens.
const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
/// Bytes of a mint, and of an account that holds a token.
const TOKEN_BYTES: [u64; 2] = [82, 165];
/// More than the rent of any account of the play.
const RENT: u64 = 10_000_000;
/// The system's program, which makes accounts and moves coins.
pub(super) const SYSTEM: B256 = B256::ZERO;

/// An account of a call: address, whether it signs, whether it is written.
pub(super) type Meta = (B256, bool, bool);

pub(super) fn r(address: B256) -> Meta {
    (address, false, false)
}

pub(super) fn w(address: B256) -> Meta {
    (address, false, true)
}

pub(super) fn s(address: B256) -> Meta {
    (address, true, false)
}

pub(super) fn sw(address: B256) -> Meta {
    (address, true, true)
}

/// The program of tokens.
#[must_use]
pub fn token_program() -> B256 {
    read(TOKEN).unwrap_or_default()
}

/// Where the guard's program lies from the first slot on.
#[must_use]
pub fn guard_program() -> B256 {
    keccak256(b"portcullis play: guard")
}

/// Where the bridge's program lies from the first slot on.
#[must_use]
pub fn bridge_program() -> B256 {
    keccak256(b"portcullis play: bridge")
}

pub(super) fn pda(program: B256, seeds: &[&[u8]]) -> B256 {
    // One of 256 bumps leaves the curve, but for one in 2^256 seeds.
    derived(seeds, program).map_or(B256::ZERO, |(address, _bump)| address)
}

pub(super) fn data(number: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[number], parts.concat().as_slice()].concat()
}

/// A number of a chain as the guard names a corridor.
#[must_use]
pub fn corridor(number: u32) -> B256 {
    B256::from(U256::from(number))
}

/// Moves coins.
#[must_use]
pub fn pay(from: B256, to: B256, lamports: u64) -> Call {
    let data = [&2_u32.to_le_bytes()[..], &lamports.to_le_bytes()].concat();
    Call { program: SYSTEM, accounts: vec![sw(from), w(to)], data }
}

fn create(payer: B256, new: B256, bytes: u64) -> Call {
    let mut data = 0_u32.to_le_bytes().to_vec();
    data.extend(RENT.to_le_bytes());
    data.extend(bytes.to_le_bytes());
    data.extend(token_program().as_slice());
    Call { program: SYSTEM, accounts: vec![sw(payer), sw(new)], data }
}

/// Makes a token that `authority` mints, and nobody freezes.
#[must_use]
pub fn make_mint(payer: B256, mint: B256, decimals: u8, authority: B256) -> [Call; 2] {
    let data = [&[20, decimals][..], authority.as_slice(), &[0]].concat();
    let make = Call { program: token_program(), accounts: vec![w(mint)], data };
    [create(payer, mint, TOKEN_BYTES[0]), make]
}

/// Makes an account in which `owner` holds a token.
#[must_use]
pub fn make_holding(payer: B256, holding: B256, mint: B256, owner: B256) -> [Call; 2] {
    let data = data(18, &[owner.as_slice()]);
    let make = Call { program: token_program(), accounts: vec![w(holding), r(mint)], data };
    [create(payer, holding, TOKEN_BYTES[1]), make]
}

/// A message that arrives.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// Number of the chain that it comes from.
    pub origin: u32,
    /// Its id.
    pub id: B256,
    /// The token.
    pub mint: B256,
    /// Base units.
    pub amount: u64,
    /// Where the recipient holds the token.
    pub to: B256,
    /// Makes copies of one message distinct.
    pub nonce: B256,
}

/// A message on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// Number of the chain that it goes to.
    pub destination: u32,
    /// Its id.
    pub id: B256,
    /// The token.
    pub mint: B256,
    /// Base units.
    pub amount: u64,
    /// Who receives it there.
    pub recipient: B256,
}

/// The bridge with the flaw.
#[derive(Debug, Clone, Copy)]
pub struct Bridge {
    /// Its account.
    pub demo: B256,
    /// The guard that it asks.
    pub guard: Guard,
}

impl Bridge {
    /// The bridge of the guard's owner.
    #[must_use]
    pub fn of(guard: Guard) -> Self {
        let demo = pda(bridge_program(), &[b"demo", guard.owner.as_slice(), bridge_id().as_slice()]);
        Self { demo, guard }
    }

    fn own(&self, seed: &[u8], what: B256) -> B256 {
        pda(bridge_program(), &[seed, self.demo.as_slice(), what.as_slice()])
    }

    /// Makes the bridge.
    #[must_use]
    pub fn initialize(&self, updater: B256) -> Call {
        let name = bridge_id();
        let words = [name, updater, guard_program(), self.guard.breaker, name].map(|word| word.0);
        let owner = self.guard.owner;
        let accounts = vec![sw(owner), s(owner), w(self.demo), r(SYSTEM)];
        Call { program: bridge_program(), accounts, data: data(0, &[&words.concat()]) }
    }

    /// Makes a represented token known.
    #[must_use]
    pub fn register_token(&self, mint: B256) -> Call {
        let token = self.own(b"token", mint);
        // Nothing is locked for a represented token: any account stands in the vault's place.
        let accounts = vec![sw(self.guard.owner), r(self.demo), w(token), r(mint), r(mint), r(SYSTEM)];
        Call { program: bridge_program(), accounts, data: data(1, &[&[0]]) }
    }

    /// Puts a message on its way.
    #[must_use]
    pub fn send(&self, sender: B256, from: B256, message: &Leaving) -> Call {
        let mint = message.mint;
        let accounts = vec![
            s(sender),
            r(self.demo),
            r(self.own(b"token", mint)),
            w(mint),
            w(from),
            w(mint),
            r(token_program()),
        ];
        let parts: [&[u8]; 4] = [
            &message.destination.to_le_bytes(),
            &message.amount.to_le_bytes(),
            message.recipient.as_slice(),
            message.id.as_slice(),
        ];
        Call { program: bridge_program(), accounts, data: data(2, &parts) }
    }

    fn leaf(&self, message: &Message) -> B256 {
        let number = |value: u64| B256::from(U256::from(value));
        let words = [
            number(message.origin.into()),
            message.id,
            message.mint,
            number(message.amount),
            message.to,
            message.nonce,
        ];
        keccak256(words.map(|word| word.0).concat())
    }

    /// Proves a message to the bridge.
    #[must_use]
    pub fn prove(&self, updater: B256, message: &Message) -> Call {
        let leaf = self.leaf(message);
        let accounts = vec![sw(updater), r(self.demo), w(self.own(b"leaf", leaf)), r(SYSTEM)];
        Call { program: bridge_program(), accounts, data: data(3, &[leaf.as_slice()]) }
    }

    /// Consumes a message.
    #[must_use]
    pub fn process(&self, payer: B256, message: &Message) -> Call {
        let mint = message.mint;
        let mut accounts = vec![
            sw(payer),
            r(self.demo),
            r(self.own(b"token", mint)),
            w(self.own(b"leaf", self.leaf(message))),
            w(mint),
            w(message.to),
            w(mint),
            r(token_program()),
            r(SYSTEM),
            r(guard_program()),
            r(self.demo),
        ];
        accounts.extend(self.guard.asked(corridor(message.origin), mint));
        let parts: [&[u8]; 4] = [
            &message.origin.to_le_bytes(),
            message.id.as_slice(),
            &message.amount.to_le_bytes(),
            message.nonce.as_slice(),
        ];
        Call { program: bridge_program(), accounts, data: data(4, &parts) }
    }

    /// The mistake: from here on nobody needs a proof.
    #[must_use]
    pub fn upgrade(&self) -> Call {
        let accounts = vec![s(self.guard.owner), w(self.demo)];
        Call { program: bridge_program(), accounts, data: vec![5] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_names_the_bridge_before_what_the_guard_looks_at() {
        let bridge = Bridge::of(Guard::of(B256::repeat_byte(7), "solana:play"));
        let word = B256::repeat_byte;
        let message =
            Message { origin: 5, id: word(1), mint: word(2), amount: 9, to: word(3), nonce: word(4) };
        let call = bridge.process(word(6), &message);
        assert_eq!(call.accounts.len(), 18);
        assert_eq!(call.accounts[10], r(bridge.demo));
        assert_eq!(call.data.len(), 1 + 4 + 32 + 8 + 32);
        assert!(call.accounts.iter().all(|(_, signs, _)| !signs || call.accounts[0].1));
    }
}
