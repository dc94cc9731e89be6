//! The data of an instruction, read from the front.

use portcullis_rules::Limits;

use crate::error::Failure;
use crate::{Result, Word};

/// What is left of the data.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a>(pub &'a [u8]);

impl Args<'_> {
    /// The next bytes.
    ///
    /// # Errors
    /// [`Failure::Malformed`], here and below.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Failure::Malformed)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// A word, or a key.
    ///
    /// # Errors
    /// See [`Self::take`].
    pub fn word(&mut self) -> Result<Word> {
        self.take()
    }

    /// One byte.
    ///
    /// # Errors
    /// See [`Self::take`].
    pub fn u8(&mut self) -> Result<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// Two bytes, little-endian.
    ///
    /// # Errors
    /// See [`Self::take`].
    pub fn u16(&mut self) -> Result<u16> {
        self.take().map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    ///
    /// # Errors
    /// See [`Self::take`].
    pub fn u32(&mut self) -> Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    ///
    /// # Errors
    /// See [`Self::take`].
    pub fn u64(&mut self) -> Result<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// Four amounts of sixteen bytes, little-endian: transaction, hour, day, week.
    ///
    /// # Errors
    /// See [`Self::take`].
    pub fn limits(&mut self) -> Result<Limits> {
        let mut amount = || self.take().map(u128::from_le_bytes);
        Ok(Limits { per_transaction: amount()?, per_window: [amount()?, amount()?, amount()?] })
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// See [`Self::take`].
    pub fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Failure::Malformed.into()) }
    }
}
