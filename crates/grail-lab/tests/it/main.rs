//! The fast part of the suite, on the tiny model: it fails when a lie that must be caught is not; and version 5's vectors.

mod suite;
mod v5;
