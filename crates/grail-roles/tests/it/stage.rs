//! The stage: one network in memory, and roles put on it.

use grail_artifact::{
    manifest::{FileEntry, MANIFEST_VERSION, Manifest},
    window::JsonCodec,
};
use grail_env::Environment;
use grail_ports::{
    Fault, Retry,
    clock::Clock,
    follow::{Found, Load, Loaded},
    model::{Generator, Oracle, prompt_of},
};
use grail_protocol::{
    draw::SamplingPolicy,
    params::DEV_FAST,
    profile::NumericProfile,
    seed::WindowContext,
    sign::HotkeyPair,
    words::{GroupIndex, Hotkey, UnixMillis, WindowStart},
};
use grail_roles::{
    adopt::{Adopter, AdopterParts, AdopterSettings},
    context::{Network, Randomness, Sources},
    environments::Environments,
    mine::{self, MinedWindow, Miner},
    model::{Fixed, Models},
    reports::Reports,
    validate::{self, Validator, ValidatorStep},
};
use grail_testkit::{
    doors::{FakeBeacon, HeldKey, ManualClock, MemChain, MemDirectory, MemJournal, MemShelf},
    model::{FakeModel, FakeTokenizer},
    window::completions,
};
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex},
};

pub(crate) const GENESIS: UnixMillis = UnixMillis(1_763_000_000_000);
/// Groups whose problems the model can solve.
const KNOWN_GROUPS: u32 = 2;

/// Gives its models away at the first load.
struct Once(Mutex<Option<Loaded>>);

impl Once {
    fn new(generator: Option<Box<dyn Generator>>, oracle: Option<Box<dyn Oracle>>) -> Self {
        Self(Mutex::new(Some(Loaded { tokenizer: Arc::new(FakeTokenizer), generator, oracle })))
    }
}

impl Load for Once {
    fn load(&self, _: &Found) -> Result<Loaded, Fault> {
        Ok(self.0.lock().unwrap().take().expect("one checkpoint is loaded once"))
    }
}

/// Settings of a miner that answers what the model knows.
fn quick() -> mine::MinerSettings {
    mine::MinerSettings { max_groups: Some(KNOWN_GROUPS), ..mine::MinerSettings::default() }
}

pub(crate) struct Stage {
    pub(crate) clock: ManualClock,
    pub(crate) chain: MemChain,
    pub(crate) beacon: FakeBeacon,
    pub(crate) shelf: MemShelf,
    pub(crate) directory: MemDirectory,
    pub(crate) manifest: Manifest,
    pub(crate) sources: Sources,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::at(GENESIS.plus(100));
        let door: Arc<dyn Clock> = Arc::new(clock.clone());
        let chain = MemChain::by_clock("stage", GENESIS, DEV_FAST.block_time_ms, door.clone());
        let beacon = FakeBeacon::new([7; 32], GENESIS, 1_000, door.clone());
        let shelf = MemShelf::new(door);
        let directory = MemDirectory::shared(Arc::new(shelf.clone()));
        let file = FileEntry { name: "model.safetensors".into(), size: 1, sha256: "ab".repeat(32) };
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            window: WindowStart(0),
            sequence: 0,
            environments: vec![Environment::Sat.id().unwrap()],
            policy: SamplingPolicy::DEFAULT,
            max_new_tokens: 16,
            numeric: NumericProfile::StrictF32,
            files: vec![file],
            publication: None,
        };
        let network = Network { id: "dev-stage".parse().unwrap(), params: DEV_FAST };
        let randomness = Randomness::Beacon(Arc::new(beacon.clone()));
        let sources = Sources::new(network, Arc::new(chain.clone()), randomness).unwrap();
        Self { clock, chain, beacon, shelf, directory, manifest, sources }
    }

    pub(crate) fn pair(id: u8) -> HotkeyPair {
        HotkeyPair::from_seed(&[id; 32]).unwrap()
    }

    pub(crate) fn register(&self, id: u8, permit: bool) -> Hotkey {
        let hotkey = Self::pair(id).hotkey();
        self.chain.register(hotkey, if permit { 1_000.0 } else { 1.0 }, permit);
        hotkey
    }

    /// A model that solves the first problems of these miners in the first windows, wrongly now and then.
    pub(crate) async fn model(&self, miners: &[u8]) -> FakeModel {
        let mut scripts = BTreeMap::new();
        for window in (0..3).map(|turn| WindowStart(turn * DEV_FAST.window_length)) {
            let context = self.foresee(window).await;
            for (id, group) in miners.iter().flat_map(|id| (0..KNOWN_GROUPS).map(move |group| (id, group))) {
                let seed = context.seed().problem(&Self::pair(*id).hotkey(), GroupIndex(group));
                let problem = Environment::Sat.generate(&seed).unwrap();
                scripts.insert(prompt_of(&problem, &FakeTokenizer).unwrap(), completions(&problem));
            }
        }
        FakeModel::new(self.manifest.id(), 3).with_scripts(scripts)
    }

    /// A window before its time, by a second clock that stands later.
    pub(crate) async fn foresee(&self, window: WindowStart) -> WindowContext {
        let later: Arc<dyn Clock> = Arc::new(ManualClock::at(GENESIS.plus(100_000)));
        let chain = MemChain::by_clock("stage", GENESIS, DEV_FAST.block_time_ms, later.clone());
        let beacon = FakeBeacon::new([7; 32], GENESIS, 1_000, later);
        let randomness = Randomness::Beacon(Arc::new(beacon));
        let sources = Sources::new(self.sources.network.clone(), Arc::new(chain), randomness).unwrap();
        sources.window(&self.manifest, window).await.unwrap().unwrap()
    }

    /// A miner; `oracle` is what it looks at its own file with.
    pub(crate) fn miner(
        &self,
        id: u8,
        generator: impl Generator + 'static,
        oracle: Option<FakeModel>,
    ) -> Miner {
        self.miner_told(id, generator, oracle, quick())
    }

    pub(crate) fn miner_told(
        &self,
        id: u8,
        generator: impl Generator + 'static,
        oracle: Option<FakeModel>,
        settings: mine::MinerSettings,
    ) -> Miner {
        let once = Once::new(Some(Box::new(generator)), oracle.map(|oracle| Box::new(oracle) as _));
        self.miner_of(id, self.models(once), settings)
    }

    pub(crate) fn miner_with(&self, id: u8, models: Models) -> Miner {
        self.miner_of(id, models, quick())
    }

    fn miner_of(&self, id: u8, models: Models, settings: mine::MinerSettings) -> Miner {
        let parts = mine::MinerParts {
            sources: self.sources.clone(),
            shelf: Arc::new(self.shelf.clone()),
            clock: Arc::new(self.clock.clone()),
            models,
            environments: Environments::new([Environment::Sat]).unwrap(),
            codec: Arc::new(JsonCodec),
            signer: Arc::new(HeldKey(Self::pair(id))),
        };
        Miner::new(parts, settings)
    }

    fn models(&self, once: Once) -> Models {
        let found = Found { folder: "nowhere".into(), manifest: self.manifest.clone() };
        Models { checkpoints: Arc::new(Fixed(found)), loader: Arc::new(once) }
    }

    pub(crate) fn validator(&self, id: u8, model: FakeModel, reports: &MemJournal) -> Validator {
        self.validator_with(id, self.models(Once::new(None, Some(Box::new(model)))), reports)
    }

    pub(crate) fn validator_told(
        &self,
        id: u8,
        model: FakeModel,
        reports: &MemJournal,
        settings: validate::ValidatorSettings,
    ) -> Validator {
        self.validator_of(id, self.models(Once::new(None, Some(Box::new(model)))), reports, settings)
    }

    /// A validator that reads by any oracle.
    pub(crate) fn validator_reading(
        &self,
        id: u8,
        oracle: impl Oracle + 'static,
        reports: &MemJournal,
        settings: validate::ValidatorSettings,
    ) -> Validator {
        self.validator_of(id, self.models(Once::new(None, Some(Box::new(oracle)))), reports, settings)
    }

    /// A validator without a model, which adopts others' verdicts.
    pub(crate) fn adopter(&self, id: u8, validators: Vec<Hotkey>, kept: &MemJournal) -> Adopter {
        let found = Found { folder: "nowhere".into(), manifest: self.manifest.clone() };
        let card = FakeModel::new(self.manifest.id(), 3);
        let parts = AdopterParts {
            sources: self.sources.clone(),
            writer: Arc::new(self.chain.as_hotkey(Self::pair(id).hotkey())),
            directory: Arc::new(self.directory.clone()),
            clock: Arc::new(self.clock.clone()),
            manifests: Arc::new(Fixed(found)),
            tokenizer: Arc::new(FakeTokenizer),
            vocabulary: Oracle::card(&card).vocabulary,
            context_length: Oracle::card(&card).context_length,
            environments: Environments::new([Environment::Sat]).unwrap(),
            codec: Arc::new(JsonCodec),
            journal: Arc::new(kept.clone()),
        };
        let settings = AdopterSettings { validators, history: 12, weights_every: 1, windows: None };
        Adopter::new(parts, settings).unwrap()
    }

    pub(crate) fn validator_with(&self, id: u8, models: Models, reports: &MemJournal) -> Validator {
        self.validator_of(id, models, reports, validate::ValidatorSettings::default())
    }

    fn validator_of(
        &self,
        id: u8,
        models: Models,
        reports: &MemJournal,
        settings: validate::ValidatorSettings,
    ) -> Validator {
        let parts = validate::ValidatorParts {
            sources: self.sources.clone(),
            writer: Arc::new(self.chain.as_hotkey(Self::pair(id).hotkey())),
            directory: Arc::new(self.directory.clone()),
            clock: Arc::new(self.clock.clone()),
            models,
            environments: Environments::new([Environment::Sat]).unwrap(),
            codec: Arc::new(JsonCodec),
            reports: Reports::new(Arc::new(reports.clone())),
            verdicts: Some(validate::Verdicts {
                shelf: Arc::new(self.shelf.clone()),
                signer: Arc::new(HeldKey(Self::pair(id))),
            }),
        };
        Validator::new(parts, settings).unwrap()
    }

    /// Turns the clock whenever somebody sleeps, until the work is done.
    pub(crate) async fn play<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = self.clock.turn_to_next() => {}
            }
        }
    }

    /// Lets a miner mine its next window.
    pub(crate) async fn mine(&self, miner: &mut Miner) -> MinedWindow {
        self.play(async {
            loop {
                if let Some(mined) = miner.step().await.unwrap() {
                    return mined;
                }
            }
        })
        .await
    }

    /// Lets two miners mine their next window side by side.
    pub(crate) async fn mine_together(&self, one: &mut Miner, other: &mut Miner) {
        let next = async |miner: &mut Miner| while miner.step().await.unwrap().is_none() {};
        self.play(async { tokio::join!(next(one), next(other)) }).await;
    }

    /// Milliseconds on the clock.
    pub(crate) fn clock_ms(&self) -> u64 {
        self.clock.now().0
    }

    /// Lets a validator work until it has judged a window, waiting out faults that may pass.
    pub(crate) async fn judge_through_faults(
        &self,
        validator: &mut Validator,
    ) -> (validate::JudgedWindow, usize) {
        let mut faults = 0;
        self.play(async {
            loop {
                match validator.step().await {
                    Ok(ValidatorStep::Judged(window)) => return (*window, faults),
                    Ok(_) => {}
                    Err(fault) => {
                        assert_eq!(fault.retry, Retry::Later, "{fault:?}");
                        faults += 1;
                    }
                }
            }
        })
        .await
    }

    /// Lets a validator work until it has judged a window and set weights, or found none to set.
    pub(crate) async fn judge(
        &self,
        validator: &mut Validator,
    ) -> (validate::JudgedWindow, validate::WeightsSet) {
        self.play(async {
            let mut judged = None;
            loop {
                match validator.step().await.unwrap() {
                    ValidatorStep::Judged(window) => judged = Some(*window),
                    ValidatorStep::Weighed(weights) => {
                        if let Some(judged) = judged.take() {
                            return (judged, weights);
                        }
                    }
                    ValidatorStep::Waited => {}
                }
            }
        })
        .await
    }
}
