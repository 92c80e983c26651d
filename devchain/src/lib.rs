//! A real Substrate runtime on one machine: its compiled code in an interpreter, blocks on demand, and the JSON-RPC
//! that chain clients speak. For tests, demonstrations and rehearsals of what talks to Bittensor's chain.
//!
//! It knows nothing of GRAIL: which chain it runs is said by a chain spec that the user names. There are no peers, no
//! consensus, no offchain workers and no state proofs, and state roots in headers are not the trie's. Whoever can
//! reach its address can write any storage item: it is for one machine and never for value.
//!
//! ```no_run
//! # async fn example() -> Result<(), grail_devchain::DevchainError> {
//! use grail_devchain::{Node, NodeConfig, Origin};
//!
//! let node = Node::start(NodeConfig::new(Origin::Spec("aura-dev.json".into()))).await?;
//! node.new_blocks(3).await?;
//! println!("clients connect to {}", node.url());
//! node.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! | module | knows |
//! |---|---|
//! | `spec` | chain specs, plain and raw, and how they become a genesis state |
//! | `executor` | one call into a runtime |
//! | `state` | storage items, shared between blocks |
//! | `chain` | building blocks, the pool, forks, history |
//! | `snapshot` | a chain in a file |
//! | `rpc` | what each JSON-RPC method answers |
//! | `server` | sockets, limits, subscriptions |
//! | `node` | all of it, running |

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod chain;
mod error;
mod executor;
mod node;
mod rpc;
mod server;
mod snapshot;
mod spec;
mod state;
mod text;

pub use chain::{ChainError, Seal, Start};
pub use error::DevchainError;
pub use executor::RuntimeError;
pub use node::{Head, Info, Node, NodeConfig, Origin};
pub use server::Bounds;
pub use snapshot::{MAX_SNAPSHOT_BYTES, SnapshotError};
pub use spec::{MAX_SPEC_BYTES, SpecError};
pub use text::Hash;
