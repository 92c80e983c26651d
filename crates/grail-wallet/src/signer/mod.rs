//! Signing here, or in a process that holds the hotkey and nothing else (`grail signer`).
//!
//! The program that parses strangers' files need not hold the key. It asks over a Unix socket, one request a
//! connection; the signer sees what it signs and hashes for itself, so it never signs 32 bytes of somebody's choice.
//! It signs statements of the labels in [`rules::Rules`], and calls of the chain whose name is on its list and whose bytes
//! begin as configured. Bytes on the wire: [`frame`].

#[cfg(unix)]
mod client;
mod error;
pub mod frame;
pub mod rules;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod timed;

#[cfg(unix)]
pub use client::SocketSigner;
pub use error::{SignerError, SignerRefusal};
#[cfg(unix)]
pub use server::{Server, ServerSettings, Stop, keep_memory_private};

use grail_ports::{
    Door, Fault, Retry,
    sign::{ChainCall, Sign},
};
use grail_protocol::{
    sign::{HotkeyPair, Signature, Statement},
    words::Hotkey,
};

/// Signs as one hotkey.
#[derive(Debug)]
pub enum Signer {
    /// The secret is in this process.
    Pair(HotkeyPair),
    /// Another process holds it.
    #[cfg(unix)]
    Socket(SocketSigner),
}

impl Signer {
    /// Whose signatures these are.
    pub fn hotkey(&self) -> Hotkey {
        match self {
            Self::Pair(pair) => pair.hotkey(),
            #[cfg(unix)]
            Self::Socket(socket) => socket.hotkey(),
        }
    }

    /// Signs the digest of a statement.
    ///
    /// Errors: [`SignerError`].
    pub fn sign(&self, statement: &Statement) -> Result<Signature, SignerError> {
        match self {
            Self::Pair(pair) => sign_here(pair, &statement.digest()),
            #[cfg(unix)]
            Self::Socket(socket) => socket.sign(statement),
        }
    }

    /// Signs the payload of an extrinsic.
    ///
    /// Errors: [`SignerError`].
    pub fn sign_call(&self, call: &ChainCall) -> Result<Signature, SignerError> {
        match self {
            Self::Pair(pair) => sign_here(pair, &call.signed_bytes()),
            #[cfg(unix)]
            Self::Socket(socket) => socket.sign_call(call),
        }
    }
}

/// Signs bytes with fresh entropy of the operating system.
///
/// Errors: [`SignerError::Entropy`].
pub fn sign_here(pair: &HotkeyPair, message: &[u8]) -> Result<Signature, SignerError> {
    let mut entropy = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(entropy.as_mut()).map_err(|error| SignerError::Entropy(std::io::Error::other(error)))?;
    Ok(pair.sign(message, *entropy))
}

impl Sign for Signer {
    fn hotkey(&self) -> Hotkey {
        Self::hotkey(self)
    }

    fn sign(&self, statement: &Statement) -> Result<Signature, Fault> {
        Self::sign(self, statement).map_err(|error| fault(format!("sign {:?}", statement.label), error))
    }

    fn sign_call(&self, call: &ChainCall) -> Result<Signature, Fault> {
        Self::sign_call(self, call).map_err(|error| fault(format!("sign the call {:?}", call.name), error))
    }
}

fn fault(doing: String, error: SignerError) -> Fault {
    let retry = if error.may_pass() { Retry::Later } else { Retry::Never };
    Fault::new(Door::Inside, retry, doing, error)
}
