//! One window, from its first group to the uploaded file.

use super::{AFTER_FAULT_MS, Miner, answer::AnsweredGroup};
use crate::{court::Matter, environments::short, work::blocking};
use bytes::Bytes;
use grail_artifact::{
    keys::ShelfKey,
    limits::LIMITS,
    window::{Header, RolloutRecord, VERSION, WindowFile},
};
use grail_env::Environment;
use grail_ports::{
    Door, Fault, Retry,
    shelf::{Fetched, ObjectMeta},
};
use grail_protocol::{
    seed::WindowContext,
    words::{EnvId, GroupIndex, UnixMillis, WindowStart},
};
use grail_verify::{MinerReport, Sampling};
use std::sync::Arc;

/// What came of a window.
#[derive(Debug)]
pub struct MinedWindow {
    /// Which window.
    pub window: WindowStart,
    /// What its environment was.
    pub env: EnvId,
    /// Groups in the file.
    pub groups: u32,
    /// Rollouts in the file.
    pub rollouts: usize,
    /// Rollouts whose answer is right.
    pub successes: usize,
    /// Mean reward of the file's rollouts; 0 for none.
    pub mean_reward: f64,
    /// Completion tokens.
    pub tokens: u64,
    /// Milliseconds spent answering.
    pub answering_ms: u64,
    /// What the validator's own code says of the file, where it was asked.
    pub self_check: Option<MinerReport>,
    /// What happened to the file.
    pub upload: Upload,
}

/// What happened to a window's file.
#[derive(Debug)]
pub enum Upload {
    /// It lies on the shelf.
    Stored {
        /// What the store says of it.
        meta: ObjectMeta,
        /// Milliseconds between its time and the deadline; negative when it is late.
        margin_ms: i64,
    },
    /// The own check found something against it, so it was kept back.
    KeptBack,
    /// No group was finished in time.
    Empty,
}

impl Miner {
    /// Mines a window: groups as long as another one fits, then check and upload.
    ///
    /// A fault while answering ends the answering, not the window: finished groups are uploaded. Errors: the fault,
    /// when there is nothing to upload.
    pub(super) async fn mine(
        &mut self,
        context: &WindowContext,
        deadline: UnixMillis,
    ) -> Result<MinedWindow, Fault> {
        let environment = self.environments.get(&context.env)?;
        let began = self.clock.now();
        let mut answered: Vec<AnsweredGroup> = Vec::new();
        let most = self.settings.max_groups.unwrap_or(LIMITS.groups).min(LIMITS.groups);
        for group in (0..most).map(GroupIndex) {
            if !answered.is_empty() && !self.fits(self.clock.now(), deadline) {
                break;
            }
            let group_began = self.clock.now();
            // A group that takes longer than any before it must not take the upload of the others with it.
            let until = UnixMillis(deadline.0.saturating_sub(self.delivery_ms()));
            match self.answer_group(context, &environment, group, until).await {
                Ok(done) => {
                    self.group_time.learn(self.clock.now().since(group_began));
                    tracing::debug!(
                        target: "grail::mine",
                        group = group.0, tokens = done.tokens, successes = done.successes, "group answered"
                    );
                    answered.push(done);
                }
                Err(fault) if answered.is_empty() => return Err(fault),
                Err(fault) => {
                    tracing::warn!(target: "grail::mine", group = group.0, fault = %fault.chain(), "group given up; uploading those before it");
                    break;
                }
            }
        }
        let answering_ms = self.clock.now().since(began);
        self.deliver(context, &environment, answered, answering_ms, deadline).await
    }

    async fn deliver(
        &mut self,
        context: &WindowContext,
        environment: &Arc<Environment>,
        answered: Vec<AnsweredGroup>,
        answering_ms: u64,
        deadline: UnixMillis,
    ) -> Result<MinedWindow, Fault> {
        let successes = answered.iter().map(|group| group.successes).sum();
        let tokens = answered.iter().map(|group| group.tokens).sum();
        let records: Vec<RolloutRecord> = answered.into_iter().flat_map(|group| group.records).collect();
        let rewards: f64 = records.iter().map(|record| f64::from(record.reward)).sum();
        let mut mined = MinedWindow {
            window: context.window,
            env: context.env.clone(),
            groups: 0,
            rollouts: records.len(),
            successes,
            mean_reward: rewards / records.len().max(1) as f64,
            tokens,
            answering_ms,
            self_check: None,
            upload: Upload::Empty,
        };
        if records.is_empty() {
            return Ok(mined);
        }
        let began = self.clock.now();
        let (groups, body) = self.seal(context, records).await?;
        mined.groups = groups;
        let sealing_ms = self.clock.now().since(began);
        mined.self_check = self.look_at(context, environment, body.clone(), deadline).await;
        if mined.self_check.as_ref().is_some_and(|report| report.rejections().next().is_some()) {
            mined.upload = Upload::KeptBack;
            return Ok(mined);
        }
        let began = self.clock.now();
        let meta = self.put(&self.key(context.window), body, deadline).await?;
        self.uploads.learn(sealing_ms.saturating_add(self.clock.now().since(began)));
        let margin_ms = deadline.0 as i64 - meta.stored_at.0 as i64;
        mined.upload = Upload::Stored { meta, margin_ms };
        Ok(mined)
    }

    /// The signed file, encoded, with the number of its groups. A signer may be slow, and files are large: it is done beside
    /// the loop.
    async fn seal(
        &self,
        context: &WindowContext,
        records: Vec<RolloutRecord>,
    ) -> Result<(u32, Bytes), Fault> {
        let header = Header {
            version: VERSION,
            network: context.network.clone(),
            window: context.window,
            hotkey: self.hotkey(),
            checkpoint: context.checkpoint,
            env: context.env.clone(),
            randomness: context.randomness.clone(),
            numeric: context.numeric,
            generator: self.settings.program.clone(),
        };
        let (signer, codec) = (Arc::clone(&self.signer), Arc::clone(&self.codec));
        blocking("seal the window file", move |_| {
            let file = WindowFile::seal_with(header, records, |statement| signer.sign(statement))?;
            let bytes = codec.encode(&file).map_err(|detail| {
                Fault::plain(Door::Inside, Retry::Never, format!("encode the window file: {detail}"))
            })?;
            Ok((file.groups, Bytes::from(bytes)))
        })
        .await
    }

    /// Stores the file, again and again while there is time: a shelf that stumbles must not cost a window of work.
    async fn put(&self, key: &ShelfKey, body: Bytes, deadline: UnixMillis) -> Result<ObjectMeta, Fault> {
        loop {
            let again_at = self.clock.now().plus(AFTER_FAULT_MS);
            match self.shelf.put(key, body.clone()).await {
                Err(fault) if fault.retry == Retry::Later && again_at < deadline => {
                    tracing::warn!(target: "grail::mine", fault = %fault.chain(), "could not upload; trying again");
                    self.clock.sleep_until(again_at).await;
                }
                done => return done,
            }
        }
    }

    /// The own check, where it fits before the deadline; a check that breaks off says nothing against the file.
    async fn look_at(
        &mut self,
        context: &WindowContext,
        environment: &Arc<Environment>,
        body: Bytes,
        deadline: UnixMillis,
    ) -> Option<MinerReport> {
        let looks = self.desk.held().is_ok_and(|held| held.court.is_some());
        if looks && self.clock.now().plus(self.delivery_ms()) > deadline {
            tracing::warn!(target: "grail::mine", window = context.window.0, "no time left to check the own file; it is uploaded unseen");
            return None;
        }
        self.self_check(context, environment, body, deadline).await.unwrap_or_else(|fault| {
            tracing::error!(target: "grail::mine", fault = %fault.chain(), "could not check the own file; it is uploaded unseen");
            None
        })
    }

    /// The validator's corridor over the own file. All of its form is checked; the model is asked about as many
    /// groups as the operator grants time for.
    async fn self_check(
        &mut self,
        context: &WindowContext,
        environment: &Arc<Environment>,
        body: Bytes,
        deadline: UnixMillis,
    ) -> Result<Option<MinerReport>, Fault> {
        let Some(court) = self.desk.held()?.court.clone() else { return Ok(None) };
        let began = self.clock.now();
        let groups = self.settings.self_check_groups;
        // Nobody's challenge: which groups are looked at again matters to the miner alone.
        let mut challenge = [0; 32];
        getrandom::fill(&mut challenge).map_err(|error| {
            Fault::plain(Door::Inside, Retry::Later, format!("draw the groups to check: {error}"))
        })?;
        let meta = ObjectMeta { size: body.len() as u64, stored_at: began, tag: None };
        let matter = Matter {
            context: context.clone(),
            hotkey: self.hotkey(),
            file: Fetched { body, meta },
            deadline,
            environment: environment.clone(),
            sampling: Sampling { all_up_to: groups, share_percent: 0, min: groups, max: groups },
            challenge,
        };
        let report = court.judge(matter).await?;
        self.check_time.learn(self.clock.now().since(began));
        Ok(Some(report))
    }
}

impl MinedWindow {
    /// The one line about a window that an operator reads, and the reasons when something is wrong.
    pub fn log(&self) {
        let rate =
            if self.answering_ms == 0 { 0.0 } else { self.tokens as f64 * 1e3 / self.answering_ms as f64 };
        let summary = format!(
            "window {} {}: {} groups, {} rollouts, {} right, mean reward {:.3}, {} tokens at {:.0}/s",
            self.window,
            short(&self.env),
            self.groups,
            self.rollouts,
            self.successes,
            self.mean_reward,
            self.tokens,
            rate
        );
        match &self.upload {
            Upload::Stored { meta, margin_ms } => tracing::info!(
                target: "grail::mine",
                event = "uploaded", window = self.window.0, rollouts = self.rollouts, right = self.successes,
                mean_reward = self.mean_reward, tokens_per_second = rate, bytes = meta.size, margin_ms,
                "{summary}; uploaded {} bytes, {:.1} s before the deadline", meta.size, *margin_ms as f64 / 1e3
            ),
            Upload::KeptBack => tracing::error!(
                target: "grail::mine", event = "kept-back", window = self.window.0,
                "{summary}; NOT uploaded: the validator would refuse it"
            ),
            Upload::Empty => tracing::warn!(
                target: "grail::mine", event = "empty", window = self.window.0,
                "{summary}; nothing to upload"
            ),
        }
        for (place, rejection) in self.self_check.iter().flat_map(MinerReport::rejections).take(8) {
            let place = place.map(|(group, rollout)| format!("group {group} rollout {rollout}"));
            tracing::error!(
                target: "grail::mine", code = rejection.code(), place = place.as_deref().unwrap_or("file"),
                "{}", rejection.explain()
            );
        }
    }
}
