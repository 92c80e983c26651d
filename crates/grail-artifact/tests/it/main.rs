//! The public face: digests and identities against the files that pin them.

mod python;
mod topics;
mod vectors;
