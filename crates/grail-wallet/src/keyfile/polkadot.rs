//! Accounts as polkadot-js exports them, version 3.
//!
//! ```text
//! { "encoded": base64, "encoding": { "content": ["pkcs8", "sr25519"], "type": ["scrypt", "xsalsa20-poly1305"], "version": "3" },
//!   "address": "5…", "meta": … }
//! sealed    salt 32 ‖ N u32 ‖ p u32 ‖ r u32 ‖ nonce 24 ‖ secretbox;  key = scrypt(password, salt, N, r, p), 64 bytes, the first 32
//! content   header 16 ‖ secret 64 in the form of Ed25519 libraries, or seed 32 ‖ divider 5 ‖ public key 32
//! ```
//!
//! With the type `none` the content stands in `encoded` as it is. What comes out is the JSON of Bittensor's key files, so
//! that every check of those holds for it.

use super::OpenError;
use base64::Engine as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305, aead::Aead as _};
use grail_protocol::words::Hotkey;
use serde::Deserialize;
use zeroize::Zeroizing;

const HEADER: [u8; 16] = [48, 83, 2, 1, 1, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
const DIVIDER: [u8; 5] = [161, 35, 3, 33, 0];
/// polkadot-js writes 2¹⁷ and reads no more; with r = 8 that takes 128 MiB.
const MOST_LOG_N: u32 = 17;
const MOST_R: u32 = 8;
const MOST_P: u32 = 10;

#[derive(Deserialize)]
struct Export {
    encoded: Zeroizing<String>,
    encoding: Encoding,
    address: Option<String>,
}

#[derive(Deserialize)]
struct Encoding {
    content: Words,
    r#type: Words,
    version: String,
}

/// One word or several: older versions wrote one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    fn all(&self) -> Vec<&str> {
        match self {
            Self::One(word) => vec![word],
            Self::Many(words) => words.iter().map(String::as_str).collect(),
        }
    }
}

fn export(bytes: &[u8]) -> Option<Export> {
    serde_json::from_slice(bytes).ok()
}

/// Whether this is an export at all.
pub(super) fn is_export(bytes: &[u8]) -> bool {
    export(bytes).is_some()
}

/// Whether this is an export with a password.
pub(super) fn is_sealed(bytes: &[u8]) -> bool {
    export(bytes).is_some_and(|export| export.encoding.r#type.all() != ["none"])
}

/// The key that an export names openly, where its address is one of this network.
pub(crate) fn stated(bytes: &[u8]) -> Option<Hotkey> {
    export(bytes)?.address?.parse().ok()
}

/// The number of a kind of key, as Bittensor's tools have it.
fn kind(content: &[&str]) -> Option<u64> {
    match content {
        ["pkcs8", "ed25519"] => Some(0),
        ["pkcs8", "sr25519"] => Some(1),
        ["pkcs8", "ecdsa" | "ethereum"] => Some(2),
        _ => None,
    }
}

/// Opens an export: the JSON of a key file of Bittensor's.
pub(super) fn converted(bytes: &[u8], password: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let damaged = |detail| move || OpenError::Damaged(detail);
    let export = export(bytes).ok_or_else(damaged("it is not of the form of an export of polkadot-js"))?;
    if export.encoding.version != "3" {
        return Err(OpenError::Damaged("it is an export of polkadot-js of another version than 3"));
    }
    let kind = kind(&export.encoding.content.all())
        .ok_or_else(damaged("it is an export of polkadot-js with a content that is not known"))?;
    if kind != 1 {
        // Refused for its kind before a password is tried.
        return Ok(Zeroizing::new(format!("{{\"cryptoType\":{kind}}}").into_bytes()));
    }
    let raw = base64::engine::general_purpose::STANDARD.decode(export.encoded.trim());
    let raw = Zeroizing::new(raw.map_err(|_| OpenError::Damaged("it is not base64"))?);
    let content = match (export.encoding.r#type.all().as_slice(), password) {
        (["none"], _) => raw,
        (["scrypt", "xsalsa20-poly1305"], Some(password)) => open(&raw, password)?,
        (["scrypt", "xsalsa20-poly1305"], None) => return Err(OpenError::WrongPassword),
        _ => return Err(OpenError::Damaged("it is sealed otherwise than with scrypt and secretbox")),
    };
    let unlike = damaged("what it holds is not of the form of a key");
    let rest = content.strip_prefix(&HEADER).ok_or_else(unlike)?;
    let (rest, public) = rest.split_last_chunk::<32>().ok_or_else(unlike)?;
    let secret = rest.strip_suffix(&DIVIDER).ok_or_else(unlike)?;
    let field = match secret.len() {
        64 => "privateKey",
        32 => "secretSeed",
        _ => return Err(unlike()),
    };
    let secret = Zeroizing::new(hex::encode(secret));
    let json = format!("{{\"{field}\":\"0x{}\",\"publicKey\":\"0x{}\"}}", *secret, hex::encode(public));
    Ok(Zeroizing::new(json.into_bytes()))
}

fn open(raw: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    const CUT: OpenError = OpenError::Damaged("it is cut off");
    let (salt, rest) = raw.split_first_chunk::<32>().ok_or(CUT)?;
    let (numbers, rest) = rest.split_first_chunk::<12>().ok_or(CUT)?;
    let (nonce, boxed) = rest.split_first_chunk::<24>().ok_or(CUT)?;
    let [n, p, r] = [0, 4, 8].map(|at| {
        let bytes = numbers.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_le_bytes(bytes.unwrap_or_default())
    });
    // A stranger's numbers: they say how much memory and time the key takes.
    let log_n =
        n.checked_ilog2().filter(|_| n.is_power_of_two()).filter(|log| (1..=MOST_LOG_N).contains(log));
    let (Some(log_n), 1..=MOST_R, 1..=MOST_P) = (log_n, r, p) else {
        return Err(OpenError::Damaged("its numbers for scrypt are out of bounds"));
    };
    let bad = |_| OpenError::Damaged("its numbers for scrypt are out of bounds");
    let params = scrypt::Params::new(log_n as u8, r, p, 64).map_err(bad)?;
    let mut derived = Zeroizing::new([0; 64]);
    scrypt::scrypt(password, salt, &params, derived.as_mut())
        .map_err(|_| OpenError::Damaged("no key can be derived from this password"))?;
    let (key, _) = derived.split_first_chunk::<32>().ok_or(CUT)?;
    let cipher = XSalsa20Poly1305::new(key.into());
    let opened = cipher.decrypt(nonce.into(), boxed).map_err(|_| OpenError::WrongPassword)?;
    Ok(Zeroizing::new(opened))
}
