//! GRAIL's chain on the real runtime: the door's promises, and what only it shows: sealed weights, reorganisations, restarts.

use crate::{
    spec,
    stage::{How, SEEDS, Stage, settings},
};
use grail_chain::{
    ChainSettings, DryAnswer, Subnet,
    intents::{self, State},
    keys::{Item, KeyHasher},
    reveal,
};
use grail_devchain::{Seal, Start};
use grail_ports::{
    Door, Retry,
    chain::{ChainView as _, ChainWrite as _, Inclusion},
};
use grail_protocol::{sign::HotkeyPair, words::BlockNumber};
use grail_testkit::doors::{
    HeldKey,
    conformance::{self, ChainStage as _},
};
use parity_scale_codec::Encode as _;
use sha2::{Digest as _, Sha256};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};
use subxt::dynamic::Value;

#[tokio::test(flavor = "multi_thread")]
async fn the_real_runtime_keeps_the_promises_of_the_door() {
    let Some(spec) = spec() else { return };
    let stage = Stage::open(&spec, How::default()).await;
    conformance::chain(&stage).await;
    let terms = stage.subnet.terms().await.unwrap();
    assert_eq!(terms.weights_rate_limit, stage.weights_rate_limit());
    assert!(terms.register_cost > 0 && !terms.commit_reveal && terms.participants >= 4, "{terms:?}");
    let [_, miner, _] = stage.hotkeys();
    let all = stage.subnet.commitments().await.unwrap();
    assert_eq!(all.get(&miner).map(Vec::as_slice), Some(&b"short"[..]));
    assert_eq!(all.len(), 1);
    let (graph, age) = stage.subnet.last_metagraph().expect("it was read");
    assert!(graph.find(&miner).is_some() && age.as_secs() < 600);
}

/// Nothing of what this program needs of the runtime is missing, and what a write would do is told without doing it.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_tried_before_it_is_made() {
    let Some(spec) = spec() else { return };
    let stage = Stage::open(&spec, How::default()).await;
    let (_, parts) = stage.subnet.surface().await.unwrap();
    let trouble: Vec<_> = parts.iter().filter(|part| part.is_trouble()).collect();
    assert!(trouble.is_empty(), "{trouble:?}");

    let [validator, miner, _] = stage.hotkeys();
    let writer = stage.open_writer(validator);
    let stranger = writer.try_commit(b"hello").await.unwrap();
    let DryAnswer::Refused { why } = &stranger.answer else { panic!("{stranger:?}") };
    assert!(why.contains("not registered"), "{why}");

    let uid = stage.register(validator, 1_000.0, true).await;
    let target = stage.register(miner, 0.0, false).await;
    let tried = writer.try_commit(b"hello").await.unwrap();
    assert_eq!(
        (tried.call.as_deref(), &tried.answer),
        (Some("Commitments.set_commitment"), &DryAnswer::Taken)
    );
    assert_eq!(stage.subnet.commitment(&validator).await.unwrap(), None, "nothing was sent");
    writer.commit(b"hello").await.unwrap();
    let key = hex::decode(tried.key.unwrap()).unwrap();
    let stored = stage.node.storage(&key).await.unwrap().unwrap();
    // The deposit is the chain's; block and fields are as told.
    assert_eq!(hex::encode(&stored[8..]), tried.after.unwrap()[16..]);

    let early = writer.try_weights(&vec![(target, 7)]).await.unwrap();
    assert!(matches!(early.answer, DryAnswer::TooSoon { .. }), "{early:?}");
    stage.pass_blocks(stage.weights_rate_limit()).await;
    let tried = writer.try_weights(&vec![(target, 7)]).await.unwrap();
    assert_eq!(tried.answer, DryAnswer::Taken, "{tried:?}");
    assert_eq!(stage.subnet.weights(uid).await.unwrap(), None, "nothing was sent");
    assert!(writer.intents().await.is_empty(), "nothing was planned");
    writer.set_weights(&vec![(target, 7)]).await.unwrap();
    let key = hex::decode(tried.key.unwrap()).unwrap();
    let stored = stage.node.storage(&key).await.unwrap().unwrap();
    assert_eq!(hex::encode(stored), tried.after.unwrap());

    let standing = stage.subnet.membership(&validator).await.unwrap().unwrap();
    assert_eq!((standing.uid, standing.validator_permit, standing.collateral), (uid, true, None));
    assert!(standing.immune_until > standing.registered && standing.coldkey.is_some(), "{standing:?}");
    assert_eq!(standing.next_weights.0, standing.last_update.0 + stage.weights_rate_limit());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_that_is_not_there_is_named() {
    let Some(spec) = spec() else { return };
    let stage = Stage::open(&spec, How::default()).await;
    let fault = Subnet::connect(ChainSettings::new(vec![stage.node.url()], 999)).await.unwrap_err();
    assert_eq!((fault.door, fault.retry), (Door::Chain, Retry::Never));
    assert!(fault.chain().contains("no subnet 999"), "{fault:?}");
}

/// Signature of round 1000 of drand's quicknet.
const ROUND_1000: &str =
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";

/// What a node's own import of drand would have written: round 1000.
async fn import_round_1000(stage: &Stage) {
    let pulses = Item {
        pallet: "Drand",
        name: "Pulses",
        key: &[(KeyHasher::Blake2_128Concat, "u64")],
        value: "",
        everywhere: true,
    };
    let last = Item { name: "LastStoredRound", key: &[], ..pulses };
    let signature = hex::decode(ROUND_1000).unwrap();
    let pulse = (1_000u64, Sha256::digest(&signature).to_vec(), signature).encode();
    let round = 1_000u64.to_le_bytes();
    let items = [(pulses.key(&[&round]), Some(pulse)), (last.prefix(), Some(round.to_vec()))];
    stage.node.set_storage(items).await.unwrap();
}

/// Time is set so that the round which opens the weights is the one whose signature is known: a wrong epoch, round,
/// identity or layout, and they stay shut.
#[tokio::test(flavor = "multi_thread")]
async fn sealed_weights_open_by_themselves_at_the_right_round() {
    let Some(spec) = spec() else { return };
    // Of an epoch of 41 blocks, shifted by netuid 2 and one, the third begins at block 120; three blocks later round
    // 1000 comes out.
    let (tempo, opens) = (40u64, 120u64);
    let first_block =
        (reveal::QUICKNET_GENESIS + 1_000 * reveal::QUICKNET_PERIOD + 1 - 3 - (opens - 1)) * 1_000;
    let stage = Stage::open(&spec, How { start: Some(Start::At(first_block)), ..How::default() }).await;
    let [validator, miner, _] = stage.hotkeys();
    let uid = stage.register(validator, 1_000.0, true).await;
    let target = stage.register(miner, 0.0, false).await;
    stage.sudo("sudo_set_tempo", vec![stage.netuid(), Value::u128(u128::from(tempo))]).await;
    stage.sudo("sudo_set_commit_reveal_weights_enabled", vec![stage.netuid(), Value::bool(true)]).await;
    // The runtime drops what is committed in the very first epochs.
    let head = stage.subnet.head().await.unwrap().number.0;
    stage.pass_blocks(100 - head).await;
    stage.permit_everybody().await;

    let done = stage.writer(validator).set_weights(&vec![(target, 7)]).await.unwrap();
    assert_eq!(done, Inclusion::Included { block: BlockNumber(101) });
    assert_eq!(stage.subnet.weights(uid).await.unwrap(), None, "nobody can read them yet");
    let again = stage.writer(validator).set_weights(&vec![(target, 7)]).await.unwrap();
    let not_before = BlockNumber(101 + stage.weights_rate_limit());
    assert_eq!(again, Inclusion::TooSoon { not_before }, "sealed weights use up the turn too");

    import_round_1000(&stage).await;
    stage.pass_blocks(opens - 101 + 1).await;
    assert_eq!(stage.subnet.weights(uid).await.unwrap(), Some(vec![(target, 65_535)]), "they opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_survive_a_reorganisation_and_a_restart_and_are_set_once() {
    let Some(spec) = spec() else { return };
    let dir = tempfile::tempdir().unwrap();
    let how = How { journal: Some(dir.path()), finality_lag: 3, ..How::default() };
    let stage = Stage::open(&spec, how).await;
    let [validator, miner, _] = stage.hotkeys();
    let uid = stage.register(validator, 1_000.0, true).await;
    let target = stage.register(miner, 0.0, false).await;
    stage.pass_blocks(stage.weights_rate_limit()).await;

    // The call is dropped while it waits for finality, as in a kill; the block is replaced before the next start.
    let writer = stage.open_writer(validator);
    let row = vec![(target, 9)];
    let call = writer.set_weights(&row);
    let seen = async {
        while stage.subnet.weights(uid).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = call => panic!("it cannot be final before blocks pass: {done:?}"),
        () = seen => {}
    }
    drop(writer);
    stage.close_writers();
    stage.node.reorganise(1, 2).await.unwrap();

    let left = intents::look(stage.journal().unwrap()).unwrap();
    let open = left[0].2.last().unwrap();
    assert!(open.state.is_open(), "{open:?}");
    let writer = stage.open_writer(validator);
    let call = writer.set_weights(&row);
    let mut call = std::pin::pin!(call);
    let done = loop {
        tokio::select! {
            done = &mut call => break done.unwrap(),
            () = tokio::time::sleep(std::time::Duration::from_millis(100)) => stage.pass_blocks(1).await,
        }
    };
    let Inclusion::Included { block } = done else { panic!("{done:?}") };
    assert_eq!(stage.subnet.weights(uid).await.unwrap(), Some(vec![(target, 65_535)]));
    let graph = stage.subnet.metagraph().await.unwrap();
    assert_eq!(graph.find(&validator).unwrap().last_update, block);
    let kept = writer.intents().await;
    assert_eq!(kept.len(), 1, "one intent, followed over the restart: {kept:?}");
    assert_eq!(kept[0].transactions, 1, "the same transaction was included again");

    // A second process with the same journal is turned away.
    let second = HotkeyPair::from_seed(&SEEDS[0]).unwrap();
    let fault = stage.subnet.writer(Arc::new(HeldKey(second))).unwrap_err();
    assert!(fault.chain().contains("another process"), "{fault:?}");
}

/// What the killed process reads: the node, and the uid that it gives a weight to.
const ERRAND: &str = "errand.json";

/// Not a test of its own: the process that the next test starts in a folder, and kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs until it is killed; started by the test below"]
#[expect(clippy::print_stdout, reason = "whoever runs all ignored tests learns why this one did nothing")]
async fn errand() {
    let Ok(text) = std::fs::read(ERRAND) else {
        println!("SKIPPED: not started by the test that kills it");
        return;
    };
    let (url, target): (String, u16) = serde_json::from_slice(&text).unwrap();
    let subnet = Subnet::connect(settings(&url, Some(Path::new(".")))).await.unwrap();
    let pair = HotkeyPair::from_seed(&SEEDS[0]).unwrap();
    let done = subnet.writer(Arc::new(HeldKey(pair))).unwrap().set_weights(&vec![(target, 3)]).await;
    panic!("nobody seals a block, so it cannot end: {done:?}");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_is_followed_up_and_weights_are_set_once() {
    let Some(spec) = spec() else { return };
    let dir = tempfile::tempdir().unwrap();
    let how = How { journal: Some(dir.path()), seal: Seal::Manual, ..How::default() };
    let stage = Stage::open(&spec, how).await;
    let [validator, miner, _] = stage.hotkeys();
    let uid = stage.register(validator, 1_000.0, true).await;
    let target = stage.register(miner, 0.0, false).await;
    stage.pass_blocks(stage.weights_rate_limit()).await;
    let text = serde_json::to_vec(&(stage.node.url(), target)).unwrap();
    std::fs::write(dir.path().join(ERRAND), text).unwrap();

    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "grail::errand"])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    // Wait for the state that matters, however long the machine takes.
    let sent = || {
        let journals = intents::look(dir.path()).unwrap();
        let last = journals.first().and_then(|(_, _, intents)| intents.last().cloned());
        last.is_some_and(|intent| matches!(intent.state, State::Sent(_)))
    };
    while !sent() {
        assert!(child.0.try_wait().unwrap().is_none(), "the process ended by itself");
        tokio::task::yield_now().await;
    }
    drop(child);

    let writer = stage.open_writer(validator);
    let row = vec![(target, 3)];
    let mut call = std::pin::pin!(writer.set_weights(&row));
    let done = loop {
        tokio::select! {
            done = &mut call => break done.unwrap(),
            () = tokio::time::sleep(std::time::Duration::from_millis(100)) => stage.pass_blocks(1).await,
        }
    };
    assert!(matches!(done, Inclusion::Included { .. }), "{done:?}");
    assert_eq!(stage.subnet.weights(uid).await.unwrap(), Some(vec![(target, 65_535)]));
    let kept = writer.intents().await;
    assert_eq!((kept.len(), kept[0].transactions), (1, 1), "the killed process's own transaction: {kept:?}");
}
