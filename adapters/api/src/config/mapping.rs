//! What an event means, and from names in a mapping to places in an event.

use portcullis_verifier::{AdminKind, B256, BridgeId, TransferKind};
use serde::Deserialize;

use super::{ConfigProblem, Mistakes, number};

/// One contract, program or module that works for one bridge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedContract {
    /// Which bridge.
    pub bridge: BridgeId,
    /// Its address, as people of its chain write it; what else may stand here is the family's.
    pub address: String,
    /// The bridge's domain number of this chain: decimal, or `0x` and up to 64 hex digits.
    pub domain: String,
    /// What its events mean.
    pub mappings: Vec<EventMapping>,
    /// Signatures of events that are known to mean nothing here. Any other unmapped event is kept and shown.
    #[serde(default)]
    pub ignored: Vec<String>,
}

/// What one event means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventMapping {
    /// What happened.
    pub kind: MappingKind,
    /// What tells the event from others, as the family writes it: a signature, or a type with attributes.
    pub signature: String,
    /// Whether the contract keeps a record of each such event in its state, so that the event can be proven on a chain
    /// whose blocks do not commit to events; else it is only ever reported there.
    #[serde(default)]
    pub recorded: bool,
    /// Which part of the event holds what.
    pub fields: FieldNames,
}

/// What an event is mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappingKind {
    /// Somebody with a role changed something.
    Admin(AdminKind),
    /// Value moved: `lock`, `burn`, `mint` or `release`.
    #[serde(untagged)]
    Transfer(TransferKind),
}

/// Where each part of the observation comes from.
///
/// A transfer needs `remote`, `message_id`, `asset`, `amount` and `recipient`; an admin change takes only
/// `value`, and may leave it out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldNames {
    /// The bridge's domain number of the other chain.
    pub remote: Option<FieldSource>,
    /// The bridge's message id.
    pub message_id: Option<FieldSource>,
    /// The token on this chain.
    pub asset: Option<FieldSource>,
    /// Amount in base units.
    pub amount: Option<FieldSource>,
    /// Who receives.
    pub recipient: Option<FieldSource>,
    /// Who sent, where the event says so.
    pub sender: Option<FieldSource>,
    /// New value of an admin change.
    pub value: Option<FieldSource>,
}

/// A parameter's name, or a constant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum FieldSource {
    /// Name of a part of the event, in the family's words.
    Parameter(String),
    /// The same for every event of this mapping; only for `remote` and `asset`.
    Constant(ConstantField),
}

impl From<&str> for FieldSource {
    fn from(name: &str) -> Self {
        Self::Parameter(name.to_owned())
    }
}

/// A constant: decimal, or `0x` and up to 64 hex digits; left padded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantField {
    /// The value as text.
    pub constant: String,
}

/// What a mapped event means, with where its values stand.
#[derive(Debug, Clone)]
pub enum Meaning<P> {
    /// Value moved.
    Transfer {
        /// How.
        kind: TransferKind,
        /// Where the other chain's domain stands.
        remote: P,
        /// Where the message id stands.
        message_id: P,
        /// Where the token stands.
        asset: P,
        /// Where the amount stands.
        amount: P,
        /// Where the recipient stands.
        recipient: P,
        /// Where the sender stands, if the event says it.
        sender: Option<P>,
    },
    /// Somebody with a role changed something.
    Admin {
        /// What.
        kind: AdminKind,
        /// Where the new value stands, if the event says it.
        value: Option<P>,
    },
}

/// The places of one event: what a family knows of where a named value stands.
pub trait Places {
    /// One of them.
    type Place;

    /// What a person calls a part of an event, such as `parameter`.
    const PART: &'static str;

    /// A value that is the same for every event.
    fn constant(&self, word: B256) -> Self::Place;

    /// The place that `name` names, fit to hold `field`.
    ///
    /// # Errors
    /// What is wrong with the name, and what to write instead.
    fn named(&self, field: &'static str, name: &str) -> Result<Self::Place, (ConfigProblem, String)>;
}

/// Looks up every field that `mapping`, which stands at `place`, needs. Every mistake is noted; one is enough for there
/// to be no meaning.
pub fn meaning<F: Places>(
    place: &str,
    mapping: &EventMapping,
    places: &F,
    mistakes: &mut Mistakes,
) -> Option<Meaning<F::Place>> {
    let names = &mapping.fields;
    let mut fields = Fields { place, mapping, places, mistakes };
    match mapping.kind {
        MappingKind::Transfer(kind) => {
            fields.refuse("value", names.value.as_ref());
            // All are looked up before any is missed, so that every mistake is shown.
            let remote = fields.need("remote", names.remote.as_ref());
            let message_id = fields.need("message_id", names.message_id.as_ref());
            let asset = fields.need("asset", names.asset.as_ref());
            let amount = fields.need("amount", names.amount.as_ref());
            let recipient = fields.need("recipient", names.recipient.as_ref());
            let sender = fields.maybe("sender", names.sender.as_ref());
            Some(Meaning::Transfer {
                kind,
                remote: remote?,
                message_id: message_id?,
                asset: asset?,
                amount: amount?,
                recipient: recipient?,
                sender: sender?,
            })
        }
        MappingKind::Admin(kind) => {
            let useless = [
                ("remote", &names.remote),
                ("message_id", &names.message_id),
                ("asset", &names.asset),
                ("amount", &names.amount),
                ("recipient", &names.recipient),
                ("sender", &names.sender),
            ];
            for (field, source) in useless {
                fields.refuse(field, source.as_ref());
            }
            let value = fields.maybe("value", names.value.as_ref());
            Some(Meaning::Admin { kind, value: value? })
        }
    }
}

/// One mapping, while its fields are looked up.
struct Fields<'a, F> {
    place: &'a str,
    mapping: &'a EventMapping,
    places: &'a F,
    mistakes: &'a mut Mistakes,
}

impl<F: Places> Fields<'_, F> {
    fn refuse(&mut self, field: &'static str, source: Option<&FieldSource>) {
        if source.is_some() {
            let problem = ConfigProblem::UselessField { field };
            self.mistakes.add(format!("{}.fields.{field}", self.place), field, problem, "remove it");
        }
    }

    fn maybe(&mut self, field: &'static str, source: Option<&FieldSource>) -> Option<Option<F::Place>> {
        match source {
            None => Some(None),
            some => self.need(field, some).map(Some),
        }
    }

    fn need(&mut self, field: &'static str, source: Option<&FieldSource>) -> Option<F::Place> {
        let place = format!("{}.fields.{field}", self.place);
        match source {
            None => {
                let fix = format!("add {field} = \"<{}>\" to the mapping's fields", F::PART);
                let problem = ConfigProblem::MissingField { field };
                self.mistakes.add(place, &self.mapping.signature, problem, fix);
                None
            }
            Some(FieldSource::Constant(constant)) if matches!(field, "remote" | "asset") => {
                number(&place, &constant.constant, self.mistakes).map(|word| self.places.constant(word))
            }
            Some(FieldSource::Constant(constant)) => {
                let fix = format!("write the name of the {} that holds it", F::PART);
                let problem = ConfigProblem::ConstantField { field };
                self.mistakes.add(place, &constant.constant, problem, fix);
                None
            }
            Some(FieldSource::Parameter(name)) => match self.places.named(field, name) {
                Ok(found) => Some(found),
                Err((problem, fix)) => {
                    self.mistakes.add(place, name, problem, fix);
                    None
                }
            },
        }
    }
}
