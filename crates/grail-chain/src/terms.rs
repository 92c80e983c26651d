//! What a subnet asks of its participants, when its epochs begin, and how one participant stands.

use crate::{
    keys::{self, Item, LooseItem},
    link::Trouble,
    reveal::{EpochState, Epochs, RevealTerms},
    runtime::{MinerCollateral, Runtime},
    subnet::{At, Subnet, decode},
};
use grail_ports::{Fault, chain::Uid};
use grail_protocol::words::{BlockHash, BlockNumber, Hotkey};
use parity_scale_codec::Decode;
use std::collections::BTreeMap;

/// Most bytes of sealed weights under Yuma consensus.
const YUMA_COMMIT: usize = 5_000;

/// Most bytes of sealed weights under Null consensus, shared by the mechanisms of a subnet.
const NULL_COMMIT: usize = 32 << 10;

/// How a subnet makes incentives of weights.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubnetConsensus {
    /// By Yuma consensus of all validators.
    Yuma,
    /// By the weights of one validator as they are: the only one with a permit.
    Null,
    /// In a way that this build does not know; the runtime's name for it.
    Other(String),
}

/// What the subnet asks of validators, at one block.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SubnetTerms {
    /// Block it was read at.
    pub block: BlockNumber,
    /// Uids given.
    pub participants: u16,
    /// Blocks of an epoch, as the chain counts them.
    pub tempo: u16,
    /// Blocks between two rows of one validator.
    pub weights_rate_limit: u64,
    /// Smallest version key that is taken; 0 takes any.
    pub version_key: u64,
    /// Whether weights are sent sealed.
    pub commit_reveal: bool,
    /// Epochs until sealed weights open.
    pub reveal_period: u64,
    /// Price of a registration, in RAO; 0 where the runtime does not say it.
    pub register_cost: u64,
    /// Share of a registration's price that is locked as collateral, of 65,535.
    pub collateral_share: u16,
    /// How weights become incentives.
    pub consensus: SubnetConsensus,
    /// Mechanisms of the subnet.
    pub mechanisms: u8,
    /// Epochs begun so far, where the runtime counts them.
    pub epoch: Option<u64>,
    /// Block in which the next epoch begins, where the runtime remembers the last one.
    pub next_epoch: Option<BlockNumber>,
}

impl SubnetTerms {
    /// Most bytes of sealed weights that the chain takes.
    pub fn commit_limit(&self) -> usize {
        match self.consensus {
            SubnetConsensus::Null => NULL_COMMIT / usize::from(self.mechanisms.max(1)),
            SubnetConsensus::Yuma | SubnetConsensus::Other(_) => YUMA_COMMIT,
        }
    }
}

/// One participant as the chain has it, at one block.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Membership {
    /// Block it was read at.
    pub block: BlockNumber,
    /// Number on the subnet.
    pub uid: Uid,
    /// The key that owns it, where the chain says it.
    pub coldkey: Option<Hotkey>,
    /// Whether its weights count.
    pub validator_permit: bool,
    /// Block of its last weights, or of its registration.
    pub last_update: BlockNumber,
    /// First block in which it may set weights again.
    pub next_weights: BlockNumber,
    /// Block in which it was registered, where the chain says it.
    pub registered: Option<BlockNumber>,
    /// First block in which another registration may take its place, where the chain says it.
    pub immune_until: Option<BlockNumber>,
    /// What it has locked as collateral; `None` where it has none, or the runtime knows no collateral.
    pub collateral: Option<MinerCollateral>,
}

/// Values of one block by the names of their items; what is not stored has the runtime's default.
struct Stored(BTreeMap<&'static str, Vec<u8>>);

impl Stored {
    fn get<T: Decode>(&self, item: &Item) -> Result<Option<T>, Trouble> {
        self.0.get(item.name).map(|bytes| decode(item.name, bytes)).transpose()
    }

    /// Errors: an item that is neither stored nor has a default.
    fn need<T: Decode>(&self, item: &Item) -> Result<T, Trouble> {
        let why = || format!("{}.{} is not stored and has no default", item.pallet, item.name);
        self.get(item)?.ok_or_else(|| Trouble::Form { why: why() })
    }
}

impl Subnet {
    /// What the subnet asks of validators now.
    pub async fn terms(&self) -> Result<SubnetTerms, Fault> {
        let doing = "read the terms of the subnet";
        let (at, runtime) = self.fresh(doing).await?;
        self.terms_at(&runtime, at).await.map_err(|trouble| trouble.into_fault(doing))
    }

    /// How a hotkey stands on the subnet now; `None` when it is not registered.
    pub async fn membership(&self, hotkey: &Hotkey) -> Result<Option<Membership>, Fault> {
        let doing = format!("read how {hotkey} stands");
        let (at, runtime) = self.fresh(&doing).await?;
        self.membership_at(&runtime, at, hotkey).await.map_err(|trouble| trouble.into_fault(doing))
    }

    /// Reads items under these keys; those that the runtime does not have, or has in another form, are left out.
    async fn stored(
        &self,
        runtime: &Runtime,
        at: BlockHash,
        wanted: &[(Item, Vec<u8>)],
    ) -> Result<Stored, Trouble> {
        let wanted: Vec<_> = wanted.iter().filter(|(item, _)| runtime.reads(item).unwrap_or(false)).collect();
        let keys: Vec<Vec<u8>> = wanted.iter().map(|(_, key)| key.clone()).collect();
        let values = self.values(&keys, at).await?;
        let found = wanted
            .iter()
            .zip(values)
            .filter_map(|((item, _), value)| Some((item.name, value.or_else(|| runtime.default_of(item))?)));
        Ok(Stored(found.collect()))
    }

    /// The terms at a block.
    pub(crate) async fn terms_at(&self, runtime: &Runtime, at: At) -> Result<SubnetTerms, Trouble> {
        let netuid = self.place().netuid;
        let number = netuid.to_le_bytes();
        let items = [
            keys::SUBNETWORK_N,
            keys::TEMPO,
            keys::WEIGHTS_RATE_LIMIT,
            keys::WEIGHTS_VERSION_KEY,
            keys::COMMIT_REVEAL,
            keys::REVEAL_PERIOD,
            keys::BURN,
            keys::LAST_EPOCH_BLOCK,
            keys::PENDING_EPOCH,
            keys::EPOCH_INDEX,
            keys::SINCE_STEP,
        ];
        let wanted = items.map(|item| (item, item.of(netuid)));
        let loose = [keys::CONSENSUS, keys::MECHANISMS, keys::COLLATERAL_SHARE];
        let part: [&[u8]; 1] = [&number];
        let (stored, loose) = futures::try_join!(
            self.stored(runtime, at.hash, &wanted),
            self.loose(runtime, at.hash, loose.map(|item| (item, &part[..])))
        )?;
        let tempo = stored.need(&keys::TEMPO)?;
        let [consensus, mechanisms, share] = &loose;
        let consensus = match consensus.as_ref().and_then(|(bytes, kind)| runtime.variant_name(bytes, *kind))
        {
            None => SubnetConsensus::Yuma,
            Some(name) if name == "Yuma" => SubnetConsensus::Yuma,
            Some(name) if name == "Null" => SubnetConsensus::Null,
            Some(name) => SubnetConsensus::Other(name),
        };
        let epochs = epoch_state(runtime, &stored)?;
        Ok(SubnetTerms {
            block: at.number,
            participants: stored.need(&keys::SUBNETWORK_N)?,
            tempo,
            weights_rate_limit: stored.need(&keys::WEIGHTS_RATE_LIMIT)?,
            version_key: stored.get(&keys::WEIGHTS_VERSION_KEY)?.unwrap_or(0),
            commit_reveal: stored.need(&keys::COMMIT_REVEAL)?,
            reveal_period: stored.need(&keys::REVEAL_PERIOD)?,
            register_cost: stored.get(&keys::BURN)?.unwrap_or(0),
            collateral_share: small(share.as_ref()),
            consensus,
            mechanisms: u8::try_from(small(mechanisms.as_ref())).unwrap_or(u8::MAX).max(1),
            epoch: epochs.and(stored.get(&keys::EPOCH_INDEX)?),
            next_epoch: epochs.and_then(|state| state.next_epoch(at.number, tempo)),
        })
    }

    /// What decides the drand round at which weights sealed now open.
    pub(crate) async fn reveal_terms(
        &self,
        runtime: &Runtime,
        at: At,
        terms: &SubnetTerms,
    ) -> Result<RevealTerms, Trouble> {
        let netuid = self.place().netuid;
        let items = [keys::LAST_EPOCH_BLOCK, keys::PENDING_EPOCH, keys::EPOCH_INDEX, keys::SINCE_STEP];
        // Weights that open in the wrong epoch are lost, so nothing is guessed here.
        for item in items {
            runtime.reads(&item).map_err(|error| Trouble::Form { why: error.to_string() })?;
        }
        let stored = self.stored(runtime, at.hash, &items.map(|item| (item, item.of(netuid)))).await?;
        let counted = Epochs::Counted { netuid };
        let epochs = epoch_state(runtime, &stored)?.map_or(counted, Epochs::Remembered);
        let block_time_ms = self.settings().block_time_ms;
        Ok(RevealTerms { tempo: terms.tempo, period: terms.reveal_period, epochs, block_time_ms })
    }

    async fn membership_at(
        &self,
        runtime: &Runtime,
        at: At,
        hotkey: &Hotkey,
    ) -> Result<Option<Membership>, Trouble> {
        let netuid = self.place().netuid;
        let Some(uid) = self.uid_of(hotkey, at.hash).await? else { return Ok(None) };
        let wanted = [
            (keys::WEIGHTS_RATE_LIMIT, keys::WEIGHTS_RATE_LIMIT.of(netuid)),
            (keys::IMMUNITY, keys::IMMUNITY.of(netuid)),
            (keys::REGISTERED_AT, keys::REGISTERED_AT.of_uid(netuid, uid)),
            (keys::OWNER, keys::OWNER.key(&[hotkey.as_bytes()])),
        ];
        let (stored, (last_update, validator_permit)) =
            futures::try_join!(self.stored(runtime, at.hash, &wanted), self.standing(uid, at.hash))?;
        let coldkey: Option<[u8; 32]> = stored.get(&keys::OWNER)?;
        let registered: Option<u64> = stored.get(&keys::REGISTERED_AT)?;
        let immunity: Option<u16> = stored.get(&keys::IMMUNITY)?;
        let mut collateral = None;
        if let Some(coldkey) = &coldkey {
            let parts = [&netuid.to_le_bytes()[..], hotkey.as_bytes(), coldkey];
            let [found] = self.loose(runtime, at.hash, [(keys::COLLATERAL, &parts[..])]).await?;
            collateral = found.and_then(|(bytes, kind)| runtime.collateral(&bytes, kind));
        }
        let until = |block: u64, span: u16| BlockNumber(block.saturating_add(u64::from(span)));
        let limit: u64 = stored.need(&keys::WEIGHTS_RATE_LIMIT)?;
        Ok(Some(Membership {
            block: at.number,
            uid,
            coldkey: coldkey.map(Hotkey::from_bytes),
            validator_permit,
            last_update,
            next_weights: BlockNumber(last_update.0.saturating_add(limit)),
            registered: registered.map(BlockNumber),
            immune_until: registered.zip(immunity).map(|(block, span)| until(block, span)),
            collateral,
        }))
    }

    /// Values of items that the metadata describe, with their types, in one request; `None` for absent ones.
    async fn loose<const N: usize>(
        &self,
        runtime: &Runtime,
        at: BlockHash,
        wanted: [(LooseItem, &[&[u8]]); N],
    ) -> Result<[Option<(Vec<u8>, u32)>; N], Trouble> {
        let found = wanted.map(|(item, parts)| (item, runtime.loose_key(&item, parts)));
        let keys: Vec<Vec<u8>> =
            found.iter().filter_map(|(_, place)| place.as_ref().map(|(key, _)| key.clone())).collect();
        let mut values = self.values(&keys, at).await?.into_iter();
        Ok(found.map(|(item, place)| {
            let (_, kind) = place?;
            let value = values.next().flatten().or_else(|| runtime.loose_default(&item))?;
            Some((value, kind))
        }))
    }
}

/// A stored number of one or two bytes; 0 where it is absent.
fn small(stored: Option<&(Vec<u8>, u32)>) -> u16 {
    let bytes = stored.map(|(bytes, _)| bytes.as_slice()).unwrap_or_default();
    match *bytes {
        [low] => u16::from(low),
        [low, high] => u16::from_le_bytes([low, high]),
        _ => 0,
    }
}

/// Where the epochs stand; `None` for runtimes that count them from block 0.
fn epoch_state(runtime: &Runtime, stored: &Stored) -> Result<Option<EpochState>, Trouble> {
    let Some(last) = stored.get(&keys::LAST_EPOCH_BLOCK)? else { return Ok(None) };
    Ok(Some(EpochState {
        last: BlockNumber(last),
        pending: BlockNumber(stored.get(&keys::PENDING_EPOCH)?.unwrap_or(0)),
        index: stored.get(&keys::EPOCH_INDEX)?.unwrap_or(0),
        since: stored.get(&keys::SINCE_STEP)?.unwrap_or(0),
        forced_after: runtime.forced_after(),
    }))
}
