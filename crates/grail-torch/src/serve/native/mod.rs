//! The decoder as our own kernels compute it: on every processor.

pub(crate) mod cache;
pub(crate) mod decoder;
mod load;
