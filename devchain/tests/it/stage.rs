//! A subnet on the real runtime, with the levers that tests need.

use grail_chain::{ChainSettings, Subnet, SubnetWriter, keys};
use grail_devchain::{Node, NodeConfig, Origin, Seal, Start};
use grail_ports::chain::{ChainView, ChainWrite, Uid};
use grail_protocol::{sign::HotkeyPair, words::Hotkey};
use grail_testkit::doors::{HeldKey, conformance::ChainStage};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use subxt::{
    OnlineClient, SubstrateConfig,
    dynamic::{self, Value},
    ext::scale_value::Composite,
};
use subxt_signer::sr25519::{Keypair, dev};

/// Blocks between two rows of one validator.
const RATE_LIMIT: u64 = 10;

/// The first subnet that is made on a fresh chain.
const NETUID: u16 = 2;

/// The hotkeys of the stage.
pub(crate) const SEEDS: [[u8; 32]; 3] = [[71; 32], [72; 32], [73; 32]];

/// How tests reach a node: the chain stands still while nobody asks for a block.
pub(crate) fn settings(url: &str, journal: Option<&Path>) -> ChainSettings {
    let mut settings = ChainSettings::new(vec![url.to_owned()], NETUID);
    settings.journal = journal.map(Path::to_owned);
    settings.block_time_ms = 1_000;
    settings.stall_after = Duration::from_secs(600);
    settings.write_deadline = Duration::from_secs(120);
    settings
}

/// What kind of chain a test needs.
pub(crate) struct How<'a> {
    pub(crate) journal: Option<&'a Path>,
    pub(crate) finality_lag: u32,
    /// When time begins; now, unless said.
    pub(crate) start: Option<Start>,
    pub(crate) seal: Seal,
}

impl Default for How<'_> {
    fn default() -> Self {
        Self { journal: None, finality_lag: 0, start: None, seal: Seal::Instant }
    }
}

/// A node with one subnet, whose owner is Alice.
pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) subnet: Subnet,
    api: OnlineClient<SubstrateConfig>,
    netuid: u16,
    writers: Mutex<BTreeMap<Hotkey, SubnetWriter>>,
    journal: Option<PathBuf>,
}

fn number(value: impl Into<u128>) -> Value {
    Value::u128(value.into())
}

fn account(hotkey: &Hotkey) -> Value {
    Value::from_bytes(hotkey.as_bytes())
}

impl Stage {
    pub(crate) async fn open(spec: &Path, how: How<'_>) -> Self {
        let How { journal, finality_lag, start, seal } = how;
        let origin = Origin::Spec(spec.to_owned());
        let config = NodeConfig { finality_lag, start, seal, ..NodeConfig::new(origin) };
        let node = Node::start(config).await.unwrap();
        node.new_blocks(1).await.unwrap();
        let api = OnlineClient::<SubstrateConfig>::from_insecure_url(node.url()).await.unwrap();
        let netuid = NETUID;
        let stage = Setup { api: &api, node: &node };
        stage.sudo("sudo_set_network_rate_limit", vec![number(0u64)]).await;
        let owner = Value::from_bytes(dev::eve().public_key().0);
        stage.submit(&dev::alice(), "SubtensorModule", "register_network", vec![owner]).await;
        let subnet = number(netuid);
        // An epoch takes permits away from those who have no stake of their own.
        stage.sudo("sudo_set_tempo", vec![subnet.clone(), number(50_000u64)]).await;
        stage.sudo("sudo_set_weights_set_rate_limit", vec![subnet, number(RATE_LIMIT)]).await;
        let subnet = Subnet::connect(settings(&node.url(), journal)).await.unwrap();
        let journal = journal.map(Path::to_owned);
        Self { node, subnet, api, netuid, writers: Mutex::default(), journal }
    }

    fn setup(&self) -> Setup<'_> {
        Setup { api: &self.api, node: &self.node }
    }

    pub(crate) async fn sudo(&self, call: &str, arguments: Vec<Value>) {
        self.setup().sudo(call, arguments).await;
    }

    pub(crate) fn netuid(&self) -> Value {
        number(self.netuid)
    }

    pub(crate) fn journal(&self) -> Option<&Path> {
        self.journal.as_deref()
    }

    pub(crate) fn open_writer(&self, hotkey: Hotkey) -> SubnetWriter {
        let mut writers = self.writers.lock().unwrap();
        let make = || {
            let pairs = SEEDS.iter().map(|seed| HotkeyPair::from_seed(seed).unwrap());
            let pair = pairs.into_iter().find(|pair| pair.hotkey() == hotkey).unwrap();
            self.subnet.writer(Arc::new(HeldKey(pair))).unwrap()
        };
        writers.entry(hotkey).or_insert_with(make).clone()
    }

    pub(crate) fn close_writers(&self) {
        self.writers.lock().unwrap().clear();
    }

    /// Gives everybody a permit, whatever the last epoch thought.
    pub(crate) async fn permit_everybody(&self) {
        let key = keys::VALIDATOR_PERMIT.of(self.netuid);
        let mut permits = self.node.storage(&key).await.unwrap().unwrap();
        permits.iter_mut().skip(1).for_each(|permit| *permit = 1);
        self.node.set_storage([(key, Some(permits))]).await.unwrap();
    }

    /// Writes one place of a list that goes by uid.
    async fn set_in_list(&self, key: Vec<u8>, uid: Uid, value: u8) {
        let mut list = self.node.storage(&key).await.unwrap().unwrap_or_else(|| vec![0]);
        let length = usize::from(list[0] >> 2).max(usize::from(uid) + 1);
        list[0] = u8::try_from(length << 2).unwrap();
        list.resize(length + 1, 0);
        list[usize::from(uid) + 1] = value;
        self.node.set_storage([(key, Some(list))]).await.unwrap();
    }
}

struct Setup<'a> {
    api: &'a OnlineClient<SubstrateConfig>,
    node: &'a Node,
}

impl Setup<'_> {
    async fn submit(&self, who: &Keypair, pallet: &str, call: &str, arguments: Vec<Value>) {
        let call = dynamic::tx(pallet, call, arguments);
        let at = self.api.at_current_block().await.unwrap();
        let mut transactions = at.transactions();
        let progress = transactions.sign_and_submit_then_watch_default(&call, who).await.unwrap();
        let settle = progress.wait_for_finalized_success();
        let mut settle = std::pin::pin!(settle);
        // With a lag, blocks must pass before anything is final.
        loop {
            tokio::select! {
                done = &mut settle => { done.unwrap(); return }
                () = tokio::time::sleep(Duration::from_millis(50)) => { self.node.new_blocks(1).await.unwrap(); }
            }
        }
    }

    async fn sudo(&self, call: &str, arguments: Vec<Value>) {
        let inner = dynamic::tx("AdminUtils", call, Composite::Unnamed(arguments)).into_value();
        self.submit(&dev::alice(), "Sudo", "sudo", vec![inner]).await;
    }
}

#[async_trait::async_trait]
impl ChainStage for Stage {
    fn view(&self) -> Arc<dyn ChainView> {
        Arc::new(self.subnet.clone())
    }

    fn writer(&self, hotkey: Hotkey) -> Arc<dyn ChainWrite> {
        Arc::new(self.open_writer(hotkey))
    }

    fn hotkeys(&self) -> [Hotkey; 3] {
        SEEDS.map(|seed| HotkeyPair::from_seed(&seed).unwrap().hotkey())
    }

    async fn register(&self, hotkey: Hotkey, stake: f64, validator_permit: bool) -> Uid {
        let arguments = vec![self.netuid(), account(&hotkey)];
        self.setup().submit(&dev::alice(), "SubtensorModule", "burned_register", arguments).await;
        let uid = self.node.storage(&keys::UIDS.of_hotkey(self.netuid, &hotkey)).await.unwrap().unwrap();
        let uid = Uid::from_le_bytes(uid.try_into().unwrap());
        let rao = ((stake * 1e9) as u64).to_le_bytes().to_vec();
        let alpha = keys::HOTKEY_ALPHA.key(&[hotkey.as_bytes(), &self.netuid.to_le_bytes()]);
        self.node.set_storage([(alpha, Some(rao))]).await.unwrap();
        let permits = keys::VALIDATOR_PERMIT.of(self.netuid);
        self.set_in_list(permits, uid, u8::from(validator_permit)).await;
        uid
    }

    async fn pass_blocks(&self, count: u64) {
        self.node.new_blocks(u32::try_from(count).unwrap()).await.unwrap();
    }

    fn weights_rate_limit(&self) -> u64 {
        RATE_LIMIT
    }
}
