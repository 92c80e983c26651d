use crate::Rejection;
use grail_ports::{Door, Fault};
use serde::{Deserialize, Serialize};

/// What the court says of a file, a group or a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was checked holds.
    Accepted,
    /// The miner did something wrong.
    Rejected(Rejection),
    /// The court could not say. Counts neither for nor against anybody.
    Undecided(Doubt),
}

impl Verdict {
    /// The rejection, if it is one.
    pub const fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Accepted | Self::Undecided(_) => None,
        }
    }
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Doubt {
    /// We could not do our work.
    Fault {
        /// The door it came through, as [`Door::name`] spells it.
        door: String,
        /// The sentence with all its causes.
        text: String,
    },
    /// One measurement lies between what honest machines differ by and what proves a lie.
    Inconclusive {
        /// Completion position.
        position: u32,
        /// Margin of the draw, in nats.
        measured: f32,
        /// The soft threshold that it exceeds.
        soft: f32,
        /// The hard threshold that it stays below.
        hard: f32,
    },
    /// So many draws were lost, or by so much, that honest drift of the profile would explain it less than once in a
    /// million rollouts, although no single margin says anything. See [`DrawStatistics`](crate::DrawStatistics).
    Unlikely {
        /// Draws that were lost.
        lost: u64,
        /// Most that honest drift explains on average.
        expected: f64,
        /// Decimal logarithm of the chance, at most.
        log10: f64,
        /// The same of the profile's limit.
        limit_log10: f64,
    },
    /// No model was asked: a verification on paper, or one that was stopped before it came here.
    NotProven,
}

impl Doubt {
    /// Word for logs and metrics: `fault`, `inconclusive`, `unlikely`, `not-proven`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fault { .. } => "fault",
            Self::Inconclusive { .. } => "inconclusive",
            Self::Unlikely { .. } => "unlikely",
            Self::NotProven => "not-proven",
        }
    }
}

impl From<&Fault> for Doubt {
    fn from(fault: &Fault) -> Self {
        Self::Fault { door: fault.door.name().into(), text: fault.chain() }
    }
}

/// A rule of ours that did not hold.
pub(crate) fn inside(doing: impl Into<String>) -> Fault {
    Fault::plain(Door::Inside, grail_ports::Retry::Never, doing)
}
