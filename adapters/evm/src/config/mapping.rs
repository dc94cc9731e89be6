//! From names in a mapping to places in a decoded event.

use alloy::{
    dyn_abi::{DynSolType, Specifier},
    json_abi::Event,
};
use portcullis_adapter::config::Places;
use portcullis_verifier::B256;

use super::ConfigProblem;
use crate::decode::Place;

/// The parameters of an event's signature.
pub(super) struct Parameters<'a>(pub(super) &'a Event);

impl Places for Parameters<'_> {
    type Place = Place;

    const PART: &'static str = "parameter";

    fn constant(&self, word: B256) -> Place {
        Place::Constant(word)
    }

    fn named(&self, field: &'static str, name: &str) -> Result<Place, (ConfigProblem, String)> {
        let inputs = &self.0.inputs;
        let found = inputs.iter().position(|input| input.name == name);
        let Some((at, input)) = found.and_then(|at| Some((at, inputs.get(at)?))) else {
            let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
            return Err((ConfigProblem::UnknownParameter, format!("use one of: {}", names.join(", "))));
        };
        let ty = input.resolve();
        if !ty.is_ok_and(|ty| fits(field, &ty, input.indexed)) {
            let problem = ConfigProblem::ParameterType { field, found: input.ty.clone() };
            return Err((problem, type_fix(field).to_owned()));
        }
        let before = inputs.iter().take(at).filter(|other| other.indexed == input.indexed).count();
        Ok(if input.indexed { Place::Indexed(before) } else { Place::Body(before) })
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
