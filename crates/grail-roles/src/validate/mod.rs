//! The validator's loop: when a window is over and its challenge is known, fetch every file, judge it, write down
//! why, and turn the history into weights.

mod judge;
mod publish;
mod schedule;
mod weigh;

use crate::{
    bundle::Bundles,
    context::Sources,
    environments::Environments,
    evidence::{EXCLUSION_WINDOWS, EvidenceJournal},
    kept,
    model::{Desk, Models},
    reports::{Reports, WindowReport},
};
use grail_artifact::{bundle::Challenge, checkpoint::Moment, window::WindowCodec};
use grail_ports::{
    Fault, Retry,
    chain::{Block, ChainWrite},
    clock::Clock,
    shelf::{ShelfDirectory, WindowShelf},
    sign::Sign,
};
use grail_protocol::{
    seed::WindowContext,
    words::{BlockNumber, UnixMillis, WindowStart},
};
use grail_verify::Sampling;
use grail_verify::score::History;
use std::sync::Arc;

pub use judge::JudgedWindow;
pub use weigh::{WeightsSet, remember};

/// What a validator is made of.
pub struct Parts {
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

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("hotkey", &self.writer.hotkey()).finish_non_exhaustive()
    }
}

/// What an operator may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many groups of a file are proven.
    pub sampling: Sampling,
    /// Windows that count for weights.
    pub history: usize,
    /// Set weights after every so many windows.
    pub weights_every: u32,
    /// Windows for which a miner is left out once evidence says so.
    pub exclusion: u32,
    /// Replay bundles that are kept; `None` keeps none.
    pub bundles: Option<Bundles>,
    /// Stop after that many windows; `None` goes on.
    pub windows: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sampling: Sampling::DEFAULT,
            history: 12,
            weights_every: 1,
            exclusion: EXCLUSION_WINDOWS,
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
    /// The newest report whose verdicts are not published yet.
    unpublished: Option<WindowReport>,
    settings: Settings,
    history: History,
    evidence: EvidenceJournal,
    judged: Option<WindowStart>,
    since_weights: u32,
    weights_due: bool,
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
pub enum Step {
    /// Nothing was due; time has passed.
    Waited,
    /// A window was judged.
    Judged(JudgedWindow),
    /// Weights were set, or there were none to set.
    Weighed(WeightsSet),
}

/// Milliseconds between two looks at something that is not there yet.
const LOOK_AGAIN_MS: u64 = 500;
/// Milliseconds to wait after a fault that may pass.
const AFTER_FAULT_MS: u64 = 2_000;

impl Validator {
    /// Puts the parts together and reads the memory of earlier runs.
    ///
    /// Errors: a report or a journal on disk that cannot be read, by name.
    pub fn new(parts: Parts, settings: Settings) -> Result<Self, Fault> {
        let mut history = History::new(settings.history);
        let windows = parts.reports.windows()?;
        let params = parts.sources.network.params;
        let mut evidence = EvidenceJournal::load(&parts.reports, &parts.sources.network.id)?;
        let known = evidence.window;
        let (mut judged, mut newest) = (None, None);
        for window in windows.iter().rev().take(settings.history).rev() {
            if let Some(report) = parts.reports.load(*window)? {
                let place = parts.reports.place(*window);
                kept::of_network(&place, &report.network, &parts.sources.network.id, " for reports")?;
                weigh::remember(&mut history, &report);
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
            unpublished: newest.filter(|_| parts.verdicts.is_some()),
            reports: parts.reports,
            verdicts: parts.verdicts,
            settings,
            history,
            evidence,
            judged,
            since_weights: 0,
            weights_due: false,
        })
    }

    /// Judges window after window. Faults that may pass are logged and waited out; others end the loop.
    pub async fn run(&mut self) -> Result<(), Fault> {
        let mut done = 0;
        loop {
            match self.step().await {
                Ok(Step::Judged(window)) => {
                    window.log();
                    done += 1;
                }
                Ok(Step::Weighed(weights)) => weights.log(),
                Ok(Step::Waited) => {}
                Err(fault) if fault.retry == Retry::Later => {
                    tracing::warn!(target: "grail::validate", door = fault.door.name(), fault = %fault.chain(), "could not go on; trying again");
                    self.nap(AFTER_FAULT_MS).await;
                }
                Err(fault) => return Err(fault),
            }
            if self.settings.windows.is_some_and(|windows| done >= windows) && !self.weights_due {
                return Ok(());
            }
        }
    }

    /// Does the next thing that is due.
    pub async fn step(&mut self) -> Result<Step, Fault> {
        self.publish_verdicts().await?;
        if self.weights_due {
            match self.set_weights().await {
                Ok(Some(weights)) => return Ok(Step::Weighed(weights)),
                Ok(None) => {}
                // A chain that takes no weights must not keep files from being judged while they lie there.
                Err(fault) if fault.retry == Retry::Later && self.is_behind().await => {
                    tracing::warn!(target: "grail::validate", fault = %fault.chain(), "could not set weights; judging first");
                }
                Err(fault) => return Err(fault),
            }
        }
        let params = self.sources.network.params;
        let head = self.sources.chain.head().await?;
        if self.desk.is_empty() {
            // Whatever is wrong with the model shows now, and not when a window is over.
            self.settle(params.window_of(head.number)).await?;
        }
        if let Some(judged) = self.judged.filter(|judged| *judged > params.window_of(head.number)) {
            let doing = format!(
                "the newest report is of window {judged}, the chain stands at block {}; these reports are of another \
                 history, choose another folder for this one",
                head.number
            );
            return Err(Fault::plain(grail_ports::Door::Chain, Retry::Never, doing));
        }
        let Some((context, last, challenge)) = self.due(head.number).await? else {
            self.nap(LOOK_AGAIN_MS).await;
            return Ok(Step::Waited);
        };
        let window = context.window;
        let judged = self.judge(&context, last, challenge).await?;
        self.reports.save(&judged.report)?;
        let left_out = self.evidence.take(&judged.report, self.settings.exclusion, params.window_length);
        self.evidence.save(&self.reports)?;
        for (hotkey, exclusion) in left_out {
            tracing::warn!(
                target: "grail::validate", event = "left-out", miner = %hotkey, lost = exclusion.lost,
                draws = exclusion.draws, expected = exclusion.expected, log10 = exclusion.log10,
                until = exclusion.until.0, "{exclusion}"
            );
        }
        weigh::remember(&mut self.history, &judged.report);
        if self.verdicts.is_some() {
            self.unpublished = Some(judged.report.clone());
        }
        self.judged = Some(window);
        self.since_weights += 1;
        if self.since_weights >= self.settings.weights_every {
            self.weights_due = true;
        }
        Ok(Step::Judged(judged))
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
        let context = self.sources.window(&self.desk.held()?.manifest, window).await?;
        Ok(context.map(|context| (context, last, challenge)))
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
