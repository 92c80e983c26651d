use grail_artifact::{
    checkpoint::CheckpointPlace,
    delta::DeltaError,
    manifest::ManifestError,
    tensors::{TensorError, TensorRoot},
};
use grail_ports::Fault;
use grail_protocol::words::{CheckpointId, WindowStart};
use std::collections::BTreeSet;

/// Why a checkpoint on the shelf is not followed. Whoever wrote it is at fault; the one in use stays.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointRefusal {
    /// Nothing is there.
    #[error("nothing lies there")]
    Absent,
    /// No marker yet: its upload is under way, or was given up.
    #[error("it is not marked ready")]
    NotReady,
    /// The manifest is not the trainer's, is old, or makes no sense.
    #[error("its manifest is refused")]
    Manifest {
        /// Why.
        #[from]
        source: ManifestError,
    },
    /// The manifest belongs to another window.
    #[error("its manifest is that of window {says}")]
    WrongPlace {
        /// Which window the manifest speaks of.
        says: WindowStart,
    },
    /// The marker was written for another manifest.
    #[error("its marker was not written for its manifest")]
    ForeignMarker,
    /// Marked ready, and files are absent or of a wrong size.
    #[error("it is marked ready, but these files are absent or of a wrong size: {files:?}")]
    Broken {
        /// Which.
        files: BTreeSet<String>,
    },
    /// More than this consumer is willing to take.
    #[error("it has {got} bytes, at most {most} are taken")]
    TooLarge {
        /// Bytes of all files, and of deltas on the way.
        got: u64,
        /// The limit.
        most: u64,
    },
    /// A file went away while it was read.
    #[error("its file {file} is gone")]
    Gone {
        /// The file.
        file: String,
    },
    /// A file has another size than the manifest says.
    #[error("its file {file} has {got} bytes, the manifest says {want}")]
    Size {
        /// The file.
        file: String,
        /// Its size.
        got: u64,
        /// The manifest's.
        want: u64,
    },
    /// A file has another digest than the manifest says.
    #[error("its file {file} has the digest {got}, the manifest says {want}")]
    Digest {
        /// The file.
        file: String,
        /// SHA-256 of what came.
        got: String,
        /// The manifest's.
        want: String,
    },
    /// A file that the manifest does not know would change what the checkpoint is.
    #[error("its folder holds {file}, which is not in the manifest")]
    Stray {
        /// The file.
        file: String,
    },
    /// A delta cannot be applied.
    #[error("its delta {file} cannot be applied")]
    Delta {
        /// The delta.
        file: String,
        /// Why.
        source: DeltaError,
    },
    /// A file of weights cannot be read as one.
    #[error("its weights cannot be read")]
    Tensors {
        /// Why.
        source: TensorError,
    },
    /// The weights have another root than the manifest says.
    #[error("its weights have the root {got}, the manifest says {want}")]
    Root {
        /// What came out.
        got: TensorRoot,
        /// The manifest's.
        want: TensorRoot,
    },
    /// The base is not on the shelf, nor here.
    #[error("its base, the checkpoint of window {window}, is neither here nor on the shelf")]
    NoBase {
        /// The base's window.
        window: WindowStart,
    },
    /// What lies where the base should is another checkpoint.
    #[error("its base is {want}, but window {window} holds {got}")]
    WrongBase {
        /// The base's window.
        window: WindowStart,
        /// What the manifest names.
        want: CheckpointId,
        /// What is there.
        got: CheckpointId,
    },
    /// The base cannot be had.
    #[error("its base, the checkpoint of window {window}, is refused")]
    Base {
        /// The base's window.
        window: WindowStart,
        /// Why.
        source: Box<CheckpointRefusal>,
    },
    /// More deltas in a row than this consumer follows.
    #[error("it is more than {most} deltas away from a whole checkpoint")]
    ChainTooLong {
        /// The limit.
        most: usize,
    },
}

/// Why a checkpoint was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Another checkpoint is ready at this place; consumers may be reading it.
    #[error("{place} already holds the checkpoint {holds}; a published checkpoint is never replaced")]
    Taken {
        /// Where.
        place: CheckpointPlace,
        /// Text of the marker there.
        holds: String,
    },
    /// The manifest would be refused by every consumer.
    #[error("the manifest would be refused by those who read it")]
    Manifest {
        /// Why.
        #[from]
        source: ManifestError,
    },
    /// A local file is not what the manifest says.
    #[error("the local file {file} has {got} bytes, the manifest says {want}")]
    Size {
        /// The file.
        file: String,
        /// Its size.
        got: u64,
        /// The manifest's.
        want: u64,
    },
    /// After the upload, the shelf does not hold what was sent.
    #[error("after the upload the shelf lacks, or has in another size: {files:?}")]
    Incomplete {
        /// What.
        files: BTreeSet<String>,
    },
    /// The store or the disk failed; a retry begins again and is accepted by consumers.
    #[error("the checkpoint could not be sent")]
    Fault {
        /// What failed.
        #[from]
        source: Fault,
    },
}

/// Why an attempt ended: theirs or ours.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(CheckpointRefusal),
    Fault(Fault),
}

impl From<CheckpointRefusal> for Stop {
    fn from(refusal: CheckpointRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ManifestError> for Stop {
    fn from(source: ManifestError) -> Self {
        Self::Refused(CheckpointRefusal::Manifest { source })
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
