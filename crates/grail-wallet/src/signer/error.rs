use grail_protocol::words::Hotkey;
use std::{fmt, io, path::PathBuf};

/// Why a signer refuses a request. The text form goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerRefusal {
    /// The request is not of the documented form.
    Malformed,
    /// The request is of another version.
    Version,
    /// The request is of a kind that does not exist.
    UnknownKind,
    /// Something in the request is above its bound.
    TooLarge,
    /// The request did not arrive whole in time.
    TooSlow,
    /// The label is not one of GRAIL's signed ones, or not one of this signer's.
    LabelNotAllowed,
    /// The fields are not those that the label has.
    LabelShape,
    /// The statement names another hotkey as its signer.
    OtherHotkey,
    /// The call is not on this signer's list.
    CallNotAllowed,
    /// The call's bytes do not begin as this signer's list says.
    CallPrefix,
    /// The parts are too short for the payload of an extrinsic.
    ShortPayload,
    /// The payload is for a chain with another genesis.
    OtherChain,
    /// The process that asks belongs to another user.
    OtherUser,
    /// As many requests as allowed are being served.
    Busy,
    /// The signer itself stumbled.
    Inside,
}

impl SignerRefusal {
    /// Every one, in the order of their declaration.
    pub const ALL: [Self; 15] = [
        Self::Malformed,
        Self::Version,
        Self::UnknownKind,
        Self::TooLarge,
        Self::TooSlow,
        Self::LabelNotAllowed,
        Self::LabelShape,
        Self::OtherHotkey,
        Self::CallNotAllowed,
        Self::CallPrefix,
        Self::ShortPayload,
        Self::OtherChain,
        Self::OtherUser,
        Self::Busy,
        Self::Inside,
    ];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::UnknownKind => "unknown-kind",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::LabelNotAllowed => "label-not-allowed",
            Self::LabelShape => "shape",
            Self::OtherHotkey => "other-hotkey",
            Self::CallNotAllowed => "call-not-allowed",
            Self::CallPrefix => "call-prefix",
            Self::ShortPayload => "short-payload",
            Self::OtherChain => "other-chain",
            Self::OtherUser => "other-user",
            Self::Busy => "busy",
            Self::Inside => "inside",
        }
    }

    /// The refusal of a name on the wire.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.name() == name)
    }

    /// Whether the same request may be granted later.
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::Busy | Self::TooSlow | Self::Inside)
    }
}

impl fmt::Display for SignerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why there is no signature, or no signer.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// Nobody answers at the socket.
    #[error("no signer answers at {}; start one with `grail signer --socket {}`", path.display(), path.display())]
    NotThere {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The conversation broke off.
    #[error("lost the signer at {} while trying to {doing}", path.display())]
    Lost {
        /// The socket.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The signer said no.
    #[error("the signer at {} refuses ({refusal}): {detail}", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// Why.
        refusal: SignerRefusal,
        /// In its words.
        detail: String,
    },
    /// The answer is not of the documented form.
    #[error("the signer at {} answers {detail}; is it of another version?", path.display())]
    Answer {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The signer holds another key than before.
    #[error("the signature from {} is not one of {hotkey}; was the signer started with another key?", path.display())]
    WrongKey {
        /// The socket.
        path: PathBuf,
        /// The key that it said it holds.
        hotkey: Hotkey,
    },
    /// The socket belongs to somebody else.
    #[error("the signer at {} belongs to user {uid}, not to user {own}", path.display())]
    OtherOwner {
        /// The socket.
        path: PathBuf,
        /// Its user.
        uid: u32,
        /// Ours.
        own: u32,
    },
    /// The request is larger than a signer reads.
    #[error("{what} has {got} bytes, a signer takes at most {most}")]
    RequestTooLarge {
        /// What is too large.
        what: &'static str,
        /// Its bytes.
        got: usize,
        /// The bound.
        most: usize,
    },
    /// The folder of the socket lets others in.
    #[error("{} must be a folder of user {own} with mode 700, it has mode {mode:o} and belongs to user {uid}; `mkdir -m 700` makes one", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Its user.
        uid: u32,
        /// Ours.
        own: u32,
    },
    /// Another signer listens there.
    #[error("a signer already listens at {}; stop it, or use another --socket", path.display())]
    Running {
        /// The socket.
        path: PathBuf,
    },
    /// A file that is no socket.
    #[error("{} exists and is no socket; move it away, or use another --socket", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot {doing} {}", path.display())]
    Bind {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The operating system gave no entropy.
    #[error("the operating system gave no randomness for a signature")]
    Entropy(#[source] io::Error),
}

impl SignerError {
    /// Whether doing it again may help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NotThere { .. } | Self::Lost { .. } | Self::Entropy(_) => true,
            Self::Refused { refusal, .. } => refusal.may_pass(),
            Self::Answer { .. }
            | Self::WrongKey { .. }
            | Self::OtherOwner { .. }
            | Self::RequestTooLarge { .. }
            | Self::Folder { .. }
            | Self::Running { .. }
            | Self::InTheWay { .. }
            | Self::Bind { .. } => false,
        }
    }
}
