//! What a signer signs: labels of GRAIL with their shapes, and calls of the chain with the bytes they begin with.

use super::{SignerRefusal, frame::No};
use grail_ports::sign::ChainCall;
use grail_protocol::{sign::MESSAGE_LABEL, words::Hotkey};
use std::collections::BTreeMap;

/// What a field of a statement must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// That many bytes.
    Exactly(usize),
    /// At most that many.
    AtMost(usize),
    /// The hotkey of this signer.
    Own,
}

/// The fields of a label: the first ones by their kind, and whether more may follow.
#[derive(Debug, Clone, Copy)]
pub struct LabelShape {
    label: &'static str,
    first: &'static [Field],
    more: bool,
}

/// Every label under which a hotkey signs, by a short name for flags.
const LABELS: &[(&str, LabelShape)] = &[
    (
        "file",
        // header digest, root, groups, rollouts
        LabelShape {
            label: "grail/1 file",
            first: &[Field::Exactly(32), Field::Exactly(32), Field::Exactly(4), Field::Exactly(4)],
            more: false,
        },
    ),
    (
        "verdicts",
        // version, network, window, checkpoint, environment, validator, challenge, number of files, then the files
        LabelShape {
            label: "grail/1 verdicts",
            first: &[
                Field::Exactly(8),
                Field::AtMost(256),
                Field::Exactly(8),
                Field::Exactly(32),
                Field::AtMost(256),
                Field::Own,
                Field::Exactly(32),
                Field::Exactly(8),
            ],
            more: true,
        },
    ),
    ("manifest", LabelShape { label: "grail/1 manifest", first: &[Field::Exactly(32)], more: false }),
    (
        "bundle",
        // version, validator, digests of head, manifest, profile, verdict and file
        LabelShape {
            label: "grail/1 bundle",
            first: &[
                Field::Exactly(8),
                Field::Own,
                Field::Exactly(32),
                Field::Exactly(32),
                Field::Exactly(32),
                Field::Exactly(32),
                Field::Exactly(32),
            ],
            more: false,
        },
    ),
    ("message", LabelShape { label: MESSAGE_LABEL, first: &[Field::AtMost(1 << 20)], more: false }),
];

/// Calls that a hotkey makes for GRAIL, with pallet and call index in specs 293 to 461.
pub const KNOWN_CALLS: &[(&str, [u8; 2])] = &[
    ("set_commitment", [18, 0]),
    ("set_weights", [7, 0]),
    ("set_mechanism_weights", [7, 119]),
    ("commit_weights", [7, 96]),
    ("reveal_weights", [7, 97]),
    ("commit_crv3_weights", [7, 99]),
    ("commit_timelocked_weights", [7, 113]),
    ("commit_timelocked_mechanism_weights", [7, 118]),
];

/// Spec version, transaction version, genesis hash and the hash of the era's block: no payload has less behind its call.
const LEAST_ADDITIONAL: usize = 4 + 4 + 32 + 32;
const MOST_CALLS: usize = 64;
const MOST_PREFIX: usize = 64;

/// A setting of the rules that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No such label.
    #[error("{name:?} is nothing that GRAIL signs; known are {}", known_labels())]
    Label {
        /// What was asked for.
        name: String,
    },
    /// A call without known indices.
    #[error(
        "the indices of {name:?} are not known; give them as {name}=0700 (pallet and call in hexadecimal), or use one of {}",
        known_calls()
    )]
    Call {
        /// What was asked for.
        name: String,
    },
    /// A prefix that is none.
    #[error("{text:?} is not of the form NAME=HEX with 2 to {MOST_PREFIX} bytes of the call")]
    Prefix {
        /// What was asked for.
        text: String,
    },
    /// More calls than anybody needs.
    #[error("{got} calls are asked for, at most {MOST_CALLS} are kept")]
    TooMany {
        /// How many.
        got: usize,
    },
}

fn known_labels() -> String {
    LABELS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn known_calls() -> String {
    KNOWN_CALLS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// What one signer signs.
#[derive(Debug, Clone)]
pub struct Rules {
    labels: Vec<LabelShape>,
    calls: BTreeMap<String, Vec<u8>>,
    genesis: Option<[u8; 32]>,
}

impl Default for Rules {
    /// Every label of GRAIL, and no call.
    fn default() -> Self {
        Self {
            labels: LABELS.iter().map(|(_, shape)| *shape).collect(),
            calls: BTreeMap::new(),
            genesis: None,
        }
    }
}

impl Rules {
    /// Only the labels with these short names: `file`, `verdicts`, `manifest`, `bundle`, `message`.
    ///
    /// Errors: [`RuleError::Label`].
    pub fn only_labels<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Result<Self, RuleError> {
        self.labels.clear();
        for name in names {
            let found = LABELS.iter().find(|(short, _)| *short == name);
            let (_, shape) = found.ok_or_else(|| RuleError::Label { name: name.to_owned() })?;
            self.labels.push(*shape);
        }
        Ok(self)
    }

    /// Also these calls: a name of [`KNOWN_CALLS`], or `NAME=HEX` with the bytes that the call begins with. With a subnet,
    /// known calls must name it as their first argument, as each of them does.
    ///
    /// Errors: the other variants of [`RuleError`].
    pub fn allow<'a>(
        mut self,
        calls: impl IntoIterator<Item = &'a str>,
        netuid: Option<u16>,
    ) -> Result<Self, RuleError> {
        for text in calls {
            let (name, prefix) = match text.split_once('=') {
                Some((name, digits)) => {
                    let wrong = || RuleError::Prefix { text: text.to_owned() };
                    let digits = digits.strip_prefix("0x").unwrap_or(digits);
                    let prefix = hex::decode(digits).map_err(|_| wrong())?;
                    if !(2..=MOST_PREFIX).contains(&prefix.len()) || name.is_empty() || name.len() > 255 {
                        return Err(wrong());
                    }
                    (name, prefix)
                }
                None => {
                    let found = KNOWN_CALLS.iter().find(|(name, _)| *name == text);
                    let (name, indices) = found.ok_or_else(|| RuleError::Call { name: text.to_owned() })?;
                    let netuid = netuid.map(u16::to_le_bytes);
                    (*name, [&indices[..], netuid.as_ref().map_or(&[][..], |netuid| &netuid[..])].concat())
                }
            };
            self.calls.insert(name.to_owned(), prefix);
        }
        match self.calls.len() {
            got if got > MOST_CALLS => Err(RuleError::TooMany { got }),
            _ => Ok(self),
        }
    }

    /// Only payloads for the chain with this genesis hash.
    #[must_use]
    pub fn on_chain(mut self, genesis: [u8; 32]) -> Self {
        self.genesis = Some(genesis);
        self
    }

    /// Labels that are signed.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.labels.iter().map(|shape| shape.label)
    }

    /// Calls that are signed, with the bytes that they begin with.
    pub fn calls(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.calls.iter().map(|(name, prefix)| (name.as_str(), prefix.as_slice()))
    }

    /// The shape of an allowed label.
    pub(super) fn label(&self, label: &str) -> Result<LabelShape, No> {
        self.labels.iter().find(|shape| shape.label == label).copied().ok_or_else(|| {
            let known: Vec<_> = self.labels().collect();
            let text = format!("{label:?} is not signed here; signed are {}", known.join(", "));
            (SignerRefusal::LabelNotAllowed, text)
        })
    }

    /// Whether a call's name is on the list.
    pub(super) fn call_name(&self, name: &str) -> Result<&[u8], No> {
        self.calls.get(name).map(Vec::as_slice).ok_or_else(|| {
            let known: Vec<_> = self.calls.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let text = format!("the call {name:?} is not signed here; signed: {known}; `--allow` of `grail signer` says which");
            (SignerRefusal::CallNotAllowed, text)
        })
    }

    /// Whether a call may be signed.
    pub(super) fn call(&self, call: &ChainCall) -> Result<(), No> {
        let prefix = self.call_name(&call.name)?;
        if !call.call.starts_with(prefix) {
            let begins = call.call.get(..prefix.len().min(call.call.len())).unwrap_or_default();
            let text = format!(
                "{:?} begins with {} here and with {} in the request",
                call.name,
                hex::encode(prefix),
                hex::encode(begins)
            );
            return Err((SignerRefusal::CallPrefix, text));
        }
        // Shorter payloads could be ground until they are also the digest of something else.
        let Some(fixed) = call.additional.get(..LEAST_ADDITIONAL) else {
            let got = call.additional.len();
            let text = format!(
                "the additional part has {got} bytes, that of an extrinsic at least {LEAST_ADDITIONAL}"
            );
            return Err((SignerRefusal::ShortPayload, text));
        };
        let named = fixed.get(8..40).unwrap_or_default();
        match self.genesis {
            Some(genesis) if genesis != named => {
                let text = format!(
                    "the payload is for the chain 0x{}, this signer for 0x{}",
                    hex::encode(named),
                    hex::encode(genesis)
                );
                Err((SignerRefusal::OtherChain, text))
            }
            _ => Ok(()),
        }
    }
}

impl LabelShape {
    /// Whether a statement may have that many fields.
    pub(super) fn count(&self, count: u32) -> Result<(), No> {
        let (got, least) = (u64::from(count), self.first.len() as u64);
        if got == least || (self.more && got > least) {
            return Ok(());
        }
        let text = format!(
            "{:?} has {least} fields{}, the request has {got}",
            self.label,
            if self.more { " or more" } else { "" }
        );
        Err((SignerRefusal::LabelShape, text))
    }

    /// Whether a field may stand at its place.
    pub(super) fn field(&self, index: u32, field: &[u8], own: &Hotkey) -> Result<(), No> {
        let wrong = |expected: String| {
            let text = format!("field {index} of {:?} has {} bytes, {expected}", self.label, field.len());
            Err((SignerRefusal::LabelShape, text))
        };
        match self.first.get(index as usize) {
            Some(Field::Exactly(length)) if field.len() != *length => wrong(format!("{length} are right")),
            Some(Field::AtMost(most)) if field.len() > *most => wrong(format!("at most {most} are right")),
            Some(Field::Own) if field != own.as_bytes() => {
                Err((SignerRefusal::OtherHotkey, format!("{:?} names another hotkey than {own}", self.label)))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        let rules = || Rules::default();
        assert!(
            matches!(rules().only_labels(["file", "coffee"]), Err(RuleError::Label { name }) if name == "coffee")
        );
        let unknown = rules().allow(["transfer"], None).unwrap_err();
        assert!(unknown.to_string().contains("transfer=0700") && unknown.to_string().contains("set_weights"));
        for bad in ["x=", "x=07", "x=zz", "=0700", &format!("x={}", "00".repeat(65))] {
            assert!(matches!(rules().allow([bad], None), Err(RuleError::Prefix { .. })), "{bad}");
        }
        let many: Vec<String> = (0..65).map(|n| format!("call{n}=0700")).collect();
        let many = rules().allow(many.iter().map(String::as_str), None);
        assert_eq!(many.unwrap_err(), RuleError::TooMany { got: 65 });
    }

    #[test]
    fn a_subnet_is_part_of_what_known_calls_begin_with() {
        let rules = Rules::default().allow(["set_weights", "other=0xABCD"], Some(81)).unwrap();
        let calls: Vec<_> = rules.calls().collect();
        assert_eq!(calls, [("other", &[0xab, 0xcd][..]), ("set_weights", &[7, 0, 81, 0][..])]);
    }
}
