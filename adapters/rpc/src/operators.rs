//! Every endpoint of a chain: who is asked, and who takes what is submitted.

use portcullis_adapter::config::{Endpoint, Submission};
use portcullis_verifier::OperatorId;
use url::Url;

use crate::{Client, Lane, LaneSettings, Lanes, RpcError};

/// One operator's endpoint.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Who runs it.
    pub name: OperatorId,
    /// The ways to ask it.
    pub lanes: Lanes,
    /// Its push socket, where it has one.
    pub ws: Option<Url>,
}

/// Why an endpoint cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client for operator {operator}")]
pub struct NoClient {
    /// Whose.
    pub operator: OperatorId,
    /// Why.
    #[source]
    pub source: RpcError,
}

/// The configured operators, and the clients that take submissions: those of the endpoints that submit, or only the
/// private ones. Opens no connection.
///
/// # Errors
/// [`NoClient`] for the first endpoint for which no HTTP client can be made.
pub fn operators(
    endpoints: &[Endpoint],
    submission: &Submission,
) -> Result<(Vec<Operator>, Vec<Client>), NoClient> {
    let mut operators = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let name = endpoint.operator;
        let lanes = Lanes::new(name, &endpoint.http).map_err(|source| NoClient { operator: name, source })?;
        operators.push(Operator { name, lanes, ws: endpoint.ws.clone() });
    }
    let submit = match submission {
        Submission::Public => {
            let pairs = operators.iter().zip(endpoints);
            pairs.filter(|(_, endpoint)| endpoint.submit).map(|(o, _)| o.lanes.contain.clone()).collect()
        }
        Submission::Private(list) => {
            let client = |operator, url| {
                Client::new(operator, url, Lane::Contain, &LaneSettings::of(Lane::Contain))
                    .map_err(|source| NoClient { operator, source })
            };
            let clients = list.iter().map(|endpoint| client(endpoint.operator, endpoint.http.clone()));
            clients.collect::<Result<_, _>>()?
        }
    };
    Ok((operators, submit))
}
