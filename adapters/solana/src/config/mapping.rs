//! From names in a mapping to places in a record.

use portcullis_adapter::config::Places;
use portcullis_verifier::B256;

use super::ConfigProblem;
use crate::decode::{Form, Pattern, Place, TOKEN_VALUES};

/// The records of one layout, as far as their fields are looked up.
pub(super) struct Records<'a>(pub(super) &'a Pattern);

impl Places for Records<'_> {
    type Place = Place;

    const PART: &'static str = "value";

    fn constant(&self, word: B256) -> Place {
        Place::Constant(word)
    }

    fn named(&self, field: &'static str, name: &str) -> Result<Place, (ConfigProblem, String)> {
        self.find(field, name.trim()).map_err(|detail| {
            let fix = "name a value of the layout, or @tx for the transaction";
            (ConfigProblem::Source { field, detail }, fix.to_owned())
        })
    }
}

impl Records<'_> {
    fn find(&self, field: &'static str, name: &str) -> Result<Place, &'static str> {
        const NO_AMOUNT: &str = "an amount is a number";
        if name == "@tx" {
            let known = field == "message_id";
            return if known {
                Ok(Place::Transaction)
            } else {
                Err("only a message id can be the transaction")
            };
        }
        let layout = match self.0 {
            Pattern::Token(_) if field == "amount" && name != "amount" => return Err(NO_AMOUNT),
            Pattern::Token(_) => {
                let known = TOKEN_VALUES.iter().find(|known| **known == name);
                return known.map(|known| Place::Token(known)).ok_or("a token's record has no such value");
            }
            Pattern::Data(layout) | Pattern::Call(layout) => layout,
        };
        // What is not named cannot be meant.
        let named = |known: &String| known == name && name != "_";
        let value = layout.values.iter().enumerate().find(|(_, (known, _, _))| named(known));
        match value {
            Some((_, (_, form, _))) if field == "amount" && !Form::is_number(*form) => return Err(NO_AMOUNT),
            Some((at, _)) => return Ok(Place::Value(at)),
            None => {}
        }
        match layout.accounts.iter().position(|(known, _)| named(known)) {
            Some(_) if field == "amount" => Err(NO_AMOUNT),
            Some(at) => Ok(Place::Account(at)),
            None => Err("the layout has no such name"),
        }
    }
}
