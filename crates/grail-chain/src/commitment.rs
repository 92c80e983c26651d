//! What stands under a hotkey: the field codec of the chain's commitments.
//!
//! A commitment is a list of at most three fields. The first byte of a field says what it is: 0 nothing, `1 + n` for
//! `n` raw bytes without a length (`n` up to 128), 130 to 133 a 32-byte hash, 134 timelocked bytes, 135 a flag, 136
//! raw bytes with their length (up to 512). GRAIL writes one field: raw where it fits, the long kind otherwise. Its
//! 128-character credential string is therefore `0x81` and the characters. Later runtimes have more kinds, as 461 has
//! `TimelockRevealFailed`; they are passed over by the metadata's description.

use parity_scale_codec::{Compact, Decode as _, Encode as _, Input};

/// Most bytes that one commitment can hold.
pub const MAX_BYTES: usize = 512;

/// Most bytes of a field without a length.
pub const MAX_RAW: usize = 128;

/// The last kind that this build knows.
const LAST_KIND: u8 = 136;

/// Most fields that the chain takes.
pub const MAX_FIELDS: u32 = 3;

/// Most bytes of a timelocked field that are read; the chain allows fewer.
const MAX_TIMELOCKED: u32 = 4_096;

/// One field of a commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Nothing.
    Nothing,
    /// Bytes: at most 128 in the short form, at most 512 in the long one.
    Bytes(Vec<u8>),
    /// The hash of something, of the kind that the index byte 130 to 133 names.
    Hash {
        /// Index byte.
        kind: u8,
        /// The hash.
        hash: [u8; 32],
    },
    /// Bytes that open at a drand round.
    Timelocked {
        /// The sealed bytes.
        sealed: Vec<u8>,
        /// Round at which they open.
        round: u64,
    },
    /// A wish that bonds be forgotten.
    ResetBonds,
    /// Something that this build does not know, as later runtimes have it: `TimelockRevealFailed`, for example.
    Later {
        /// Index byte.
        kind: u8,
        /// The metadata's name for it, where the metadata was at hand.
        name: Option<String>,
    },
}

/// Kinds of fields that came after this build, as the metadata of a runtime describes them.
pub trait LaterKinds {
    /// Takes the content of a field of this kind off the input; its name. `None` when the kind is unknown here too, or
    /// its content cannot be read.
    fn pass_over(&self, kind: u8, input: &mut &[u8]) -> Option<String>;
}

/// No metadata is at hand.
struct Nothing;

impl LaterKinds for Nothing {
    fn pass_over(&self, _: u8, _: &mut &[u8]) -> Option<String> {
        None
    }
}

/// What the chain stores for one hotkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCommitment {
    /// Tokens held back for it, in RAO.
    pub deposit: u64,
    /// Block in which it was written.
    pub block: u32,
    /// Its fields, at most as many as the pallet takes; GRAIL writes one.
    pub fields: Vec<Field>,
}

/// Why bytes are not a commitment, or cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitmentError {
    /// More than the chain takes.
    #[error("the commitment has {got} bytes, allowed are {MAX_BYTES}")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// A stored value that ends too early, goes on too long, or states a length beyond the limits.
    #[error("the stored commitment cannot be read at its {part}")]
    Broken {
        /// Where reading stopped.
        part: &'static str,
    },
    /// A first field of a kind that neither this build nor the runtime's metadata knows.
    #[error(
        "the stored commitment begins with a field of kind {kind}; this build knows kinds 0 to {LAST_KIND}"
    )]
    Kind {
        /// The index byte.
        kind: u8,
    },
}

/// Index byte and content of the one field that GRAIL writes.
pub fn encode_field(bytes: &[u8]) -> Result<Vec<u8>, CommitmentError> {
    let too_long = || CommitmentError::TooLong { got: bytes.len() };
    let mut field = Vec::with_capacity(bytes.len() + 3);
    match u8::try_from(bytes.len()) {
        Ok(short) if bytes.len() <= MAX_RAW => field.push(short + 1),
        _ if bytes.len() <= MAX_BYTES => {
            field.push(136);
            Compact(u32::try_from(bytes.len()).map_err(|_| too_long())?).encode_to(&mut field);
        }
        _ => return Err(too_long()),
    }
    field.extend_from_slice(bytes);
    Ok(field)
}

/// The argument `info` of `set_commitment`: a list of one field.
pub fn encode_info(bytes: &[u8]) -> Result<Vec<u8>, CommitmentError> {
    let mut info = Compact(1u32).encode();
    info.extend(encode_field(bytes)?);
    Ok(info)
}

/// The name of the kind that [`encode_field`] chooses, as the chain's metadata has it.
pub fn kind_name(length: usize) -> String {
    if length <= MAX_RAW { format!("Raw{length}") } else { "BigRaw".into() }
}

impl StoredCommitment {
    /// Reads a stored value whole, without metadata: behind a field of an unknown kind nothing can be read, since its
    /// length is not known either. The fields before it stand.
    ///
    /// Errors: [`CommitmentError::Broken`]; [`CommitmentError::Kind`] when the first field is the unknown one.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommitmentError> {
        Self::decode_with(bytes, &Nothing)
    }

    /// Reads a stored value whole; fields of kinds that only the metadata knows are passed over by their names.
    pub fn decode_with(mut bytes: &[u8], later: &dyn LaterKinds) -> Result<Self, CommitmentError> {
        let input = &mut bytes;
        let broken = |part| move |_| CommitmentError::Broken { part };
        let deposit = u64::decode(input).map_err(broken("deposit"))?;
        let block = u32::decode(input).map_err(broken("block"))?;
        let count = Compact::<u32>::decode(input).map_err(broken("number of fields"))?.0;
        if count > MAX_FIELDS {
            return Err(CommitmentError::Broken { part: "number of fields" });
        }
        let mut fields = Vec::new();
        for place in 0..count {
            let field = decode_field(input, later)?;
            match &field {
                Field::Later { kind, name: None } if place == 0 => {
                    return Err(CommitmentError::Kind { kind: *kind });
                }
                Field::Later { name: None, .. } => {
                    fields.push(field);
                    return Ok(Self { deposit, block, fields });
                }
                _ => fields.push(field),
            }
        }
        if !input.is_empty() {
            return Err(CommitmentError::Broken { part: "end" });
        }
        Ok(Self { deposit, block, fields })
    }

    /// The bytes of the first field, which is all that GRAIL looks at; `None` when it holds no bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self.fields.first()? {
            Field::Bytes(bytes) => Some(bytes),
            Field::Hash { hash, .. } => Some(hash),
            Field::Timelocked { sealed, .. } => Some(sealed),
            Field::Nothing | Field::ResetBonds | Field::Later { .. } => None,
        }
    }
}

fn decode_field(input: &mut &[u8], later: &dyn LaterKinds) -> Result<Field, CommitmentError> {
    let part = |part| move |_| CommitmentError::Broken { part };
    let kind = u8::decode(input).map_err(part("kind of a field"))?;
    match kind {
        0 => Ok(Field::Nothing),
        1..=129 => take(input, usize::from(kind) - 1).map(Field::Bytes),
        130..=133 => {
            let hash = <[u8; 32]>::decode(input).map_err(part("hash"))?;
            Ok(Field::Hash { kind, hash })
        }
        134 => {
            let sealed = take_counted(input, MAX_TIMELOCKED)?;
            let round = u64::decode(input).map_err(part("round"))?;
            Ok(Field::Timelocked { sealed, round })
        }
        135 => Ok(Field::ResetBonds),
        136 => take_counted(input, 512).map(Field::Bytes),
        kind => Ok(Field::Later { kind, name: later.pass_over(kind, input) }),
    }
}

fn take_counted(input: &mut &[u8], most: u32) -> Result<Vec<u8>, CommitmentError> {
    let broken = CommitmentError::Broken { part: "length of a field" };
    let length = Compact::<u32>::decode(input).map_err(|_| broken.clone())?.0;
    if length > most {
        return Err(broken);
    }
    take(input, usize::try_from(length).map_err(|_| broken)?)
}

fn take(input: &mut &[u8], length: usize) -> Result<Vec<u8>, CommitmentError> {
    let broken = CommitmentError::Broken { part: "bytes of a field" };
    if input.len() < length {
        return Err(broken);
    }
    let mut bytes = vec![0; length];
    input.read(&mut bytes).map_err(|_| broken)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(bytes: &[u8]) -> Vec<u8> {
        let mut value = 7u64.encode();
        value.extend(9u32.encode());
        value.extend(encode_info(bytes).unwrap());
        value
    }

    #[test]
    fn the_credential_string_is_0x81_and_its_characters() {
        let value = stored(&[b'a'; 128]);
        assert_eq!(value.len(), 142);
        assert_eq!(value[12..14], [0x04, 0x81]);
        assert_eq!(value[14..], [b'a'; 128]);
    }

    #[test]
    fn long_ones_state_their_length_and_too_long_ones_are_refused() {
        assert_eq!(encode_field(&[7; 200]).unwrap()[..3], [136, 0x21, 0x03]);
        assert_eq!(encode_field(&[0; 513]), Err(CommitmentError::TooLong { got: 513 }));
        assert_eq!(encode_field(&[]).unwrap(), [1]);
        assert_eq!(kind_name(128), "Raw128");
        assert_eq!(kind_name(129), "BigRaw");
    }

    #[test]
    fn every_kind_is_read_and_an_unknown_one_is_named() {
        let mut value = 0u64.encode();
        value.extend(0u32.encode());
        value.push(3 << 2);
        value.push(130);
        value.extend([5; 32]);
        value.extend([134, 2 << 2, 1, 2]);
        value.extend(77u64.encode());
        value.push(135);
        let read = StoredCommitment::decode(&value).unwrap();
        assert_eq!(
            read.fields,
            [
                Field::Hash { kind: 130, hash: [5; 32] },
                Field::Timelocked { sealed: vec![1, 2], round: 77 },
                Field::ResetBonds
            ]
        );
        let mut unknown = stored(b"");
        unknown[13] = 200;
        assert_eq!(StoredCommitment::decode(&unknown), Err(CommitmentError::Kind { kind: 200 }));
    }

    /// A runtime that has two later kinds: 137, bytes and a round, and 140, a flag.
    struct Newer;

    impl LaterKinds for Newer {
        fn pass_over(&self, kind: u8, input: &mut &[u8]) -> Option<String> {
            match kind {
                137 => {
                    take_counted(input, MAX_TIMELOCKED).ok()?;
                    u64::decode(input).ok()?;
                    Some("TimelockRevealFailed".into())
                }
                140 => Some("Flag".into()),
                _ => None,
            }
        }
    }

    /// Read credentials, then what a later runtime added.
    #[test]
    fn later_kinds_behind_the_first_field_do_not_hide_it() {
        let failed = [&[137, 3 << 2, 1, 2, 3][..], &9u64.encode()].concat();
        let value = |fields: &[&[u8]]| {
            let head = [&7u64.encode()[..], &9u32.encode()].concat();
            [&head[..], &[u8::try_from(fields.len() << 2).unwrap()], &fields.concat()].concat()
        };
        let credentials = encode_field(&[b'c'; 128]).unwrap();
        let name = |name: &str| Some(name.to_owned());

        let known = value(&[&credentials, &failed, &encode_field(b"last").unwrap()]);
        let read = StoredCommitment::decode_with(&known, &Newer).unwrap();
        assert_eq!(read.bytes(), Some(&[b'c'; 128][..]));
        assert_eq!(read.fields[1], Field::Later { kind: 137, name: name("TimelockRevealFailed") });
        assert_eq!(read.fields[2], Field::Bytes(b"last".to_vec()));
        // Without metadata its length is unknown, so reading ends there.
        let read = StoredCommitment::decode(&known).unwrap();
        assert_eq!(read.bytes(), Some(&[b'c'; 128][..]));
        assert_eq!(read.fields[1..], [Field::Later { kind: 137, name: None }]);

        // Kinds that nobody knows, and content that ends too early, hide only what is behind them.
        for odd in [&[200, 1, 2, 3][..], &failed[..4], &[255]] {
            let value = value(&[&credentials, odd]);
            for later in [&Newer as &dyn LaterKinds, &Nothing] {
                let read = StoredCommitment::decode_with(&value, later).unwrap();
                assert_eq!(read.bytes(), Some(&[b'c'; 128][..]), "{odd:?}");
            }
        }
        // A first field that holds no bytes of ours is no broken commitment.
        let flag = StoredCommitment::decode_with(&value(&[&[140], &credentials]), &Newer).unwrap();
        assert_eq!((flag.bytes(), flag.fields.len()), (None, 2));
        assert_eq!(
            StoredCommitment::decode(&value(&[&failed, &credentials])),
            Err(CommitmentError::Kind { kind: 137 })
        );
        // What follows a list that was read whole is still an error.
        let longer = [&known[..], &[0]].concat();
        assert_eq!(
            StoredCommitment::decode_with(&longer, &Newer),
            Err(CommitmentError::Broken { part: "end" })
        );
    }

    #[test]
    fn lengths_beyond_the_limits_cost_no_memory() {
        let mut value = 0u64.encode();
        value.extend(0u32.encode());
        value.extend(Compact(u32::MAX).encode());
        assert_eq!(
            StoredCommitment::decode(&value),
            Err(CommitmentError::Broken { part: "number of fields" })
        );
        for kind in [134, 136] {
            let mut value = value[..12].to_vec();
            value.extend([1 << 2, kind]);
            value.extend(Compact(u32::MAX).encode());
            assert_eq!(
                StoredCommitment::decode(&value),
                Err(CommitmentError::Broken { part: "length of a field" })
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in prop::collection::vec(any::<u8>(), 0..=512)) {
            let value = stored(&bytes);
            let read = StoredCommitment::decode(&value).unwrap();
            prop_assert_eq!((read.deposit, read.block, read.bytes()), (7, 9, Some(&bytes[..])));
            for cut in 0..value.len() {
                prop_assert!(StoredCommitment::decode(&value[..cut]).is_err());
            }
            let longer = [&value[..], &[0]].concat();
            prop_assert!(StoredCommitment::decode(&longer).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = StoredCommitment::decode(&bytes);
        }
    }
}
