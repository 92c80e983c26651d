use grail_ports::{Door, Fault, Retry};
use grail_protocol::words::NetworkId;
use std::{io, path::PathBuf};

/// Why a development network cannot be made, opened or used.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// A file or folder operation failed.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was tried, as an infinitive.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is something already where a network was to be made.
    #[error("{} already exists and is not empty; choose another folder or remove it first", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no network.
    #[error("{} is no development network: it has no network.json; `grail devnet init` makes one", path.display())]
    NoNetwork {
        /// The folder.
        path: PathBuf,
    },
    /// `network.json` or a key file does not hold what it should.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with its text.
        source: serde_json::Error,
    },
    /// A file of this name is far too large to be what it claims.
    #[error("{} has more than {most} bytes, which no such file has", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        most: u64,
    },
    /// A file of a newer program.
    #[error("{} has version {found}, this program reads {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u32,
        /// Version that is read.
        expected: u32,
    },
    /// The profile is not one that a development network may have.
    #[error("profile {profile:?} is not one of a development network (dev, dev-fast)")]
    Profile {
        /// The name.
        profile: String,
    },
    /// A beacon that never moves, or whose hash is not its own.
    #[error("{} describes a beacon that is not this network's: {reason}", path.display())]
    Beacon {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: &'static str,
    },
    /// The chain file belongs to another network.
    #[error(
        "{} is the chain of network {found}, this is network {expected}; \
         a chain file is never moved between networks",
        path.display()
    )]
    OtherNetwork {
        /// The chain file.
        path: PathBuf,
        /// Network stored inside.
        found: String,
        /// Network that was opened.
        expected: NetworkId,
    },
    /// The file is a database, but not a chain of ours.
    #[error("{} is no chain of a development network", path.display())]
    NotAChain {
        /// The file.
        path: PathBuf,
    },
    /// SQLite failed.
    #[error("cannot {doing} {}", path.display())]
    Database {
        /// What was tried, as an infinitive.
        doing: &'static str,
        /// The chain file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A key file is unusable.
    #[error(transparent)]
    Key(#[from] crate::keys::KeyError),
    /// A founder that the chain's rules do not admit.
    #[error("the chain refuses a founder")]
    Refused(#[source] crate::rules::DevnetRefusal),
    /// The system gives no randomness.
    #[error("the system gives no random bytes")]
    Entropy(#[source] getrandom::Error),
    /// A worker thread did not finish.
    #[error("the chain's worker was stopped before it finished")]
    Stopped,
}

impl DevnetError {
    /// Whether the same call may succeed later: a locked or full file, a stopped worker.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Database { source, .. } => match source.sqlite_error_code() {
                Some(
                    rusqlite::ErrorCode::DatabaseBusy
                    | rusqlite::ErrorCode::DatabaseLocked
                    | rusqlite::ErrorCode::DiskFull
                    | rusqlite::ErrorCode::SystemIoFailure,
                ) => Retry::Later,
                _ => Retry::Never,
            },
            Self::Stopped => Retry::Later,
            Self::File { .. }
            | Self::Occupied { .. }
            | Self::NoNetwork { .. }
            | Self::Damaged { .. }
            | Self::TooLarge { .. }
            | Self::Version { .. }
            | Self::Profile { .. }
            | Self::Beacon { .. }
            | Self::OtherNetwork { .. }
            | Self::NotAChain { .. }
            | Self::Key(_)
            | Self::Refused(_)
            | Self::Entropy(_) => Retry::Never,
        }
    }

    /// As a fault of the chain's door.
    pub(crate) fn into_fault(self, doing: impl Into<String>) -> Fault {
        Fault::new(Door::Chain, self.retry(), doing, self)
    }
}
