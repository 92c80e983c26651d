//! Weights without a model: made of verdicts that named validators sign, each audited on paper.
//!
//! For every window the first of the named validators whose verdict file holds is adopted. The file must be signed by it,
//! be about this window, checkpoint and environment, and name the challenge that chain and beacon give. Every miner's
//! file that it speaks of is fetched and held against it ([`paper`]); what does not hold counts nothing, and a verdict
//! file of which less than half holds is not adopted. What is taken on trust is the model's word alone: that accepted
//! rollouts are this checkpoint's.

mod memory;
mod paper;

use crate::{
    context::Sources,
    discover::AT_ONCE,
    environments::Environments,
    kept,
    patience::{Endurance, Teller},
    validate::{WeightsSet, put_weights, schedule},
    work::blocking,
};
use futures::StreamExt as _;
use grail_artifact::{
    bundle::Challenge,
    checkpoint::Moment,
    keys::{VerdictKey, WindowKey},
    limits::LIMITS,
    verdict::{ExpectedWindow, FileVerdict, VERDICT_BYTES, VerdictFile},
    window::WindowCodec,
};
use grail_ports::{
    Door, Fault, Retry,
    chain::{Block, ChainWrite},
    clock::Clock,
    follow::Checkpoints,
    journal::Journal,
    model::Tokenize,
    shelf::{Fetch, ShelfDirectory},
};
use grail_protocol::{
    seed::WindowContext,
    words::{Hotkey, UnixMillis, WindowStart},
};
use grail_verify::score::{History, Tally};
pub use memory::{AdoptedTally, AdoptedWindow};
use memory::{MOST_BYTES, VERSION, name, remember, window_of};
use paper::Desk;
use std::{collections::BTreeMap, sync::Arc};

/// What a validator without a model is made of.
pub struct AdopterParts {
    /// Chain, randomness, network.
    pub sources: Sources,
    /// Writes weights.
    pub writer: Arc<dyn ChainWrite>,
    /// Finds shelves of miners and validators.
    pub directory: Arc<dyn ShelfDirectory>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Finds manifests; nothing else of a checkpoint is asked for.
    pub manifests: Arc<dyn Checkpoints>,
    /// Text and tokens; a checkpoint's tokenizer never changes in a run.
    pub tokenizer: Arc<dyn Tokenize>,
    /// Number of logits of the network's model.
    pub vocabulary: u32,
    /// Most positions of it.
    pub context_length: u32,
    /// Problems.
    pub environments: Environments,
    /// Encoding of window files.
    pub codec: Arc<dyn WindowCodec>,
    /// Where adopted windows are kept, the memory over a restart.
    pub journal: Arc<dyn Journal>,
}

impl std::fmt::Debug for AdopterParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdopterParts").field("hotkey", &self.writer.hotkey()).finish_non_exhaustive()
    }
}

/// What an operator may choose.
#[derive(Debug, Clone)]
pub struct AdopterSettings {
    /// Whose verdicts, the most trusted first; at least one.
    pub validators: Vec<Hotkey>,
    /// Windows that count for weights.
    pub history: usize,
    /// Set weights after every so many windows.
    pub weights_every: u32,
    /// Stop after that many windows; `None` goes on.
    pub windows: Option<u32>,
}

/// Milliseconds between two looks at something that is not there yet.
const LOOK_AGAIN_MS: u64 = 2_000;

/// What a step did.
#[derive(Debug)]
pub enum AdopterStep {
    /// Nothing was due; time has passed.
    Waited,
    /// A window's verdicts were adopted.
    Adopted(AdoptedWindow),
    /// Weights were set, or there were none to set.
    Weighed(WeightsSet),
}

/// A running validator without a model.
pub struct Adopter {
    parts: AdopterParts,
    settings: AdopterSettings,
    history: History,
    adopted: Option<WindowStart>,
    unsaved: Option<AdoptedWindow>,
    since_weights: u32,
    weights_due: bool,
    weights_refused_until: Option<UnixMillis>,
    teller: Teller,
}

impl std::fmt::Debug for Adopter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adopter")
            .field("hotkey", &self.parts.writer.hotkey())
            .field("adopted", &self.adopted)
            .finish_non_exhaustive()
    }
}

impl Adopter {
    /// Puts the parts together and reads the memory of earlier runs.
    ///
    /// Errors: nobody is named; a kept window that cannot be read, by name, or of another network.
    pub fn new(parts: AdopterParts, settings: AdopterSettings) -> Result<Self, Fault> {
        if settings.validators.is_empty() {
            let doing = "weights are to be made of others' verdicts, and no validator is named";
            return Err(Fault::plain(Door::Inside, Retry::Never, doing));
        }
        let mut history = History::new(settings.history);
        let mut windows: Vec<WindowStart> =
            parts.journal.list()?.iter().filter_map(|name| window_of(name)).collect();
        windows.sort_unstable();
        let mut adopted = None;
        for window in windows.iter().rev().take(settings.history).rev() {
            let name = name(*window);
            let kept: Option<AdoptedWindow> =
                kept::load(parts.journal.as_ref(), &name, MOST_BYTES, "go on without it")?;
            let Some(kept) = kept else { continue };
            let place = parts.journal.place(&name);
            kept::of_version(&place, kept.version, VERSION)?;
            kept::of_network(&place, &kept.network, &parts.sources.network.id, " for reports")?;
            remember(&mut history, &kept);
            adopted = Some(*window);
        }
        Ok(Self {
            parts,
            settings,
            history,
            adopted,
            unsaved: None,
            since_weights: 0,
            weights_due: false,
            weights_refused_until: None,
            teller: Teller::default(),
        })
    }

    /// Adopts window after window. What may pass is waited out; [`Endurance`] says what ends the loop.
    pub async fn run(&mut self) -> Result<(), Fault> {
        let mut patience = Endurance::new(Arc::clone(&self.parts.clock));
        let mut done = 0;
        loop {
            match self.step().await {
                Ok(step) => {
                    patience.went_well();
                    match step {
                        AdopterStep::Adopted(window) => {
                            window.log();
                            done += 1;
                        }
                        AdopterStep::Weighed(weights) => weights.log(),
                        AdopterStep::Waited => {}
                    }
                }
                Err(fault) => patience.wait_out(fault).await?,
            }
            let open = self.weights_due && self.weights_refused_until.is_none();
            if self.settings.windows.is_some_and(|windows| done >= windows) && !open {
                return Ok(());
            }
        }
    }

    /// Does the next thing that is due.
    pub async fn step(&mut self) -> Result<AdopterStep, Fault> {
        if let Some(window) = self.keep()? {
            return Ok(AdopterStep::Adopted(window));
        }
        if let Some(weights) = self.try_weights().await? {
            return Ok(AdopterStep::Weighed(weights));
        }
        let params = self.parts.sources.network.params;
        let head = self.parts.sources.chain.head().await?;
        let Some(window) = schedule::next(&params, head.number, self.adopted) else {
            return self.nap().await;
        };
        let Some((context, last, challenge)) = self.derive(window).await? else { return self.nap().await };
        let environment = match self.parts.environments.get(&context.env) {
            Ok(environment) => environment,
            Err(fault) => {
                tracing::warn!(target: "grail::validate", window = window.0, "window {window} is left out: {}", fault.chain());
                self.adopted = Some(window);
                return Ok(AdopterStep::Waited);
            }
        };
        let desk = Arc::new(Desk {
            deadline: context.params.upload_deadline(last.time),
            challenge: challenge.randomness(),
            context,
            environment,
            tokenizer: Arc::clone(&self.parts.tokenizer),
            codec: Arc::clone(&self.parts.codec),
            vocabulary: self.parts.vocabulary,
            context_length: self.parts.context_length,
        });
        for validator in self.settings.validators.clone() {
            if let Some(adopted) = self.adopt(&desk, validator).await? {
                self.unsaved = Some(adopted);
                return Ok(self.keep()?.map_or(AdopterStep::Waited, AdopterStep::Adopted));
            }
        }
        if self.teller.is_due("verdicts", self.parts.clock.now()) {
            tracing::info!(target: "grail::validate", window = window.0, "waiting for verdicts on window {window}");
        }
        self.nap().await
    }

    /// The window, its last block and its challenge; `None` while something of it is not there yet.
    async fn derive(&self, window: WindowStart) -> Result<Option<(WindowContext, Block, Challenge)>, Fault> {
        let sources = &self.parts.sources;
        let params = sources.network.params;
        let Some(first) = sources.chain.block(params.first_block(window)).await? else { return Ok(None) };
        let Some(last) = sources.last_block(window).await? else { return Ok(None) };
        let Some(challenge) = sources.challenge(last).await? else { return Ok(None) };
        let found = self.parts.manifests.find(Moment::of(&params, window, first.time)).await?;
        let context = sources.window(&found.manifest, window).await?;
        Ok(context.map(|context| (context, last, challenge)))
    }

    /// One validator's verdicts on a window; `None` where there are none, or they do not hold.
    async fn adopt(&mut self, desk: &Arc<Desk>, validator: Hotkey) -> Result<Option<AdoptedWindow>, Fault> {
        let context = &desk.context;
        let window = context.window;
        let verdict = match self.verdict(desk, validator).await {
            Ok(Some(Ok(verdict))) => verdict,
            Ok(None) => return Ok(None),
            Ok(Some(Err(why))) => {
                self.refuse(window, validator, &why);
                return Ok(None);
            }
            // Another validator's shelf may be in reach.
            Err(fault) => {
                self.refuse(window, validator, &fault.chain());
                return Ok(None);
            }
        };
        let spoken_of: Vec<FileVerdict> =
            verdict.files.into_iter().filter(|file| file.root.is_some() && !file.groups.is_empty()).collect();
        let total = spoken_of.len();
        let parts = &self.parts;
        let read = futures::stream::iter(spoken_of).map(|file| async move {
            let hotkey = file.hotkey;
            (hotkey, tally(parts, Arc::clone(desk), file).await)
        });
        let read: Vec<(Hotkey, Result<Tally, String>)> = read.buffered(AT_ONCE.min(8)).collect().await;
        let (mut tallies, mut refused) = (BTreeMap::new(), BTreeMap::new());
        for (hotkey, result) in read {
            match result {
                Ok(tally) => drop(tallies.insert(hotkey, AdoptedTally::of(&tally))),
                Err(why) => drop(refused.insert(hotkey, why)),
            }
        }
        if 2 * refused.len() > total {
            let first = refused.iter().next().map(|(hotkey, why)| format!("; of {hotkey}: {why}"));
            let why =
                format!("{} of {total} do not hold on paper{}", refused.len(), first.unwrap_or_default());
            self.refuse(window, validator, &why);
            return Ok(None);
        }
        let network = context.network.clone();
        Ok(Some(AdoptedWindow { version: VERSION, network, window, validator, tallies, refused }))
    }

    /// A validator's signed verdict file; `Ok(None)`: there is none yet. `Ok(Some(Err))`: why it is not used.
    async fn verdict(
        &self,
        desk: &Desk,
        validator: Hotkey,
    ) -> Result<Option<Result<VerdictFile, String>>, Fault> {
        let Some(shelf) = self.parts.directory.shelf_of(&validator).await? else { return Ok(None) };
        let context = &desk.context;
        let key = VerdictKey { validator, window: context.window }.into();
        let bytes = match shelf.fetch(&key, VERDICT_BYTES).await? {
            Fetch::Absent => return Ok(None),
            Fetch::TooLarge { meta } => return Ok(Some(Err(format!("they have {} bytes", meta.size)))),
            Fetch::Found(found) => found.body,
        };
        let expected = ExpectedWindow {
            network: &context.network,
            window: context.window,
            checkpoint: context.checkpoint,
            env: &context.env,
            validator: &validator,
            rollouts_per_group: context.params.rollouts_per_problem,
        };
        Ok(Some(match VerdictFile::verify(&bytes, &expected) {
            Err(error) => Err(error.to_string()),
            Ok(verdict) if verdict.challenge.0 != desk.challenge => {
                Err("they name another challenge than chain and beacon give".to_owned())
            }
            Ok(verdict) => Ok(verdict),
        }))
    }

    fn refuse(&mut self, window: WindowStart, validator: Hotkey, why: &str) {
        if self.teller.is_due("refused verdicts", self.parts.clock.now()) {
            tracing::warn!(target: "grail::validate", validator = %validator.short(), window = window.0, "verdicts are not adopted: {why}");
        }
    }

    /// Brings an adopted window to the disk and into memory. Errors: the disk; the next call tries again.
    fn keep(&mut self) -> Result<Option<AdoptedWindow>, Fault> {
        let Some(adopted) = self.unsaved.take() else { return Ok(None) };
        if let Err(fault) = kept::save(self.parts.journal.as_ref(), &name(adopted.window), &adopted) {
            self.unsaved = Some(adopted);
            return Err(fault);
        }
        remember(&mut self.history, &adopted);
        self.adopted = Some(adopted.window);
        self.since_weights += 1;
        self.weights_due |= self.since_weights >= self.settings.weights_every;
        Ok(Some(adopted))
    }

    /// Sets weights where they are due. What the chain refuses is tried again a window later.
    async fn try_weights(&mut self) -> Result<Option<WeightsSet>, Fault> {
        let now = self.parts.clock.now();
        if !self.weights_due || self.weights_refused_until.is_some_and(|until| now < until) {
            return Ok(None);
        }
        let put = put_weights(&self.parts.sources, self.parts.writer.as_ref(), &self.history, |_| true).await;
        match put {
            Ok(None) => Ok(None),
            Ok(Some(weights)) => {
                (self.weights_due, self.since_weights, self.weights_refused_until) = (false, 0, None);
                Ok(Some(weights))
            }
            Err(fault) if fault.retry == Retry::Never && fault.door == Door::Chain => {
                let params = self.parts.sources.network.params;
                let window_ms = params.window_length.saturating_mul(params.block_time_ms);
                self.weights_refused_until = Some(now.plus(window_ms));
                tracing::warn!(target: "grail::validate", event = "weights-refused", "no weights are set: {}; tried again with the next window", fault.chain());
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn nap(&self) -> Result<AdopterStep, Fault> {
        self.parts.clock.sleep_until(self.parts.clock.now().plus(LOOK_AGAIN_MS)).await;
        Ok(AdopterStep::Waited)
    }
}

/// What a verdict makes of a miner's file, or why it does not hold. What cannot be fetched cannot be held against it.
async fn tally(parts: &AdopterParts, desk: Arc<Desk>, file: FileVerdict) -> Result<Tally, String> {
    let told = |fault: Fault| fault.chain();
    let shelf = parts.directory.shelf_of(&file.hotkey).await.map_err(told)?;
    let shelf = shelf.ok_or("its miner names no shelf")?;
    let (hotkey, window) = (file.hotkey, desk.context.window);
    let key = WindowKey { hotkey, window, encoding: parts.codec.encoding() }.into();
    let fetched = match shelf.fetch(&key, LIMITS.file_bytes).await.map_err(told)? {
        Fetch::Found(fetched) => fetched,
        Fetch::Absent => return Err("it is gone from the shelf".to_owned()),
        Fetch::TooLarge { meta } => return Err(format!("it has grown to {} bytes", meta.size)),
    };
    blocking("audit a verdict on paper", move |_| Ok(desk.tally(fetched, &file))).await.map_err(told)?
}
