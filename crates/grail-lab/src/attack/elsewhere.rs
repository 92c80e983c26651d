//! The same lies as other proofs see them: the Python network's, and fingerprints of hidden states.

use super::{Bank, Submission, Teller};
use crate::{
    LabError,
    old::{OldClaim, OldSketches},
    stand::Scene,
    v5,
};
use grail_protocol::{params::ROLLOUTS_PER_PROBLEM, words::TokenId};
use grail_torch::{Model, States};
use grail_verify::lies::{LieKind, Tells};

/// Lies about sketch and log-probabilities that the Python network's proof has something to say about.
const WITH_AN_OLD_FORM: [&str; 10] = [
    "zero-sketch",
    "constant-sketch",
    "random-sketch",
    "shuffled-sketch",
    "negated-sketch",
    "mean-state-sketch",
    "other-prompt-sketch",
    "other-rollout-sketch",
    "certain-logprobs",
    "shifted-logprobs",
];

impl Teller<'_> {
    /// Whether the Python network's proof has something to say about the lie.
    pub fn has_an_old_form(&self) -> bool {
        match self.lie.kind {
            LieKind::Structure => false,
            LieKind::Forgery => self.lie.is_about_text() || WITH_AN_OLD_FORM.contains(&self.lie.name),
            LieKind::Control | LieKind::Sampling | LieKind::Model => true,
        }
    }

    /// What the same lie looks like to the Python network's proof; nothing false where it is about a file of ours. `own`
    /// are the sketches that its validator computes for the texts sent.
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
        let records = submission.records.iter();
        let texts: Vec<&[TokenId]> = records.map(|record| record.tokens.as_slice()).collect();
        let sketches = match (self.other_weights(), self.lie.name) {
            (Some(model), _) => old.of(model, &bank.scene, &texts)?,
            (None, "other-prompt-sketch") => old.of(&self.stand.model, &turned(&bank.scene), &texts)?,
            (None, "mean-state-sketch") => {
                let guess = old.sketch(mean)?;
                own.iter().map(|sketches| vec![guess; sketches.len()]).collect()
            }
            (None, name) => old_form(name, own.to_vec()),
        };
        let records = submission.records.iter().zip(sketches);
        Ok(records.map(|(record, sketches)| OldClaim::of(record, sketches)).collect())
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
        let miner = match (self.other_weights(), self.lie.name) {
            (Some(model), _) => read(model, &bank.scene)?,
            (None, "other-prompt-sketch") => read(&self.stand.model, &turned(&bank.scene))?,
            (None, "zero-sketch") => constant(&|_| 0.0),
            (None, "mean-state-sketch") => constant(&|place| mean.get(place).copied().unwrap_or(0.0)),
            (None, "other-rollout-sketch") => {
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

    /// The other model, where the proof is its own.
    fn other_weights(&self) -> Option<&Model> {
        self.other.as_ref().filter(|_| matches!(self.lie.tells, Tells::Computes(_)))
    }
}

/// The window with each group's prompt in the place of the one before.
fn turned(scene: &Scene) -> Scene {
    let mut turned = scene.clone();
    turned.groups.rotate_left(1);
    turned
}

/// A lie about sketches of that proof.
fn old_form(name: &str, mut truth: Vec<Vec<i64>>) -> Vec<Vec<i64>> {
    let shift = match name {
        "other-rollout-sketch" => Some(1),
        "random-sketch" => Some(7),
        _ => None,
    };
    if let Some(shift) = shift {
        let lengths: Vec<usize> = truth.iter().map(Vec::len).collect();
        let shift = shift % truth.len().max(1);
        truth.rotate_left(shift);
        for (sketches, length) in truth.iter_mut().zip(lengths) {
            *sketches = sketches.iter().copied().cycle().take(length).collect();
        }
    }
    for sketches in &mut truth {
        match name {
            "zero-sketch" => sketches.fill(0),
            "constant-sketch" => sketches.fill(1_000),
            "shuffled-sketch" => sketches.reverse(),
            "negated-sketch" => {
                sketches.iter_mut().for_each(|s| *s = (-*s).rem_euclid(v5::sketch::MODULUS));
            }
            _ => {}
        }
    }
    truth
}
