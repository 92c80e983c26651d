use super::Trouble;
use bytes::Bytes;
use grail_ports::{
    Door, Fault, Retry,
    journal::{Journal, check_name},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A journal in memory. Clones are the same journal.
#[derive(Debug, Clone, Default)]
pub struct MemJournal {
    entries: Arc<Mutex<BTreeMap<String, Bytes>>>,
    trouble: Trouble,
}

impl MemJournal {
    /// Trouble of all calls.
    pub const fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// Lays an entry there, past every trouble.
    pub fn lay(&self, name: impl Into<String>, bytes: impl Into<Bytes>) {
        self.entries().insert(name.into(), bytes.into());
    }

    /// The entry as it lies there, past every trouble.
    pub fn peek(&self, name: &str) -> Option<Bytes> {
        self.entries().get(name).cloned()
    }

    /// Everything there, by name.
    pub fn all(&self) -> BTreeMap<String, Bytes> {
        self.entries().clone()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, doing: &str, name: &str) -> Result<(), Fault> {
        self.trouble.pass_now(Door::Disk, || format!("{doing} {}", self.place(name)))?;
        check_name(name)
    }
}

impl Journal for MemJournal {
    fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Fault> {
        self.pass("read", name)?;
        let Some(bytes) = self.peek(name) else { return Ok(None) };
        if bytes.len() as u64 > most {
            let doing = format!("{} has {} bytes, at most {most} are read", self.place(name), bytes.len());
            return Err(Fault::plain(Door::Disk, Retry::Never, doing));
        }
        Ok(Some(bytes.to_vec()))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.pass("write", name)?;
        self.lay(name, bytes.to_vec());
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>, Fault> {
        self.trouble.pass_now(Door::Disk, || "list a journal".to_owned())?;
        Ok(self.entries().keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> Result<(), Fault> {
        self.pass("remove", name)?;
        self.entries().remove(name);
        Ok(())
    }

    fn place(&self, name: &str) -> String {
        format!("{name} in memory")
    }
}
