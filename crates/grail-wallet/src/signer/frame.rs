//! Bytes between a program and its signer. Numbers are little-endian.
//!
//! ```text
//! frame      = length u32 ‖ body                       length: bytes of the body
//! request    = version u8 = 1 ‖ kind u8 ‖ …
//!   kind 1     who are you                              nothing more
//!   kind 2     statement                                label: length u8 ‖ bytes
//!                                                       number of fields u32, of each: length u32 ‖ bytes
//!   kind 3     chain call                               name: length u8 ‖ bytes
//!                                                       call, extra, additional, of each: length u32 ‖ bytes
//! reply      = version u8 = 1 ‖ status u8 ‖ …
//!   status 0   hotkey 32
//!   status 1   signature 64
//!   status 2   refused                                  name: length u8 ‖ bytes;  detail: length u16 ‖ bytes
//! ```
//!
//! One request a connection. A reader takes no more than the declared length, and refuses a body with bytes left over.
//! A statement is hashed as it arrives: only one field of it is in memory at a time.

use super::{SignerRefusal, rules::Rules};
use grail_ports::sign::ChainCall;
use grail_protocol::{
    hash::{Digest, Hasher},
    sign::{Signature, Statement},
    words::Hotkey,
};
use std::io::{self, Read};

/// Version of the frames.
pub const VERSION: u8 = 1;
/// Most bytes of a request: the verdicts of a whole network in one statement.
pub const MOST_REQUEST: u32 = 64 << 20;
/// Most bytes of one field of a statement, and of one part of a call.
pub const MOST_PART: u32 = 1 << 20;
/// Most bytes of a reply.
pub const MOST_REPLY: u32 = 4_096;

const WHO: u8 = 1;
const STATEMENT: u8 = 2;
const CALL: u8 = 3;
const HOTKEY: u8 = 0;
const SIGNATURE: u8 = 1;
const REFUSED: u8 = 2;

/// What a program asks, as a signer has read and judged it.
#[derive(Debug, PartialEq, Eq)]
pub enum SignRequest {
    /// Whose key it is.
    Who,
    /// A signature over the digest of an allowed statement.
    Statement {
        /// Its label.
        label: String,
        /// Its digest, computed here.
        digest: Digest,
    },
    /// A signature over the payload of an allowed call.
    Call(ChainCall),
}

/// What a signer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The key that it holds.
    Hotkey(Hotkey),
    /// The signature that was asked for.
    Signature(Signature),
    /// No.
    Refused(SignerRefusal, String),
}

/// The request `who are you`.
pub fn who() -> Vec<u8> {
    framed(vec![VERSION, WHO])
}

/// The request for a statement's signature; `None` when a part does not fit.
pub fn statement(statement: &Statement) -> Option<Vec<u8>> {
    let mut body = vec![VERSION, STATEMENT];
    short(&mut body, statement.label.as_bytes())?;
    body.extend_from_slice(&u32::try_from(statement.fields.len()).ok()?.to_le_bytes());
    for field in &statement.fields {
        part(&mut body, field)?;
    }
    (body.len() <= MOST_REQUEST as usize).then(|| framed(body))
}

/// The request for a call's signature; `None` when a part does not fit.
pub fn call(call: &ChainCall) -> Option<Vec<u8>> {
    let mut body = vec![VERSION, CALL];
    short(&mut body, call.name.as_bytes())?;
    for bytes in [&call.call, &call.extra, &call.additional] {
        part(&mut body, bytes)?;
    }
    Some(framed(body))
}

fn short(body: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    body.push(u8::try_from(bytes.len()).ok()?);
    body.extend_from_slice(bytes);
    Some(())
}

fn part(body: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= MOST_PART)?;
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(bytes);
    Some(())
}

fn framed(body: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_le_bytes()[..], &body].concat()
}

impl Reply {
    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = vec![VERSION];
        match self {
            Self::Hotkey(hotkey) => {
                body.push(HOTKEY);
                body.extend_from_slice(hotkey.as_bytes());
            }
            Self::Signature(signature) => {
                body.push(SIGNATURE);
                body.extend_from_slice(signature.as_bytes());
            }
            Self::Refused(refusal, detail) => {
                body.push(REFUSED);
                let name = refusal.name().as_bytes();
                body.push(name.len() as u8);
                body.extend_from_slice(name);
                let detail: String = detail.chars().take(500).collect();
                body.extend_from_slice(&(detail.len() as u16).to_le_bytes());
                body.extend_from_slice(detail.as_bytes());
            }
        }
        framed(body)
    }

    /// Reads the body of a reply.
    ///
    /// Errors: what is wrong with it.
    pub fn decode(body: &[u8]) -> Result<Self, &'static str> {
        const CUT: &str = "with a reply that is cut off";
        let (&version, rest) = body.split_first().ok_or(CUT)?;
        if version != VERSION {
            return Err("in another version");
        }
        let (&status, rest) = rest.split_first().ok_or(CUT)?;
        match status {
            HOTKEY => rest.try_into().map(Hotkey::from_bytes).map(Self::Hotkey).map_err(|_| CUT),
            SIGNATURE => rest.try_into().map(Signature::from_bytes).map(Self::Signature).map_err(|_| CUT),
            REFUSED => {
                let (&length, rest) = rest.split_first().ok_or(CUT)?;
                let (name, rest) = rest.split_at_checked(usize::from(length)).ok_or(CUT)?;
                let (length, detail) = rest.split_first_chunk::<2>().ok_or(CUT)?;
                if detail.len() != usize::from(u16::from_le_bytes(*length)) {
                    return Err(CUT);
                }
                let name = std::str::from_utf8(name).ok();
                let refusal =
                    name.and_then(SignerRefusal::of).ok_or("with a refusal that has no meaning here")?;
                Ok(Self::Refused(refusal, String::from_utf8_lossy(detail).into_owned()))
            }
            _ => Err("with a reply of an unknown kind"),
        }
    }
}

/// A refusal with its words.
pub(super) type No = (SignerRefusal, String);

/// Reads one request and judges it by the rules, field by field, so that nothing is kept that will be refused.
///
/// Errors: the refusal, by name.
pub fn read_request(
    from: &mut impl Read,
    rules: &Rules,
    own: &Hotkey,
) -> Result<SignRequest, (SignerRefusal, String)> {
    let length = number(from)?;
    if length > MOST_REQUEST {
        return Err((
            SignerRefusal::TooLarge,
            format!("the request declares {length} bytes, at most {MOST_REQUEST} are read"),
        ));
    }
    let mut body = Body { from, left: length };
    let [version, kind] = body.array()?;
    if version != VERSION {
        return Err((
            SignerRefusal::Version,
            format!("the request has version {version}, this signer speaks {VERSION}"),
        ));
    }
    let asked = match kind {
        WHO => SignRequest::Who,
        STATEMENT => read_statement(&mut body, rules, own)?,
        CALL => {
            let name = body.short()?;
            rules.call_name(&name)?;
            let call = ChainCall { name, call: body.part()?, extra: body.part()?, additional: body.part()? };
            rules.call(&call)?;
            SignRequest::Call(call)
        }
        other => return Err((SignerRefusal::UnknownKind, format!("there is no request of kind {other}"))),
    };
    match body.left {
        0 => Ok(asked),
        left => Err((SignerRefusal::Malformed, format!("{left} bytes are left over"))),
    }
}

fn read_statement(body: &mut Body<'_, impl Read>, rules: &Rules, own: &Hotkey) -> Result<SignRequest, No> {
    let label = body.short()?;
    let shape = rules.label(&label)?;
    let count = u32::from_le_bytes(body.array()?);
    shape.count(count)?;
    let mut hasher = Hasher::new(&label);
    for index in 0..count {
        let field = body.part()?;
        shape.field(index, &field, own)?;
        hasher.field(&field);
    }
    Ok(SignRequest::Statement { label, digest: hasher.finish() })
}

/// What is left of a body; reads no further.
struct Body<'a, R> {
    from: &'a mut R,
    left: u32,
}

impl<R: Read> Body<'_, R> {
    fn take(&mut self, into: &mut [u8]) -> Result<(), No> {
        let wanted = u32::try_from(into.len()).unwrap_or(u32::MAX);
        self.left = self.left.checked_sub(wanted).ok_or_else(|| {
            (
                SignerRefusal::Malformed,
                format!("a part of {wanted} bytes does not fit the {} that are left", self.left),
            )
        })?;
        self.from.read_exact(into).map_err(|error| broken(&error))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], No> {
        let mut bytes = [0; N];
        self.take(&mut bytes)?;
        Ok(bytes)
    }

    fn short(&mut self) -> Result<String, No> {
        let [length] = self.array()?;
        let mut bytes = vec![0; usize::from(length)];
        self.take(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| (SignerRefusal::Malformed, "a name is not UTF-8".to_owned()))
    }

    fn part(&mut self) -> Result<Vec<u8>, No> {
        let length = u32::from_le_bytes(self.array()?);
        if length > MOST_PART {
            return Err((
                SignerRefusal::TooLarge,
                format!("a part has {length} bytes, at most {MOST_PART} are read"),
            ));
        }
        // Before the memory is taken: the part must fit what was declared.
        if length > self.left {
            let text = format!("a part of {length} bytes does not fit the {} that are left", self.left);
            return Err((SignerRefusal::Malformed, text));
        }
        let mut bytes = vec![0; length as usize];
        self.take(&mut bytes)?;
        Ok(bytes)
    }
}

fn number(from: &mut impl Read) -> Result<u32, No> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes).map_err(|error| broken(&error))?;
    Ok(u32::from_le_bytes(bytes))
}

fn broken(error: &io::Error) -> No {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            (SignerRefusal::TooSlow, "the request did not arrive in time".to_owned())
        }
        _ => (SignerRefusal::Malformed, "the request ends early".to_owned()),
    }
}

#[cfg(test)]
mod tests;
