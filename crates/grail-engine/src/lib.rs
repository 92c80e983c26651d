//! The checkpoint of a moment, from the trainer's shelf to a folder here; and the trainer's press.

mod follow;
mod press;

pub use follow::{Follower, models};
pub use press::{PressSettings, StorePress};
