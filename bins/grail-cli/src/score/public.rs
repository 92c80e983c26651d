//! A score from what validators publish: anybody computes it.

use grail_artifact::verdict::{FileCounts, FileVerdict, VerdictFile};
use grail_protocol::{hash::digest, words::Hotkey};
use grail_verify::score::{History, Tally};

/// Millionths in an extrapolation of 1.
const UNIT: u64 = 1_000_000;

/// The counts of a verdict. Version 1 has none: of it accepted groups are counted, and every right answer as a
/// different one, which is the most that there can be.
pub(crate) fn counts(verdict: &FileVerdict) -> FileCounts {
    verdict.counts.unwrap_or_else(|| {
        let valid: usize = verdict.groups.iter().map(|group| group.rewards.len()).sum();
        let right = verdict.groups.iter().flat_map(|group| &group.right).filter(|right| **right).count();
        let groups = u32::try_from(verdict.groups.len()).unwrap_or(u32::MAX);
        FileCounts {
            groups,
            checked: groups,
            valid: valid as u64,
            right: right as u64,
            unique: right as u64,
            extrapolation: UNIT,
        }
    })
}

/// The history that a validator's verdict files amount to, the newest `windows` of them.
///
/// Published counts name no solutions. Windows ask different problems, so that a solution of one is none of another, and
/// each counts as one of its own: a name is made for it.
pub(crate) fn history<'a>(files: impl IntoIterator<Item = &'a VerdictFile>, windows: usize) -> History {
    let mut files: Vec<&VerdictFile> = files.into_iter().collect();
    files.sort_by_key(|file| file.window);
    let mut history = History::new(windows);
    for file in files {
        history.open(file.window);
        for verdict in &file.files {
            // What nobody looked at leaves no trace, as with the validator itself.
            let unread = verdict.root.is_none() && verdict.refused.is_empty();
            if unread || verdict.refused.contains_key("excluded") {
                continue;
            }
            if !verdict.refused.is_empty() {
                history.blemish(file.window, verdict.hotkey);
            }
            // A file that was read on paper alone, for lack of time: its miner's proven windows speak for it.
            let on_paper = verdict.counts.is_some_and(|counts| counts.checked == 0 && counts.groups > 0);
            if on_paper && verdict.refused.is_empty() {
                history.carry(file.window, verdict.hotkey);
            } else {
                history.record(file.window, verdict.hotkey, tally(file.window.0, verdict));
            }
        }
    }
    history
}

fn tally(window: u64, verdict: &FileVerdict) -> Tally {
    let counts = counts(verdict);
    Tally {
        valid: counts.valid,
        solutions: (0..counts.unique).map(|number| name(&verdict.hotkey, window, number)).collect(),
        extrapolation: counts.extrapolation as f64 / UNIT as f64,
    }
}

/// A name that no other solution has.
fn name(hotkey: &Hotkey, window: u64, number: u64) -> [u8; 32] {
    digest(
        "grail/1 counted solution",
        &[hotkey.as_bytes().as_slice(), &window.to_le_bytes(), &number.to_le_bytes()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdicts::read::tests::{on, pair, verdicts};
    use grail_verify::score::WeightRule;

    #[test]
    fn published_counts_give_the_weights_that_their_validator_gives() {
        let files =
            [verdicts(1, 20, vec![on(8, None, 4), on(9, None, 16)]), verdicts(1, 40, vec![on(9, None, 16)])];
        let history = history(&files, 12);
        let standing = history.standings(WeightRule::IN_USE)[&pair(9).hotkey()];
        assert_eq!((standing.windows, standing.unique, standing.valid), (2, 32.0, 64.0));
        let weights = history.weights(WeightRule::IN_USE).unwrap();
        let raw = |unique: f64, valid: f64| unique.powf(1.5) * valid;
        let want = raw(32.0, 64.0) / (raw(32.0, 64.0) + raw(4.0, 32.0));
        assert!((weights.share(&pair(9).hotkey()) - want).abs() < 1e-12);
        // Only the newest windows count.
        let one = super::history(&files, 1);
        assert_eq!(one.weights(WeightRule::IN_USE).unwrap().share(&pair(8).hotkey()), 0.0);
    }

    #[test]
    fn a_file_of_version_1_is_counted_by_its_accepted_groups() {
        let mut old = on(9, None, 3);
        old.counts = None;
        let counted = counts(&old);
        assert_eq!((counted.valid, counted.right, counted.unique), (32, 6, 6));
    }
}
