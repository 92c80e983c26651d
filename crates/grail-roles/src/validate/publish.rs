//! Signed verdicts, published for trainers and for those who were judged.

use super::Validator;
use crate::{
    evidence::Exclusion,
    reports::{FileOutcome, WindowReport},
    work::blocking,
};
use bytes::Bytes;
use grail_artifact::{
    keys::VerdictKey,
    verdict::{
        FileCounts, FileVerdict, GroupVerdict, REWARD_UNIT, RefusalReason, VERDICT_VERSION, VerdictFile,
        reasons_for_each,
    },
    window::RootHex,
};
use grail_ports::{Door, Fault, Retry};
use grail_verify::{
    MinerReport, Verdict,
    rejection::RolloutPlace,
    report::{GroupReport, Judgement},
};
use std::{collections::BTreeMap, sync::Arc};

/// What a verdict file says of a file that was not looked at, since evidence of earlier windows keeps its miner out.
pub(super) const EXCLUDED: &str = "excluded";

impl Validator {
    /// Publishes the verdicts of the newest report, unless that was done.
    ///
    /// A shelf out of reach must not keep windows from being judged: it is told, and tried again at the next step.
    pub(super) async fn publish_verdicts(&mut self) -> Result<(), Fault> {
        let (Some(verdicts), Some(report)) = (&self.verdicts, &self.unpublished) else { return Ok(()) };
        let window = report.window;
        let mut file = verdict_file(report)?;
        let signer = Arc::clone(&verdicts.signer);
        let signed = blocking("sign the verdicts", move |_| {
            file.sign_with(signer.hotkey(), |statement| signer.sign(statement))?;
            file.to_json()
                .map_err(|error| Fault::new(Door::Inside, Retry::Never, "encode the verdicts", error))
        });
        let key = VerdictKey { validator: verdicts.signer.hotkey(), window }.into();
        let published = match signed.await {
            Ok(bytes) => verdicts.shelf.put(&key, Bytes::from(bytes)).await,
            Err(fault) => Err(fault),
        };
        match published {
            Err(fault) if fault.door == Door::Inside && fault.retry == Retry::Never => return Err(fault),
            Ok(_) => {
                tracing::debug!(target: "grail::validate", window = window.0, "verdicts published");
                self.unpublished = None;
            }
            // Whatever the store says: it must not keep files from being judged.
            Err(fault) => {
                if self.teller.is_due("verdicts", self.clock.now()) {
                    tracing::warn!(target: "grail::validate", fault = %fault.chain(), "could not publish verdicts; trying again");
                }
            }
        }
        Ok(())
    }
}

/// What others may know of a report, unsigned.
///
/// Errors: a challenge that is no digest, which no report of ours has.
pub(super) fn verdict_file(report: &WindowReport) -> Result<VerdictFile, Fault> {
    let challenge = RootHex::try_from(report.challenge.clone())
        .map_err(|error| Fault::new(Door::Inside, Retry::Never, "read the challenge of a report", error))?;
    let mut files: Vec<FileVerdict> = report
        .miners
        .iter()
        .filter_map(|entry| match &entry.outcome {
            FileOutcome::Absent => None,
            FileOutcome::Excluded(exclusion) => Some(FileVerdict {
                hotkey: entry.hotkey,
                root: None,
                groups: Vec::new(),
                refused: BTreeMap::from([(EXCLUDED.to_owned(), 1)]),
                undecided: BTreeMap::new(),
                counts: None,
                reasons: vec![excluded(exclusion)],
            }),
            FileOutcome::Judged(judged) => Some(of_file(judged)),
        })
        .collect();
    files.sort_by_key(|file| file.hotkey);
    let most = reasons_for_each(files.len());
    files.iter_mut().for_each(|file| file.reasons.truncate(most));
    Ok(VerdictFile {
        version: VERDICT_VERSION,
        network: report.network.clone(),
        window: report.window,
        checkpoint: report.checkpoint,
        env: report.env.clone(),
        validator: report.validator,
        challenge,
        files,
        signature: None,
    })
}

fn of_file(report: &MinerReport) -> FileVerdict {
    FileVerdict {
        hotkey: report.hotkey,
        root: report.root,
        groups: report.groups.iter().filter_map(of_group).collect(),
        refused: report.tally.rejected.clone(),
        undecided: report.tally.undecided.clone(),
        counts: matches!(report.file, Verdict::Accepted).then(|| counts(report)),
        reasons: reasons(report),
    }
}

fn counts(report: &MinerReport) -> FileCounts {
    let tally = &report.tally;
    FileCounts {
        groups: tally.groups_claimed,
        checked: tally.groups_checked,
        valid: tally.accepted,
        right: tally.successful,
        unique: tally.unique_solutions,
        // Whole millionths in the tally already.
        extrapolation: (tally.extrapolation.max(1.0) * 1e6).round() as u64,
    }
}

/// The reason against each refused rollout, or against the file, by rising place.
fn reasons(report: &MinerReport) -> Vec<RefusalReason> {
    let place = |(group, rollout)| RolloutPlace { group, rollout };
    let mut reasons: Vec<_> =
        report.rejections().map(|(at, rejection)| rejection.reason(at.map(place))).collect();
    reasons.sort_by_key(|reason| (reason.group, reason.rollout));
    reasons.dedup_by_key(|reason| (reason.group, reason.rollout));
    reasons
}

fn excluded(exclusion: &Exclusion) -> RefusalReason {
    RefusalReason {
        group: None,
        rollout: None,
        token: None,
        code: EXCLUDED.to_owned(),
        measured: Some(format!("10^{:.1}", exclusion.log10)),
        allowed: Some(format!("10^{}", grail_verify::score::evidence::LEAVE_OUT_LOG10)),
        told: exclusion.to_string(),
    }
    .bounded()
}

/// The group, where every rollout was accepted and judged: half a group teaches something else than a whole one.
fn of_group(group: &GroupReport) -> Option<GroupVerdict> {
    let accepted = |verdict: &Verdict| *verdict == Verdict::Accepted;
    if !accepted(&group.verdict) || !group.rollouts.iter().all(|rollout| accepted(&rollout.verdict)) {
        return None;
    }
    let judged: Vec<&Judgement> =
        group.rollouts.iter().map(|rollout| rollout.judgement.as_ref()).collect::<Option<_>>()?;
    Some(GroupVerdict {
        group: group.group,
        rewards: judged.iter().map(|judgement| hundred_thousandths(judgement.reward)).collect(),
        right: judged.iter().map(|judgement| judgement.success).collect(),
    })
}

/// Rewards are whole hundred-thousandths; the float nearest to one leads back to it.
fn hundred_thousandths(reward: f32) -> u32 {
    (f64::from(reward) * f64::from(REWARD_UNIT)).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reward_survives_its_float() {
        for whole in 0..=REWARD_UNIT {
            let float = (f64::from(whole) / f64::from(REWARD_UNIT)) as f32;
            assert_eq!(hundred_thousandths(float), whole);
        }
    }
}
