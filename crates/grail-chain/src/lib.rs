//! The Bittensor chain: reads, writes, and weights that are set once.
//!
//! [`Subnet::connect`] opens one subnet over one or several nodes; it is the door [`grail_ports::chain::ChainView`].
//! [`Subnet::writer`] adds a hotkey and is the door [`grail_ports::chain::ChainWrite`]; who
//! signs is behind the door [`grail_ports::sign::Sign`]. Nothing of a network is compiled
//! in: calls and errors are found by name in the metadata that the node gives, and items of storage must have the
//! shape that this crate states, or the runtime is refused.
//!
//! | module | knows |
//! |---|---|
//! | [`settings`] | deadlines and other choices of an operator |
//! | [`link`] | the connection: one task owns it, every request has a deadline, bad nodes are left |
//! | [`keys`], [`runtime`] | storage keys; metadata, bytes of calls, transactions, outcomes |
//! | [`weights`], [`commitment`] | what is written, as the chain encodes it |
//! | [`reveal`], [`timelock`] | sealed weights and the drand round that opens them |
//! | [`errors`] | why the chain says no, and what to do |
//! | [`intents`] | what is to be written, on the disk before it is sent |
//!
//! It decides nothing about miners and reads no configuration.

pub mod commitment;
pub mod errors;
mod follow;
pub mod intents;
pub mod keys;
pub mod link;
pub mod reveal;
pub mod runtime;
pub mod settings;
mod subnet;
pub mod timelock;
pub mod weights;
mod writer;

#[cfg(test)]
mod tests;

pub use settings::ChainSettings;
pub use subnet::{MAX_COMMITMENTS, MAX_UIDS, Subnet, SubnetTerms};
pub use writer::SubnetWriter;
