//! Shelves over object storage: S3 and what speaks like it (R2 among them), and a folder.
//!
//! Read and write credentials are two types, and only the read pair can become the bytes that a miner publishes on
//! the chain. Every call has a deadline and a byte limit that the store cannot talk its way around; time and tag come
//! from the same response as the bytes. Trouble is named by what an operator can do about it ([`StoreError`]).

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod checkpoint;
mod credentials;
mod directory;
mod error;
mod object;
pub mod probe;
mod tls;
mod transfer;

pub use credentials::{COMMITMENT_BYTES, CredentialsError, ReadCredentials, WriteCredentials};
pub use directory::{CommittedCheckpoints, CommittedDirectory, FolderDirectory};
pub use error::StoreError;
pub use object::{Endpoint, EndpointError, Location, Memory, Shelf, service_address};
pub use transfer::Transfer;
