//! The decoder as libtorch computes it: on CUDA devices, and on a processor as a second opinion for tests and laboratories.

pub(crate) mod attention;
pub(crate) mod cache;
pub(crate) mod decoder;
pub(crate) mod linear;
