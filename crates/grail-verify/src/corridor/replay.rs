use super::{
    sample::Sampled,
    seal::{ClaimedGroup, Terms},
};
use crate::{Rejection, verdict::inside};
use grail_artifact::window::RolloutRecord;
use grail_env::{EnvError, Environment, Problem};
use grail_ports::{
    Door, Fault, Retry,
    model::{Tokenize, prompt_of, room},
};
use grail_protocol::{
    seed::ProblemSeed,
    words::{GroupIndex, TokenId},
};

/// Groups beside the problems and prompts that their seeds give, with every ending checked.
#[derive(Debug)]
pub struct Replayed {
    pub(super) terms: Terms,
    pub(super) claimed: u32,
    pub(super) end_tokens: Vec<TokenId>,
    /// The sampled groups as the challenge drew them.
    pub(super) order: Vec<GroupIndex>,
    /// The same groups by rising number.
    pub(super) groups: Vec<ReplayedGroup>,
}

#[derive(Debug)]
pub(super) struct ReplayedGroup {
    pub(super) index: GroupIndex,
    pub(super) seed: ProblemSeed,
    /// What the seed gives, or why we could not derive it.
    pub(super) setting: Result<Setting, Fault>,
    pub(super) rollouts: Vec<RolloutRecord>,
    /// What speaks against each rollout.
    pub(super) findings: Vec<Option<Rejection>>,
}

/// What the seed of a group gives.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) problem: Problem,
    pub(super) prompt: Vec<TokenId>,
}

impl Sampled {
    /// Sets every problem again from its seed, renders its prompt, and checks how completions end.
    ///
    /// Ending rules: an end token stands at the last position or nowhere; a completion shorter than the cap ends with
    /// one. `context_length` is the most positions of the checkpoint's model.
    ///
    /// Trouble with the environment or the tokenizer, and a prompt that leaves no room for the cap, are faults of ours:
    /// they leave the group undecided.
    pub fn replay(
        self,
        environment: &Environment,
        tokenizer: &dyn Tokenize,
        context_length: u32,
    ) -> Replayed {
        let end_tokens = tokenizer.end_tokens().to_vec();
        let cap = self.terms.context.max_new_tokens;
        let window_seed = self.terms.context.seed();
        let replay_group = |ClaimedGroup { index, rollouts }: ClaimedGroup| {
            let seed = window_seed.problem(&self.terms.hotkey, index);
            let setting = set(&seed, &self.terms, environment, tokenizer, context_length);
            let findings = rollouts.iter().map(|record| ending(record, &end_tokens, cap)).collect();
            ReplayedGroup { index, seed, setting, rollouts, findings }
        };
        let groups = self.groups.into_iter().map(replay_group).collect();
        Replayed { terms: self.terms, claimed: self.claimed, end_tokens, order: self.order, groups }
    }
}

fn set(
    seed: &ProblemSeed,
    terms: &Terms,
    environment: &Environment,
    tokenizer: &dyn Tokenize,
    context_length: u32,
) -> Result<Setting, Fault> {
    let unset =
        |error: EnvError| Fault::new(Door::Inside, Retry::Never, "set a problem from its seed", error);
    let (ours, wanted) = (environment.id().map_err(unset)?, &terms.context.env);
    if ours != *wanted {
        return Err(inside(format!("the environment at hand is {ours}, the window's is {wanted}")));
    }
    let problem = environment.generate(seed).map_err(unset)?;
    let prompt = prompt_of(&problem, tokenizer)?;
    room(prompt.len(), terms.context.max_new_tokens, context_length)
        .map_err(|no_room| inside(no_room.to_string()))?;
    Ok(Setting { problem, prompt })
}

/// What is wrong with the end of a completion.
fn ending(record: &RolloutRecord, end_tokens: &[TokenId], cap: u32) -> Option<Rejection> {
    let length = u32::try_from(record.tokens.len()).unwrap_or(u32::MAX);
    let (last, body) = record.tokens.split_last()?;
    if let Some((position, token)) = (0u32..).zip(body).find(|(_, token)| end_tokens.contains(token)) {
        return Some(Rejection::EndTokenInside { position, token: *token, length });
    }
    if length < cap && !end_tokens.contains(last) {
        return Some(Rejection::UnfinishedCompletion { length, cap, last: *last });
    }
    None
}
