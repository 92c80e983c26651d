//! Judging one window: every registered miner's file, one after another.

use super::{AFTER_FAULT_MS, Validator};
use crate::{
    bundle::{self, Circumstances},
    court::{Matter, model_fact},
    discover::{AT_ONCE, discover},
    environments::short,
    reports::{MinerEntry, Outcome, WindowReport},
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
use grail_protocol::seed::WindowContext;
use grail_verify::{MinerReport, Sampling, oversize};
use std::sync::Arc;

/// A window, judged.
#[derive(Debug)]
pub struct JudgedWindow {
    /// What was found.
    pub report: WindowReport,
    /// Milliseconds it took.
    pub took_ms: u64,
}

/// Files that are fetched while another is judged.
const FETCH_AHEAD: usize = 4;
/// How often a file is asked for before its miner is left undecided.
const FETCH_TRIES: u32 = 3;

impl Validator {
    /// Judges every registered miner but ourselves. Trouble with one of them leaves that one undecided.
    ///
    /// Errors: the chain does not tell who is registered, or the environment is not at hand.
    pub(super) async fn judge(
        &self,
        context: &WindowContext,
        last: Block,
        challenge: Challenge,
    ) -> Result<JudgedWindow, Fault> {
        let began = self.clock.now();
        let environment = self.environments.get(&context.env)?;
        let own = self.writer.hotkey();
        let metagraph = self.sources.chain.metagraph().await?;
        let randomness = challenge.randomness();
        let encoding = self.codec.encoding();
        let held = self.desk.held()?;
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
                let (context, manifest) = (context.clone(), held.manifest.clone());
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
                    outcome: Outcome::Excluded(exclusion.clone()),
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
        // Tasks of their own: a stream alone stands still while a file is judged, and its connections would time out.
        let mut fetches = futures::stream::iter(others.into_iter().zip(sightings))
            .map(|(neuron, sighting)| {
                let (directory, clock, key) = (self.directory.clone(), self.clock.clone(), key_of(&neuron));
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
        while let Some((found, neuron)) = fetches.next().await {
            let found = found.unwrap_or_else(|error| {
                Err(Fault::new(Door::Inside, Retry::Later, "fetch a window file: the work broke off", error))
            });
            let more =
                self.evidence.sampling(&neuron.hotkey, context.checkpoint, self.settings.sampling, decides);
            let sampling = more.unwrap_or(self.settings.sampling);
            let exhibit = Exhibit::of(&found, encoding.into());
            let outcome = match found {
                Ok(Fetch::Absent) => Outcome::Absent,
                Ok(Fetch::TooLarge { meta }) => {
                    let rejection = oversize(&meta, &LIMITS);
                    Outcome::Judged(Box::new(MinerReport::refused(
                        context,
                        &neuron.hotkey,
                        rejection,
                        (0, 0),
                    )))
                }
                Ok(Fetch::Found(file)) => {
                    let matter = Matter {
                        context: context.clone(),
                        hotkey: neuron.hotkey,
                        file,
                        deadline,
                        environment: environment.clone(),
                        sampling,
                        challenge: randomness,
                    };
                    // A panic in the court leaves this miner undecided, and the window goes on.
                    let judged = court.judge(matter).await.unwrap_or_else(|fault| {
                        tracing::error!(target: "grail::validate", miner = %neuron.hotkey.short(), fault = %fault.chain(), "the court broke off");
                        MinerReport::undecided(context, &neuron.hotkey, &fault)
                    });
                    Outcome::Judged(Box::new(judged))
                }
                Err(fault) => {
                    tracing::warn!(target: "grail::validate", miner = %neuron.hotkey.short(), fault = %fault.chain(), "miner left undecided");
                    Outcome::Judged(Box::new(MinerReport::undecided(context, &neuron.hotkey, &fault)))
                }
            };
            log_reasons(&neuron, &outcome);
            if let (Outcome::Judged(judged), Some(circumstances)) = (&outcome, &circumstances) {
                self.keep_bundle(circumstances, judged, sampling, exhibit).await;
            }
            report.miners.push(MinerEntry {
                uid: neuron.uid,
                hotkey: neuron.hotkey,
                outcome,
                sampling: more,
            });
        }
        drop(fetches);
        report.miners.sort_by_key(|entry| entry.uid);
        Ok(JudgedWindow { report, took_ms: self.clock.now().since(began) })
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
                clock.sleep_until(clock.now().plus(AFTER_FAULT_MS)).await;
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

fn log_reasons(neuron: &Neuron, outcome: &Outcome) {
    let Outcome::Judged(report) = outcome else { return };
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
        let mut codes = std::collections::BTreeMap::<&str, u64>::new();
        for entry in &self.report.miners {
            if let Outcome::Judged(report) = &entry.outcome {
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
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        tracing::info!(
            target: "grail::validate",
            event = "judged", window = self.report.window.0, files, accepted, refused, undecided,
            "window {} {}: {files} of {} miners with a file, {accepted} rollouts accepted, {refused} refused{reasons}, \
             {undecided} undecided, {:.1} s",
            self.report.window, short(&self.report.env), self.report.miners.len(), self.took_ms as f64 / 1e3
        );
    }
}
