//! Questions to one node about accounts, contracts and fees, with every answer bounded and decoded.

use base64::{Engine, engine::general_purpose::STANDARD};
use cosmrs::proto::cosmos::{
    auth::v1beta1::{BaseAccount, QueryAccountRequest, QueryAccountResponse},
    bank::v1beta1::{QueryBalanceRequest, QueryBalanceResponse},
    base::node::v1beta1::{ConfigRequest, ConfigResponse},
};
use cosmrs::proto::cosmwasm::wasm::v1::{QuerySmartContractStateRequest, QuerySmartContractStateResponse};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::{
    B256, U256,
    cosmos::{CONTRACT_STORE, contract_key},
};
use prost::{Message, Name};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    refusal::{Refusal, refusal},
    sequences::Numbers,
};

/// A question that a node answered with a refusal, or did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    /// No answer, or none that makes sense.
    #[error("no answer")]
    Rpc(#[from] RpcError),
    /// The application refused.
    #[error("{}", .refusal.describe(.codespace, *.code, .log))]
    Refused {
        /// Sorted.
        refusal: Refusal,
        /// Space of the code.
        codespace: String,
        /// The code.
        code: u32,
        /// What the application says.
        log: String,
    },
}

/// What the application answers.
#[derive(Debug, Deserialize)]
struct AbciAnswer {
    response: AbciResponse,
}

#[derive(Debug, Deserialize)]
struct AbciResponse {
    code: u32,
    #[serde(default)]
    codespace: String,
    #[serde(default)]
    log: String,
    #[serde(default)]
    value: Option<String>,
}

/// Asks the application; `height` zero is the newest state.
async fn ask(client: &Client, path: &str, data: &[u8], height: u64) -> Result<Vec<u8>, QueryError> {
    value(response(client, path, data, height).await?)
}

async fn response(client: &Client, path: &str, data: &[u8], height: u64) -> Result<AbciResponse, QueryError> {
    let params = json!({
        "path": path,
        "data": alloy_primitives::hex::encode(data),
        "height": height.to_string(),
        "prove": false,
    });
    let request = RpcRequest::read("abci_query", params, ReplySize::Block);
    let AbciAnswer { response } = client.ask(request, "answer of the application").await?;
    match refusal(&response.codespace, response.code) {
        Some(refusal) => {
            let AbciResponse { code, codespace, log, .. } = response;
            Err(QueryError::Refused { refusal, codespace, code, log })
        }
        None => Ok(response),
    }
}

fn value(response: AbciResponse) -> Result<Vec<u8>, QueryError> {
    STANDARD
        .decode(response.value.unwrap_or_default())
        .map_err(|source| garbage("value in base 64", source).into())
}

fn garbage(expected: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> RpcError {
    RpcError::Garbage { expected, source: Some(Box::new(source)) }
}

/// Asks a service of the application.
pub(crate) async fn service<Q: Message, A: Message + Default>(
    client: &Client,
    path: &str,
    question: &Q,
    expected: &'static str,
) -> Result<A, QueryError> {
    service_at(client, path, question, expected, 0).await
}

/// As [`service`], of the state after a block; zero is the newest.
async fn service_at<Q: Message, A: Message + Default>(
    client: &Client,
    path: &str,
    question: &Q,
    expected: &'static str,
    height: u64,
) -> Result<A, QueryError> {
    let bytes = ask(client, path, &question.encode_to_vec(), height).await?;
    A::decode(bytes.as_slice()).map_err(|source| garbage(expected, source).into())
}

/// Number and sequence of an account now.
pub(crate) async fn numbers(client: &Client, account: &str) -> Result<Numbers, QueryError> {
    numbers_at(client, account, 0).await
}

/// Number and sequence of an account after a block; zero is the newest. Accounts that vest or that modules own wrap the plain one and hold no key of ours.
pub(crate) async fn numbers_at(client: &Client, account: &str, height: u64) -> Result<Numbers, QueryError> {
    let question = QueryAccountRequest { address: account.to_owned() };
    let path = "/cosmos.auth.v1beta1.Query/Account";
    let answer: QueryAccountResponse = service_at(client, path, &question, "account", height).await?;
    let any = answer.account.ok_or_else(|| RpcError::garbage("account"))?;
    if any.type_url != BaseAccount::type_url() {
        return Err(RpcError::Unsupported(format!("account of type {}", any.type_url)).into());
    }
    let plain = BaseAccount::decode(any.value.as_slice()).map_err(|source| garbage("account", source))?;
    if plain.address != account {
        return Err(RpcError::garbage("account that was asked for").into());
    }
    Ok(Numbers { account: plain.account_number, sequence: plain.sequence })
}

/// What an account has of a token, in base units.
pub(crate) async fn balance(client: &Client, account: &str, denom: &str) -> Result<u128, QueryError> {
    let question = QueryBalanceRequest { address: account.to_owned(), denom: denom.to_owned() };
    let path = "/cosmos.bank.v1beta1.Query/Balance";
    let answer: QueryBalanceResponse = service(client, path, &question, "balance").await?;
    let Some(coin) = answer.balance else { return Ok(0) };
    if coin.denom != denom {
        return Err(RpcError::garbage("balance that was asked for").into());
    }
    coin.amount.parse().map_err(|source| garbage("balance", source).into())
}

/// What a node asks for at least, as it writes it.
pub(crate) async fn least_prices(client: &Client) -> Result<String, QueryError> {
    let path = "/cosmos.base.node.v1beta1.Service/Config";
    let answer: ConfigResponse = service(client, path, &ConfigRequest {}, "node's configuration").await?;
    Ok(answer.minimum_gas_price)
}

/// What a simulation says, as far as it is used.
#[derive(Debug, Deserialize)]
struct Simulated {
    gas_info: GasInfo,
}

#[derive(Debug, Deserialize)]
struct GasInfo {
    gas_used: String,
}

/// Runs a transaction without its signature being checked; what it would use of gas.
///
/// Asked of the application itself and not of its service of that name, which nodes without gRPC do not have, and which
/// does not tell the codes of refusals.
pub(crate) async fn simulate(client: &Client, bytes: &[u8]) -> Result<u64, QueryError> {
    let answer = ask(client, "/app/simulate", bytes, 0).await?;
    let simulated: Simulated =
        serde_json::from_slice(&answer).map_err(|source| garbage("simulation", source))?;
    simulated.gas_info.gas_used.parse().map_err(|source| garbage("gas of a simulation", source).into())
}

/// Asks a contract.
pub(crate) async fn contract<A: DeserializeOwned>(
    client: &Client,
    address: &str,
    question: &Value,
    expected: &'static str,
) -> Result<A, QueryError> {
    let question = QuerySmartContractStateRequest {
        address: address.to_owned(),
        query_data: question.to_string().into_bytes(),
    };
    let path = "/cosmwasm.wasm.v1.Query/SmartContractState";
    let answer: QuerySmartContractStateResponse = service(client, path, &question, expected).await?;
    serde_json::from_slice(&answer.data).map_err(|source| garbage(expected, source).into())
}

/// What contracts keep at a key after a block; empty where they keep nothing.
///
/// SECURITY: a node that does not have the state after that block, because it has not made it yet or keeps it no more,
/// answers with success and without a value, and says so in its log alone. That is no answer, and never "nothing".
async fn stored(client: &Client, key: &[u8], height: u64) -> Result<Vec<u8>, QueryError> {
    let response = response(client, &format!("/store/{CONTRACT_STORE}/key"), key, height).await?;
    if response.log.is_empty() {
        return value(response);
    }
    let AbciResponse { code, log: message, .. } = response;
    let (data, retry_after) = (None, None);
    Err(RpcError::Server { code: i64::from(code), message, data, status: 200, retry_after }.into())
}

/// The word that a contract keeps at one of its own keys after a block, as a node tells it; zero where it keeps none.
pub(crate) async fn word(
    client: &Client,
    contract: B256,
    own: &[u8],
    height: u64,
) -> Result<U256, QueryError> {
    let value = stored(client, &contract_key(contract, own), height).await?;
    U256::try_from_be_slice(&value).ok_or_else(|| RpcError::garbage("word of a scope").into())
}

/// The error that a quorum counts.
pub(crate) fn flat(error: QueryError) -> RpcError {
    match error {
        QueryError::Rpc(error) => error,
        QueryError::Refused { refusal, codespace, code, log } => RpcError::Server {
            code: i64::from(code),
            message: refusal.describe(&codespace, code, &log),
            data: None,
            status: 200,
            retry_after: None,
        },
    }
}
