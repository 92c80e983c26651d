//! The fast part of the suite, on the tiny model: it fails when a lie that must be caught is not.

mod suite;
