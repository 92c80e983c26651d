//! Answering one group.

use super::Miner;
use crate::work::{Wanted, blocking, held};
use grail_artifact::window::RolloutRecord;
use grail_env::Environment;
use grail_ports::{
    Door, Fault, Retry,
    model::{Answer, GenerationRule, GroupRequest, RolloutKeys, outcome_of, prompt_of},
};
use grail_protocol::{
    logprob,
    seed::WindowContext,
    words::{GroupIndex, RolloutIndex, UnixMillis},
};
use std::sync::Arc;

/// A group answered and judged by its environment.
#[derive(Debug)]
pub(super) struct AnsweredGroup {
    pub(super) records: Vec<RolloutRecord>,
    pub(super) successes: usize,
    pub(super) tokens: u64,
}

impl Miner {
    /// Poses the problem of `group`, has it answered until that moment, and judges the answers.
    pub(super) async fn answer_group(
        &mut self,
        context: &WindowContext,
        environment: &Arc<Environment>,
        group: GroupIndex,
        until: UnixMillis,
    ) -> Result<AnsweredGroup, Fault> {
        let inside = |doing: String| Fault::plain(Door::Inside, Retry::Never, doing);
        let seed = context.seed().problem(&self.hotkey(), group);
        let problem = environment.generate(&seed).map_err(|error| {
            Fault::new(Door::Inside, Retry::Never, format!("pose the problem of group {group}"), error)
        })?;
        let tokenizer = Arc::clone(&self.desk.held()?.tokenizer);
        let prompt = prompt_of(&problem, tokenizer.as_ref())?;
        let rollouts = (0..context.params.rollouts_per_problem).map(RolloutIndex);
        let keys = rollouts
            .map(|rollout| RolloutKeys { draw: seed.draw_key(rollout), sketch: seed.sketch_key(rollout) })
            .collect();
        let request = GroupRequest { prompt, rollouts: keys };
        let rule = GenerationRule { policy: context.policy, max_new_tokens: context.max_new_tokens };

        let answers = self.generate(request, rule, group, until).await?;
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
    ) -> Result<Vec<Answer>, Fault> {
        let generator = self.desk.held()?.generator.clone().ok_or_else(|| {
            Fault::plain(
                Door::Inside,
                Retry::Never,
                "answer with a model that was loaded without a generator",
            )
        })?;
        let clock = self.clock.clone();
        let mut last_told = clock.now();
        let work = move |wanted: &Wanted| {
            let mut generator = held(&generator);
            generator.generate(std::slice::from_ref(&request), &rule, &mut |progress| {
                let now = clock.now();
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
