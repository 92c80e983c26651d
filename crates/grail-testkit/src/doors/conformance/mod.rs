//! What each door promises, as assertions. A failed promise panics with its name.

mod beacon;
mod chain;
mod checkpoints;
mod shelf;

pub use beacon::beacon;
pub use chain::{ChainStage, chain};
pub use checkpoints::checkpoints;
pub use shelf::shelf;
