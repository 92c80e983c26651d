//! Tables and statements. Every read and every change is one transaction.

use super::Registration;
use crate::{
    DevnetError,
    rules::{self, DevnetRefusal, Voice, WeightStanding},
};
use grail_ports::chain::{Neuron, Uid, WeightRow};
use grail_protocol::words::{BlockNumber, Hotkey, NetworkId};
use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Row, Transaction, TransactionBehavior, params,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

/// Says in the file's header that this is a chain of ours: "GRLD".
const APPLICATION_ID: i32 = 0x4752_4c44;
/// Version of the tables below.
const SCHEMA_VERSION: i32 = 1;
/// How long a writer waits for another process. Transactions take milliseconds.
const BUSY: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
CREATE TABLE meta (
    network TEXT NOT NULL
) STRICT;
CREATE TABLE neuron (
    uid              INTEGER PRIMARY KEY CHECK (uid BETWEEN 0 AND 65535),
    hotkey           BLOB    NOT NULL UNIQUE CHECK (length(hotkey) = 32),
    stake            REAL    NOT NULL,
    validator_permit INTEGER NOT NULL CHECK (validator_permit IN (0, 1)),
    registered_at    INTEGER NOT NULL,
    last_update      INTEGER NOT NULL
) STRICT;
CREATE TABLE commitment (
    hotkey BLOB    PRIMARY KEY CHECK (length(hotkey) = 32),
    data   BLOB    NOT NULL CHECK (length(data) <= 512),
    block  INTEGER NOT NULL
) STRICT;
CREATE TABLE weight (
    validator INTEGER NOT NULL REFERENCES neuron (uid),
    uid       INTEGER NOT NULL REFERENCES neuron (uid),
    weight    INTEGER NOT NULL CHECK (weight BETWEEN 0 AND 65535),
    PRIMARY KEY (validator, uid)
) STRICT, WITHOUT ROWID;
";

/// An open chain file.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Makes a new file.
    pub(super) fn create(path: &Path, network: &NetworkId) -> Result<Self, DevnetError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut store = Self::connect(path, flags)?;
        store.configure()?;
        store.change("make", |tx| {
            tx.execute_batch(SCHEMA)?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            tx.execute("INSERT INTO meta (network) VALUES (?1)", [network.as_str()])?;
            Ok(())
        })?;
        Ok(store)
    }

    /// Opens a file, if it is a chain of that network. Nothing is written before that is known.
    pub(super) fn open(path: &Path, network: &NetworkId) -> Result<Self, DevnetError> {
        let missing = |source| DevnetError::File { doing: "open", path: path.to_owned(), source };
        path.metadata().map_err(missing)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = Self::connect(path, flags)?;
        let application: i32 = store.pragma("application_id")?;
        if application != APPLICATION_ID {
            return Err(DevnetError::NotAChain { path: path.to_owned() });
        }
        let version: i32 = store.pragma("user_version")?;
        if version != SCHEMA_VERSION {
            let found = u32::try_from(version).unwrap_or(0);
            return Err(DevnetError::Version {
                path: path.to_owned(),
                found,
                expected: SCHEMA_VERSION.unsigned_abs(),
            });
        }
        let found: String = store
            .connection
            .query_row("SELECT network FROM meta", [], |row| row.get(0))
            .map_err(|error| store.trouble("read", error))?;
        if found != network.as_str() {
            return Err(DevnetError::OtherNetwork {
                path: path.to_owned(),
                found,
                expected: network.clone(),
            });
        }
        store.configure()?;
        Ok(store)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, DevnetError> {
        let trouble = |doing| {
            let path = path.to_owned();
            move |source| DevnetError::Database { doing, path, source }
        };
        let connection = Connection::open_with_flags(path, flags).map_err(trouble("open"))?;
        connection.busy_timeout(BUSY).map_err(trouble("open"))?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Write-ahead log, so that readers never wait for a writer; every commit reaches the disk.
    fn configure(&self) -> Result<(), DevnetError> {
        let set = |name: &str, value: &str| {
            self.connection
                .pragma_update_and_check(None, name, value, |_| Ok(()))
                .optional()
                .map(|_| ())
                .map_err(|error| self.trouble("open", error))
        };
        set("journal_mode", "WAL")?;
        set("synchronous", "FULL")?;
        set("foreign_keys", "ON")
    }

    fn pragma(&self, name: &str) -> Result<i32, DevnetError> {
        self.connection.pragma_query_value(None, name, |row| row.get(0)).map_err(|error| {
            match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::NotADatabase) => DevnetError::NotAChain { path: self.path.clone() },
                _ => self.trouble("read", error),
            }
        })
    }

    fn trouble(&self, doing: &'static str, source: rusqlite::Error) -> DevnetError {
        DevnetError::Database { doing, path: self.path.clone(), source }
    }

    /// Folds the log into the file and closes it.
    pub(super) fn close(self) -> Result<(), DevnetError> {
        let path = self.path;
        self.connection.close().map_err(|(_, source)| DevnetError::Database { doing: "close", path, source })
    }

    /// One change: all of it or nothing.
    pub(super) fn change<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, DevnetError> {
        self.transaction(doing, TransactionBehavior::Immediate, work)
    }

    /// One reading: all of it from the same state.
    fn look<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, DevnetError> {
        self.transaction("read", TransactionBehavior::Deferred, work)
    }

    fn transaction<T>(
        &mut self,
        doing: &'static str,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, DevnetError> {
        let path = &self.path;
        let trouble = |source| DevnetError::Database { doing, path: path.clone(), source };
        let tx = self.connection.transaction_with_behavior(behavior).map_err(trouble)?;
        let done = work(&tx).map_err(trouble)?;
        tx.commit().map_err(trouble)?;
        Ok(done)
    }

    /// Everyone, in the order of uids, with the incentive that the stored weights give them.
    pub(super) fn neurons(&mut self) -> Result<Vec<Neuron>, DevnetError> {
        self.look(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT uid, hotkey, stake, validator_permit, last_update FROM neuron ORDER BY uid",
            )?;
            let mut neurons = statement
                .query_map([], |row| {
                    Ok(Neuron {
                        uid: row.get(0)?,
                        hotkey: Hotkey::from_bytes(row.get(1)?),
                        stake: row.get(2)?,
                        validator_permit: row.get(3)?,
                        last_update: block(row, 4)?,
                        incentive: 0,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let mut rows: BTreeMap<Uid, WeightRow> = BTreeMap::new();
            let mut statement =
                tx.prepare_cached("SELECT validator, uid, weight FROM weight ORDER BY validator, uid")?;
            let mut weights = statement.query([])?;
            while let Some(row) = weights.next()? {
                rows.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
            }
            let voices: Vec<Voice> = neurons
                .iter()
                .filter(|neuron| neuron.validator_permit)
                .filter_map(|neuron| {
                    rows.get(&neuron.uid).map(|row| Voice { stake: neuron.stake, row: row.clone() })
                })
                .collect();
            let incentives = rules::incentives(&voices);
            for neuron in &mut neurons {
                neuron.incentive = incentives.get(&neuron.uid).copied().unwrap_or(0);
            }
            Ok(neurons)
        })
    }

    /// What a hotkey committed last.
    pub(super) fn commitment(&mut self, hotkey: &Hotkey) -> Result<Option<Vec<u8>>, DevnetError> {
        self.look(|tx| {
            tx.query_row("SELECT data FROM commitment WHERE hotkey = ?1", [hotkey.as_bytes()], |row| {
                row.get(0)
            })
            .optional()
        })
    }

    /// The row that a uid set last.
    pub(super) fn weights(&mut self, uid: Uid) -> Result<Option<WeightRow>, DevnetError> {
        self.look(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT uid, weight FROM weight WHERE validator = ?1 ORDER BY uid")?;
            let row = statement
                .query_map([uid], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<WeightRow>>()?;
            // A stored row is never empty.
            Ok((!row.is_empty()).then_some(row))
        })
    }
}

fn block(row: &Row<'_>, column: usize) -> rusqlite::Result<BlockNumber> {
    let number: i64 = row.get(column)?;
    u64::try_from(number)
        .map(BlockNumber)
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// SQLite's integers end at 2⁶³ − 1, which block numbers do not reach while clocks are sane.
fn stored(number: BlockNumber) -> i64 {
    i64::try_from(number.0).unwrap_or(i64::MAX)
}

/// Registers, or renews stake and permit of who is registered.
pub(super) fn register(
    tx: &Transaction<'_>,
    new: &Registration,
    at: BlockNumber,
) -> rusqlite::Result<Result<Uid, DevnetRefusal>> {
    let key = new.hotkey.as_bytes();
    let known: Option<Uid> =
        tx.query_row("SELECT uid FROM neuron WHERE hotkey = ?1", [key], |row| row.get(0)).optional()?;
    if let Some(uid) = known {
        tx.execute(
            "UPDATE neuron SET stake = ?2, validator_permit = ?3 WHERE uid = ?1",
            params![uid, new.stake, new.validator_permit],
        )?;
        return Ok(Ok(uid));
    }
    let next: i64 = tx.query_row("SELECT coalesce(max(uid) + 1, 0) FROM neuron", [], |row| row.get(0))?;
    let Ok(uid) = Uid::try_from(next) else { return Ok(Err(DevnetRefusal::Full)) };
    tx.execute(
        "INSERT INTO neuron (uid, hotkey, stake, validator_permit, registered_at, last_update) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        params![uid, key, new.stake, new.validator_permit, stored(at)],
    )?;
    Ok(Ok(uid))
}

/// What the chain knows of a hotkey.
pub(super) fn standing(tx: &Transaction<'_>, hotkey: &Hotkey) -> rusqlite::Result<Option<WeightStanding>> {
    tx.query_row(
        "SELECT uid, validator_permit, last_update FROM neuron WHERE hotkey = ?1",
        [hotkey.as_bytes()],
        |row| {
            Ok(WeightStanding {
                uid: row.get(0)?,
                validator_permit: row.get(1)?,
                last_update: block(row, 2)?,
            })
        },
    )
    .optional()
}

/// All numbers that are taken.
pub(super) fn registered(tx: &Transaction<'_>) -> rusqlite::Result<BTreeSet<Uid>> {
    tx.prepare_cached("SELECT uid FROM neuron")?.query_map([], |row| row.get(0))?.collect()
}

/// Replaces a hotkey's commitment.
pub(super) fn commit(
    tx: &Transaction<'_>,
    hotkey: &Hotkey,
    data: &[u8],
    at: BlockNumber,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO commitment (hotkey, data, block) VALUES (?1, ?2, ?3) \
         ON CONFLICT (hotkey) DO UPDATE SET data = excluded.data, block = excluded.block",
        params![hotkey.as_bytes(), data, stored(at)],
    )?;
    Ok(())
}

/// Replaces a validator's row.
pub(super) fn set_weights(
    tx: &Transaction<'_>,
    validator: Uid,
    row: &WeightRow,
    at: BlockNumber,
) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM weight WHERE validator = ?1", [validator])?;
    let mut insert = tx.prepare_cached("INSERT INTO weight (validator, uid, weight) VALUES (?1, ?2, ?3)")?;
    for &(uid, weight) in row {
        insert.execute(params![validator, uid, weight])?;
    }
    tx.execute("UPDATE neuron SET last_update = ?2 WHERE uid = ?1", params![validator, stored(at)])?;
    Ok(())
}
