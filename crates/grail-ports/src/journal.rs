//! What a role writes down for itself: verdicts with their reasons, evidence, records, bundles.

use crate::{Door, Fault, Retry};
use std::fmt;

/// Most bytes of a name.
pub const NAME_BYTES: usize = 200;

/// Named bytes that outlive the program: one flat place for one kind of thing.
///
/// A call is as long as a file is; loops make them where they are, and large ones on a thread that may block. One role
/// writes; readers may be others, at any time.
pub trait Journal: Send + Sync + fmt::Debug {
    /// The entry of that name; `Ok(None)` when there is none. It is what one write was given, whole.
    ///
    /// Errors: a name that [`check_name`] refuses; more than `most` bytes, of which none are read.
    fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Fault>;

    /// Writes an entry whole or not at all, replacing an older one. Once this has returned, a loss of power leaves the new
    /// one; before, the old one or the new.
    ///
    /// Errors: a name that [`check_name`] refuses; a place that cannot be written to. What was there then stays.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Fault>;

    /// Names of all entries, rising. A journal that nobody has written to has none.
    ///
    /// What strangers put there under other names than [`check_name`] takes is passed over.
    fn list(&self) -> Result<Vec<String>, Fault>;

    /// Takes an entry away; an absent one is no fault.
    fn remove(&self, name: &str) -> Result<(), Fault>;

    /// Where an entry lies, for people: the path of a file.
    fn place(&self, name: &str) -> String;
}

/// Checks a name: 1 to [`NAME_BYTES`] letters, digits and `. _ -`, no dot in front.
///
/// Errors: a [`Fault`] of ours, since names are never taken from strangers.
pub fn check_name(name: &str) -> Result<(), Fault> {
    if is_name(name) {
        return Ok(());
    }
    Err(Fault::plain(Door::Inside, Retry::Never, format!("{name:?} cannot name an entry of a journal")))
}

/// Whether [`check_name`] takes a name.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=NAME_BYTES).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}
