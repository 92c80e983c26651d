//! One window with one miner, honest files of it, and every lie about it.

mod lies;
mod sample;
mod setup;
mod world;

pub use lies::{FILE_LIES, Lie, ROLLOUT_LIES};
pub use sample::{BadFile, Expected, Sample, SampleError};
pub use setup::{Setup, completions};
pub use world::{HandOver, World};
