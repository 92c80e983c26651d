use grail_artifact::{
    bundle::{BlockFact, Bundle, BundleHead, Challenge, Encoding, FileFact, ModelFact, profile_text},
    limits::LIMITS,
    manifest::{FileEntry, MANIFEST_VERSION, Manifest},
    window::{JsonCodec, RootHex, WindowCodec as _, WindowFile},
};
use grail_ports::beacon::BeaconSource as _;
use grail_protocol::{
    beacon::{Beacon, WindowRandomness},
    draw::SamplingPolicy,
    hash::sha256,
    params::{DEV, Params},
    policy::{Seeding, WeightPolicy},
    profile::NumericProfile,
    sign::HotkeyPair,
    words::{BlockHash, BlockNumber, Hotkey, UnixMillis, WindowStart},
};
use grail_testkit::{
    doors::{FakeBeacon, ManualClock},
    window::{World, WorldSetup},
};
use grail_verify::{
    MinerReport, Sampling, Verdict,
    audit::{Audited, Flaw, Tools, audit_on_paper},
    lies::{fake_files, fake_rollouts, named},
};
use std::sync::Arc;

const GENESIS: u64 = 1_763_000_000_000;

/// A world whose window hangs together: blocks, beacon rounds, deadline and checkpoint follow from each other.
struct Stage {
    world: World,
    manifest: Manifest,
    beacon: FakeBeacon,
}

const fn block(number: u64) -> BlockFact {
    BlockFact {
        number: BlockNumber(number),
        hash: BlockHash::from_bytes([1; 32]),
        time: UnixMillis(GENESIS + number * 3_000),
    }
}

fn pair() -> HotkeyPair {
    HotkeyPair::from_seed(&[77; 32]).unwrap()
}

fn manifest() -> Manifest {
    Manifest {
        version: MANIFEST_VERSION,
        window: WindowStart(0),
        sequence: 0,
        environments: vec!["sat/1".parse().unwrap()],
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: 12,
        numeric: NumericProfile::StrictF32,
        files: vec![FileEntry { name: "model.safetensors".into(), size: 1, sha256: "ab".repeat(32) }],
        publication: None,
    }
}

impl Stage {
    fn new() -> Self {
        Self::of(Sampling::DEFAULT, Seeding::Unsaid)
    }

    fn sampled(sampling: Sampling) -> Self {
        Self::of(sampling, Seeding::Unsaid)
    }

    fn of(sampling: Sampling, seeding: Seeding) -> Self {
        let clock = Arc::new(ManualClock::at(UnixMillis(GENESIS)));
        let beacon = FakeBeacon::new([7; 32], UnixMillis(GENESIS - 60_000), 3_000, clock);
        let (first, last) = (block(40), block(59));
        let sign = |round| beacon.sign(round);
        let generation = sign(DEV.generation_round(beacon.chain(), first.time));
        let challenge = sign(DEV.challenge_round(beacon.chain(), last.time));
        let deadline = DEV.upload_deadline(last.time);
        let manifest = manifest();
        let setup = WorldSetup::new().with(|setup| {
            setup.block_hash = first.hash;
            setup.randomness = WindowRandomness::Beacon(generation);
            setup.checkpoint = manifest.id();
            setup.deadline = deadline;
            setup.stored_at = UnixMillis(deadline.0 - 1_000);
            setup.sampling = sampling;
            setup.seeding = seeding;
            setup.challenge = BlockHash::from_bytes(sha256(&challenge.signature));
        });
        Self { world: World::new(setup), manifest, beacon }
    }

    fn challenge(&self) -> Beacon {
        self.beacon.sign(DEV.challenge_round(self.beacon.chain(), block(59).time))
    }

    fn judge(&self, file: &WindowFile) -> MinerReport {
        let fetched = self.world.shelve(file);
        self.world.verify_with(fetched, &JsonCodec, &mut self.world.oracle())
    }

    /// The bundle that a validator writes of a file, before it is signed.
    fn bundle(&self, file: &WindowFile) -> Bundle {
        let (setup, body) = (&self.world.setup, JsonCodec.encode(file).unwrap());
        let card = self.world.model.card();
        let head = BundleHead {
            network: setup.network.clone(),
            params: DEV.profile.into(),
            params_digest: RootHex(self.world.context.params.digest()),
            window: setup.window,
            miner: setup.hotkey,
            validator: pair().hotkey(),
            first_block: block(40),
            last_block: block(59),
            beacon: Some(self.beacon.chain().clone()),
            randomness: setup.randomness.clone(),
            challenge: Challenge::Beacon(self.challenge()),
            sampling: setup.sampling.into(),
            model: ModelFact { vocabulary: card.vocabulary, context_length: card.context_length },
            file: Some(FileFact {
                encoding: Encoding::Json,
                stored_at: setup.stored_at,
                size: body.len() as u64,
                carried: true,
            }),
        };
        Bundle {
            head,
            manifest: self.manifest.to_json().unwrap(),
            profile: profile_text(setup.numeric),
            verdict: serde_json::to_vec(&self.judge(file)).unwrap(),
            file: body,
            signature: None,
        }
    }

    fn replay(&self, audited: &Audited) -> Result<MinerReport, Vec<Flaw>> {
        let tools = Tools {
            codec: &JsonCodec,
            limits: &LIMITS,
            environment: &self.world.environment,
            tokenizer: &self.world.tokenizer,
        };
        // Another machine than the validator's, which has noise 99.
        let mut oracle = self.world.model.clone().with_noise(1e-5, 1_234);
        audited.replay(&tools, &mut oracle, &mut |_| true)
    }
}

/// Over the wire: signed, written, read, and audited.
fn audit(mut bundle: Bundle) -> Result<Audited, Flaw> {
    bundle.sign(&pair(), [0; 32]).unwrap();
    let read = Bundle::read(&bundle.to_bytes().unwrap()).unwrap();
    assert_eq!(read, bundle);
    audit_on_paper(read, &[&JsonCodec], &LIMITS)
}

#[test]
fn an_honest_verdict_comes_out_the_same_on_another_machine() {
    let stage = Stage::new();
    let file = stage.world.honest(3);
    let audited = audit(stage.bundle(&file)).unwrap();
    assert_eq!(audited.context, stage.world.context);
    assert!(audited.on_trust.iter().any(|line| line.contains("block 40")), "{:?}", audited.on_trust);
    let found = stage.replay(&audited).unwrap();
    assert_eq!(found.tally.accepted, 48);
}

#[test]
fn a_network_that_states_its_seeding_is_audited_by_it() {
    let stage = Stage::of(Sampling::DEFAULT, Seeding::Beacon);
    let audited = audit(stage.bundle(&stage.world.honest(2))).unwrap();
    assert_eq!(audited.context, stage.world.context);
    assert_ne!(audited.context.params.digest(), DEV.digest());
    assert_eq!(stage.replay(&audited).unwrap().tally.accepted, 32);
}

#[test]
fn so_does_the_verdict_on_every_lie() {
    let stage = Stage::new();
    let mut audited_lies = 0;
    for lie in fake_rollouts().chain(fake_files()) {
        let file = stage.world.told(lie, 2);
        // What JSON cannot spell cannot lie on this shelf.
        if JsonCodec.encode(&file).is_err() {
            continue;
        }
        audited_lies += 1;
        let audited = audit(stage.bundle(&file)).unwrap_or_else(|flaw| panic!("{}: {flaw}", lie.name));
        let found = stage.replay(&audited).unwrap_or_else(|flaws| panic!("{}: {flaws:?}", lie.name));
        assert!(found.rejections().next().is_some(), "{}", lie.name);
    }
    assert!(audited_lies > 50, "{audited_lies}");
}

#[test]
fn samples_follow_from_the_challenge() {
    let rule = Sampling { all_up_to: 0, share_percent: 50, min: 1, max: 64 };
    let stage = Stage::sampled(rule);
    let audited = audit(stage.bundle(&stage.world.honest(6))).unwrap();
    assert_eq!((audited.report.groups.len(), audited.sampling), (3, rule));
    stage.replay(&audited).unwrap();
    // A validator that proved what it liked.
    let mut other = stage.bundle(&stage.world.honest(6));
    let all = Stage::new();
    other.verdict = serde_json::to_vec(&all.judge(&stage.world.honest(6))).unwrap();
    assert_eq!(audit(other).unwrap_err().name(), "sample");
}

/// A lie that a validator signs.
struct Tampered {
    name: &'static str,
    change: fn(&Stage, &mut Bundle),
}

fn retell(bundle: &mut Bundle, change: impl FnOnce(&mut MinerReport)) {
    let mut report: MinerReport = serde_json::from_slice(&bundle.verdict).unwrap();
    change(&mut report);
    bundle.verdict = serde_json::to_vec(&report).unwrap();
}

const TAMPERED: &[Tampered] = &[
    Tampered { name: "manifest", change: |_, b| b.manifest.truncate(30) },
    Tampered { name: "manifest", change: |_, b| b.manifest.extend(b"}") },
    Tampered { name: "context", change: |_, b| b.head.params = "production".into() },
    Tampered { name: "context", change: |_, b| b.head.params_digest.0[0] ^= 1 },
    // Weights of its own, which a bundle does not carry.
    Tampered {
        name: "context",
        change: |_, b| {
            let weights = WeightPolicy { unique_cap: Some(9), ..WeightPolicy::DEFAULT };
            b.head.params_digest = RootHex(Params { weights, ..DEV }.digest());
        },
    },
    Tampered { name: "context", change: |_, b| b.head.window.0 += 1 },
    Tampered { name: "context", change: |_, b| b.head.last_block = block(58) },
    Tampered {
        name: "beacon",
        change: |s, b| b.head.randomness = WindowRandomness::Beacon(s.beacon.sign(1)),
    },
    Tampered {
        name: "beacon",
        change: |_, b| {
            let WindowRandomness::Beacon(beacon) = &mut b.head.randomness else { panic!() };
            beacon.signature[5] ^= 1;
        },
    },
    Tampered { name: "beacon", change: |_, b| b.head.randomness = WindowRandomness::BlockHashOnly },
    // Another time for the last block: another round would have decided.
    Tampered { name: "challenge", change: |_, b| b.head.last_block.time.0 += 30_000 },
    Tampered { name: "challenge", change: |s, b| b.head.challenge = Challenge::Beacon(s.beacon.sign(9)) },
    Tampered { name: "challenge", change: |_, b| b.head.challenge = Challenge::Block(block(99)) },
    Tampered {
        name: "profile",
        change: |_, b| b.profile = b.profile.replace("margin-hard 1e-2", "margin-hard 5e-1"),
    },
    Tampered { name: "file", change: |_, b| b.file.push(b' ') },
    Tampered { name: "file", change: |_, b| b.head.file = None },
    Tampered {
        name: "file",
        change: |_, b| {
            b.file.clear();
            b.head.file.as_mut().unwrap().carried = false;
        },
    },
    Tampered { name: "report", change: |_, b| b.verdict.truncate(10) },
    Tampered { name: "report", change: |_, b| retell(b, |r| r.hotkey = Hotkey::from_bytes([3; 32])) },
    Tampered { name: "report", change: |_, b| retell(b, |r| r.tally.accepted += 1) },
    Tampered { name: "report", change: |_, b| retell(b, |r| r.groups[0].rollouts.truncate(15)) },
    Tampered {
        name: "report",
        change: |_, b| {
            retell(b, |r| r.groups[0].rollouts[2].measured.as_mut().unwrap().margin_worst = 0.5);
        },
    },
    Tampered {
        name: "report",
        change: |_, b| {
            retell(b, |r| r.groups[1].verdict = Verdict::Undecided(grail_verify::Doubt::NotProven))
        },
    },
    Tampered { name: "verdict", change: |_, b| retell(b, |r| r.root = Some(RootHex([9; 32]))) },
    // In time for the validator, late by the store.
    Tampered {
        name: "verdict",
        change: |s, b| b.head.file.as_mut().unwrap().stored_at = s.world.setup.deadline.plus(1),
    },
    // Another miner's file judged as this one's.
    Tampered {
        name: "verdict",
        change: |s, b| {
            let other = s.world.but(|setup| setup.miner += 1).honest(2);
            b.file = JsonCodec.encode(&other).unwrap();
            b.head.file.as_mut().unwrap().size = b.file.len() as u64;
        },
    },
];

#[test]
fn each_lie_that_a_validator_signs_is_refused_by_name() {
    let stage = Stage::new();
    let file = stage.world.honest(2);
    for (index, tampered) in TAMPERED.iter().enumerate() {
        let mut bundle = stage.bundle(&file);
        (tampered.change)(&stage, &mut bundle);
        let Err(flaw) = audit(bundle) else { panic!("tampered bundle {index} ({}) passes", tampered.name) };
        assert_eq!(flaw.name(), tampered.name, "tampered bundle {index}: {flaw}");
    }
}

#[test]
fn what_paper_cannot_see_the_model_does() {
    let stage = Stage::new();
    let file = stage.world.honest(2);
    // Another block hash: other problems, which only a prompt shows.
    let mut bundle = stage.bundle(&file);
    bundle.head.first_block.hash = BlockHash::from_bytes([8; 32]);
    let flaws = stage.replay(&audit(bundle).unwrap()).unwrap_err();
    assert!(flaws.iter().all(|flaw| flaw.name() == "verdict") && !flaws.is_empty(), "{flaws:?}");
    // Another seeding than the network's: the same, and said to be taken on trust.
    let mut bundle = stage.bundle(&file);
    bundle.head.params_digest = RootHex(Params { seeding: Seeding::Beacon, ..DEV }.digest());
    let audited = audit(bundle).unwrap();
    assert!(audited.on_trust.iter().any(|line| line.contains("seeding (Beacon)")), "{:?}", audited.on_trust);
    assert!(stage.replay(&audited).unwrap_err().iter().all(|flaw| flaw.name() == "verdict"));
    // A refusal that was made up, and one that was held back.
    let refused: MinerReport = stage.judge(&stage.world.told(named("zero-sketch").unwrap(), 2));
    let mut bundle = stage.bundle(&file);
    retell(&mut bundle, |report| {
        let root = report.root;
        let honest = report.groups.clone();
        *report = refused;
        report.root = root;
        for (group, honest) in report.groups.iter_mut().zip(honest) {
            for (rollout, honest) in group.rollouts.iter_mut().zip(honest.rollouts) {
                rollout.tokens = honest.tokens;
                rollout.claimed_reward = honest.claimed_reward;
                rollout.judgement = honest.judgement;
            }
        }
    });
    let flaws = stage.replay(&audit(bundle).unwrap()).unwrap_err();
    assert!(
        flaws.iter().any(|flaw| flaw.to_string().contains("rejected as sketch-rms, found is accepted")),
        "{flaws:?}"
    );
    // Another model than the one that was asked.
    let audited = audit(stage.bundle(&file)).unwrap();
    let other = Audited { model: ModelFact { vocabulary: 1, context_length: 1 }, ..audited };
    assert_eq!(stage.replay(&other).unwrap_err()[0].name(), "model");
}

#[test]
fn a_file_that_was_not_carried_is_judged_by_its_size() {
    let stage = Stage::new();
    let mut bundle = stage.bundle(&stage.world.honest(1));
    let size = LIMITS.file_bytes + 1;
    let meta = grail_ports::shelf::ObjectMeta { size, stored_at: stage.world.setup.stored_at, tag: None };
    let rejection = grail_verify::oversize(&meta, &LIMITS);
    let report = MinerReport::refused(&stage.world.context, &stage.world.hotkey(), rejection, (0, 0));
    bundle.verdict = serde_json::to_vec(&report).unwrap();
    bundle.file.clear();
    *bundle.head.file.as_mut().unwrap() =
        FileFact { encoding: Encoding::Json, stored_at: meta.stored_at, size, carried: false };
    let audited = audit(bundle).unwrap();
    assert_eq!(audited.fetched, None);
    assert_eq!(stage.replay(&audited).unwrap(), report);
}

/// Written anew with `GRAIL_WRITE_DOCS=1 cargo test -p grail-verify --test it bundles_at_hand`.
#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test asks for the files to be written")]
fn the_bundles_at_hand_are_those_of_this_format_and_these_tolerances() {
    let stage = Stage::new();
    let lie = named("own-seed").unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/bundles");
    for (name, file) in [("honest", stage.world.honest(1)), ("refused", stage.world.told(lie, 1))] {
        let mut bundle = stage.bundle(&file);
        bundle.sign(&pair(), [0; 32]).unwrap();
        let path = folder.join(format!("{name}.bundle"));
        if std::env::var_os("GRAIL_WRITE_DOCS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, bundle.to_bytes().unwrap()).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(
            Bundle::read(&bytes).as_ref() == Ok(&bundle),
            "{} is not what is made now; write it anew",
            path.display()
        );
    }
}
