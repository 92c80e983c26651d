//! The suite: every attack on every window, through the whole court, and through the Python network's proof beside it.

use crate::{
    LabError,
    attack::{Bank, Submission, Teller},
    court::Court,
    old::{OldCase, OldSketches, OldTally},
    outcome::{AttackOutcome, Counting},
    stand::Stand,
};
use grail_protocol::{params::ROLLOUTS_PER_PROBLEM, words::TokenId};
use grail_verify::lies::{HONEST, Lie, LieKind};

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub struct SuitePlan {
    /// Rollouts of each attack, rounded up to whole windows.
    pub rollouts: u32,
    /// Rollouts of the control.
    pub honest: u32,
    /// Groups in a window. At least two, so that one can be left out.
    pub groups: u32,
    /// Whether the Python network's proof is asked too.
    pub old: bool,
}

impl SuitePlan {
    /// Windows that hold so many rollouts; at least two, so that one can be replayed in another.
    pub fn windows(&self, rollouts: u32) -> u32 {
        rollouts.div_ceil(self.groups.max(1) * u32::from(ROLLOUTS_PER_PROBLEM)).max(2)
    }
}

/// Windows that were answered honestly, and what lies need to know of them.
#[derive(Debug)]
pub struct Ground {
    banks: Vec<Bank>,
    mean: Vec<f32>,
}

impl Ground {
    /// Answers windows honestly. `tell` is called with windows done and to do.
    ///
    /// Errors: the model's trouble.
    pub fn lay(stand: &Stand, plan: &SuitePlan, tell: &mut dyn FnMut(u32, u32)) -> Result<Self, LabError> {
        let windows = plan.windows(plan.rollouts);
        let mut banks = Vec::new();
        for window in 0..windows {
            banks.push(Bank::fill(stand, window, plan.groups.max(2))?);
            tell(window + 1, windows);
        }
        let mean = mean_state(stand, &banks)?;
        Ok(Self { banks, mean })
    }

    /// The windows.
    pub fn banks(&self) -> &[Bank] {
        &self.banks
    }

    /// The mean hidden state of the first window's completions.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }
}

/// The mean of final states over the first window: what is known of a model without running it on anything.
fn mean_state(stand: &Stand, banks: &[Bank]) -> Result<Vec<f32>, LabError> {
    let mut sum = vec![0f64; stand.model.card().width as usize];
    let mut count = 0u64;
    for bank in banks.iter().take(1) {
        let groups = bank.honest.chunks(usize::from(ROLLOUTS_PER_PROBLEM));
        for (asked, records) in bank.scene.groups.iter().zip(groups) {
            let texts: Vec<&[TokenId]> = records.iter().map(|record| record.tokens.as_slice()).collect();
            for states in stand.model.states(&asked.request.prompt, &texts)? {
                for state in states.rows() {
                    sum.iter_mut().zip(state).for_each(|(sum, value)| *sum += f64::from(*value));
                    count += 1;
                }
            }
        }
    }
    Ok(sum.into_iter().map(|sum| (sum / count.max(1) as f64) as f32).collect())
}

/// One attack on all windows of a ground.
///
/// Errors: trouble of our own, from which nothing can be concluded.
pub fn run(
    stand: &Stand,
    court: &mut Court<'_>,
    ground: &Ground,
    plan: &SuitePlan,
    lie: &'static Lie,
    tell: &mut dyn FnMut(u32, u32),
) -> Result<AttackOutcome, LabError> {
    if lie.kind == LieKind::Control {
        return control(stand, plan, tell);
    }
    let numeric = stand.setup.numeric().name();
    let mut counting = Counting::new(lie, &stand.setup.name, numeric);
    let teller = Teller::new(stand, lie)?;
    let windows = u32::try_from(ground.banks.len()).unwrap_or(u32::MAX);
    let earlier = ground.banks.iter().cycle().skip(1);
    for ((done, bank), earlier) in (1u32..).zip(&ground.banks).zip(earlier) {
        let submission = teller.tell(bank, earlier, &ground.mean)?;
        let report = court.judge(&submission)?;
        let rewards: Vec<f32> = bank.honest.iter().map(|record| record.reward).collect();
        counting.add(&submission, &report, &rewards);
        if plan.old && teller.has_an_old_form() {
            counting.add_old(old(stand, court, &teller, bank, &submission, &ground.mean)?);
        }
        tell(done, windows);
    }
    Ok(counting.finish())
}

/// Honest windows, more of them than the lies have, each forgotten when it was judged.
fn control(
    stand: &Stand,
    plan: &SuitePlan,
    tell: &mut dyn FnMut(u32, u32),
) -> Result<AttackOutcome, LabError> {
    let mut counting = Counting::new(&HONEST, &stand.setup.name, stand.setup.numeric().name());
    let teller = Teller::new(stand, &HONEST)?;
    let windows = plan.windows(plan.honest);
    let mut court = Court::new(stand);
    for window in 0..windows {
        let bank = Bank::fill(stand, window, plan.groups.max(2))?;
        let submission = teller.tell(&bank, &bank, &[])?;
        let report = court.judge(&submission)?;
        let rewards: Vec<f32> = bank.honest.iter().map(|record| record.reward).collect();
        counting.add(&submission, &report, &rewards);
        if plan.old && window < 2 {
            counting.add_old(old(stand, &mut court, &teller, &bank, &submission, &[])?);
        }
        court.forget();
        tell(window + 1, windows);
    }
    Ok(counting.finish())
}

/// The same file as the Python network's two checks see it. Of lies only what is false is counted, of the control all.
fn old(
    stand: &Stand,
    court: &mut Court<'_>,
    teller: &Teller<'_>,
    bank: &Bank,
    submission: &Submission,
    mean: &[f32],
) -> Result<OldTally, LabError> {
    let sketches = OldSketches::new()?;
    let texts: Vec<&[TokenId]> = submission.records.iter().map(|record| record.tokens.as_slice()).collect();
    let own = court.old_sketches(&sketches, &bank.scene, &texts)?;
    let claims = teller.tell_old(&sketches, bank, submission, &own, mean)?;
    let size = usize::from(ROLLOUTS_PER_PROBLEM);
    let mut tally = OldTally::default();
    let control = teller.lie().kind == LieKind::Control;
    let groups = submission.records.chunks(size).zip(claims.chunks(size)).zip(own.chunks(size));
    let groups = groups.zip(submission.harmless.chunks(size)).zip(&bank.scene.groups);
    for ((((records, claims), own), harmless), asked) in groups {
        let texts: Vec<Vec<TokenId>> = records.iter().map(|record| record.tokens.clone()).collect();
        let readouts = court.read(&stand.probe(asked, &texts))?;
        for ((((record, claim), own), harmless), readout) in
            records.iter().zip(claims).zip(own).zip(harmless).zip(readouts)
        {
            if *harmless && !control {
                continue;
            }
            let logprobs: Vec<f64> = readout.draws.iter().map(|draw| f64::from(draw.logprob)).collect();
            tally.judge(&OldCase {
                prompt: &asked.request.prompt,
                completion: &record.tokens,
                claim,
                sketches: own,
                logprobs: &logprobs,
            })?;
        }
    }
    Ok(tally)
}
