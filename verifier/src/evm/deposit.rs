//! Receipts of deposit transactions: type 0x7e of the OP stack, by which a rollup takes in what its parent chain sent.
//!
//! Source: the OP-stack specification, "Deposits", section "Deposit receipt"; op-geth's `EncodeIndex`. A receipt of the
//! first form commits to the four fields of any receipt. Since Canyon (`depositReceiptVersion`), it also commits to the
//! nonce that the deposit used, and to that version.

use alloy_consensus::ReceiptWithBloom;
use alloy_primitives::{Bloom, Log};
use alloy_rlp::{Decodable, Encodable, Header};

/// Type of a deposit.
pub const DEPOSIT_TYPE: u8 = 0x7e;

/// A deposit's receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositReceipt {
    /// Whether it succeeded.
    pub status: bool,
    /// Gas of the block up to and with it.
    pub cumulative_gas_used: u64,
    /// What its logs set.
    pub bloom: Bloom,
    /// What it emitted.
    pub logs: Vec<Log>,
    /// Nonce and version of the form since Canyon; none before.
    pub canyon: Option<(u64, u64)>,
}

impl DepositReceipt {
    /// Reads EIP-2718 bytes, all of them.
    ///
    /// # Errors
    /// When they are not the one encoding of a deposit's receipt.
    pub fn decode(bytes: &[u8]) -> Result<Self, alloy_rlp::Error> {
        let unexpected = alloy_rlp::Error::Custom("not a deposit's receipt");
        let mut rest = bytes.strip_prefix(&[DEPOSIT_TYPE]).ok_or(unexpected)?;
        let mut fields = Header::decode_bytes(&mut rest, true)?;
        let receipt = Self {
            status: bool::decode(&mut fields)?,
            cumulative_gas_used: u64::decode(&mut fields)?,
            bloom: Bloom::decode(&mut fields)?,
            logs: Vec::<Log>::decode(&mut fields)?,
            canyon: if fields.is_empty() {
                None
            } else {
                Some((u64::decode(&mut fields)?, u64::decode(&mut fields)?))
            },
        };
        // What was decoded must be all that was hashed.
        if rest.is_empty() && fields.is_empty() && receipt.encoded() == bytes {
            Ok(receipt)
        } else {
            Err(unexpected)
        }
    }

    /// The bytes that a block commits to.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        self.status.encode(&mut fields);
        self.cumulative_gas_used.encode(&mut fields);
        self.bloom.encode(&mut fields);
        self.logs.encode(&mut fields);
        if let Some((nonce, version)) = self.canyon {
            nonce.encode(&mut fields);
            version.encode(&mut fields);
        }
        let mut bytes = vec![DEPOSIT_TYPE];
        Header { list: true, payload_length: fields.len() }.encode(&mut bytes);
        bytes.extend_from_slice(&fields);
        bytes
    }

    /// From the parts that every receipt has. A receipt in the form before EIP-658 has no status, and no deposit is so
    /// old: none.
    #[must_use]
    pub fn of(receipt: ReceiptWithBloom, canyon: Option<(u64, u64)>) -> Option<Self> {
        let ReceiptWithBloom { receipt, logs_bloom: bloom } = receipt;
        Some(Self {
            status: receipt.status.as_eip658()?,
            cumulative_gas_used: receipt.cumulative_gas_used,
            bloom,
            logs: receipt.logs,
            canyon,
        })
    }
}
