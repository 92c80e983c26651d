//! A chain in a file: what it is called, the hash of each block, recent blocks, and the storage of the last one.
//!
//! Bytes: the 16 of [`MAGIC`], the version as a little-endian u32, then one zstd frame with a checksum, which holds a
//! [`Snapshot`] in SCALE. Extrinsics that wait and storage of earlier blocks are not in it.

use crate::{
    chain::{Block, Header, History},
    spec::About,
    state::{CODE, State},
    text::Hash,
};
use parity_scale_codec::{Decode, Encode};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 16] = b"grail-devchain\r\n";
const VERSION: u32 = 1;
/// Of zstd: quick, since states are mostly hashes.
const LEVEL: i32 = 3;

/// A snapshot has at most so many bytes, packed and unpacked alike.
pub const MAX_SNAPSHOT_BYTES: u64 = 1 << 30;

/// Why a snapshot cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A file operation failed.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was tried, as an infinitive.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a snapshot of grail-devchain", path.display())]
    NotOne {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else and would be lost.
    #[error("{} is there and is not a snapshot; choose another name, it is not overwritten", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// Of another version of this program.
    #[error("{} is a snapshot of version {found}, this program reads {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
    },
    /// Beyond what is read.
    #[error("{} holds more than {MAX_SNAPSHOT_BYTES} bytes, which no snapshot does", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Cut off, changed, or never right.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// A block without its storage.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SavedBlock {
    pub(crate) header: Header,
    pub(crate) extrinsics: Vec<Vec<u8>>,
}

/// What is in the file.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Snapshot {
    pub(crate) name: String,
    pub(crate) id: String,
    /// Type of the chain, in JSON.
    pub(crate) kind: String,
    /// Its properties, in JSON.
    pub(crate) properties: String,
    /// Time of its latest block, on any fork.
    pub(crate) latest_time: u64,
    /// Whether its time keeps up with the machine's.
    pub(crate) keeps_up: bool,
    pub(crate) finalized: u32,
    /// Hash of each block of the best chain from 0 on.
    pub(crate) hashes: Vec<[u8; 32]>,
    /// The last ones of these blocks.
    pub(crate) blocks: Vec<SavedBlock>,
    /// Storage after the last of them.
    pub(crate) state: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Snapshot {
    /// Writes it so that the file is whole or not there. Replaces a snapshot and nothing else.
    pub(crate) fn write(&self, path: &Path) -> Result<u64, SnapshotError> {
        let failed = |doing| move |source| SnapshotError::File { doing, path: path.to_owned(), source };
        match File::open(path) {
            Ok(mut there) => {
                let mut magic = [0; MAGIC.len()];
                if there.read_exact(&mut magic).is_err() || magic != *MAGIC {
                    return Err(SnapshotError::InTheWay { path: path.to_owned() });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at")(error)),
        }
        let name = path.file_name().ok_or_else(|| failed("write")(io::ErrorKind::InvalidFilename.into()))?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let partial = folder.join(format!(".{}.partial", name.to_string_lossy()));
        let pack = || -> io::Result<u64> {
            let mut file = File::create(&partial)?;
            file.write_all(MAGIC)?;
            file.write_all(&VERSION.to_le_bytes())?;
            let mut packer = zstd::Encoder::new(&mut file, LEVEL)?;
            packer.include_checksum(true)?;
            packer.write_all(&self.encode())?;
            packer.finish()?;
            file.sync_all()?;
            let bytes = file.metadata()?.len();
            fs::rename(&partial, path)?;
            // The rename itself is durable once the folder is.
            File::open(folder)?.sync_all()?;
            Ok(bytes)
        };
        pack().map_err(|error| {
            // Leave nothing half-written; the error that matters is the first one.
            let _ = fs::remove_file(&partial);
            failed("write")(error)
        })
    }

    /// Reads one, and checks everything that later code relies on.
    pub(crate) fn read(path: &Path) -> Result<Self, SnapshotError> {
        let failed = |source| SnapshotError::File { doing: "read", path: path.to_owned(), source };
        let damaged = |what: &str| SnapshotError::Damaged { path: path.to_owned(), what: what.to_owned() };
        let mut file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > MAX_SNAPSHOT_BYTES {
            return Err(SnapshotError::TooLarge { path: path.to_owned() });
        }
        let (mut magic, mut version) = ([0; MAGIC.len()], [0; 4]);
        match file.read_exact(&mut magic) {
            Ok(()) if magic == *MAGIC => {}
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(failed(error)),
            _ => return Err(SnapshotError::NotOne { path: path.to_owned() }),
        }
        file.read_exact(&mut version).map_err(|_| damaged("it is cut off"))?;
        let found = u32::from_le_bytes(version);
        if found != VERSION {
            return Err(SnapshotError::Version { path: path.to_owned(), found });
        }
        let mut bytes = Vec::new();
        zstd::Decoder::new(file)
            .and_then(|unpacked| unpacked.take(MAX_SNAPSHOT_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| damaged(&format!("it cannot be unpacked ({error})")))?;
        if bytes.len() as u64 > MAX_SNAPSHOT_BYTES {
            return Err(SnapshotError::TooLarge { path: path.to_owned() });
        }
        let mut rest = &*bytes;
        let snapshot = Self::decode(&mut rest).map_err(|error| damaged(&error.to_string()))?;
        if !rest.is_empty() {
            return Err(damaged("something follows its end"));
        }
        snapshot.check().map_err(damaged)?;
        Ok(snapshot)
    }

    fn check(&self) -> Result<(), &'static str> {
        let head = self.blocks.last().ok_or("it has no block")?;
        if self.hashes.len() as u64 != u64::from(head.header.number) + 1 {
            return Err("it has not as many hashes as blocks");
        }
        if self.finalized > head.header.number {
            return Err("more is final than there is");
        }
        let last =
            self.hashes.len().checked_sub(self.blocks.len()).ok_or("it has more blocks than hashes")?;
        for (hash, (number, block)) in self.hashes.iter().skip(last).zip((last..).zip(&self.blocks)) {
            if Hash::of(&block.header.encode()).0 != *hash || block.header.number as usize != number {
                return Err("a block is not the one that its hash names");
            }
            let parent = number.checked_sub(1).and_then(|parent| self.hashes.get(parent));
            if parent.is_some_and(|parent| block.header.parent != *parent) {
                return Err("a block does not follow the one before it");
            }
        }
        if !self.state.iter().any(|(key, _)| key == CODE) {
            return Err("its state has no runtime");
        }
        for json in [&self.kind, &self.properties] {
            serde_json::from_str::<Value>(json).map_err(|_| "what it says of the chain is not JSON")?;
        }
        Ok(())
    }

    /// What it describes. For one that was checked.
    pub(crate) fn open(self) -> (About, History) {
        let about = About {
            name: self.name,
            id: self.id,
            kind: serde_json::from_str(&self.kind).unwrap_or_default(),
            properties: serde_json::from_str(&self.properties).unwrap_or_default(),
        };
        let state: State = self.state.into_iter().collect();
        let hashes = self.hashes.into_iter().map(Hash).collect();
        let mut blocks: Vec<Block> =
            self.blocks.into_iter().map(|block| Block::known(block.header, block.extrinsics, None)).collect();
        let history = match blocks.pop() {
            Some(head) => {
                History::resumed(hashes, Block { state: Some(state), ..head }, blocks, self.finalized)
            }
            // Not for a snapshot that was checked; a chain of nothing is refused by its first use.
            None => History::new(Header::opening(Hash([0; 32]), 0, None), state),
        };
        (about, history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let genesis = Header::opening(Hash([0; 32]), 0, None);
        let zero = Hash::of(&genesis.encode());
        let one = Header::opening(zero, 1, Some(7));
        Snapshot {
            name: "A".into(),
            id: "a".into(),
            kind: "\"Local\"".into(),
            properties: "{\"ss58Format\": 42}".into(),
            latest_time: 12_000,
            keeps_up: false,
            finalized: 1,
            hashes: vec![zero.0, Hash::of(&one.encode()).0],
            blocks: vec![SavedBlock { header: one, extrinsics: vec![vec![4, 1]] }],
            state: vec![(CODE.to_vec(), vec![1]), (b"k".to_vec(), b"v".to_vec())],
        }
    }

    fn written(snapshot: &Snapshot) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.snapshot");
        snapshot.write(&path).unwrap();
        (dir, path)
    }

    #[track_caller]
    fn refused(path: &Path, expected: &str) {
        let error = Snapshot::read(path).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn what_is_written_is_read() {
        let (dir, path) = written(&snapshot());
        assert_eq!(Snapshot::read(&path).unwrap(), snapshot());
        // A second one takes its place, and nothing else is left.
        snapshot().write(&path).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let (about, history) = Snapshot::read(&path).unwrap().open();
        assert_eq!((about.kind, history.best().header.number), ("Local".into(), 1));
        assert_eq!(history.best_state().unwrap().len(), 2);
    }

    #[test]
    fn another_file_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        for content in ["", "precious and longer than the magic bytes"] {
            let path = dir.path().join("notes.txt");
            fs::write(&path, content).unwrap();
            assert!(matches!(snapshot().write(&path), Err(SnapshotError::InTheWay { .. })));
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            refused(&path, "not a snapshot");
        }
        assert!(snapshot().write(&dir.path().join("no/such/folder")).is_err());
    }

    #[test]
    fn damage_is_found() {
        let (_dir, path) = written(&snapshot());
        let good = fs::read(&path).unwrap();
        for length in [0, 10, 18, 25, good.len() - 1] {
            fs::write(&path, &good[..length]).unwrap();
            assert!(Snapshot::read(&path).is_err(), "{length}");
        }
        for place in 20..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&path, &bad).unwrap();
            // A bit of the frame's own header may not matter; what is read is never another snapshot.
            if let Ok(read) = Snapshot::read(&path) {
                assert_eq!(read, snapshot(), "{place}");
            }
        }
        let mut other = good.clone();
        other[16] = 9;
        fs::write(&path, &other).unwrap();
        refused(&path, "version 9");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        type Change = fn(&mut Snapshot);
        let cases: [(&str, Change); 7] = [
            ("no block", |it| it.blocks.clear()),
            ("as many hashes", |it| it.hashes.push([0; 32])),
            ("more is final", |it| it.finalized = 2),
            ("not the one", |it| it.hashes[1] = [9; 32]),
            ("does not follow", |it| it.hashes[0] = [9; 32]),
            ("no runtime", |it| it.state.clear()),
            ("not JSON", |it| it.kind = "{".into()),
        ];
        for (expected, change) in cases {
            let mut bad = snapshot();
            change(&mut bad);
            let (_dir, path) = written(&bad);
            refused(&path, expected);
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bomb");
        let mut file = File::create(&path).unwrap();
        file.write_all(MAGIC).unwrap();
        file.write_all(&VERSION.to_le_bytes()).unwrap();
        // A vector that claims four billion hashes and brings none.
        let mut claim =
            ("A".to_owned(), "a".to_owned(), "0".to_owned(), "0".to_owned(), 0u64, false, 0u32).encode();
        claim.extend(parity_scale_codec::Compact(u32::MAX).encode());
        file.write_all(&zstd::encode_all(&*claim, 1).unwrap()).unwrap();
        refused(&path, "damaged");
    }
}
