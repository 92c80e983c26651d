//! Environments as pure functions of a seed.
