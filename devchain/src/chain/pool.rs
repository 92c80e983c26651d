//! Extrinsics that wait for a block, and why one does not get in.

use crate::text::Hash;
use parity_scale_codec::{Decode, Encode};

/// Extrinsics that may wait.
const MAX_WAITING: usize = 8_192;
/// Bytes of all that wait.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// What the runtime says of an extrinsic that it would take.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Valid {
    pub(crate) priority: u64,
    pub(crate) requires: Vec<Vec<u8>>,
    pub(crate) provides: Vec<Vec<u8>>,
    pub(crate) longevity: u64,
    pub(crate) propagate: bool,
}

/// Why the runtime does not take an extrinsic now.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Unfit {
    #[codec(index = 0)]
    Invalid(Invalid),
    #[codec(index = 1)]
    Unknown(Unknown),
}

/// Reasons of the first kind, by the numbers that runtimes give them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Invalid {
    #[codec(index = 0)]
    Call,
    #[codec(index = 1)]
    Payment,
    #[codec(index = 2)]
    Future,
    #[codec(index = 3)]
    Stale,
    #[codec(index = 4)]
    BadProof,
    #[codec(index = 5)]
    AncientBirthBlock,
    #[codec(index = 6)]
    ExhaustsResources,
    #[codec(index = 7)]
    Custom(u8),
    #[codec(index = 8)]
    BadMandatory,
    #[codec(index = 9)]
    MandatoryValidation,
    #[codec(index = 10)]
    BadSigner,
    #[codec(index = 11)]
    IndeterminateImplicit,
    #[codec(index = 12)]
    UnknownOrigin,
}

impl Invalid {
    /// The words in which nodes tell it to clients, which recognise them.
    pub(crate) fn words(&self) -> String {
        let words = match self {
            Self::Call => "Transaction call is not expected",
            Self::Payment => "Inability to pay some fees (e.g. account balance too low)",
            Self::Future => "Transaction will be valid in the future",
            Self::Stale => "Transaction is outdated",
            Self::BadProof => "Transaction has a bad signature",
            Self::AncientBirthBlock => "Transaction has an ancient birth block",
            Self::ExhaustsResources => "Transaction would exhaust the block limits",
            Self::Custom(code) => return format!("Custom error: {code}"),
            Self::BadMandatory => "A call was labelled as mandatory, but resulted in an Error.",
            Self::MandatoryValidation => {
                "Transaction dispatch is mandatory; transactions must not be validated."
            }
            Self::BadSigner => "Invalid signing address",
            Self::IndeterminateImplicit => "The implicit data was unable to be calculated",
            Self::UnknownOrigin => "The transaction extension did not authorize any origin",
        };
        words.to_owned()
    }
}

/// Reasons of the second kind.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Unknown {
    #[codec(index = 0)]
    CannotLookup,
    #[codec(index = 1)]
    NoUnsignedValidator,
    #[codec(index = 2)]
    Custom(u8),
}

/// Why an extrinsic was not taken into the pool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The runtime says so.
    Unfit(Unfit),
    /// It waits already.
    AlreadyThere(Hash),
    /// Another one with the same nonce waits, and pays no less.
    LowPriority { old: u64, new: u64 },
    /// It says nothing by which it could be told from others.
    NoTags,
    /// The pool is full.
    Full,
}

/// One that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) hash: Hash,
    pub(crate) bytes: Vec<u8>,
    pub(crate) valid: Valid,
}

/// Extrinsics in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    waiting: Vec<Waiting>,
    bytes: usize,
}

impl Pool {
    /// Takes one in. Gives back the one that it replaces, if any.
    pub(crate) fn add(&mut self, new: Waiting) -> Result<Option<Hash>, Refusal> {
        if self.waiting.iter().any(|old| old.hash == new.hash) {
            return Err(Refusal::AlreadyThere(new.hash));
        }
        if new.valid.provides.is_empty() {
            return Err(Refusal::NoTags);
        }
        let same = |old: &Waiting| old.valid.provides.iter().any(|tag| new.valid.provides.contains(tag));
        let rival = self.waiting.iter().position(same);
        if let Some(old) = rival.and_then(|place| self.waiting.get(place))
            && old.valid.priority >= new.valid.priority
        {
            return Err(Refusal::LowPriority { old: old.valid.priority, new: new.valid.priority });
        }
        if self.waiting.len() >= MAX_WAITING || self.bytes + new.bytes.len() > MAX_WAITING_BYTES {
            return Err(Refusal::Full);
        }
        let usurped = rival.map(|place| self.waiting.remove(place));
        self.bytes += new.bytes.len();
        self.bytes -= usurped.as_ref().map_or(0, |old| old.bytes.len());
        self.waiting.push(new);
        Ok(usurped.map(|old| old.hash))
    }

    /// Takes everything out, in order.
    pub(crate) fn take(&mut self) -> Vec<Waiting> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Puts back what was not included, before whatever came since.
    pub(crate) fn put_back(&mut self, mut waiting: Vec<Waiting>) {
        waiting.append(&mut self.waiting);
        self.bytes = waiting.iter().map(|one| one.bytes.len()).sum();
        self.waiting = waiting;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter()
    }

    /// Whether one waits that provides the tag.
    pub(crate) fn provides(&self, tag: &[u8]) -> bool {
        self.waiting.iter().any(|one| one.valid.provides.iter().any(|provided| provided == tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(name: u8, tag: u8, priority: u64) -> Waiting {
        let valid = Valid {
            priority,
            requires: Vec::new(),
            provides: vec![vec![tag]],
            longevity: 1,
            propagate: true,
        };
        Waiting { hash: Hash([name; 32]), bytes: vec![name], valid }
    }

    #[test]
    fn the_numbers_of_reasons_are_those_of_runtimes() {
        let decode = |mut bytes: &[u8]| Result::<Valid, Unfit>::decode(&mut bytes).unwrap();
        assert_eq!(decode(&[1, 0, 7, 1]), Err(Unfit::Invalid(Invalid::Custom(1))));
        assert_eq!(decode(&[1, 0, 4]), Err(Unfit::Invalid(Invalid::BadProof)));
        assert_eq!(decode(&[1, 1, 0]), Err(Unfit::Unknown(Unknown::CannotLookup)));
        assert_eq!(Invalid::Custom(6).words(), "Custom error: 6");
    }

    #[test]
    fn the_same_one_waits_once() {
        let mut pool = Pool::default();
        assert_eq!(pool.add(waiting(1, 1, 5)), Ok(None));
        assert_eq!(pool.add(waiting(1, 1, 5)), Err(Refusal::AlreadyThere(Hash([1; 32]))));
    }

    #[test]
    fn a_better_paying_one_takes_the_place() {
        let mut pool = Pool::default();
        pool.add(waiting(1, 1, 5)).unwrap();
        assert_eq!(pool.add(waiting(2, 1, 5)), Err(Refusal::LowPriority { old: 5, new: 5 }));
        assert_eq!(pool.add(waiting(3, 1, 6)), Ok(Some(Hash([1; 32]))));
        assert!(pool.provides(&[1]));
        assert_eq!(pool.take().len(), 1);
        assert!(!pool.provides(&[1]));
    }

    #[test]
    fn the_pool_is_bounded() {
        let mut pool = Pool::default();
        let mut large = waiting(1, 1, 1);
        large.bytes = vec![0; MAX_WAITING_BYTES];
        pool.add(large).unwrap();
        assert_eq!(pool.add(waiting(2, 2, 1)), Err(Refusal::Full));
        assert_eq!(pool.take().len(), 1);
        assert_eq!(pool.add(waiting(2, 2, 1)), Ok(None));
    }

    #[test]
    fn what_is_put_back_goes_first() {
        let mut pool = Pool::default();
        pool.add(waiting(1, 1, 1)).unwrap();
        let taken = pool.take();
        pool.add(waiting(2, 2, 1)).unwrap();
        pool.put_back(taken);
        assert_eq!(pool.iter().map(|one| one.hash.0[0]).collect::<Vec<_>>(), [1, 2]);
    }
}
