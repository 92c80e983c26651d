use super::{BUNDLE_BYTES, BUNDLE_VERSION, Bundle, BundleError, BundleHead, MOST_BYTES};
use grail_protocol::sign::{self, Signature};
use std::io::Read as _;

const MAGIC: &[u8; 13] = b"grail bundle\n";
const SIGNATURE_BYTES: usize = 64;
/// zstd's level: window files are compressed already, verdicts shrink well at any.
const LEVEL: i32 = 3;
/// Largest window of a frame, as a power of two: 8 MiB, which no level below the highest exceeds.
const WINDOW_LOG: u32 = 23;

impl Bundle {
    /// The bytes of a signed bundle.
    ///
    /// Errors: [`BundleError::Unsigned`]; [`BundleError::TooLarge`] for a part beyond its bound.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        let signature = self.signature.as_ref().ok_or(BundleError::Unsigned)?;
        let head = self.head_bytes()?;
        let parts = [&head, &self.manifest, self.profile.as_bytes(), &self.verdict, &self.file];
        let mut raw = Vec::new();
        for (part, (what, most)) in parts.iter().zip(MOST_BYTES) {
            within(what, part.len() as u64, most)?;
            raw.extend_from_slice(&(part.len() as u64).to_le_bytes());
            raw.extend_from_slice(part);
        }
        raw.extend_from_slice(signature.as_bytes());
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&BUNDLE_VERSION.to_le_bytes());
        bytes.extend_from_slice(&(raw.len() as u64).to_le_bytes());
        let frame = zstd::bulk::compress(&raw, LEVEL)
            .map_err(|error| BundleError::Malformed { detail: format!("compress: {error}") })?;
        bytes.extend_from_slice(&frame);
        Ok(bytes)
    }

    /// Reads a bundle and checks its signature, within the bounds whatever the bytes declare.
    ///
    /// Errors, each by name: [`BundleError::TooLarge`], [`BundleError::Malformed`], [`BundleError::UnknownVersion`],
    /// [`BundleError::NotCanonical`], [`BundleError::BadSignature`].
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        within("file", bytes.len() as u64, BUNDLE_BYTES)?;
        let raw = unpack(bytes)?;
        let mut rest = raw.as_slice();
        let mut parts = MOST_BYTES.map(|_| &[][..]);
        for (part, (what, most)) in parts.iter_mut().zip(MOST_BYTES) {
            let length = take(&mut rest, 8).and_then(number).ok_or_else(|| cut_off(what))?;
            within(what, length, most)?;
            let length = usize::try_from(length).map_err(|_| cut_off(what))?;
            *part = take(&mut rest, length).ok_or_else(|| cut_off(what))?;
        }
        let [head, manifest, profile, verdict, file] = parts;
        let signature: [u8; SIGNATURE_BYTES] = rest
            .try_into()
            .map_err(|_| malformed(format!("{} bytes stand where a signature of 64 belongs", rest.len())))?;
        let bundle = Self {
            head: read_head(head)?,
            manifest: manifest.to_vec(),
            profile: String::from_utf8(profile.to_vec()).map_err(|_| malformed("the profile is no text"))?,
            verdict: verdict.to_vec(),
            file: file.to_vec(),
            signature: Some(Signature::from_bytes(signature)),
        };
        let (validator, statement) = (bundle.head.validator, bundle.statement()?);
        if !sign::verify(&validator, &statement.digest(), &Signature::from_bytes(signature)) {
            return Err(BundleError::BadSignature { validator });
        }
        Ok(bundle)
    }
}

fn read_head(bytes: &[u8]) -> Result<BundleHead, BundleError> {
    let head: BundleHead =
        serde_json::from_slice(bytes).map_err(|error| malformed(format!("read the head: {error}")))?;
    let again = serde_json::to_vec(&head).map_err(|error| malformed(format!("encode the head: {error}")))?;
    if again == bytes { Ok(head) } else { Err(BundleError::NotCanonical) }
}

/// The raw parts of a bundle.
fn unpack(bytes: &[u8]) -> Result<Vec<u8>, BundleError> {
    let mut rest = bytes;
    if take(&mut rest, MAGIC.len()) != Some(MAGIC) {
        return Err(malformed("it does not begin with \"grail bundle\""));
    }
    let version = take(&mut rest, 2).and_then(|bytes| Some(u16::from_le_bytes(bytes.try_into().ok()?)));
    match version {
        Some(BUNDLE_VERSION) => {}
        Some(got) => return Err(BundleError::UnknownVersion { got }),
        None => return Err(cut_off("version")),
    }
    let raw = take(&mut rest, 8).and_then(number).ok_or_else(|| cut_off("length"))?;
    let headers = 8 * MOST_BYTES.len() as u64 + SIGNATURE_BYTES as u64;
    within("content", raw, MOST_BYTES.iter().map(|(_, most)| most).sum::<u64>() + headers)?;
    let frame = |error: std::io::Error| malformed(format!("unpack: {error}"));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(&mut rest).map_err(frame)?.single_frame();
    decoder.window_log_max(WINDOW_LOG).map_err(frame)?;
    // The buffer grows with what comes out, so a length that lies costs nothing.
    let mut content = Vec::new();
    decoder.by_ref().take(raw.saturating_add(1)).read_to_end(&mut content).map_err(frame)?;
    drop(decoder);
    if content.len() as u64 != raw {
        let found = content.len();
        return Err(malformed(format!("{raw} bytes are declared, {found} or more come out")));
    }
    if !rest.is_empty() {
        return Err(malformed(format!("{} bytes follow its end", rest.len())));
    }
    Ok(content)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(front)
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn within(what: &'static str, got: u64, most: u64) -> Result<(), BundleError> {
    if got > most { Err(BundleError::TooLarge { what, got, most }) } else { Ok(()) }
}

fn malformed(detail: impl Into<String>) -> BundleError {
    BundleError::Malformed { detail: detail.into() }
}

fn cut_off(what: &str) -> BundleError {
    malformed(format!("it is cut off in its {what}"))
}
