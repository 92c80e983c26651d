//! The JSON of a key file.

use super::{OpenError, polkadot};
use crate::{
    Contradiction, WalletError,
    secret::{NewWords, Seed},
};
use grail_protocol::{sign::HotkeyPair, words::Hotkey};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::Zeroizing;

/// sr25519, in the numbering of Bittensor's tools.
const SR25519: u64 = 1;

/// The fields as they stand. Others are somebody's addition and say nothing about the key.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_phrase: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_seed: Option<Zeroizing<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ss58_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crypto_type: Option<u64>,
}

/// What a key file says, checked for contradictions.
pub(crate) struct Content {
    /// Which key.
    pub(crate) hotkey: Hotkey,
    /// With its secret, where the file holds one.
    pub(crate) pair: Option<HotkeyPair>,
}

impl Content {
    /// Reads the content of `path`.
    pub(crate) fn of(path: &Path, bytes: &[u8]) -> Result<Self, WalletError> {
        let fields = fields(path, bytes)?;
        if let Some(got) = fields.crypto_type.filter(|got| *got != SR25519) {
            return Err(WalletError::KeyType { path: path.to_owned(), got });
        }
        let mut agreed: Option<(&'static str, Hotkey)> = None;
        let mut agree = |field: &'static str, hotkey: Hotkey| match agreed {
            Some((one, a)) if a != hotkey => Err(WalletError::Disagree {
                path: path.to_owned(),
                contradiction: Box::new(Contradiction {
                    one: one.to_owned(),
                    other: field.to_owned(),
                    a,
                    b: hotkey,
                }),
            }),
            Some(_) => Ok(()),
            None => {
                agreed = Some((field, hotkey));
                Ok(())
            }
        };
        if let Some(address) = &fields.ss58_address {
            let address =
                address.parse().map_err(|source| WalletError::Address { path: path.to_owned(), source });
            agree("ss58Address", address?)?;
        }
        for (field, value) in [("publicKey", &fields.public_key), ("accountId", &fields.account_id)] {
            if let Some(text) = value {
                agree(field, public(path, field, text)?)?;
            }
        }
        let secret = |field, source| WalletError::Secret { path: path.to_owned(), field, source };
        let mut pair = None;
        if let Some(words) = &fields.secret_phrase {
            let made = Seed::from_words(words, "").and_then(|seed| seed.pair());
            let made = made.map_err(|source| secret("secretPhrase", source))?;
            agree("secretPhrase", made.hotkey())?;
            pair = Some(made);
        }
        if let Some(seed) = &fields.secret_seed {
            let made = Seed::from_hex(seed).and_then(|seed| seed.pair());
            let made = made.map_err(|source| secret("secretSeed", source))?;
            agree("secretSeed", made.hotkey())?;
            pair = Some(made);
        }
        if let Some(text) = &fields.private_key {
            let candidates = private(path, text)?;
            let stated = stated(&fields, path)?.or_else(|| pair.as_ref().map(HotkeyPair::hotkey));
            let fits = |pair: &HotkeyPair| stated.is_none_or(|stated| pair.hotkey() == stated);
            let Some(first) = candidates.first().map(HotkeyPair::hotkey) else {
                let expected = "the 64 bytes of an sr25519 secret in hexadecimal";
                return Err(WalletError::Field { path: path.to_owned(), field: "privateKey", expected });
            };
            let made = candidates.into_iter().find(fits);
            agree("privateKey", made.as_ref().map_or(first, HotkeyPair::hotkey))?;
            pair = pair.or(made);
        }
        match agreed {
            Some((_, hotkey)) => Ok(Self { hotkey, pair }),
            None => Err(WalletError::Empty { path: path.to_owned() }),
        }
    }
}

/// Parses, and says of a mistake only where it stands: serde's own message would quote the text.
fn fields(path: &Path, bytes: &[u8]) -> Result<Fields, WalletError> {
    if let Some(text) = std::str::from_utf8(bytes).ok().map(str::trim)
        && let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
    {
        // The oldest public files hold nothing but the key in hexadecimal. In any other file the digits may be a seed:
        // bittensor-wallet 1 reads a public key there, bittensor 11 a secret.
        return match is_public(path) {
            true => Ok(Fields { public_key: Some(digits.to_owned()), ..Fields::default() }),
            false => Err(WalletError::BareDigits { path: path.to_owned() }),
        };
    }
    let misread = |error: serde_json::Error| WalletError::Form {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    };
    if polkadot::is_export(bytes) {
        let damaged = |error| match error {
            OpenError::Damaged(detail) => WalletError::Damaged { path: path.to_owned(), detail },
            OpenError::WrongPassword | OpenError::Memory => {
                WalletError::UnknownScheme { path: path.to_owned() }
            }
        };
        let converted = polkadot::converted(bytes, None).map_err(damaged)?;
        return serde_json::from_slice(&converted).map_err(misread);
    }
    serde_json::from_slice(bytes).map_err(misread)
}

/// Whether a file is named as one of a public key.
fn is_public(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(b"pub.txt"))
}

/// The key that the public fields name.
fn stated(fields: &Fields, path: &Path) -> Result<Option<Hotkey>, WalletError> {
    if let Some(address) = &fields.ss58_address {
        let read = address.parse().map_err(|source| WalletError::Address { path: path.to_owned(), source });
        return read.map(Some);
    }
    let forms = [("publicKey", &fields.public_key), ("accountId", &fields.account_id)];
    let Some((field, text)) = forms.into_iter().find_map(|(field, text)| Some((field, text.as_ref()?)))
    else {
        return Ok(None);
    };
    public(path, field, text).map(Some)
}

fn public(path: &Path, field: &'static str, text: &str) -> Result<Hotkey, WalletError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes).map_err(|_| {
        let expected = "64 hexadecimal digits";
        WalletError::Field { path: path.to_owned(), field, expected }
    })?;
    Ok(Hotkey::from_bytes(bytes))
}

/// Both readings of an expanded secret: Substrate's own, and that of Ed25519 libraries, which some tools have written.
fn private(path: &Path, text: &str) -> Result<Vec<HotkeyPair>, WalletError> {
    let mut bytes = Zeroizing::new([0; 64]);
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), bytes.as_mut()).map_err(|_| {
        let expected = "128 hexadecimal digits";
        WalletError::Field { path: path.to_owned(), field: "privateKey", expected }
    })?;
    Ok([HotkeyPair::from_secret(&bytes), HotkeyPair::from_ed25519_secret(&bytes)]
        .into_iter()
        .flatten()
        .collect())
}

/// The content of a new key file.
///
/// Errors: those of writing JSON, which no key causes.
pub(crate) fn new_keyfile(
    pair: &HotkeyPair,
    words: Option<&NewWords>,
    seed: Option<&Seed>,
) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let hexed = |bytes: &[u8]| Zeroizing::new(format!("0x{}", *Zeroizing::new(hex::encode(bytes))));
    let fields = Fields {
        private_key: Some(hexed(pair.expose_secret().as_slice())),
        secret_phrase: words.map(NewWords::expose),
        secret_seed: seed.map(|seed| hexed(seed.expose())),
        ..public_fields(&pair.hotkey())
    };
    serde_json::to_vec(&fields).map(Zeroizing::new)
}

/// The content of a public file.
///
/// Errors: those of writing JSON, which no key causes.
pub(crate) fn public_keyfile(hotkey: &Hotkey) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&public_fields(hotkey))
}

fn public_fields(hotkey: &Hotkey) -> Fields {
    let public = format!("0x{}", hex::encode(hotkey.as_bytes()));
    Fields {
        account_id: Some(public.clone()),
        public_key: Some(public),
        ss58_address: Some(hotkey.to_ss58()),
        ..Fields::default()
    }
}

#[cfg(test)]
mod tests;
