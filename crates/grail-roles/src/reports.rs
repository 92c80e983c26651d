//! Verdicts of a window in a journal: what a validator found, for operators, miners and the validator itself after a
//! restart.
//!
//! One entry a window, `window-{start}.json`, written whole or not at all. The validator's memory is these entries:
//! it reads the newest ones at start and goes on as if it had never stopped.

use crate::{evidence::Exclusion, kept};
use grail_artifact::bundle::ModelFact;
use grail_ports::{Fault, chain::Uid, journal::Journal};
use grail_protocol::{
    policy::WeightPolicy,
    profile::NumericProfile,
    words::{CheckpointId, EnvId, Hotkey, NetworkId, WindowStart},
};
use grail_verify::{MinerReport, Sampling};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Version of the file format.
const VERSION: u16 = 1;
/// Most bytes of a report: 256 miners with every rollout of 64 groups.
const MOST_BYTES: u64 = 1 << 30;

/// What a validator found in one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowReport {
    /// Version of this format.
    pub version: u16,
    /// Network.
    pub network: NetworkId,
    /// Window.
    pub window: WindowStart,
    /// Checkpoint that answered.
    pub checkpoint: CheckpointId,
    /// Environment that asked.
    pub env: EnvId,
    /// Who judged.
    pub validator: Hotkey,
    /// Randomness of the challenge, 64 hexadecimal digits.
    pub challenge: String,
    /// Numeric profile of the checkpoint; absent in reports of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numeric: Option<NumericProfile>,
    /// The checkpoint's model; absent in reports of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelFact>,
    /// How many groups of a file were proven where its entry says nothing else; absent in reports of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// How the network makes weights, where it states that itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightPolicy>,
    /// Every registered miner, by uid.
    pub miners: Vec<MinerEntry>,
}

/// One miner in a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinerEntry {
    /// Its number.
    pub uid: Uid,
    /// Its hotkey.
    pub hotkey: Hotkey,
    /// What became of its file.
    pub outcome: FileOutcome,
    /// How many of its groups were proven, where evidence against it asked for more than is usual, or time allowed less;
    /// none at all where all numbers are 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

/// What became of a miner's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileOutcome {
    /// There was none, or no shelf to look on.
    Absent,
    /// The court's report.
    Judged(Box<MinerReport>),
    /// Evidence of earlier windows keeps it out of this one; its file was not looked at.
    Excluded(Exclusion),
}

impl WindowReport {
    /// A report without miners yet.
    pub fn new(
        context: &grail_protocol::seed::WindowContext,
        validator: Hotkey,
        challenge: &[u8; 32],
    ) -> Self {
        Self {
            version: VERSION,
            network: context.network.clone(),
            window: context.window,
            checkpoint: context.checkpoint,
            env: context.env.clone(),
            validator,
            challenge: hex::encode(challenge),
            numeric: Some(context.numeric),
            model: None,
            sampling: None,
            weights: Some(context.params.weights).filter(|weights| *weights != WeightPolicy::DEFAULT),
            miners: Vec::new(),
        }
    }
}

/// The reports in a journal.
#[derive(Debug, Clone)]
pub struct Reports(Arc<dyn Journal>);

impl Reports {
    /// Takes a journal, in which the evidence made of the reports may lie beside them.
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        Self(journal)
    }

    pub(crate) fn journal(&self) -> &dyn Journal {
        self.0.as_ref()
    }

    /// Where the report of a window lies, for people.
    pub fn place(&self, window: WindowStart) -> String {
        self.0.place(&name(window))
    }

    /// Writes a report, whole or not at all.
    pub fn save(&self, report: &WindowReport) -> Result<(), Fault> {
        kept::save(self.journal(), &name(report.window), report)
    }

    /// Reads the report of a window; `Ok(None)` when there is none.
    pub fn load(&self, window: WindowStart) -> Result<Option<WindowReport>, Fault> {
        let report: Option<WindowReport> =
            kept::load(self.journal(), &name(window), MOST_BYTES, "go on without it")?;
        if let Some(report) = &report {
            kept::of_version(&self.place(window), report.version, VERSION)?;
        }
        Ok(report)
    }

    /// Windows with a report, rising.
    pub fn windows(&self) -> Result<Vec<WindowStart>, Fault> {
        let number = |name: &String| name.strip_prefix("window-")?.strip_suffix(".json")?.parse().ok();
        let mut windows: Vec<WindowStart> =
            self.0.list()?.iter().filter_map(number).map(WindowStart).collect();
        windows.sort_unstable();
        Ok(windows)
    }
}

fn name(window: WindowStart) -> String {
    format!("window-{window}.json")
}
