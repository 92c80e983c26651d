//! Held to what the original wrote: `fixtures/vectors/python/v5`.

mod vectors;
