//! Asking a bridge for money that nobody sent: what everybody can do while its gate is open.

use std::time::{Duration, Instant};

use alloy::primitives::U256;
use alloy::sol_types::SolCall;
use eyre::{Result, bail, eyre};

use super::World;
use crate::contracts::{Bridge, Message};
use crate::keys::{Call, Key};
use crate::scenario::Domain;

/// Id of the message that nobody sent.
const CLAIM_ID: u64 = 9_002;
/// A claim that waits longer for its block than this will never be in one.
const PATIENCE: Duration = Duration::from_secs(30);

impl World {
    /// Whether the chain with the escrow pays one USDC for a message from a chain, where nobody sent it.
    ///
    /// # Errors
    /// When the node does not answer, or no block holds the claim.
    pub async fn pays(&self, thief: &Key, origin: Domain) -> Result<bool> {
        let side = &self.ethereum;
        let rpc = &side.node.rpc;
        let usdc = self.scenario.tokens.iter().position(|token| token.symbol == "USDC");
        let message = Message {
            origin: origin.number(),
            messageId: U256::from(CLAIM_ID),
            token: side.deployed.token(usdc.ok_or_else(|| eyre!("the script has no USDC"))?)?,
            amount: U256::from(1_000_000),
            recipient: thief.address(),
            nonce: U256::from(7),
        };
        let call = Call {
            to: Some(side.deployed.bridge),
            input: Bridge::processManyCall { messages: vec![message] }.abi_encode().into(),
            gas: 1_000_000,
            max_fee: 100_000_000_000,
            tip: 1_000_000_000,
        };
        let signed = thief.sign(rpc.chain_id, rpc.nonce(thief.address()).await?, &call)?;
        rpc.send_raw(&signed.raw).await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(receipt) = rpc.receipt(signed.hash).await? {
                return Ok(receipt.status == 1);
            }
            if Instant::now() > deadline {
                bail!("the claim is in no block");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
