use crate::Rejection;
use bytes::Bytes;
use grail_artifact::{
    limits::Limits,
    window::{WindowCodec, WindowFile, check_limits, check_size},
};
use grail_ports::shelf::{Fetched, ObjectMeta};
use grail_protocol::words::UnixMillis;

/// Bytes that were on the shelf in time.
#[derive(Debug, Clone)]
pub struct Arrived {
    body: Bytes,
}

/// A record of claims. Nothing in it is known to be true.
#[derive(Debug, Clone)]
pub struct Decoded {
    file: WindowFile,
}

/// Refuses a file that the store wrote after `deadline`.
///
/// Errors: [`Rejection::LateUpload`].
pub fn arrive(fetched: Fetched, deadline: UnixMillis) -> Result<Arrived, Rejection> {
    let stored_at = fetched.meta.stored_at;
    if stored_at > deadline {
        return Err(Rejection::LateUpload { stored_at, deadline, late_by_ms: stored_at.since(deadline) });
    }
    Ok(Arrived { body: fetched.body })
}

/// The rejection of an object that was not even read because its store says it is larger than the limit.
pub fn oversize(meta: &ObjectMeta, limits: &Limits) -> Rejection {
    Rejection::FileTooLarge { what: "the stored object".into(), got: meta.size, most: limits.file_bytes }
}

impl Arrived {
    /// Reads the bytes, within the limits whatever they declare.
    ///
    /// Errors: [`Rejection::FileTooLarge`], [`Rejection::FileMalformed`], [`Rejection::FieldInvalid`].
    pub fn decode(self, codec: &dyn WindowCodec, limits: &Limits) -> Result<Decoded, Rejection> {
        check_size("the stored object", self.body.len() as u64, limits.file_bytes)?;
        let file = codec.decode(&self.body, limits)?;
        // Codecs promise this; it costs nothing to hold them to it.
        check_limits(&file, limits)?;
        Ok(Decoded { file })
    }
}

impl Decoded {
    /// The claims, to look at.
    pub const fn claims(&self) -> &WindowFile {
        &self.file
    }

    pub(super) fn into_claims(self) -> WindowFile {
        self.file
    }
}
