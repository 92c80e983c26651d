//! Empty: see `[patch.crates-io]` in the root manifest.
