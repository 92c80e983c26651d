//! Asking a signer.

use super::{
    SignerError,
    frame::{self, MOST_PART, MOST_REPLY, MOST_REQUEST, Reply},
    timed::{self, Timed},
};
use grail_ports::sign::ChainCall;
use grail_protocol::{
    sign::{Signature, Statement, verify},
    words::Hotkey,
};
use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

/// A hotkey in another process. Each request is a connection of its own, so a signer may be restarted at any time.
#[derive(Debug)]
pub struct SocketSigner {
    path: PathBuf,
    hotkey: Hotkey,
    time: Duration,
}

impl SocketSigner {
    /// Asks the signer at a socket whose key it holds. Every request must be answered within `time`.
    ///
    /// Errors: [`SignerError`].
    pub fn connect(path: &Path, time: Duration) -> Result<Self, SignerError> {
        match ask(path, &frame::who(), time)? {
            Reply::Hotkey(hotkey) => Ok(Self { path: path.to_owned(), hotkey, time }),
            other => Err(unexpected(path, other)),
        }
    }

    /// Whose signatures these are.
    pub fn hotkey(&self) -> Hotkey {
        self.hotkey
    }

    /// Asks for the signature of a statement, and checks it.
    ///
    /// Errors: [`SignerError`].
    pub fn sign(&self, statement: &Statement) -> Result<Signature, SignerError> {
        let request = frame::statement(statement).ok_or_else(|| {
            let got = statement.fields.iter().map(Vec::len).max().unwrap_or(0);
            if got > MOST_PART as usize {
                SignerError::RequestTooLarge {
                    what: "a field of the statement",
                    got,
                    most: MOST_PART as usize,
                }
            } else {
                let got = statement.fields.iter().map(Vec::len).sum();
                SignerError::RequestTooLarge { what: "the statement", got, most: MOST_REQUEST as usize }
            }
        })?;
        self.signature(&request, &statement.digest())
    }

    /// Asks for the signature of a call's payload, and checks it.
    ///
    /// Errors: [`SignerError`].
    pub fn sign_call(&self, call: &ChainCall) -> Result<Signature, SignerError> {
        let request = frame::call(call).ok_or(SignerError::RequestTooLarge {
            what: "a part of the call",
            got: call.call.len().max(call.extra.len()).max(call.additional.len()).max(call.name.len()),
            most: MOST_PART as usize,
        })?;
        self.signature(&request, &call.signed_bytes())
    }

    fn signature(&self, request: &[u8], message: &[u8]) -> Result<Signature, SignerError> {
        match ask(&self.path, request, self.time)? {
            Reply::Signature(signature) if verify(&self.hotkey, message, &signature) => Ok(signature),
            Reply::Signature(_) => {
                Err(SignerError::WrongKey { path: self.path.clone(), hotkey: self.hotkey })
            }
            other => Err(unexpected(&self.path, other)),
        }
    }
}

fn unexpected(path: &Path, reply: Reply) -> SignerError {
    let path = path.to_owned();
    match reply {
        Reply::Refused(refusal, detail) => SignerError::Refused { path, refusal, detail },
        Reply::Hotkey(_) | Reply::Signature(_) => {
            SignerError::Answer { path, detail: "something else than was asked" }
        }
    }
}

fn ask(path: &Path, request: &[u8], time: Duration) -> Result<Reply, SignerError> {
    let stream = UnixStream::connect(path)
        .map_err(|source| SignerError::NotThere { path: path.to_owned(), source })?;
    let lost = |doing| move |source| SignerError::Lost { path: path.to_owned(), doing, source };
    let own = timed::own_user();
    // Whoever listens learns nothing secret, but must not pass for our signer.
    match timed::peer(&stream).map_err(lost("see whose it is"))? {
        Some(uid) if uid != own => return Err(SignerError::OtherOwner { path: path.to_owned(), uid, own }),
        _ => {}
    }
    let mut stream = Timed::new(&stream, time);
    // A signer that refuses early stops reading; its refusal still comes and says more than the broken pipe.
    let sent = stream.write_all(request);
    match (answer(path, &mut stream), sent) {
        (Err(SignerError::Lost { .. }), Err(source)) => Err(lost("send the request")(source)),
        (reply, _) => reply,
    }
}

fn answer(path: &Path, stream: &mut Timed<'_>) -> Result<Reply, SignerError> {
    let lost =
        |source: io::Error| SignerError::Lost { path: path.to_owned(), doing: "read its answer", source };
    let wrong = |detail| SignerError::Answer { path: path.to_owned(), detail };
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(lost)?;
    let length = u32::from_le_bytes(length);
    if length > MOST_REPLY {
        return Err(wrong("with a reply that is far too long"));
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).map_err(lost)?;
    Reply::decode(&body).map_err(wrong)
}
