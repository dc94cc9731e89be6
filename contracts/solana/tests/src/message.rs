//! A transaction as it goes over the wire.

use std::collections::BTreeMap;

use crate::{Ix, Key, Word, distinct};

/// Signed bytes; the first signer pays.
#[must_use]
pub(crate) fn transaction(instructions: &[Ix], signers: &[&Key], blockhash: &Word) -> Vec<u8> {
    let signers = distinct(signers);
    let payer = signers.first().map(|key| key.address()).unwrap_or_default();
    // Whether each account signs and changes; what says so once says so for all.
    let mut accounts: BTreeMap<Word, (bool, bool)> = BTreeMap::new();
    for ix in instructions {
        for meta in &ix.accounts {
            let known = accounts.entry(meta.address).or_default();
            known.0 |= meta.signs;
            known.1 |= meta.writable;
        }
        accounts.entry(ix.program).or_default();
    }
    accounts.remove(&payer);
    let of =
        |wanted: (bool, bool)| accounts.iter().filter(move |(_, is)| **is == wanted).map(|(key, _)| *key);
    let mut keys = vec![payer];
    keys.extend(of((true, true)));
    keys.extend(of((true, false)));
    let signing = keys.len();
    keys.extend(of((false, true)));
    keys.extend(of((false, false)));
    let count = |wanted| u8::try_from(of(wanted).count()).unwrap_or(u8::MAX);
    let mut message =
        vec![u8::try_from(signing).unwrap_or(u8::MAX), count((true, false)), count((false, false))];
    length(&mut message, keys.len());
    for key in &keys {
        message.extend(key);
    }
    message.extend(blockhash);
    length(&mut message, instructions.len());
    let place = |address: &Word| {
        let at = keys.iter().position(|key| key == address).unwrap_or_default();
        u8::try_from(at).unwrap_or(u8::MAX)
    };
    for ix in instructions {
        message.push(place(&ix.program));
        length(&mut message, ix.accounts.len());
        message.extend(ix.accounts.iter().map(|meta| place(&meta.address)));
        length(&mut message, ix.data.len());
        message.extend(&ix.data);
    }
    let mut signed = Vec::new();
    length(&mut signed, signing);
    for address in keys.iter().take(signing) {
        let key = signers.iter().find(|key| key.address() == *address);
        signed.extend(key.map_or([0; 64], |key| key.sign(&message)));
    }
    signed.extend(message);
    signed
}

/// Seven bits a byte, the lowest first.
fn length(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return;
        }
    }
}
