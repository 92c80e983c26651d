//! Killed ten times at moments of chance's choosing, the trainer ends where an undisturbed one does.

use crate::stage::{mine, network, run, text};
use grail_artifact::checkpoint::{Inventory, Moment};
use grail_ports::checkpoint::CheckpointShelf as _;
use grail_protocol::params::DEV_FAST;
use grail_store::{
    Shelf, Transfer,
    checkpoint::{Cache, Consumer, ConsumerLimits, Found},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

const WINDOWS: u64 = 4;
const KILLS: u64 = 10;

/// Learns a lot from little, so that states differ from window to window, and publishes with every window.
///
/// Whoever takes longer publishes for more windows of the running clock, and every group here was answered by the first model:
/// by their age in checkpoints groups would leave the memory of one trainer and not of the other.
const SETTINGS: &str = "
[learner.schedule]
rate = 1e-3
warmup = 1
[course]
steps = 2
[evaluation]
every = 0
[publish]
full_every = 2
[replay]
most_stale = 1000
";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            assert!(fs::copy(entry.path(), to).is_ok())
        }
    }
}

/// `None` before the first state: the folder is made a moment earlier.
fn newest(states: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(states).ok()?.map(|entry| entry.unwrap().path());
    names.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("state-")).max()
}

/// Weights and moments, byte for byte, and the journal.
fn state(root: &Path) -> (Vec<u8>, Value) {
    let folder = newest(&root.join("states")).unwrap();
    let text = fs::read_to_string(folder.join("state.json")).unwrap();
    let state: Value = serde_json::from_str(&text).unwrap();
    (fs::read(folder.join("optimizer.safetensors")).unwrap(), state)
}

/// Sequence numbers on the shelf, each checkpoint followed and verified byte for byte as a consumer does.
async fn followed(net: &grail_devnet::Devnet, shelf: &Path, cache: &Path) -> Vec<u64> {
    let shelf = Shelf::folder(shelf, Transfer::default()).unwrap();
    let inventory = Inventory::new(shelf.list().await.unwrap());
    let mut windows: Vec<_> = inventory.ready_for(Moment::ANY).collect();
    windows.reverse();
    let manifest = grail_node::network::read_manifest(net.dir(), &DEV_FAST).unwrap();
    let genesis = Found { folder: crate::stage::model(), manifest };
    let trainer = net.key("trainer").unwrap().hotkey();
    let consumer = Consumer::new(
        Arc::new(shelf),
        Cache::open(cache).unwrap(),
        trainer,
        DEV_FAST,
        ConsumerLimits::default(),
        Some(genesis),
    );
    let mut sequences = Vec::new();
    for window in windows {
        let moment = Moment { before: DEV_FAST.next_window(window), ..Moment::ANY };
        let followed = consumer.follow(moment, Arc::new(|_| {})).await.unwrap();
        assert!(followed.refused.is_empty(), "{:?}", followed.refused);
        sequences.push(followed.current.unwrap().manifest.sequence);
    }
    sequences
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_cost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let net = {
        let path = dir.path().join("net");
        tokio::task::spawn_blocking(move || {
            let net = network(&path, Some("trainer"), 50);
            mine(&net, WINDOWS);
            net
        })
        .await
        .unwrap()
    };
    let settings = dir.path().join("settings.toml");
    fs::write(&settings, SETTINGS).unwrap();
    let more = ["--settings", text(&settings), "--windows"];
    let other = dir.path().join("other");
    copy(net.dir(), &other);

    let undisturbed = dir.path().join("undisturbed");
    let all = WINDOWS.to_string();
    let done = run(net.dir(), &undisturbed, &[&more[..], &[&all]].concat()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let disturbed = dir.path().join("disturbed");
    let mut delays = [0; KILLS as usize];
    getrandom::fill(&mut delays).unwrap();
    let mut trained = 0u64;
    for delay in delays {
        let mut child =
            run(&other, &disturbed, &[&more[..], &["1000"]].concat()).stderr(Stdio::null()).spawn().unwrap();
        // From before the model is loaded to well into the windows.
        std::thread::sleep(Duration::from_millis(20 + 8 * u64::from(delay)));
        child.kill().unwrap();
        child.wait().unwrap();
        if newest(&disturbed.join("states")).is_some() {
            let journal = state(&disturbed).1["journal"]["journal"]["trained"].as_u64();
            let windows = journal.map_or(0, |window| window / DEV_FAST.window_length + 1);
            assert!(windows >= trained, "progress is never lost: {windows} after {trained}");
            trained = windows;
        }
    }
    // Windows after the mined ones have no verdicts; the undisturbed trainer did not look at them.
    if trained < WINDOWS {
        let left = (WINDOWS - trained).to_string();
        let done = run(&other, &disturbed, &[&more[..], &[&left]].concat()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    } else {
        // Whatever plan the last kill left open is carried out at the next start.
        let mut child =
            run(&other, &disturbed, &[&more[..], &["1000"]].concat()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs(4));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    let ((want, quiet), (got, journal)) = (state(&undisturbed), state(&disturbed));
    let apart = want.iter().zip(&got).filter(|(want, got)| want != got).count();
    assert!(
        want == got,
        "weights and moments are the same to the bit: {apart} bytes of {} differ; undisturbed {}, disturbed {}",
        want.len(),
        quiet["journal"]["journal"],
        journal["journal"]["journal"]
    );
    let decided = journal["journal"]["journal"]["plan"]["sequence"].as_u64().unwrap();
    let sequences = followed(&net, &other.join("shelf"), &dir.path().join("cache")).await;
    assert_eq!(sequences, (1..=decided).collect::<Vec<_>>(), "no number is skipped, and none is there twice");
    let sequences = followed(&net, &net.shelf(), &dir.path().join("cache-2")).await;
    assert!(!sequences.is_empty() && sequences[0] == 1, "{sequences:?}");
}
