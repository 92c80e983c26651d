use grail_ports::Retry;
use grail_protocol::beacon::BeaconError;
use std::{error::Error, fmt};

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An empty list.
    #[error("no beacon relay is named; name at least one address")]
    NoRelays,
    /// An address that cannot work.
    #[error("the beacon relay {relay:?} is not an http or https address")]
    Address {
        /// What was given.
        relay: String,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
}

/// What is wrong with one relay.
#[derive(Debug, thiserror::Error)]
pub enum RelayTrouble {
    /// No connection, or one that broke.
    #[error("cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// No complete answer in time.
    #[error("hangs: no complete answer within {deadline_ms} ms")]
    Hangs {
        /// The deadline in milliseconds.
        deadline_ms: u64,
    },
    /// An answer that says it failed.
    #[error("answers with status {status}")]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// An answer far longer than a round.
    #[error("sends more than {most} bytes for a round")]
    TooLong {
        /// Most bytes that are read.
        most: usize,
    },
    /// An answer that is no round.
    #[error("sends something that is not a round")]
    Unreadable(#[source] serde_json::Error),
    /// A round, but another one.
    #[error("lies: asked for round {asked}, it sends round {got}")]
    OtherRound {
        /// Round asked for.
        asked: u64,
        /// Round in the answer.
        got: u64,
    },
    /// The signature does not verify.
    #[error("lies: the signature does not verify")]
    Forged(#[source] BeaconError),
    /// It serves another beacon network.
    #[error("does not serve this beacon chain{}", serves.as_ref().map(|hash| format!(", but {hash}")).unwrap_or_default())]
    OtherChain {
        /// Hash of the chain that it says it serves.
        serves: Option<String>,
    },
    /// It says that the round is not published, long after it must have been.
    #[error("lags: it does not have the round {overdue_ms} ms after its time")]
    Lags {
        /// Milliseconds since the round's time.
        overdue_ms: u64,
    },
}

impl RelayTrouble {
    /// Whether asking again may help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable(_)
            | Self::Hangs { .. }
            | Self::Status { .. }
            | Self::TooLong { .. }
            | Self::Unreadable(_)
            | Self::OtherRound { .. }
            | Self::Forged(_)
            | Self::Lags { .. } => Retry::Later,
            Self::OtherChain { .. } => Retry::Never,
        }
    }

    /// Whether somebody should look at this relay even when another one answered.
    pub(crate) fn is_suspicious(&self) -> bool {
        matches!(self, Self::OtherRound { .. } | Self::Forged(_) | Self::OtherChain { .. })
    }
}

/// No relay gave the round.
#[derive(Debug)]
pub struct RelaysFailed {
    /// The round asked for.
    pub round: u64,
    /// Each relay with what is wrong with it, in the order they were named.
    pub troubles: Vec<(String, RelayTrouble)>,
}

impl RelaysFailed {
    /// Later, unless every relay serves another chain.
    pub fn retry(&self) -> Retry {
        let hopeless = self.troubles.iter().all(|(_, trouble)| trouble.retry() == Retry::Never);
        if hopeless { Retry::Never } else { Retry::Later }
    }
}

impl fmt::Display for RelaysFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "none of {} relays gave round {}", self.troubles.len(), self.round)?;
        for (i, (relay, trouble)) in self.troubles.iter().enumerate() {
            write!(f, "{} {relay} {trouble}", if i == 0 { ":" } else { ";" })?;
            if let Some(cause) = trouble.source() {
                write!(f, " ({cause})")?;
            }
        }
        Ok(())
    }
}

impl Error for RelaysFailed {}
