//! Keys of the play, made from a seed and a name: the same in every run, worth nothing anywhere.

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use eyre::{Result, WrapErr};

/// An account that signs.
#[derive(Debug, Clone)]
pub struct Key {
    signer: PrivateKeySigner,
}

/// What a transaction offers and carries; the rest is the same for all.
#[derive(Debug, Clone)]
pub struct Call {
    /// Recipient; none creates a contract.
    pub to: Option<Address>,
    /// Input.
    pub input: Bytes,
    /// Gas limit.
    pub gas: u64,
    /// Highest fee per gas, wei.
    pub max_fee: u128,
    /// Tip per gas, wei.
    pub tip: u128,
}

/// Signed bytes and the hash by which the chain will know them.
#[derive(Debug, Clone)]
pub struct Signed {
    /// EIP-2718 bytes.
    pub raw: Bytes,
    /// Hash.
    pub hash: B256,
}

impl Key {
    /// The key of a name in a play.
    ///
    /// # Errors
    /// Practically never: when the derived number is no valid key.
    pub fn derive(seed: u64, name: &str) -> Result<Self> {
        let secret = keccak256([&seed.to_be_bytes()[..], b"portcullis.e2e.key", name.as_bytes()].concat());
        Ok(Self {
            signer: PrivateKeySigner::from_bytes(&secret).wrap_err_with(|| format!("no key for {name}"))?,
        })
    }

    /// Its account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// The secret number, for writing a keystore file.
    #[must_use]
    pub fn secret(&self) -> B256 {
        self.signer.to_bytes()
    }

    /// Signs a call.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, chain_id: u64, nonce: u64, call: &Call) -> Result<Signed> {
        let tx = TxEip1559 {
            chain_id,
            nonce,
            gas_limit: call.gas,
            max_fee_per_gas: call.max_fee,
            max_priority_fee_per_gas: call.tip,
            to: call.to.map_or(TxKind::Create, TxKind::Call),
            value: U256::ZERO,
            access_list: Default::default(),
            input: call.input.clone(),
        };
        let signature = self.signer.sign_hash_sync(&tx.signature_hash())?;
        let envelope = TxEnvelope::from(tx.into_signed(signature));
        Ok(Signed { raw: envelope.encoded_2718().into(), hash: *envelope.tx_hash() })
    }
}
