//! The families of chains that this build has, and how each writes an account.
//!
//! With the wiring, this is the only file of the service that names families.

use alloy_primitives::Address;
use portcullis_verifier::{B256, keccak256};

/// A family of chains: one folder under `adapters/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Chains with an Ethereum virtual machine.
    Evm,
    /// Chains of the Cosmos SDK with CosmWasm contracts.
    Cosmos,
    /// Clusters of the Solana virtual machine.
    Solana,
}

/// Why a text is not an account of a family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Another shape altogether.
    #[error("\"{text}\" is not an address; {rule}")]
    Malformed {
        /// The text as given, cut to 80 characters.
        text: String,
        /// What an address looks like.
        rule: &'static str,
    },
    /// The capitals are a checksum, and it does not fit: a character is likely mistyped.
    #[error("the capitals of \"{text}\" do not fit its digits")]
    Checksum {
        /// The text as given.
        text: String,
        /// The digits as given, with the capitals that fit them.
        expected: String,
    },
}

impl Family {
    /// Words by which the configuration names families.
    pub const WORDS: [(&'static str, Self); 3] =
        [("evm", Self::Evm), ("cosmos", Self::Cosmos), ("solana", Self::Solana)];

    /// The family whose chains have this CAIP-2 namespace.
    #[must_use]
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        match namespace {
            "eip155" => Some(Self::Evm),
            "cosmos" => Some(Self::Cosmos),
            "solana" => Some(Self::Solana),
            _ => None,
        }
    }

    /// The namespace that chains of this family have.
    #[must_use]
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Evm => "eip155",
            Self::Cosmos => "cosmos",
            Self::Solana => "solana",
        }
    }

    /// Why a chain's reference cannot belong to the family; none when it can.
    #[must_use]
    pub fn refuse_reference(self, reference: &str) -> Option<String> {
        match self {
            Self::Evm => reference
                .parse::<u64>()
                .is_err()
                .then(|| format!("\"{reference}\" is not a chain number, such as 1 in eip155:1")),
            // Any name that CAIP-2 takes.
            Self::Cosmos => None,
            Self::Solana => (!portcullis_solana::config::is_reference(reference))
                .then(|| format!("\"{reference}\" is not the first 32 characters of a genesis hash")),
        }
    }

    /// An id as people of the family write it, for messages.
    #[must_use]
    pub fn example_id(self) -> &'static str {
        match self {
            Self::Evm => "eip155:1",
            Self::Cosmos => "cosmos:cosmoshub-4",
            Self::Solana => "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        }
    }

    /// Reads an account or contract address, left padded to 32 bytes.
    ///
    /// # Errors
    /// [`AccountError`] when the shape is wrong, or when mixed capitals are not the address's checksum (EIP-55).
    pub fn parse_account(self, text: &str) -> Result<B256, AccountError> {
        match self {
            Self::Evm => parse_hex_address(text),
            Self::Cosmos => parse_bech32(text),
            Self::Solana => parse_base58(text),
        }
    }

    /// Reads the name of a token as observations carry it: a contract's address, or the keccak256 of a name where tokens
    /// have names.
    ///
    /// # Errors
    /// As [`Family::parse_account`].
    pub fn parse_token(self, text: &str) -> Result<B256, AccountError> {
        match (self, text.strip_prefix("0x")) {
            (Self::Evm, _) => parse_hex_address(text),
            (Self::Solana, _) => parse_base58(text),
            (Self::Cosmos, Some(digits)) if digits.len() == 64 => {
                text.parse().map_err(|_not_hex| AccountError::Malformed {
                    text: text.chars().take(80).collect(),
                    rule: "write 0x and 64 hexadecimal digits, or the token's name on the chain",
                })
            }
            (Self::Cosmos, _) if text.is_empty() || text.len() > 128 => Err(AccountError::Malformed {
                text: text.chars().take(80).collect(),
                rule: "write the token's name on the chain, such as uatom, or 0x and 64 hexadecimal digits",
            }),
            (Self::Cosmos, _) => Ok(keccak256(text)),
        }
    }
}

fn parse_hex_address(text: &str) -> Result<B256, AccountError> {
    let malformed = || AccountError::Malformed {
        text: text.chars().take(80).collect(),
        rule: "write 0x and 40 hexadecimal digits",
    };
    let digits = text.strip_prefix("0x").ok_or_else(malformed)?;
    if digits.len() != 40 {
        return Err(malformed());
    }
    let address: Address = text.parse().map_err(|_not_hex| malformed())?;
    let mixed =
        digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
    let expected = address.to_checksum(None);
    if mixed && expected != text {
        return Err(AccountError::Checksum { text: text.to_owned(), expected });
    }
    Ok(address.into_word())
}

/// A contract's or account's address, whatever chain's prefix it has: the chain's own is compared by its adapter. What
/// works for a bridge inside the chain itself is written `module:` and a name.
fn parse_bech32(text: &str) -> Result<B256, AccountError> {
    if let Some(module) = text.strip_prefix("module:") {
        return Ok(keccak256(module));
    }
    portcullis_cosmos::config::any_account(text).ok_or_else(|| AccountError::Malformed {
        text: text.chars().take(80).collect(),
        rule: "write the address as the chain does, such as wasm1… (its checksum is verified)",
    })
}

/// An address of 32 bytes. A token is also written `mint:` and its address, a guard or gate as `<breaker account>@<program>`:
/// the account is what it is known by.
fn parse_base58(text: &str) -> Result<B256, AccountError> {
    let address = match text.split_once('@') {
        Some(_) => portcullis_solana::config::gate_address(text).map(|(account, _program)| account),
        None => portcullis_solana::address::read(text.strip_prefix("mint:").unwrap_or(text)),
    };
    address.ok_or_else(|| AccountError::Malformed {
        text: text.chars().take(100).collect(),
        rule: "write the address in base 58, as the chain's tools show it; of a guard <breaker account>@<program>",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_verified_only_where_there_is_one() {
        let good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let word = Family::Evm.parse_account(good).unwrap();
        assert_eq!(Family::Evm.parse_account(&good.to_lowercase()).unwrap(), word);
        assert_eq!(Address::from_word(word).to_checksum(None), good);
        let typo = good.replace("aAeb", "aaeb");
        assert_eq!(
            Family::Evm.parse_account(&typo),
            Err(AccountError::Checksum { text: typo.clone(), expected: good.into() })
        );
    }

    #[test]
    fn other_shapes_are_refused() {
        for bad in
            ["", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x12", &format!("0x{}", "g".repeat(40))]
        {
            assert!(matches!(Family::Evm.parse_account(bad), Err(AccountError::Malformed { .. })), "{bad}");
        }
    }

    #[test]
    fn bech32_is_verified_and_padded_and_tokens_may_have_names() {
        let gate = "wasm14hj2tavq8fpesdwxxcu44rty3hh90vhujrvcmstl4zr3txmfvw9s0phg4d";
        let word = Family::Cosmos.parse_account(gate).unwrap();
        assert_ne!(word, B256::ZERO);
        let person = Family::Cosmos.parse_account("cosmos1pgzph9rze2j2xxavx4n7pdhxlkgsq7raqh8hre").unwrap();
        assert_eq!(person.as_slice().get(..12), Some([0; 12].as_slice()), "left padded");
        let typo = gate.replace("wasm14", "wasm15");
        assert!(matches!(Family::Cosmos.parse_account(&typo), Err(AccountError::Malformed { .. })));
        assert_eq!(Family::Cosmos.parse_account("module:bank"), Ok(keccak256("bank")));
        assert_eq!(Family::Cosmos.parse_token("uatom"), Ok(keccak256("uatom")));
        let digits = format!("0x{}", "ab".repeat(32));
        assert_eq!(Family::Cosmos.parse_token(&digits), Ok(B256::repeat_byte(0xab)));
        for bad in [String::new(), "x".repeat(129), format!("0x{}", "g".repeat(64))] {
            assert!(Family::Cosmos.parse_token(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_in_base_58_have_32_bytes_and_a_guard_is_known_by_its_account() {
        let token = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
        let word = Family::Solana.parse_account(token).unwrap();
        assert_eq!(Family::Solana.parse_token(token), Ok(word));
        assert_eq!(Family::Solana.parse_account(&format!("mint:{token}")), Ok(word));
        let guard = format!("{token}@11111111111111111111111111111111");
        assert_eq!(Family::Solana.parse_account(&guard), Ok(word));
        for bad in ["", "0OIl", &token[1..], &format!("{token}@"), &format!("@{token}"), "0x00"] {
            let parsed = Family::Solana.parse_account(bad);
            assert!(matches!(parsed, Err(AccountError::Malformed { .. })), "{bad}");
        }
        assert_eq!(Family::Solana.refuse_reference("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"), None);
        assert!(Family::Solana.refuse_reference("mainnet").is_some());
    }
}
