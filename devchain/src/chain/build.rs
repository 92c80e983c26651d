//! One block: opened, its inherents made, extrinsics applied, closed.

use super::{
    ChainError, Header,
    pool::{Invalid, Unfit, Waiting},
};
use crate::{
    executor::{Machines, RuntimeError},
    state::State,
    text::{Hash, hex0x},
};
use parity_scale_codec::{Compact, Decode as _, Encode as _};

/// Inherent that every runtime with a clock wants: milliseconds since 1970.
const TIMESTAMP: [u8; 8] = *b"timstap0";

const OPEN: &str = "Core_initialize_block";
const INHERENTS: &str = "BlockBuilder_inherent_extrinsics";
const APPLY: &str = "BlockBuilder_apply_extrinsic";
const CLOSE: &str = "BlockBuilder_finalize_block";

/// Where and when a block is built.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) parent: Hash,
    pub(super) number: u32,
    pub(super) state: &'a State,
    /// Milliseconds since 1970.
    pub(super) time: u64,
    /// Slot that Aura is told, where the runtime has Aura.
    pub(super) aura_slot: Option<u64>,
}

/// What was built.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) hash: Hash,
    pub(super) header: Header,
    pub(super) extrinsics: Vec<Vec<u8>>,
    pub(super) state: State,
    /// Those that may fit a later block.
    pub(super) left: Vec<Waiting>,
    /// Those that will never fit again.
    pub(super) invalid: Vec<Hash>,
}

/// What became of an extrinsic.
enum Fate {
    In,
    Later,
    Full,
    Never,
}

/// Builds a block of what waits.
pub(super) fn build(
    machines: &mut Machines,
    site: Site<'_>,
    waiting: Vec<Waiting>,
) -> Result<Built, ChainError> {
    let mut state = site.state.clone();
    let opening = Header::opening(site.parent, site.number, site.aura_slot);
    let outcome = machines.call(&state, OPEN, &opening.encode())?;
    state.apply(&outcome.changes);
    // Newer runtimes say here that a migration is under way and nothing else may be in the block.
    let only_inherents = outcome.value.first() == Some(&1);

    let data = vec![(TIMESTAMP, site.time.encode())];
    let outcome = machines.call(&state, INHERENTS, &data.encode())?;
    let mut extrinsics = opaque_list(&outcome.value)
        .ok_or_else(|| RuntimeError::answer(INHERENTS, &outcome.value, "a list of extrinsics"))?;
    for inherent in &extrinsics {
        let outcome = machines.call(&state, APPLY, inherent)?;
        if outcome.value.first() != Some(&0) {
            return Err(ChainError::Inherent { extrinsic: hex0x(inherent), answer: hex0x(&outcome.value) });
        }
        state.apply(&outcome.changes);
    }

    let inherents = extrinsics.len();
    let mut left = waiting;
    let mut invalid = Vec::new();
    let mut full = only_inherents;
    // One that comes too early may fit after another of the same account, so those are tried again.
    loop {
        let before = extrinsics.len();
        let mut later = Vec::new();
        for one in left {
            if full {
                later.push(one);
                continue;
            }
            match apply(machines, &mut state, &one)? {
                Fate::In => extrinsics.push(one.bytes),
                Fate::Later => later.push(one),
                // One that alone is too much for a block would wait for ever.
                Fate::Full if extrinsics.len() == inherents => invalid.push(one.hash),
                Fate::Full => {
                    full = true;
                    later.push(one);
                }
                Fate::Never => invalid.push(one.hash),
            }
        }
        left = later;
        if full || left.is_empty() || extrinsics.len() == before {
            break;
        }
    }

    let outcome = machines.call(&state, CLOSE, &[])?;
    state.apply(&outcome.changes);
    let header = Header::decode(&mut &*outcome.value)
        .map_err(|_| RuntimeError::answer(CLOSE, &outcome.value, "a header"))?;
    if header.number != site.number || header.parent != site.parent.0 {
        return Err(RuntimeError::answer(CLOSE, &outcome.value, "the header of the block it opened").into());
    }
    Ok(Built { hash: Hash::of(&outcome.value), header, extrinsics, state, left, invalid })
}

fn apply(machines: &mut Machines, state: &mut State, one: &Waiting) -> Result<Fate, ChainError> {
    let outcome = match machines.call(state, APPLY, &one.bytes) {
        Ok(outcome) => outcome,
        // A runtime that panics over an extrinsic has taken nothing of it; the block goes on without.
        Err(error @ RuntimeError::Trap { .. }) => {
            tracing::warn!(target: "grail::devchain", extrinsic = %one.hash, %error, "an extrinsic was dropped");
            return Ok(Fate::Never);
        }
        Err(error) => return Err(error.into()),
    };
    let mut answer = &*outcome.value;
    if answer.first() == Some(&0) {
        state.apply(&outcome.changes);
        return Ok(Fate::In);
    }
    match Result::<(), Unfit>::decode(&mut answer) {
        Ok(Err(Unfit::Invalid(Invalid::Future))) => Ok(Fate::Later),
        Ok(Err(Unfit::Invalid(Invalid::ExhaustsResources))) => Ok(Fate::Full),
        reason => {
            tracing::debug!(target: "grail::devchain", extrinsic = %one.hash, ?reason, "no longer valid");
            Ok(Fate::Never)
        }
    }
}

/// Extrinsics as a runtime lists them, each with the length that it begins with.
fn opaque_list(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let list = Vec::<Vec<u8>>::decode(&mut bytes).ok().filter(|_| bytes.is_empty())?;
    Some(list.into_iter().map(|one| one.encode()).collect())
}

/// Whether bytes are an extrinsic as it travels: a length, and as many bytes.
pub(super) fn is_extrinsic(mut bytes: &[u8]) -> bool {
    Compact::<u32>::decode(&mut bytes).is_ok_and(|length| length.0 as usize == bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extrinsics_keep_the_length_they_begin_with() {
        let bytes = vec![vec![1u8, 2], vec![3]].encode();
        assert_eq!(opaque_list(&bytes), Some(vec![vec![8, 1, 2], vec![4, 3]]));
        assert_eq!(opaque_list(&bytes[..bytes.len() - 1]), None);
        assert_eq!(opaque_list(&[&bytes[..], &[0]].concat()), None);
    }

    #[test]
    fn an_extrinsic_is_as_long_as_it_says() {
        assert!(is_extrinsic(&[8, 1, 2]));
        assert!(!is_extrinsic(&[8, 1]));
        assert!(!is_extrinsic(&[8, 1, 2, 3]));
        assert!(!is_extrinsic(&[]));
    }
}
