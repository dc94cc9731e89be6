//! Who signed: an account of this chain, known by its secp256k1 key.

use cosmwasm_std::{Addr, Api, CanonicalAddr};
use ripemd::Ripemd160;
use sha2::{Digest, Sha256};

use crate::error::BreakerError;
use crate::word::Word;

/// The greatest s of a signature that is not the mirror image of another (half the order of secp256k1), big-endian.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d,
    0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// The account whose key signed the message: 65 bytes r, s, v with v 27 or 28 and s in the lower half.
///
/// # Errors
/// [`BreakerError::InvalidSignature`].
pub(crate) fn signer(api: &dyn Api, message: Word, signature: &[u8]) -> Result<Addr, BreakerError> {
    let invalid = BreakerError::InvalidSignature {};
    let Some((both, &[v])) = signature.split_first_chunk::<64>() else { return Err(invalid) };
    let parity = match v {
        27 => 0,
        28 => 1,
        _ => return Err(invalid),
    };
    let (_, s) = both.split_at(32);
    // SECURITY: of the two signatures that a key can make for one message only the lower one counts.
    if s > HALF_ORDER.as_slice() {
        return Err(invalid);
    }
    let key = api
        .secp256k1_recover_pubkey(&message.0, both, parity)
        .map_err(|_| BreakerError::InvalidSignature {})?;
    let compressed = compressed(&key).ok_or(BreakerError::InvalidSignature {})?;
    let account: [u8; 20] = Ripemd160::digest(Sha256::digest(compressed)).into();
    Ok(api.addr_humanize(&CanonicalAddr::from(account))?)
}

/// 0x04, x, y becomes 0x02 or 0x03, by whether y is odd, and x.
fn compressed(key: &[u8]) -> Option<Vec<u8>> {
    let (4, rest) = key.split_first()? else { return None };
    let (x, y) = rest.split_at_checked(32)?;
    let odd = y.last()? & 1;
    Some([&[odd | 2], x].concat())
}
