//! The validator's side: the whole court, with a model that remembers what it read.

use crate::{
    LabError,
    attack::Submission,
    old::OldSketches,
    stand::{Scene, Stand, shelved},
};
use grail_ports::{
    Fault,
    model::{GroupProbe, ModelCard, Oracle, ProbeRollout, Readout},
};
use grail_protocol::{
    hash::{Digest, Hasher},
    words::TokenId,
};
use grail_torch::TorchOracle;
use grail_verify::{MinerReport, verify_file};
use std::collections::HashMap;

/// Judges files. Lies that share their text share the model's reading of it, which is a function of the text alone.
#[derive(Debug)]
pub struct Court<'a> {
    stand: &'a Stand,
    oracle: Remembering,
    sketches: HashMap<Digest, Vec<Vec<i64>>>,
}

impl<'a> Court<'a> {
    /// A court on the stand's honest model.
    pub fn new(stand: &'a Stand) -> Self {
        let oracle = TorchOracle::new(stand.model.clone());
        Self { stand, oracle: Remembering { oracle, read: HashMap::new() }, sketches: HashMap::new() }
    }

    /// The verdict about a file, from its bytes on.
    ///
    /// Errors: the model's trouble, from which nothing can be concluded.
    pub fn judge(&mut self, submission: &Submission) -> Result<MinerReport, LabError> {
        let case = self.stand.case(&submission.context, &submission.hotkey);
        let fetched = shelved(submission.body.clone(), submission.stored_at);
        let report = verify_file(fetched, &case, &mut self.oracle, &mut |_| true);
        match report.tally.undecided.get("fault") {
            None => Ok(report),
            Some(count) => Err(LabError::inside(format!("{count} rollouts met trouble of our own"))),
        }
    }

    /// What the model says of completions, as [`Court::judge`] read them.
    ///
    /// Errors: the model's trouble.
    pub fn read(&mut self, probe: &GroupProbe) -> Result<Vec<Readout>, LabError> {
        Ok(self.oracle.read(probe)?)
    }

    /// Sketches of the Python network that its validator computes for a window's completions.
    ///
    /// Errors: the model's trouble.
    pub fn old_sketches(
        &mut self,
        old: &OldSketches,
        scene: &Scene,
        texts: &[&[TokenId]],
    ) -> Result<Vec<Vec<i64>>, LabError> {
        let mut hasher = Hasher::new("grail lab texts");
        for tokens in
            scene.groups.iter().map(|asked| asked.request.prompt.as_slice()).chain(texts.iter().copied())
        {
            hasher.field(&bytes(tokens));
        }
        let key = hasher.finish();
        if let Some(known) = self.sketches.get(&key) {
            return Ok(known.clone());
        }
        let sketches = old.of(&self.stand.model, scene, texts)?;
        self.sketches.insert(key, sketches.clone());
        Ok(sketches)
    }

    /// Forgets what the model read.
    pub fn forget(&mut self) {
        self.oracle.read.clear();
        self.sketches.clear();
    }
}

#[derive(Debug)]
struct Remembering {
    oracle: TorchOracle,
    read: HashMap<Digest, Readout>,
}

impl Oracle for Remembering {
    fn card(&self) -> &ModelCard {
        self.oracle.card()
    }

    fn read(&mut self, probe: &GroupProbe) -> Result<Vec<Readout>, Fault> {
        let keys: Vec<Digest> = probe.rollouts.iter().map(|rollout| key(probe, rollout)).collect();
        let known: Option<Vec<Readout>> = keys.iter().map(|key| self.read.get(key).cloned()).collect();
        if let Some(known) = known {
            return Ok(known);
        }
        let readouts = self.oracle.read(probe)?;
        for (key, readout) in keys.into_iter().zip(&readouts) {
            self.read.insert(key, readout.clone());
        }
        Ok(readouts)
    }
}

fn bytes(tokens: &[TokenId]) -> Vec<u8> {
    tokens.iter().flat_map(|token| token.to_le_bytes()).collect()
}

/// Everything that a reading depends on.
fn key(probe: &GroupProbe, rollout: &ProbeRollout) -> Digest {
    let mut hasher = Hasher::new("grail lab reading");
    hasher.field(&bytes(&probe.prompt));
    hasher.field(&bytes(&rollout.completion));
    hasher.field(rollout.keys.draw.as_bytes());
    hasher.field(rollout.keys.sketch.as_bytes());
    hasher.field(&probe.policy.temperature.to_le_bytes());
    hasher.field(&probe.policy.top_p.to_le_bytes());
    hasher.field(&probe.nucleus_slack.to_le_bytes());
    hasher.finish()
}
