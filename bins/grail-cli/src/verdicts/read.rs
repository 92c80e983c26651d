//! Verdict files from validators' shelves: found through their commitments, bounded, and checked.

use futures::{StreamExt as _, stream};
use grail_artifact::{
    keys::VerdictKey,
    verdict::{FileVerdict, SaidBy, VERDICT_BYTES, VerdictFile},
};
use grail_node::network::View;
use grail_ports::{
    chain::{Metagraph, Uid},
    shelf::Fetch,
};
use grail_protocol::{
    params::Params,
    words::{BlockNumber, Hotkey, UnixMillis, WindowStart},
};
use serde::Serialize;

/// Files that are read at once; each may have 64 MiB.
const AT_ONCE: usize = 4;
/// Most validators that are asked: the chain has no more.
const MOST_JUDGES: usize = 128;

/// A validator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Judge {
    /// Its number; absent where it is not registered any more.
    pub(crate) uid: Option<Uid>,
    pub(crate) hotkey: Hotkey,
    pub(crate) stake: f64,
}

impl Judge {
    pub(crate) fn of(graph: &Metagraph, hotkey: &Hotkey) -> Self {
        let neuron = graph.find(hotkey);
        Self {
            uid: neuron.map(|neuron| neuron.uid),
            hotkey: *hotkey,
            stake: neuron.map_or(0.0, |neuron| neuron.stake),
        }
    }
}

/// Validators with a permit, the one with the most stake first.
pub(crate) fn judges(graph: &Metagraph) -> Vec<Judge> {
    let mut permitted: Vec<Judge> = graph
        .neurons
        .iter()
        .filter(|neuron| neuron.validator_permit)
        .map(|neuron| Judge { uid: Some(neuron.uid), hotkey: neuron.hotkey, stake: neuron.stake })
        .collect();
    permitted.sort_by(|a, b| b.stake.total_cmp(&a.stake).then(a.uid.cmp(&b.uid)));
    permitted.truncate(MOST_JUDGES);
    permitted
}

/// Starts of the windows before the one under way, the newest first.
pub(crate) fn windows_back(params: &Params, head: BlockNumber, count: u32) -> Vec<WindowStart> {
    let now = params.window_of(head).0;
    (1..=u64::from(count))
        .map_while(|back| now.checked_sub(back.checked_mul(params.window_length)?))
        .map(WindowStart)
        .collect()
}

/// A place where a verdict file may lie, looked at.
#[derive(Debug, Clone)]
pub(crate) struct VerdictLook {
    pub(crate) judge: Judge,
    pub(crate) window: WindowStart,
    /// The file with the time of the store; `Ok(None)` when there is none, `Err` why it is not used.
    pub(crate) found: Result<Option<(VerdictFile, UnixMillis)>, String>,
}

impl VerdictLook {
    pub(crate) fn file(&self) -> Option<&VerdictFile> {
        self.found.as_ref().ok()?.as_ref().map(|(file, _)| file)
    }

    /// The verdict on one miner's file.
    pub(crate) fn on(&self, miner: &Hotkey) -> Option<&FileVerdict> {
        self.file()?.files.iter().find(|file| file.hotkey == *miner)
    }
}

/// Looks at every one, in the order in which they are asked for. A shelf out of reach is an answer like another.
pub(crate) async fn look(view: &View, asked: &[(Judge, WindowStart)]) -> Vec<VerdictLook> {
    stream::iter(asked.iter().copied())
        .map(|(judge, window)| async move {
            VerdictLook { judge, window, found: one(view, judge.hotkey, window).await }
        })
        .buffered(AT_ONCE)
        .collect()
        .await
}

async fn one(
    view: &View,
    validator: Hotkey,
    window: WindowStart,
) -> Result<Option<(VerdictFile, UnixMillis)>, String> {
    let shelf = view.directory.shelf_of(&validator).await.map_err(|fault| fault.chain())?;
    let Some(shelf) = shelf else { return Err("it has committed no bucket".to_owned()) };
    let key = VerdictKey { validator, window }.into();
    let fetched = match shelf.fetch(&key, VERDICT_BYTES).await.map_err(|fault| fault.chain())? {
        Fetch::Absent => return Ok(None),
        Fetch::TooLarge { meta } => {
            return Err(format!(
                "its verdict file has {} bytes, at most {VERDICT_BYTES} are read",
                meta.size
            ));
        }
        Fetch::Found(fetched) => fetched,
    };
    let network = &view.sources.network;
    let said = SaidBy {
        network: &network.id,
        window,
        validator: &validator,
        rollouts_per_group: network.params.rollouts_per_problem,
    };
    let file = VerdictFile::open(&fetched.body, &said).map_err(|error| error.to_string())?;
    Ok(Some((file, fetched.meta.stored_at)))
}

#[cfg(test)]
pub(crate) mod tests;
