//! Verdicts of a window on disk: what a validator found, for operators, miners and the validator itself after a
//! restart.
//!
//! One file a window, `window-{start}.json`, written whole or not at all. The validator's memory is these files:
//! it reads the newest ones at start and goes on as if it had never stopped.

use crate::disk::{read_bounded, write_atomic};
use crate::evidence::Exclusion;
use grail_artifact::bundle::ModelFact;
use grail_ports::{Door, Fault, Retry, chain::Uid};
use grail_protocol::{
    profile::NumericProfile,
    words::{CheckpointId, EnvId, Hotkey, NetworkId, WindowStart},
};
use grail_verify::{MinerReport, Sampling};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

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
    pub outcome: Outcome,
    /// How many of its groups were proven, where evidence against it asked for more than is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

/// What became of a miner's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
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
            miners: Vec::new(),
        }
    }
}

/// The folder of reports.
#[derive(Debug, Clone)]
pub struct ReportFolder(PathBuf);

impl ReportFolder {
    /// Takes a folder; it is made with the first report.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Where the report of a window lies.
    pub fn path(&self, window: WindowStart) -> PathBuf {
        self.0.join(format!("window-{window}.json"))
    }

    /// Writes a report, whole or not at all.
    pub fn save(&self, report: &WindowReport) -> Result<(), Fault> {
        let path = self.path(report.window);
        let bytes = serde_json::to_vec_pretty(report)
            .map_err(|error| Fault::new(Door::Inside, Retry::Never, "encode a window report", error))?;
        write_atomic(&path, &bytes)
    }

    /// Reads the report of a window; `Ok(None)` when there is none.
    pub fn load(&self, window: WindowStart) -> Result<Option<WindowReport>, Fault> {
        read(&self.path(window))
    }

    /// Windows with a report, rising.
    pub fn windows(&self) -> Result<Vec<WindowStart>, Fault> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                let doing = format!("list the reports in {}", self.0.display());
                return Err(Fault::new(Door::Disk, Retry::Never, doing, error));
            }
        };
        let number = |name: std::ffi::OsString| {
            let name = name.into_string().ok()?;
            name.strip_prefix("window-")?.strip_suffix(".json")?.parse().ok()
        };
        let mut windows: Vec<WindowStart> =
            entries.filter_map(|entry| number(entry.ok()?.file_name())).map(WindowStart).collect();
        windows.sort_unstable();
        Ok(windows)
    }
}

fn read(path: &Path) -> Result<Option<WindowReport>, Fault> {
    let Some(bytes) = read_bounded(path, MOST_BYTES)? else { return Ok(None) };
    let report: WindowReport = serde_json::from_slice(&bytes).map_err(|error| {
        let doing = format!("read {}; move it away to go on without it", path.display());
        Fault::new(Door::Disk, Retry::Never, doing, error)
    })?;
    if report.version != VERSION {
        let doing = format!("{} has format {}, this program reads {VERSION}", path.display(), report.version);
        return Err(Fault::plain(Door::Disk, Retry::Never, doing));
    }
    Ok(Some(report))
}
