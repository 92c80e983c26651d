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
//! | [`keys`], [`surface`] | storage keys; what is needed of a runtime, held against its metadata by name |
//! | [`runtime`] | metadata, bytes of calls, transactions, outcomes |
//! | [`terms`] | what the subnet asks, when its epochs begin, how one participant stands |
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
mod snapshot;
mod subnet;
pub mod surface;
pub mod terms;
pub mod timelock;
pub mod weights;
mod writer;

#[cfg(test)]
mod tests;

pub use settings::ChainSettings;
pub use snapshot::SubnetSnapshot;
pub use subnet::{MAX_COMMITMENTS, MAX_UIDS, Subnet};
pub use terms::SubnetTerms;
pub use writer::{DryAnswer, DryRun, SubnetWriter};
