//! A process that is killed while it writes leaves a chain that everybody else can go on with.

use super::{GENESIS, make};
use grail_devnet::{DevChain, Devnet};
use grail_ports::chain::{ChainView as _, ChainWrite as _, Inclusion, WeightRow};
use grail_testkit::doors::ManualClock;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

fn rows() -> [WeightRow; 2] {
    [vec![(1, 65_535), (2, 1)], vec![(0, 65_535), (1, 2), (2, 3)]]
}

/// Opens the network in a folder, at the block from which the validator may set weights again.
async fn open(dir: &Path) -> (Devnet, DevChain, Arc<ManualClock>) {
    let net = grail_devnet::open(dir).unwrap();
    let clock = Arc::new(ManualClock::at(GENESIS));
    let chain = net.chain(clock.clone()).unwrap();
    let last = chain.metagraph().await.unwrap().neurons[0].last_update.0;
    clock.advance(last * net.network().params.block_time_ms + pause(&net));
    (net, chain, clock)
}

/// Milliseconds between two rows of one validator.
fn pause(net: &Devnet) -> u64 {
    net.network().weights_rate_limit * net.network().params.block_time_ms
}

/// Not a test of its own: the writer that the next test starts as a process, in the network's folder, and kills.
#[tokio::test]
#[ignore = "runs until it is killed; started by the test below"]
#[expect(clippy::print_stdout, reason = "whoever runs all ignored tests learns why this one did nothing")]
async fn writer() {
    if !Path::new("network.json").exists() {
        println!("SKIPPED: not started by the test that kills it");
        return;
    }
    let (net, chain, clock) = open(Path::new(".")).await;
    let signer = chain.as_hotkey(net.key("validator").unwrap().hotkey());
    for turn in 0u64.. {
        let row = &rows()[usize::from(turn % 2 == 1)];
        let done = signer.set_weights(row).await.unwrap();
        assert!(matches!(done, Inclusion::Included { .. }), "{done:?}");
        clock.advance(pause(&net));
        signer.commit(&turn.to_le_bytes()).await.unwrap();
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_killed_writer_leaves_whole_changes() {
    let dir = tempfile::tempdir().unwrap();
    let net = make(dir.path());
    let validator = net.key("validator").unwrap().hotkey();
    let (_, chain, _) = open(net.dir()).await;
    for _ in 0..3 {
        chain.as_hotkey(validator).commit(&0u64.to_le_bytes()).await.unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kill::writer"])
            .current_dir(net.dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut child = Killed(child);
        // Wait for the state that matters, however long the machine takes.
        let seen = async || {
            let bytes = chain.commitment(&validator).await.unwrap().unwrap_or_default();
            bytes.try_into().map_or(0, u64::from_le_bytes)
        };
        while seen().await < 10 {
            assert!(child.0.try_wait().unwrap().is_none(), "the writer ended by itself");
            tokio::task::yield_now().await;
        }
        drop(child);

        let row = chain.weights(0).await.unwrap().expect("weights were set");
        assert!(rows().contains(&row), "a mixture of two rows: {row:?}");
        let graph = chain.metagraph().await.unwrap();
        assert_eq!(graph.neurons.len(), 3);
        // The chain goes on, through connections old and new, without waiting for the dead.
        let (_, fresh, _) = open(net.dir()).await;
        let done = fresh.as_hotkey(validator).set_weights(&rows()[0]).await.unwrap();
        assert!(matches!(done, Inclusion::Included { .. }), "{done:?}");
        assert_eq!(chain.weights(0).await.unwrap(), Some(rows()[0].clone()));
    }
}
