//! Answering: rows of many groups are decoded together, and leave the batch when they end.

use crate::{
    error::{LoadError, RunError},
    serve::{
        batch::{Batch, Row},
        effort::{Effort, Stopwatch},
        model::{Engine, Model},
        network::Finals,
        pick::{Forced, Pick, PickPlace},
        readout::RowJob,
    },
};
use grail_ports::{
    Fault,
    model::{Answer, GenerationProgress, GenerationRule, Generator, GroupRequest, ModelCard},
};
use grail_protocol::{sketch::sketch, words::TokenId};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Most rows decoded at once.
const MOST_ROWS: usize = 4_096;

/// A generator on a loaded model.
///
/// Memory beyond the weights: for each group at work its prompt's keys and values, for each row of the batch those of
/// its completion, see the module `cache`; and 128 rows of logits.
#[derive(Debug)]
pub struct TorchGenerator {
    model: Model,
    batch_rows: usize,
    pick: Arc<dyn Pick>,
    effort: Effort,
    #[cfg(test)]
    pub(crate) fail_above: Option<usize>,
}

impl TorchGenerator {
    /// A generator that decodes up to `batch_rows` rows at once: a power of two, at most 4,096.
    ///
    /// When memory runs out the number is halved for good, see [`Effort::halvings`].
    ///
    /// Errors: [`LoadError::Option`] for another number.
    pub fn new(model: Model, batch_rows: usize) -> Result<Self, LoadError> {
        Self::picking(model, batch_rows, Arc::new(Forced))
    }

    /// A generator whose tokens somebody else picks: for a laboratory that tells lies on purpose.
    ///
    /// Errors: those of [`TorchGenerator::new`].
    pub fn picking(model: Model, batch_rows: usize, pick: Arc<dyn Pick>) -> Result<Self, LoadError> {
        if !batch_rows.is_power_of_two() || batch_rows > MOST_ROWS {
            let problem = format!("is {batch_rows}, possible are powers of two up to {MOST_ROWS}");
            return Err(LoadError::Option { option: "batch_rows", problem });
        }
        Ok(Self {
            model,
            batch_rows,
            pick,
            effort: Effort::default(),
            #[cfg(test)]
            fail_above: None,
        })
    }

    /// Rows decoded at once; less than at first when memory ran out.
    pub const fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// Where the time of the latest generation went.
    pub const fn effort(&self) -> Effort {
        self.effort
    }
}

impl Generator for TorchGenerator {
    fn card(&self) -> &ModelCard {
        self.model.card()
    }

    fn generate(
        &mut self,
        groups: &[GroupRequest],
        rule: &GenerationRule,
        progress: &mut dyn FnMut(GenerationProgress) -> bool,
    ) -> Result<Vec<Vec<Answer>>, Fault> {
        let started = Stopwatch::start();
        self.effort = Effort::default();
        let answers =
            self.answer(groups, rule, progress).map_err(|error| error.fault("generate completions"));
        self.effort.total = started.elapsed();
        answers
    }
}

impl TorchGenerator {
    fn answer(
        &mut self,
        groups: &[GroupRequest],
        rule: &GenerationRule,
        progress: &mut dyn FnMut(GenerationProgress) -> bool,
    ) -> Result<Vec<Vec<Answer>>, RunError> {
        rule.policy.check()?;
        let cap = rule.max_new_tokens as usize;
        if cap == 0 {
            return Err(RunError::Input("no token may be drawn: the completion cap is 0".into()));
        }
        for group in groups {
            self.model.check(&group.prompt, cap)?;
        }
        let model = self.model.clone();
        let mut engine = model.engine();
        let _guard = tch::no_grad_guard();
        let mut work = Work { groups, rule, done: BTreeMap::new(), ends: &model.card().end_tokens };
        loop {
            match self.decode(&mut engine, &mut work, progress) {
                Ok(()) => return work.collect(),
                // Every draw is forced, so rows that start again draw the same tokens again.
                Err(RunError::Memory { .. } | RunError::Room { .. }) if self.batch_rows > 1 => {
                    self.batch_rows /= 2;
                    self.effort.halvings += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Decodes all rows that are not done yet.
    fn decode(
        &mut self,
        engine: &mut Engine,
        work: &mut Work<'_>,
        progress: &mut dyn FnMut(GenerationProgress) -> bool,
    ) -> Result<(), RunError> {
        let mut queue = work.waiting();
        let mut batch = Batch::new(&engine.network, self.batch_rows.min(queue.len()))?;
        loop {
            self.join(engine, work, &mut batch, &mut queue)?;
            if batch.rows().is_empty() {
                return Ok(());
            }
            #[cfg(test)]
            self.fail_on_purpose(batch.rows().len())?;
            let clock = Stopwatch::start();
            let states =
                batch.step(&mut engine.network, &mut engine.crew, work.rule.max_new_tokens as usize)?;
            self.effort.model += clock.elapsed();
            self.effort.steps += 1;
            let jobs: Vec<RowJob<usize>> =
                (0..batch.rows().len()).map(|row| RowJob { row, job: row }).collect();
            self.draw(engine, work, &states, &jobs, batch.rows_mut())?;
            batch.remove_ended()?.into_iter().for_each(|row| work.finish(row));
            batch.close_idle(queue.front().map(|(group, _)| *group));
            let live_rows = u32::try_from(batch.rows().len()).unwrap_or(u32::MAX);
            if !progress(GenerationProgress { tokens: self.effort.tokens, live_rows }) {
                return Err(RunError::Stopped);
            }
        }
    }

    /// Fills the free places of the batch from the queue, reading the prompts of groups that begin, until the batch
    /// is full or the queue empty.
    fn join(
        &mut self,
        engine: &mut Engine,
        work: &mut Work<'_>,
        batch: &mut Batch,
        queue: &mut VecDeque<(usize, usize)>,
    ) -> Result<(), RunError> {
        while batch.free() > 0
            && let Some((group, _)) = queue.front().copied()
        {
            let request = work.groups.get(group).ok_or(RunError::Inside("a group that was not asked for"))?;
            let state = match batch.first_state(group) {
                Some(state) => state,
                None => {
                    let clock = Stopwatch::start();
                    let (prefix, state) = engine.network.prefill(&mut engine.crew, &request.prompt)?;
                    batch.open(group, request.prompt.len(), prefix, state.again());
                    self.effort.model += clock.elapsed();
                    state
                }
            };
            let waiting = queue.iter().take_while(|(next, _)| *next == group).count();
            let mut rows = Vec::new();
            for (_, rollout) in queue.drain(..waiting.min(batch.free())) {
                let keys = request.rollouts.get(rollout).ok_or(RunError::Inside("a rollout without keys"))?;
                rows.push(Row::new(group, rollout, *keys));
            }
            let jobs: Vec<RowJob<usize>> = (0..rows.len()).map(|job| RowJob { row: 0, job }).collect();
            self.draw(engine, work, &state, &jobs, &mut rows)?;
            let (ended, live): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.ended);
            ended.into_iter().for_each(|row| work.finish(row));
            batch.append(live);
            batch.close_idle(queue.front().map(|(group, _)| *group));
        }
        Ok(())
    }

    /// Draws one token for each of `rows` and keeps its proof. Each job names a state and the row it extends.
    fn draw(
        &mut self,
        engine: &mut Engine,
        work: &Work<'_>,
        states: &Finals,
        jobs: &[RowJob<usize>],
        rows: &mut [Row],
    ) -> Result<(), RunError> {
        let row = |index: usize| rows.get(index).ok_or(RunError::Inside("a row that is not there"));
        let (policy, pick) = (&work.rule.policy, self.pick.as_ref());
        let clock = Stopwatch::start();
        let drawn = engine.with_logits(states, jobs, |sampler, logits, index| {
            let row = row(*index)?;
            let place = PickPlace {
                group: row.group,
                rollout: row.rollout,
                key: &row.keys.draw,
                drawn: &row.answer.tokens,
            };
            Ok(pick.pick(sampler, logits, policy, &place)?)
        })?;
        let drawing = engine.take_row_time();
        self.effort.draw += drawing;
        self.effort.model += clock.elapsed().saturating_sub(drawing);

        let clock = Stopwatch::start();
        let hidden = &states.rows;
        let sketches = engine.spread(jobs, |_, job| {
            let row = row(job.job)?;
            Ok(sketch(hidden.row(job.row)?, &row.keys.sketch, row.drawn())?)
        })?;
        self.effort.proof += clock.elapsed();
        self.effort.tokens += drawn.len() as u64;
        for ((job, drawn), sketch) in jobs.iter().zip(drawn).zip(sketches) {
            if let Some(row) = rows.get_mut(job.job) {
                row.push(drawn, sketch, work.ends, work.rule.max_new_tokens);
            }
        }
        Ok(())
    }

    #[cfg(test)]
    fn fail_on_purpose(&self, rows: usize) -> Result<(), RunError> {
        match self.fail_above {
            Some(most) if rows > most => {
                let source = tch::TchError::Torch("not enough memory".into());
                Err(RunError::Memory { op: "test", shapes: String::new(), source })
            }
            _ => Ok(()),
        }
    }
}

/// What is asked, and what is answered so far.
struct Work<'a> {
    groups: &'a [GroupRequest],
    rule: &'a GenerationRule,
    ends: &'a [TokenId],
    /// By group and rollout.
    done: BTreeMap<(usize, usize), Answer>,
}

impl Work<'_> {
    /// Rollouts without an answer, in order.
    fn waiting(&self) -> VecDeque<(usize, usize)> {
        let all = self.groups.iter().enumerate();
        let all =
            all.flat_map(|(group, asked)| (0..asked.rollouts.len()).map(move |rollout| (group, rollout)));
        all.filter(|place| !self.done.contains_key(place)).collect()
    }

    fn finish(&mut self, row: Row) {
        self.done.insert((row.group, row.rollout), row.answer);
    }

    fn collect(mut self) -> Result<Vec<Vec<Answer>>, RunError> {
        let mut take =
            |place| self.done.remove(&place).ok_or(RunError::Inside("a rollout without an answer"));
        let groups = self.groups.iter().enumerate();
        groups
            .map(|(group, asked)| (0..asked.rollouts.len()).map(|rollout| take((group, rollout))).collect())
            .collect()
    }
}
