//! The chain through this crate's face: bytes against three runtimes' metadata and the Python SDK, the connection
//! against nodes that misbehave, and the door's promises against the real runtime.

mod devchain;
mod offline;
mod recorded;
mod stage;
mod vectors;
