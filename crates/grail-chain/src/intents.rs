//! Intents: a transaction is written down before it is sent, and followed until the chain has decided.
//!
//! ```text
//! planned ── sent ── included ── finalized
//!    │        │  ▲       │
//!    │        │  └───────┘ the block was replaced
//!    ├────────┴── expired     not included in time
//!    ├── postponed            the chain says: not before block n
//!    └── refused              the chain says no
//! ```
//!
//! `sent` is on the disk, with the transaction's bytes, before the first byte goes out. A process that was killed
//! anywhere finds at the next start what it had in mind, looks in the blocks in which the transaction can stand, and
//! sends the same bytes again or waits. A second transaction is made only when the first can never be included any
//! more: its last block is final and it stands in none. So the weights of one intent are never set twice.

use crate::{errors::ChainRefusal, keys::SubnetMechanism, runtime::SignedExtrinsic};
use grail_fs::{DiskError, FileLock};
use grail_ports::{Door, Fault, Retry, chain::WeightRow};
use grail_protocol::words::{BlockHash, BlockNumber, Hotkey};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Intents that are kept after they ended.
const KEPT: usize = 64;

/// Most bytes of a journal that are read.
const MAX_JOURNAL: u64 = 64 << 20;

/// What is to be written to the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// Weights, scaled as they are sent.
    Weights(WeightRow),
    /// A commitment, in hexadecimal digits.
    Commitment(#[serde(with = "hex::serde")] Vec<u8>),
}

impl Wish {
    /// Words for logs and faults.
    pub(crate) fn doing(&self) -> &'static str {
        match self {
            Self::Weights(_) => "set weights",
            Self::Commitment(_) => "write the commitment",
        }
    }
}

/// How far an intent has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum State {
    /// Nothing has been sent.
    Planned,
    /// Sent, or about to be: a transaction with these bytes may reach the chain.
    Sent(Sent),
    /// It stands in a block that may still be replaced.
    Included {
        /// The block.
        block: BlockNumber,
        /// Its hash.
        block_hash: BlockHash,
        /// The transaction.
        sent: Sent,
    },
    /// It stands in a block that stays.
    Finalized {
        /// The block.
        block: BlockNumber,
        /// Hash of the transaction.
        #[serde(with = "hex::serde")]
        hash: [u8; 32],
    },
    /// It was not included before its interval ended.
    Expired {
        /// Block at which it was given up.
        at: BlockNumber,
    },
    /// The chain takes it later.
    Postponed {
        /// First block at which it may succeed.
        not_before: BlockNumber,
    },
    /// The chain said no.
    Refused {
        /// What it said.
        why: String,
    },
}

/// A transaction that may be on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// BLAKE2b-256 of its bytes.
    #[serde(with = "hex::serde")]
    pub hash: [u8; 32],
    /// The encoded extrinsic, sent again as it is after a restart.
    #[serde(with = "hex::serde")]
    pub bytes: Vec<u8>,
    /// Block from which it is valid.
    pub birth: BlockNumber,
    /// First block in which it is not valid any more.
    pub death: BlockNumber,
}

impl From<SignedExtrinsic> for Sent {
    fn from(letter: SignedExtrinsic) -> Self {
        Self { hash: letter.hash, bytes: letter.bytes, birth: letter.birth, death: letter.death }
    }
}

impl State {
    /// Whether the chain may still decide either way.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Planned | Self::Sent(_) | Self::Included { .. } => true,
            Self::Finalized { .. } | Self::Expired { .. } | Self::Postponed { .. } | Self::Refused { .. } => {
                false
            }
        }
    }

    /// One word for logs and tables; equals the JSON tag.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sent(_) => "sent",
            Self::Included { .. } => "included",
            Self::Finalized { .. } => "finalized",
            Self::Expired { .. } => "expired",
            Self::Postponed { .. } => "postponed",
            Self::Refused { .. } => "refused",
        }
    }
}

/// Something that is to be written to the chain, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Counts up within a journal.
    pub id: u64,
    /// What is to be written.
    pub wish: Wish,
    /// Newest block when it was planned.
    pub planned: BlockNumber,
    /// Block at which it is given up.
    pub until: BlockNumber,
    /// Transactions made for it.
    pub transactions: u32,
    /// How far it has come.
    #[serde(flatten)]
    pub state: State,
}

/// What a journal holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    genesis: BlockHash,
    place: SubnetMechanism,
    hotkey: Hotkey,
    intents: Vec<Intent>,
}

/// The intents of one hotkey on one subnet: a file, or memory alone.
#[derive(Debug)]
pub struct Book {
    file: Option<PathBuf>,
    /// Held as long as the book is open, so that two processes never write for one hotkey.
    _lock: Option<FileLock>,
    content: Content,
}

impl Book {
    /// A book that is forgotten with the process.
    pub fn in_memory(genesis: BlockHash, place: SubnetMechanism, hotkey: Hotkey) -> Self {
        Self { file: None, _lock: None, content: Content::new(genesis, place, hotkey) }
    }

    /// Opens or makes the journal of a hotkey in a folder.
    ///
    /// Errors: another process holds it; it cannot be read; it belongs to another network.
    pub fn open(
        folder: &Path,
        genesis: BlockHash,
        place: SubnetMechanism,
        hotkey: Hotkey,
    ) -> Result<Self, Fault> {
        grail_fs::make_folder(folder)?;
        let name = format!("weights-{hotkey}-{}-{}", place.netuid, place.mechanism);
        let lock_path = folder.join(format!("{name}.lock"));
        let lock = FileLock::take(&lock_path)?.ok_or_else(|| {
            let doing = format!(
                "{} is held by another process that writes to the chain as {hotkey}; stop one of the two",
                lock_path.display()
            );
            Fault::plain(Door::Disk, Retry::Never, doing)
        })?;
        let file = folder.join(format!("{name}.json"));
        let fresh = Content::new(genesis, place, hotkey);
        let content = match read(&file)? {
            None => fresh,
            Some(content)
                if (content.version, content.genesis, content.place, content.hotkey)
                    == (fresh.version, genesis, place, hotkey) =>
            {
                content
            }
            Some(content) if content.genesis != genesis => {
                return Err(Fault::plain(
                    Door::Disk,
                    Retry::Never,
                    format!(
                        "{} belongs to the network with block 0 {}, not to this one; name another folder",
                        file.display(),
                        content.genesis
                    ),
                ));
            }
            Some(content) => {
                return Err(Fault::plain(
                    Door::Disk,
                    Retry::Never,
                    format!(
                        "{} is of version {} for another hotkey or subnet; name another folder",
                        file.display(),
                        content.version
                    ),
                ));
            }
        };
        Ok(Self { file: Some(file), _lock: Some(lock), content })
    }

    /// Every intent that is kept, oldest first.
    pub fn intents(&self) -> &[Intent] {
        &self.content.intents
    }

    /// The intent that the chain has not decided yet.
    pub fn open_intent(&self) -> Option<&Intent> {
        self.content.intents.iter().rev().find(|intent| intent.state.is_open())
    }

    /// Writes down a new intent.
    pub(crate) fn plan(&mut self, wish: Wish, now: BlockNumber, until: BlockNumber) -> Result<Intent, Fault> {
        let id = self.content.intents.last().map_or(1, |intent| intent.id.saturating_add(1));
        let intent = Intent { id, wish, planned: now, until, transactions: 0, state: State::Planned };
        self.content.intents.push(intent.clone());
        let surplus = self.content.intents.len().saturating_sub(KEPT);
        self.content.intents.drain(..surplus);
        self.save()?;
        Ok(intent)
    }

    /// Writes down how far an intent has come.
    pub(crate) fn update(&mut self, changed: &Intent) -> Result<(), Fault> {
        let known = self.content.intents.iter_mut().find(|intent| intent.id == changed.id);
        let Some(known) = known else {
            let doing = format!("write down intent {}, which the journal does not have", changed.id);
            return Err(Fault::plain(Door::Inside, Retry::Never, doing));
        };
        if known != changed {
            *known = changed.clone();
            tracing::info!(target: "chain::intents", id = changed.id, state = changed.state.name(), "intent");
            self.save()?;
        }
        Ok(())
    }

    fn save(&self) -> Result<(), Fault> {
        let Some(path) = &self.file else { return Ok(()) };
        let bytes = serde_json::to_vec_pretty(&self.content)
            .map_err(|error| Fault::new(Door::Inside, Retry::Never, "write the journal of intents", error))?;
        Ok(grail_fs::write(path, &bytes)?)
    }
}

impl Content {
    fn new(genesis: BlockHash, place: SubnetMechanism, hotkey: Hotkey) -> Self {
        Self { version: 1, genesis, place, hotkey, intents: Vec::new() }
    }
}

/// The intents of every journal in a folder, by hotkey and subnet, without holding any; for looking only.
pub fn look(folder: &Path) -> Result<Vec<(Hotkey, SubnetMechanism, Vec<Intent>)>, Fault> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(DiskError::new("list", folder, error).into()),
    };
    let mut files = Vec::new();
    for entry in listed {
        let path = entry.map_err(|error| DiskError::new("list", folder, error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("weights-") && name.ends_with(".json") {
            files.push(path);
        }
    }
    files.sort();
    let mut found = Vec::new();
    for path in files {
        if let Some(content) = read(&path)? {
            found.push((content.hotkey, content.place, content.intents));
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Option<Content>, Fault> {
    let Some(bytes) = grail_fs::read(path, MAX_JOURNAL)? else { return Ok(None) };
    let content = serde_json::from_slice(&bytes).map_err(|error| {
        let doing = format!(
            "{} is not a journal of intents; move it away after looking whether the last weights were set",
            path.display()
        );
        Fault::new(Door::Disk, Retry::Never, doing, error)
    })?;
    Ok(Some(content))
}

/// Where a transaction was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) block: BlockNumber,
    pub(crate) block_hash: BlockHash,
    /// What became of it there.
    pub(crate) outcome: Result<(), ChainRefusal>,
}
