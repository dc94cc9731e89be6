//! What can be wrong with a configuration, each with its place, the offending text, and a fix.

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem} (found `{text}`); {fix}")]
pub struct ConfigError {
    /// Path of the value inside the chain's table, such as `contracts[0].mappings[2].signature`.
    pub place: String,
    /// The offending text as written, cut to 200 characters.
    pub text: String,
    /// What is wrong.
    pub problem: ConfigProblem,
    /// What to write instead.
    pub fix: String,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigProblem {
    /// The chain's namespace is not `eip155`, or its reference is no number.
    #[error("not an EVM chain")]
    NotThisFamily,
    /// A number outside its range.
    #[error("outside {least} to {most}")]
    Range {
        /// Least allowed.
        least: u64,
        /// Most allowed.
        most: u64,
    },
    /// A list that must not be empty.
    #[error("must name at least one")]
    Empty,
    /// A name that appears twice.
    #[error("named twice")]
    Duplicate,
    /// A URL whose scheme is not usable here.
    #[error("the scheme must be one of {allowed}")]
    Scheme {
        /// What is allowed.
        allowed: &'static str,
    },
    /// Not 20 bytes of hex.
    #[error("not an address")]
    Address,
    /// Mixed case without a correct EIP-55 checksum.
    #[error("wrong checksum")]
    Checksum,
    /// Not a number of at most 32 bytes.
    #[error("not a number of at most 32 bytes")]
    Number,
    /// The event signature does not parse.
    #[error("the event signature does not parse: {detail}")]
    Signature {
        /// What the parser says.
        detail: String,
    },
    /// Two mappings of one contract have the same first topic.
    #[error("two mappings of this contract have the same event signature")]
    SameEvent,
    /// A parameter that the mapping needs is not given.
    #[error("this kind of event needs `{field}`")]
    MissingField {
        /// Which one.
        field: &'static str,
    },
    /// A field that this kind of mapping does not use.
    #[error("this kind of event has no `{field}`")]
    UselessField {
        /// Which one.
        field: &'static str,
    },
    /// The signature has no parameter of this name.
    #[error("the signature has no such parameter")]
    UnknownParameter,
    /// The parameter's type cannot hold what it is mapped to.
    #[error("a parameter of type `{found}` cannot be `{field}`")]
    ParameterType {
        /// What it was to be.
        field: &'static str,
        /// Its type.
        found: String,
    },
    /// A constant where only a parameter makes sense.
    #[error("`{field}` differs from event to event and cannot be constant")]
    ConstantField {
        /// Which one.
        field: &'static str,
    },
}

/// All mistakes of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl core::fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} mistake(s) in the chain's configuration", self.0.len())?;
        for error in &self.0 {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}
