//! One subnet of the chain, read through the connection.

use crate::{
    commitment,
    keys::{self, SubnetMechanism},
    link::{Link, LinkHealth, Seen, Trouble},
    runtime::{MAX_METADATA, Runtime},
    settings::ChainSettings,
    surface::SurfacePart,
    writer::SubnetWriter,
};
use async_trait::async_trait;
use grail_ports::{
    Door, Fault, Retry,
    chain::{Block, ChainView, Metagraph, Uid, WeightRow},
    sign::Sign,
};
use grail_protocol::words::{BlockHash, BlockNumber, Hotkey, UnixMillis};
use parity_scale_codec::{Decode, Encode as _};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// Most participants of a subnet that are read; the chain has at most 256 today.
pub const MAX_UIDS: u16 = 8_192;

/// Most commitments that are read at once.
pub const MAX_COMMITMENTS: usize = 16_384;

/// Keys that are listed in one request; nodes give at most 1,000.
const KEYS_AT_ONCE: usize = 512;

/// Values that are asked for in one request: those of a whole subnet of 256.
const VALUES_AT_ONCE: usize = 1_024;

/// Most bytes of a stored value that are read, except metadata and events.
const MAX_VALUE: usize = 1 << 20;

/// Runtimes that are kept; more than one matters only around an upgrade.
const RUNTIMES: usize = 3;

/// A subnet. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Subnet {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    settings: ChainSettings,
    runtimes: Mutex<BTreeMap<u32, Arc<Runtime>>>,
    last: Mutex<Option<(Metagraph, Instant)>>,
    /// What the members of the last metagraph committed, as of one block: who asks for one will ask for all.
    committed: Mutex<Option<(BlockHash, Commitments)>>,
}

/// Commitments by hotkey; `None` where a hotkey committed nothing.
type Commitments = BTreeMap<Hotkey, Option<Vec<u8>>>;

impl fmt::Debug for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subnet").field("place", &self.inner.settings.place).finish_non_exhaustive()
    }
}

/// A block to read at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) number: BlockNumber,
    pub(crate) hash: BlockHash,
}

#[derive(Debug, Deserialize)]
struct Header {
    number: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    spec_version: u32,
    transaction_version: u32,
}

#[derive(Debug, Deserialize)]
struct ChangeSet {
    changes: Vec<(String, Option<String>)>,
}

#[derive(Debug, Deserialize)]
struct SignedBlock {
    block: Body,
}

#[derive(Debug, Deserialize)]
struct Body {
    extrinsics: Vec<String>,
}

pub(crate) fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

pub(crate) fn unhex(text: &str, most: usize) -> Result<Vec<u8>, Trouble> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() / 2 > most {
        let why = format!("a value of {} bytes, at most {most} are read", digits.len() / 2);
        return Err(Trouble::Form { why });
    }
    hex::decode(digits).map_err(|error| Trouble::Form { why: error.to_string() })
}

pub(crate) fn decode<T: Decode>(what: &str, bytes: &[u8]) -> Result<T, Trouble> {
    let input = &mut &bytes[..];
    let form = |why: String| Trouble::Form { why: format!("{what}: {why}") };
    let value = T::decode(input).map_err(|error| form(error.to_string()))?;
    if input.is_empty() { Ok(value) } else { Err(form(format!("{} bytes too many", input.len()))) }
}

impl Subnet {
    /// Opens a subnet: starts the task that owns the connection, and waits until a node answers and knows the
    /// subnet.
    ///
    /// Errors: settings that cannot work, no node within the call's deadline, a runtime that this build does not
    /// know, no subnet of this number.
    pub async fn connect(settings: ChainSettings) -> Result<Self, Fault> {
        settings
            .check()
            .map_err(|error| Fault::new(Door::Chain, Retry::Never, "connect to the chain", error))?;
        let link = Link::start(&settings);
        let subnet = Self {
            inner: Arc::new(Inner {
                link,
                settings,
                runtimes: Mutex::new(BTreeMap::new()),
                last: Mutex::new(None),
                committed: Mutex::new(None),
            }),
        };
        let doing = "connect to the chain";
        let netuid = subnet.place().netuid;
        let key = keys::SUBNETWORK_N.of(netuid);
        let (at, _) = subnet.fresh(doing).await?;
        if subnet.value(&key, at.hash).await.map_err(|trouble| trouble.into_fault(doing))?.is_none() {
            return Err(Fault::plain(
                Door::Chain,
                Retry::Never,
                format!("this network has no subnet {netuid}; check netuid and network"),
            ));
        }
        Ok(subnet)
    }

    /// The same subnet, signed for by a hotkey. Opens the journal of weights where the settings name a folder.
    pub fn writer(&self, signer: Arc<dyn Sign>) -> Result<SubnetWriter, Fault> {
        SubnetWriter::new(self.clone(), signer)
    }

    /// Which subnet and mechanism.
    pub fn place(&self) -> SubnetMechanism {
        self.inner.settings.place
    }

    /// Hash of the network's block 0.
    pub fn genesis(&self) -> Option<BlockHash> {
        self.inner.link.genesis()
    }

    /// How the chain is reached.
    pub fn settings(&self) -> &ChainSettings {
        &self.inner.settings
    }

    /// How the connection and each node do.
    pub fn health(&self) -> LinkHealth {
        self.inner.link.health()
    }

    /// The newest block announced, and how long ago that was: the measure of whether the chain is alive.
    pub fn newest(&self) -> Option<Seen> {
        *self.inner.link.heads().borrow()
    }

    /// Announced blocks as they come. Numbers only grow; after a reorganisation the block of a number may be another
    /// one than before.
    pub fn heads(&self) -> watch::Receiver<Option<Seen>> {
        self.inner.link.heads()
    }

    /// Waits until a block after `number` is announced, at most so long; whether one was.
    pub async fn wait_beyond(&self, number: BlockNumber, patience: Duration) -> bool {
        let mut heads = self.heads();
        let beyond = heads.wait_for(|seen| seen.is_some_and(|seen| seen.number > number));
        matches!(tokio::time::timeout(patience, beyond).await, Ok(Ok(_)))
    }

    /// The metagraph that was read last, with its age; for those who can go on with an old one while the chain
    /// cannot be reached.
    pub fn last_metagraph(&self) -> Option<(Metagraph, Duration)> {
        let last = self.inner.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|(graph, at)| (graph.clone(), at.elapsed()))
    }

    /// Every commitment of the subnet by hotkey, in one pass; those that hold no bytes are left out.
    pub async fn commitments(&self) -> Result<BTreeMap<Hotkey, Vec<u8>>, Fault> {
        let doing = "read the commitments of the subnet";
        let (at, runtime) = self.fresh(doing).await?;
        self.commitments_at(&runtime, at).await.map_err(|trouble| trouble.into_fault(doing))
    }

    async fn commitments_at(&self, runtime: &Runtime, at: At) -> Result<BTreeMap<Hotkey, Vec<u8>>, Trouble> {
        let prefix = keys::COMMITMENT_OF.of(self.place().netuid);
        let mut found = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let params = json!([hex0x(&prefix), KEYS_AT_ONCE, after, at.hash]);
            let page: Vec<String> = self.ask("state_getKeysPaged", params).await?;
            let full = page.len() >= KEYS_AT_ONCE;
            let keys = page.iter().map(|key| unhex(key, 256)).collect::<Result<Vec<_>, _>>()?;
            let values = self.values(&keys, at.hash).await?;
            for (key, value) in keys.iter().zip(values) {
                let hotkey = key.last_chunk::<32>().filter(|_| key.starts_with(&prefix));
                let Some((hotkey, value)) = hotkey.zip(value) else { continue };
                if let Some(bytes) = committed(runtime, &value) {
                    found.insert(Hotkey::from_bytes(*hotkey), bytes);
                }
            }
            // A node that repeats itself must not keep us here.
            let next = page.last().cloned();
            if !full || next <= after {
                return Ok(found);
            }
            if found.len() >= MAX_COMMITMENTS {
                return Err(Trouble::Form { why: format!("more than {MAX_COMMITMENTS} commitments") });
            }
            after = next;
        }
    }

    pub(crate) async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, Trouble> {
        let params = params.as_array().map(Vec::as_slice).unwrap_or_default();
        self.inner.link.ask(method, params).await
    }

    pub(crate) async fn ask_once<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, Trouble> {
        let params = params.as_array().map(Vec::as_slice).unwrap_or_default();
        self.inner.link.ask_once(method, params).await
    }

    pub(crate) async fn number_of(&self, hash: BlockHash) -> Result<BlockNumber, Trouble> {
        let header: Option<Header> = self.ask("chain_getHeader", json!([hash])).await?;
        let number = header.as_ref().and_then(|header| {
            let digits = header.number.strip_prefix("0x")?;
            u64::from_str_radix(digits, 16).ok()
        });
        let form = || Trouble::Form { why: format!("block {hash} has no header with a number") };
        number.map(BlockNumber).ok_or_else(form)
    }

    pub(crate) async fn head_hash(&self) -> Result<BlockHash, Trouble> {
        self.ask("chain_getBlockHash", json!([null])).await
    }

    pub(crate) async fn head_at(&self) -> Result<At, Trouble> {
        let hash = self.head_hash().await?;
        Ok(At { number: self.number_of(hash).await?, hash })
    }

    pub(crate) async fn finalized_at(&self) -> Result<At, Trouble> {
        let hash: BlockHash = self.ask("chain_getFinalizedHead", json!([])).await?;
        Ok(At { number: self.number_of(hash).await?, hash })
    }

    pub(crate) async fn hash_of(&self, number: BlockNumber) -> Result<Option<BlockHash>, Trouble> {
        // The chain counts in 32 bits, so a larger number does not exist yet.
        let Ok(number) = u32::try_from(number.0) else { return Ok(None) };
        self.ask("chain_getBlockHash", json!([number])).await
    }

    /// The extrinsics of a block, as bytes.
    pub(crate) async fn body(&self, hash: BlockHash) -> Result<Option<Vec<Vec<u8>>>, Trouble> {
        let block: Option<SignedBlock> = self.ask("chain_getBlock", json!([hash])).await?;
        let unpack = |block: SignedBlock| {
            let texts = block.block.extrinsics.iter();
            texts.map(|text| unhex(text, MAX_METADATA)).collect::<Result<Vec<_>, _>>()
        };
        block.map(unpack).transpose()
    }

    /// The stored bytes under a key.
    pub(crate) async fn value(&self, key: &[u8], at: BlockHash) -> Result<Option<Vec<u8>>, Trouble> {
        self.value_up_to(key, at, MAX_VALUE).await
    }

    pub(crate) async fn value_up_to(
        &self,
        key: &[u8],
        at: BlockHash,
        most: usize,
    ) -> Result<Option<Vec<u8>>, Trouble> {
        let text: Option<String> = self.ask("state_getStorage", json!([hex0x(key), at])).await?;
        text.map(|text| unhex(&text, most)).transpose()
    }

    /// The stored bytes under many keys of one block, in their order.
    pub(crate) async fn values(
        &self,
        keys: &[Vec<u8>],
        at: BlockHash,
    ) -> Result<Vec<Option<Vec<u8>>>, Trouble> {
        let mut values = Vec::with_capacity(keys.len());
        for some in keys.chunks(VALUES_AT_ONCE) {
            let texts: Vec<String> = some.iter().map(|key| hex0x(key)).collect();
            let sets: Vec<ChangeSet> = self.ask("state_queryStorageAt", json!([texts, at])).await?;
            let mut found = BTreeMap::new();
            for (key, value) in sets.into_iter().flat_map(|set| set.changes) {
                found.insert(key, value);
            }
            for text in &texts {
                let value = found.remove(text).flatten();
                values.push(value.map(|value| unhex(&value, MAX_VALUE)).transpose()?);
            }
        }
        Ok(values)
    }

    /// The newest block and its runtime, after two round trips.
    pub(crate) async fn fresh(&self, doing: &str) -> Result<(At, Arc<Runtime>), Fault> {
        let hash = self.head_hash().await.map_err(|trouble| trouble.into_fault(doing))?;
        let number = async { self.number_of(hash).await.map_err(|trouble| trouble.into_fault(doing)) };
        let (number, runtime) = futures::try_join!(number, self.runtime(hash, doing))?;
        Ok((At { number, hash }, runtime))
    }

    /// What a hotkey committed, where it was read at this very block already.
    fn known_commitment(&self, at: BlockHash, hotkey: &Hotkey) -> Option<Option<Vec<u8>>> {
        let known = self.inner.committed.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, read) = known.as_ref().filter(|(hash, _)| *hash == at)?;
        read.get(hotkey).cloned()
    }

    /// The runtime that was read last, whatever block it was of.
    pub(crate) fn last_runtime(&self) -> Option<Arc<Runtime>> {
        let known = self.inner.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        known.last_key_value().map(|(_, runtime)| Arc::clone(runtime))
    }

    /// What this build reads and writes of the newest block's runtime, with how that has it.
    pub async fn surface(&self) -> Result<(u32, Vec<SurfacePart>), Fault> {
        let (_, runtime) = self.fresh("read the runtime of the chain").await?;
        Ok((runtime.spec(), runtime.surface().to_vec()))
    }

    /// The runtime of a block, from memory or from the node.
    pub(crate) async fn runtime(&self, at: BlockHash, doing: &str) -> Result<Arc<Runtime>, Fault> {
        let trouble = |trouble: Trouble| trouble.into_fault(doing);
        let version: Version = self.ask("state_getRuntimeVersion", json!([at])).await.map_err(trouble)?;
        let known = || self.inner.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = known().get(&version.spec_version) {
            return Ok(Arc::clone(runtime));
        }
        let metadata = self.metadata(at).await.map_err(trouble)?;
        let Some(genesis) = self.inner.link.genesis() else {
            return Err(Fault::plain(
                Door::Chain,
                Retry::Later,
                format!("{doing}: no node has answered yet"),
            ));
        };
        let (spec, transactions) = (version.spec_version, version.transaction_version);
        // Reading metadata takes a tenth of a second, which other tasks should not wait for.
        let read = tokio::task::spawn_blocking(move || Runtime::new(&metadata, spec, transactions, genesis));
        let runtime = match read.await {
            Ok(Ok(runtime)) => Arc::new(runtime),
            Ok(Err(error)) => return Err(Fault::new(Door::Chain, Retry::Never, doing, error)),
            Err(error) => return Err(Fault::new(Door::Inside, Retry::Later, doing, error)),
        };
        tracing::info!(target: "chain", spec, "runtime read");
        for part in runtime.surface().iter().filter(|part| part.is_trouble()) {
            tracing::warn!(target: "chain", spec, "{part}; is there a newer version of this program?");
        }
        let mut known = known();
        known.insert(spec, Arc::clone(&runtime));
        while known.len() > RUNTIMES {
            known.pop_first();
        }
        Ok(runtime)
    }

    /// Metadata of version 15, which knows runtime APIs; of version 14 where the node has no other.
    async fn metadata(&self, at: BlockHash) -> Result<Vec<u8>, Trouble> {
        let version = hex0x(&15u32.encode());
        let newer = self.ask("state_call", json!(["Metadata_metadata_at_version", version, at])).await;
        let text: String = match newer {
            Ok(text) => text,
            Err(Trouble::Node { .. }) => return self.old_metadata(at).await,
            Err(trouble) => return Err(trouble),
        };
        match decode::<Option<Vec<u8>>>("metadata", &unhex(&text, MAX_METADATA)?)? {
            Some(metadata) => Ok(metadata),
            None => self.old_metadata(at).await,
        }
    }

    async fn old_metadata(&self, at: BlockHash) -> Result<Vec<u8>, Trouble> {
        let text: String = self.ask("state_getMetadata", json!([at])).await?;
        unhex(&text, MAX_METADATA)
    }

    pub(crate) async fn moment(&self, runtime: &Runtime, at: At) -> Result<UnixMillis, Trouble> {
        match self.value(&keys::NOW.prefix(), at.hash).await {
            Ok(Some(bytes)) => decode("Timestamp.Now", &bytes).map(UnixMillis),
            // Block 0 has no clock.
            Ok(None) if at.number.0 == 0 => Ok(UnixMillis(0)),
            // A node that forgot the state of an old block still has its body.
            Ok(None) | Err(Trouble::Node { .. }) => {
                let body = self.body(at.hash).await?;
                let moment = body.and_then(|body| runtime.moment_of_body(&body));
                let form = || Trouble::Form { why: format!("block {} states no moment", at.number) };
                moment.ok_or_else(form)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Storage index of the subnet and mechanism.
    pub(crate) fn index(&self) -> u16 {
        // The settings were checked when the subnet was opened.
        self.place().index().unwrap_or(self.place().netuid)
    }

    pub(crate) async fn uid_of(&self, hotkey: &Hotkey, at: BlockHash) -> Result<Option<Uid>, Trouble> {
        let value = self.value(&keys::UIDS.of_hotkey(self.place().netuid, hotkey), at).await?;
        value.map(|bytes| decode("Uids", &bytes)).transpose()
    }

    /// Last update and permit of a uid.
    pub(crate) async fn standing(&self, uid: Uid, at: BlockHash) -> Result<(BlockNumber, bool), Trouble> {
        let wanted = [keys::LAST_UPDATE.of(self.index()), keys::VALIDATOR_PERMIT.of(self.place().netuid)];
        let values = self.values(&wanted, at).await?;
        let bytes = |place: usize| values.get(place).and_then(Option::as_deref);
        let updates: Vec<u64> = bytes(0).map_or(Ok(Vec::new()), |bytes| decode("LastUpdate", bytes))?;
        let permits: Vec<bool> = bytes(1).map_or(Ok(Vec::new()), |bytes| decode("ValidatorPermit", bytes))?;
        let place = usize::from(uid);
        let update = BlockNumber(updates.get(place).copied().unwrap_or(0));
        Ok((update, permits.get(place).copied().unwrap_or(false)))
    }
}

/// The bytes of a stored commitment. What a stranger wrote and cannot be read is as good as not written.
pub(crate) fn committed(runtime: &Runtime, value: &[u8]) -> Option<Vec<u8>> {
    match commitment::StoredCommitment::decode_with(value, runtime) {
        Ok(stored) => stored.bytes().filter(|bytes| bytes.len() <= commitment::MAX_BYTES).map(<[u8]>::to_vec),
        Err(error) => {
            tracing::debug!(target: "chain", %error, "a commitment is left out");
            None
        }
    }
}

/// Uids that a row names and the subnet does not have, or names twice; rows with neither pass.
pub(crate) fn check_row(row: &WeightRow, participants: u16) -> Result<(), &'static str> {
    let mut seen = BTreeSet::new();
    if !row.iter().any(|&(_, weight)| weight > 0) {
        return Err("WeightVecLengthIsLow");
    }
    for &(uid, _) in row {
        if !seen.insert(uid) {
            return Err("DuplicateUids");
        }
        if uid >= participants {
            return Err("UidVecContainInvalidOne");
        }
    }
    Ok(())
}

#[async_trait]
impl ChainView for Subnet {
    async fn head(&self) -> Result<Block, Fault> {
        let doing = "read the newest block";
        let (at, runtime) = self.fresh(doing).await?;
        let time = self.moment(&runtime, at).await.map_err(|trouble| trouble.into_fault(doing))?;
        Ok(Block { number: at.number, hash: at.hash, time })
    }

    async fn block(&self, number: BlockNumber) -> Result<Option<Block>, Fault> {
        let doing = format!("read block {number}");
        let fault = |trouble: Trouble| trouble.into_fault(doing.clone());
        let Some(hash) = self.hash_of(number).await.map_err(fault)? else { return Ok(None) };
        // The state of an old block may be gone, and with it its runtime's version; today's reads its body too.
        let runtime = self.runtime(self.head_at().await.map_err(fault)?.hash, &doing).await?;
        let time = self.moment(&runtime, At { number, hash }).await.map_err(fault)?;
        Ok(Some(Block { number, hash, time }))
    }

    async fn metagraph(&self) -> Result<Metagraph, Fault> {
        let graph = self.read_metagraph().await?;
        let mut last = self.inner.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((graph.clone(), Instant::now()));
        Ok(graph)
    }

    async fn commitment(&self, hotkey: &Hotkey) -> Result<Option<Vec<u8>>, Fault> {
        let doing = format!("read the commitment of {hotkey}");
        let fault = |trouble: Trouble| trouble.into_fault(doing.clone());
        let hash = self.head_hash().await.map_err(fault)?;
        if let Some(known) = self.known_commitment(hash, hotkey) {
            return Ok(known);
        }
        let runtime = self.runtime(hash, &doing).await?;
        let members = self.last_metagraph().map(|(graph, _)| graph.neurons).unwrap_or_default();
        if !members.iter().any(|neuron| neuron.hotkey == *hotkey) {
            let key = keys::COMMITMENT_OF.of_hotkey(self.place().netuid, hotkey);
            let value = self.value(&key, hash).await.map_err(fault)?;
            return Ok(value.as_deref().and_then(|value| committed(&runtime, value)));
        }
        let key = |hotkey: &Hotkey| keys::COMMITMENT_OF.of_hotkey(self.place().netuid, hotkey);
        let wanted: Vec<Vec<u8>> = members.iter().map(|neuron| key(&neuron.hotkey)).collect();
        let values = self.values(&wanted, hash).await.map_err(fault)?;
        let read =
            values.into_iter().map(|value| value.as_deref().and_then(|value| committed(&runtime, value)));
        let read: Commitments = members.iter().map(|neuron| neuron.hotkey).zip(read).collect();
        let found = read.get(hotkey).cloned().flatten();
        *self.inner.committed.lock().unwrap_or_else(PoisonError::into_inner) = Some((hash, read));
        Ok(found)
    }

    async fn weights(&self, uid: Uid) -> Result<Option<WeightRow>, Fault> {
        let doing = format!("read the weights of uid {uid}");
        let fault = |trouble: Trouble| trouble.into_fault(doing.clone());
        let (at, _) = self.fresh(&doing).await?;
        let value = self.value(&keys::WEIGHTS.of_uid(self.index(), uid), at.hash).await.map_err(fault)?;
        let row: WeightRow =
            value.map_or(Ok(Vec::new()), |bytes| decode("Weights", &bytes)).map_err(fault)?;
        Ok((!row.is_empty()).then_some(row))
    }
}
