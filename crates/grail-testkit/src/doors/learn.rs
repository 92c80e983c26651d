use super::Trouble;
use crate::model::VOCABULARY;
use grail_ports::{
    Door, Fault, Retry,
    learn::{Learner, LearnerCard, Lesson, Study},
};
use grail_protocol::words::WindowStart;
use serde_json::Value;
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A learner that only counts. Clones are the same machine, with one memory and one disk.
#[derive(Debug, Clone, Default)]
pub struct FakeLearner {
    state: Arc<Mutex<Counted>>,
    saving: Trouble,
}

/// What a [`FakeLearner`] has.
#[derive(Debug, Default)]
pub struct Counted {
    /// Windows studied since the last start, with their lessons. In memory.
    pub studied: Vec<(WindowStart, Vec<Lesson>)>,
    /// The model: a sum over the numbers of all groups studied. In memory.
    pub weights: u64,
    /// Optimizer steps of the whole run. In memory.
    pub steps: u64,
    /// Weights, steps and journal. On the disk.
    pub saved: Option<(u64, u64, Value)>,
}

impl FakeLearner {
    /// What it has.
    pub fn state(&self) -> MutexGuard<'_, Counted> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Trouble of saving.
    pub const fn saving(&self) -> &Trouble {
        &self.saving
    }

    /// Forgets what was in memory, as a kill does.
    pub fn kill(&self) {
        let saved = self.state().saved.take();
        *self.state() = Counted { saved, ..Counted::default() };
    }
}

impl Learner for FakeLearner {
    fn card(&self) -> LearnerCard {
        LearnerCard { vocabulary: VOCABULARY, context_length: 16_384 }
    }

    fn study(
        &mut self,
        window: WindowStart,
        _: u64,
        lessons: Vec<Lesson>,
        wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Study, Fault> {
        if !lessons.is_empty() && !wanted() {
            return Err(Fault::plain(Door::Model, Retry::Later, "learning was stopped"));
        }
        let mut state = self.state();
        let steps = u32::from(!lessons.is_empty());
        state.weights += lessons.iter().map(|lesson| u64::from(lesson.group.0) + 1).sum::<u64>();
        state.steps += u64::from(steps);
        state.studied.push((window, lessons));
        Ok(Study { steps, steps_in_all: state.steps, ..Study::default() })
    }

    fn save(&mut self, journal: &Value) -> Result<(), Fault> {
        self.saving.pass_now(Door::Disk, || "save the state; free some space".to_owned())?;
        let mut state = self.state();
        state.saved = Some((state.weights, state.steps, journal.clone()));
        Ok(())
    }

    fn restore(&mut self) -> Result<Option<Value>, Fault> {
        let mut state = self.state();
        let Some((weights, steps, journal)) = state.saved.clone() else { return Ok(None) };
        (state.weights, state.steps) = (weights, steps);
        Ok(Some(journal))
    }

    /// Writes the sum as text.
    fn export(&mut self, folder: &Path) -> Result<(), Fault> {
        let path = folder.join("model.safetensors");
        std::fs::write(&path, self.state().weights.to_string())
            .map_err(|error| Fault::new(Door::Disk, Retry::Never, format!("write {}", path.display()), error))
    }
}
