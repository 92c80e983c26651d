//! Reading a verdict file, signing one, and what it may not contradict.

use super::{
    ExpectedWindow, FileCounts, GroupVerdict, OLDEST_VERDICT_VERSION, REWARD_UNIT, RefusalReason, SaidBy,
    VERDICT_BYTES, VERDICT_VERSION, VerdictError, VerdictFile, reasons_for_each, verdict_message,
    verdict_statement,
};
use grail_protocol::{
    sign::{self, HotkeyPair, Signature, Statement},
    words::Hotkey,
};
use serde::Deserialize;

/// Millionths in an extrapolation of 1.
const UNIT: u64 = 1_000_000;

/// Just enough to tell versions apart.
#[derive(Deserialize)]
struct VersionOnly {
    version: u16,
}

impl FileCounts {
    /// Whether no number is larger than what it is a part of.
    fn add_up(&self, rollouts: u8) -> bool {
        self.checked <= self.groups
            && self.valid <= u64::from(self.checked) * u64::from(rollouts)
            && self.right <= self.valid
            && self.unique <= self.right
            && (UNIT..=u64::from(self.groups.max(1)) * UNIT).contains(&self.extrapolation)
    }
}

impl VerdictFile {
    /// Signs; an older signature is replaced. The file names the signer as its validator.
    pub fn sign(&mut self, pair: &HotkeyPair, entropy: [u8; 32]) {
        self.validator = pair.hotkey();
        self.signature = Some(pair.sign(&verdict_message(self), entropy));
    }

    /// [`Self::sign`] with a signer that hashes for itself, and may fail.
    ///
    /// Errors: those of `sign`.
    pub fn sign_with<E>(
        &mut self,
        validator: Hotkey,
        sign: impl FnOnce(&Statement) -> Result<Signature, E>,
    ) -> Result<(), E> {
        self.validator = validator;
        self.signature = Some(sign(&verdict_statement(self))?);
        Ok(())
    }

    /// Readable JSON.
    ///
    /// Errors: [`VerdictError::Malformed`], which no value of this type causes.
    pub fn to_json(&self) -> Result<Vec<u8>, VerdictError> {
        serde_json::to_vec(self).map_err(malformed)
    }

    /// Reads a file of at most [`VERDICT_BYTES`] bytes and checks everything about it: what it is about, who signed it,
    /// and that it does not contradict itself.
    ///
    /// Errors: each variant of [`VerdictError`], in the order of their declaration.
    pub fn verify(bytes: &[u8], expected: &ExpectedWindow<'_>) -> Result<Self, VerdictError> {
        let file = Self::read(bytes)?;
        file.is_about(&[
            ("network", file.network.to_string(), expected.network.to_string()),
            ("window", file.window.to_string(), expected.window.to_string()),
            ("checkpoint", file.checkpoint.to_string(), expected.checkpoint.to_string()),
            ("environment", file.env.to_string(), expected.env.to_string()),
            ("validator", file.validator.to_string(), expected.validator.to_string()),
        ])?;
        file.is_signed(expected.validator)?;
        file.is_consistent(expected.rollouts_per_group)?;
        Ok(file)
    }

    /// [`Self::verify`] for a reader that derived neither checkpoint nor environment: what the file says of them is its
    /// validator's word.
    ///
    /// Errors: each variant of [`VerdictError`], in the order of their declaration.
    pub fn open(bytes: &[u8], said: &SaidBy<'_>) -> Result<Self, VerdictError> {
        let file = Self::read(bytes)?;
        file.is_about(&[
            ("network", file.network.to_string(), said.network.to_string()),
            ("window", file.window.to_string(), said.window.to_string()),
            ("validator", file.validator.to_string(), said.validator.to_string()),
        ])?;
        file.is_signed(said.validator)?;
        file.is_consistent(said.rollouts_per_group)?;
        Ok(file)
    }

    fn read(bytes: &[u8]) -> Result<Self, VerdictError> {
        if bytes.len() as u64 > VERDICT_BYTES {
            let detail = format!("{} bytes, at most {VERDICT_BYTES} are allowed", bytes.len());
            return Err(VerdictError::Malformed { detail });
        }
        let VersionOnly { version } = serde_json::from_slice(bytes).map_err(malformed)?;
        if !(OLDEST_VERDICT_VERSION..=VERDICT_VERSION).contains(&version) {
            return Err(VerdictError::UnknownVersion { got: version });
        }
        serde_json::from_slice(bytes).map_err(malformed)
    }

    fn is_signed(&self, validator: &Hotkey) -> Result<(), VerdictError> {
        let signature = self.signature.as_ref().ok_or(VerdictError::Unsigned)?;
        if sign::verify(validator, &verdict_message(self), signature) {
            Ok(())
        } else {
            Err(VerdictError::BadSignature { validator: *validator })
        }
    }

    fn is_about(&self, pairs: &[(&'static str, String, String)]) -> Result<(), VerdictError> {
        match pairs.iter().find(|(_, got, want)| got != want) {
            Some((field, got, expected)) => {
                Err(VerdictError::Foreign { field, got: got.clone(), expected: expected.clone() })
            }
            None => Ok(()),
        }
    }

    fn is_consistent(&self, rollouts: u8) -> Result<(), VerdictError> {
        let refuse = |detail: String| Err(VerdictError::Contradiction { detail });
        if self.files.windows(2).any(|pair| matches!(pair, [a, b] if a.hotkey >= b.hotkey)) {
            return refuse("files are not sorted by distinct hotkeys".into());
        }
        let most = reasons_for_each(self.files.len());
        for file in &self.files {
            if self.version < 2 && (file.counts.is_some() || !file.reasons.is_empty()) {
                return refuse(format!(
                    "the file of {} has counts or reasons, which version 1 has not",
                    file.hotkey
                ));
            }
            if file.reasons.len() > most {
                let got = file.reasons.len();
                return refuse(format!(
                    "the file of {} has {got} reasons, at most {most} belong to each",
                    file.hotkey
                ));
            }
            if let Some(odd) = file.reasons.iter().find_map(RefusalReason::trouble) {
                return refuse(format!("a reason against the file of {} {odd}", file.hotkey));
            }
            if file.reasons.windows(2).any(|pair| matches!(pair, [a, b] if a.place() >= b.place())) {
                return refuse(format!(
                    "reasons against the file of {} are not sorted by distinct places",
                    file.hotkey
                ));
            }
            if file.counts.is_some_and(|counts| !counts.add_up(rollouts)) {
                return refuse(format!("the counts of {} do not add up", file.hotkey));
            }
            let of = |group: &GroupVerdict| format!("group {} of {}", group.group, file.hotkey);
            if file.root.is_none() && !file.groups.is_empty() {
                return refuse(format!("the file of {} has groups and no root", file.hotkey));
            }
            if file.groups.windows(2).any(|pair| matches!(pair, [a, b] if a.group >= b.group)) {
                return refuse(format!("groups of {} are not sorted and distinct", file.hotkey));
            }
            for group in &file.groups {
                let sizes = [group.rewards.len(), group.right.len()];
                if sizes != [usize::from(rollouts); 2] {
                    return refuse(format!("{} has {} rewards for {rollouts} rollouts", of(group), sizes[0]));
                }
                if let Some(reward) = group.rewards.iter().find(|reward| **reward > REWARD_UNIT) {
                    return refuse(format!("{} has a reward of {reward} hundred-thousandths", of(group)));
                }
            }
        }
        Ok(())
    }
}

fn malformed(error: serde_json::Error) -> VerdictError {
    VerdictError::Malformed { detail: error.to_string() }
}
