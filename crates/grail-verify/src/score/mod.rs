//! From verified tallies of several windows to weights, and from lost draws to evidence ([`evidence`]).
//!
//! Imports only words: whoever has the table of tallies can replay the score. Roles turn the court's reports into
//! [`Tally`].
//!
//! ```
//! use grail_protocol::words::{Hotkey, WindowStart};
//! use grail_verify::score::{History, Tally, WeightRule};
//!
//! let mut history = History::new(12);
//! let miner = Hotkey::from_bytes([1; 32]);
//! history.record(WindowStart(0), miner, Tally { valid: 16, solutions: [[7; 32]].into(), extrapolation: 1.0 });
//! let weights = history.weights(WeightRule::Grail1).expect("one miner has earned something");
//! assert_eq!(weights.share(&miner), 1.0);
//! ```

pub mod evidence;
mod history;
mod weights;

pub use evidence::{Alarm, Evidence};
pub use history::{History, Standing, Tally};
pub use weights::{WeightRule, Weights, row};
