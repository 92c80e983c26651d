//! The chain through this crate's face: bytes against three runtimes' metadata and the Python SDK, and the connection
//! against nodes that misbehave. The door's promises against the real runtime stand in `devchain/tests`.

mod offline;
mod recorded;
mod vectors;
