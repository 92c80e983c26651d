//! The court: decides about a miner's window.
