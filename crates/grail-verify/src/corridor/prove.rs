use super::{
    measure::examine,
    replay::{Replayed, ReplayedGroup, Setting},
    seal::Terms,
};
use crate::{Digits, Doubt, Over, Rejection, Verdict, report::ProofMeasures, verdict::inside};
use grail_artifact::window::RolloutRecord;
use grail_ports::{
    Fault,
    model::{GroupProbe, ModelCard, Oracle, ProbeRollout, Readout, RolloutKeys},
};
use grail_protocol::{
    profile::Drift,
    seed::ProblemSeed,
    words::{GroupIndex, TokenId},
};
use std::collections::BTreeMap;

/// How far a proof is; one call per group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofProgress {
    /// Groups proven so far, this one included.
    pub done: u32,
    /// Groups that will be proven in all.
    pub total: u32,
    /// The group just proven.
    pub group: GroupIndex,
    /// Its rollouts that are rejected so far.
    pub rejected: u32,
}

/// Told after every group; `false` stops the proof, and groups not yet proven stay undecided.
pub type ProofWatch<'a> = &'a mut dyn FnMut(ProofProgress) -> bool;

/// Groups whose rollouts were held against the model's own computation.
#[derive(Debug)]
pub struct Proven {
    pub(super) terms: Terms,
    pub(super) claimed: u32,
    pub(super) groups: Vec<ProvenGroup>,
}

#[derive(Debug)]
pub(super) struct ProvenGroup {
    pub(super) index: GroupIndex,
    pub(super) setting: Result<Setting, Fault>,
    pub(super) rollouts: Vec<ProvenRollout>,
}

#[derive(Debug)]
pub(super) struct ProvenRollout {
    pub(super) record: RolloutRecord,
    pub(super) verdict: Verdict,
    pub(super) measured: Option<ProofMeasures>,
}

impl Replayed {
    /// Asks the model about every group, in the order in which the challenge drew them: one probe a group, holding the
    /// rollouts that nothing speaks against yet.
    ///
    /// A fault of the model, or a model that cannot be asked (another checkpoint, vocabulary or end token), leaves
    /// rollouts undecided; it never rejects one.
    pub fn prove(self, oracle: &mut dyn Oracle, watch: ProofWatch<'_>) -> Proven {
        let unfit = check_card(oracle.card(), &self).err();
        let total = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        let mut going = true;
        let mut prove_group = |(done, group): (u32, ReplayedGroup)| {
            let proven = match &unfit {
                _ if !going => group.undecided(&Doubt::NotProven),
                Some(fault) => group.undecided(&Doubt::from(fault)),
                None => group.prove(&self.terms, oracle),
            };
            if going {
                let rejected = proven.rollouts.iter().filter(|r| r.verdict.rejection().is_some()).count();
                let rejected = u32::try_from(rejected).unwrap_or(u32::MAX);
                going = watch(ProofProgress { done, total, group: proven.index, rejected });
            }
            proven
        };
        let turns: BTreeMap<GroupIndex, usize> = self.order.iter().copied().zip(0..).collect();
        let mut in_turn = self.groups;
        in_turn.sort_by_key(|group| turns.get(&group.index));
        let mut groups: Vec<ProvenGroup> = (1u32..).zip(in_turn).map(&mut prove_group).collect();
        groups.sort_by_key(|group| group.index);
        let drift = self.terms.context.numeric.drift();
        examine_together(
            groups.iter_mut().flat_map(|group| &mut group.rollouts).collect(),
            Over::File,
            &drift,
        );
        Proven { terms: self.terms, claimed: self.claimed, groups }
    }

    /// Goes on without a model: what is not rejected on paper stays undecided as [`Doubt::NotProven`].
    pub fn on_paper(self) -> Proven {
        let groups = self.groups.into_iter().map(|group| group.undecided(&Doubt::NotProven)).collect();
        Proven { terms: self.terms, claimed: self.claimed, groups }
    }
}

/// Whether this model can be asked about this window.
fn check_card(card: &ModelCard, case: &Replayed) -> Result<(), Fault> {
    let (checkpoint, vocabulary) = (case.terms.context.checkpoint, case.terms.vocabulary);
    if card.checkpoint != checkpoint {
        let loaded = card.checkpoint;
        return Err(inside(format!("the loaded model is checkpoint {loaded}, the window's is {checkpoint}")));
    }
    if card.vocabulary != vocabulary {
        let loaded = card.vocabulary;
        return Err(inside(format!(
            "the loaded model has {loaded} logits, the file was read with {vocabulary}"
        )));
    }
    let sorted = |tokens: &[TokenId]| {
        let mut tokens = tokens.to_vec();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    };
    if sorted(&card.end_tokens) != sorted(&case.end_tokens) {
        return Err(inside("model and tokenizer disagree about the end tokens"));
    }
    Ok(())
}

impl ReplayedGroup {
    fn undecided(self, doubt: &Doubt) -> ProvenGroup {
        let doubt = match &self.setting {
            Ok(_) => doubt.clone(),
            Err(fault) => Doubt::from(fault),
        };
        let proven = |(record, finding): (RolloutRecord, Option<Rejection>)| ProvenRollout {
            record,
            verdict: finding.map_or_else(|| Verdict::Undecided(doubt.clone()), Verdict::Rejected),
            measured: None,
        };
        let rollouts = self.rollouts.into_iter().zip(self.findings).map(proven).collect();
        ProvenGroup { index: self.index, setting: self.setting, rollouts }
    }

    fn prove(self, terms: &Terms, oracle: &mut dyn Oracle) -> ProvenGroup {
        let Ok(setting) = &self.setting else { return self.undecided(&Doubt::NotProven) };
        let asked: Vec<&RolloutRecord> = self
            .rollouts
            .iter()
            .zip(&self.findings)
            .filter(|(_, finding)| finding.is_none())
            .map(|(record, _)| record)
            .collect();
        let readouts = match ask(&asked, setting, &self.seed, terms, oracle) {
            Ok(readouts) => readouts,
            Err(fault) => return self.undecided(&Doubt::from(&fault)),
        };
        let profile = terms.context.numeric;
        let mut readouts = readouts.iter();
        let prove = |(record, finding): (RolloutRecord, Option<Rejection>)| {
            let (verdict, measured) = match finding {
                Some(rejection) => (Verdict::Rejected(rejection), None),
                None => match readouts.next().map(|readout| examine(&record, readout, profile)) {
                    Some(Ok((verdict, measured))) => (verdict, Some(measured)),
                    Some(Err(fault)) => (Verdict::Undecided(Doubt::from(&fault)), None),
                    // `ask` counted them.
                    None => (Verdict::Undecided(Doubt::NotProven), None),
                },
            };
            ProvenRollout { record, verdict, measured }
        };
        let mut rollouts: Vec<ProvenRollout> =
            self.rollouts.into_iter().zip(self.findings).map(prove).collect();
        examine_together(rollouts.iter_mut().collect(), Over::Group, &profile.drift());
        ProvenGroup { index: self.index, setting: self.setting, rollouts }
    }
}

/// What no rollout shows by itself, and all of a group or a file together do: digits of log-probabilities that another model
/// gives. They speak against every rollout that was read.
fn examine_together(rollouts: Vec<&mut ProvenRollout>, over: Over, drift: &Drift) {
    let digits = Digits::sum(rollouts.iter().filter_map(|rollout| rollout.measured?.digits));
    if !digits.is_too_many(drift) {
        return;
    }
    for rollout in rollouts {
        if rollout.measured.is_some() && rollout.verdict.rejection().is_none() {
            rollout.verdict = Verdict::Rejected(digits.rejection(over, drift));
        }
    }
}

/// One readout for each record, in order.
fn ask(
    records: &[&RolloutRecord],
    setting: &Setting,
    seed: &ProblemSeed,
    terms: &Terms,
    oracle: &mut dyn Oracle,
) -> Result<Vec<Readout>, Fault> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let rollout = |record: &&RolloutRecord| ProbeRollout {
        completion: record.tokens.clone(),
        keys: RolloutKeys { draw: seed.draw_key(record.rollout), sketch: seed.sketch_key(record.rollout) },
    };
    let probe = GroupProbe {
        prompt: setting.prompt.clone(),
        rollouts: records.iter().map(rollout).collect(),
        policy: terms.context.policy,
        nucleus_slack: terms.context.numeric.thresholds().nucleus_slack,
    };
    let readouts = oracle.read(&probe)?;
    if readouts.len() != records.len() {
        return Err(inside(format!("the model read {} of {} rollouts", readouts.len(), records.len())));
    }
    Ok(readouts)
}
