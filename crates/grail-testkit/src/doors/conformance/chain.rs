use async_trait::async_trait;
use grail_ports::{
    Door, Fault, Retry,
    chain::{ChainView, ChainWrite, Inclusion, Uid},
};
use grail_protocol::words::{BlockNumber, Hotkey};
use std::{fmt::Debug, sync::Arc};

/// A chain under examination, with the levers that an examiner needs and the door does not have.
#[async_trait]
pub trait ChainStage: Send + Sync {
    /// The door.
    fn view(&self) -> Arc<dyn ChainView>;

    /// The door for writing as a hotkey, registered or not.
    fn writer(&self, hotkey: Hotkey) -> Arc<dyn ChainWrite>;

    /// Three hotkeys that the stage can sign for, none registered yet.
    fn hotkeys(&self) -> [Hotkey; 3];

    /// Registers a hotkey.
    async fn register(&self, hotkey: Hotkey, stake: f64, validator_permit: bool) -> Uid;

    /// Lets that many blocks pass.
    async fn pass_blocks(&self, count: u64);

    /// Blocks between two rows of one validator.
    fn weights_rate_limit(&self) -> u64;
}

/// Examines a chain on which none of the stage's hotkeys is registered.
///
/// # Panics
/// When a promise of [`ChainView`] or [`ChainWrite`] is broken.
pub async fn chain<S: ChainStage + ?Sized>(stage: &S) {
    blocks_are_a_line(stage).await;
    strangers_are_turned_away(stage).await;
    let [validator, miner, other] = stage.hotkeys();
    let uids = [
        stage.register(validator, 1_000.0, true).await,
        stage.register(miner, 0.0, false).await,
        stage.register(other, 0.0, false).await,
    ];
    the_metagraph_lists_everyone(stage, uids).await;
    commitments_are_replaced_whole(stage).await;
    weights_wait_their_turn(stage, uids).await;
    broken_rows_are_refused(stage, uids).await;
}

fn refused<T: Debug>(result: Result<T, Fault>, what: &str) {
    match result {
        Err(fault) => {
            assert_eq!(fault.door, Door::Chain, "{what}: {fault:?}");
            assert_eq!(fault.retry, Retry::Never, "{what} will be refused again: {fault:?}");
        }
        Ok(done) => panic!("{what} must be refused, came to {done:?}"),
    }
}

async fn blocks_are_a_line<S: ChainStage + ?Sized>(stage: &S) {
    let view = stage.view();
    let before = view.head().await.expect("the head is read");
    stage.pass_blocks(2).await;
    let head = view.head().await.expect("the head is read");
    assert!(head.number.0 >= before.number.0 + 2, "blocks pass");
    assert!(head.time > before.time, "time passes with them");
    let again = view.block(before.number).await.expect("a block is read").expect("an old block stays");
    assert_eq!(again, before, "a block never changes");
    let middle = BlockNumber(before.number.0 + 1);
    let middle = view.block(middle).await.expect("a block is read").expect("there is no gap");
    assert!(before.time < middle.time && middle.time < head.time, "times are in order");
    assert!(before.hash != middle.hash && middle.hash != head.hash, "hashes differ");
    let future = view.block(BlockNumber(head.number.0 + 1_000)).await.expect("a future block is no fault");
    assert_eq!(future, None, "a future block is absent");
}

async fn strangers_are_turned_away<S: ChainStage + ?Sized>(stage: &S) {
    let [stranger, ..] = stage.hotkeys();
    let view = stage.view();
    let writer = stage.writer(stranger);
    assert_eq!(writer.hotkey(), stranger);
    assert_eq!(view.commitment(&stranger).await.expect("it is read"), None, "a stranger committed nothing");
    refused(writer.commit(b"hello").await, "a stranger's commitment");
    refused(writer.set_weights(&vec![(0, 1)]).await, "a stranger's weights");
    assert_eq!(view.commitment(&stranger).await.expect("it is read"), None, "a refusal leaves no trace");
}

async fn the_metagraph_lists_everyone<S: ChainStage + ?Sized>(stage: &S, uids: [Uid; 3]) {
    let view = stage.view();
    let graph = view.metagraph().await.expect("the metagraph is read");
    assert!(graph.neurons.is_sorted_by_key(|neuron| neuron.uid), "in the order of uids");
    let head = view.head().await.expect("the head is read");
    assert!(graph.block <= head.number, "it was read at a block that exists");
    for (hotkey, uid) in stage.hotkeys().iter().zip(uids) {
        let neuron = graph.find(hotkey).expect("a registered hotkey is listed");
        assert_eq!(neuron.uid, uid);
        assert!(neuron.last_update <= head.number);
    }
    let [validator, miner, _] = stage.hotkeys();
    assert!(graph.find(&validator).is_some_and(|neuron| neuron.validator_permit && neuron.stake > 0.0));
    assert!(graph.find(&miner).is_some_and(|neuron| !neuron.validator_permit));
}

async fn commitments_are_replaced_whole<S: ChainStage + ?Sized>(stage: &S) {
    let view = stage.view();
    let [_, miner, other] = stage.hotkeys();
    let writer = stage.writer(miner);
    let long: Vec<u8> = (0..128).collect();
    for data in [&long[..], b"short"] {
        let done = writer.commit(data).await.expect("a commitment is made");
        assert!(matches!(done, Inclusion::Included { .. }), "{done:?}");
        let read = view.commitment(&miner).await.expect("it is read");
        assert_eq!(read.as_deref(), Some(data), "the bytes come back");
        stage.pass_blocks(1).await;
    }
    assert_eq!(view.commitment(&other).await.expect("it is read"), None, "nobody else's changed");
    refused(writer.commit(&[0; 513]).await, "a commitment of 513 bytes");
    let read = view.commitment(&miner).await.expect("it is read");
    assert_eq!(read.as_deref(), Some(&b"short"[..]), "a refusal leaves the old one");
}

async fn weights_wait_their_turn<S: ChainStage + ?Sized>(stage: &S, uids: [Uid; 3]) {
    let view = stage.view();
    let [validator, miner, other] = stage.hotkeys();
    let [validator_uid, miner_uid, other_uid] = uids;
    let writer = stage.writer(validator);
    stage.pass_blocks(stage.weights_rate_limit()).await;
    assert_eq!(view.weights(validator_uid).await.expect("it is read"), None, "none were set");

    let done = writer.set_weights(&vec![(miner_uid, 20), (other_uid, 10)]).await.expect("weights are set");
    let Inclusion::Included { block } = done else { panic!("it was time: {done:?}") };
    let row = view.weights(validator_uid).await.expect("it is read").expect("they are there");
    assert_eq!(row, vec![(miner_uid, 65_535), (other_uid, 32_767)], "scaled to the top, in order");
    let graph = view.metagraph().await.expect("the metagraph is read");
    assert_eq!(graph.find(&validator).map(|neuron| neuron.last_update), Some(block), "the update is dated");

    let done = writer.set_weights(&vec![(other_uid, 1)]).await.expect("too soon is an answer, not a fault");
    let Inclusion::TooSoon { not_before } = done else { panic!("the row is fresh: {done:?}") };
    assert_eq!(not_before.0, block.0 + stage.weights_rate_limit(), "it says when");
    let unchanged = view.weights(validator_uid).await.expect("it is read");
    assert_eq!(unchanged, Some(row), "too soon changes nothing");

    stage.pass_blocks(stage.weights_rate_limit()).await;
    let done = writer.set_weights(&vec![(other_uid, 1)]).await.expect("weights are set");
    assert!(matches!(done, Inclusion::Included { .. }), "it is time again: {done:?}");
    let row = view.weights(validator_uid).await.expect("it is read");
    assert_eq!(row, Some(vec![(other_uid, 65_535)]), "the old row is replaced whole");
    refused(stage.writer(miner).set_weights(&vec![(other_uid, 1)]).await, "weights without a permit");
    assert_eq!(view.weights(miner_uid).await.expect("it is read"), None);
    assert!(graph.find(&other).is_some());
}

async fn broken_rows_are_refused<S: ChainStage + ?Sized>(stage: &S, uids: [Uid; 3]) {
    let view = stage.view();
    let [validator, ..] = stage.hotkeys();
    let [validator_uid, miner_uid, _] = uids;
    let writer = stage.writer(validator);
    let before = view.weights(validator_uid).await.expect("it is read");
    stage.pass_blocks(stage.weights_rate_limit()).await;
    refused(writer.set_weights(&Vec::new()).await, "an empty row");
    refused(writer.set_weights(&vec![(miner_uid, 1), (miner_uid, 2)]).await, "a uid named twice");
    refused(writer.set_weights(&vec![(Uid::MAX, 1)]).await, "a uid that nobody has");
    assert_eq!(view.weights(validator_uid).await.expect("it is read"), before, "refusals leave no trace");
    let done = writer.set_weights(&vec![(miner_uid, 7)]).await.expect("weights are set");
    assert!(matches!(done, Inclusion::Included { .. }), "refusals use up no turn: {done:?}");
}
