use super::{Bank, MINER, Submission, means::Hand};
use crate::{
    LabError, alter,
    stand::{DEADLINE, Stand, encode, pair},
};
use grail_artifact::window::{RolloutRecord, rollout_digest};
use grail_protocol::words::UnixMillis;
use grail_torch::{CacheFormat, Dtype, LoadOptions, Model};
use grail_verify::lies::{Computation, Lie, LieKind, Tells};

/// Tells one lie, window after window.
#[derive(Debug)]
pub struct Teller<'a> {
    pub(super) stand: &'a Stand,
    pub(super) lie: &'static Lie,
    /// The model that computes otherwise.
    pub(super) other: Option<Model>,
}

impl<'a> Teller<'a> {
    /// Prepares a lie; loads another model where it needs one.
    ///
    /// Errors: a model folder that cannot be changed or loaded.
    pub fn new(stand: &'a Stand, lie: &'static Lie) -> Result<Self, LabError> {
        let other = match lie.tells {
            Tells::Computes(computation) | Tells::ComputesProven(computation) => load(stand, computation)?,
            _ => None,
        };
        Ok(Self { stand, lie, other })
    }

    /// What is told.
    pub const fn lie(&self) -> &'static Lie {
        self.lie
    }

    /// What is sent to the court for a window. `earlier` is another window of the same miner, `mean` the mean hidden
    /// state of honest rollouts.
    ///
    /// Errors: the model's trouble.
    pub fn tell(&self, bank: &Bank, earlier: &Bank, mean: &[f32]) -> Result<Submission, LabError> {
        let hand = Hand { stand: self.stand, other: self.other.as_ref(), bank, earlier, mean };
        let told = self.lie.tell(&hand)?;
        let file = told.file;
        // A whole file that is false has no true rollouts, nor has one that lies in another's place.
        let false_whole =
            self.lie.kind == LieKind::Structure || told.window.is_some() || told.hotkey.is_some();
        let each = |is_true: &dyn Fn(&RolloutRecord, &RolloutRecord) -> bool| -> Vec<bool> {
            let honest = |record| honest_of(record, bank).is_some_and(|honest| is_true(honest, record));
            file.rollouts.iter().map(|record| !false_whole && honest(record)).collect()
        };
        let true_text = each(&|honest, record| honest.tokens == record.tokens);
        // Of draws the tokens are looked at alone: a true sketch may be one step off, as it was read in another batch.
        let harmless = if self.lie.is_about_text() {
            true_text.clone()
        } else {
            let control = self.lie.kind == LieKind::Control;
            each(&|honest, record| control || rollout_digest(honest) == rollout_digest(record))
        };
        let mut body = encode(&file)?;
        if let Some(change) = told.bytes {
            change(&mut body);
        }
        let stored_at = told.late.map_or(DEADLINE.0 - 1, |late| DEADLINE.0 + late);
        Ok(Submission {
            body,
            stored_at: UnixMillis(stored_at),
            context: told.window.unwrap_or_else(|| bank.scene.context.clone()),
            hotkey: told.hotkey.map_or_else(|| pair(MINER).map(|pair| pair.hotkey()), Ok)?,
            records: file.rollouts,
            harmless,
            true_text,
        })
    }
}

/// The honest rollout in the place of a record.
fn honest_of<'b>(record: &RolloutRecord, bank: &'b Bank) -> Option<&'b RolloutRecord> {
    bank.honest.iter().find(|honest| (honest.group, honest.rollout) == (record.group, record.rollout))
}

/// Loads the model that computes otherwise, under the name of the checkpoint; none where it is the model itself, asked
/// about something else.
fn load(stand: &Stand, computation: Computation) -> Result<Option<Model>, LabError> {
    let setup = &stand.setup;
    let (options, checkpoint) = (setup.options(), stand.checkpoint);
    let model = match computation {
        Computation::NextPrompt | Computation::MadeUpPrompt(_) | Computation::MeanState => return Ok(None),
        Computation::Bf16 => {
            Model::load(&setup.folder, &LoadOptions { dtype: Dtype::Bf16, ..options }, checkpoint)?
        }
        Computation::Fp8Cache => Model::load_keeping(&setup.folder, &options, checkpoint, CacheFormat::Fp8)?,
        _ => {
            let folder = tempfile::tempdir()
                .map_err(|source| LabError::File { path: std::env::temp_dir(), source })?;
            alter::write(&setup.folder, folder.path(), computation)?;
            // The weights of a model on a processor are packed while they are loaded, save for the embedding, which stays
            // mapped: an open map outlives the name of its file.
            Model::load(folder.path(), &options, checkpoint)?
        }
    };
    Ok(Some(model))
}
