//! The form of signed records: which there are, in which order, and whether each can mean anything.

use crate::{Rejection, rejection::RolloutPlace};
use grail_artifact::window::RolloutRecord;
use grail_protocol::{
    params::ROLLOUTS_PER_PROBLEM,
    words::{GroupIndex, RolloutIndex, TokenId},
};
use std::collections::{BTreeMap, BTreeSet};

const fn place(record: &RolloutRecord) -> RolloutPlace {
    RolloutPlace { group: record.group, rollout: record.rollout }
}

/// Groups 0, 1, 2, … without gaps, each with rollouts 0 to 15, all in that order.
///
/// A miner may stop, it may not skip: a file that skips is refused whole, since leaving out a group or a rollout is
/// how one would choose among answers.
pub(super) fn check_order(records: &[RolloutRecord]) -> Result<(), Rejection> {
    let mut seen = BTreeSet::new();
    let mut sizes: BTreeMap<GroupIndex, u64> = BTreeMap::new();
    for record in records {
        if !seen.insert(place(record)) {
            return Err(Rejection::DuplicateRollout { at: place(record) });
        }
        *sizes.entry(record.group).or_default() += 1;
    }
    for (next, missing) in sizes.keys().zip((0u32..).map(GroupIndex)) {
        if *next != missing {
            return Err(Rejection::GroupGap { missing, next: *next });
        }
    }
    let want = u64::from(ROLLOUTS_PER_PROBLEM);
    if let Some((group, got)) = sizes.iter().find(|(_, size)| **size != want) {
        return Err(Rejection::GroupSize { group: *group, got: *got, want });
    }
    let order = (0u32..).flat_map(|group| {
        (0..ROLLOUTS_PER_PROBLEM)
            .map(move |rollout| RolloutPlace { group: GroupIndex(group), rollout: RolloutIndex(rollout) })
    });
    for (record, expected) in records.iter().zip(order) {
        if place(record) != expected {
            return Err(Rejection::RolloutOrder { found: place(record), expected });
        }
    }
    Ok(())
}

/// Each record by itself: lengths, cap, token ids, sketch range, log-probabilities, reward.
pub(super) fn check_records(
    records: &[RolloutRecord],
    max_new_tokens: u32,
    vocabulary: u32,
) -> Result<(), Rejection> {
    records.iter().try_for_each(|record| check_record(record, max_new_tokens, vocabulary))
}

fn check_record(record: &RolloutRecord, max_new_tokens: u32, vocabulary: u32) -> Result<(), Rejection> {
    let at = place(record);
    let (tokens, sketch, logprobs) =
        (record.tokens.len() as u64, record.sketch.len() as u64, record.logprobs.len() as u64);
    if tokens != sketch || tokens != logprobs {
        return Err(Rejection::RolloutLengths { at, tokens, sketch, logprobs });
    }
    if tokens == 0 {
        return Err(Rejection::EmptyCompletion { at });
    }
    if tokens > u64::from(max_new_tokens) {
        return Err(Rejection::CompletionTooLong { at, got: tokens, most: max_new_tokens });
    }
    // Positions fit: the length is at most `max_new_tokens`, a u32.
    let position = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let outside = |token: &TokenId| *token >= vocabulary;
    if let Some((index, token)) = record.tokens.iter().enumerate().find(|(_, token)| outside(token)) {
        return Err(Rejection::TokenOutsideVocabulary {
            at,
            position: position(index),
            token: *token,
            vocabulary,
        });
    }
    if !record.reward.is_finite() {
        return Err(Rejection::RewardNotFinite { at, claimed: record.reward.to_string() });
    }
    if let Some(index) = record.sketch.iter().position(|y| *y == i8::MIN) {
        return Err(Rejection::SketchOutOfRange { at, position: position(index) });
    }
    if let Some((index, units)) = record.logprobs.iter().enumerate().find(|(_, units)| **units > 0) {
        return Err(Rejection::LogprobPositive { at, position: position(index), units: *units });
    }
    Ok(())
}
