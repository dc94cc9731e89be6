//! Entry points, and the flaw.

#[cfg(not(feature = "library"))]
use cosmwasm_std::entry_point;
use cosmwasm_std::{
    BankMsg, Binary, Coin, CosmosMsg, Deps, DepsMut, Env, MessageInfo, Response, Storage, Uint256, ensure,
    to_json_binary,
};
use portcullis_breaker::{Log, Word, keccak256, record_event};
use portcullis_guard::msg::Guarded;

use crate::error::BridgeError;
use crate::ledger;
use crate::msg::{ExecuteMsg, InstantiateMsg, Message, QueryMsg, Send};
use crate::state::{BALANCES, CONFIG, CONFIRMED, Config, IS_HOME, MESSAGES, PROCESSED, SUPPLY};

/// Writes roles and guard, and accepts a first root.
///
/// # Errors
/// For an address that the chain does not know.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn instantiate(
    deps: DepsMut<'_>,
    _env: Env,
    info: MessageInfo,
    msg: InstantiateMsg,
) -> Result<Response, BridgeError> {
    let config = Config {
        owner: info.sender,
        updater: deps.api.addr_validate(&msg.updater)?,
        guarded: Guarded { guard: deps.api.addr_validate(&msg.guard)?, bridge: msg.bridge },
        committed_root: Word::ZERO,
    };
    CONFIG.save(deps.storage, &config)?;
    initialize(deps.storage, keccak256(&[b"portcullis.demo.root"]))?;
    Ok(Response::new())
}

/// Does what a message says.
///
/// # Errors
/// As the message's documentation says; and what the guard says, when it refuses.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn execute(
    mut deps: DepsMut<'_>,
    env: Env,
    info: MessageInfo,
    msg: ExecuteMsg,
) -> Result<Response, BridgeError> {
    let mut log = Log::default();
    let mut messages = Vec::new();
    match msg {
        ExecuteMsg::RegisterToken { token, is_home } => {
            require_owner(deps.storage, &info)?;
            IS_HOME.save(deps.storage, &token, &is_home)?;
            log.emit("TokenRegistered", &[("token", &token), ("isHome", &is_home)]);
        }
        ExecuteMsg::Send(sent) => send(deps.storage, &info, &mut log, &sent)?,
        ExecuteMsg::Prove { leaves } => {
            let config = CONFIG.load(deps.storage)?;
            ensure!(info.sender == config.updater, BridgeError::NotUpdater { caller: info.sender });
            for leaf in leaves {
                MESSAGES.save(deps.storage, &leaf.0, &config.committed_root)?;
            }
        }
        ExecuteMsg::Process(message) => messages.extend(process(deps.branch(), &mut log, &message)?),
        ExecuteMsg::ProcessMany { messages: many } => {
            for message in many {
                messages.extend(process(deps.branch(), &mut log, &message)?);
            }
        }
        ExecuteMsg::Upgrade {} => {
            require_owner(deps.storage, &info)?;
            initialize(deps.storage, Word::ZERO)?;
            log.emit("Upgraded", &[("committedRoot", &Word::ZERO)]);
        }
    }
    for event in &log.0 {
        record_event(deps.storage, env.block.height, event);
    }
    Ok(Response::new().add_events(log.0).add_messages(messages))
}

/// Answers.
///
/// # Errors
/// When the store is broken, or an address.
#[cfg_attr(not(feature = "library"), entry_point)]
pub fn query(deps: Deps<'_>, _env: Env, msg: QueryMsg) -> Result<Binary, BridgeError> {
    let answer = match msg {
        QueryMsg::LeafOf(message) => to_json_binary(&leaf_of(&message)),
        QueryMsg::CommittedRoot {} => to_json_binary(&CONFIG.load(deps.storage)?.committed_root),
        QueryMsg::Processed { leaf } => to_json_binary(&PROCESSED.has(deps.storage, &leaf.0)),
        QueryMsg::Balance { token, account } => {
            let account = deps.api.addr_validate(&account)?;
            to_json_binary(&BALANCES.may_load(deps.storage, (&token, &account))?.unwrap_or_default())
        }
        QueryMsg::Supply { token } => {
            to_json_binary(&SUPPLY.may_load(deps.storage, &token)?.unwrap_or_default())
        }
    };
    Ok(answer?)
}

/// A corridor as the guard's scopes name it: the number of the other side, big-endian, with zeros before it.
#[must_use]
pub fn corridor(other: u32) -> Word {
    Word(Uint256::from(other).to_be_bytes())
}

/// An asset as the guard's scopes name it: Keccak-256 of the denomination, which may be longer than 32 bytes.
#[must_use]
pub fn asset(token: &str) -> Word {
    keccak256(&[token.as_bytes()])
}

fn initialize(storage: &mut dyn Storage, root: Word) -> Result<(), BridgeError> {
    let mut config = CONFIG.load(storage)?;
    config.committed_root = root;
    CONFIG.save(storage, &config)?;
    // The mistake: for a root of zero this makes every message acceptable that was never proven.
    Ok(CONFIRMED.save(storage, &root.0, &true)?)
}

fn send(
    storage: &mut dyn Storage,
    info: &MessageInfo,
    log: &mut Log,
    sent: &Send,
) -> Result<(), BridgeError> {
    let home = is_home(storage, &sent.token)?;
    let expected = if home { vec![Coin::new(sent.amount, &sent.token)] } else { Vec::new() };
    ensure!(info.funds == expected, BridgeError::TransferFailed { token: sent.token.clone() });
    if !home {
        ledger::burn(storage, &sent.token, &info.sender, sent.amount)?;
    }
    log.emit(
        if home { "Deposited" } else { "Burned" },
        &[
            ("destination", &sent.destination),
            ("messageId", &sent.message_id),
            ("token", &sent.token),
            ("sender", &info.sender),
            ("recipient", &sent.recipient),
            ("amount", &sent.amount),
        ],
    );
    Ok(())
}

fn process(deps: DepsMut<'_>, log: &mut Log, message: &Message) -> Result<Vec<CosmosMsg>, BridgeError> {
    let leaf = leaf_of(message);
    ensure!(!PROCESSED.has(deps.storage, &leaf.0), BridgeError::AlreadyProcessed { leaf });
    let root = MESSAGES.may_load(deps.storage, &leaf.0)?.unwrap_or(Word::ZERO);
    ensure!(CONFIRMED.has(deps.storage, &root.0), BridgeError::NotProven { leaf });
    PROCESSED.save(deps.storage, &leaf.0, &true)?;
    let guarded: Guarded = CONFIG.load(deps.storage)?.guarded;
    let (corridor, asset) = (corridor(message.origin), asset(&message.token));
    // Before the payout; a refusal undoes everything above and below.
    let mut messages = vec![guarded.check_outflow(corridor, asset, message.amount.into())?];
    let recipient = deps.api.addr_validate(&message.recipient)?;
    let home = is_home(deps.storage, &message.token)?;
    if home {
        let amount = vec![Coin::new(message.amount, &message.token)];
        messages.push(BankMsg::Send { to_address: recipient.to_string(), amount }.into());
    } else {
        ledger::mint(deps.storage, &message.token, &recipient, message.amount)?;
    }
    log.emit(
        if home { "Released" } else { "Minted" },
        &[
            ("origin", &message.origin),
            ("messageId", &message.message_id),
            ("token", &message.token),
            ("recipient", &recipient),
            ("amount", &message.amount),
        ],
    );
    Ok(messages)
}

fn leaf_of(m: &Message) -> Word {
    keccak256(&[
        &corridor(m.origin).0,
        &m.message_id.to_be_bytes(),
        &asset(&m.token).0,
        &Uint256::from(m.amount).to_be_bytes(),
        &keccak256(&[m.recipient.as_bytes()]).0,
        &m.nonce.to_be_bytes(),
    ])
}

fn is_home(storage: &dyn Storage, token: &str) -> Result<bool, BridgeError> {
    let known = IS_HOME.may_load(storage, token)?;
    known.ok_or_else(|| BridgeError::TokenUnknown { token: token.to_owned() })
}

fn require_owner(storage: &dyn Storage, info: &MessageInfo) -> Result<(), BridgeError> {
    ensure!(
        info.sender == CONFIG.load(storage)?.owner,
        BridgeError::NotOwner { caller: info.sender.clone() }
    );
    Ok(())
}
