//! Which positions of a rollout are looked at.

use super::{
    V5Error,
    prf::{clean, prf},
    twister::Twister,
};
use sha2::{Digest as _, Sha256};
use std::ops::Range;

/// `count` positions below `length`, rising: chosen by the randomness and by every token of the sequence.
///
/// Tokens are the low 32 bits of what the original holds.
///
/// Errors: [`V5Error::Positions`] when there are too few, none is wanted, or there are no tokens;
/// [`V5Error::Randomness`].
pub fn indices(tokens: &[u32], randomness: &str, length: usize, count: usize) -> Result<Vec<usize>, V5Error> {
    let impossible = V5Error::Positions { wanted: count, among: length };
    if count > length || count == 0 || tokens.is_empty() {
        return Err(impossible);
    }
    let randomness = match clean(randomness)? {
        bytes if bytes.is_empty() => return Err(V5Error::Randomness { text: randomness.into() }),
        bytes => bytes,
    };
    let (Ok(among), Ok(wanted)) = (u32::try_from(length), u32::try_from(count)) else {
        return Err(impossible);
    };
    let mut hasher = Sha256::new();
    for token in tokens {
        hasher.update(token.to_be_bytes());
    }
    let seed = prf(b"open", &[&hasher.finalize(), &randomness], 32)?;
    let mut twister = Twister::from_bytes(&seed);
    let mut chosen = if u64::from(wanted) * 10 < u64::from(among) {
        twister.sample(among, wanted)
    } else {
        let mut all = twister.shuffled(among);
        all.truncate(count);
        all
    };
    chosen.sort_unstable();
    Ok(chosen.into_iter().map(|index| index as usize).collect())
}

/// Positions inside a range, rising; all of them when there are fewer than `count`.
///
/// Errors: those of [`indices`].
pub fn indices_in_range(
    tokens: &[u32],
    randomness: &str,
    range: Range<usize>,
    count: usize,
) -> Result<Vec<usize>, V5Error> {
    let length = range.end.checked_sub(range.start).ok_or(V5Error::Positions { wanted: count, among: 0 })?;
    if length == 0 {
        return Ok(Vec::new());
    }
    let chosen = indices(tokens, randomness, length, count.min(length))?;
    Ok(chosen.into_iter().map(|index| range.start + index).collect())
}
