//! Shelves as their users meet them: a folder, a real S3 server, and servers that misbehave.

mod checkpoint;
mod doors;
mod folder;
mod habits;
mod house;
mod liars;
mod lookalike;
mod moto;
mod probe;
mod s3;
mod server;

use grail_artifact::keys::{ShelfKey, WindowEncoding, WindowKey};
use grail_ports::Fault;
use grail_protocol::words::{Hotkey, WindowStart};
use grail_store::StoreError;
use std::error::Error as _;

fn key(owner: u8) -> ShelfKey {
    let hotkey = Hotkey::from_bytes([owner; 32]);
    WindowKey { hotkey, window: WindowStart(40), encoding: WindowEncoding::Parquet }.into()
}

/// The named cause of a fault.
fn cause(fault: &Fault) -> &StoreError {
    fault.source().and_then(|source| source.downcast_ref()).expect("a fault of a store has a named cause")
}
