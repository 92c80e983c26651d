use std::{fmt, io, path::PathBuf};

/// Where a value or a name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuePlace {
    /// A line of a file.
    Line {
        /// The file.
        path: PathBuf,
        /// Line from 1.
        line: usize,
    },
    /// A variable of the process.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for ValuePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A name that nobody reads.
    #[error("{place}: nobody reads {name:?}{}", nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default())]
    Unknown {
        /// Where it stands.
        place: ValuePlace,
        /// The name.
        name: String,
        /// The most similar name that somebody reads.
        nearest: Option<&'static str>,
    },
    /// A value that the setting cannot have.
    #[error("{place}: {name} cannot be {value}: {reason}")]
    Value {
        /// Where it stands.
        place: ValuePlace,
        /// The setting's name there.
        name: &'static str,
        /// The value as it may be shown.
        value: String,
        /// Why not.
        reason: String,
    },
    /// Text that is no TOML, or no list of variables.
    #[error("{place}: {reason}")]
    Syntax {
        /// Where.
        place: ValuePlace,
        /// What is wrong there.
        reason: String,
    },
    /// The same name twice in one file.
    #[error("{place}: {name} stands in line {first} already; keep one of the two")]
    Twice {
        /// Where the second stands.
        place: ValuePlace,
        /// The name.
        name: &'static str,
        /// Line of the first.
        first: usize,
    },
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file larger than any configuration.
    #[error("{} has more than {most} bytes and cannot be a configuration; name another file", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Most bytes.
        most: u64,
    },
}

/// Everything that is wrong with a configuration: each fault on a line of its own, so that one look mends all.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
            if let Some(cause) = std::error::Error::source(error) {
                write!(f, ": {cause}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
