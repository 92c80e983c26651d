//! The GRPO loss of a micro-batch, as a function of the model's log-probabilities.
//!
//! Everything here is rows of completions padded to one width: `[rows, width]`, with a mask of ones and zeros. What
//! stands behind the mask must be finite and has no effect. Gradients come from autograd through
//! [`LossRows::logprobs`] and [`LossRows::entropy`].
//!
//! The term of a token, `A` the advantage and `r` the importance ratio:
//! `−min(r·A, clamp(r, 1 − low, 1 + high)·A)`. At [`Level::Sequence`] a row has one ratio, the geometric mean of its
//! tokens' (GSPO). Where both branches are equal each carries half of the gradient.
//!
//! Sources: the clipped ratio is PPO's (Schulman et al., arXiv:1707.06347, eq. 7) with two bounds as in DAPO (Yu et al.,
//! arXiv:2503.14476); a group in place of a critic is GRPO (Shao et al., arXiv:2402.03300); ratios of whole completions are
//! GSPO (Zheng et al., arXiv:2507.18071). Held to one-covenant/grail 54d6342, the trainer of the Python network, by
//! `fixtures/vectors/python/infra/grpo_loss.json`.

mod kl;
mod settings;

pub use kl::{AdaptiveKl, AdaptiveKlSettings, KlEstimator};
pub use settings::{Aggregate, Level, LossSettings};

use crate::learn::error::{Doing, TrainError, unusable};
use tch::{Kind, TchError, Tensor};

/// Completions of a micro-batch, padded to one width.
#[derive(Debug, Clone, Copy)]
pub struct LossRows<'a> {
    /// What the model gives its tokens now, `[rows, width]`; gradients flow into it.
    pub logprobs: &'a Tensor,
    /// What the model that wrote them gave them, `[rows, width]`.
    pub behaviour: &'a Tensor,
    /// What the reference model gives them, `[rows, width]`; without one there is no KL term.
    pub reference: Option<&'a Tensor>,
    /// Entropy of the model's distribution at each token, nats, `[rows, width]`; gradients flow into it.
    pub entropy: Option<&'a Tensor>,
    /// One where a token is, zero behind the end, `[rows, width]`, of the kind of `logprobs`.
    pub mask: &'a Tensor,
    /// One advantage for each row, `[rows]`.
    pub advantages: &'a Tensor,
}

/// What sums over a micro-batch are divided by, and its weight in the step.
///
/// With the sums of the whole step and weight 1, the losses of its micro-batches add up to the loss of the step,
/// however it was cut. With each micro-batch's own sums and its share of the rows as weight, as the Python trainer
/// does, tokens of short micro-batches weigh more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Divisors {
    /// Completions.
    pub rows: f64,
    /// Completion tokens.
    pub tokens: f64,
    /// The length that Dr.GRPO divides by: a constant of the run, or the longest completion.
    pub length: f64,
    /// Factor of every term.
    pub weight: f64,
}

impl Divisors {
    /// Those of completions of these lengths alone.
    pub fn of(lengths: &[usize]) -> Self {
        Self {
            rows: lengths.len() as f64,
            tokens: lengths.iter().sum::<usize>() as f64,
            length: lengths.iter().max().copied().unwrap_or(0) as f64,
            weight: 1.0,
        }
    }
}

/// The loss of a micro-batch.
#[derive(Debug)]
pub struct Loss {
    /// What to differentiate: policy, KL and entropy terms together; a scalar.
    pub total: Tensor,
    /// The policy term alone, a scalar.
    pub policy: Tensor,
    /// The KL term alone, with its coefficient, a scalar.
    pub kl: Option<Tensor>,
    /// The figures, detached.
    pub figures: Figures,
}

/// Figures of a micro-batch or, added up, of a step.
///
/// Sums are kept, so that figures of micro-batches can be added; the methods divide.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// Completions seen.
    pub rows: f64,
    /// Completion tokens seen.
    pub tokens: f64,
    /// The policy term, weighted.
    pub policy_loss: f64,
    /// The KL term, with coefficient and weight.
    pub kl_loss: f64,
    /// The entropy term (negative), with coefficient and weight.
    pub entropy_loss: f64,
    /// Sum of the KL estimate over tokens.
    pub kl_sum: f64,
    /// Sum over rows of the mean entropy of a token, nats.
    pub entropy_sum: f64,
    /// Ratios: one a row at the sequence level, one a token otherwise.
    pub ratios: f64,
    /// Ratios outside the clip range, after the cap.
    pub clipped: f64,
    /// Ratios that the cap cut.
    pub capped: f64,
    /// Sum of the ratios before the cap.
    pub ratio_sum: f64,
}

impl Figures {
    /// All terms together.
    pub fn loss(&self) -> f64 {
        self.policy_loss + self.kl_loss + self.entropy_loss
    }

    /// Share of ratios outside the clip range.
    pub fn clip_fraction(&self) -> f64 {
        self.clipped / self.ratios.max(1.0)
    }

    /// Share of ratios that the cap cut.
    pub fn cap_fraction(&self) -> f64 {
        self.capped / self.ratios.max(1.0)
    }

    /// Mean ratio before the cap; 1 when the model that trains is the one that wrote.
    pub fn ratio_mean(&self) -> f64 {
        self.ratio_sum / self.ratios.max(1.0)
    }

    /// Mean KL estimate of a token, nats.
    pub fn kl(&self) -> f64 {
        self.kl_sum / self.tokens.max(1.0)
    }

    /// Mean over rows of the mean entropy of a token, nats.
    pub fn entropy(&self) -> f64 {
        self.entropy_sum / self.rows.max(1.0)
    }

    /// Adds the figures of another micro-batch.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.tokens += other.tokens;
        self.policy_loss += other.policy_loss;
        self.kl_loss += other.kl_loss;
        self.entropy_loss += other.entropy_loss;
        self.kl_sum += other.kl_sum;
        self.entropy_sum += other.entropy_sum;
        self.ratios += other.ratios;
        self.clipped += other.clipped;
        self.capped += other.capped;
        self.ratio_sum += other.ratio_sum;
    }
}

impl LossSettings {
    /// The loss of a micro-batch.
    ///
    /// `kl_coefficient` is an argument because it may adapt; 0 leaves the KL estimate in the figures only.
    ///
    /// Errors: [`TrainError::Batch`] when shapes do not fit together, [`TrainError::Run`] when libtorch fails.
    /// A loss that is not finite is no error here: the caller skips the step.
    pub fn evaluate(
        &self,
        rows: &LossRows<'_>,
        divisors: &Divisors,
        kl_coefficient: f64,
    ) -> Result<Loss, TrainError> {
        rows.check()?;
        self.compute(rows, divisors, kl_coefficient).doing("computing the loss")
    }

    fn compute(
        &self,
        rows: &LossRows<'_>,
        divisors: &Divisors,
        kl_coefficient: f64,
    ) -> Result<Loss, TchError> {
        let count = rows.mask.size().first().copied().unwrap_or(0) as f64;
        let lengths = rows.mask.f_sum_dim_intlist(1, false, None)?;
        let safe_lengths = lengths.f_clamp_min(1.0)?;
        let tokens = lengths.f_sum(None)?;
        let mut sheet = Sheet::default();
        let tokens_at = sheet.put(&tokens);

        let (policy, ratios) = match self.level {
            Level::Off => (self.without_ratio(rows, divisors)?, None),
            level => {
                let log_ratio = self.log_ratio(rows, &safe_lengths, level)?;
                let terms = self.clipped_terms(&log_ratio, rows.advantages)?;
                let policy = self.aggregate(&terms.loss, rows.mask, &safe_lengths, count, divisors)?;
                (policy, Some(terms.count(rows.mask, level, &mut sheet)?))
            }
        };
        let policy_at = sheet.put(&policy);
        let mut total = policy.shallow_clone();

        let mut kl = None;
        let mut kl_at = None;
        if let Some(reference) = rows.reference {
            let estimate = self.kl.estimate(rows.logprobs, reference)?;
            let sum = estimate.f_mul(rows.mask)?.f_sum(None)?;
            let per_token = match self.aggregate {
                Aggregate::Bnpo => {
                    sum.f_div(&tokens.f_clamp_min(1.0)?)?.f_mul_scalar(count / divisors.rows.max(1.0))?
                }
                _ => sum.f_div_scalar(divisors.tokens.max(1.0))?,
            };
            let term = per_token.f_mul_scalar(kl_coefficient * divisors.weight)?;
            kl_at = Some((sheet.put(&sum), sheet.put(&term)));
            if kl_coefficient != 0.0 {
                total = total.f_add(&term)?;
            }
            kl = Some(term);
        }

        let mut entropy_at = None;
        if let Some(entropy) = rows.entropy {
            let means = entropy.f_mul(rows.mask)?.f_sum_dim_intlist(1, false, None)?.f_div(&safe_lengths)?;
            let sum = means.f_sum(None)?;
            let factor = -self.entropy_coefficient * divisors.weight / divisors.rows.max(1.0);
            let term = sum.f_mul_scalar(factor)?;
            entropy_at = Some((sheet.put(&sum), sheet.put(&term)));
            if self.entropy_coefficient != 0.0 {
                total = total.f_add(&term)?;
            }
        }

        let values = sheet.read()?;
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let mut figures =
            Figures { rows: count, tokens: at(tokens_at), policy_loss: at(policy_at), ..Figures::default() };
        if let Some((sum, term)) = kl_at {
            (figures.kl_sum, figures.kl_loss) = (at(sum), at(term));
        }
        if let Some((sum, term)) = entropy_at {
            (figures.entropy_sum, figures.entropy_loss) = (at(sum), at(term));
        }
        if let Some(ratios) = ratios {
            figures.ratios = if self.level == Level::Sequence { count } else { figures.tokens };
            figures.clipped = at(ratios.clipped);
            figures.capped = at(ratios.capped);
            figures.ratio_sum = at(ratios.sum);
        }
        Ok(Loss { total, policy, kl, figures })
    }

    /// Log-ratios, clamped: `[rows, width]`, or `[rows, 1]` at the sequence level.
    fn log_ratio(
        &self,
        rows: &LossRows<'_>,
        safe_lengths: &Tensor,
        level: Level,
    ) -> Result<Tensor, TchError> {
        let each = rows.logprobs.f_sub(rows.behaviour)?;
        let raw = match level {
            Level::Sequence => each
                .f_mul(rows.mask)?
                .f_sum_dim_intlist(1, false, None)?
                .f_div(safe_lengths)?
                .f_unsqueeze(1)?,
            Level::Token | Level::Off => each,
        };
        raw.f_clamp(-self.log_ratio_clamp, self.log_ratio_clamp)
    }

    fn clipped_terms(&self, log_ratio: &Tensor, advantages: &Tensor) -> Result<Terms, TchError> {
        let raw = log_ratio.f_exp()?;
        let ratio = if self.ratio_cap > 0.0 { raw.f_clamp_max(self.ratio_cap)? } else { raw.shallow_clone() };
        let advantages = advantages.f_unsqueeze(1)?;
        let (low, high) = (1.0 - self.clip_low, 1.0 + self.clip_high);
        let free = ratio.f_mul(&advantages)?;
        let held = ratio.f_clamp(low, high)?.f_mul(&advantages)?;
        let loss = free.f_minimum(&held)?.f_neg()?;
        let outside = ratio.f_lt(low)?.f_logical_or(&ratio.f_gt(high)?)?;
        let above = if self.ratio_cap > 0.0 {
            raw.f_gt(self.ratio_cap)?
        } else {
            raw.f_zeros_like()?.f_to_kind(Kind::Bool)?
        };
        Ok(Terms { loss, raw: raw.f_detach()?, outside, above })
    }

    /// One number from the terms `[rows, width]` or `[rows, 1]` of tokens.
    fn aggregate(
        &self,
        terms: &Tensor,
        mask: &Tensor,
        safe_lengths: &Tensor,
        count: f64,
        divisors: &Divisors,
    ) -> Result<Tensor, TchError> {
        let masked = terms.f_mul(mask)?;
        let sum = match self.aggregate {
            Aggregate::Grpo => masked
                .f_sum_dim_intlist(1, false, None)?
                .f_div(safe_lengths)?
                .f_sum(None)?
                .f_div_scalar(divisors.rows.max(1.0))?,
            Aggregate::Bnpo => masked
                .f_sum(None)?
                .f_div(&mask.f_sum(None)?.f_clamp_min(1.0)?)?
                .f_mul_scalar(count / divisors.rows.max(1.0))?,
            Aggregate::DrGrpo => {
                masked.f_sum(None)?.f_div_scalar((divisors.rows * divisors.length).max(1.0))?
            }
            Aggregate::Dapo => masked.f_sum(None)?.f_div_scalar(divisors.tokens.max(1.0))?,
        };
        sum.f_mul_scalar(divisors.weight)
    }

    /// `−mean(A · Σ log p)`: REINFORCE, for rollouts that the very same model wrote.
    fn without_ratio(&self, rows: &LossRows<'_>, divisors: &Divisors) -> Result<Tensor, TchError> {
        rows.logprobs
            .f_mul(rows.mask)?
            .f_sum_dim_intlist(1, false, None)?
            .f_mul(rows.advantages)?
            .f_sum(None)?
            .f_mul_scalar(-divisors.weight / divisors.rows.max(1.0))
    }
}

impl LossRows<'_> {
    fn check(&self) -> Result<(), TrainError> {
        let shape = self.logprobs.size();
        let [rows, _] = shape.as_slice() else {
            return unusable(format!("log-probabilities have shape {shape:?}, rows and width are needed"));
        };
        let others = [Some(self.behaviour), self.reference, self.entropy, Some(self.mask)];
        if let Some(other) = others.into_iter().flatten().find(|other| other.size() != shape) {
            return unusable(format!(
                "log-probabilities have shape {shape:?}, a companion has {:?}",
                other.size()
            ));
        }
        if self.advantages.size() != [*rows] {
            return unusable(format!(
                "{rows} rows come with advantages of shape {:?}",
                self.advantages.size()
            ));
        }
        Ok(())
    }
}

/// Terms of tokens, and what happened to their ratios.
struct Terms {
    loss: Tensor,
    raw: Tensor,
    outside: Tensor,
    above: Tensor,
}

/// Where the counts of ratios stand on the sheet.
struct RatioCounts {
    clipped: usize,
    capped: usize,
    sum: usize,
}

impl Terms {
    fn count(&self, mask: &Tensor, level: Level, sheet: &mut Sheet) -> Result<RatioCounts, TchError> {
        let mut sum = |values: &Tensor| -> Result<usize, TchError> {
            let values = values.f_to_kind(mask.f_kind()?)?;
            let values = if level == Level::Sequence { values } else { values.f_mul(mask)? };
            Ok(sheet.put(&values.f_sum(None)?))
        };
        Ok(RatioCounts { clipped: sum(&self.outside)?, capped: sum(&self.above)?, sum: sum(&self.raw)? })
    }
}

/// Scalars that are brought from the device together.
#[derive(Default)]
struct Sheet(Vec<Tensor>);

impl Sheet {
    fn put(&mut self, scalar: &Tensor) -> usize {
        self.0.push(scalar.shallow_clone());
        self.0.len() - 1
    }

    fn read(&self) -> Result<Vec<f64>, TchError> {
        let row = tch::no_grad(|| Tensor::f_stack(&self.0, 0)?.f_to_kind(Kind::Double))?;
        Vec::try_from(&row.f_detach()?)
    }
}
