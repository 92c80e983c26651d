use super::{Attack, Bank, ClaimLie, MINER, Submission};
use crate::{
    LabError,
    old::{OldClaim, OldSketches},
    stand::{DEADLINE, Scene, Stand, encode, header, pair, seal},
};
use grail_artifact::window::{RolloutRecord, rollout_digest};
use grail_protocol::{
    params::ROLLOUTS_PER_PROBLEM,
    words::{TokenId, UnixMillis},
};
use grail_torch::{Model, States};

/// Tells one lie, window after window.
#[derive(Debug)]
pub struct Liar<'a> {
    stand: &'a Stand,
    attack: Attack,
    /// The model that computes otherwise.
    other: Option<Model>,
}

impl<'a> Liar<'a> {
    /// Prepares a lie; loads another model where it needs one.
    ///
    /// Errors: a model folder that cannot be changed or loaded.
    pub fn new(stand: &'a Stand, attack: Attack) -> Result<Self, LabError> {
        let other = match attack {
            Attack::Weights(lie) => Some(lie.load(stand)?),
            _ => None,
        };
        Ok(Self { stand, attack, other })
    }

    /// What is told.
    pub const fn attack(&self) -> Attack {
        self.attack
    }

    /// What is sent to the court for a window. `earlier` is another window of the same miner, `mean` the mean hidden
    /// state of honest rollouts.
    ///
    /// Errors: the model's trouble.
    pub fn tell(&self, bank: &Bank, earlier: &Bank, mean: &[f32]) -> Result<Submission, LabError> {
        let (records, truth, miner) = match self.attack {
            Attack::File(lie) => return lie.tell(bank, earlier),
            Attack::Honest => (bank.honest.clone(), None, MINER),
            Attack::Claim(lie) => {
                let told = lie.tell(self.stand, bank, earlier, mean)?;
                (told.records, told.truth, told.miner)
            }
            Attack::Sampling(lie) => (lie.tell(self.stand, bank)?, None, MINER),
            Attack::Weights(lie) => (lie.tell(self.stand, self.other()?, bank)?, None, MINER),
        };
        let moved = truth.is_some() || miner != MINER;
        let context = truth.unwrap_or_else(|| bank.scene.context.clone());
        let harmless = records.iter().map(|record| !moved && self.is_harmless(record, bank)).collect();
        let same = |record: &RolloutRecord| {
            honest_of(record, bank).is_some_and(|honest| honest.tokens == record.tokens)
        };
        let true_text = records.iter().map(|record| !moved && same(record)).collect();
        let hotkey = pair(miner)?.hotkey();
        let file = seal(header(&context, hotkey), records, miner)?;
        Ok(Submission {
            body: encode(&file)?,
            stored_at: UnixMillis(DEADLINE.0 - 1),
            context,
            hotkey,
            records: file.rollouts,
            harmless,
            true_text,
        })
    }

    /// What the same lie looks like to the Python network's proof; none where it is about a file of ours. `own` are the
    /// sketches that its validator computes for the texts sent.
    ///
    /// Errors: the model's trouble.
    pub fn tell_old(
        &self,
        old: &OldSketches,
        bank: &Bank,
        submission: &Submission,
        own: &[Vec<i64>],
        mean: &[f32],
    ) -> Result<Vec<OldClaim>, LabError> {
        let texts: Vec<&[TokenId]> =
            submission.records.iter().map(|record| record.tokens.as_slice()).collect();
        let sketches = match self.attack {
            Attack::Claim(ClaimLie::OtherPromptSketch) => {
                let mut turned = bank.scene.clone();
                turned.groups.rotate_left(1);
                old.of(&self.stand.model, &turned, &texts)?
            }
            Attack::Claim(ClaimLie::MeanStateSketch) => {
                let guess = old.sketch(mean)?;
                own.iter().map(|sketches| vec![guess; sketches.len()]).collect()
            }
            Attack::Claim(lie) => lie.old_form(own.to_vec()),
            Attack::Weights(lie) if !lie.is_proven() => old.of(self.other()?, &bank.scene, &texts)?,
            Attack::Honest | Attack::File(_) | Attack::Sampling(_) | Attack::Weights(_) => own.to_vec(),
        };
        let records = submission.records.iter().zip(sketches);
        Ok(records.map(|(record, sketches)| OldClaim::of(record, sketches)).collect())
    }

    /// Whether the Python network's proof has something to say about the lie.
    pub const fn has_an_old_form(&self) -> bool {
        match self.attack {
            Attack::File(_) => false,
            Attack::Claim(lie) => lie.has_an_old_form(),
            Attack::Honest | Attack::Sampling(_) | Attack::Weights(_) => true,
        }
    }

    /// Hidden states that the miner would fingerprint and those that a validator computes, a pair for each rollout.
    ///
    /// Errors: the model's trouble.
    pub fn states(
        &self,
        bank: &Bank,
        submission: &Submission,
        mean: &[f32],
    ) -> Result<Vec<(States, States)>, LabError> {
        let read = |model: &Model, scene: &Scene| -> Result<Vec<States>, LabError> {
            let mut all = Vec::new();
            let groups = submission.records.chunks(usize::from(ROLLOUTS_PER_PROBLEM));
            for (asked, records) in scene.groups.iter().zip(groups) {
                let texts: Vec<&[TokenId]> = records.iter().map(|record| record.tokens.as_slice()).collect();
                all.extend(model.states(&asked.request.prompt, &texts)?);
            }
            Ok(all)
        };
        let own = read(&self.stand.model, &bank.scene)?;
        let constant = |value: &dyn Fn(usize) -> f32| -> Vec<States> {
            let filled = |states: &States| {
                let width = states.width();
                let row = (0..width).map(value).collect::<Vec<f32>>();
                States::new(row.iter().copied().cycle().take(width * states.rows().len()).collect(), width)
            };
            own.iter().map(filled).collect()
        };
        let miner = match self.attack {
            Attack::Weights(lie) if !lie.is_proven() => read(self.other()?, &bank.scene)?,
            Attack::Claim(ClaimLie::OtherPromptSketch) => {
                let mut turned = bank.scene.clone();
                turned.groups.rotate_left(1);
                read(&self.stand.model, &turned)?
            }
            Attack::Claim(ClaimLie::ZeroSketch) => constant(&|_| 0.0),
            Attack::Claim(ClaimLie::MeanStateSketch) => {
                constant(&|place| mean.get(place).copied().unwrap_or(0.0))
            }
            Attack::Claim(ClaimLie::OtherRolloutSketch) => {
                let lengths: Vec<usize> = own.iter().map(|states| states.rows().len()).collect();
                let mut turned = own.clone();
                turned.rotate_left(1);
                let fitted = |(states, length): (States, usize)| {
                    let rows = states.rows().cycle().take(length).flatten().copied().collect();
                    States::new(rows, states.width())
                };
                turned.into_iter().zip(lengths).map(fitted).collect()
            }
            _ => own.clone(),
        };
        Ok(miner.into_iter().zip(own).collect())
    }

    fn other(&self) -> Result<&Model, LabError> {
        self.other.as_ref().ok_or_else(|| LabError::inside("a lie about weights without other weights"))
    }

    /// Whether an honest miner would have sent that too. Of draws the tokens are looked at alone: a true sketch may be
    /// one step off, as it was read in another batch.
    fn is_harmless(&self, record: &RolloutRecord, bank: &Bank) -> bool {
        let Some(honest) = honest_of(record, bank) else { return false };
        match self.attack {
            Attack::Honest => true,
            Attack::File(_) => false,
            Attack::Sampling(_) => honest.tokens == record.tokens,
            Attack::Claim(lie) if lie.is_about_text() => honest.tokens == record.tokens,
            Attack::Weights(lie) if lie.is_proven() => honest.tokens == record.tokens,
            Attack::Claim(_) | Attack::Weights(_) => rollout_digest(honest) == rollout_digest(record),
        }
    }
}

/// The honest rollout in the place of a record.
fn honest_of<'b>(record: &RolloutRecord, bank: &'b Bank) -> Option<&'b RolloutRecord> {
    bank.honest.iter().find(|honest| (honest.group, honest.rollout) == (record.group, record.rollout))
}

impl ClaimLie {
    /// Whether the text is false and sketch and log-probabilities are true.
    const fn is_about_text(self) -> bool {
        matches!(
            self,
            Self::ForeignText | Self::AnswerSwap | Self::SplitToken | Self::Retokenised | Self::EndedEarly
        )
    }

    /// Whether the Python network's proof has something to say about it.
    const fn has_an_old_form(self) -> bool {
        self.is_about_text()
            || matches!(
                self,
                Self::ZeroSketch
                    | Self::ConstantSketch
                    | Self::RandomSketch
                    | Self::ShuffledSketch
                    | Self::NegatedSketch
                    | Self::MeanStateSketch
                    | Self::OtherPromptSketch
                    | Self::OtherRolloutSketch
                    | Self::CertainLogprobs
                    | Self::ShiftedLogprobs
            )
    }

    /// The same lie about sketches of that proof.
    fn old_form(self, mut truth: Vec<Vec<i64>>) -> Vec<Vec<i64>> {
        let each = |truth: &mut Vec<Vec<i64>>, edit: &mut dyn FnMut(&mut Vec<i64>)| {
            truth.iter_mut().for_each(edit);
        };
        match self {
            Self::ZeroSketch => each(&mut truth, &mut |sketches| sketches.fill(0)),
            Self::ConstantSketch => each(&mut truth, &mut |sketches| sketches.fill(1_000)),
            Self::ShuffledSketch => each(&mut truth, &mut |sketches| sketches.reverse()),
            Self::NegatedSketch => each(&mut truth, &mut |sketches| {
                sketches.iter_mut().for_each(|s| *s = (-*s).rem_euclid(crate::v5::sketch::MODULUS));
            }),
            Self::RandomSketch | Self::OtherRolloutSketch => {
                let shift = if matches!(self, Self::OtherRolloutSketch) { 1 } else { 7 };
                let lengths: Vec<usize> = truth.iter().map(Vec::len).collect();
                let shift = shift % truth.len().max(1);
                truth.rotate_left(shift);
                for (sketches, length) in truth.iter_mut().zip(lengths) {
                    *sketches = sketches.iter().copied().cycle().take(length).collect();
                }
            }
            _ => {}
        }
        truth
    }
}
