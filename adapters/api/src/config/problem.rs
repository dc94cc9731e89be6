//! What can be wrong with a chain's configuration, each with its place, the offending text, and a fix.

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
    /// The chain's CAIP-2 id is none of the family that it is given to.
    #[error("not a chain of this family")]
    NotThisFamily,
    /// The chain's own name does not go with its CAIP-2 id.
    #[error("the chain's name does not go with its id")]
    Name,
    /// A number outside its range.
    #[error("outside {least} to {most}")]
    Range {
        /// Least allowed.
        least: u64,
        /// Most allowed.
        most: u64,
    },
    /// A list or text that must not be empty.
    #[error("must name at least one")]
    Empty,
    /// A name that appears twice.
    #[error("named twice")]
    Duplicate,
    /// What two lanes would have in common, one of which is there for when the other does not get on.
    #[error("used by two lanes, each of which would shut the other out")]
    Shared,
    /// A URL whose scheme is not usable here.
    #[error("the scheme must be one of {allowed}")]
    Scheme {
        /// What is allowed.
        allowed: &'static str,
    },
    /// Not an address as the family writes them.
    #[error("not an address: {detail}")]
    Address {
        /// Which rule it breaks.
        detail: String,
    },
    /// An address whose checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// An address of another chain.
    #[error("the address is of a chain with the prefix `{found}`")]
    Prefix {
        /// Its prefix.
        found: String,
    },
    /// Not a number of at most 32 bytes.
    #[error("not a number of at most 32 bytes")]
    Number,
    /// What tells an event from others does not parse.
    #[error("the event signature does not parse: {detail}")]
    Signature {
        /// What is wrong with it.
        detail: String,
    },
    /// Two mappings of one contract match the same events.
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
    /// The event has no parameter of this name.
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
    /// Where a field stands is not said as it must be.
    #[error("`{field}` cannot be found that way: {detail}")]
    Source {
        /// Which one.
        field: &'static str,
        /// What is wrong.
        detail: &'static str,
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
