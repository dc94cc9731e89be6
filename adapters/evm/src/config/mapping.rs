//! From names in a mapping to places in a decoded event.

use alloy::{
    dyn_abi::{DynSolType, Specifier},
    json_abi::Event,
};

use super::{
    ConfigProblem, EventMapping, FieldSource, MappingKind,
    compile::{Mistakes, number},
};
use crate::decode::{Meaning, Place};

/// One mapping with its parsed event, while its fields are looked up.
pub(super) struct Fields<'a> {
    pub(super) place: &'a str,
    pub(super) abi: &'a Event,
    pub(super) mapping: &'a EventMapping,
}

impl Fields<'_> {
    /// Looks every field up; all mistakes are collected.
    pub(super) fn meaning(&self, mistakes: &mut Mistakes) -> Option<Meaning> {
        let names = &self.mapping.fields;
        match self.mapping.kind {
            MappingKind::Transfer(kind) => {
                self.refuse("value", names.value.as_ref(), mistakes);
                // All are looked up before any is missed, so that every mistake is shown.
                let remote = self.need("remote", names.remote.as_ref(), mistakes);
                let message_id = self.need("message_id", names.message_id.as_ref(), mistakes);
                let asset = self.need("asset", names.asset.as_ref(), mistakes);
                let amount = self.need("amount", names.amount.as_ref(), mistakes);
                let recipient = self.need("recipient", names.recipient.as_ref(), mistakes);
                let sender = self.maybe("sender", names.sender.as_ref(), mistakes);
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
                    self.refuse(field, source.as_ref(), mistakes);
                }
                let value = self.maybe("value", names.value.as_ref(), mistakes);
                Some(Meaning::Admin { kind, value: value? })
            }
        }
    }

    fn refuse(&self, field: &'static str, source: Option<&FieldSource>, mistakes: &mut Mistakes) {
        if source.is_some() {
            let problem = ConfigProblem::UselessField { field };
            mistakes.add(format!("{}.fields.{field}", self.place), field, problem, "remove it");
        }
    }

    fn maybe(
        &self,
        field: &'static str,
        source: Option<&FieldSource>,
        mistakes: &mut Mistakes,
    ) -> Option<Option<Place>> {
        match source {
            None => Some(None),
            some => self.need(field, some, mistakes).map(Some),
        }
    }

    fn need(
        &self,
        field: &'static str,
        source: Option<&FieldSource>,
        mistakes: &mut Mistakes,
    ) -> Option<Place> {
        let place = format!("{}.fields.{field}", self.place);
        match source {
            None => {
                let fix = format!("add {field} = \"<parameter name>\" to the mapping's fields");
                mistakes.add(place, &self.mapping.signature, ConfigProblem::MissingField { field }, fix);
                None
            }
            Some(FieldSource::Constant(constant)) if matches!(field, "remote" | "asset") => {
                number(&place, &constant.constant, mistakes).map(Place::Constant)
            }
            Some(FieldSource::Constant(constant)) => {
                let problem = ConfigProblem::ConstantField { field };
                mistakes.add(place, &constant.constant, problem, "name a parameter of the signature");
                None
            }
            Some(FieldSource::Parameter(name)) => self.parameter(&place, field, name, mistakes),
        }
    }

    fn parameter(
        &self,
        place: &str,
        field: &'static str,
        name: &str,
        mistakes: &mut Mistakes,
    ) -> Option<Place> {
        let found = self.abi.inputs.iter().position(|input| input.name == name);
        let Some((at, input)) = found.and_then(|at| Some((at, self.abi.inputs.get(at)?))) else {
            let names: Vec<&str> = self.abi.inputs.iter().map(|input| input.name.as_str()).collect();
            let fix = format!("use one of: {}", names.join(", "));
            mistakes.add(place, name, ConfigProblem::UnknownParameter, fix);
            return None;
        };
        let ty = input.resolve().ok()?;
        if !fits(field, &ty, input.indexed) {
            let problem = ConfigProblem::ParameterType { field, found: input.ty.clone() };
            mistakes.add(place, name, problem, type_fix(field));
            return None;
        }
        let before = self.abi.inputs.iter().take(at).filter(|other| other.indexed == input.indexed).count();
        Some(if input.indexed { Place::Indexed(before) } else { Place::Body(before) })
    }
}

fn fits(field: &str, ty: &DynSolType, indexed: bool) -> bool {
    match ty {
        DynSolType::Uint(_) => true,
        DynSolType::Int(_) => field != "amount",
        DynSolType::Address | DynSolType::FixedBytes(_) | DynSolType::Bool => field != "amount",
        // An indexed string is a hash already; comparing it to a plain one would compare different things.
        DynSolType::Bytes | DynSolType::String => field != "amount" && !indexed,
        _ => false,
    }
}

fn type_fix(field: &str) -> &'static str {
    if field == "amount" {
        "name a parameter of an unsigned integer type"
    } else {
        "name a parameter that is a number, an address, fixed bytes, or unindexed bytes"
    }
}
