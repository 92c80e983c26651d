//! Everyone on a subnet at one block: who they are, their stake, their weights, what they committed.
//!
//! The runtime's own description of the subnet says most of it in one answer, and the rest is one request for many
//! values, so a whole subnet costs four requests. Runtimes whose description has another form are read from storage.

use crate::{
    keys,
    link::Trouble,
    runtime::{MAX_METADATA, Runtime, SubnetState},
    subnet::{At, MAX_UIDS, Subnet, committed, decode, hex0x, unhex},
    surface::STAKE_API,
};
use grail_ports::{
    Fault,
    chain::{Metagraph, Neuron, Uid, WeightRow},
};
use grail_protocol::words::{BlockHash, BlockNumber, Hotkey};
use parity_scale_codec::{Decode, Encode as _};
use serde_json::json;
use std::collections::BTreeMap;

/// Smallest unit of a token.
const RAO: f64 = 1e9;

/// A subnet at one block.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SubnetSnapshot {
    /// Who is registered, with stake.
    pub graph: Metagraph,
    /// Rows of weights, by the uid that set them; those who set none are left out.
    pub weights: BTreeMap<Uid, WeightRow>,
    /// What the registered hotkeys committed, as bytes; those who hold none are left out.
    pub commitments: BTreeMap<Hotkey, Vec<u8>>,
}

impl Subnet {
    /// Everything about everyone, at the newest block. At most four requests to the node where the runtime tells the
    /// subnet in one answer and it has at most 256 participants.
    pub async fn snapshot(&self) -> Result<SubnetSnapshot, Fault> {
        let doing = "read the whole subnet";
        let fault = |trouble: Trouble| trouble.into_fault(doing);
        let hash = self.head_hash().await.map_err(fault)?;
        let state = async { self.state_answer(hash).await.map_err(fault) };
        let (runtime, answer) = futures::try_join!(self.runtime(hash, doing), state)?;
        let state = answer.and_then(|answer| runtime.subnet_state(&answer));
        self.snapshot_of(&runtime, hash, state).await.map_err(fault)
    }

    async fn snapshot_of(
        &self,
        runtime: &Runtime,
        hash: BlockHash,
        state: Option<SubnetState>,
    ) -> Result<SubnetSnapshot, Trouble> {
        let (netuid, index) = (self.place().netuid, self.index());
        let mut read = None;
        let hotkeys: Vec<Hotkey> = match &state {
            Some(state) => state.hotkeys.iter().copied().map(Hotkey::from_bytes).collect(),
            None => {
                let at = At { number: self.number_of(hash).await?, hash };
                let graph = self.graph_of_storage(runtime, at).await?;
                read.insert(graph).neurons.iter().map(|neuron| neuron.hotkey).collect()
            }
        };
        let count = uids(hotkeys.len())?;
        let mut wanted = vec![keys::NUMBER.prefix(), keys::LAST_UPDATE.of(index), keys::INCENTIVE.of(index)];
        wanted.extend((0..count).map(|uid| keys::WEIGHTS.of_uid(index, uid)));
        wanted.extend(hotkeys.iter().map(|hotkey| keys::COMMITMENT_OF.of_hotkey(netuid, hotkey)));
        let mut values = self.values(&wanted, hash).await?.into_iter();
        let mut next = || values.next().flatten();
        let absent = || Trouble::Form { why: format!("block {hash} does not say its number") };
        let number: u32 = decode("System.Number", &next().ok_or_else(absent)?)?;
        let at = At { number: BlockNumber(u64::from(number)), hash };
        let updates: Vec<u64> = next().map_or(Ok(Vec::new()), |bytes| decode("LastUpdate", &bytes))?;
        let incentives: Vec<u16> = next().map_or(Ok(Vec::new()), |bytes| decode("Incentive", &bytes))?;
        let mut weights = BTreeMap::new();
        for uid in 0..count {
            let row: WeightRow = next().map_or(Ok(Vec::new()), |bytes| decode("Weights", &bytes))?;
            if !row.is_empty() {
                weights.insert(uid, row);
            }
        }
        let mut commitments = BTreeMap::new();
        for hotkey in &hotkeys {
            if let Some(bytes) = next().and_then(|value| committed(runtime, &value)) {
                commitments.insert(*hotkey, bytes);
            }
        }
        let graph = match (read, state) {
            (Some(graph), _) => graph,
            // Of a mechanism other than the first, updates and incentives are its own.
            (None, state) => graph_of(at, &SubnetState { updates, incentives, ..state.unwrap_or_default() })?,
        };
        Ok(SubnetSnapshot { graph, weights, commitments })
    }

    /// The metagraph at the newest block.
    pub(crate) async fn read_metagraph(&self) -> Result<Metagraph, Fault> {
        let doing = "read the metagraph";
        let fault = |trouble: Trouble| trouble.into_fault(doing);
        let hash = self.head_hash().await.map_err(fault)?;
        let number = async { self.number_of(hash).await.map_err(fault) };
        let state = async { self.state_answer(hash).await.map_err(fault) };
        let (number, runtime, answer) = futures::try_join!(number, self.runtime(hash, doing), state)?;
        let at = At { number, hash };
        match answer.and_then(|answer| runtime.subnet_state(&answer)) {
            Some(state) if self.place().mechanism == 0 => graph_of(at, &state).map_err(fault),
            _ => self.graph_of_storage(&runtime, at).await.map_err(fault),
        }
    }

    /// What the runtime says about the subnet, as bytes; `None` where it has nothing to say, or the last runtime that
    /// was read cannot.
    async fn state_answer(&self, at: BlockHash) -> Result<Option<Vec<u8>>, Trouble> {
        if !self.last_runtime().is_some_and(|runtime| runtime.tells_stake()) {
            return Ok(None);
        }
        let function = format!("{}_{}", STAKE_API.0, STAKE_API.1);
        let params = json!([function, hex0x(&self.place().netuid.encode()), at]);
        match self.ask::<String>("state_call", params).await {
            Ok(text) => unhex(&text, MAX_METADATA).map(Some),
            Err(Trouble::Node { .. }) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The metagraph from its columns in storage; stake is that in the subnet's own token.
    async fn graph_of_storage(&self, runtime: &Runtime, at: At) -> Result<Metagraph, Trouble> {
        let (netuid, index) = (self.place().netuid, self.index());
        let count = self.value(&keys::SUBNETWORK_N.of(netuid), at.hash).await?;
        let count: u16 = count.map_or(Ok(0), |bytes| decode("SubnetworkN", &bytes))?;
        let count = uids(usize::from(count))?;
        let mut wanted: Vec<Vec<u8>> = (0..count).map(|uid| keys::KEYS.of_uid(netuid, uid)).collect();
        wanted.extend([
            keys::LAST_UPDATE.of(index),
            keys::VALIDATOR_PERMIT.of(netuid),
            keys::INCENTIVE.of(index),
        ]);
        let values = self.values(&wanted, at.hash).await?;
        let (stored, columns) = values.split_at(usize::from(count).min(values.len()));
        fn column<T: Decode>(
            columns: &[Option<Vec<u8>>],
            place: usize,
            name: &str,
        ) -> Result<Vec<T>, Trouble> {
            let stored = columns.get(place).and_then(Option::as_deref);
            stored.map_or(Ok(Vec::new()), |bytes| decode(name, bytes))
        }
        let mut hotkeys = Vec::with_capacity(stored.len());
        for (uid, stored) in stored.iter().enumerate() {
            let absent = || Trouble::Form { why: format!("uid {uid} has no hotkey at block {}", at.number) };
            hotkeys.push(decode("Keys", stored.as_deref().ok_or_else(absent)?)?);
        }
        let stakes = self.stakes(runtime, at, &hotkeys).await?;
        let state = SubnetState {
            hotkeys,
            updates: column(columns, 0, "LastUpdate")?,
            permits: column(columns, 1, "ValidatorPermit")?,
            incentives: column(columns, 2, "Incentive")?,
            stakes,
        };
        graph_of(at, &state)
    }

    /// Stake in the subnet's own token, by uid; all that counts where the runtime tells it.
    async fn stakes(&self, runtime: &Runtime, at: At, hotkeys: &[[u8; 32]]) -> Result<Vec<u64>, Trouble> {
        let netuid = self.place().netuid;
        if self.place().mechanism > 0 {
            let answer = self.state_answer(at.hash).await?;
            let told = answer.and_then(|answer| runtime.subnet_state(&answer));
            if let Some(told) = told.filter(|told| told.hotkeys == hotkeys) {
                return Ok(told.stakes);
            }
        }
        if !runtime.reads(&keys::HOTKEY_ALPHA).unwrap_or(false) {
            let why = "neither the runtime API nor TotalHotkeyAlpha tells stake".into();
            return Err(Trouble::Form { why });
        }
        let key = |hotkey: &[u8; 32]| keys::HOTKEY_ALPHA.key(&[hotkey, &netuid.to_le_bytes()]);
        let values = self.values(&hotkeys.iter().map(key).collect::<Vec<_>>(), at.hash).await?;
        values
            .into_iter()
            .map(|value| value.map_or(Ok(0), |bytes| decode("TotalHotkeyAlpha", &bytes)))
            .collect()
    }
}

/// A number of participants that is read.
fn uids(count: usize) -> Result<u16, Trouble> {
    let bounded = u16::try_from(count).ok().filter(|count| *count <= MAX_UIDS);
    bounded.ok_or_else(|| Trouble::Form { why: format!("{count} participants, at most {MAX_UIDS} are read") })
}

fn graph_of(at: At, state: &SubnetState) -> Result<Metagraph, Trouble> {
    let count = uids(state.hotkeys.len())?;
    let neuron = |uid: u16, hotkey: &[u8; 32]| {
        let place = usize::from(uid);
        Neuron {
            uid,
            hotkey: Hotkey::from_bytes(*hotkey),
            stake: state.stakes.get(place).map_or(0.0, |&rao| rao as f64 / RAO),
            validator_permit: state.permits.get(place).copied().unwrap_or(false),
            last_update: BlockNumber(state.updates.get(place).copied().unwrap_or(0)),
            incentive: state.incentives.get(place).copied().unwrap_or(0),
        }
    };
    let neurons = (0..count).zip(&state.hotkeys).map(|(uid, hotkey)| neuron(uid, hotkey)).collect();
    Ok(Metagraph { block: at.number, neurons })
}
