//! Entries of a journal as JSON that people can read.

use grail_ports::{Door, Fault, Retry, journal::Journal};
use grail_protocol::words::NetworkId;
use serde::{Serialize, de::DeserializeOwned};

/// Writes a value, whole or not at all.
pub(crate) fn save(journal: &dyn Journal, name: &str, value: &impl Serialize) -> Result<(), Fault> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| {
        Fault::new(Door::Inside, Retry::Never, format!("encode {}", journal.place(name)), error)
    })?;
    journal.write(name, &bytes)
}

/// Reads a value of at most `most` bytes; `Ok(None)` when there is none.
///
/// Errors: it is damaged; the fault names it, and `then` is what comes of moving it away.
pub(crate) fn load<T: DeserializeOwned>(
    journal: &dyn Journal,
    name: &str,
    most: u64,
    then: &str,
) -> Result<Option<T>, Fault> {
    let Some(bytes) = journal.read(name, most)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let doing = format!("read {}; move it away to {then}", journal.place(name));
        Fault::new(Door::Disk, Retry::Never, doing, error)
    })
}

/// Checks the version of a format. `what` was read, as a sentence begins.
pub(crate) fn of_version(what: &str, got: u16, ours: u16) -> Result<(), Fault> {
    if got == ours {
        return Ok(());
    }
    let doing = format!("{what} has format {got}, this program reads {ours}");
    Err(Fault::plain(Door::Disk, Retry::Never, doing))
}

/// Checks whose network something was kept for. `other` is what to choose another folder for.
pub(crate) fn of_network(what: &str, got: &NetworkId, ours: &NetworkId, other: &str) -> Result<(), Fault> {
    if got == ours {
        return Ok(());
    }
    let doing = format!("{what} is of network {got}, this is {ours}; choose another folder{other}");
    Err(Fault::plain(Door::Disk, Retry::Never, doing))
}
