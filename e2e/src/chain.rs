//! A plain JSON-RPC client for a node, and the transactions of the play.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use eyre::{Result, WrapErr, bail, eyre};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::client::Client;
use crate::keys::{Call, Key};

/// Gas of a plain call of the play; unused gas costs nothing there.
pub const GAS: u64 = 400_000;

/// A node, asked directly.
#[derive(Debug)]
pub struct Rpc {
    client: Client,
    /// EIP-155 number of its chain.
    pub chain_id: u64,
}

/// A block as far as the play looks at it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// Height.
    #[serde(with = "alloy::serde::quantity")]
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Seconds since 1970.
    #[serde(with = "alloy::serde::quantity")]
    pub timestamp: u64,
    /// Fee that is burned, wei.
    #[serde(with = "alloy::serde::quantity")]
    pub base_fee_per_gas: u64,
    /// Hashes of its transactions, in order.
    #[serde(default)]
    pub transactions: Vec<B256>,
}

/// A receipt as far as the play looks at it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Which transaction.
    pub transaction_hash: B256,
    /// In which block.
    #[serde(with = "alloy::serde::quantity")]
    pub block_number: u64,
    /// At which place of it.
    #[serde(with = "alloy::serde::quantity")]
    pub transaction_index: u64,
    /// 1 when it succeeded.
    #[serde(with = "alloy::serde::quantity")]
    pub status: u64,
    /// What it created.
    pub contract_address: Option<Address>,
    /// What it logged.
    pub logs: Vec<Log>,
}

/// A log as far as the play looks at it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// Who logged.
    pub address: Address,
    /// Topics.
    pub topics: Vec<B256>,
    /// Data.
    pub data: Bytes,
    /// In which block.
    #[serde(with = "alloy::serde::quantity")]
    pub block_number: u64,
    /// The same block by its hash.
    pub block_hash: B256,
    /// At which place of the block.
    #[serde(with = "alloy::serde::quantity")]
    pub log_index: u64,
    /// By which transaction.
    pub transaction_hash: B256,
}

impl Rpc {
    /// A client for a node at `url`.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(url: String, chain_id: u64) -> Result<Self> {
        Ok(Self { client: Client::new(url)?, chain_id })
    }

    /// Where the node listens.
    #[must_use]
    pub fn url(&self) -> &str {
        self.client.url()
    }

    /// One call.
    ///
    /// # Errors
    /// When nobody answers, the answer is an error, or it has another shape.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T> {
        self.client.call(method, params).await
    }

    /// The newest block.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn head(&self) -> Result<Block> {
        self.call("eth_getBlockByNumber", json!(["latest", false])).await
    }

    /// A block by height.
    ///
    /// # Errors
    /// As [`Rpc::call`]; none when the chain does not have it.
    pub async fn block(&self, height: u64) -> Result<Option<Block>> {
        self.call("eth_getBlockByNumber", json!([format!("{height:#x}"), false])).await
    }

    /// All receipts of a block, in order.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn receipts(&self, height: u64) -> Result<Vec<Receipt>> {
        self.call("eth_getBlockReceipts", json!([format!("{height:#x}")])).await
    }

    /// A receipt; none while the transaction is in no block.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn receipt(&self, hash: B256) -> Result<Option<Receipt>> {
        self.call("eth_getTransactionReceipt", json!([hash])).await
    }

    /// Every log of a contract from a height on.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn all_logs(&self, address: Address, from: u64) -> Result<Vec<Log>> {
        let filter = json!({"address": address, "fromBlock": format!("{from:#x}"), "toBlock": "latest"});
        self.call("eth_getLogs", json!([filter])).await
    }

    /// Logs of a contract with a first topic from a height on.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn logs(&self, address: Address, from: u64, topic: B256) -> Result<Vec<Log>> {
        let filter = json!({"address": address, "fromBlock": format!("{from:#x}"), "toBlock": "latest", "topics": [topic]});
        self.call("eth_getLogs", json!([filter])).await
    }

    /// The next nonce of an account, counting what waits.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn nonce(&self, account: Address) -> Result<u64> {
        let nonce: U256 = self.call("eth_getTransactionCount", json!([account, "pending"])).await?;
        Ok(nonce.saturating_to())
    }

    /// Hands signed bytes to the node.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn send_raw(&self, raw: &Bytes) -> Result<B256> {
        self.call("eth_sendRawTransaction", json!([raw])).await
    }

    /// Reads a contract.
    ///
    /// # Errors
    /// As [`Rpc::call`], and when the answer does not decode.
    pub async fn read<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return> {
        let input = Bytes::from(call.abi_encode());
        let out: Bytes = self.call("eth_call", json!([{"to": to, "input": input}, "latest"])).await?;
        C::abi_decode_returns(&out).wrap_err("the contract answers in another shape")
    }

    /// Puts the chain's clock ahead by so many seconds, as a development node can.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn hurry(&self, secs: u64) -> Result<()> {
        self.call::<Value>("evm_increaseTime", json!([secs])).await.map(|_total| ())
    }

    /// Gives an account ether, as a development node can.
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn fund(&self, account: Address) -> Result<()> {
        let wei = U256::from(10u8).pow(U256::from(22u8));
        self.call("anvil_setBalance", json!([account, wei])).await
    }

    /// Waits until the node answers.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub async fn ready(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            match self.call::<U256>("eth_chainId", json!([])).await {
                Ok(id) if id == U256::from(self.chain_id) => return Ok(()),
                Ok(id) => bail!("the node at {} has chain id {id}, not {}", self.url(), self.chain_id),
                Err(error) if Instant::now() > deadline => {
                    return Err(error.wrap_err(format!("the node at {} does not get ready", self.url())));
                }
                Err(_not_yet) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// Sends set-up calls and mines them by hand; every one has to succeed.
#[derive(Debug)]
pub struct Mason<'a> {
    rpc: &'a Rpc,
    nonces: BTreeMap<Address, u64>,
    waiting: Vec<(B256, String)>,
}

impl<'a> Mason<'a> {
    /// For a node that mines on demand.
    #[must_use]
    pub fn new(rpc: &'a Rpc) -> Self {
        Self { rpc, nonces: BTreeMap::new(), waiting: Vec::new() }
    }

    /// Queues a call for the next block.
    ///
    /// # Errors
    /// When the node does not take it.
    pub async fn push(
        &mut self,
        key: &Key,
        to: Option<Address>,
        input: Vec<u8>,
        gas: u64,
        what: &str,
    ) -> Result<()> {
        let from = key.address();
        let nonce = match self.nonces.get(&from) {
            Some(nonce) => *nonce,
            None => self.rpc.nonce(from).await?,
        };
        self.nonces.insert(from, nonce + 1);
        // Set-up outbids any base fee that a full block can lead to.
        let call = Call { to, input: input.into(), gas, max_fee: 500_000_000_000, tip: 0 };
        let signed = key.sign(self.rpc.chain_id, nonce, &call)?;
        self.rpc.send_raw(&signed.raw).await.wrap_err_with(|| what.to_owned())?;
        self.waiting.push((signed.hash, what.to_owned()));
        Ok(())
    }

    /// How many calls wait for the next block.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Mines a block with what waits, at a time if one is given.
    ///
    /// # Errors
    /// When a call did not succeed; the error names the first.
    pub async fn mine(&mut self, timestamp: Option<u64>) -> Result<Vec<Receipt>> {
        if let Some(timestamp) = timestamp {
            let _null: Value = self.rpc.call("evm_setNextBlockTimestamp", json!([timestamp])).await?;
        }
        let _zero: Value = self.rpc.call("evm_mine", json!([])).await?;
        let mut receipts = Vec::with_capacity(self.waiting.len());
        for (hash, what) in self.waiting.drain(..) {
            let receipt = self
                .rpc
                .receipt(hash)
                .await?
                .ok_or_else(|| eyre!("{what}: not in the block that was mined for it"))?;
            if receipt.status != 1 {
                bail!("{what}: reverted in block {}", receipt.block_number);
            }
            receipts.push(receipt);
        }
        Ok(receipts)
    }
}
