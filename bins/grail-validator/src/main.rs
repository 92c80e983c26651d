//! Verifies windows and sets weights.
fn main() {}
