//! A whole subnet of 256: everybody's stake, weights and commitment, at once and one by one.

use crate::{
    spec,
    stage::{How, Stage},
};
use grail_chain::{commitment, keys};
use grail_ports::chain::ChainView as _;
use grail_protocol::words::Hotkey;
use parity_scale_codec::{Compact, Encode};
use std::time::{Duration, Instant};

/// As many as a subnet has at most.
const COUNT: u16 = 256;

fn who(uid: u16) -> Hotkey {
    let mut bytes = [0xa5; 32];
    bytes[..2].copy_from_slice(&uid.to_le_bytes());
    Hotkey::from_bytes(bytes)
}

fn list<T: Encode>(value: impl Fn(u16) -> T) -> Vec<u8> {
    let mut bytes = Compact(u32::from(COUNT)).encode();
    (0..COUNT).for_each(|uid| value(uid).encode_to(&mut bytes));
    bytes
}

/// Everybody is written into storage: registering them would take hours of the chain's time.
async fn fill(stage: &Stage) {
    let netuid = stage.subnet.place().netuid;
    let mut items = vec![
        (keys::SUBNETWORK_N.of(netuid), COUNT.encode()),
        (keys::VALIDATOR_PERMIT.of(netuid), list(|uid| uid % 4 == 0)),
        (keys::LAST_UPDATE.of(netuid), list(u64::from)),
        (keys::INCENTIVE.of(netuid), list(|uid| uid)),
    ];
    let info = commitment::encode_info(&[b'c'; 128]).unwrap();
    for uid in 0..COUNT {
        let hotkey = who(uid);
        items.push((keys::KEYS.of_uid(netuid, uid), hotkey.as_bytes().to_vec()));
        items.push((keys::UIDS.of_hotkey(netuid, &hotkey), uid.encode()));
        items.push((keys::OWNER.key(&[hotkey.as_bytes()]), [7; 32].to_vec()));
        let alpha = keys::HOTKEY_ALPHA.key(&[hotkey.as_bytes(), &netuid.to_le_bytes()]);
        items.push((alpha, (u64::from(uid) * 1_000_000_000).encode()));
        let stored = [&(0u64, 1u32).encode()[..], &info].concat();
        items.push((keys::COMMITMENT_OF.of_hotkey(netuid, &hotkey), stored));
        if uid % 4 == 0 {
            items.push((keys::WEIGHTS.of_uid(netuid, uid), list(|to| (to, 65_535u16))));
        }
    }
    let items: Vec<_> = items.into_iter().map(|(key, value)| (key, Some(value))).collect();
    stage.node.set_storage(items).await.unwrap();
}

/// Rounds in which both ways are tried in turn, so that other work on the machine meets both.
const ROUNDS: usize = 9;

/// What a way of reading gave, how long it took, and its requests.
struct Read<T> {
    value: T,
    took: Duration,
    requests: u64,
}

#[expect(clippy::disallowed_methods, reason = "a figure for the page; no assertion rests on it")]
async fn read<T>(stage: &Stage, what: impl AsyncFn() -> T) -> Read<T> {
    let (asked, begun) = (stage.node.requests(), Instant::now());
    let value = what().await;
    Read { value, took: begun.elapsed(), requests: stage.node.requests() - asked }
}

/// The middle, and half of what lies between the extremes.
fn median(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], (values[values.len() - 1] - values[0]) / 2.0)
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures of the page come from here, with --nocapture")]
async fn a_whole_subnet_at_once_is_what_it_is_one_by_one() {
    let Some(spec) = spec() else { return };
    let stage = Stage::open(&spec, How::default()).await;
    fill(&stage).await;
    let subnet = &stage.subnet;
    let (mut at_once, mut one_by_one, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut requests = (0, 0);
    for _ in 0..ROUNDS {
        let whole = read(&stage, async || subnet.snapshot().await.unwrap()).await;
        // As validators and miners did before: the metagraph, everybody's commitments, then row after row.
        let single = read(&stage, async || {
            let graph = subnet.metagraph().await.unwrap();
            subnet.commitments().await.unwrap();
            for neuron in &graph.neurons {
                subnet.weights(neuron.uid).await.unwrap();
            }
            graph
        })
        .await;
        let (graph, seen) = (&single.value, &whole.value);
        assert_eq!(seen.graph, *graph, "both ways tell the same");
        assert_eq!((graph.neurons.len(), seen.weights.len(), seen.commitments.len()), (256, 64, 256));
        let last = &graph.neurons[255];
        assert!(last.stake >= 255.0 && graph.neurons[252].validator_permit, "{last:?}");
        assert_eq!(seen.commitments[&who(9)], [b'c'; 128]);
        assert!(whole.requests <= 4, "{} requests for everything", whole.requests);
        requests = (whole.requests, single.requests);
        let (whole, single) = (whole.took.as_secs_f64(), single.took.as_secs_f64());
        at_once.push(1e3 * whole);
        one_by_one.push(1e3 * single);
        ratios.push(whole / single);
    }
    let [at_once, one_by_one, ratio] = [at_once, one_by_one, ratios].map(median);
    println!(
        "at once {:.0} ms ± {:.0} in {} requests, one by one {:.0} ms ± {:.0} in {}: {:.2} ± {:.2}",
        at_once.0, at_once.1, requests.0, one_by_one.0, one_by_one.1, requests.1, ratio.0, ratio.1
    );
}
