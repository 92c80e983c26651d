//! Answering one group.

use super::Miner;
use crate::work::{Wanted, blocking, held as locked};
use grail_artifact::window::RolloutRecord;
use grail_env::{Environment, Problem};
use grail_ports::{
    Door, Fault, Retry,
    model::{Answer, GenerationRule, GroupRequest, RolloutKeys, outcome_of, prompt_of, room},
};
use grail_protocol::{
    logprob,
    seed::WindowContext,
    words::{GroupIndex, RolloutIndex, UnixMillis},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A group answered and judged by its environment.
#[derive(Debug)]
pub(super) struct AnsweredGroup {
    pub(super) records: Vec<RolloutRecord>,
    pub(super) successes: usize,
    pub(super) tokens: u64,
}

/// A problem with its prompt, which has room in the model's context.
pub(super) struct Posed {
    group: GroupIndex,
    problem: Problem,
    request: GroupRequest,
}

impl Miner {
    /// Poses the problem of `group`. `Ok(Err)`: nobody can answer it, with why: a prompt that is too long, a problem that
    /// the environment or the model's template cannot put into words.
    pub(super) fn pose(
        &self,
        context: &WindowContext,
        environment: &Environment,
        group: GroupIndex,
    ) -> Result<Result<Posed, String>, Fault> {
        let held = self.desk.held()?;
        let seed = context.seed().problem(&self.hotkey(), group);
        let problem = match environment.generate(&seed) {
            Ok(problem) => problem,
            Err(error) => return Ok(Err(format!("its problem cannot be set: {error}"))),
        };
        let prompt = match prompt_of(&problem, held.tokenizer.as_ref()) {
            Ok(prompt) => prompt,
            Err(fault) if fault.retry == Retry::Later => return Err(fault),
            Err(fault) => return Ok(Err(fault.chain())),
        };
        let generator = held.generator.clone().ok_or_else(without_generator)?;
        let (positions, vocabulary) = {
            let generator = locked(&generator);
            (generator.card().context_length, generator.card().vocabulary)
        };
        if let Err(no_room) = room(prompt.len(), context.max_new_tokens, positions) {
            return Ok(Err(no_room.to_string()));
        }
        if let Some(token) = prompt.iter().find(|token| **token >= vocabulary) {
            return Ok(Err(format!("its prompt has token {token}, the model knows {vocabulary}")));
        }
        let rollouts = (0..context.params.rollouts_per_problem).map(RolloutIndex);
        let rollouts = rollouts
            .map(|rollout| RolloutKeys { draw: seed.draw_key(rollout), sketch: seed.sketch_key(rollout) })
            .collect();
        Ok(Ok(Posed { group, problem, request: GroupRequest { prompt, rollouts } }))
    }

    /// Has a problem answered until that moment, and judges the answers. `drawn` counts the tokens so far.
    pub(super) async fn answer_group(
        &mut self,
        context: &WindowContext,
        Posed { group, problem, request }: Posed,
        until: UnixMillis,
        drawn: &Arc<AtomicU64>,
    ) -> Result<AnsweredGroup, Fault> {
        let inside = |doing: String| Fault::plain(Door::Inside, Retry::Never, doing);
        let tokenizer = Arc::clone(&self.desk.held()?.tokenizer);
        let rule = GenerationRule { policy: context.policy, max_new_tokens: context.max_new_tokens };

        let answers = self.generate(request, rule, group, until, Arc::clone(drawn)).await?;
        if answers.len() != usize::from(context.params.rollouts_per_problem) {
            return Err(inside(format!("the generator gave {} answers to group {group}", answers.len())));
        }
        let mut answered =
            AnsweredGroup { records: Vec::with_capacity(answers.len()), successes: 0, tokens: 0 };
        for (rollout, answer) in (0u8..).map(RolloutIndex).zip(answers) {
            let outcome = outcome_of(&problem, &answer.tokens, tokenizer.as_ref())?;
            answered.successes += usize::from(outcome.success);
            answered.tokens += answer.tokens.len() as u64;
            let logprobs: Option<Vec<i16>> =
                answer.logprobs.iter().map(|nats| logprob::quantise(*nats)).collect();
            answered.records.push(RolloutRecord {
                group,
                rollout,
                tokens: answer.tokens,
                sketch: answer.sketch,
                logprobs: logprobs
                    .ok_or_else(|| inside(format!("group {group} has a log-probability of NaN")))?,
                reward: outcome.reward.total().as_f32(),
            });
        }
        Ok(answered)
    }

    async fn generate(
        &self,
        request: GroupRequest,
        rule: GenerationRule,
        group: GroupIndex,
        until: UnixMillis,
        drawn: Arc<AtomicU64>,
    ) -> Result<Vec<Answer>, Fault> {
        let generator = self.desk.held()?.generator.clone().ok_or_else(without_generator)?;
        let clock = self.clock.clone();
        let mut last_told = clock.now();
        let work = move |wanted: &Wanted| {
            let mut generator = locked(&generator);
            generator.generate(std::slice::from_ref(&request), &rule, &mut |progress| {
                let now = clock.now();
                drawn.store(progress.tokens, Ordering::Relaxed);
                if now.since(last_told) >= 1_000 {
                    last_told = now;
                    tracing::info!(
                        target: "grail::progress",
                        group = group.0, tokens = progress.tokens, rows = progress.live_rows, "generating"
                    );
                }
                // After that moment the work is worth nothing any more.
                now <= until && wanted.still()
            })
        };
        let mut groups = blocking("generate", work).await?;
        groups
            .pop()
            .ok_or_else(|| Fault::plain(Door::Inside, Retry::Never, "the generator answered no group"))
    }
}

fn without_generator() -> Fault {
    Fault::plain(Door::Inside, Retry::Never, "answer with a model that was loaded without a generator")
}
