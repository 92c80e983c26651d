//! What anybody can know of a miner's pay: from the chain, from its bucket, from validators' buckets.

use crate::{
    score::public,
    verdicts::read::{Judge, VerdictLook, judges, look, windows_back},
};
use grail_artifact::{
    keys::{WindowEncoding, WindowKey},
    verdict::{FileCounts, FileVerdict},
};
use grail_node::network::View;
use grail_ports::chain::{Metagraph, Uid};
use grail_protocol::words::{BlockNumber, Hotkey, NetworkId, WindowStart};
use grail_verify::score::{Standing, WeightRule};
use serde::Serialize;
use std::collections::BTreeMap;

/// Validators whose weights and verdicts are read: those with the most stake, which decide.
const MOST_JUDGES: usize = 16;

/// Everything on the screen.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WhyFacts {
    pub(crate) network: NetworkId,
    pub(crate) block: BlockNumber,
    pub(crate) hotkey: Hotkey,
    /// Its number; absent where it is not registered.
    pub(crate) uid: Option<Uid>,
    pub(crate) participants: usize,
    /// Share of the miners' emission, of 65,535.
    pub(crate) incentive: u16,
    /// What each validator gives it.
    pub(crate) weights: Vec<GivenWeight>,
    /// What its weight is made of, by the verdicts of the validator with the most stake that published any.
    pub(crate) score: Option<PublicScore>,
    /// Verdicts on its files, the newest first.
    pub(crate) verdicts: Vec<OneVerdict>,
    /// How many verdict files were read, whoever they are about.
    pub(crate) published: usize,
    /// Why others were not read, one reason a validator.
    pub(crate) unread: BTreeMap<String, String>,
    /// Where its files lie, and which.
    pub(crate) bucket: BucketState,
    /// Of each window looked at, newest first.
    pub(crate) uploads: Vec<UploadSeen>,
}

/// A validator's weight on the miner.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GivenWeight {
    pub(crate) validator: Judge,
    /// Block at which it last set weights, as far as the chain says.
    pub(crate) at: BlockNumber,
    /// Whether any weights stand open on the chain.
    pub(crate) any: bool,
    /// The miner's share of its row.
    pub(crate) share: f64,
}

/// A score from published counts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PublicScore {
    pub(crate) by: Hotkey,
    pub(crate) windows: usize,
    /// Share of all weight.
    pub(crate) share: f64,
    pub(crate) standing: Option<Standing>,
}

/// A verdict on a file.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OneVerdict {
    pub(crate) window: WindowStart,
    pub(crate) validator: Hotkey,
    pub(crate) verdict: FileVerdict,
}

/// The bucket, as others find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BucketState {
    /// Found, and it answers.
    Reached,
    /// The hotkey committed nothing readable.
    NotCommitted,
    /// Why it cannot be read.
    Unreachable(String),
}

/// A file in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct UploadSeen {
    pub(crate) window: WindowStart,
    /// Bytes; absent where there is no file.
    pub(crate) bytes: Option<u64>,
    /// Milliseconds before the deadline, negative after it; absent where that is not known.
    pub(crate) margin_ms: Option<i64>,
}

/// Gathers. Errors: the chain is out of reach; everything else is an answer.
pub(crate) async fn gather(view: &View, hotkey: &Hotkey, windows: u32) -> anyhow::Result<WhyFacts> {
    let graph = view.sources.chain.metagraph().await?;
    let head = view.sources.chain.head().await?;
    let windows = windows_back(&view.sources.network.params, head.number, windows);
    let mut judges = judges(&graph);
    judges.truncate(MOST_JUDGES);
    let asked: Vec<(Judge, WindowStart)> =
        windows.iter().flat_map(|window| judges.iter().map(move |judge| (*judge, *window))).collect();
    let looks = look(view, &asked).await;
    let neuron = graph.find(hotkey);
    let (bucket, uploads) = uploads(view, hotkey, &windows).await;
    let verdicts = looks.iter().filter_map(|look| {
        let verdict = look.on(hotkey)?.clone();
        Some(OneVerdict { window: look.window, validator: look.judge.hotkey, verdict })
    });
    let unread = looks.iter().filter_map(|look| {
        let reason = look.found.as_ref().err()?;
        Some((look.judge.hotkey.to_string(), reason.clone()))
    });
    Ok(WhyFacts {
        network: view.sources.network.id.clone(),
        block: graph.block,
        hotkey: *hotkey,
        uid: neuron.map(|neuron| neuron.uid),
        participants: graph.neurons.len(),
        incentive: neuron.map_or(0, |neuron| neuron.incentive),
        weights: weights(view, &graph, &judges, neuron.map(|neuron| neuron.uid)).await?,
        score: score(&looks, &judges, hotkey, WeightRule::of(&view.sources.network.params.weights)),
        verdicts: verdicts.collect(),
        published: looks.iter().filter(|look| look.file().is_some()).count(),
        unread: unread.collect(),
        bucket,
        uploads,
    })
}

async fn weights(
    view: &View,
    graph: &Metagraph,
    judges: &[Judge],
    miner: Option<Uid>,
) -> anyhow::Result<Vec<GivenWeight>> {
    let mut given = Vec::new();
    for judge in judges {
        let Some(neuron) = graph.find(&judge.hotkey) else { continue };
        let row = view.sources.chain.weights(neuron.uid).await?;
        let any = row.as_ref().is_some_and(|row| !row.is_empty());
        let row = row.unwrap_or_default();
        let total: f64 = row.iter().map(|(_, weight)| f64::from(*weight)).sum();
        let own: f64 =
            row.iter().filter(|(uid, _)| Some(*uid) == miner).map(|(_, weight)| f64::from(*weight)).sum();
        // The sum of nothing is minus zero, and is shown so.
        let own = own + 0.0;
        let share = if total > 0.0 { own / total } else { 0.0 };
        given.push(GivenWeight { validator: *judge, at: neuron.last_update, any, share });
    }
    Ok(given)
}

fn score(looks: &[VerdictLook], judges: &[Judge], hotkey: &Hotkey, rule: WeightRule) -> Option<PublicScore> {
    let published =
        |judge: &&Judge| looks.iter().any(|look| look.judge.hotkey == judge.hotkey && look.file().is_some());
    let judge = judges.iter().find(published)?;
    let files = looks.iter().filter(|look| look.judge.hotkey == judge.hotkey).filter_map(VerdictLook::file);
    let history = public::history(files, looks.len().max(1));
    Some(PublicScore {
        by: judge.hotkey,
        windows: history.windows().count(),
        share: history.weights(rule).map_or(0.0, |weights| weights.share(hotkey)),
        standing: history.standings(rule).remove(hotkey),
    })
}

/// The miner's bucket and what lies in it, newest window first.
async fn uploads(view: &View, hotkey: &Hotkey, windows: &[WindowStart]) -> (BucketState, Vec<UploadSeen>) {
    let shelf = match view.directory.shelf_of(hotkey).await {
        Ok(Some(shelf)) => shelf,
        Ok(None) => return (BucketState::NotCommitted, Vec::new()),
        Err(fault) => return (BucketState::Unreachable(fault.chain()), Vec::new()),
    };
    let params = view.sources.network.params;
    let mut seen = Vec::new();
    for window in windows {
        let key = WindowKey { hotkey: *hotkey, window: *window, encoding: WindowEncoding::Parquet };
        let meta = match shelf.look(&key.into()).await {
            Ok(meta) => meta,
            Err(fault) => return (BucketState::Unreachable(fault.chain()), seen),
        };
        // A time that the chain does not tell now is left out, and nothing more.
        let last = view.sources.chain.block(params.last_block(*window)).await.ok().flatten();
        let margin = |stored: u64, deadline: u64| {
            i64::try_from(deadline)
                .unwrap_or(i64::MAX)
                .saturating_sub(i64::try_from(stored).unwrap_or(i64::MAX))
        };
        let margin_ms = meta
            .as_ref()
            .zip(last)
            .map(|(meta, last)| margin(meta.stored_at.0, params.upload_deadline(last.time).0));
        seen.push(UploadSeen { window: *window, bytes: meta.map(|meta| meta.size), margin_ms });
    }
    (BucketState::Reached, seen)
}

/// Counts of a verdict, zero where none are published.
pub(crate) fn counts(verdict: &FileVerdict) -> FileCounts {
    public::counts(verdict)
}
