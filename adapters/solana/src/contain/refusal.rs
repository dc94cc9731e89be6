//! Why a trip failed: decided by the chain's own names and numbers, never by a text.

use serde_json::Value;

/// A failure by what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The blockhash is too old, or of another fork.
    Blockhash,
    /// The account cannot pay.
    Funds,
    /// Another account, program or kind than the gate needs.
    Account,
    /// The tripper may not, or may not any more.
    Role,
    /// The gate does not know the scope.
    Scope,
    /// The compute units did not suffice.
    Units,
    /// A mint that the Gate should pause is not what it was.
    Target,
    /// Nothing of the above.
    Other,
}

/// Sorts what a node says of a failed transaction.
#[must_use]
pub fn refusal(failed: &Value) -> Refusal {
    match failed.as_str() {
        Some("BlockhashNotFound") => return Refusal::Blockhash,
        Some("InsufficientFundsForFee" | "AccountNotFound" | "InvalidAccountForFee") => {
            return Refusal::Funds;
        }
        Some("ProgramAccountNotFound" | "InvalidProgramForExecution") => return Refusal::Account,
        Some("WouldExceedMaxAccountCostLimit" | "WouldExceedMaxBlockCostLimit") => return Refusal::Other,
        _ => {}
    }
    if failed.get("InsufficientFundsForRent").is_some() {
        return Refusal::Funds;
    }
    let inner = failed.get("InstructionError").and_then(|error| error.get(1));
    match inner.and_then(Value::as_str) {
        Some("ComputationalBudgetExceeded" | "ProgramFailedToComplete") => return Refusal::Units,
        Some("IncorrectProgramId" | "UnsupportedProgramId" | "InvalidAccountOwner") => {
            return Refusal::Account;
        }
        _ => {}
    }
    // Numbers as contracts/solana has them.
    match inner.and_then(|inner| inner.get("Custom")).and_then(Value::as_u64) {
        Some(7_000) => Refusal::Account,
        Some(7_001 | 7_007 | 7_008 | 7_015) => Refusal::Role,
        Some(7_009 | 7_023) => Refusal::Scope,
        Some(7_050..=7_053) => Refusal::Target,
        _ => Refusal::Other,
    }
}

impl Refusal {
    /// Page of the documentation that explains it; none where the chain's own words say as much as is known.
    #[must_use]
    pub fn code(self) -> Option<&'static str> {
        match self {
            Self::Blockhash => Some("PC-0961"),
            Self::Funds => Some("PC-0962"),
            Self::Account => Some("PC-0963"),
            Self::Role => Some("PC-0964"),
            Self::Scope => Some("PC-0965"),
            Self::Units => Some("PC-0966"),
            Self::Target => Some("PC-0967"),
            Self::Other => None,
        }
    }

    /// In words, with what to do.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Blockhash => "the blockhash is too old or of another fork; it is signed anew",
            Self::Funds => "the account cannot pay; fund it",
            Self::Account => "an account or program is not what the gate needs; compare the gate's address",
            Self::Role => {
                "the key is no tripper of the gate, or its signature does not count; the gate's owner must grant it"
            }
            Self::Scope => "the gate does not know the scope; its owner must register it",
            Self::Units => "the compute units do not suffice; raise unit_limit",
            Self::Target => "what the Gate should pause is no target of it; its owner must add it",
            Self::Other => "refused",
        }
    }

    /// The failure with what the node said of it, for people.
    #[must_use]
    pub fn describe(self, failed: &Value) -> String {
        let page = self.code().map_or_else(String::new, |page| format!("{page}: "));
        format!("{page}{} ({failed})", self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn failures_are_told_apart_by_names_and_numbers() {
        let custom = |code: u32| json!({ "InstructionError": [2, { "Custom": code }] });
        for (failed, wanted) in [
            (json!("BlockhashNotFound"), Refusal::Blockhash),
            (json!("InsufficientFundsForFee"), Refusal::Funds),
            (json!({ "InsufficientFundsForRent": { "account_index": 0 } }), Refusal::Funds),
            (json!({ "InstructionError": [2, "ComputationalBudgetExceeded"] }), Refusal::Units),
            (custom(7_015), Refusal::Role),
            (custom(7_009), Refusal::Scope),
            (custom(7_000), Refusal::Account),
            (custom(7_052), Refusal::Target),
            (custom(1), Refusal::Other),
            (json!({ "Custom": 7_015 }), Refusal::Other),
            (json!(null), Refusal::Other),
        ] {
            assert_eq!(refusal(&failed), wanted, "{failed}");
        }
        let text = Refusal::Role.describe(&custom(7_015));
        assert!(text.starts_with("PC-0964: ") && text.contains("7015"), "{text}");
    }
}
