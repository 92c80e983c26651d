//! From a window on the shelf to lessons: signed verdicts, then the very files that they speak of.

use super::{Trainer, WindowRecord, journal::UsedFile};
use crate::work::blocking;
use grail_artifact::{
    keys::{VerdictKey, WindowKey},
    limits::LIMITS,
    verdict::{ExpectedWindow, FileVerdict, GroupVerdict, REWARD_UNIT, VERDICT_BYTES, VerdictFile},
    window::RolloutRecord,
};
use grail_env::Environment;
use grail_ports::{
    Door, Fault, Retry,
    learn::{Lesson, LessonRollout},
    model::{Tokenize, prompt_of},
    shelf::{Fetch, Fetched},
};
use grail_protocol::{
    logprob,
    seed::WindowContext,
    words::{CheckpointId, GroupIndex, Hotkey, NetworkId, UnixMillis, WindowStart},
};
use grail_verify::{Rejection, arrive};
use std::{collections::BTreeMap, sync::Arc};

/// What a window has to teach.
#[derive(Debug)]
pub(super) struct Lessons {
    pub(super) validator: Option<Hotkey>,
    pub(super) lessons: Vec<Lesson>,
    pub(super) files: Vec<UsedFile>,
    /// Files with accepted groups that could not be used, and why.
    pub(super) passed_over: Vec<(Hotkey, String)>,
}

impl Lessons {
    /// Of a window that nobody judged.
    pub(super) const fn none() -> Self {
        Self { validator: None, lessons: Vec::new(), files: Vec::new(), passed_over: Vec::new() }
    }

    /// The record of the window, before it is studied.
    pub(super) fn record(&self, network: &NetworkId, window: WindowStart) -> WindowRecord {
        let rollouts = || self.lessons.iter().flat_map(|lesson| &lesson.rollouts);
        let count = rollouts().count();
        let mean = |sum: f64| (count > 0).then(|| sum / count as f64);
        let right = rollouts().filter(|rollout| rollout.right).count();
        let tokens = rollouts().map(|rollout| rollout.tokens.len() as u64).sum();
        let passed_over = self.passed_over.iter().map(|(hotkey, why)| (hotkey.to_string(), why.clone()));
        WindowRecord {
            network: network.clone(),
            window,
            validator: self.validator,
            files: self.files.len(),
            groups: self.lessons.len(),
            rollouts: count,
            tokens,
            mean_reward: mean(rollouts().map(|rollout| rollout.reward).sum()),
            pass_rate: mean(right as f64),
            passed_over: passed_over.collect(),
            ..WindowRecord::empty(network.clone(), window)
        }
    }
}

/// What it takes to make lessons of a file.
struct Desk {
    context: WindowContext,
    environment: Arc<Environment>,
    tokenizer: Arc<dyn Tokenize>,
    checkpoint: u64,
}

impl Trainer {
    /// The lessons of a window that is over, or `None` while no trusted validator has published verdicts on it.
    ///
    /// Errors: shelf or chain out of reach.
    pub(super) async fn lessons(&self, window: WindowStart) -> Result<Option<Lessons>, Fault> {
        for validator in self.validators().await? {
            let Some(bytes) = self.verdict_bytes(&validator, window).await? else { continue };
            match self.read_verdict(&bytes, &validator, window).await? {
                Ok((verdict, context)) => return self.gather(validator, verdict, context).await.map(Some),
                Err(why) => {
                    tracing::warn!(target: "grail::train", validator = %validator.short(), window = window.0, "verdicts are not used: {why}");
                }
            }
        }
        Ok(None)
    }

    /// Whom to ask for verdicts, in order.
    async fn validators(&self) -> Result<Vec<Hotkey>, Fault> {
        if !self.settings.validators.is_empty() {
            return Ok(self.settings.validators.clone());
        }
        let metagraph = self.sources.chain.metagraph().await?;
        let permitted = metagraph.neurons.iter().filter(|neuron| neuron.validator_permit);
        let largest = permitted.max_by(|a, b| a.stake.total_cmp(&b.stake).then(b.uid.cmp(&a.uid)));
        Ok(largest.map(|neuron| neuron.hotkey).into_iter().collect())
    }

    async fn verdict_bytes(
        &self,
        validator: &Hotkey,
        window: WindowStart,
    ) -> Result<Option<bytes::Bytes>, Fault> {
        let Some(shelf) = self.directory.shelf_of(validator).await? else { return Ok(None) };
        let key = VerdictKey { validator: *validator, window }.into();
        match shelf.fetch(&key, VERDICT_BYTES).await? {
            Fetch::Absent => Ok(None),
            Fetch::Found(found) => Ok(Some(found.body)),
            Fetch::TooLarge { meta } => {
                tracing::warn!(target: "grail::train", validator = %validator.short(), window = window.0, bytes = meta.size, "verdicts are not read: too large");
                Ok(None)
            }
        }
    }

    /// Checks a verdict file, and derives the window that it is about. `Ok(Err)`: why it is not used.
    async fn read_verdict(
        &self,
        bytes: &[u8],
        validator: &Hotkey,
        window: WindowStart,
    ) -> Result<Result<(VerdictFile, WindowContext), String>, Fault> {
        let said = match serde_json::from_slice::<OfCheckpoint>(bytes) {
            Ok(said) => said.checkpoint,
            Err(error) => return Ok(Err(format!("they cannot be read: {error}"))),
        };
        let Some(manifest) = self.manifests.get(&said) else {
            return Ok(Err(format!("they are about checkpoint {said}, which is none of ours")));
        };
        let context = self.sources.window(manifest, window).await?.ok_or_else(|| {
            Fault::plain(Door::Chain, Retry::Later, format!("derive window {window}, which is over"))
        })?;
        let expected = ExpectedWindow {
            network: &context.network,
            window,
            checkpoint: said,
            env: &context.env,
            validator,
            rollouts_per_group: context.params.rollouts_per_problem,
        };
        Ok(VerdictFile::verify(bytes, &expected)
            .map(|verdict| (verdict, context.clone()))
            .map_err(|error| error.to_string()))
    }

    async fn gather(
        &self,
        validator: Hotkey,
        verdict: VerdictFile,
        context: WindowContext,
    ) -> Result<Lessons, Fault> {
        let checkpoint = self.manifests.get(&verdict.checkpoint).map_or(0, |manifest| manifest.sequence);
        let environment = self.environments.get(&context.env)?;
        let desk = Arc::new(Desk { context, environment, tokenizer: self.tokenizer.clone(), checkpoint });
        let mut all = Lessons { validator: Some(validator), ..Lessons::none() };
        for file in verdict.files {
            let (Some(root), false) = (file.root, file.groups.is_empty()) else { continue };
            let hotkey = file.hotkey;
            match self.lessons_of(&desk, file).await? {
                Ok(lessons) => {
                    all.files.push(UsedFile { window: desk.context.window, hotkey, root });
                    all.lessons.extend(lessons);
                }
                Err(why) => {
                    tracing::warn!(target: "grail::train", miner = %hotkey.short(), window = desk.context.window.0, "a judged file is not used: {why}");
                    all.passed_over.push((hotkey, why));
                }
            }
        }
        Ok(all)
    }

    /// The accepted groups of one file. `Ok(Err)`: what lies there is not what was judged.
    async fn lessons_of(
        &self,
        desk: &Arc<Desk>,
        file: FileVerdict,
    ) -> Result<Result<Vec<Lesson>, String>, Fault> {
        let Some(shelf) = self.directory.shelf_of(&file.hotkey).await? else {
            return Ok(Err("its miner names no shelf any more".into()));
        };
        let (hotkey, window) = (file.hotkey, desk.context.window);
        let key = WindowKey { hotkey, window, encoding: self.codec.encoding() }.into();
        let fetched = match shelf.fetch(&key, LIMITS.file_bytes).await? {
            Fetch::Found(fetched) => fetched,
            Fetch::Absent => return Ok(Err("it is gone from the shelf".into())),
            Fetch::TooLarge { meta } => return Ok(Err(format!("it has grown to {} bytes", meta.size))),
        };
        let (desk, codec, vocabulary) = (Arc::clone(desk), Arc::clone(&self.codec), self.card.vocabulary);
        let context_length = self.card.context_length;
        blocking("read a window file", move |_| {
            match groups_of(fetched, &desk.context, &file, codec.as_ref(), vocabulary) {
                Ok(groups) => desk.lessons(&file, groups, context_length).map(Ok),
                Err(why) => Ok(Err(why)),
            }
        })
        .await
    }
}

/// The checkpoint that a verdict file names, read before the rest since it decides what the rest is held against.
#[derive(serde::Deserialize)]
struct OfCheckpoint {
    checkpoint: CheckpointId,
}

/// The groups of the file that was judged, by number; or why this is another file.
fn groups_of(
    fetched: Fetched,
    context: &WindowContext,
    file: &FileVerdict,
    codec: &dyn grail_artifact::window::WindowCodec,
    vocabulary: u32,
) -> Result<BTreeMap<GroupIndex, Vec<RolloutRecord>>, String> {
    // Whether it came in time was the court's question, and it is answered.
    let sealed = arrive(fetched, UnixMillis(u64::MAX))
        .and_then(|arrived| arrived.decode(codec, &LIMITS))
        .and_then(|decoded| decoded.seal(context, &file.hotkey, vocabulary))
        .map_err(|rejection: Rejection| rejection.explain())?;
    if file.root != Some(sealed.root()) {
        return Err(format!("it was replaced: its root is {:?}, judged was {:?}", sealed.root(), file.root));
    }
    Ok(sealed.into_groups().collect())
}

impl Desk {
    fn lessons(
        &self,
        file: &FileVerdict,
        mut groups: BTreeMap<GroupIndex, Vec<RolloutRecord>>,
        context_length: u32,
    ) -> Result<Vec<Lesson>, Fault> {
        let mut lessons = Vec::with_capacity(file.groups.len());
        for verdict in &file.groups {
            // A root stands for exactly these groups, so a verdict on another one is its validator's mistake.
            let Some(records) = groups.remove(&verdict.group) else { continue };
            let seed = self.context.seed().problem(&file.hotkey, verdict.group);
            let problem = self.environment.generate(&seed).map_err(|error| {
                Fault::new(Door::Inside, Retry::Never, "set a problem from its seed", error)
            })?;
            let prompt = prompt_of(&problem, self.tokenizer.as_ref())?;
            let longest = records.iter().map(|record| record.tokens.len()).max().unwrap_or(0);
            if prompt.len() + longest > context_length as usize {
                continue;
            }
            lessons.push(Lesson {
                hotkey: file.hotkey,
                window: self.context.window,
                group: verdict.group,
                checkpoint: self.checkpoint,
                prompt,
                rollouts: rollouts(records, verdict),
            });
        }
        Ok(lessons)
    }
}

/// The miner's tokens and log-probabilities with the court's rewards.
fn rollouts(records: Vec<RolloutRecord>, verdict: &GroupVerdict) -> Vec<LessonRollout> {
    let judged = verdict.rewards.iter().zip(&verdict.right);
    let lesson = |(record, (reward, right)): (RolloutRecord, (&u32, &bool))| LessonRollout {
        tokens: record.tokens,
        logprobs: record.logprobs.into_iter().map(logprob::dequantise).collect(),
        reward: f64::from(*reward) / f64::from(REWARD_UNIT),
        right: *right,
    };
    records.into_iter().zip(judged).map(lesson).collect()
}
