//! The vocabulary: one checked type for every word of the domain.
//!
//! A word is made through a check, prints as people write it, and reads back what it prints. Deserialising goes
//! through the same check. Hex and SS58 exist only in these text forms; inside, everything is bytes and numbers.

mod hotkey;
mod ids;
mod moments;

pub use hotkey::{Hotkey, HotkeyError};
pub use ids::{CheckpointId, EnvId, GroupIndex, NetworkId, RolloutIndex, TokenId, WordError};
pub use moments::{BlockHash, BlockNumber, UnixMillis, WindowStart};
