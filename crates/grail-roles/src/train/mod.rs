//! The trainer's loop: when a window is over and judged, learn from what was accepted, save, publish, and see on
//! problems of its own what came of it.
//!
//! Each window is one transaction. Learning changes memory alone; then state, journal and the plan of the next
//! publication are saved in one step; then the plan is carried out. A kill before the save costs the window's learning,
//! which is done again from the same state and the same files to the same weights; a kill after it costs nothing,
//! since a plan that was carried out half is carried out again to the same checkpoint.

mod collect;
mod evaluate;
mod journal;
mod record;

pub use evaluate::{Evaluation, EvaluationSettings, Examiner};
use journal::TrainerJournal;
pub use record::{IssueRecord, Records, WindowRecord};

use crate::{
    context::Sources,
    environments::Environments,
    patience::Endurance,
    work::{blocking, held},
};
use collect::Lessons;
use evaluate::Exam;
use grail_artifact::{
    checkpoint::windows_digest,
    manifest::Manifest,
    window::{RootHex, WindowCodec},
};
use grail_ports::{
    Door, Fault, Retry,
    clock::Clock,
    follow::Found,
    learn::{Learner, LearnerCard},
    model::Tokenize,
    publish::{Export, Press, PublicationPlan},
    shelf::ShelfDirectory,
};
use grail_protocol::{
    params::Params,
    words::{CheckpointId, Hotkey, WindowStart},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// What a trainer is made of.
pub struct TrainerParts {
    /// Chain, randomness, network.
    pub sources: Sources,
    /// Finds shelves of miners and validators.
    pub directory: Arc<dyn ShelfDirectory>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Text and tokens; a checkpoint's tokenizer never changes in a run.
    pub tokenizer: Arc<dyn Tokenize>,
    /// Problems.
    pub environments: Environments,
    /// Encoding of window files.
    pub codec: Arc<dyn WindowCodec>,
    /// The model in training, with its saved state.
    pub learner: Box<dyn Learner>,
    /// Publishes.
    pub press: Arc<dyn Press>,
    /// The model that the network starts with.
    pub genesis: Manifest,
    /// Looks at what the model can do; `None` does not look.
    pub examiner: Option<Examiner>,
    /// Where what happened is written down.
    pub records: Records,
}

impl std::fmt::Debug for TrainerParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrainerParts").finish_non_exhaustive()
    }
}

/// What an operator may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainerSettings {
    /// Validators whose verdicts are trusted, the most trusted first; where there are none, the one with a permit and the
    /// most stake.
    pub validators: Vec<Hotkey>,
    /// First window to learn from; by default the one that is under way at the first start.
    pub from: Option<WindowStart>,
    /// Windows to wait for verdicts before a window is given up.
    pub patience: u64,
    /// Stop after so many windows; `None` goes on.
    pub windows: Option<u32>,
}

impl Default for TrainerSettings {
    fn default() -> Self {
        Self { validators: Vec::new(), from: None, patience: 3, windows: None }
    }
}

/// A running trainer.
pub struct Trainer {
    sources: Sources,
    directory: Arc<dyn ShelfDirectory>,
    clock: Arc<dyn Clock>,
    tokenizer: Arc<dyn Tokenize>,
    environments: Environments,
    codec: Arc<dyn WindowCodec>,
    learner: Arc<Mutex<Box<dyn Learner>>>,
    card: LearnerCard,
    press: Arc<dyn Press>,
    examiner: Option<Examiner>,
    exam: Option<Exam>,
    /// An examination that is over and not on the disk yet.
    examined: Option<Vec<Evaluation>>,
    /// The checkpoint that an examination was last begun for.
    asked: Option<u64>,
    /// The newest checkpoint that was published, on this machine.
    newest: Option<Found>,
    records: Records,
    settings: TrainerSettings,
    manifests: BTreeMap<CheckpointId, Manifest>,
    /// `None` until the saved state was taken over.
    journal: Option<TrainerJournal>,
    /// A window whose journal, and what was learned in it, still have to reach the disk.
    unsaved: Option<Box<WindowRecord>>,
    /// Whether the journal's plan still has to be carried out.
    unpublished: bool,
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer").field("journal", &self.journal).finish_non_exhaustive()
    }
}

/// What a step did.
#[derive(Debug)]
pub enum TrainerStep {
    /// Nothing was due; time has passed.
    Waited,
    /// A window was learned from, or given up, and the state is saved.
    Trained(Box<WindowRecord>),
    /// A checkpoint was published.
    Published(IssueRecord),
    /// The model was examined.
    Examined(Vec<Evaluation>),
}

/// Milliseconds between two looks at something that is not there yet.
const LOOK_AGAIN_MS: u64 = 500;
/// A node whose newest block is older than so many blocks take lags behind.
const LAGS_BLOCKS: u64 = 10;

impl Trainer {
    /// Puts the parts together.
    ///
    /// Errors: tokenizer and model are of different vocabularies; a temperature at which the log-probabilities of window
    /// files are not those that a learner computes.
    pub fn new(parts: TrainerParts, settings: TrainerSettings) -> Result<Self, Fault> {
        if let Some(from) = settings.from {
            first_block(from, &parts.sources.network.params)?;
        }
        let refuse = |doing: String| Err(Fault::plain(Door::Model, Retry::Never, doing));
        let card = parts.learner.card();
        if parts.tokenizer.vocabulary() > card.vocabulary {
            return refuse(format!(
                "the tokenizer has {} tokens, the model {}; they are not of one checkpoint",
                parts.tokenizer.vocabulary(),
                card.vocabulary
            ));
        }
        let temperature = parts.genesis.policy.temperature;
        if temperature != 1.0 {
            return refuse(format!(
                "the network draws at temperature {temperature}; a trainer learns from log-probabilities at temperature 1 only"
            ));
        }
        let manifests = BTreeMap::from([(parts.genesis.id(), parts.genesis)]);
        Ok(Self {
            sources: parts.sources,
            directory: parts.directory,
            clock: parts.clock,
            tokenizer: parts.tokenizer,
            environments: parts.environments,
            codec: parts.codec,
            learner: Arc::new(Mutex::new(parts.learner)),
            card,
            press: parts.press,
            examiner: parts.examiner,
            exam: None,
            examined: None,
            asked: None,
            newest: None,
            records: parts.records,
            settings,
            manifests,
            journal: None,
            unsaved: None,
            unpublished: false,
        })
    }

    /// Trains window after window. What may pass is waited out; [`Endurance`] says what ends the loop.
    pub async fn run(&mut self) -> Result<(), Fault> {
        let mut patience = Endurance::new(Arc::clone(&self.clock));
        let mut done = 0;
        loop {
            match self.step().await {
                Ok(step) => {
                    patience.went_well();
                    match step {
                        TrainerStep::Trained(record) => {
                            record.log();
                            done += 1;
                        }
                        TrainerStep::Published(record) => record.log(),
                        TrainerStep::Examined(evaluations) => evaluations.iter().for_each(Evaluation::log),
                        TrainerStep::Waited => {}
                    }
                }
                Err(fault) => patience.wait_out(fault).await?,
            }
            let open =
                self.unsaved.is_some() || self.unpublished || self.exam.is_some() || self.examined.is_some();
            if self.settings.windows.is_some_and(|windows| done >= windows) && !open {
                return Ok(());
            }
        }
    }

    /// Does the next thing that is due.
    pub async fn step(&mut self) -> Result<TrainerStep, Fault> {
        let Some(journal) = self.journal.clone() else {
            self.resume().await?;
            return Ok(TrainerStep::Waited);
        };
        if let Some(record) = self.unsaved.clone() {
            self.save(&journal).await?;
            self.records.window(&record)?;
            self.unsaved = None;
            return Ok(TrainerStep::Trained(record));
        }
        if self.unpublished {
            return self.publish(&journal).await.map(TrainerStep::Published);
        }
        if let Some(evaluations) = self.collect_exam().await? {
            return Ok(TrainerStep::Examined(evaluations));
        }
        self.begin_exam(&journal);
        let params = self.sources.network.params;
        let head = self.sources.chain.head().await?;
        let now = params.window_of(head.number);
        let window = match (journal.trained, self.settings.from) {
            (Some(trained), _) => params.next_window(trained),
            (None, Some(from)) => from,
            (None, None) => {
                self.settings.from = Some(now);
                now
            }
        };
        first_block(window, &params)?;
        if window >= now {
            self.nap(LOOK_AGAIN_MS).await;
            return Ok(TrainerStep::Waited);
        }
        let given_up = now.0.saturating_sub(window.0) > self.settings.patience * params.window_length;
        match self.lessons(window).await {
            Ok(Some(lessons)) => self.learn(window, now, lessons, journal).await,
            Ok(None) if given_up => self.learn(window, now, Lessons::none(), journal).await,
            Err(fault) if given_up => {
                tracing::warn!(target: "grail::train", window = window.0, fault = %fault.chain(), "window {window} is given up");
                self.learn(window, now, Lessons::none(), journal).await
            }
            Err(fault) => Err(fault),
            Ok(None) => {
                self.nap(LOOK_AGAIN_MS).await;
                Ok(TrainerStep::Waited)
            }
        }
    }

    /// Takes over what an earlier run left.
    async fn resume(&mut self) -> Result<(), Fault> {
        for manifest in self.press.issued()? {
            self.manifests.insert(manifest.id(), manifest);
        }
        let learner = Arc::clone(&self.learner);
        let saved = blocking("read the saved state", move |_| held(&learner).restore()).await?;
        let network = &self.sources.network.id;
        let journal = match saved {
            None => TrainerJournal::new(network.clone()),
            Some(value) => TrainerJournal::read(value, network)?,
        };
        let head = self.sources.chain.head().await?;
        let newest = self.sources.network.params.window_of(head.number);
        if let Some(trained) = journal.trained.filter(|trained| *trained > newest) {
            if self.clock.now().since(head.time) > LAGS_BLOCKS * self.sources.network.params.block_time_ms {
                let doing = format!(
                    "the saved state knows window {trained}, the node stands at block {} of {}; it has yet to catch up",
                    head.number, head.time
                );
                return Err(Fault::plain(Door::Chain, Retry::Later, doing));
            }
            let doing = format!(
                "the saved state knows window {trained}, the chain stands at block {}; it is of another history, choose \
                 another folder for this one",
                head.number
            );
            return Err(Fault::plain(Door::Chain, Retry::Never, doing));
        }
        if let Some(trained) = journal.trained {
            tracing::info!(
                target: "grail::train", window = trained.0, sequence = journal.sequence(),
                "going on after window {trained}, checkpoint {}", journal.sequence()
            );
        }
        let published = self.manifests.values().map(|manifest| manifest.sequence).max().unwrap_or(0);
        if published > journal.sequence() {
            let doing = format!(
                "checkpoint {published} was published from here, the saved state knows {} of them; without its state the \
                 trainer would publish a number twice: bring the state back, or begin a network of its own",
                journal.sequence()
            );
            return Err(Fault::plain(Door::Disk, Retry::Never, doing));
        }
        self.unpublished = journal.plan.is_some();
        self.journal = Some(journal);
        Ok(())
    }

    async fn learn(
        &mut self,
        window: WindowStart,
        now: WindowStart,
        lessons: Lessons,
        mut journal: TrainerJournal,
    ) -> Result<TrainerStep, Fault> {
        let began = self.clock.now();
        let mut record = lessons.record(&self.sources.network.id, window);
        let (learner, sequence) = (Arc::clone(&self.learner), journal.sequence());
        record.study = blocking("learn from a window", move |wanted| {
            held(&learner).study(window, sequence, lessons.lessons, &mut || wanted.still())
        })
        .await?;
        record.seconds = self.clock.now().since(began) as f64 / 1e3;
        journal.trained = Some(window);
        journal.used.extend(lessons.files);
        journal.moved |= record.study.steps > 0;
        // One checkpoint a window: what a second one in the same window would publish goes out with the next.
        if journal.moved && journal.plan.as_ref().is_none_or(|plan| plan.window < now) {
            let trained_on = RootHex(windows_digest(&journal.digests()));
            journal.plan = Some(PublicationPlan { window: now, sequence: sequence + 1, trained_on });
            journal.moved = false;
            journal.used.clear();
            self.unpublished = true;
            record.published = Some(sequence + 1);
        }
        self.journal = Some(journal);
        self.unsaved = Some(Box::new(record));
        Ok(TrainerStep::Waited)
    }

    /// Brings state and journal to the disk.
    async fn save(&mut self, journal: &TrainerJournal) -> Result<(), Fault> {
        let value = journal.to_value()?;
        let learner = Arc::clone(&self.learner);
        blocking("save the training state", move |_| held(&learner).save(&value)).await
    }

    /// Carries out the journal's plan.
    async fn publish(&mut self, journal: &TrainerJournal) -> Result<IssueRecord, Fault> {
        let Some(plan) = journal.plan else {
            return Err(Fault::plain(Door::Inside, Retry::Never, "publish without a plan"));
        };
        let learner = Arc::clone(&self.learner);
        let export: Export = Box::new(move |folder| held(&learner).export(folder));
        let began = self.clock.now();
        let issued = self.press.publish(&plan, export).await?;
        let record = IssueRecord::new(&plan, &issued, self.clock.now().since(began));
        self.newest = Some(Found { folder: issued.folder, manifest: issued.manifest.clone() });
        self.manifests.insert(issued.manifest.id(), issued.manifest);
        self.records.issue(&record)?;
        self.unpublished = false;
        Ok(record)
    }

    async fn nap(&self, millis: u64) {
        self.clock.sleep_until(self.clock.now().plus(millis)).await;
    }
}

/// Errors: a window that no window of the network begins with.
fn first_block(window: WindowStart, params: &Params) -> Result<(), Fault> {
    if params.is_window_start(window) {
        return Ok(());
    }
    Err(Fault::plain(Door::Inside, Retry::Never, format!("{window} is not the first block of a window")))
}
