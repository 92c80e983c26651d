//! Checkpoints between a shelf and this machine, and what lies here of them: the whole of their way.
//!
//! | step | what |
//! |---|---|
//! | [`describe`] | the manifest of a model's folder |
//! | [`check`] | a folder against its manifest: one way for every role and tool |
//! | [`StorePress`] | a trainer's weights become a signed checkpoint, with its deltas |
//! | [`Publisher`] | sends files, then the manifest, then the marker; forgets old ones |
//! | [`Consumer`] | reads the signed manifest first, fetches or makes every file beside the checkpoint in use, and renames the finished folder into place |
//! | [`Cache`] | the finished folders of this machine |
//! | [`Follower`] | the checkpoint of a moment, as a role asks for it |
//! | [`Audit`] | looks at what lies on a shelf, and takes nothing |
//!
//! Whatever goes wrong before a folder has its name leaves the checkpoint in use as it was.

mod audit;
mod cache;
mod check;
mod consume;
mod describe;
mod download;
mod error;
mod files;
mod follow;
mod manifest;
mod paper;
mod press;
mod publish;

pub use audit::{Audit, Looked};
pub use cache::Cache;
pub use check::{check, check_published, outline, require, sentence};
pub use consume::{Consumer, ConsumerLimits, Followed};
pub use describe::{Terms, describe};
pub use download::{DownloadProgress, Tell};
pub use error::{CheckpointRefusal, PublishError};
pub use files::{make_deltas, tensor_root};
pub use follow::{Follower, Watch};
pub use grail_ports::follow::Found;
pub use paper::ManifestFollower;
pub use press::{PressSettings, StorePress};
pub use publish::{Outgoing, Published, Publisher};
