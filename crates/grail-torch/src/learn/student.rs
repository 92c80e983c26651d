//! A learner behind its door: lessons in, moved weights out, with replay, choice of groups, and state on disk.

use crate::{
    device::{ComputePlace, Dtype},
    error::{LoadError, RunError},
    learn::{
        advantage::Estimator,
        bundle::{newest_state, restore_state, save_state},
        error::{TrainError, within},
        export::write_tensors,
        filter::{FilterSettings, GroupFacts},
        model::{LearningModel, Lora},
        replay::{Kept, Replay, ReplaySettings},
        step::{Group, LearnerSettings, Reference, Rollout, StepLearner, StepOutcome, StepReport},
    },
};
use grail_ports::{
    Door, Fault, Retry,
    learn::{self, LearnerCard, Lesson, Study},
};
use grail_protocol::words::{GroupIndex, Hotkey, WindowStart};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};
use tch::{Device, Kind};

/// Where a learner computes, and in which numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compute {
    /// Where.
    pub place: ComputePlace,
    /// Weights and activations as brain floats; masters and moments stay 32-bit floats.
    pub bf16: bool,
    /// Threads on the processor; 0 takes all.
    pub threads: usize,
}

impl Compute {
    /// libtorch's names for it, after opening the device and setting the threads of the process.
    ///
    /// Errors: [`LoadError::Device`] where it is not there.
    pub fn open(self) -> Result<(Kind, Device), LoadError> {
        let device = self.place.open()?;
        if let Ok(threads @ 1..) = i32::try_from(self.threads) {
            tch::set_num_threads(threads);
        }
        Ok((if self.bf16 { Kind::BFloat16 } else { Kind::Float }, device))
    }
}

/// What a learner is kept close to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// Nothing: no KL term, and no second model in memory.
    #[default]
    None,
    /// The model that training began with.
    Start,
}

/// Everything that can be chosen about learning.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StudentSettings {
    /// A step.
    pub learner: LearnerSettings,
    /// How rewards become advantages.
    pub estimator: Estimator,
    /// Which groups are worth a step.
    pub filter: FilterSettings,
    /// From which windows groups are drawn.
    pub replay: ReplaySettings,
    /// How often, and from what, a window is learned.
    pub course: Course,
    /// What the learner is kept close to.
    pub anchor: Anchor,
    /// Adapters of low rank in place of all weights.
    pub lora: Option<Lora>,
}

/// How often, and from what, a window is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Course {
    /// Optimizer steps a window; 1 to 1,000.
    pub steps: u32,
    /// What draws of groups come from.
    pub seed: u64,
    /// Saved states kept; 1 to 100.
    pub states: usize,
}

impl Default for Course {
    fn default() -> Self {
        Self { steps: 1, seed: 0, states: 2 }
    }
}

impl StudentSettings {
    /// Checks every range.
    ///
    /// Errors: [`TrainError::Setting`] with the first that does not hold.
    pub fn check(&self) -> Result<(), TrainError> {
        self.learner.check()?;
        self.filter.check()?;
        self.replay.check()?;
        within("course.steps", f64::from(self.course.steps), (1.0, 1_000.0), "1 to 1,000")?;
        within("course.states", self.course.states as f64, (1.0, 100.0), "1 to 100")?;
        self.lora.as_ref().map_or(Ok(()), Lora::check)
    }
}

/// Whose group of which window.
type Key = (Hotkey, WindowStart, GroupIndex);

/// A model in training behind the door [`grail_ports::learn::Learner`].
#[derive(Debug)]
pub struct Student {
    learner: StepLearner,
    /// The model that training began with, where the learner is kept close to it.
    start: Option<LearningModel>,
    settings: StudentSettings,
    stored: Dtype,
    replay: Replay<Key, Lesson>,
    /// Draws from the buffer so far; each has a number of its own.
    draws: u64,
    root: PathBuf,
}

/// What a saved state holds beside the optimizer's.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    draws: u64,
    lessons: Vec<Lesson>,
    journal: Value,
}

impl Student {
    /// A learner that keeps its states below `root` and publishes weights as `stored`.
    ///
    /// `start` is a second copy of the model, for [`Anchor::Start`] without adapters.
    ///
    /// Errors: those of [`StudentSettings::check`], and of memory.
    pub fn new(
        model: LearningModel,
        start: Option<LearningModel>,
        settings: StudentSettings,
        stored: Dtype,
        root: impl Into<PathBuf>,
    ) -> Result<Self, TrainError> {
        settings.check()?;
        let replay = Replay::new(settings.replay)?;
        let learner = StepLearner::new(model, settings.learner)?;
        Ok(Self { learner, start, settings, stored, replay, draws: 0, root: root.into() })
    }

    /// A learner that begins with the model of a Hugging Face folder.
    ///
    /// Errors: the device is not there; those of [`LearningModel::load`] and [`Student::new`].
    pub fn open(
        folder: &Path,
        compute: Compute,
        settings: StudentSettings,
        stored: Dtype,
        root: impl Into<PathBuf>,
    ) -> Result<Self, TrainError> {
        settings.check()?;
        let place = compute.open()?;
        let model = LearningModel::load(folder, place, settings.lora.as_ref())?;
        // With adapters, the model without them is the one that training began with.
        let start = match (settings.anchor, &settings.lora) {
            (Anchor::Start, None) => Some(LearningModel::load(folder, place, None)?),
            _ => None,
        };
        Self::new(model, start, settings, stored, root)
    }

    /// The learner.
    pub fn learner(&self) -> &StepLearner {
        &self.learner
    }

    fn take_in(&mut self, window: WindowStart, lessons: Vec<Lesson>) {
        let keep = |lesson: Lesson| Kept {
            key: (lesson.hotkey, lesson.window, lesson.group),
            checkpoint: lesson.checkpoint,
            group: lesson,
        };
        self.replay.insert(window.0, lessons.into_iter().map(keep).collect());
    }

    /// One step over a fresh draw; `None` when no group of it is worth one.
    fn step(&mut self, study: &mut Study) -> Result<Option<StepReport>, TrainError> {
        let seed = seed(self.settings.course.seed);
        let drawn: Vec<&Lesson> =
            self.replay.draw(&seed, self.draws).into_iter().map(|kept| &kept.group).collect();
        self.draws += 1;
        let facts: Vec<GroupFacts> =
            drawn.iter().map(|lesson| facts(lesson, self.settings.estimator)).collect();
        let choice = self.settings.filter.choose(&facts);
        for (_, why) in &choice.left_out {
            *study.left_out.entry(why.name().to_owned()).or_default() += 1;
        }
        let chosen = choice.kept.iter().filter_map(|index| Some((drawn.get(*index)?, facts.get(*index)?)));
        let groups: Vec<Group> = chosen.map(|(lesson, facts)| group(lesson, facts)).collect();
        if groups.is_empty() {
            return Ok(None);
        }
        let reference = match (self.settings.anchor, &self.start) {
            (Anchor::None, _) => Reference::None,
            (Anchor::Start, Some(start)) => Reference::Model(start),
            (Anchor::Start, None) => Reference::Base,
        };
        study.groups_used += groups.len();
        self.learner.grpo(&groups, reference).map(Some)
    }

    fn run(&mut self, wanted: &mut dyn FnMut() -> bool) -> Result<Study, Stop> {
        let mut study = Study::default();
        let mut sums: BTreeMap<&'static str, f64> = BTreeMap::new();
        for _ in 0..self.settings.course.steps {
            if !wanted() {
                return Err(Stop::Unwanted);
            }
            let Some(report) = self.step(&mut study)? else { break };
            study.tokens += report.tokens_computed as u64;
            match report.outcome {
                StepOutcome::Learned { norm } => {
                    study.steps += 1;
                    for (name, value) in figures(&report, norm) {
                        *sums.entry(name).or_default() += value;
                    }
                }
                StepOutcome::LossNotFinite | StepOutcome::GradientNotFinite => {
                    study.skipped += 1;
                    let outcome = report.outcome;
                    tracing::warn!(target: "grail::train", ?outcome, "a step was skipped: nothing moved");
                }
            }
        }
        let steps = f64::from(study.steps.max(1));
        study.figures = sums.into_iter().map(|(name, sum)| (name.to_owned(), sum / steps)).collect();
        study.steps_in_all = self.learner.progress().steps;
        Ok(study)
    }
}

/// Why a study ended early.
enum Stop {
    Unwanted,
    Failed(TrainError),
}

impl From<TrainError> for Stop {
    fn from(error: TrainError) -> Self {
        Self::Failed(error)
    }
}

impl learn::Learner for Student {
    fn card(&self) -> LearnerCard {
        let config = self.learner.model().config();
        // A checked config has sizes far below 2^32.
        let size = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        LearnerCard {
            vocabulary: size(config.vocab_size),
            context_length: size(config.max_position_embeddings),
        }
    }

    fn study(
        &mut self,
        window: WindowStart,
        sequence: u64,
        lessons: Vec<Lesson>,
        wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Study, Fault> {
        let fresh = !lessons.is_empty();
        self.take_in(window, lessons);
        let retired = self.replay.retire(sequence);
        let mut study = if fresh {
            self.run(wanted).map_err(|stop| match stop {
                Stop::Unwanted => Fault::plain(
                    Door::Model,
                    Retry::Later,
                    "learning was stopped; begin again from the saved state",
                ),
                Stop::Failed(error) => fault("learn from a window", error),
            })?
        } else {
            // Nothing new: learning the old once more would only wear it out.
            Study { steps_in_all: self.learner.progress().steps, ..Study::default() }
        };
        if retired > 0 {
            study.left_out.insert("stale".into(), retired as u64);
        }
        Ok(study)
    }

    fn save(&mut self, journal: &Value) -> Result<(), Fault> {
        let lessons = self.replay.windows().flat_map(|(_, kept)| kept.iter().map(|kept| kept.group.clone()));
        let memory = Memory { draws: self.draws, lessons: lessons.collect(), journal: journal.clone() };
        let value = serde_json::to_value(&memory)
            .map_err(|error| Fault::new(Door::Inside, Retry::Never, "encode the training state", error))?;
        save_state(&self.root, &self.learner, &value, self.settings.course.states)
            .map(drop)
            .map_err(|error| fault("save the training state", error))
    }

    fn restore(&mut self) -> Result<Option<Value>, Fault> {
        let doing = "take over the saved training state";
        let Some(folder) = newest_state(&self.root).map_err(|error| fault(doing, error))? else {
            return Ok(None);
        };
        let value = restore_state(&folder, &mut self.learner).map_err(|error| fault(doing, error))?;
        let memory: Memory = serde_json::from_value(value).map_err(|error| {
            Fault::new(Door::Disk, Retry::Never, format!("read the state in {}", folder.display()), error)
        })?;
        self.draws = memory.draws;
        let mut windows: BTreeMap<WindowStart, Vec<Lesson>> = BTreeMap::new();
        for lesson in memory.lessons {
            windows.entry(lesson.window).or_default().push(lesson);
        }
        for (window, lessons) in windows {
            self.take_in(window, lessons);
        }
        Ok(Some(memory.journal))
    }

    fn export(&mut self, folder: &Path) -> Result<(), Fault> {
        let write = || {
            let tensors = self.learner.model().export()?;
            write_tensors(&folder.join("model.safetensors"), &tensors, self.stored)
        };
        write().map_err(|error| fault("write the weights", error))
    }
}

/// What the filter asks about a group.
fn facts(lesson: &Lesson, estimator: Estimator) -> GroupFacts {
    let rewards: Vec<f64> = lesson.rollouts.iter().map(|rollout| rollout.reward).collect();
    GroupFacts {
        advantages: estimator.advantages(&rewards),
        rewards,
        lengths: lesson.rollouts.iter().map(|rollout| rollout.tokens.len()).collect(),
        successes: lesson.rollouts.iter().map(|rollout| rollout.right).collect(),
    }
}

fn group(lesson: &Lesson, facts: &GroupFacts) -> Group {
    let rollout = |(rollout, advantage): (&learn::LessonRollout, &f64)| Rollout {
        completion: rollout.tokens.clone(),
        behaviour: rollout.logprobs.clone(),
        advantage: *advantage,
    };
    Group {
        prompt: lesson.prompt.clone(),
        rollouts: lesson.rollouts.iter().zip(&facts.advantages).map(rollout).collect(),
    }
}

fn figures(report: &StepReport, norm: f64) -> [(&'static str, f64); 8] {
    let figures = &report.figures;
    [
        ("loss", figures.loss()),
        ("policy_loss", figures.policy_loss),
        ("kl", figures.kl()),
        ("entropy", figures.entropy()),
        ("ratio_mean", figures.ratio_mean()),
        ("clip_fraction", figures.clip_fraction()),
        ("grad_norm", norm),
        ("learning_rate", report.rate),
    ]
}

fn seed(number: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    if let Some(head) = seed.get_mut(..8) {
        head.copy_from_slice(&number.to_le_bytes());
    }
    seed
}

/// A failure as its caller sees it, with what to do about it.
fn fault(doing: &str, error: TrainError) -> Fault {
    let full = |kind| matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let (door, retry, advice) = match &error {
        TrainError::Load(LoadError::File { source, .. }) if full(source.kind()) => {
            (Door::Disk, Retry::Later, "; free some space on that disk")
        }
        TrainError::Load(_) | TrainError::Damaged { .. } => (Door::Disk, Retry::Never, ""),
        TrainError::Run(RunError::Memory { .. }) => (
            Door::Model,
            Retry::Never,
            "; a smaller learner.token_budget, learner.recompute = \"layers\" or adapters need less",
        ),
        TrainError::NotFinite { .. } => (
            Door::Model,
            Retry::Never,
            "; the saved state is from before: a smaller learner.schedule.rate or learner.optimizer.clip_norm may help",
        ),
        _ => (Door::Model, Retry::Never, ""),
    };
    Fault::new(door, retry, format!("{doing}{advice}"), error)
}
