//! The tables of tokens: which one stands for which, decimals, homes.

use std::{collections::BTreeMap, path::Path};

use portcullis_core::{config, limits::DECIMALS};
use portcullis_verifier::{B256, Slug};

use crate::{
    config::{CHAINS, domain},
    table::{self, DatasetError, Place},
};

/// Decimals of a declared pair whose decimals were not recorded. Its representations copy them, so amounts compare
/// one to one whatever they are; without a price nothing is valued by them.
const UNKNOWN_DECIMALS: u8 = 18;

/// A token on one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// Symbol, or the start of its address.
    pub(crate) name: Slug,
    pub(crate) decimals: u8,
    /// Locked and released here.
    pub(crate) home: bool,
}

/// Every token that the bridge declares.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    known: BTreeMap<(u64, B256), Known>,
    pub(crate) assets: Vec<config::Asset>,
}

/// 32 bytes, or fewer and left padded, written in hexadecimal with 0x.
pub(crate) fn word(text: &str, bytes: usize, place: &Place) -> Result<B256, DatasetError> {
    let bad = || place.error(format!("'{text}' is not 0x and {bytes} bytes in hexadecimal"));
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == bytes.saturating_mul(2));
    // Checked before: parsing a number would take a sign for a digit.
    let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(bad)?;
    let pairs = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| core::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    let bytes: Vec<u8> = pairs.collect::<Option<_>>().ok_or_else(bad)?;
    Ok(B256::left_padding_from(&bytes))
}

/// An address of the recorded chains.
pub(crate) fn address(text: &str, place: &Place) -> Result<B256, DatasetError> {
    word(text, 20, place)
}

pub(crate) fn slug(text: &str, place: &Place) -> Result<Slug, DatasetError> {
    Slug::new(text).map_err(|error| place.error(error.to_string()))
}

impl Tokens {
    /// Reads both tables. `token_mapping.tsv` is what the bridge declares, `tokens.csv` says more of most of it.
    pub(crate) fn load(folder: &Path) -> Result<Self, DatasetError> {
        let mut pairs: BTreeMap<[B256; 2], (Place, String)> = BTreeMap::new();
        for (place, row) in table::rows(&folder.join("token_mapping.tsv"), '\t', 5, false)? {
            let [_, _, here, there, _] = row.as_slice() else { continue };
            let pair = [address(here, &place)?, address(there, &place)?];
            let name = here.get(..10).unwrap_or(here).to_owned();
            if pairs.insert(pair, (place.clone(), name)).is_some() {
                return Err(place.error(format!("the pair {here} and {there} is there twice")));
            }
        }
        let mut tokens = Self::default();
        for (place, row) in table::rows(&folder.join("tokens.csv"), ',', 5, true)? {
            let [symbol, decimals, home, here, there] = row.as_slice() else { continue };
            let decimals = decimals.parse().ok().filter(|decimals: &u8| *decimals <= DECIMALS);
            let decimals = decimals.ok_or_else(|| place.error("decimals that no token has"))?;
            let home = home.parse().ok().filter(|home| CHAINS.iter().any(|(number, _)| number == home));
            let home = home.ok_or_else(|| place.error("a home chain that was not recorded"))?;
            let pair = [address(here, &place)?, address(there, &place)?];
            if pairs.remove(&pair).is_none() {
                return Err(place.error(format!("token_mapping.tsv has no pair {here} and {there}")));
            }
            tokens.declare(slug(symbol, &place)?, decimals, home, pair, &place)?;
        }
        for (pair, (place, name)) in pairs {
            tokens.declare(slug(&name, &place)?, UNKNOWN_DECIMALS, 1, pair, &place)?;
        }
        Ok(tokens)
    }

    /// A token of a chain, if it is declared.
    pub(crate) fn get(&self, chain: u64, token: B256) -> Option<Known> {
        self.known.get(&(chain, token)).copied()
    }

    fn declare(
        &mut self,
        name: Slug,
        decimals: u8,
        home: u64,
        pair: [B256; 2],
        place: &Place,
    ) -> Result<(), DatasetError> {
        let mut forms = Vec::new();
        for ((chain, domain_name), token) in CHAINS.into_iter().zip(pair) {
            let known = Known { name, decimals, home: chain == home };
            if self.known.insert((chain, token), known).is_some() {
                return Err(place.error(format!("token {token} of chain {chain} is in two pairs")));
            }
            let domain = domain(domain_name);
            forms.push(config::AssetForm { domain, asset: token, decimals, home: known.home });
        }
        // Prices come as inputs, day by day: what was known on the day, not what is known now.
        self.assets.push(config::Asset { name, forms, micro_usd: None });
        Ok(())
    }
}
