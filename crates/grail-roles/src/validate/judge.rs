//! Judging one window: every registered miner's file, one after another.

use super::{
    Validator,
    budget::{self, Allotment, Budget, Standing},
};
use crate::{
    bundle::{self, Circumstances},
    court::{Matter, model_fact},
    discover::{AT_ONCE, Sighting, discover},
    environments::short,
    patience::FIRST_PAUSE_MS,
    reports::{FileOutcome, MinerEntry, WindowReport},
    work::blocking,
};
use bytes::Bytes;
use futures::StreamExt as _;
use grail_artifact::{
    bundle::{Challenge, FileFact},
    keys::{ShelfKey, WindowKey},
    limits::LIMITS,
};
use grail_ports::{
    Door, Fault, Retry,
    chain::{Block, Neuron},
    clock::Clock,
    shelf::{Fetch, ShelfDirectory},
};
use grail_protocol::{
    seed::WindowContext,
    words::{Hotkey, WindowStart},
};
use grail_verify::{MinerReport, Sampling, oversize};
use std::{collections::BTreeMap, sync::Arc};

/// A window, judged.
#[derive(Debug)]
pub struct JudgedWindow {
    /// What was found.
    pub report: WindowReport,
    /// Milliseconds it took.
    pub took_ms: u64,
    /// Files that were read on paper alone, for lack of time.
    pub on_paper: usize,
    /// Windows that wait behind it.
    pub waiting: u64,
}

/// Files that are fetched while another is judged.
const FETCH_AHEAD: usize = 4;
/// How often a file is asked for before its miner is left undecided.
const FETCH_TRIES: u32 = 3;

impl Validator {
    /// Judges every registered miner but ourselves. Trouble with one of them leaves that one undecided.
    ///
    /// `waiting` windows are over and wait behind this one.
    ///
    /// Errors: the chain does not tell who is registered, or the environment is not at hand.
    pub(super) async fn judge(
        &mut self,
        context: &WindowContext,
        last: Block,
        challenge: Challenge,
        waiting: u64,
    ) -> Result<JudgedWindow, Fault> {
        let began = self.clock.now();
        let environment = self.environments.get(&context.env)?;
        let own = self.writer.hotkey();
        let metagraph = self.sources.chain.metagraph().await?;
        let randomness = challenge.randomness();
        let encoding = self.codec.encoding();
        let manifest = self.desk.held()?.manifest.clone();
        let court = self.desk.held()?.court.clone().ok_or_else(|| {
            Fault::plain(Door::Inside, Retry::Never, "judge with a model that was loaded without an oracle")
        })?;
        let model = model_fact(&court);
        let report = WindowReport::new(context, own, &randomness);
        let mut report =
            WindowReport { model: Some(model), sampling: Some(self.settings.sampling), ..report };
        let deadline = context.params.upload_deadline(last.time);
        let circumstances = match self.sources.chain.block(context.params.first_block(context.window)).await?
        {
            Some(first) => {
                let context = context.clone();
                Some(Circumstances { context, manifest, first, last, challenge, model })
            }
            None => None,
        };
        let mut others = Vec::new();
        for neuron in metagraph.neurons.into_iter().filter(|neuron| neuron.hotkey != own) {
            match self.evidence.exclusion(&neuron.hotkey, context.window) {
                None => others.push(neuron),
                Some(exclusion) => report.miners.push(MinerEntry {
                    uid: neuron.uid,
                    hotkey: neuron.hotkey,
                    outcome: FileOutcome::Excluded(exclusion.clone()),
                    sampling: None,
                }),
            }
        }
        let decides = context.numeric.drift().calibrated;
        let key_of = |neuron: &Neuron| -> ShelfKey {
            WindowKey { hotkey: neuron.hotkey, window: context.window, encoding }.into()
        };
        // Most participants upload nothing: one short question each, many at once, before any file is fetched.
        let keys = others.iter().map(key_of).collect();
        let sightings = discover(self.directory.clone(), keys, AT_ONCE).await;
        let mut budget = Budget {
            end: began.plus(self.budget_ms(waiting)),
            files: sightings.iter().filter(|sighting| !matches!(sighting, Ok(None))).count() as u64,
        };
        let files = self.in_order(others.into_iter().zip(sightings).collect(), context, &randomness);
        let (directory, clock) = (Arc::clone(&self.directory), Arc::clone(&self.clock));
        // Tasks of their own: a stream alone stands still while a file is judged, and its connections would time out.
        let mut fetches = futures::stream::iter(files)
            .map(|(neuron, sighting)| {
                let (directory, clock, key) = (Arc::clone(&directory), Arc::clone(&clock), key_of(&neuron));
                let task = tokio::spawn(async move {
                    match sighting {
                        Ok(None) => Ok(Fetch::Absent),
                        // What is not known is asked for, which tries again.
                        Ok(Some(_)) | Err(_) => fetch(directory, clock, key).await,
                    }
                });
                async move { (task.await, neuron) }
            })
            .buffered(FETCH_AHEAD);
        let mut on_paper = 0;
        while let Some((found, neuron)) = fetches.next().await {
            let found = found.unwrap_or_else(|error| {
                Err(Fault::new(Door::Inside, Retry::Later, "fetch a window file: the work broke off", error))
            });
            let more =
                self.evidence.sampling(&neuron.hotkey, context.checkpoint, self.settings.sampling, decides);
            let mut sampling = more.unwrap_or(self.settings.sampling);
            let exhibit = Exhibit::of(&found, encoding.into());
            let outcome = match found {
                Ok(Fetch::Absent) => FileOutcome::Absent,
                Ok(Fetch::TooLarge { meta }) => {
                    budget.files = budget.files.saturating_sub(1);
                    let rejection = oversize(&meta, &LIMITS);
                    FileOutcome::Judged(Box::new(MinerReport::refused(
                        context,
                        &neuron.hotkey,
                        rejection,
                        (0, 0),
                    )))
                }
                Ok(Fetch::Found(file)) => {
                    let file_began = self.clock.now();
                    let Allotment { groups, until } = budget.next(file_began, self.proof_time.reserve_ms());
                    sampling = Allotment { groups, until }.of(sampling);
                    on_paper += usize::from(groups == 0);
                    let clock = Arc::clone(&self.clock);
                    let matter = Matter {
                        context: context.clone(),
                        hotkey: neuron.hotkey,
                        file,
                        deadline,
                        environment: environment.clone(),
                        sampling,
                        challenge: randomness,
                        goes_on: Arc::new(move || clock.now() <= until),
                    };
                    // A panic in the court leaves this miner undecided, and the window goes on.
                    let judged = court.judge(matter).await.unwrap_or_else(|fault| {
                        tracing::error!(target: "grail::validate", miner = %neuron.hotkey.short(), fault = %fault.chain(), "the court broke off");
                        MinerReport::undecided(context, &neuron.hotkey, &fault)
                    });
                    let proven = judged.groups.iter().filter(|group| group.draws.is_some()).count() as u64;
                    if let Some(each) = self.clock.now().since(file_began).checked_div(proven) {
                        self.proof_time.learn(each);
                    }
                    FileOutcome::Judged(Box::new(judged))
                }
                Err(fault) => {
                    budget.files = budget.files.saturating_sub(1);
                    tracing::warn!(target: "grail::validate", miner = %neuron.hotkey.short(), fault = %fault.chain(), "miner left undecided");
                    FileOutcome::Judged(Box::new(MinerReport::undecided(context, &neuron.hotkey, &fault)))
                }
            };
            log_reasons(&neuron, &outcome);
            if let (FileOutcome::Judged(judged), Some(circumstances)) = (&outcome, &circumstances) {
                self.keep_bundle(circumstances, judged, sampling, exhibit).await;
            }
            let sampling = Some(sampling).filter(|sampling| *sampling != self.settings.sampling);
            let sampling = sampling.filter(|_| matches!(outcome, FileOutcome::Judged(_)));
            report.miners.push(MinerEntry { uid: neuron.uid, hotkey: neuron.hotkey, outcome, sampling });
        }
        drop(fetches);
        report.miners.sort_by_key(|entry| entry.uid);
        Ok(JudgedWindow { report, took_ms: self.clock.now().since(began), on_paper, waiting })
    }

    /// Milliseconds for the files of a window: the setting, else nine tenths of the time that a window lasts. A validator
    /// with windows waiting takes half of it, to catch up.
    fn budget_ms(&self, waiting: u64) -> u64 {
        let params = self.sources.network.params;
        let usual = params.window_length.saturating_mul(params.block_time_ms) / 10 * 9;
        let budget = self.settings.budget_ms.unwrap_or(usual);
        if waiting > 0 { budget / 2 } else { budget }
    }

    /// Miners in the order in which their files are judged; see [`super::budget`].
    fn in_order(
        &self,
        others: Vec<(Neuron, Sighting)>,
        context: &WindowContext,
        challenge: &[u8; 32],
    ) -> Vec<(Neuron, Sighting)> {
        let mut standings: Vec<Standing> = others
            .iter()
            .map(|(neuron, _)| Standing {
                hotkey: neuron.hotkey,
                suspect: self.history.is_blemished(&neuron.hotkey),
                proven: self.proven.get(&neuron.hotkey).copied(),
            })
            .collect();
        let half = self.settings.history as u64 / 2 * context.params.window_length;
        budget::order(&mut standings, WindowStart(context.window.0.saturating_sub(half)), challenge);
        let mut others: BTreeMap<Hotkey, (Neuron, Sighting)> =
            others.into_iter().map(|other| (other.0.hotkey, other)).collect();
        standings.iter().filter_map(|standing| others.remove(&standing.hotkey)).collect()
    }
}

/// What a bundle says and carries of a file.
struct Exhibit {
    file: Option<FileFact>,
    body: Bytes,
}

impl Exhibit {
    fn of(found: &Result<Fetch, Fault>, encoding: grail_artifact::bundle::Encoding) -> Self {
        let (meta, body) = match found {
            Ok(Fetch::Found(file)) => (&file.meta, file.body.clone()),
            Ok(Fetch::TooLarge { meta }) => (meta, Bytes::new()),
            Ok(Fetch::Absent) | Err(_) => return Self { file: None, body: Bytes::new() },
        };
        let carried = matches!(found, Ok(Fetch::Found(_)));
        // What lies there counts, whatever size the store gives it.
        let size = if carried { body.len() as u64 } else { meta.size };
        Self { file: Some(FileFact { encoding, stored_at: meta.stored_at, size, carried }), body }
    }
}

impl Validator {
    /// Keeps a verdict with everything that it rests on, where that is wanted. A disk that stumbles costs the bundle and
    /// not the window.
    async fn keep_bundle(
        &self,
        circumstances: &Circumstances,
        report: &MinerReport,
        sampling: Sampling,
        Exhibit { file, body }: Exhibit,
    ) {
        let Some(bundles) = self.settings.bundles.as_ref().filter(|bundles| bundles.wants(report)) else {
            return;
        };
        let matter = bundle::Matter { report, sampling, file, body };
        let kept = match circumstances.bundle(&self.sources, &matter, bundles.signer.hotkey()) {
            Ok(bundle) => {
                let bundles = bundles.clone();
                blocking("keep a bundle", move |_| bundles.save(bundle)).await
            }
            Err(fault) => Err(fault),
        };
        match kept {
            Ok(path) => {
                tracing::debug!(target: "grail::validate", miner = %report.hotkey.short(), path, "bundle kept");
            }
            Err(fault) => {
                tracing::warn!(target: "grail::validate", miner = %report.hotkey.short(), fault = %fault.chain(), "could not keep a bundle");
            }
        }
    }
}

/// Looks for a miner's file, more than once where the trouble may pass.
async fn fetch(
    directory: Arc<dyn ShelfDirectory>,
    clock: Arc<dyn Clock>,
    key: ShelfKey,
) -> Result<Fetch, Fault> {
    for _ in 1..FETCH_TRIES {
        match look(directory.as_ref(), &key).await {
            Err(fault) if fault.retry == Retry::Later => {
                tracing::debug!(target: "grail::validate", fault = %fault.chain(), "asking for a file again");
                clock.sleep_until(clock.now().plus(FIRST_PAUSE_MS)).await;
            }
            done => return done,
        }
    }
    look(directory.as_ref(), &key).await
}

async fn look(directory: &dyn ShelfDirectory, key: &ShelfKey) -> Result<Fetch, Fault> {
    match directory.shelf_of(key.owner()).await? {
        Some(shelf) => shelf.fetch(key, LIMITS.file_bytes).await,
        None => Ok(Fetch::Absent),
    }
}

fn log_reasons(neuron: &Neuron, outcome: &FileOutcome) {
    let FileOutcome::Judged(report) = outcome else { return };
    for (place, rejection) in report.rejections() {
        let place = place.map(|(group, rollout)| format!("group {group} rollout {rollout}"));
        tracing::debug!(
            target: "grail::validate",
            miner = %neuron.hotkey.short(), code = rejection.code(), place = place.as_deref().unwrap_or("file"),
            "{}", rejection.explain()
        );
    }
}

impl JudgedWindow {
    /// The one line about a window that an operator reads.
    pub fn log(&self) {
        let (mut files, mut accepted, mut refused, mut undecided) = (0u64, 0u64, 0u64, 0u64);
        let mut codes = BTreeMap::<&str, u64>::new();
        for entry in &self.report.miners {
            if let FileOutcome::Judged(report) = &entry.outcome {
                files += 1;
                accepted += report.tally.accepted;
                refused += report.tally.rejected_total();
                undecided += report.tally.undecided_total();
                for (code, count) in &report.tally.rejected {
                    *codes.entry(code).or_default() += count;
                }
            }
        }
        let reasons: Vec<String> = codes.iter().map(|(code, count)| format!("{code} {count}")).collect();
        let (waiting, on_paper) = (self.waiting, self.on_paper);
        let mut behind = String::new();
        if on_paper > 0 {
            behind.push_str(&format!(", {on_paper} files read on paper alone for lack of time"));
        }
        if waiting > 0 {
            behind.push_str(&format!(", {waiting} windows wait to be judged"));
        }
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        tracing::info!(
            target: "grail::validate",
            event = "judged", window = self.report.window.0, files, accepted, refused, undecided,
            on_paper, waiting, "window {} {}: {files} of {} miners with a file, {accepted} rollouts accepted, {refused} refused{reasons}, \
             {undecided} undecided, {:.1} s{behind}",
            self.report.window, short(&self.report.env), self.report.miners.len(), self.took_ms as f64 / 1e3
        );
    }
}
