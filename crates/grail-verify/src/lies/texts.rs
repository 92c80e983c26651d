//! Texts that were not drawn.

use super::Means;
use grail_artifact::window::RolloutRecord;
use grail_ports::Fault;
use grail_protocol::{params::ROLLOUTS_PER_PROBLEM, words::TokenId};
use std::collections::BTreeMap;

type Texts = Result<Vec<Vec<TokenId>>, Fault>;

/// The honest texts, changed one by one.
fn each(means: &dyn Means, mut change: impl FnMut(&RolloutRecord) -> Result<Vec<TokenId>, Fault>) -> Texts {
    means.honest(0)?.iter().map(&mut change).collect()
}

pub(super) fn foreign(means: &dyn Means) -> Texts {
    let mut texts: Vec<Vec<TokenId>> = means.honest(0)?.into_iter().map(|record| record.tokens).collect();
    texts.chunks_mut(usize::from(ROLLOUTS_PER_PROBLEM)).for_each(|group| group.rotate_left(1));
    Ok(texts)
}

pub(super) fn ended_early(means: &dyn Means) -> Texts {
    let end = means.tokenizer().end_tokens().first().copied().unwrap_or(0);
    each(means, |record| {
        let half = record.tokens.len() / 2;
        Ok(record.tokens.iter().copied().take(half).chain([end]).collect())
    })
}

/// The same text, as the tokenizer would have written it.
pub(super) fn retokenised(means: &dyn Means) -> Texts {
    let tokenizer = means.tokenizer();
    each(means, |record| {
        let (body, end) = match record.tokens.split_last() {
            Some((last, body)) if tokenizer.end_tokens().contains(last) => (body, Some(*last)),
            _ => (record.tokens.as_slice(), None),
        };
        let mut again = means.encode(&tokenizer.decode(body)?)?;
        again.extend(end);
        again.truncate(means.window().max_new_tokens as usize);
        Ok(if again.is_empty() { record.tokens.clone() } else { again })
    })
}

/// A wrong answer becomes the right one by one digit, where one digit is enough.
pub(super) fn answer_swapped(means: &dyn Means) -> Texts {
    let mut digits = Vec::new();
    for token in 0..means.vocabulary() {
        let text = means.tokenizer().decode(&[token])?;
        if text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            digits.push(token);
        }
    }
    each(means, |record| {
        if means.succeeds(record, &record.tokens)? {
            return Ok(record.tokens.clone());
        }
        // From the end, where answers stand.
        let places = record.tokens.iter().enumerate().rev().filter(|(_, token)| digits.contains(token));
        for (place, _) in places {
            for digit in &digits {
                let mut other = record.tokens.clone();
                other.splice(place..=place, [*digit]);
                if means.succeeds(record, &other)? {
                    return Ok(other);
                }
            }
        }
        Ok(record.tokens.clone())
    })
}

/// The completion with its first token that can be cut in two, cut in two.
pub(super) fn split(means: &dyn Means) -> Texts {
    let (mut spelt, mut known) = (Vec::new(), BTreeMap::new());
    for token in 0..means.vocabulary() {
        let text = means.tokenizer().decode(&[token])?;
        // Pieces of characters have no text of their own.
        if !text.contains('\u{fffd}') {
            known.entry(text.clone()).or_insert(token);
        }
        spelt.push(text);
    }
    let halves = |token: &TokenId| {
        let text: &String = spelt.get(*token as usize)?;
        let cuts = text.char_indices().map(|(at, _)| text.split_at(at)).skip(1);
        cuts.filter_map(|(left, right)| Some([*known.get(left)?, *known.get(right)?])).next()
    };
    each(means, |record| {
        let mut tokens = record.tokens.clone();
        let cut = tokens.iter().enumerate().find_map(|(place, token)| Some((place, halves(token)?)));
        if let Some((place, halves)) = cut {
            tokens.splice(place..=place, halves);
            tokens.truncate(means.window().max_new_tokens as usize);
        }
        Ok(tokens)
    })
}
