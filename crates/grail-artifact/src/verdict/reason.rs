//! Why a rollout was refused, as far as others are told.

use grail_protocol::{
    hash::{Digest, Hasher},
    words::{GroupIndex, RolloutIndex},
};
use serde::{Deserialize, Serialize};

/// Most bytes of a measured or allowed value.
pub const VALUE_BYTES: usize = 96;
/// Most bytes of the sentence.
pub const TOLD_BYTES: usize = 400;
/// Most bytes of a code.
const CODE_BYTES: usize = 64;
/// Most reasons against one file: more say nothing new.
const MOST_OF_ONE: usize = 256;
/// Most reasons in a verdict file, about 8 MiB.
const MOST_OF_ALL: usize = 16_384;

/// Most reasons against each file of a verdict file that judges that many.
pub const fn reasons_for_each(files: usize) -> usize {
    let share = MOST_OF_ALL / if files == 0 { 1 } else { files };
    if share > MOST_OF_ONE {
        MOST_OF_ONE
    } else if share == 0 {
        1
    } else {
        share
    }
}

/// The first thing that was found wrong with a rollout, or with a file.
///
/// Values are text, so that no reader's rounding touches what is signed: numbers are decimal, in the unit that the
/// sentence names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalReason {
    /// The group; absent where the file as a whole was refused for something that lies nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupIndex>,
    /// The rollout in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutIndex>,
    /// The completion token, from 0, where one is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u32>,
    /// The rejection code, or `excluded`.
    pub code: String,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<String>,
    /// What is allowed, or was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// The court's sentence.
    pub told: String,
}

impl RefusalReason {
    /// Its texts cut to their bounds, control characters replaced: they may quote a stranger.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.code = cut(&self.code, CODE_BYTES);
        self.told = cut(&self.told, TOLD_BYTES);
        for value in [&mut self.measured, &mut self.allowed].into_iter().flatten() {
            *value = cut(value, VALUE_BYTES);
        }
        self
    }

    /// What it is sorted by; the file as a whole comes first.
    pub(super) fn place(&self) -> (Option<GroupIndex>, Option<RolloutIndex>) {
        (self.group, self.rollout)
    }

    /// Why no reader takes it.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        let values = [(Some(&self.code), CODE_BYTES), (Some(&self.told), TOLD_BYTES)];
        let more = [&self.measured, &self.allowed].map(|value| (value.as_ref(), VALUE_BYTES));
        let texts = || values.iter().chain(&more).filter_map(|(text, most)| Some(((*text)?, *most)));
        if texts().any(|(text, most)| text.len() > most) {
            Some("is too long")
        } else if texts().any(|(text, _)| text.contains(char::is_control)) {
            Some("holds a control character")
        } else if self.group.is_none() && (self.rollout.is_some() || self.token.is_some()) {
            Some("names a rollout of no group")
        } else {
            None
        }
    }
}

/// At most that many bytes, cut between characters, in one line.
fn cut(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| if c.is_control() { '?' } else { c }) {
        if out.len() + c.len_utf8() > most {
            break;
        }
        out.push(c);
    }
    out
}

/// `H("grail/1 refusal reasons", of each: group, rollout, token, code, measured, allowed, told)`; a number is four
/// little-endian bytes, what is absent is an empty field, and a value that is there is preceded by one byte of 1.
pub(super) fn digest(reasons: &[RefusalReason]) -> Digest {
    let mut hasher = Hasher::new("grail/1 refusal reasons");
    for reason in reasons {
        let numbers = [reason.group.map(|g| g.0), reason.rollout.map(|r| u32::from(r.0)), reason.token];
        for number in numbers {
            hasher.field(&number.map_or_else(Vec::new, |number| number.to_le_bytes().to_vec()));
        }
        hasher.field(reason.code.as_bytes());
        for value in [&reason.measured, &reason.allowed] {
            let bytes = value.as_ref().map_or_else(Vec::new, |text| [&[1], text.as_bytes()].concat());
            hasher.field(&bytes);
        }
        hasher.field(reason.told.as_bytes());
    }
    hasher.finish()
}
