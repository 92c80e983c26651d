//! What the model can do, on problems that no window asks: beside training, never in its way.
//!
//! Problems and draws come from a fixed seed, so two checkpoints are asked the same and draw with the same noise: what
//! differs is the model. Every network's window problems come from seeds of another derivation, so none of these is ever
//! trained on; where an environment has a data set, the operator names another one for it.

use super::{Trainer, TrainerJournal};
use crate::work::blocking;
use grail_env::Environment;
use grail_env::reward::{Component, pass_at_k};
use grail_ports::{
    Door, Fault, Retry,
    follow::{Found, Load},
    model::{
        Answer, GenerationRule, Generator, GroupRequest, RolloutKeys, Tokenize, outcome_of, prompt_of, room,
    },
};
use grail_protocol::{
    hash::digest,
    seed::ProblemSeed,
    words::{RolloutIndex, WindowStart},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::JoinHandle;

/// What can be chosen about examinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationSettings {
    /// Examine every so many checkpoints; 0 never.
    pub every: u64,
    /// Problems of each environment; 1 to 100,000.
    pub problems: u32,
    /// Answers to each problem; 1 to 128.
    pub answers: u8,
    /// The k of pass@k; at most `answers` counts.
    pub k: u8,
    /// What problems and draws come from.
    pub seed: u64,
}

impl Default for EvaluationSettings {
    fn default() -> Self {
        Self { every: 10, problems: 64, answers: 4, k: 4, seed: 2_025 }
    }
}

impl EvaluationSettings {
    /// Checks every range.
    ///
    /// Errors: a sentence about the first that does not hold.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=100_000).contains(&self.problems) {
            return Err(format!("evaluation.problems is {}, 1 to 100,000 is possible", self.problems));
        }
        if !(1..=128).contains(&self.answers) {
            return Err(format!("evaluation.answers is {}, 1 to 128 is possible", self.answers));
        }
        if self.k == 0 {
            return Err("evaluation.k is 0, 1 or more is possible".into());
        }
        Ok(())
    }
}

/// Looks at what checkpoints can do.
#[derive(Clone)]
pub struct Examiner {
    /// Loads a checkpoint with its generator.
    pub loader: Arc<dyn Load>,
    /// The model that the network starts with.
    pub genesis: Found,
    /// What is asked.
    pub environments: Vec<Arc<Environment>>,
    /// How much of it.
    pub settings: EvaluationSettings,
}

impl std::fmt::Debug for Examiner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Examiner").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What a checkpoint can do in one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The checkpoint's sequence number; 0 for the one a network starts with.
    pub sequence: u64,
    /// Its window.
    pub window: WindowStart,
    /// Short name of the environment.
    pub environment: String,
    /// Problems asked.
    pub problems: u32,
    /// Answers to each.
    pub answers: u8,
    /// Mean share of right answers.
    pub pass_at_1: f64,
    /// Chance that at least one of `k` answers is right.
    pub pass_at_k: f64,
    /// That k.
    pub k: u8,
    /// Mean reward.
    pub mean_reward: f64,
    /// Mean of each component before weighting.
    pub components: BTreeMap<String, f64>,
    /// Mean completion length in tokens.
    pub mean_tokens: f64,
}

impl Evaluation {
    /// The one line that an operator reads.
    pub fn log(&self) {
        let components: Vec<String> =
            self.components.iter().map(|(name, mean)| format!("{name} {mean:.3}")).collect();
        tracing::info!(
            target: "grail::train", event = "examined", sequence = self.sequence, window = self.window.0,
            environment = %self.environment, pass_at_1 = self.pass_at_1, pass_at_k = self.pass_at_k,
            "checkpoint {} on {} held-out problems of {}: pass@1 {:.1} %, pass@{} {:.1} %, mean reward {:.3} ({})",
            self.sequence, self.problems, self.environment, 100.0 * self.pass_at_1, self.k,
            100.0 * self.pass_at_k, self.mean_reward, components.join(", ")
        );
    }
}

/// An examination under way on a thread of its own.
pub(super) struct Exam(JoinHandle<Result<Vec<Evaluation>, Fault>>);

impl Drop for Exam {
    fn drop(&mut self) {
        // Dropping the future inside takes its wish back, and the thread ends at its next question.
        self.0.abort();
    }
}

impl Trainer {
    /// Begins to examine the newest checkpoint where that is due and none is under way.
    pub(super) fn begin_exam(&mut self, journal: &TrainerJournal) {
        let Some(examiner) = self.examiner.clone().filter(|examiner| examiner.settings.every > 0) else {
            return;
        };
        let sequence = journal.sequence();
        let due = sequence.is_multiple_of(examiner.settings.every);
        if self.exam.is_some() || !due || self.asked == Some(sequence) {
            return;
        }
        self.asked = Some(sequence);
        match self.records.is_examined(sequence) {
            Ok(false) => {}
            Ok(true) => return,
            Err(fault) => {
                tracing::warn!(target: "grail::train", fault = %fault.chain(), "could not look for an earlier examination");
            }
        }
        let found = match sequence {
            0 => Some(examiner.genesis.clone()),
            _ => self.newest.clone(),
        };
        let Some(found) = found else { return };
        let work =
            blocking("examine a checkpoint", move |wanted| examiner.examine(&found, &mut || wanted.still()));
        self.exam = Some(Exam(tokio::spawn(work)));
    }

    /// What came of an examination that is over. One that failed is told and forgotten: it decides nothing.
    pub(super) async fn collect_exam(&mut self) -> Result<Option<Vec<Evaluation>>, Fault> {
        if let Some(evaluations) = self.examined.take() {
            return self.keep_exam(evaluations).map(Some);
        }
        let Some(mut exam) = self.exam.take() else { return Ok(None) };
        if !exam.0.is_finished() {
            self.exam = Some(exam);
            return Ok(None);
        }
        let broken = |error| Fault::new(Door::Inside, Retry::Later, "examine a checkpoint", error);
        match (&mut exam.0).await.map_err(broken).and_then(|result| result) {
            Ok(evaluations) => self.keep_exam(evaluations).map(Some),
            Err(fault) => {
                tracing::warn!(target: "grail::train", fault = %fault.chain(), "a checkpoint could not be examined");
                Ok(None)
            }
        }
    }

    /// Writes an examination down. Errors: the disk has no room; it is kept in memory until it has.
    fn keep_exam(&mut self, evaluations: Vec<Evaluation>) -> Result<Vec<Evaluation>, Fault> {
        match evaluations.iter().try_for_each(|evaluation| self.records.evaluation(evaluation)) {
            Ok(()) => Ok(evaluations),
            Err(fault) => {
                self.examined = Some(evaluations);
                Err(fault)
            }
        }
    }
}

impl Examiner {
    /// Examines a checkpoint in every environment. Blocks; `wanted` is asked now and then, and stops it.
    ///
    /// Errors: it cannot be loaded, or is not wanted any more.
    pub fn examine(&self, found: &Found, wanted: &mut dyn FnMut() -> bool) -> Result<Vec<Evaluation>, Fault> {
        let loaded = self.loader.load(found)?;
        let mut generator = loaded.generator.ok_or_else(|| {
            Fault::plain(Door::Inside, Retry::Never, "examine a model that was loaded without a generator")
        })?;
        let mut evaluations = Vec::with_capacity(self.environments.len());
        for environment in &self.environments {
            let tokenizer = loaded.tokenizer.as_ref();
            evaluations.push(self.ask(found, environment, generator.as_mut(), tokenizer, wanted)?);
        }
        Ok(evaluations)
    }

    fn ask(
        &self,
        found: &Found,
        environment: &Environment,
        generator: &mut dyn Generator,
        tokenizer: &dyn Tokenize,
        wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Evaluation, Fault> {
        let (manifest, settings) = (&found.manifest, &self.settings);
        let rule = GenerationRule { policy: manifest.policy, max_new_tokens: manifest.max_new_tokens };
        let mut sums = Sums::default();
        for number in 0..settings.problems {
            let seed = seed(settings.seed, environment.name(), number);
            let problem = environment.generate(&seed).map_err(|error| {
                Fault::new(Door::Inside, Retry::Never, "set a problem for an examination", error)
            })?;
            let prompt = prompt_of(&problem, tokenizer)?;
            if room(prompt.len(), rule.max_new_tokens, generator.card().context_length).is_err() {
                // Nobody can answer it, so nobody does: it counts as not solved.
                continue;
            }
            let rollouts = (0..settings.answers).map(RolloutIndex);
            let keys = rollouts.map(|rollout| RolloutKeys {
                draw: seed.draw_key(rollout),
                sketch: seed.sketch_key(rollout),
            });
            let request = GroupRequest { prompt, rollouts: keys.collect() };
            let groups = generator.generate(&[request], &rule, &mut |_| wanted())?;
            let answers: Vec<Answer> = groups.into_iter().flatten().collect();
            let mut right = 0;
            for answer in &answers {
                let outcome = outcome_of(&problem, &answer.tokens, tokenizer)?;
                right += usize::from(outcome.success);
                sums.reward += outcome.reward.total().as_f64();
                sums.tokens += answer.tokens.len();
                for component in Component::ALL {
                    *sums.components.entry(component.name()).or_default() += outcome.reward.value(component);
                }
            }
            sums.answers += answers.len();
            sums.pass_at_1 += pass_at_k(answers.len(), right, 1);
            sums.pass_at_k += pass_at_k(answers.len(), right, usize::from(settings.k));
        }
        let (problems, answers) = (f64::from(settings.problems.max(1)), sums.answers.max(1) as f64);
        let components = sums.components.into_iter().map(|(name, sum)| (name.to_owned(), sum / answers));
        Ok(Evaluation {
            sequence: manifest.sequence,
            window: manifest.window,
            environment: environment.name().to_owned(),
            problems: settings.problems,
            answers: settings.answers,
            pass_at_1: sums.pass_at_1 / problems,
            pass_at_k: sums.pass_at_k / problems,
            k: settings.k.min(settings.answers),
            mean_reward: sums.reward / answers,
            components: components.collect(),
            mean_tokens: sums.tokens as f64 / answers,
        })
    }
}

#[derive(Default)]
struct Sums {
    answers: usize,
    pass_at_1: f64,
    pass_at_k: f64,
    reward: f64,
    tokens: usize,
    components: BTreeMap<&'static str, f64>,
}

/// The seed of a held-out problem: `H("grail/1 held out", seed u64, environment, number u32)`.
fn seed(seed: u64, environment: &str, number: u32) -> ProblemSeed {
    let fields: [&[u8]; 3] = [&seed.to_le_bytes(), environment.as_bytes(), &number.to_le_bytes()];
    ProblemSeed::from_bytes(digest("grail/1 held out", &fields))
}
