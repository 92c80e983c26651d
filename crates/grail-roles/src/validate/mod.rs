//! The validator's loop: when a window is over and its challenge is known, fetch every file, judge it, write down
//! why, and turn the history into weights.

mod judge;
mod schedule;
mod weigh;

use crate::{context::Sources, court::Court, environments::Environments, reports::ReportFolder};
use grail_artifact::{manifest::Manifest, window::WindowCodec};
use grail_ports::{
    Fault, Retry,
    chain::ChainWrite,
    clock::Clock,
    model::{Oracle, Tokenize},
    shelf::ShelfDirectory,
};
use grail_protocol::words::{UnixMillis, WindowStart};
use grail_score::History;
use grail_verify::Sampling;
use std::sync::{Arc, Mutex};

pub use judge::JudgedWindow;
pub use weigh::WeightsSet;

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
    /// Text and tokens.
    pub tokenizer: Arc<dyn Tokenize>,
    /// The model that recomputes.
    pub oracle: Box<dyn Oracle>,
    /// Problems.
    pub environments: Environments,
    /// The checkpoint in use.
    pub manifest: Manifest,
    /// Encoding of window files.
    pub codec: Arc<dyn WindowCodec>,
    /// Where verdicts are written, and where the memory is.
    pub reports: ReportFolder,
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
    /// Stop after that many windows; `None` goes on.
    pub windows: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sampling: Sampling::DEFAULT, history: 12, weights_every: 1, windows: None }
    }
}

/// A running validator.
pub struct Validator {
    sources: Sources,
    writer: Arc<dyn ChainWrite>,
    directory: Arc<dyn ShelfDirectory>,
    clock: Arc<dyn Clock>,
    court: Court,
    environments: Environments,
    manifest: Manifest,
    reports: ReportFolder,
    settings: Settings,
    history: History,
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
    /// Errors: a report on disk that cannot be read, by name.
    pub fn new(parts: Parts, settings: Settings) -> Result<Self, Fault> {
        let mut history = History::new(settings.history);
        let windows = parts.reports.windows()?;
        let mut judged = None;
        for window in windows.iter().rev().take(settings.history).rev() {
            if let Some(report) = parts.reports.load(*window)? {
                if report.network != parts.sources.network.id {
                    let doing = format!(
                        "{} is of network {}, this is {}; choose another folder for reports",
                        parts.reports.path(*window).display(),
                        report.network,
                        parts.sources.network.id
                    );
                    return Err(Fault::plain(grail_ports::Door::Disk, Retry::Never, doing));
                }
                weigh::remember(&mut history, &report);
                judged = Some(*window);
            }
        }
        if let Some(window) = judged {
            tracing::info!(target: "grail::validate", windows = windows.len(), newest = window.0, "memory read from reports");
        }
        Ok(Self {
            sources: parts.sources,
            writer: parts.writer,
            directory: parts.directory,
            clock: parts.clock,
            court: Court {
                oracle: Arc::new(Mutex::new(parts.oracle)),
                tokenizer: parts.tokenizer,
                codec: parts.codec,
            },
            environments: parts.environments,
            manifest: parts.manifest,
            reports: parts.reports,
            settings,
            history,
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
        if let Some(judged) = self.judged.filter(|judged| *judged > params.window_of(head.number)) {
            let doing = format!(
                "the newest report is of window {judged}, the chain stands at block {}; these reports are of another \
                 history, choose another folder for this one",
                head.number
            );
            return Err(Fault::plain(grail_ports::Door::Chain, Retry::Never, doing));
        }
        let Some(window) = schedule::next(&params, head.number, self.judged) else {
            self.nap(LOOK_AGAIN_MS).await;
            return Ok(Step::Waited);
        };
        if let (Some(judged), true) =
            (self.judged, self.judged.is_some_and(|j| params.next_window(j) < window))
        {
            tracing::warn!(target: "grail::validate", after = judged.0, next = window.0, "fell behind; windows in between are left out");
        }
        let Some(last) = self.sources.last_block(window).await? else {
            self.nap(LOOK_AGAIN_MS).await;
            return Ok(Step::Waited);
        };
        let Some(challenge) = self.sources.challenge(last).await? else {
            self.nap(LOOK_AGAIN_MS).await;
            return Ok(Step::Waited);
        };
        let Some(context) = self.sources.window(&self.manifest, window).await? else {
            self.nap(LOOK_AGAIN_MS).await;
            return Ok(Step::Waited);
        };
        let judged = self.judge(&context, params.upload_deadline(last.time), challenge).await?;
        self.reports.save(&judged.report)?;
        weigh::remember(&mut self.history, &judged.report);
        self.judged = Some(window);
        self.since_weights += 1;
        if self.since_weights >= self.settings.weights_every {
            self.weights_due = true;
        }
        Ok(Step::Judged(judged))
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
