//! Signing a release: only with the releaser's key, only for what was seen, only when the gate would take it.

use std::path::Path;

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    primitives::{Address, Bytes, TxKind, U64, U256},
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::{SolCall, SolInterface},
};
use portcullis_rpc::{ReplySize, RpcError, RpcRequest};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;

use super::{Gate, Seen, View, abi::IGate, read::Block};
use crate::{cli::To, error::ReleaseError};

const GWEI: u128 = 1_000_000_000;

/// What is offered per gas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    tip: u128,
    max_fee: Option<u128>,
}

impl Offer {
    pub(crate) fn gwei(tip: u64, max_fee: Option<u64>) -> Self {
        let wei = |gwei: u64| u128::from(gwei).saturating_mul(GWEI);
        Self { tip: wei(tip), max_fee: max_fee.map(wei) }
    }

    /// Highest fee at a base fee: twice it and the tip stays valid for six full blocks.
    fn fee(self, base: u128) -> u128 {
        self.max_fee.unwrap_or_else(|| base.saturating_mul(2).saturating_add(self.tip))
    }
}

/// The releaser's key.
#[derive(Debug)]
pub(crate) struct Key(PrivateKeySigner);

impl Key {
    /// Opens an encrypted keystore with the password on the first line of a file.
    pub(crate) fn open(keystore: &Path, password_file: &Path) -> Result<Self, ReleaseError> {
        let text = std::fs::read_to_string(password_file)
            .map_err(|source| ReleaseError::File { path: password_file.to_owned(), source })?;
        let password = SecretString::from(text.lines().next().unwrap_or("").to_owned());
        let signer =
            PrivateKeySigner::decrypt_keystore(keystore, password.expose_secret()).map_err(|source| {
                ReleaseError::Keystore { path: keystore.to_owned(), source: Box::new(source) }
            })?;
        Ok(Self(signer))
    }

    pub(super) fn account(&self) -> Address {
        self.0.address()
    }
}

/// A signed release.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Signed {
    pub(crate) view: View,
    /// `open` or `limited`.
    pub(crate) to: &'static str,
    pub(crate) account: String,
    pub(crate) nonce: u64,
    /// The most that gas can cost, wei.
    pub(crate) cost_wei: String,
    pub(crate) hash: String,
    pub(crate) raw: Bytes,
}

impl Gate {
    /// Signs the release of what was seen.
    pub(crate) async fn sign(
        &self,
        key: &Key,
        seen: Seen,
        to: To,
        offer: Offer,
        look_back: u64,
    ) -> Result<Signed, ReleaseError> {
        let block = self.block().await?;
        let view = self.view_at(&block, look_back).await?;
        if view.seen != seen {
            return Err(ReleaseError::Changed { seen: seen.to_string(), now: view.seen.to_string() });
        }
        let nothing =
            view.level == "open" || (view.level == "limited" && to == To::Limited && view.hold == "open");
        if nothing {
            return Err(ReleaseError::Nothing);
        }
        let account = key.account();
        self.check_role(account, &view, &block).await?;
        let call = IGate::releaseCall {
            scope: self.scope,
            to: to.number(),
            generation: seen.generation,
            closedUntil: seen.closed_until,
        };
        let input = Bytes::from(call.abi_encode());
        let gas = self.rehearse(account, &input).await?;
        let base = block.base_fee_per_gas.map_or(0, |fee| fee.to::<u128>());
        let transaction = TxEip1559 {
            chain_id: view.chain,
            nonce: self.nonce(account).await?,
            gas_limit: gas,
            max_fee_per_gas: offer.fee(base).max(offer.tip),
            max_priority_fee_per_gas: offer.tip,
            to: TxKind::Call(self.guard),
            value: U256::ZERO,
            access_list: alloy::eips::eip2930::AccessList::default(),
            input,
        };
        let to = match to {
            To::Open => "open",
            To::Limited => "limited",
        };
        sign_transaction(key, transaction, view, to)
    }

    /// SECURITY: who may close must not be who opens, and an owner's key is too precious for a daily task. The
    /// contract forbids such roles too; this program does not rely on it.
    async fn check_role(&self, account: Address, view: &View, block: &Block) -> Result<(), ReleaseError> {
        let name = account.to_string();
        let other = |role| ReleaseError::OtherRole { account: name.clone(), role };
        if name == view.owner {
            return Err(other("owner"));
        }
        if name == view.guardian {
            return Err(other("guardian"));
        }
        let tripper = self.call("whether the key may close", IGate::tripperOfCall { account }, block).await?;
        if tripper.active {
            return Err(other("a tripper"));
        }
        if name != view.releaser {
            return Err(ReleaseError::NotReleaser { account: name, releaser: view.releaser.clone() });
        }
        Ok(())
    }

    /// Gas that the release takes, with a margin; the gate's own words when it would refuse.
    async fn rehearse(&self, account: Address, input: &Bytes) -> Result<u64, ReleaseError> {
        let Some((_, client)) = self.endpoints.first() else { return Err(ReleaseError::Nothing) };
        let parameters = json!([{ "from": account, "to": self.guard, "data": input }]);
        let request = RpcRequest::read("eth_estimateGas", parameters, ReplySize::Small);
        match client.ask::<U64>(request, "a gas estimate").await {
            // Half as much again: the state may cost more by the time it lands.
            Ok(gas) => Ok(gas.to::<u64>().saturating_mul(3).div_euclid(2)),
            Err(error @ RpcError::Server { .. }) => Err(ReleaseError::Refused(refusal(&error))),
            Err(source) => Err(self.failed(0, "a gas estimate", source)),
        }
    }

    async fn nonce(&self, account: Address) -> Result<u64, ReleaseError> {
        let request =
            || RpcRequest::read("eth_getTransactionCount", json!([account, "latest"]), ReplySize::Small);
        Ok(self.agreed::<U64>("the key's nonce", request).await?.to())
    }
}

fn sign_transaction(
    key: &Key,
    transaction: TxEip1559,
    view: View,
    to: &'static str,
) -> Result<Signed, ReleaseError> {
    let signature = key
        .0
        .sign_hash_sync(&transaction.signature_hash())
        .map_err(|source| ReleaseError::Sign(Box::new(source)))?;
    let cost = transaction.max_fee_per_gas.saturating_mul(u128::from(transaction.gas_limit));
    let nonce = transaction.nonce;
    let signed = transaction.into_signed(signature);
    Ok(Signed {
        view,
        to,
        account: key.account().to_string(),
        nonce,
        cost_wei: cost.to_string(),
        hash: signed.hash().to_string(),
        raw: Bytes::from(signed.encoded_2718()),
    })
}

fn refusal(error: &RpcError) -> String {
    let RpcError::Server { data, message, .. } = error else { return error.to_string() };
    let bytes = data.as_ref().and_then(|data| alloy::primitives::hex::decode(data).ok());
    match bytes.and_then(|bytes| IGate::IGateErrors::abi_decode(&bytes).ok()) {
        Some(IGate::IGateErrors::StaleRelease(e)) => {
            format!("it changed meanwhile, to generation {} and closed until {}", e.generation, e.closedUntil)
        }
        Some(IGate::IGateErrors::NotReleaser(e)) => format!("{} is not its releaser", e.caller),
        Some(IGate::IGateErrors::ScopeUnregistered(e)) => format!("it does not know the scope {}", e.scope),
        Some(IGate::IGateErrors::InvalidLevel(e)) => format!("it refuses level {}", e.level),
        None => message.clone(),
    }
}
