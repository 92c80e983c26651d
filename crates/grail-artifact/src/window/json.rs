use super::{DecodeError, WindowCodec, WindowFile};
use crate::{keys::WindowEncoding, limits::Limits};

/// Window files as one JSON object; the names of its fields are those of [`WindowFile`].
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonCodec;

impl WindowCodec for JsonCodec {
    fn encoding(&self) -> WindowEncoding {
        WindowEncoding::Json
    }

    fn encode(&self, file: &WindowFile) -> Result<Vec<u8>, String> {
        if let Some(record) = file.rollouts.iter().find(|record| !record.reward.is_finite()) {
            // JSON has no spelling for them; serde_json would write null.
            return Err(format!("the reward of group {} is not finite", record.group));
        }
        serde_json::to_vec(file).map_err(|error| error.to_string())
    }

    fn decode(&self, bytes: &[u8], limits: &Limits) -> Result<WindowFile, DecodeError> {
        // The parsed form of a JSON text of n bytes takes a small multiple of n, and n is bounded here.
        super::check_size("file", bytes.len() as u64, limits.file_bytes)?;
        let file: WindowFile = serde_json::from_slice(bytes)
            .map_err(|error| DecodeError::Malformed { detail: error.to_string() })?;
        super::check_limits(&file, limits)?;
        Ok(file)
    }
}
