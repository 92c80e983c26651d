//! The lies of [`grail_verify::lies`], told about windows of a real model.

mod elsewhere;
mod means;
mod teller;

pub use teller::Teller;

use crate::{
    LabError,
    stand::{Scene, Stand},
};
use grail_artifact::window::RolloutRecord;
use grail_protocol::{
    seed::WindowContext,
    words::{Hotkey, UnixMillis},
};
use grail_verify::lies::{self, Expectation, Lie};

/// Every lie that a real model can tell, the control first, with what must become of it.
pub fn all() -> impl Iterator<Item = (&'static Lie, Expectation)> {
    lies::all().filter_map(|lie| Some((lie, lie.on_real?)))
}

/// A window that was answered honestly, from which lies are made.
#[derive(Debug, Clone)]
pub struct Bank {
    /// The window and its problems.
    pub scene: Scene,
    /// The honest answers.
    pub honest: Vec<RolloutRecord>,
}

impl Bank {
    /// Answers a window honestly.
    pub fn fill(stand: &Stand, window: u32, groups: u32) -> Result<Self, LabError> {
        let scene = stand.scene(stand.context(window)?, MINER, groups)?;
        let honest = stand.honest(&scene)?;
        Ok(Self { scene, honest })
    }
}

/// Number of the miner whose files are judged.
pub(crate) const MINER: u8 = 1;

/// What is sent to the court.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Bytes of the file.
    pub body: Vec<u8>,
    /// When the store wrote it.
    pub stored_at: UnixMillis,
    /// The window as the validator derives it.
    pub context: WindowContext,
    /// Under whose key the file lies.
    pub hotkey: Hotkey,
    /// The rollouts that it was made of.
    pub records: Vec<RolloutRecord>,
    /// Which of them an honest miner would have sent too. They are no lies, however they came about.
    pub harmless: Vec<bool>,
    /// Which of them have the tokens that an honest miner would have drawn.
    pub true_text: Vec<bool>,
}
