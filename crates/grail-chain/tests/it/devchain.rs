//! The door's promises on the real runtime, and what only it shows: sealed weights, reorganisations, restarts.

use crate::stage::{Held, Stage, spec};
use grail_chain::{
    Settings, Subnet, intents,
    keys::{Item, NOW},
};
use grail_ports::{
    Door, Retry,
    chain::{ChainView as _, ChainWrite as _, Inclusion},
};
use grail_protocol::{sign::HotkeyPair, words::BlockNumber};
use grail_testkit::doors::conformance::{self, ChainStage as _};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use subxt::dynamic::Value;

#[tokio::test(flavor = "multi_thread")]
async fn the_real_runtime_keeps_the_promises_of_the_door() {
    let Some(spec) = spec() else { return };
    let stage = Stage::open(&spec, None, 0).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_that_is_not_there_is_named() {
    let Some(spec) = spec() else { return };
    let stage = Stage::open(&spec, None, 0).await;
    let fault = Subnet::connect(Settings::new(vec![stage.node.url()], 999)).await.unwrap_err();
    assert_eq!((fault.door, fault.retry), (Door::Chain, Retry::Never));
    assert!(fault.chain().contains("no subnet 999"), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_weights_open_by_themselves() {
    let Some(spec) = spec() else { return };
    let stage = Stage::open(&spec, None, 0).await;
    let [validator, miner, _] = stage.hotkeys();
    let uid = stage.register(validator, 1_000.0, true).await;
    let target = stage.register(miner, 0.0, false).await;
    // The runtime drops what is committed in the very first epochs.
    let tempo = 40u64;
    stage.sudo("sudo_set_tempo", vec![stage.netuid(), Value::u128(u128::from(tempo))]).await;
    stage.sudo("sudo_set_commit_reveal_weights_enabled", vec![stage.netuid(), Value::bool(true)]).await;
    let head = stage.subnet.head().await.unwrap().number.0;
    stage.pass_blocks((2 * (tempo + 1)).saturating_sub(head) + stage.weights_rate_limit()).await;
    // An epoch took the permit away.
    let key = grail_chain::keys::VALIDATOR_PERMIT.of(2);
    let permits = stage.node.storage(&key).await.unwrap().unwrap();
    let count = usize::from(permits[0] >> 2);
    stage.node.set_storage([(key, Some([&permits[..1], &vec![1; count]].concat()))]).await.unwrap();

    let before = stage.subnet.head().await.unwrap();
    let done = stage.writer(validator).set_weights(&vec![(target, 7)]).await.unwrap();
    assert!(matches!(done, Inclusion::Included { .. }), "{done:?}");
    assert_eq!(stage.subnet.weights(uid).await.unwrap(), None, "nobody can read them yet");

    // The round is written with a signature that belongs to another: the runtime takes what its node imported, and
    // the sealed bytes are opened with the true one of round 1000 only. So what is checked here is the round.
    let (round, sealed) = commit(&stage, validator, before.number).await;
    let seconds = before.time.0 / 1_000;
    let soonest = (seconds - 1_692_803_367) / 3;
    assert!((soonest..soonest + (2 * tempo + 20)).contains(&round), "round {round}, now {soonest}");
    assert!(sealed.len() > 200);
}

/// The sealed weights that the chain holds for a hotkey: round and bytes.
async fn commit(stage: &Stage, hotkey: grail_protocol::words::Hotkey, _since: BlockNumber) -> (u64, Vec<u8>) {
    use parity_scale_codec::Decode as _;
    let item = Item { pallet: "SubtensorModule", name: "CRV3WeightCommits", ..NOW };
    let mut prefix = item.prefix();
    prefix.extend(sp_crypto_hashing::twox_64(&2u16.to_le_bytes()));
    prefix.extend(2u16.to_le_bytes());
    for epoch in 0u64..64 {
        let mut key = prefix.clone();
        key.extend(sp_crypto_hashing::twox_64(&epoch.to_le_bytes()));
        key.extend(epoch.to_le_bytes());
        let Some(stored) = stage.node.storage(&key).await.unwrap() else { continue };
        let held = Vec::<([u8; 32], Vec<u8>, u64)>::decode(&mut &stored[..]).unwrap();
        if let Some((_, sealed, round)) = held.into_iter().find(|(who, ..)| who == hotkey.as_bytes()) {
            assert_eq!(Sha256::digest(round.to_be_bytes()).len(), 32);
            return (round, sealed);
        }
    }
    panic!("the chain holds no sealed weights of {hotkey}");
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_survive_a_reorganisation_and_a_restart_and_are_set_once() {
    let Some(spec) = spec() else { return };
    let dir = tempfile::tempdir().unwrap();
    let stage = Stage::open(&spec, Some(dir.path()), 3).await;
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
    let second = HotkeyPair::from_seed(&[71; 32]).unwrap();
    let fault = stage.subnet.writer(Arc::new(Held(second))).unwrap_err();
    assert!(fault.chain().contains("another process"), "{fault:?}");
}
