use super::{arrive::Decoded, form};
use crate::Rejection;
use grail_artifact::window::{RolloutRecord, RootHex, WindowFile, WindowHeader, file_message, root_of};
use grail_protocol::{
    beacon::WindowRandomness,
    params::ROLLOUTS_PER_PROBLEM,
    seed::WindowContext,
    sign,
    words::{GroupIndex, Hotkey},
};
use std::collections::BTreeSet;

/// A file that the hotkey asked for signed as it is, about the window asked for, and whose form is right.
///
/// From here on the derived values stand in `terms`; the header has done its work and is gone.
#[derive(Debug, Clone)]
pub struct Sealed {
    pub(super) terms: Terms,
    pub(super) groups: Vec<ClaimedGroup>,
}

/// What the verifier knows without the miner.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) context: WindowContext,
    pub(super) hotkey: Hotkey,
    /// Number of logits of the checkpoint's model.
    pub(super) vocabulary: u32,
    /// The root that was signed, and that the records have.
    pub(super) root: RootHex,
}

/// The claims about one group: sixteen rollouts in order.
#[derive(Debug, Clone)]
pub(super) struct ClaimedGroup {
    pub(super) index: GroupIndex,
    pub(super) rollouts: Vec<RolloutRecord>,
}

impl Decoded {
    /// Holds the header against the derived context field by field, checks counts, root and signature, then the form
    /// of every record.
    ///
    /// `asked_for` is the hotkey under whose key the file was fetched; `vocabulary` the number of logits of the
    /// checkpoint's model.
    ///
    /// Errors, in the order of the checks: [`Rejection::WrongVersion`] to [`Rejection::WrongNumericProfile`];
    /// [`Rejection::WrongRolloutCount`] to [`Rejection::WrongSignature`]; [`Rejection::DuplicateRollout`] to
    /// [`Rejection::RolloutOrder`]; [`Rejection::RolloutLengths`] to [`Rejection::LogprobPositive`].
    pub fn seal(
        self,
        context: &WindowContext,
        asked_for: &Hotkey,
        vocabulary: u32,
    ) -> Result<Sealed, Rejection> {
        let file = self.into_claims();
        check_header(&file.header, context, asked_for)?;
        check_signature(&file, asked_for)?;
        form::check_order(&file.rollouts)?;
        form::check_records(&file.rollouts, context.max_new_tokens, vocabulary)?;
        let terms = Terms { context: context.clone(), hotkey: *asked_for, vocabulary, root: file.root };
        Ok(Sealed { terms, groups: into_groups(file.rollouts) })
    }
}

impl Sealed {
    /// Number of groups in the file.
    pub fn group_count(&self) -> u32 {
        u32::try_from(self.groups.len()).unwrap_or(u32::MAX)
    }

    /// The root that the miner signed: which file this is.
    pub const fn root(&self) -> RootHex {
        self.terms.root
    }

    /// The groups in order, sixteen rollouts each: for whoever has a verdict on them from elsewhere.
    pub fn into_groups(self) -> impl Iterator<Item = (GroupIndex, Vec<RolloutRecord>)> {
        self.groups.into_iter().map(|group| (group.index, group.rollouts))
    }
}

fn check_header(
    claimed: &WindowHeader,
    context: &WindowContext,
    asked_for: &Hotkey,
) -> Result<(), Rejection> {
    // Spelt out without a rest pattern, so that a new field cannot go unchecked.
    let WindowHeader { version, network, window, hotkey, checkpoint, env, randomness, numeric, generator: _ } =
        claimed;
    if *version != context.params.version {
        return Err(Rejection::WrongVersion { claimed: *version, expected: context.params.version });
    }
    if *network != context.network {
        return Err(Rejection::WrongNetwork { claimed: network.clone(), expected: context.network.clone() });
    }
    if *window != context.window {
        return Err(Rejection::WrongWindow { claimed: *window, expected: context.window });
    }
    if hotkey != asked_for {
        return Err(Rejection::WrongHotkey { claimed: *hotkey, expected: *asked_for });
    }
    if *checkpoint != context.checkpoint {
        return Err(Rejection::WrongCheckpoint { claimed: *checkpoint, expected: context.checkpoint });
    }
    if *env != context.env {
        return Err(Rejection::WrongEnvironment { claimed: env.clone(), expected: context.env.clone() });
    }
    if *randomness != context.randomness {
        return Err(Rejection::WrongRandomness {
            claimed: describe(randomness),
            expected: describe(&context.randomness),
        });
    }
    if *numeric != context.numeric {
        return Err(Rejection::WrongNumericProfile { claimed: *numeric, expected: context.numeric });
    }
    Ok(())
}

fn describe(randomness: &WindowRandomness) -> String {
    match randomness {
        WindowRandomness::Beacon(beacon) => format!("{beacon:?}"),
        WindowRandomness::BlockHashOnly => "block hash only".into(),
    }
}

fn check_signature(file: &WindowFile, asked_for: &Hotkey) -> Result<(), Rejection> {
    let found = file.rollouts.len() as u64;
    if u64::from(file.rollout_count) != found {
        return Err(Rejection::WrongRolloutCount { signed: file.rollout_count, found });
    }
    let found = file.rollouts.iter().map(|record| record.group).collect::<BTreeSet<_>>().len() as u64;
    if u64::from(file.groups) != found {
        return Err(Rejection::WrongGroupCount { signed: file.groups, found });
    }
    let root = root_of(&file.rollouts);
    if file.root.0 != root {
        return Err(Rejection::WrongRoot { signed: file.root, found: RootHex(root) });
    }
    let message = file_message(&file.header, &root, file.groups, file.rollout_count);
    if !sign::verify(asked_for, &message, &file.signature) {
        return Err(Rejection::WrongSignature { hotkey: *asked_for });
    }
    Ok(())
}

/// Cuts records whose order was checked into their groups.
fn into_groups(records: Vec<RolloutRecord>) -> Vec<ClaimedGroup> {
    let mut groups: Vec<ClaimedGroup> = Vec::with_capacity(records.len() / usize::from(ROLLOUTS_PER_PROBLEM));
    for record in records {
        match groups.last_mut() {
            Some(group) if group.index == record.group => group.rollouts.push(record),
            _ => groups.push(ClaimedGroup { index: record.group, rollouts: vec![record] }),
        }
    }
    groups
}
