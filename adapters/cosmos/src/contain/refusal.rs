//! Why a node or the chain refused a trip: decided by space and number of the code, never by its text.

/// A refusal by what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The node expects another sequence of the account: something waits there, or something landed.
    Sequence,
    /// The node's waiting list is full.
    MempoolFull,
    /// The node asks for a higher price.
    FeeTooLow,
    /// The gas limit does not suffice.
    OutOfGas,
    /// The account cannot pay.
    Funds,
    /// The signature is not the account's, or the account may not do this.
    Unauthorised,
    /// The chain does not know the account: it never received anything.
    NoAccount,
    /// The node has exactly these bytes already.
    Known,
    /// There is no contract at the address.
    NoContract,
    /// The contract refused.
    Contract,
    /// Nothing of the above.
    Other,
}

/// Sorts a result code; none for success.
#[must_use]
pub fn refusal(codespace: &str, code: u32) -> Option<Refusal> {
    // Numbers of the root space as the SDK registers them (types/errors), and of the contracts' module (x/wasm/types).
    let refusal = match (codespace, code) {
        (_, 0) => return None,
        ("sdk", 3 | 32) => Refusal::Sequence,
        ("sdk", 20) => Refusal::MempoolFull,
        ("sdk", 13) => Refusal::FeeTooLow,
        ("sdk", 11 | 41) | ("wasm", 6) => Refusal::OutOfGas,
        ("sdk", 5) => Refusal::Funds,
        ("sdk", 4 | 8 | 24) => Refusal::Unauthorised,
        ("sdk", 9 | 22) => Refusal::NoAccount,
        ("sdk", 19) => Refusal::Known,
        ("wasm", 8 | 22) => Refusal::NoContract,
        ("wasm", 5) => Refusal::Contract,
        _ => Refusal::Other,
    };
    Some(refusal)
}

impl Refusal {
    /// Page of the documentation that explains it; none where the chain's own words say as much as is known.
    #[must_use]
    pub fn code(self) -> Option<&'static str> {
        match self {
            Self::Sequence => Some("PC-0931"),
            Self::MempoolFull => Some("PC-0932"),
            Self::FeeTooLow => Some("PC-0933"),
            Self::OutOfGas => Some("PC-0934"),
            Self::Funds | Self::NoAccount => Some("PC-0935"),
            Self::Unauthorised => Some("PC-0936"),
            Self::NoContract => Some("PC-0937"),
            Self::Known | Self::Contract | Self::Other => None,
        }
    }

    /// In words, with what to do.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Sequence => "it expects another sequence of the account; it is read again",
            Self::MempoolFull => "its waiting list is full; it is asked again",
            Self::FeeTooLow => "it asks for a higher price; the next step of the fees offers more",
            Self::OutOfGas => "the gas limit does not suffice; raise gas_limit",
            Self::Funds => "the account cannot pay; fund it",
            Self::Unauthorised => {
                "the account may not do this, or the chain's name in the file is not the node's"
            }
            Self::NoAccount => "the chain does not know the account; fund it",
            Self::Known => "it has it already",
            Self::NoContract => "there is no contract at the gate's address; compare address and chain",
            Self::Contract => "the contract refused",
            Self::Other => "refused",
        }
    }

    /// The refusal with what the node said of it, for people.
    #[must_use]
    pub fn describe(self, codespace: &str, code: u32, log: &str) -> String {
        let page = self.code().map_or_else(String::new, |page| format!("{page}: "));
        format!("{page}{} ({codespace}/{code}: {log})", self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart_by_their_space_and_success_is_none() {
        assert_eq!(refusal("", 0), None);
        assert_eq!(refusal("sdk", 32), Some(Refusal::Sequence));
        assert_eq!(refusal("sdk", 20), Some(Refusal::MempoolFull));
        assert_eq!(refusal("sdk", 13), Some(Refusal::FeeTooLow));
        assert_eq!(refusal("sdk", 11), Some(Refusal::OutOfGas));
        assert_eq!(refusal("sdk", 5), Some(Refusal::Funds));
        assert_eq!(refusal("sdk", 4), Some(Refusal::Unauthorised));
        assert_eq!(refusal("sdk", 19), Some(Refusal::Known));
        assert_eq!(refusal("wasm", 5), Some(Refusal::Contract));
        assert_eq!(refusal("wasm", 22), Some(Refusal::NoContract));
        assert_eq!(refusal("wasm", 32), Some(Refusal::Other), "the number alone says nothing");
        assert_eq!(refusal("undefined", 1), Some(Refusal::Other));
    }

    #[test]
    fn the_words_name_the_page_and_the_nodes_own() {
        let text = Refusal::FeeTooLow.describe("sdk", 13, "got: 1stake required: 2stake");
        assert!(
            text.starts_with("PC-0933: ") && text.contains("sdk/13") && text.contains("required: 2stake"),
            "{text}"
        );
        assert!(Refusal::Contract.describe("wasm", 5, "not tripper").contains("not tripper"));
    }
}
