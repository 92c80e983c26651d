//! Settings become live objects: a network to join or to look at, the own bucket, a trainer's shelf, who signs, the log.
//!
//! [`grail_config`] says what was typed; this crate opens it, for every program. Only it touches the world, and it names
//! neither libtorch nor a model's weights.
//!
//! Without the feature `subnets` it opens development networks alone, for programs that bring such: no node of a chain, no
//! drand relay and no bucket is compiled in.

pub mod audit;
pub mod btcli;
pub mod check;
#[cfg(feature = "subnets")]
pub mod checkpoint_shelf;
pub mod describe;
pub mod local;
pub mod logging;
pub mod network;
pub mod places;
pub mod ready;
pub mod sibling;
pub mod signer;
#[cfg(feature = "subnets")]
pub mod store;
#[cfg(feature = "subnets")]
pub mod subnet;
pub mod terminal;
pub mod trouble;
