//! The encryptions of key files.
//!
//! ```text
//! $NACL           "$NACL" ‖ nonce 24 ‖ secretbox;  key = Argon2i(password, fixed salt, 8 passes, 512 MiB, 1 lane)
//! $ANSIBLE_VAULT  header line, then hex of  hex(salt) LF hex(mac) LF hex(text)
//!                 80 bytes = PBKDF2-HMAC-SHA256(password, salt, 10,000): key 32, mac key 32, counter 16; AES-256-CTR, PKCS#7
//! Fernet          base64url of  0x80 ‖ time 8 ‖ iv 16 ‖ text ‖ mac 32
//!                 32 bytes = PBKDF2-HMAC-SHA256(password, fixed salt, 10,000,000): mac key 16, key 16; AES-128-CBC, PKCS#7
//! polkadot-js     JSON; see `polkadot`
//! ```

use super::polkadot;
use aes::cipher::{BlockDecryptMut as _, KeyIvInit as _, StreamCipher as _, block_padding::Pkcs7};
use base64::Engine as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305, aead::Aead as _};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

const NACL: &[u8] = b"$NACL";
const VAULT: &[u8] = b"$ANSIBLE_VAULT";
/// Version byte 0x80 and a time before the year 2106, in base64.
const FERNET: &[u8] = b"gAAAAA";

const NACL_SALT: [u8; 16] = *b"\x13q\x83\xdf\xf1Z\t\xbc\x9c\x90\xb5Q\x879\xe9\xb1";
/// libsodium's OPSLIMIT_SENSITIVE and MEMLIMIT_SENSITIVE of argon2i.
const NACL_PASSES: u32 = 8;
const NACL_KIB: u32 = 512 << 10;
const NACL_NONCE: usize = 24;

const VAULT_ROUNDS: u32 = 10_000;
const FERNET_SALT: &[u8] = b"Iguesscyborgslikemyselfhaveatendencytobeparanoidaboutourorigins";
const FERNET_ROUNDS: u32 = 10_000_000;

/// How a key file keeps its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Readable JSON.
    Plain,
    /// NaCl's secretbox with Argon2i, what Bittensor's tools write today.
    Nacl,
    /// Ansible Vault 1.1 or 1.2 with AES-256.
    AnsibleVault,
    /// Fernet with PBKDF2, the oldest.
    Fernet,
    /// An account as polkadot-js exports it with a password: scrypt and secretbox.
    PolkadotJs,
}

impl Scheme {
    /// What the first bytes say; `None` for something else.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(NACL) {
            return Some(Self::Nacl);
        }
        if bytes.starts_with(VAULT) {
            return Some(Self::AnsibleVault);
        }
        if bytes.starts_with(FERNET) {
            return Some(Self::Fernet);
        }
        match bytes.trim_ascii_start() {
            [b'{', ..] if polkadot::is_sealed(bytes) => Some(Self::PolkadotJs),
            [b'{', ..] | [b'0', b'x' | b'X', ..] => Some(Self::Plain),
            _ => None,
        }
    }

    /// Word for people and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Nacl => "nacl",
            Self::AnsibleVault => "ansible-vault",
            Self::Fernet => "fernet",
            Self::PolkadotJs => "polkadot-js",
        }
    }
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Why an encrypted file does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// Not as its scheme has it; says how.
    Damaged(&'static str),
    /// The check of the content failed.
    WrongPassword,
    /// Too little memory for the key derivation.
    Memory,
}

/// Decrypts.
pub(crate) fn open(scheme: Scheme, bytes: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    match scheme {
        Scheme::Plain => Ok(Zeroizing::new(bytes.to_vec())),
        Scheme::Nacl => {
            // Before half a gigabyte is filled.
            let parts = NaclParts::of(bytes)?;
            let key = nacl_key(password)?;
            parts.open(&key)
        }
        Scheme::AnsibleVault => VaultParts::of(bytes)?.open(password),
        Scheme::Fernet => {
            let token = FernetToken::of(bytes)?;
            token.open(&fernet_key(password))
        }
        Scheme::PolkadotJs => polkadot::converted(bytes, Some(password)),
    }
}

/// Encrypts as Bittensor's tools do today.
pub(crate) fn seal(content: &[u8], password: &[u8], nonce: [u8; NACL_NONCE]) -> Result<Vec<u8>, OpenError> {
    let key = nacl_key(password)?;
    seal_with(content, &key, nonce)
}

fn seal_with(content: &[u8], key: &[u8; 32], nonce: [u8; NACL_NONCE]) -> Result<Vec<u8>, OpenError> {
    let cipher = XSalsa20Poly1305::new(key.into());
    let boxed =
        cipher.encrypt(&nonce.into(), content).map_err(|_| OpenError::Damaged("it cannot be encrypted"))?;
    Ok([NACL, &nonce, &boxed].concat())
}

/// The key of `$NACL` files. Takes 512 MiB and some seconds.
fn nacl_key(password: &[u8]) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    let bad = |_| OpenError::Damaged("no key can be derived from this password");
    let params = argon2::Params::new(NACL_KIB, NACL_PASSES, 1, Some(32)).map_err(bad)?;
    let mut memory: Vec<argon2::Block> = Vec::new();
    let blocks = params.block_count();
    // The allocator must not end the process where memory is short.
    memory.try_reserve_exact(blocks).map_err(|_| OpenError::Memory)?;
    memory.resize(blocks, argon2::Block::default());
    let mut key = Zeroizing::new([0; 32]);
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2i, argon2::Version::V0x13, params);
    let done = argon.hash_password_into_with_memory(password, &NACL_SALT, key.as_mut(), &mut memory);
    memory.zeroize();
    done.map_err(bad)?;
    Ok(key)
}

struct NaclParts<'a> {
    nonce: [u8; NACL_NONCE],
    boxed: &'a [u8],
}

impl<'a> NaclParts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, OpenError> {
        let rest = bytes.strip_prefix(NACL).ok_or(OpenError::Damaged("it does not begin with $NACL"))?;
        match rest.split_first_chunk::<NACL_NONCE>() {
            Some((nonce, boxed)) if boxed.len() >= 16 => Ok(Self { nonce: *nonce, boxed }),
            _ => Err(OpenError::Damaged("it is cut off")),
        }
    }

    fn open(&self, key: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let cipher = XSalsa20Poly1305::new(key.into());
        let opened = cipher.decrypt(&self.nonce.into(), self.boxed).map_err(|_| OpenError::WrongPassword)?;
        Ok(Zeroizing::new(opened))
    }
}

struct VaultParts {
    salt: Vec<u8>,
    mac: Vec<u8>,
    text: Vec<u8>,
}

impl VaultParts {
    fn of(bytes: &[u8]) -> Result<Self, OpenError> {
        const DAMAGED: OpenError = OpenError::Damaged("it is not of the form of an Ansible vault");
        let text = std::str::from_utf8(bytes).map_err(|_| DAMAGED)?;
        let (header, body) = text.split_once('\n').ok_or(DAMAGED)?;
        let fields: Vec<&str> = header.trim().split(';').collect();
        if !matches!(*fields.as_slice(), ["$ANSIBLE_VAULT", "1.1" | "1.2", "AES256", ..]) {
            return Err(OpenError::Damaged(
                "it is an Ansible vault of another version or cipher than AES256",
            ));
        }
        let digits: String = body.split_ascii_whitespace().collect();
        let inner = hex::decode(digits).map_err(|_| DAMAGED)?;
        let mut parts = inner.split(|byte| *byte == b'\n').map(hex::decode);
        let mut next = || parts.next().and_then(Result::ok).ok_or(DAMAGED);
        let found = Self { salt: next()?, mac: next()?, text: next()? };
        if found.mac.len() != 32 || found.salt.is_empty() || found.text.is_empty() {
            return Err(DAMAGED);
        }
        Ok(found)
    }

    fn open(mut self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut derived = Zeroizing::new([0u8; 80]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password, &self.salt, VAULT_ROUNDS, derived.as_mut());
        let (key, rest) = derived.split_at(32);
        let (mac_key, counter) = rest.split_at(32);
        authentic(mac_key, &self.text, &self.mac)?;
        let bad = |_| OpenError::Damaged("its keys have another length");
        let mut cipher = ctr::Ctr128BE::<aes::Aes256>::new_from_slices(key, counter).map_err(bad)?;
        cipher.apply_keystream(&mut self.text);
        let mut opened = Zeroizing::new(self.text);
        // PKCS#7, under the seal that was checked above.
        let pad = opened.last().copied().map_or(0, usize::from);
        if pad == 0 || pad > 16 || pad > opened.len() {
            return Err(OpenError::Damaged("its padding is wrong"));
        }
        let length = opened.len() - pad;
        opened.truncate(length);
        Ok(opened)
    }
}

struct FernetToken(Vec<u8>);

impl FernetToken {
    /// Version, time, iv, one block, mac.
    const LEAST: usize = 1 + 8 + 16 + 16 + 32;

    fn of(bytes: &[u8]) -> Result<Self, OpenError> {
        let raw = base64::engine::general_purpose::URL_SAFE
            .decode(bytes.trim_ascii())
            .map_err(|_| OpenError::Damaged("it is not base64"))?;
        if raw.first() != Some(&0x80) || raw.len() < Self::LEAST {
            return Err(OpenError::Damaged("it is not of the form of a Fernet token"));
        }
        Ok(Self(raw))
    }

    fn open(&self, key: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        const CUT: OpenError = OpenError::Damaged("it is cut off");
        let (mac_key, cipher_key) = key.split_at(16);
        let (signed, mac) = self.0.split_last_chunk::<32>().ok_or(CUT)?;
        authentic(mac_key, signed, mac)?;
        let (_, rest) = signed.split_at_checked(9).ok_or(CUT)?;
        let (iv, text) = rest.split_first_chunk::<16>().ok_or(CUT)?;
        let bad = |_| OpenError::Damaged("its keys have another length");
        let cipher = cbc::Decryptor::<aes::Aes128>::new_from_slices(cipher_key, iv).map_err(bad)?;
        let opened = cipher
            .decrypt_padded_vec_mut::<Pkcs7>(text)
            .map_err(|_| OpenError::Damaged("its padding is wrong"))?;
        Ok(Zeroizing::new(opened))
    }
}

/// The key of Fernet files. Takes some seconds.
fn fernet_key(password: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password, FERNET_SALT, FERNET_ROUNDS, key.as_mut());
    key
}

fn authentic(key: &[u8], text: &[u8], mac: &[u8]) -> Result<(), OpenError> {
    let bad = |_| OpenError::Damaged("its keys have another length");
    let mut hmac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).map_err(bad)?;
    hmac.update(text);
    hmac.verify_slice(mac).map_err(|_| OpenError::WrongPassword)
}

#[cfg(test)]
mod tests;
