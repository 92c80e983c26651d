//! What was published: the trainer's newest checkpoint, and our own last window file as a validator finds it.

use super::{chain::Ourselves, check::Finding};
use grail_artifact::{
    checkpoint::{Inventory, Moment},
    keys::{WindowEncoding, WindowKey},
};
use grail_config::{Config, Role, table};
use grail_node::{local::Networks, network, places::Places, ready};
use grail_ports::{
    Fault,
    chain::{Block, ChainView},
    shelf::ObjectMeta,
};
use grail_protocol::{
    params::Params,
    words::{Hotkey, WindowStart},
};
use std::sync::Arc;

/// Windows that are gone through, the newest first.
const WINDOWS_BACK: u64 = 8;
/// A trainer publishes every window; one that is so many behind has stopped.
const WINDOWS_BEHIND: u64 = 10;

/// Both lines.
pub(crate) async fn look(
    networks: &dyn Networks,
    config: &Config,
    chain: &Arc<dyn ChainView>,
    ourselves: &Ourselves<'_>,
) -> Vec<Finding> {
    let known =
        async { anyhow::Ok((Places::of(networks, config, Arc::clone(chain)).await?, chain.head().await?)) };
    let (places, head) = match known.await {
        Ok(known) => known,
        Err(error) => {
            let remedy = "where it is the chain that is away, mend that first; a trainer that the network does not name is \
                          named by GRAIL_TRAINER (--trainer)";
            return vec![Finding::warning("checkpoint", "trainer-unknown", format!("{error:#}"), remedy)];
        }
    };
    let mut found = vec![checkpoint(&places, head).await];
    // Only now: who cannot reach the chain would wait for it here.
    found.extend(memory(networks, config, ourselves.role).await);
    if ourselves.role == Role::Miner {
        found.push(match ourselves.hotkey {
            None => Finding::skipped("window", "not known without the hotkey"),
            Some(hotkey) => window(&places, chain.as_ref(), head, hotkey).await,
        });
    }
    found
}

/// Whether the folder of verdicts is this network's.
async fn memory(networks: &dyn Networks, config: &Config, role: Role) -> Option<Finding> {
    config.path(&table::REPORTS).filter(|_| role == Role::Validator)?;
    let view = network::look(networks, config, false).await.ok()?;
    ready::of_memory(role, config, &view.sources.network.id)
}

async fn checkpoint(places: &Places, head: Block) -> Finding {
    let check = "checkpoint";
    let Some(trainer) = places.trainer else {
        return Finding::skipped(check, "the network has no trainer: its first model stays");
    };
    let listed = match places.checkpoints.list().await {
        Ok(listed) => listed,
        Err(fault) => {
            let remedy = format!(
                "nobody can follow {trainer} until then; if the trainer is another, set GRAIL_TRAINER"
            );
            return Finding::bad(check, "checkpoints-unreachable", fault.chain(), remedy);
        }
    };
    let Some(newest) = Inventory::new(listed).ready_for(Moment::ANY).next() else {
        return Finding::good(check, "none is published yet: the first model stays");
    };
    age(&places.params, &trainer, newest, head)
}

fn age(params: &Params, trainer: &Hotkey, newest: WindowStart, head: Block) -> Finding {
    let check = "checkpoint";
    let now = params.window_of(head.number);
    let behind = now.0.saturating_sub(newest.0) / params.window_length.max(1);
    let told = format!("the newest is of window {newest}, {behind} windows before the one under way");
    if behind > WINDOWS_BEHIND {
        let remedy =
            format!("the trainer {trainer} may have stopped; rollouts of its last checkpoint still count");
        Finding::warning(check, "checkpoints-stale", told, remedy)
    } else {
        Finding::good(check, told)
    }
}

async fn window(places: &Places, chain: &dyn ChainView, head: Block, hotkey: Hotkey) -> Finding {
    let check = "window";
    match newest(places, head, hotkey).await {
        Err(fault) => {
            let remedy =
                "what a validator finds by the chain's read key; mend the bucket and the commitment first";
            Finding::bad(check, "window-unreachable", fault.chain(), remedy)
        }
        Ok(None) => Finding::skipped(check, format!("no file of ours in the last {WINDOWS_BACK} windows")),
        Ok(Some((window, meta))) => match chain.block(places.params.last_block(window)).await {
            Err(fault) => Finding::warning(
                check,
                "chain-unreachable",
                fault.chain(),
                "try again; if it stays, name another node in BT_CHAIN_ENDPOINT",
            ),
            Ok(None) => {
                Finding::good(check, format!("window {window}, {} bytes, before the window's end", meta.size))
            }
            Ok(Some(last)) => in_time(&places.params, window, &meta, last),
        },
    }
}

/// By the object's own time, as validators judge.
fn in_time(params: &Params, window: WindowStart, meta: &ObjectMeta, last: Block) -> Finding {
    let deadline = params.upload_deadline(last.time);
    let told = |late: bool, ms: u64| {
        let side = if late { "after" } else { "before" };
        format!("window {window}, {} bytes, stored {:.1} s {side} the deadline", meta.size, ms as f64 / 1e3)
    };
    if meta.stored_at > deadline {
        Finding::warning(
            "window",
            "window-late",
            told(true, meta.stored_at.since(deadline)),
            "validators do not look at it: mine fewer groups (--max-groups), and see how fast the bucket takes files",
        )
    } else {
        Finding::good("window", told(false, deadline.since(meta.stored_at)))
    }
}

/// The newest window of which a file of ours lies where validators look for it.
async fn newest(
    places: &Places,
    head: Block,
    hotkey: Hotkey,
) -> Result<Option<(WindowStart, ObjectMeta)>, Fault> {
    let Some(shelf) = places.directory.shelf_of(&hotkey).await? else { return Ok(None) };
    let now = places.params.window_of(head.number).0;
    for back in 0..WINDOWS_BACK {
        let Some(start) = now.checked_sub(back.saturating_mul(places.params.window_length)) else { break };
        let window = WindowStart(start);
        for encoding in [WindowEncoding::Parquet, WindowEncoding::Json] {
            if let Some(meta) = shelf.look(&WindowKey { hotkey, window, encoding }.into()).await? {
                return Ok(Some((window, meta)));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Standing;
    use grail_protocol::{
        params::DEV,
        words::{BlockHash, BlockNumber, UnixMillis},
    };

    fn block(number: u64) -> Block {
        let time = UnixMillis(1_000_000 + number * DEV.block_time_ms);
        Block { number: BlockNumber(number), hash: BlockHash::from_bytes([0; 32]), time }
    }

    #[test]
    fn a_file_counts_as_late_by_its_own_time() {
        let (window, last) = (WindowStart(20), block(39));
        let stored = |stored_at| {
            let meta = ObjectMeta { size: 7, stored_at, tag: None };
            let found = in_time(&DEV, window, &meta, last);
            (found.standing, found.told)
        };
        let deadline = DEV.upload_deadline(last.time);
        let (standing, told) = stored(deadline);
        assert_eq!(standing, Standing::Good, "{told}");
        assert!(told.contains("stored 0.0 s before the deadline"), "{told}");
        let (standing, told) = stored(deadline.plus(3_200));
        assert_eq!(standing, Standing::Warning);
        assert!(told.contains("stored 3.2 s after the deadline"), "{told}");
    }

    #[test]
    fn a_trainer_that_stopped_is_named() {
        let trainer = Hotkey::from_bytes([7; 32]);
        let age = |windows: u64| age(&DEV, &trainer, WindowStart(0), block(windows * DEV.window_length + 3));
        assert_eq!(age(10).standing, Standing::Good);
        let stale = age(11);
        assert_eq!(stale.standing, Standing::Warning);
        assert!(stale.told.contains("window 0, 11 windows before"), "{}", stale.told);
        assert!(stale.remedy.is_some_and(|remedy| remedy.contains(&trainer.to_string())));
    }
}
