//! The doors: every trait through which a role reaches the world or the model.
//!
//! World doors ([`chain`], [`beacon`], [`shelf`], [`checkpoint`], [`follow`], [`publish`], [`clock`]) are async and answer with
//! a [`Fault`] when they could not do their work; absence is `Ok(None)`, and bad data of a stranger is neither. Model doors
//! ([`model`], [`learn`], [`follow::Load`]) are synchronous and batched, and are called from a thread that may block, and so is
//! the one through which a hotkey signs ([`sign`]). What a role keeps for itself goes through [`journal`].
//!
//! This crate implements none of them. Edges do, and `grail-testkit` holds for each door a fake and a conformance
//! suite that fakes and edges pass alike.

pub mod beacon;
pub mod chain;
pub mod checkpoint;
pub mod clock;
mod fault;
pub mod follow;
pub mod journal;
pub mod learn;
pub mod model;
pub mod publish;
pub mod shelf;
pub mod sign;

pub use fault::{Door, Fault, Retry};
