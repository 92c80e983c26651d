//! What happened, in a journal: for the operator, for pictures, and decided by nothing.

use super::Evaluation;
use crate::kept;
use grail_artifact::checkpoint::PublicationKind;
use grail_ports::{
    Door, Fault, Retry,
    journal::Journal,
    learn::Study,
    publish::{Issued, PublicationPlan},
};
use grail_protocol::words::{Hotkey, NetworkId, WindowStart};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, sync::Arc};

/// Most bytes of a record.
const MOST_BYTES: u64 = 16 << 20;

/// A window, learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowRecord {
    /// Network.
    pub network: NetworkId,
    /// Window.
    pub window: WindowStart,
    /// Whose verdicts were used; absent for a window that was given up.
    pub validator: Option<Hotkey>,
    /// Files used.
    pub files: usize,
    /// Accepted groups in them.
    pub groups: usize,
    /// Rollouts in these.
    pub rollouts: usize,
    /// Completion tokens in these.
    pub tokens: u64,
    /// Mean of their rewards.
    pub mean_reward: Option<f64>,
    /// Share of right answers.
    pub pass_rate: Option<f64>,
    /// Judged files that were not used: hotkey and reason.
    pub passed_over: BTreeMap<String, String>,
    /// What the learner made of it.
    pub study: Study,
    /// Sequence number of the checkpoint that goes out with it.
    pub published: Option<u64>,
    /// Seconds that learning took.
    pub seconds: f64,
}

impl WindowRecord {
    pub(super) fn empty(network: NetworkId, window: WindowStart) -> Self {
        Self {
            network,
            window,
            validator: None,
            files: 0,
            groups: 0,
            rollouts: 0,
            tokens: 0,
            mean_reward: None,
            pass_rate: None,
            passed_over: BTreeMap::new(),
            study: Study::default(),
            published: None,
            seconds: 0.0,
        }
    }

    /// The one line about a window that an operator reads.
    pub fn log(&self) {
        let window = self.window;
        let Some(validator) = self.validator else {
            tracing::warn!(
                target: "grail::train", event = "given-up", window = window.0,
                "window {window} given up: no trusted validator published verdicts on it"
            );
            return;
        };
        let percent =
            |share: Option<f64>| share.map_or("–".into(), |share| format!("{:.0} %", 100.0 * share));
        let reward = self.mean_reward.map_or("–".into(), |mean| format!("{mean:.3}"));
        let study = &self.study;
        let figure = |name: &str| study.figures.get(name).copied().unwrap_or(f64::NAN);
        let learned = if study.steps > 0 {
            format!(
                "{} steps over {} groups, loss {:.4}, ratio {:.3}, gradient {:.3}",
                study.steps,
                study.groups_used,
                figure("loss"),
                figure("ratio_mean"),
                figure("grad_norm")
            )
        } else {
            let reasons: Vec<String> =
                study.left_out.iter().map(|(why, count)| format!("{why} {count}")).collect();
            format!(
                "nothing learned ({})",
                if reasons.is_empty() { "no groups".into() } else { reasons.join(", ") }
            )
        };
        tracing::info!(
            target: "grail::train", event = "trained", window = window.0, validator = %validator.short(),
            files = self.files, rollouts = self.rollouts, mean_reward = self.mean_reward, pass_rate = self.pass_rate,
            steps = study.steps, skipped = study.skipped,
            "window {window}: {} rollouts of {} files, {} right, mean reward {reward}; {learned}, {:.1} s",
            self.rollouts, self.files, percent(self.pass_rate), self.seconds
        );
    }
}

/// A checkpoint, published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IssueRecord {
    /// Its sequence number.
    pub sequence: u64,
    /// Its window.
    pub window: WindowStart,
    /// Its id.
    pub checkpoint: String,
    /// `full` or `delta`.
    pub kind: String,
    /// Bytes of all its files.
    pub whole_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Seconds from weights in memory to the marker.
    pub seconds: f64,
}

impl IssueRecord {
    pub(super) fn new(plan: &PublicationPlan, issued: &Issued, millis: u64) -> Self {
        let kind = issued
            .manifest
            .publication
            .as_ref()
            .map_or(PublicationKind::Full, |publication| publication.kind);
        Self {
            sequence: plan.sequence,
            window: plan.window,
            checkpoint: issued.manifest.id().to_string(),
            kind: kind.name().to_owned(),
            whole_bytes: issued.manifest.files.iter().map(|file| file.size).sum(),
            sent_bytes: issued.sent_bytes,
            seconds: millis as f64 / 1e3,
        }
    }

    /// The one line about a checkpoint that an operator reads.
    pub fn log(&self) {
        tracing::info!(
            target: "grail::train", event = "published", window = self.window.0, sequence = self.sequence,
            bytes = self.sent_bytes,
            "checkpoint {} published in window {}: {}, {} of {} bytes sent, {:.1} s",
            self.sequence, self.window, self.kind, self.sent_bytes, self.whole_bytes, self.seconds
        );
    }
}

/// The records in a journal.
#[derive(Debug, Clone)]
pub struct Records(Arc<dyn Journal>);

impl Records {
    /// Takes a journal.
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        Self(journal)
    }

    pub(super) fn window(&self, record: &WindowRecord) -> Result<(), Fault> {
        self.save(&format!("window-{}.json", record.window), record)
    }

    pub(super) fn issue(&self, record: &IssueRecord) -> Result<(), Fault> {
        self.save(&format!("checkpoint-{}.json", record.sequence), record)
    }

    pub(super) fn evaluation(&self, record: &Evaluation) -> Result<(), Fault> {
        self.save(&format!("evaluation-{}-{}.json", record.sequence, record.environment), record)
    }

    fn save(&self, name: &str, record: &impl Serialize) -> Result<(), Fault> {
        kept::save(self.0.as_ref(), name, record)
    }

    /// Whether a checkpoint was examined.
    pub(super) fn is_examined(&self, sequence: u64) -> Result<bool, Fault> {
        Ok(!self.names(&format!("evaluation-{sequence}-"))?.is_empty())
    }

    /// Every window, rising.
    pub fn windows(&self) -> Result<Vec<WindowRecord>, Fault> {
        self.all("window-", |record| record.window)
    }

    /// Every checkpoint, rising.
    pub fn issues(&self) -> Result<Vec<IssueRecord>, Fault> {
        self.all("checkpoint-", |record| record.sequence)
    }

    /// Every examination, rising.
    pub fn evaluations(&self) -> Result<Vec<Evaluation>, Fault> {
        self.all("evaluation-", |record| (record.sequence, record.environment.clone()))
    }

    fn all<T: DeserializeOwned, K: Ord>(&self, prefix: &str, key: fn(&T) -> K) -> Result<Vec<T>, Fault> {
        let read = |name: &String| -> Result<T, Fault> {
            let gone = || format!("{} has just gone", self.0.place(name));
            kept::load(self.0.as_ref(), name, MOST_BYTES, "go on without it")?
                .ok_or_else(|| Fault::plain(Door::Disk, Retry::Later, gone()))
        };
        let mut all = self.names(prefix)?.iter().map(read).collect::<Result<Vec<T>, Fault>>()?;
        all.sort_by_key(key);
        Ok(all)
    }

    fn names(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let mut names = self.0.list()?;
        names.retain(|name| name.starts_with(prefix) && name.ends_with(".json"));
        Ok(names)
    }
}
