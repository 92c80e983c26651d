//! Environment ids to environments: what a role can pose and judge.

use grail_env::{EnvError, Environment};
use grail_ports::{Door, Fault, Retry};
use grail_protocol::words::EnvId;
use std::{collections::BTreeMap, sync::Arc};

/// The environments that this program holds, by id.
#[derive(Debug, Clone, Default)]
pub struct Environments(BTreeMap<EnvId, Arc<Environment>>);

/// An environment's id without the digest of its data: `gsm8k/1`, for lines that people read.
pub(crate) fn short(id: &EnvId) -> &str {
    id.as_str().split(':').next().unwrap_or_default()
}

impl Environments {
    /// Takes a list; of two with the same id the later one stays.
    ///
    /// Errors: an environment without a valid identity.
    pub fn new(list: impl IntoIterator<Item = Environment>) -> Result<Self, EnvError> {
        let with_id = |environment: Environment| Ok((environment.id()?, Arc::new(environment)));
        list.into_iter().map(with_id).collect::<Result<_, EnvError>>().map(Self)
    }

    /// The environment of that id.
    ///
    /// Errors: a [`Fault`] that names the id and those at hand; for `gsm8k` it means another data set.
    pub fn get(&self, id: &EnvId) -> Result<Arc<Environment>, Fault> {
        self.0.get(id).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(EnvId::as_str).collect();
            let doing = format!(
                "the checkpoint asks for environment {id}, this program holds {}; \
                 an id with a digest needs exactly that data set",
                known.join(", ")
            );
            Fault::plain(Door::Inside, Retry::Never, doing)
        })
    }

    /// The ids at hand.
    pub fn ids(&self) -> Vec<EnvId> {
        self.0.keys().cloned().collect()
    }
}
