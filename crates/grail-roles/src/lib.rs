//! The loops of the roles: mine, validate and train, over the doors.
//!
//! A role here knows the order of things and nothing about where they come from: chain, beacon, shelf, clock, model,
//! tokenizer and the journals that it writes enter as doors. What both roles do is one function below both:
//! [`context`] derives a window, `grail_verify` judges a file, for the validator and for the miner that looks at its own
//! file before upload.
//!
//! | module | |
//! |---|---|
//! | [`context`] | chain moment and beacon to [`grail_protocol::seed::WindowContext`] |
//! | [`mine`] | the miner's loop |
//! | [`validate`] | the validator's loop |
//! | [`adopt`] | weights without a model, of verdicts that others sign |
//! | [`train`] | the trainer's loop |
//! | [`reports`] | verdicts of a window, and the history they carry over a restart |
//! | [`evidence`] | what was counted against miners over windows, and who is left out |
//! | [`bundle`] | replay bundles: everything that a verdict rests on, in one signed file |
//! | [`discover`] | who has put an object on their shelf |
//! | [`patience`] | what is waited out, and what ends a role |
//! | [`model`] | which checkpoint answers a window, and its model |
//! | [`checkpoint`] | a model folder against its manifest |
//! | [`environments`] | environment ids to environments |

pub mod adopt;
pub mod bundle;
pub mod clock;
pub mod context;
mod court;
pub mod discover;
pub mod environments;
pub mod evidence;
mod kept;
pub mod mine;
pub mod model;
pub mod patience;
pub mod reports;
pub mod train;
pub mod validate;
mod work;
