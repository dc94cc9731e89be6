//! The families of chains that this build has, and how each writes an account.
//!
//! With the wiring, this is the only file of the service that names families.

use alloy_primitives::Address;
use portcullis_verifier::B256;

/// A family of chains: one folder under `adapters/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Chains with an Ethereum virtual machine.
    Evm,
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
    pub const WORDS: [(&'static str, Self); 1] = [("evm", Self::Evm)];

    /// The family whose chains have this CAIP-2 namespace.
    #[must_use]
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        match namespace {
            "eip155" => Some(Self::Evm),
            _ => None,
        }
    }

    /// The namespace that chains of this family have.
    #[must_use]
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Evm => "eip155",
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
        }
    }

    /// Reads an account or contract address, left padded to 32 bytes.
    ///
    /// # Errors
    /// [`AccountError`] when the shape is wrong, or when mixed capitals are not the address's checksum (EIP-55).
    pub fn parse_account(self, text: &str) -> Result<B256, AccountError> {
        match self {
            Self::Evm => parse_hex_address(text),
        }
    }

    /// An account as the family's people write it.
    #[must_use]
    pub fn show_account(self, account: &B256) -> String {
        match self {
            Self::Evm => Address::from_word(*account).to_checksum(None),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_verified_only_where_there_is_one() {
        let good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let word = Family::Evm.parse_account(good).unwrap();
        assert_eq!(Family::Evm.parse_account(&good.to_lowercase()).unwrap(), word);
        assert_eq!(Family::Evm.show_account(&word), good);
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
}
