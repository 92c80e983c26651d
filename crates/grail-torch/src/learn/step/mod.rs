//! One optimizer step: from judged rollouts, or from texts, to moved weights.

mod data;
mod rows;
mod settings;

pub use data::{Example, Group, Reference, Rollout, RunProgress, StepOutcome, StepReport};
pub use settings::{Averaging, LearnerSettings};

use crate::learn::{
    advantage::clip_to_percentile,
    error::{Doing, TrainError, unusable},
    gradients::Gradients,
    head::Measured,
    loss::{AdaptiveKl, Divisors, Figures},
    model::{Layout, LearningModel, Prompted},
    optimizer::{AdamW, Update},
    pack::pack,
};
use grail_protocol::words::TokenId;
use rows::Padding;
use tch::{TchError, Tensor};

/// A model in training.
#[derive(Debug)]
pub struct StepLearner {
    model: LearningModel,
    optimizer: AdamW,
    kl: AdaptiveKl,
    settings: LearnerSettings,
    skipped: u64,
    skipped_in_row: u32,
}

/// Sums of a step in the making.
struct Sums {
    gradients: Gradients,
    figures: Figures,
    micro_batches: usize,
    tokens: usize,
}

impl StepLearner {
    /// Begins a run.
    ///
    /// Errors: those of [`LearnerSettings::check`], and [`TrainError::Run`] for the optimizer's state.
    pub fn new(model: LearningModel, settings: LearnerSettings) -> Result<Self, TrainError> {
        settings.check()?;
        let optimizer = AdamW::new(settings.optimizer, model.parameters())?;
        let kl = AdaptiveKl::new(settings.kl)?;
        Ok(Self { model, optimizer, kl, settings, skipped: 0, skipped_in_row: 0 })
    }

    /// The model.
    pub fn model(&self) -> &LearningModel {
        &self.model
    }

    /// The optimizer's state.
    pub fn optimizer(&self) -> &AdamW {
        &self.optimizer
    }

    /// The settings.
    pub fn settings(&self) -> &LearnerSettings {
        &self.settings
    }

    /// Where the run stands.
    pub fn progress(&self) -> RunProgress {
        RunProgress {
            steps: self.optimizer.steps(),
            kl_coefficient: self.kl.coefficient(),
            skipped: self.skipped,
            skipped_in_row: self.skipped_in_row,
        }
    }

    /// Takes over a saved run: `find` gives tensors by the names of [`AdamW::tensors`].
    ///
    /// Errors: those of [`AdamW::restore`]; after one the learner must not be used.
    pub fn restore(
        &mut self,
        progress: &RunProgress,
        find: impl Fn(&str) -> Result<Tensor, TrainError>,
    ) -> Result<(), TrainError> {
        self.optimizer.restore(self.model.parameters(), progress.steps, find)?;
        self.kl.resume(progress.kl_coefficient);
        (self.skipped, self.skipped_in_row) = (progress.skipped, progress.skipped_in_row);
        Ok(())
    }

    /// One GRPO step over groups. With a reference, and a KL coefficient above 0, the KL term is part of the loss.
    ///
    /// Errors: [`TrainError::Batch`] for groups that cannot be used, [`TrainError::NotFinite`] after too many skipped
    /// steps, and failures of libtorch. A single loss or gradient that is not finite is no error but an [`StepOutcome`].
    pub fn grpo(&mut self, groups: &[Group], reference: Reference<'_>) -> Result<StepReport, TrainError> {
        let groups = self.prepared(groups)?;
        let units = self.units(&groups);
        let lengths: Vec<usize> = units.iter().map(Unit::tokens).collect();
        let batches = pack(&lengths, self.settings.token_budget)?;
        let batches: Vec<Vec<Unit<'_>>> = batches
            .into_iter()
            .map(|batch| batch.into_iter().filter_map(|index| units.get(index).cloned()).collect())
            .collect();
        self.grpo_batches(&batches, reference)
    }

    /// The step over micro-batches that are already cut.
    pub(crate) fn grpo_batches(
        &mut self,
        batches: &[Vec<Unit<'_>>],
        reference: Reference<'_>,
    ) -> Result<StepReport, TrainError> {
        let lengths = |batch: &[Unit<'_>]| -> Vec<usize> {
            batch
                .iter()
                .flat_map(|unit| unit.rollouts.iter().map(|rollout| rollout.completion.len()))
                .collect()
        };
        let all: Vec<usize> = batches.iter().flat_map(|batch| lengths(batch)).collect();
        let divisors_of = |lengths: &[usize]| {
            let own = Divisors::of(lengths);
            let full = self.settings.full_length;
            if full > 0 { Divisors { length: full as f64, ..own } } else { own }
        };
        let step = divisors_of(&all);
        let reference = match reference {
            Reference::Base if !self.model.is_adapted() => {
                return unusable("without adapters there is no base to compare with");
            }
            _ if self.kl.coefficient() == 0.0 => Reference::None,
            reference => reference,
        };
        let mut sums = self.begin();
        for batch in batches {
            let divisors = match self.settings.averaging {
                Averaging::Step => step,
                Averaging::MicroBatch => {
                    let own = divisors_of(&lengths(batch));
                    Divisors { weight: own.rows / step.rows, ..own }
                }
            };
            self.grpo_micro_batch(batch, &divisors, reference, &mut sums)?;
            if !sums.figures.loss().is_finite() {
                return self.end(sums, false);
            }
        }
        let report = self.end(sums, true)?;
        if let (Reference::Model(_) | Reference::Base, StepOutcome::Learned { .. }) =
            (reference, report.outcome)
        {
            self.kl.observe(report.figures.kl());
        }
        Ok(report)
    }

    fn grpo_micro_batch(
        &self,
        batch: &[Unit<'_>],
        divisors: &Divisors,
        reference: Reference<'_>,
        sums: &mut Sums,
    ) -> Result<(), TrainError> {
        let prompted: Vec<Prompted<'_>> = batch
            .iter()
            .map(|unit| Prompted {
                prompt: unit.prompt,
                completions: unit.rollouts.iter().map(|rollout| rollout.completion.as_slice()).collect(),
            })
            .collect();
        let layout = Layout::shared(self.model.config(), &prompted, self.model.place())?;
        let chunk = self.settings.head_chunk;
        let reference = match reference {
            Reference::None => None,
            Reference::Base => Some(self.model.measure_base(&layout, chunk, false)?.logprobs),
            Reference::Model(reference) => {
                let layout = Layout::shared(reference.config(), &prompted, reference.place())?;
                Some(reference.measure(&layout, chunk, false)?.logprobs)
            }
        };
        let pass = self.model.forward(&layout, self.settings.recompute)?;
        let measured = self.model.head(chunk).measure(pass.states(), layout.targets(), true)?;
        let rollouts: Vec<&Rollout> = batch.iter().flat_map(|unit| unit.rollouts.iter().copied()).collect();
        let padding = Padding::new(layout.lengths(), measured.logprobs.device())?;
        let (loss, leaves) = padding.loss(
            &self.settings.loss,
            &measured,
            reference.as_ref(),
            &rollouts,
            (divisors, self.kl.coefficient()),
        )?;
        sums.figures.add(&loss.figures);
        sums.micro_batches += 1;
        sums.tokens += layout.tokens();
        if !sums.figures.loss().is_finite() {
            return Ok(());
        }
        let entropy = self.settings.loss.entropy_coefficient != 0.0;
        let inputs = if entropy { &leaves[..] } else { &leaves[..1] };
        let slopes = Tensor::f_run_backward(&[&loss.total], inputs, false, false);
        let slopes = slopes.doing("differentiating the loss")?;
        let (Some(logprobs), entropies) = (slopes.first(), slopes.get(1)) else {
            return unusable("the loss has no gradient");
        };
        self.pull_back(&layout, pass, (logprobs, entropies), sums)
    }

    /// From gradients of log-probabilities and entropies to those of the weights.
    fn pull_back(
        &self,
        layout: &Layout,
        pass: crate::learn::model::Pass,
        (logprobs, entropies): (&Tensor, Option<&Tensor>),
        sums: &mut Sums,
    ) -> Result<(), TrainError> {
        let head = self.model.head(self.settings.head_chunk);
        let room = self.model.head_gradient(&mut sums.gradients)?;
        let states = head.differentiate(pass.states(), layout.targets(), logprobs, entropies, room)?;
        self.model.backward(layout, pass, &states, &mut sums.gradients)
    }

    /// One supervised step: makes the completions of examples more likely, every token weighing the same.
    ///
    /// The report's policy loss is the mean of `−log p` over completion tokens, nats.
    ///
    /// Errors: those of [`StepLearner::grpo`].
    pub fn supervise(&mut self, examples: &[Example]) -> Result<StepReport, TrainError> {
        let tokens: usize = examples.iter().map(|example| example.completion.len()).sum();
        if tokens == 0 {
            return unusable("there is nothing to learn in it");
        }
        let lengths: Vec<usize> =
            examples.iter().map(|example| example.prompt.len() + example.completion.len()).collect();
        let mut sums = self.begin();
        for batch in pack(&lengths, self.settings.token_budget)? {
            let pairs: Vec<(&[TokenId], &[TokenId])> = batch
                .iter()
                .filter_map(|index| examples.get(*index))
                .map(|example| (example.prompt.as_slice(), example.completion.as_slice()))
                .collect();
            let layout = Layout::separate(self.model.config(), &pairs, self.model.place())?;
            let pass = self.model.forward(&layout, self.settings.recompute)?;
            let head = self.model.head(self.settings.head_chunk);
            let Measured { logprobs, entropy } = head.measure(pass.states(), layout.targets(), true)?;
            let figures = supervised_figures(&logprobs, entropy.as_ref(), layout.lengths(), tokens);
            sums.figures.add(&figures.doing("computing the loss")?);
            sums.micro_batches += 1;
            sums.tokens += layout.tokens();
            if !sums.figures.loss().is_finite() {
                return self.end(sums, false);
            }
            let slopes = logprobs.f_full_like(-1.0 / tokens as f64).doing("differentiating the loss")?;
            self.pull_back(&layout, pass, (&slopes, None), &mut sums)?;
        }
        self.end(sums, true)
    }

    fn begin(&self) -> Sums {
        let gradients = Gradients::new(self.model.parameters().len());
        Sums { gradients, figures: Figures::default(), micro_batches: 0, tokens: 0 }
    }

    fn end(&mut self, sums: Sums, finite: bool) -> Result<StepReport, TrainError> {
        let rate = self.settings.schedule.at(self.optimizer.steps());
        let outcome = if finite {
            match self.optimizer.step(self.model.parameters(), &sums.gradients, rate)? {
                Update::Applied { norm } => StepOutcome::Learned { norm },
                Update::Skipped => StepOutcome::GradientNotFinite,
            }
        } else {
            StepOutcome::LossNotFinite
        };
        match outcome {
            StepOutcome::Learned { .. } => self.skipped_in_row = 0,
            StepOutcome::LossNotFinite | StepOutcome::GradientNotFinite => {
                self.skipped += 1;
                self.skipped_in_row += 1;
                if self.skipped_in_row >= self.settings.most_skipped {
                    return Err(TrainError::NotFinite { steps: self.skipped_in_row });
                }
            }
        }
        Ok(StepReport {
            outcome,
            figures: sums.figures,
            rate,
            kl_coefficient: self.kl.coefficient(),
            micro_batches: sums.micro_batches,
            tokens_computed: sums.tokens,
        })
    }

    /// Checked groups, their advantages clipped over the step.
    fn prepared(&self, groups: &[Group]) -> Result<Vec<Group>, TrainError> {
        let mut groups = groups.to_vec();
        let rollouts = || groups.iter().flat_map(|group| &group.rollouts);
        if rollouts().next().is_none() {
            return unusable("it has no rollouts");
        }
        for rollout in rollouts() {
            let (tokens, known) = (rollout.completion.len(), rollout.behaviour.len());
            if tokens != known {
                return unusable(format!("{tokens} tokens come with {known} log-probabilities"));
            }
            let numbers = rollout.behaviour.iter().all(|logprob| logprob.is_finite() && *logprob <= 0.0);
            if !numbers || !rollout.advantage.is_finite() {
                return unusable("a log-probability or an advantage is no possible number");
            }
        }
        let advantages: Vec<f64> = rollouts().map(|rollout| rollout.advantage).collect();
        let clipped = clip_to_percentile(&advantages, self.settings.advantage_percentile)?;
        for (rollout, advantage) in groups.iter_mut().flat_map(|group| &mut group.rollouts).zip(clipped) {
            rollout.advantage = advantage;
        }
        Ok(groups)
    }

    /// Groups cut where they exceed the token budget.
    fn units<'a>(&self, groups: &'a [Group]) -> Vec<Unit<'a>> {
        let mut units = Vec::new();
        for group in groups {
            let mut open = Unit { prompt: &group.prompt, rollouts: Vec::new() };
            for rollout in &group.rollouts {
                let whole = open.tokens() + rollout.completion.len();
                if whole > self.settings.token_budget && !open.rollouts.is_empty() {
                    units.push(std::mem::replace(
                        &mut open,
                        Unit { prompt: &group.prompt, rollouts: Vec::new() },
                    ));
                }
                open.rollouts.push(rollout);
            }
            if !open.rollouts.is_empty() {
                units.push(open);
            }
        }
        units
    }
}

/// Rollouts of one prompt that are computed together.
#[derive(Debug, Clone)]
pub(crate) struct Unit<'a> {
    pub(crate) prompt: &'a [TokenId],
    pub(crate) rollouts: Vec<&'a Rollout>,
}

impl Unit<'_> {
    fn tokens(&self) -> usize {
        self.prompt.len() + self.rollouts.iter().map(|rollout| rollout.completion.len()).sum::<usize>()
    }
}

fn supervised_figures(
    logprobs: &Tensor,
    entropy: Option<&Tensor>,
    lengths: &[usize],
    tokens: usize,
) -> Result<Figures, TchError> {
    let loss = f64::try_from(&logprobs.f_sum(tch::Kind::Double)?)?;
    let entropies: Vec<f32> = entropy.map(Vec::try_from).transpose()?.unwrap_or_default();
    let mut rest = entropies.as_slice();
    let mut entropy_sum = 0.0;
    for length in lengths {
        let (own, others) = rest.split_at(rest.len().min(*length));
        entropy_sum += own.iter().map(|value| f64::from(*value)).sum::<f64>() / (*length).max(1) as f64;
        rest = others;
    }
    Ok(Figures {
        rows: lengths.len() as f64,
        tokens: lengths.iter().sum::<usize>() as f64,
        policy_loss: -loss / tokens as f64,
        entropy_sum,
        ..Figures::default()
    })
}
