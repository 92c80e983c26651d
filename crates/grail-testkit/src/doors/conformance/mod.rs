//! What each door promises, as assertions. A failed promise panics with its name.
//!
//! Each suite names its door as "a promise of \[`Door`\]" in its documentation: `cargo xtask tidy` finds a door without a
//! suite by it, and a suite that no fake or no edge is held to.

mod beacon;
mod chain;
mod checkpoints;
mod clock;
mod directory;
mod follow;
mod journal;
mod learn;
mod model;
mod publish;
mod shelf;
mod sign;
mod tokenize;

pub use beacon::beacon;
pub use chain::{ChainStage, chain};
pub use checkpoints::checkpoints;
pub use clock::clock;
pub use directory::directory;
pub use follow::{follow, load};
pub use journal::journal;
pub use learn::learn;
pub use model::{generator, oracle};
pub use publish::publish;
pub use shelf::shelf;
pub use sign::sign;
pub use tokenize::tokenize;
