//! Guards, tokens and the bridge with Nomad's flaw, on both nodes.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::{SolCall, SolValue};
use eyre::{Result, eyre};

use crate::chain::{Mason, Rpc};
use crate::clock::Factor;
use crate::contracts::{Bridge, DIRECTION_OUT, Guard, GuardConfig, Token, bridge_id, canary_id, scope};
use crate::keys::Key;
use crate::scenario::{Domain, Scenario};

/// Longest closure that the guard grants: a week of recorded time.
pub(crate) const MAX_SECS: u64 = 7 * 86_400;
/// How long a closed scope stays limited: an hour of recorded time.
pub(crate) const LIMITED_TAIL_SECS: u64 = 3_600;
/// Gas for creating a contract.
const CREATE_GAS: u64 = 12_000_000;
/// Gas for a set-up call.
const CALL_GAS: u64 = 500_000;
/// Set-up calls per block, so that a block is never full.
const BATCH: usize = 60;

/// Everybody with a role. The same keys on both chains.
#[derive(Debug, Clone)]
pub struct Crew {
    /// Owns guard and bridge, and mints the tokens' supply.
    pub owner: Key,
    /// May open what was closed.
    pub releaser: Key,
    /// May hold by hand.
    pub guardian: Key,
    /// May close: the key of the service.
    pub tripper: Key,
    /// Brings the tripper's signed trips when the tripper's own account is stuck or empty. Has no role.
    pub carrier: Key,
    /// Proves messages to the bridge.
    pub updater: Key,
    /// Delivers messages for honest users.
    pub relayer: Key,
    /// Sends what was sent before anybody watched.
    pub float: Key,
}

impl Crew {
    /// The crew of a play.
    ///
    /// # Errors
    /// When a key cannot be derived.
    pub fn derive(seed: u64) -> Result<Self> {
        let key = |name| Key::derive(seed, name);
        Ok(Self {
            owner: key("owner")?,
            releaser: key("releaser")?,
            guardian: key("guardian")?,
            tripper: key("tripper")?,
            carrier: key("carrier")?,
            updater: key("updater")?,
            relayer: key("relayer")?,
            float: key("float")?,
        })
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> [&Key; 8] {
        [
            &self.owner,
            &self.releaser,
            &self.guardian,
            &self.tripper,
            &self.carrier,
            &self.updater,
            &self.relayer,
            &self.float,
        ]
    }
}

/// What stands on one chain.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The bridge's name for the chain.
    pub domain: Domain,
    /// EIP-155 number.
    pub chain_id: u64,
    /// The guard.
    pub guard: Address,
    /// The bridge.
    pub bridge: Address,
    /// Tokens by their index in the scenario; an undeclared one exists at home only.
    pub tokens: BTreeMap<usize, Address>,
    /// The scope that closes the whole outflow.
    pub scope: B256,
    /// Longest closure that the guard grants, in seconds.
    pub max_secs: u64,
    /// First block after set-up.
    pub from_height: u64,
}

impl Deployed {
    /// The token's address here.
    ///
    /// # Errors
    /// When the script uses a token where it does not exist.
    pub fn token(&self, index: usize) -> Result<Address> {
        self.tokens
            .get(&index)
            .copied()
            .ok_or_else(|| eyre!("token {index} does not exist on {}", self.domain.name()))
    }
}

/// Deploys everything on one chain. `senders` will send live: they get ether, and approve the bridge for tokens at home.
///
/// # Errors
/// When a node refuses, or a set-up call fails; the error names it.
pub async fn deploy(
    rpc: &Rpc,
    domain: Domain,
    scenario: &Scenario,
    crew: &Crew,
    senders: &BTreeMap<Address, Key>,
    factor: Factor,
) -> Result<Deployed> {
    for key in crew.all().into_iter().chain(senders.values()) {
        rpc.fund(key.address()).await?;
    }
    let mut mason = Mason::new(rpc);
    let max_secs = factor.window(MAX_SECS);
    let guard = create(&mut mason, &crew.owner, "Guard", guard_config(crew, factor).abi_encode()).await?;
    let bridge_args = (guard, bridge_id(), crew.updater.address()).abi_encode();
    let bridge = create(&mut mason, &crew.owner, "DemoBridge", bridge_args).await?;
    let mut tokens = BTreeMap::new();
    for (index, token) in scenario.tokens.iter().enumerate() {
        if token.declared || token.home == domain {
            let args =
                (token.symbol.clone(), token.symbol.clone(), U256::from(token.decimals)).abi_encode_params();
            tokens.insert(index, create(&mut mason, &crew.owner, "DemoToken", args).await?);
        }
    }
    let any = B256::ZERO;
    let calls = [
        Guard::registerBridgeCall { bridge: bridge_id(), consumer: bridge }.abi_encode(),
        Guard::registerScopeCall { bridge: bridge_id(), direction: DIRECTION_OUT, corridor: any, asset: any }
            .abi_encode(),
        // A scope that nobody asks: the service closes it to see that closing works.
        Guard::registerBridgeCall { bridge: canary_id(), consumer: crew.owner.address() }.abi_encode(),
        Guard::registerScopeCall { bridge: canary_id(), direction: DIRECTION_OUT, corridor: any, asset: any }
            .abi_encode(),
        Guard::grantTripperCall {
            account: crew.tripper.address(),
            budgetSeconds: u32::try_from(max_secs * 8)?,
        }
        .abi_encode(),
        Guard::sealCall {}.abi_encode(),
    ];
    for call in calls {
        mason.push(&crew.owner, Some(guard), call, CALL_GAS, "guard set-up").await?;
    }
    mason.mine(None).await?;
    for (index, token) in &tokens {
        let home = scenario.tokens.get(*index).is_some_and(|t| t.home == domain);
        let register = Bridge::registerTokenCall { token: *token, isHome: home }.abi_encode();
        mason.push(&crew.owner, Some(bridge), register, CALL_GAS, "registerToken").await?;
        if !home {
            let minter = Token::setMinterCall { account: bridge }.abi_encode();
            mason.push(&crew.owner, Some(*token), minter, CALL_GAS, "setMinter").await?;
        }
    }
    mason.mine(None).await?;
    let from_height = rpc.head().await?.number + 1;
    let mut deployed = Deployed {
        domain,
        chain_id: rpc.chain_id,
        guard,
        bridge,
        tokens,
        scope: scope(rpc.chain_id, bridge_id(), DIRECTION_OUT, any, any),
        max_secs,
        from_height,
    };
    supply(&mut mason, &mut deployed, scenario, crew, senders).await?;
    Ok(deployed)
}

/// Mints what is at home here to whoever will send it, and lets the bridge take it.
async fn supply(
    mason: &mut Mason<'_>,
    deployed: &mut Deployed,
    scenario: &Scenario,
    crew: &Crew,
    senders: &BTreeMap<Address, Key>,
) -> Result<()> {
    let float = &crew.float;
    for (index, token) in &deployed.tokens {
        if scenario.tokens.get(*index).is_none_or(|t| t.home != deployed.domain) {
            continue;
        }
        let mut needs = crate::history::needs(scenario, deployed.domain, *index);
        if scenario.tokens.get(*index).is_some_and(|t| !t.declared) {
            // Nobody declared it, so no message brought it: it lies in the escrow as it did.
            let held: U256 = scenario
                .openings
                .iter()
                .filter(|o| o.token == *index)
                .fold(U256::ZERO, |sum, o| sum + o.amount);
            needs = BTreeMap::from([(deployed.bridge, held)]);
        }
        for (account, value) in needs {
            let sender = senders.get(&account);
            let to = sender.map_or(if account.is_zero() { float.address() } else { account }, Key::address);
            let mint = Token::mintCall { to, value }.abi_encode();
            mason.push(&crew.owner, Some(*token), mint, CALL_GAS, "mint").await?;
            if account != deployed.bridge {
                let approve = Token::approveCall { spender: deployed.bridge, value: U256::MAX }.abi_encode();
                mason.push(sender.unwrap_or(float), Some(*token), approve, CALL_GAS, "approve").await?;
            }
            if mason.waiting() >= BATCH {
                mason.mine(None).await?;
            }
        }
    }
    mason.mine(None).await?;
    deployed.from_height = deployed.from_height.max(1);
    Ok(())
}

fn guard_config(crew: &Crew, factor: Factor) -> GuardConfig {
    let max_secs = factor.window(MAX_SECS);
    let tail = factor.window(LIMITED_TAIL_SECS);
    // At least one block per block time; a chain that is slower than planned only lengthens the height bound.
    let blocks = |secs: u64| {
        u32::try_from(u128::from(secs) * 1_000 / factor.block_time().as_millis().max(1)).unwrap_or(u32::MAX)
    };
    GuardConfig {
        owner: crew.owner.address(),
        releaser: crew.releaser.address(),
        guardian: crew.guardian.address(),
        maxSeconds: u32::try_from(max_secs).unwrap_or(u32::MAX),
        maxBlocks: blocks(max_secs),
        limitedTailSeconds: u32::try_from(tail).unwrap_or(u32::MAX),
        limitedTailBlocks: blocks(tail),
        budgetWindowHours: 168,
    }
}

async fn create(mason: &mut Mason<'_>, owner: &Key, name: &str, args: Vec<u8>) -> Result<Address> {
    let mut code = crate::tools::artifact(name)?;
    code.extend_from_slice(&args);
    mason.push(owner, None, code, CREATE_GAS, name).await?;
    let receipts = mason.mine(None).await?;
    receipts.last().and_then(|receipt| receipt.contract_address).ok_or_else(|| eyre!("{name} has no address"))
}
