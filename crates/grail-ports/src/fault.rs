use std::{error::Error, fmt, sync::Arc};

/// Which door a fault came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Door {
    /// The blockchain.
    Chain,
    /// The randomness beacon.
    Beacon,
    /// Object storage.
    Shelf,
    /// Tokenizer and chat template.
    Tokenizer,
    /// Model, device or memory.
    Model,
    /// Our own files on this machine.
    Disk,
    /// A rule of ours that did not hold; a bug.
    Inside,
}

impl Door {
    /// Every door.
    pub const ALL: [Self; 7] =
        [Self::Chain, Self::Beacon, Self::Shelf, Self::Tokenizer, Self::Model, Self::Disk, Self::Inside];

    /// What a role waits for that finds the door shut, for people.
    pub const fn awaited(self) -> &'static str {
        match self {
            Self::Chain => "the chain",
            Self::Beacon => "the randomness beacon",
            Self::Shelf => "the object store",
            Self::Tokenizer => "the tokenizer",
            Self::Model => "the model",
            Self::Disk => "the disk",
            Self::Inside => "our own work",
        }
    }

    /// Word for logs, metrics and the doubts of a verdict; stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Beacon => "beacon",
            Self::Shelf => "shelf",
            Self::Tokenizer => "tokenizer",
            Self::Model => "model",
            Self::Disk => "disk",
            Self::Inside => "inside",
        }
    }
}

/// Whether doing it again may help: the one class by which every edge tells a loop what to do.
///
/// A third case is no fault at all: something that is not there (`Ok(None)`). `grail-roles::patience` decides by the
/// class what is waited out and what ends a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It may pass: time-outs, throttling, a lost connection, a full disk, a clock that was off once.
    Later,
    /// It will not pass by waiting: configuration, permission, a corrupt file, a bug.
    Never,
}

/// We could not do our work. Never a miner's fault, never lowers anybody's score.
///
/// Prints what was being done; the cause is its source.
#[derive(Clone)]
pub struct Fault {
    /// The door through which it came.
    pub door: Door,
    /// What was being done, with the names of the things involved.
    pub doing: String,
    /// Whether doing it again may help.
    pub retry: Retry,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault with its cause.
    pub fn new(
        door: Door,
        retry: Retry,
        doing: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { door, retry, doing: doing.into(), source: Some(Arc::from(source.into())) }
    }

    /// A fault whose sentence says everything.
    pub fn plain(door: Door, retry: Retry, doing: impl Into<String>) -> Self {
        Self { door, retry, doing: doing.into(), source: None }
    }

    /// The same fault, said to be of another class by somebody who knows more.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The sentence and all causes, joined with colons; for one log line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({}, {:?}, {})", self.door.name(), self.retry, self.chain())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_printed_once() {
        let cause = std::io::Error::other("disk full");
        let fault = Fault::new(Door::Disk, Retry::Never, "write the journal", cause);
        assert_eq!(fault.to_string(), "write the journal");
        assert_eq!(fault.chain(), "write the journal: disk full");
    }
}
