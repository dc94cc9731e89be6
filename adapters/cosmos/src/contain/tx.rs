//! Transactions of this family: one message, signed in the direct mode, byte for byte the same for the same arguments.

use cosmrs::proto::{
    cosmos::{
        base::v1beta1::Coin,
        tx::v1beta1::{AuthInfo, Fee, ModeInfo, SignDoc, SignerInfo, TxBody, TxRaw, mode_info},
    },
    cosmwasm::wasm::v1::MsgExecuteContract,
};
use cosmrs::{Any, crypto::PublicKey};
use portcullis_verifier::B256;
use prost::{Message, Name};
use sha2::{Digest, Sha256};

use super::sequences::Numbers;

/// `SIGN_MODE_DIRECT`: what is signed is what is sent.
const DIRECT: i32 = 1;

/// What a transaction asks for and pays, before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The chain as its nodes name it.
    pub(crate) chain_name: String,
    /// Its one message.
    pub(crate) message: Any,
    /// What it may use.
    pub(crate) gas_limit: u64,
    /// What it pays, in base units.
    pub(crate) fee: u128,
    /// In which token.
    pub(crate) denom: String,
}

/// A call of a contract, without money.
pub(crate) fn execute(sender: &str, contract: &str, message: Vec<u8>) -> Any {
    any(&MsgExecuteContract {
        sender: sender.to_owned(),
        contract: contract.to_owned(),
        msg: message,
        funds: Vec::new(),
    })
}

/// A message with its type's name.
pub(crate) fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

/// A draft with its account's numbers in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsigned {
    body: Vec<u8>,
    auth: Vec<u8>,
    chain_name: String,
    account: u64,
}

impl Draft {
    /// The draft for one account.
    pub(crate) fn numbered(&self, key: &PublicKey, numbers: Numbers) -> Unsigned {
        let body = TxBody { messages: vec![self.message.clone()], ..TxBody::default() };
        let single = mode_info::Single { mode: DIRECT };
        let signer = SignerInfo {
            public_key: key.to_any().ok(),
            mode_info: Some(ModeInfo { sum: Some(mode_info::Sum::Single(single)) }),
            sequence: numbers.sequence,
        };
        // A chain that asks for nothing refuses a list with a zero in it.
        let paid = (self.fee > 0).then(|| Coin { denom: self.denom.clone(), amount: self.fee.to_string() });
        let fee = Fee { amount: paid.into_iter().collect(), gas_limit: self.gas_limit, ..Fee::default() };
        let auth = AuthInfo { signer_infos: vec![signer], fee: Some(fee), ..AuthInfo::default() };
        Unsigned {
            body: body.encode_to_vec(),
            auth: auth.encode_to_vec(),
            chain_name: self.chain_name.clone(),
            account: numbers.account,
        }
    }
}

impl Unsigned {
    /// What the key signs.
    pub(crate) fn document(&self) -> Vec<u8> {
        let document = SignDoc {
            body_bytes: self.body.clone(),
            auth_info_bytes: self.auth.clone(),
            chain_id: self.chain_name.clone(),
            account_number: self.account,
        };
        document.encode_to_vec()
    }

    /// The bytes that are sent.
    pub(crate) fn signed(self, signature: Vec<u8>) -> Vec<u8> {
        TxRaw { body_bytes: self.body, auth_info_bytes: self.auth, signatures: vec![signature] }
            .encode_to_vec()
    }
}

/// The hash by which the chain will know the bytes.
pub(crate) fn hash(bytes: &[u8]) -> B256 {
    B256::new(Sha256::digest(bytes).into())
}

#[cfg(test)]
#[path = "tx_tests.rs"]
mod tests;
