use super::{World, WorldSetup};
use bytes::Bytes;
use grail_artifact::keys::WindowEncoding;
use grail_ports::shelf::{Fetched, ObjectMeta};
use grail_verify::{MinerReport, Rejection, Verdict};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// A window file in a folder, with the world it belongs to and what the court must say of it.
///
/// Files: `context.json` ([`WorldSetup`]), `window.json` or `window.parquet`, and `expected.json` ([`ExpectedVerdict`]) for a bad
/// one or `report.json` ([`MinerReport`]) for a good one.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The world.
    pub setup: WorldSetup,
    /// The file's bytes.
    pub body: Vec<u8>,
    /// In which encoding, by the name of the file; the bytes may be anything.
    pub encoding: WindowEncoding,
    /// What the court must say.
    pub expected: ExpectedVerdict,
}

/// What the court must say of a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExpectedVerdict {
    /// This rejection.
    Bad(BadFile),
    /// Exactly this report.
    Good(Box<MinerReport>),
}

/// How a bad file is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadFile {
    /// The code that the sample stands for.
    pub code: String,
    /// Whether the file is refused whole.
    pub whole_file: bool,
    /// Rejected rollouts by code, as in the report's tally.
    pub rejected: BTreeMap<String, u64>,
    /// The first rejection of that code, with what it measured.
    pub first: Rejection,
}

/// Why a folder is not a sample.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// A file could not be read or written.
    #[error("could not reach {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} is not what its name says", path.display())]
    Json {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// Neither a JSON nor a Parquet file is there.
    #[error("{} holds no window file", folder.display())]
    NoWindow {
        /// Where.
        folder: PathBuf,
    },
}

impl BadFile {
    /// The refusal that a report contains, named after `code`.
    ///
    /// # Panics
    /// When the report rejects nothing.
    pub fn of(report: &MinerReport, code: &str) -> Self {
        let (_, first) =
            report.rejections().find(|(_, rejection)| rejection.code() == code).expect("a rejection");
        Self {
            code: code.to_owned(),
            whole_file: matches!(report.file, Verdict::Rejected(_)),
            rejected: report.tally.rejected.clone(),
            first: first.clone(),
        }
    }
}

fn window_name(encoding: WindowEncoding) -> String {
    format!("window.{}", encoding.extension())
}

impl Sample {
    /// The sample's world.
    pub fn world(&self) -> World {
        World::new(self.setup.clone())
    }

    /// The file as a validator finds it.
    pub fn fetched(&self) -> Fetched {
        let meta = ObjectMeta { size: self.body.len() as u64, stored_at: self.setup.stored_at, tag: None };
        Fetched { body: Bytes::from(self.body.clone()), meta }
    }

    /// Reads a sample's folder.
    pub fn read(folder: &Path) -> Result<Self, SampleError> {
        let find = |encoding: &WindowEncoding| folder.join(window_name(*encoding)).is_file();
        let encoding = [WindowEncoding::Json, WindowEncoding::Parquet].into_iter().find(find);
        let encoding = encoding.ok_or_else(|| SampleError::NoWindow { folder: folder.to_owned() })?;
        let good = folder.join("report.json");
        let expected = if good.is_file() { good } else { folder.join("expected.json") };
        Ok(Self {
            setup: read_json(&folder.join("context.json"))?,
            body: read(&folder.join(window_name(encoding)))?,
            encoding,
            expected: read_json(&expected)?,
        })
    }

    /// Writes a sample's folder, making it where it is missing.
    pub fn write(&self, folder: &Path) -> Result<(), SampleError> {
        fs::create_dir_all(folder).map_err(|source| SampleError::Io { path: folder.to_owned(), source })?;
        let expected = match self.expected {
            ExpectedVerdict::Bad(_) => "expected.json",
            ExpectedVerdict::Good(_) => "report.json",
        };
        write_json(&folder.join("context.json"), &self.setup)?;
        write_json(&folder.join(expected), &self.expected)?;
        let path = folder.join(window_name(self.encoding));
        fs::write(&path, &self.body).map_err(|source| SampleError::Io { path, source })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SampleError> {
    fs::read(path).map_err(|source| SampleError::Io { path: path.to_owned(), source })
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, SampleError> {
    serde_json::from_slice(&read(path)?).map_err(|source| SampleError::Json { path: path.to_owned(), source })
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), SampleError> {
    let json = |source| SampleError::Json { path: path.to_owned(), source };
    let mut text = serde_json::to_string_pretty(value).map_err(json)?;
    text.push('\n');
    fs::write(path, text).map_err(|source| SampleError::Io { path: path.to_owned(), source })
}
