//! The validator's loop: when a window is over and its challenge is known, fetch every file, judge it, write down
//! why, and turn the history into weights.

mod budget;
mod judge;
mod keep;
mod publish;
pub(crate) mod schedule;
mod weigh;

use crate::{
    bundle::Bundles,
    context::Sources,
    environments::Environments,
    evidence::{EXCLUSION_WINDOWS, EvidenceJournal},
    kept,
    mine::plan::Estimate,
    model::{Desk, Models},
    patience::{Endurance, Teller},
    reports::{Reports, WindowReport},
};
use grail_artifact::{bundle::Challenge, checkpoint::Moment, window::WindowCodec};
use grail_ports::{
    Door, Fault, Retry,
    chain::{Block, ChainWrite},
    clock::Clock,
    shelf::{ShelfDirectory, WindowShelf},
    sign::Sign,
};
use grail_protocol::{
    seed::WindowContext,
    words::{BlockNumber, Hotkey, UnixMillis, WindowStart},
};
use grail_verify::Sampling;
use grail_verify::score::History;
use std::{collections::BTreeMap, sync::Arc};

pub use judge::JudgedWindow;
pub(crate) use weigh::put_weights;
pub use weigh::{WeightsSet, remember};

/// What a validator is made of.
pub struct ValidatorParts {
    /// Chain, randomness, network.
    pub sources: Sources,
    /// Writes weights.
    pub writer: Arc<dyn ChainWrite>,
    /// Finds miners' shelves.
    pub directory: Arc<dyn ShelfDirectory>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Checkpoints, each with an oracle.
    pub models: Models,
    /// Problems.
    pub environments: Environments,
    /// Encoding of window files.
    pub codec: Arc<dyn WindowCodec>,
    /// Where verdicts are written, and where the memory is.
    pub reports: Reports,
    /// Where signed verdicts are published, for trainers and miners; `None` keeps them at home.
    pub verdicts: Option<Verdicts>,
}

/// How verdicts are published.
pub struct Verdicts {
    /// Where to.
    pub shelf: Arc<dyn WindowShelf>,
    /// Who signs.
    pub signer: Arc<dyn Sign>,
}

impl std::fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verdicts").field("hotkey", &self.signer.hotkey()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ValidatorParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValidatorParts").field("hotkey", &self.writer.hotkey()).finish_non_exhaustive()
    }
}

/// What an operator may choose.
#[derive(Debug, Clone)]
pub struct ValidatorSettings {
    /// How many groups of a file are proven.
    pub sampling: Sampling,
    /// Windows that count for weights.
    pub history: usize,
    /// Set weights after every so many windows.
    pub weights_every: u32,
    /// Windows for which a miner is left out once evidence says so.
    pub exclusion: u32,
    /// Milliseconds in which the files of a window are judged; `None`: nine tenths of the time that a window lasts.
    pub budget_ms: Option<u64>,
    /// Replay bundles that are kept; `None` keeps none.
    pub bundles: Option<Bundles>,
    /// Stop after that many windows; `None` goes on.
    pub windows: Option<u32>,
}

impl Default for ValidatorSettings {
    fn default() -> Self {
        Self {
            sampling: Sampling::DEFAULT,
            history: 12,
            weights_every: 1,
            exclusion: EXCLUSION_WINDOWS,
            budget_ms: None,
            bundles: None,
            windows: None,
        }
    }
}

/// A running validator.
pub struct Validator {
    sources: Sources,
    writer: Arc<dyn ChainWrite>,
    directory: Arc<dyn ShelfDirectory>,
    clock: Arc<dyn Clock>,
    desk: Desk,
    codec: Arc<dyn WindowCodec>,
    environments: Environments,
    reports: Reports,
    verdicts: Option<Verdicts>,
    /// A window that was judged and is not on the disk yet.
    unsaved: Option<JudgedWindow>,
    /// Whether the disk lacks evidence that was taken in.
    evidence_unsaved: bool,
    /// The newest report whose verdicts are not published yet.
    unpublished: Option<WindowReport>,
    settings: ValidatorSettings,
    history: History,
    evidence: EvidenceJournal,
    /// The newest window in which a group of a miner was proven.
    proven: BTreeMap<Hotkey, WindowStart>,
    /// What proving a group takes.
    proof_time: Estimate,
    judged: Option<WindowStart>,
    since_weights: u32,
    weights_due: bool,
    /// The chain refuses our weights for now; they are tried again at this moment.
    weights_refused_until: Option<UnixMillis>,
    teller: Teller,
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Validator")
            .field("hotkey", &self.writer.hotkey())
            .field("judged", &self.judged)
            .finish()
    }
}

/// What a step did.
#[derive(Debug)]
pub enum ValidatorStep {
    /// Nothing was due; time has passed.
    Waited,
    /// A window was judged.
    Judged(Box<JudgedWindow>),
    /// Weights were set, or there were none to set.
    Weighed(WeightsSet),
}

/// Milliseconds between two looks at something that is not there yet.
const LOOK_AGAIN_MS: u64 = 500;
/// A node whose newest block is older than so many blocks take lags behind.
const LAGS_BLOCKS: u64 = 10;

impl Validator {
    /// Puts the parts together and reads the memory of earlier runs.
    ///
    /// Errors: a report or a journal on disk that cannot be read, by name.
    pub fn new(parts: ValidatorParts, settings: ValidatorSettings) -> Result<Self, Fault> {
        let mut history = History::new(settings.history);
        let windows = parts.reports.windows()?;
        let params = parts.sources.network.params;
        let mut evidence = EvidenceJournal::load(&parts.reports, &parts.sources.network.id)?;
        let known = evidence.window;
        let (mut judged, mut newest, mut proven) = (None, None, BTreeMap::new());
        for window in windows.iter().rev().take(settings.history).rev() {
            if let Some(report) = parts.reports.load(*window)? {
                let place = parts.reports.place(*window);
                kept::of_network(&place, &report.network, &parts.sources.network.id, " for reports")?;
                weigh::remember(&mut history, &report);
                proven.extend(proven_in(&report));
                // A crash may have come between a report and the journal.
                evidence.take(&report, settings.exclusion, params.window_length);
                judged = Some(*window);
                newest = Some(report);
            }
        }
        if evidence.window != known {
            evidence.save(&parts.reports)?;
        }
        if let Some(window) = judged {
            tracing::info!(target: "grail::validate", windows = windows.len(), newest = window.0, "memory read from reports");
        }
        Ok(Self {
            sources: parts.sources,
            writer: parts.writer,
            directory: parts.directory,
            clock: parts.clock,
            desk: Desk::new(parts.models, parts.codec.clone()),
            codec: parts.codec,
            environments: parts.environments,
            // A crash may have come between the report and its publication; to publish it twice does no harm.
            unsaved: None,
            evidence_unsaved: false,
            unpublished: newest.filter(|_| parts.verdicts.is_some()),
            reports: parts.reports,
            verdicts: parts.verdicts,
            settings,
            history,
            evidence,
            proven,
            proof_time: Estimate::default(),
            judged,
            since_weights: 0,
            weights_due: false,
            weights_refused_until: None,
            teller: Teller::default(),
        })
    }

    /// Judges window after window. What may pass is waited out; [`Endurance`] says what ends the loop.
    pub async fn run(&mut self) -> Result<(), Fault> {
        let mut patience = Endurance::new(Arc::clone(&self.clock));
        let mut done = 0;
        loop {
            match self.step().await {
                Ok(step) => {
                    patience.went_well();
                    match step {
                        ValidatorStep::Judged(window) => {
                            window.log();
                            done += 1;
                        }
                        ValidatorStep::Weighed(weights) => weights.log(),
                        ValidatorStep::Waited => {}
                    }
                }
                Err(fault) => patience.wait_out(fault).await?,
            }
            // Weights that the chain refuses may be refused for days.
            let open = self.weights_due && self.weights_refused_until.is_none();
            if self.settings.windows.is_some_and(|windows| done >= windows) && !open {
                return Ok(());
            }
        }
    }

    /// Does the next thing that is due.
    pub async fn step(&mut self) -> Result<ValidatorStep, Fault> {
        if let Some(judged) = self.keep()? {
            return Ok(ValidatorStep::Judged(Box::new(judged)));
        }
        self.publish_verdicts().await?;
        if let Some(weights) = self.try_weights().await? {
            return Ok(ValidatorStep::Weighed(weights));
        }
        let params = self.sources.network.params;
        let head = self.sources.chain.head().await?;
        if self.desk.is_empty() {
            // Whatever is wrong with the model shows now, and not when a window is over.
            self.settle(params.window_of(head.number)).await?;
        }
        self.is_of_this_history(head)?;
        let Some((context, last, challenge)) = self.due(head.number).await? else {
            self.nap(LOOK_AGAIN_MS).await;
            return Ok(ValidatorStep::Waited);
        };
        let waiting = schedule::waiting(&params, head.number, context.window);
        let judged = self.judge(&context, last, challenge, waiting).await?;
        // What was judged is kept in memory until the disk has it.
        self.unsaved = Some(judged);
        Ok(self.keep()?.map_or(ValidatorStep::Waited, |window| ValidatorStep::Judged(Box::new(window))))
    }

    /// Errors: our reports are of windows that this chain has not reached. Where its newest block is old, the node lags
    /// behind and will catch up; else the reports are of another history.
    fn is_of_this_history(&self, head: Block) -> Result<(), Fault> {
        let params = self.sources.network.params;
        let Some(judged) = self.judged.filter(|judged| *judged > params.window_of(head.number)) else {
            return Ok(());
        };
        if self.clock.now().since(head.time) > LAGS_BLOCKS * params.block_time_ms {
            let doing = format!(
                "the newest report is of window {judged}, the node stands at block {} of {}; it has yet to catch up",
                head.number, head.time
            );
            return Err(Fault::plain(Door::Chain, Retry::Later, doing));
        }
        let doing = format!(
            "the newest report is of window {judged}, the chain stands at block {}; these reports are of another \
             history, choose another folder for this one",
            head.number
        );
        Err(Fault::plain(Door::Chain, Retry::Never, doing))
    }

    /// The next window to judge, with its last block and its challenge; `None` while something of it is not there yet.
    async fn due(&mut self, head: BlockNumber) -> Result<Option<(WindowContext, Block, Challenge)>, Fault> {
        let params = self.sources.network.params;
        let Some(window) = schedule::next(&params, head, self.judged) else { return Ok(None) };
        if let Some(judged) = self.judged.filter(|judged| params.next_window(*judged) < window) {
            tracing::warn!(target: "grail::validate", after = judged.0, next = window.0, "fell behind; windows in between are left out");
        }
        let Some(last) = self.sources.last_block(window).await? else { return Ok(None) };
        let Some(challenge) = self.sources.challenge(last).await? else { return Ok(None) };
        if !self.settle(window).await? {
            return Ok(None);
        }
        let Some(context) = self.sources.window(&self.desk.held()?.manifest, window).await? else {
            return Ok(None);
        };
        if let Err(fault) = self.environments.get(&context.env) {
            tracing::warn!(target: "grail::validate", window = window.0, "window {window} is left out: {}", fault.chain());
            self.judged = Some(window);
            return Ok(None);
        }
        Ok(Some((context, last, challenge)))
    }

    /// Takes the checkpoint of a window into use; false while the window's first block is not there.
    async fn settle(&mut self, window: WindowStart) -> Result<bool, Fault> {
        let params = self.sources.network.params;
        let Some(first) = self.sources.chain.block(params.first_block(window)).await? else {
            return Ok(false);
        };
        self.desk.settle(Moment::of(&params, window, first.time)).await?;
        Ok(true)
    }

    /// Whether a window waits to be judged.
    async fn is_behind(&self) -> bool {
        let params = &self.sources.network.params;
        let head = self.sources.chain.head().await;
        head.is_ok_and(|head| schedule::next(params, head.number, self.judged).is_some())
    }

    async fn nap(&self, millis: u64) {
        let until: UnixMillis = self.clock.now().plus(millis);
        self.clock.sleep_until(until).await;
    }
}

/// Whose groups a report proves.
fn proven_in(report: &WindowReport) -> impl Iterator<Item = (Hotkey, WindowStart)> + '_ {
    let proven = report.miners.iter().filter(|entry| weigh::was_proven(entry));
    proven.map(|entry| (entry.hotkey, report.window))
}
