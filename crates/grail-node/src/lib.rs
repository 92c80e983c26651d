//! Settings become live objects: a network to join or to look at, the own bucket, a trainer's shelf, who signs, the log.
//!
//! [`grail_config`] says what was typed; this crate opens it, for every program. Only it touches the world, and it names
//! neither libtorch nor a model's weights.

pub mod audit;
pub mod check;
pub mod checkpoint_shelf;
pub mod devnets;
pub mod local;
pub mod logging;
pub mod network;
pub mod places;
pub mod sibling;
pub mod signer;
pub mod store;
pub mod subnet;
