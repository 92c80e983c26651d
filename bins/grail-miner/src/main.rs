//! Mines windows: answers problems, proves them, uploads.
fn main() {}
