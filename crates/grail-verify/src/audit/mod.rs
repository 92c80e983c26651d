//! The audit of a replay bundle: whether a validator's verdict follows from what it says it rests on.
//!
//! [`audit_on_paper`] needs no model: the context is derived again from blocks, beacons and manifest, the window file
//! walks the corridor up to its sample, and the report must be the one that file and tolerances allow.
//! [`Audited::replay`] lets the model speak and compares every verdict.
//!
//! What neither can check is listed in [`Audited::on_trust`]: it is the validator's word, or the chain's.

mod compare;
mod paper;

pub use compare::differences;
pub use paper::audit_on_paper;

use crate::{Case, MinerReport, ProofWatch, Sampling, verify_file};
use grail_artifact::{
    bundle::{ModelFact, SamplingFact},
    limits::Limits,
    manifest::Manifest,
    window::WindowCodec,
};
use grail_env::Environment;
use grail_ports::{
    model::{Oracle, Tokenize},
    shelf::Fetched,
};
use grail_protocol::{
    seed::WindowContext,
    words::{Hotkey, UnixMillis},
};

/// What is wrong with a bundle whose bytes and signature are right. The validator's fault.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// The manifest cannot be read, or its trainer did not sign it.
    #[error("the manifest: {detail}")]
    Manifest {
        /// What is wrong.
        detail: String,
    },
    /// Network, window, blocks and manifest do not go together.
    #[error("the window's circumstances: {detail}")]
    Context {
        /// What is wrong.
        detail: String,
    },
    /// Another round than the one that follows, a forged one, or none where one is asked for.
    #[error("the beacon: {detail}")]
    Beacon {
        /// What is wrong.
        detail: String,
    },
    /// The challenge is not the one that follows from the window's last block.
    #[error("the challenge: {detail}")]
    Challenge {
        /// What is wrong.
        detail: String,
    },
    /// The verdict was measured by other tolerances than this program's.
    #[error("the numeric profile: {detail}")]
    Profile {
        /// The first line that differs.
        detail: String,
    },
    /// The window file is not what the head says of it.
    #[error("the window file: {detail}")]
    File {
        /// What is wrong.
        detail: String,
    },
    /// The report cannot be read, is about something else, or contradicts itself.
    #[error("the report: {detail}")]
    Report {
        /// What is wrong.
        detail: String,
    },
    /// Other groups were proven than the challenge picks.
    #[error("the sample: the report has groups {told}, the challenge picks {found}")]
    Sample {
        /// In the report.
        told: String,
        /// By the rule.
        found: String,
    },
    /// The court says something else here.
    #[error("{place}: the bundle says {told}, found is {found}")]
    Verdict {
        /// The file, a group, or a rollout.
        place: String,
        /// The validator's verdict.
        told: String,
        /// This one's.
        found: String,
    },
    /// The model at hand is not the one that the verdict rests on.
    #[error("the model: {detail}")]
    Model {
        /// What differs.
        detail: String,
    },
}

impl Flaw {
    /// The stable name: what scripts and tests look for.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Manifest { .. } => "manifest",
            Self::Context { .. } => "context",
            Self::Beacon { .. } => "beacon",
            Self::Challenge { .. } => "challenge",
            Self::Profile { .. } => "profile",
            Self::File { .. } => "file",
            Self::Report { .. } => "report",
            Self::Sample { .. } => "sample",
            Self::Verdict { .. } => "verdict",
            Self::Model { .. } => "model",
        }
    }
}

/// A bundle that holds on paper.
#[derive(Debug, Clone)]
pub struct Audited {
    /// The window, derived again.
    pub context: WindowContext,
    /// The checkpoint's manifest, its signature checked.
    pub manifest: Manifest,
    /// The miner whose file was judged.
    pub hotkey: Hotkey,
    /// Who judged, and signed.
    pub validator: Hotkey,
    /// The validator's report, which agrees with itself.
    pub report: MinerReport,
    /// Latest moment at which the file may have been stored.
    pub deadline: UnixMillis,
    /// How many groups were proven.
    pub sampling: Sampling,
    /// The randomness that decided which groups were proven.
    pub challenge: [u8; 32],
    /// The model's card, as the validator saw it.
    pub model: ModelFact,
    /// The file, where the bundle carries it.
    pub fetched: Option<Fetched>,
    /// What is taken on somebody's word, one sentence each.
    pub on_trust: Vec<String>,
}

/// What an auditor brings.
pub struct Tools<'a> {
    /// Reads the file's encoding.
    pub codec: &'a dyn WindowCodec,
    /// Bounds on its size.
    pub limits: &'a Limits,
    /// The window's environment, whose id is the window's.
    pub environment: &'a Environment,
    /// The checkpoint's tokenizer and chat template.
    pub tokenizer: &'a dyn Tokenize,
}

impl std::fmt::Debug for Tools<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").finish_non_exhaustive()
    }
}

impl Audited {
    /// Judges the file again, with a model, and says where this verdict is another one. Empty: the same verdict.
    ///
    /// Where a verdict was left undecided because of the validator's own trouble nothing is compared. A fault of ours
    /// shows as a difference: whoever cannot judge has confirmed nothing.
    pub fn replay(
        &self,
        tools: &Tools<'_>,
        oracle: &mut dyn Oracle,
        watch: ProofWatch<'_>,
    ) -> Result<MinerReport, Vec<Flaw>> {
        let (vocabulary, context_length) = (oracle.card().vocabulary, oracle.card().context_length);
        if (ModelFact { vocabulary, context_length }) != self.model {
            let ModelFact { vocabulary: told, context_length: length } = self.model;
            let detail = format!(
                "it has {vocabulary} logits and {context_length} positions, the bundle says {told} and {length}"
            );
            return Err(vec![Flaw::Model { detail }]);
        }
        // A verdict without bytes rests on what the store said, and paper has seen that.
        let Some(fetched) = self.fetched.clone() else { return Ok(self.report.clone()) };
        let case = Case {
            context: &self.context,
            hotkey: &self.hotkey,
            deadline: self.deadline,
            codec: tools.codec,
            limits: tools.limits,
            sampling: &self.sampling,
            challenge: &self.challenge,
            environment: tools.environment,
            tokenizer: tools.tokenizer,
            vocabulary,
            context_length,
        };
        let found = verify_file(fetched, &case, oracle, watch);
        let differences = differences(&self.report, &found);
        if differences.is_empty() { Ok(found) } else { Err(differences) }
    }
}

impl From<SamplingFact> for Sampling {
    fn from(SamplingFact { all_up_to, share_percent, min, max }: SamplingFact) -> Self {
        Self { all_up_to, share_percent, min, max }
    }
}

impl From<Sampling> for SamplingFact {
    fn from(Sampling { all_up_to, share_percent, min, max }: Sampling) -> Self {
        Self { all_up_to, share_percent, min, max }
    }
}
