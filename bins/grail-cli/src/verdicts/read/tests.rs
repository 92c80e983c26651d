use super::*;
use grail_artifact::{
    verdict::{FileCounts, GroupVerdict, RefusalReason},
    window::RootHex,
};
use grail_ports::{chain::ChainView, shelf::WindowShelf};
use grail_protocol::{
    params::DEV,
    sign::HotkeyPair,
    words::{CheckpointId, GroupIndex, RolloutIndex},
};
use grail_roles::{
    context::{Network, Randomness, Sources},
    environments::Environments,
};
use grail_testkit::doors::{ManualClock, MemChain, MemDirectory, MemShelf};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) fn pair(byte: u8) -> HotkeyPair {
    HotkeyPair::from_seed(&[byte; 32]).unwrap()
}

/// A network in memory: two validators (seeds 1 and 2, the second with more stake) and a miner (seed 9).
pub(crate) struct Stage {
    pub(crate) view: View,
    pub(crate) chain: MemChain,
    pub(crate) shelf: MemShelf,
}

pub(crate) fn stage() -> Stage {
    let clock = Arc::new(ManualClock::at(UnixMillis(0)));
    let chain = MemChain::by_hand("stage", UnixMillis(0), DEV.block_time_ms);
    chain.register(pair(1).hotkey(), 10.0, true);
    chain.register(pair(2).hotkey(), 20.0, true);
    chain.register(pair(9).hotkey(), 0.0, false);
    chain.make_blocks(DEV.window_length * 3 + 5);
    let shelf = MemShelf::new(clock);
    let directory = MemDirectory::default();
    for byte in [1, 2, 9] {
        directory.assign(pair(byte).hotkey(), Arc::new(shelf.clone()) as Arc<dyn WindowShelf>);
    }
    let network = Network { id: "dev-1".parse().unwrap(), params: DEV };
    let sources =
        Sources::new(network, Arc::new(chain.clone()) as Arc<dyn ChainView>, Randomness::BlockHashOnly)
            .unwrap();
    let view = View {
        sources,
        first: None,
        trainer: None,
        environments: Environments::new(vec![grail_env_sat()]).unwrap(),
        directory: Arc::new(directory),
        checkpoints: None,
    };
    Stage { view, chain, shelf }
}

fn grail_env_sat() -> grail_env::Environment {
    grail_env::Environment::Sat
}

pub(crate) fn reason(group: u32, code: &str) -> RefusalReason {
    RefusalReason {
        group: Some(GroupIndex(group)),
        rollout: Some(RolloutIndex(0)),
        token: Some(6),
        code: code.to_owned(),
        measured: Some("0.97".to_owned()),
        allowed: Some("0.02".to_owned()),
        told: "the sketch is 0.97 spreads away".to_owned(),
    }
}

/// A verdict of two groups: one accepted, one refused for `code`, or both accepted.
pub(crate) fn on(miner: u8, code: Option<&str>, unique: u64) -> FileVerdict {
    let accepted = |group: u32| GroupVerdict {
        group: GroupIndex(group),
        rewards: vec![100_000; 16],
        right: (0..16).map(|i| i < unique).collect(),
    };
    let groups = if code.is_some() { vec![accepted(0)] } else { vec![accepted(0), accepted(1)] };
    FileVerdict {
        hotkey: pair(miner).hotkey(),
        root: Some(RootHex([miner; 32])),
        counts: Some(FileCounts {
            groups: 2,
            checked: 2,
            valid: 16 * groups.len() as u64,
            right: unique,
            unique,
            extrapolation: 1_000_000,
        }),
        groups,
        refused: code.map(|code| BTreeMap::from([(code.to_owned(), 1)])).unwrap_or_default(),
        undecided: BTreeMap::new(),
        reasons: code.map(|code| vec![reason(1, code)]).unwrap_or_default(),
    }
}

pub(crate) fn verdicts(validator: u8, window: u64, mut files: Vec<FileVerdict>) -> VerdictFile {
    files.sort_by_key(|file| file.hotkey);
    let mut file = VerdictFile {
        version: grail_artifact::verdict::VERDICT_VERSION,
        network: "dev-1".parse().unwrap(),
        window: WindowStart(window),
        checkpoint: CheckpointId::from_bytes([5; 32]),
        env: "sat/1".parse().unwrap(),
        validator: pair(validator).hotkey(),
        challenge: RootHex([6; 32]),
        files,
        signature: None,
    };
    file.sign(&pair(validator), [0; 32]);
    file
}

pub(crate) fn publish(stage: &Stage, file: &VerdictFile) {
    let key = VerdictKey { validator: file.validator, window: file.window };
    stage.shelf.place(key, file.to_json().unwrap(), UnixMillis(1));
}

fn asked(stage: &Stage, graph: &Metagraph) -> Vec<(Judge, WindowStart)> {
    let windows = windows_back(&DEV, stage.chain.newest().number, 9);
    assert_eq!(windows, [40, 20, 0].map(WindowStart));
    windows.iter().flat_map(|window| judges(graph).into_iter().map(move |judge| (judge, *window))).collect()
}

#[tokio::test]
async fn signed_files_are_read_and_everything_else_is_named() {
    let stage = stage();
    let graph = stage.view.sources.chain.metagraph().await.unwrap();
    let of: Vec<Hotkey> = judges(&graph).iter().map(|judge| judge.hotkey).collect();
    assert_eq!(
        of,
        [pair(2).hotkey(), pair(1).hotkey()],
        "the one with more stake first; no permit, no judge"
    );
    publish(&stage, &verdicts(1, 40, vec![on(9, Some("sketch-rms"), 3)]));
    let mut old = verdicts(1, 20, vec![on(9, None, 2)]);
    old.version = 1;
    old.files.iter_mut().for_each(|file| (file.counts, file.reasons) = (None, Vec::new()));
    old.sign(&pair(1), [0; 32]);
    publish(&stage, &old);
    // Signed by another hotkey than the one on whose shelf it lies.
    let mut forged = verdicts(2, 40, vec![on(9, None, 16)]);
    forged.sign(&pair(7), [0; 32]);
    forged.validator = pair(2).hotkey();
    publish(&stage, &forged);
    let looks = look(&stage.view, &asked(&stage, &graph)).await;
    let of = |validator: u8, window: u64| {
        let hotkey = pair(validator).hotkey();
        looks.iter().find(|look| look.judge.hotkey == hotkey && look.window.0 == window).unwrap()
    };
    let new = of(1, 40).on(&pair(9).hotkey()).unwrap();
    assert_eq!((new.reasons[0].code.as_str(), new.counts.unwrap().unique), ("sketch-rms", 3));
    assert_eq!(of(1, 20).on(&pair(9).hotkey()).unwrap().counts, None, "version 1 is read too");
    assert!(of(2, 40).found.as_ref().unwrap_err().contains("signature"), "{:?}", of(2, 40).found);
    assert_eq!(of(1, 0).found, Ok(None));
    assert_eq!(of(1, 40).on(&pair(3).hotkey()), None);
}

#[tokio::test]
async fn a_validator_without_a_bucket_or_with_a_broken_one_is_an_answer_too() {
    let stage = stage();
    let graph = stage.view.sources.chain.metagraph().await.unwrap();
    let stranger = Judge { uid: None, hotkey: pair(7).hotkey(), stake: 0.0 };
    let window = WindowStart(40);
    let key = VerdictKey { validator: pair(1).hotkey(), window };
    stage.shelf.place(key, "{\"version\": 2", UnixMillis(1));
    let looks =
        look(&stage.view, &[(stranger, window), (Judge::of(&graph, &pair(1).hotkey()), window)]).await;
    assert!(looks[0].found.as_ref().unwrap_err().contains("no bucket"));
    assert!(looks[1].found.as_ref().unwrap_err().contains("cannot be read"));
}
