//! One window with one miner, honest files of it, and the lies of `grail_verify::lies` told about it.

mod lies;
mod sample;
mod setup;
mod world;

pub use sample::{BadFile, ExpectedVerdict, Sample, SampleError};
pub use setup::{WorldSetup, completions};
pub use world::{HandOver, World};
