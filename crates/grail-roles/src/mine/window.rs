//! One window, from its first group to the uploaded file.

use super::{
    Miner,
    answer::AnsweredGroup,
    outcome::{MinedWindow, TooSlow, Upload},
};
use crate::{court::Matter, patience::FIRST_PAUSE_MS, work::blocking};
use bytes::Bytes;
use grail_artifact::{
    keys::ShelfKey,
    limits::LIMITS,
    window::{RolloutRecord, VERSION, WindowFile, WindowHeader},
};
use grail_env::Environment;
use grail_ports::{
    Door, Fault, Retry,
    shelf::{Fetched, ObjectMeta},
};
use grail_protocol::{
    seed::WindowContext,
    words::{GroupIndex, UnixMillis},
};
use grail_verify::{MinerReport, Sampling};
use std::sync::{Arc, atomic::Ordering};

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
        let environment = match self.environments.get(&context.env) {
            Ok(environment) => environment,
            Err(fault) => {
                return Ok(MinedWindow::without_file(context, Upload::LeftOut { why: fault.chain() }));
            }
        };
        let began = self.clock.now();
        let mut answered: Vec<AnsweredGroup> = Vec::new();
        let most = self.settings.max_groups.unwrap_or(LIMITS.groups).min(LIMITS.groups);
        for group in (0..most).map(GroupIndex) {
            if !answered.is_empty() && !self.fits(self.clock.now(), deadline) {
                break;
            }
            let posed = match self.pose(context, &environment, group) {
                Ok(Ok(posed)) => posed,
                // A file has its groups without gaps, so the window ends before the first that cannot be answered.
                Ok(Err(why)) if answered.is_empty() => {
                    return Ok(MinedWindow::without_file(context, Upload::LeftOut { why }));
                }
                Ok(Err(why)) => {
                    tracing::warn!(target: "grail::mine", group = group.0, "group {group} cannot be answered by anybody ({why}); uploading those before it");
                    break;
                }
                Err(fault) if answered.is_empty() => return Err(fault),
                Err(fault) => {
                    give_up(group, &fault);
                    break;
                }
            };
            let group_began = self.clock.now();
            // A group that takes longer than any before it must not take the upload of the others with it.
            let until = UnixMillis(deadline.0.saturating_sub(self.delivery_ms()));
            let drawn = Arc::default();
            match self.answer_group(context, posed, until, &drawn).await {
                Ok(done) => {
                    self.group_time.learn(self.clock.now().since(group_began));
                    tracing::debug!(
                        target: "grail::mine",
                        group = group.0, tokens = done.tokens, successes = done.successes, "group answered"
                    );
                    answered.push(done);
                }
                Err(fault) if answered.is_empty() => {
                    let now = self.clock.now();
                    if fault.retry != Retry::Later || now <= until {
                        return Err(fault);
                    }
                    let slow = TooSlow {
                        had_ms: now.since(group_began),
                        drawn: drawn.load(Ordering::Relaxed),
                        most: u64::from(context.params.rollouts_per_problem)
                            * u64::from(context.max_new_tokens),
                    };
                    return Ok(MinedWindow::without_file(context, Upload::TooSlow(slow)));
                }
                Err(fault) => {
                    give_up(group, &fault);
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
            rollouts: records.len(),
            successes,
            mean_reward: rewards / records.len().max(1) as f64,
            tokens,
            answering_ms,
            ..MinedWindow::without_file(context, Upload::Empty)
        };
        if records.is_empty() {
            return Ok(mined);
        }
        let began = self.clock.now();
        let (groups, body) = self.seal(context, records, deadline).await?;
        mined.groups = groups;
        let sealing_ms = self.clock.now().since(began);
        mined.self_check = self.look_at(context, environment, body.clone(), deadline).await;
        if mined.self_check.as_ref().is_some_and(|report| report.rejections().next().is_some()) {
            mined.upload = Upload::KeptBack;
            return Ok(mined);
        }
        let began = self.clock.now();
        let key = self.key(context.window);
        let meta = self.put(&key, body, deadline).await?;
        self.uploads.learn(sealing_ms.saturating_add(self.clock.now().since(began)));
        let margin_ms = deadline.0 as i64 - meta.stored_at.0 as i64;
        mined.upload = Upload::Stored { meta, margin_ms };
        Ok(mined)
    }

    /// The signed file, encoded, with the number of its groups. A signer may be slow, and files are large: it is done beside
    /// the loop.
    async fn seal(
        &mut self,
        context: &WindowContext,
        records: Vec<RolloutRecord>,
        deadline: UnixMillis,
    ) -> Result<(u32, Bytes), Fault> {
        loop {
            let again_at = self.clock.now().plus(FIRST_PAUSE_MS);
            match self.seal_once(context, records.clone()).await {
                // A signer that is away must not cost the groups that are finished.
                Err(fault) if fault.retry == Retry::Later && again_at < deadline => {
                    self.grumble("could not seal the window file; trying again", &fault);
                    self.clock.sleep_until(again_at).await;
                }
                done => return done,
            }
        }
    }

    /// Says what goes wrong, once a minute.
    fn grumble(&mut self, what: &'static str, fault: &Fault) {
        if self.teller.is_due(what, self.clock.now()) {
            tracing::warn!(target: "grail::mine", fault = %fault.chain(), "{what}");
        }
    }

    async fn seal_once(
        &self,
        context: &WindowContext,
        records: Vec<RolloutRecord>,
    ) -> Result<(u32, Bytes), Fault> {
        let header = WindowHeader {
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
    async fn put(&mut self, key: &ShelfKey, body: Bytes, deadline: UnixMillis) -> Result<ObjectMeta, Fault> {
        loop {
            let again_at = self.clock.now().plus(FIRST_PAUSE_MS);
            match self.shelf.put(key, body.clone()).await {
                // Whatever the store says: the file is worth nothing after the deadline, and all it can be before.
                Err(fault) if again_at < deadline => {
                    self.grumble("could not upload; trying again", &fault);
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
            goes_on: Arc::new(|| true),
            challenge,
        };
        let report = court.judge(matter).await?;
        self.check_time.learn(self.clock.now().since(began));
        Ok(Some(report))
    }
}

fn give_up(group: GroupIndex, fault: &Fault) {
    tracing::warn!(target: "grail::mine", group = group.0, fault = %fault.chain(), "group given up; uploading those before it");
}
