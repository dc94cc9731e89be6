//! The rules of the guard that are arithmetic and nothing else: what level a scope has, how far a trip reaches, what it
//! costs, what a release leaves, what counts within a window. Each machine keeps accounts, roles and events its own way and
//! asks here what follows; `contracts/vectors` fixes the answers.
//!
//! Some functions are always inlined: one of the machines passes no more than five arguments.

#![no_std]

mod budget;
mod hours;
mod moves;
mod windows;
mod word;

pub use budget::{Config, Grant, Span, capped, extend};
pub use hours::Hours;
pub use moves::{Charging, Move, close, limit, release};
pub use windows::{Limits, UNLIMITED, Window, quarter};
pub use word::{Block, CLOSED, LIMITED, Level, OPEN, ScopeWord, WordError};
