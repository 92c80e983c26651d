//! Replay bundles on this disk, audited: the same words for the tool and for the validator.

use anyhow::Context as _;
use grail_artifact::{
    bundle::{BUNDLE_BYTES, Bundle},
    limits::LIMITS,
    window::{JsonCodec, WindowCodec},
};
use grail_parquet::ParquetCodec;
use grail_protocol::words::{CheckpointId, EnvId, Hotkey, WindowStart};
use grail_verify::audit::{Audited, Flaw, audit_on_paper};
use serde::Serialize;
use std::path::Path;

/// What came of an audit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    /// The file.
    pub file: String,
    /// Whether the verdict holds as far as it was looked at.
    pub good: bool,
    /// Whether a model was asked.
    pub by_model: bool,
    /// What is wrong, by name.
    pub problems: Vec<AuditProblem>,
    /// What the bundle is about, where it could be read that far.
    pub about: Option<About>,
    /// What is taken on somebody's word.
    pub on_trust: Vec<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditProblem {
    /// Stable name.
    pub name: String,
    /// The sentence.
    pub detail: String,
}

/// What a bundle is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct About {
    /// Who judged, and signed.
    pub validator: Hotkey,
    /// Whose file.
    pub miner: Hotkey,
    /// Which window.
    pub window: WindowStart,
    /// Seed of the window, derived again; 64 hexadecimal digits.
    pub window_seed: String,
    /// The checkpoint that answered.
    pub checkpoint: CheckpointId,
    /// The environment that asked.
    pub env: EnvId,
    /// Groups in the file, and of these proven.
    pub groups: [u32; 2],
    /// Rollouts accepted, refused, and left undecided.
    pub rollouts: [u64; 3],
    /// Refused rollouts by code; a file refused whole has its code here.
    pub refused: std::collections::BTreeMap<String, u64>,
}

impl Account {
    fn new(path: &Path) -> Self {
        Self {
            file: path.display().to_string(),
            good: false,
            by_model: false,
            problems: Vec::new(),
            about: None,
            on_trust: Vec::new(),
        }
    }

    /// Adds what is wrong.
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.good = false;
        self.problems.push(AuditProblem { name: name.into(), detail: detail.into() });
    }

    /// Adds flaws.
    pub fn refuse_all(&mut self, flaws: &[Flaw]) {
        for flaw in flaws {
            self.refuse(flaw.name(), flaw.to_string());
        }
    }

    /// In words, for people.
    pub fn describe(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        // Writing to a String cannot fail.
        if let Some(about) = &self.about {
            let [accepted, refused, undecided] = about.rollouts;
            let [claimed, proven] = about.groups;
            let _ = writeln!(
                text,
                "{} on {} in window {} ({})",
                about.validator, about.miner, about.window, about.env
            );
            let _ = writeln!(text, "  checkpoint   {}", about.checkpoint);
            let _ = writeln!(text, "  window seed  {}", about.window_seed);
            let _ = writeln!(
                text,
                "  verdict      {accepted} rollouts accepted, {refused} refused, {undecided} undecided; {proven} of \
                 {claimed} groups proven"
            );
            for (code, count) in &about.refused {
                let _ = writeln!(text, "    {code} ({count})");
            }
        }
        for line in &self.on_trust {
            let _ = writeln!(text, "  on trust: {line}");
        }
        for AuditProblem { name, detail } in &self.problems {
            let _ = writeln!(text, "  [{name}] {detail}");
        }
        let _ = match (self.good, self.by_model) {
            (true, true) => writeln!(text, "the verdict is the same on this machine"),
            (true, false) => writeln!(
                text,
                "the verdict holds on paper; `grail-validator audit FILE --model DIR` lets the model speak"
            ),
            (false, _) => writeln!(text, "the verdict does not hold"),
        };
        text
    }
}

/// Every encoding of window files.
const CODECS: [&dyn WindowCodec; 2] = [&ParquetCodec, &JsonCodec];

/// The codec of a bundle's file.
pub fn codec_of(bundle_file: grail_artifact::bundle::Encoding) -> &'static dyn WindowCodec {
    match bundle_file {
        grail_artifact::bundle::Encoding::Parquet => &ParquetCodec,
        grail_artifact::bundle::Encoding::Json => &JsonCodec,
    }
}

/// A bundle that holds on paper, and the encoding of its file.
pub type Opened = (Audited, Option<grail_artifact::bundle::Encoding>);

/// Reads a bundle and audits it on paper. `signer` is who must have signed it, where that is known.
///
/// What is wrong with the bundle stands in the account, and then there is nothing opened. Errors: no such file, or one
/// that cannot be read.
pub fn open(path: &Path, signer: Option<&Hotkey>) -> anyhow::Result<(Account, Option<Opened>)> {
    let bytes = grail_fs::read(path, BUNDLE_BYTES)?
        .with_context(|| format!("there is no bundle {}", path.display()))?;
    Ok(open_bytes(path, &bytes, signer))
}

/// [`open`] for bytes that lie, or will lie, at that path.
pub fn open_bytes(path: &Path, bytes: &[u8], signer: Option<&Hotkey>) -> (Account, Option<Opened>) {
    let mut account = Account::new(path);
    let bundle = match Bundle::read(bytes) {
        Ok(bundle) => bundle,
        Err(error) => {
            account.refuse(error.name(), error.to_string());
            return (account, None);
        }
    };
    if let Some(signer) = signer.filter(|signer| **signer != bundle.head.validator) {
        account.refuse("signer", format!("signed by {}, expected was {signer}", bundle.head.validator));
        return (account, None);
    }
    let encoding = bundle.head.file.map(|file| file.encoding);
    let audited = match audit_on_paper(bundle, &CODECS, &LIMITS) {
        Ok(audited) => audited,
        Err(flaw) => {
            account.refuse_all(&[flaw]);
            return (account, None);
        }
    };
    let tally = &audited.report.tally;
    account.good = true;
    account.on_trust.clone_from(&audited.on_trust);
    account.about = Some(About {
        validator: audited.validator,
        miner: audited.hotkey,
        window: audited.context.window,
        window_seed: audited.context.seed().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect(),
        checkpoint: audited.context.checkpoint,
        env: audited.context.env.clone(),
        groups: [tally.groups_claimed, tally.groups_checked],
        rollouts: [tally.accepted, tally.rejected_total(), tally.undecided_total()],
        refused: tally.rejected.clone(),
    });
    (account, Some((audited, encoding)))
}
