//! The public face: digests and identities against the files that pin them.

mod original;
mod python;
mod sparse;
mod topics;
mod vectors;
