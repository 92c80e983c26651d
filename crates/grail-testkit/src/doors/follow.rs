use super::Trouble;
use crate::model::{FakeModel, FakeTokenizer};
use async_trait::async_trait;
use grail_artifact::{checkpoint::Moment, manifest::Manifest};
use grail_ports::{
    Door, Fault,
    follow::{Checkpoints, Found, Load, Loaded},
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// Checkpoints that lie nowhere, each in use in the windows after its own. Clones share their trouble.
#[derive(Debug, Clone)]
pub struct FakeFollower {
    manifests: Vec<Manifest>,
    trouble: Trouble,
}

impl FakeFollower {
    /// Follows checkpoints from the oldest to the newest; the oldest answers before all others.
    ///
    /// # Panics
    /// When there is none.
    pub fn new(manifests: Vec<Manifest>) -> Self {
        assert!(!manifests.is_empty(), "a network begins with a model");
        Self { manifests, trouble: Trouble::default() }
    }

    /// Trouble of all calls.
    pub const fn trouble(&self) -> &Trouble {
        &self.trouble
    }
}

#[async_trait]
impl Checkpoints for FakeFollower {
    async fn find(&self, moment: Moment) -> Result<Found, Fault> {
        self.trouble.pass(Door::Shelf, || "list checkpoints".to_owned()).await?;
        let [first, later @ ..] = &self.manifests[..] else { unreachable!("there is one") };
        let newest = later.iter().rev().find(|manifest| manifest.window < moment.before);
        Ok(Found { folder: "nowhere".into(), manifest: newest.unwrap_or(first).clone() })
    }
}

/// Makes of a checkpoint the [`FakeModel`] whose weights are its sequence number. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct FakeLoader {
    loads: Arc<AtomicU32>,
}

impl FakeLoader {
    /// Checkpoints loaded so far.
    pub fn loads(&self) -> u32 {
        self.loads.load(Ordering::SeqCst)
    }
}

impl Load for FakeLoader {
    fn load(&self, found: &Found) -> Result<Loaded, Fault> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let model = FakeModel::new(found.manifest.id(), found.manifest.sequence);
        Ok(Loaded {
            tokenizer: Arc::new(FakeTokenizer),
            generator: Some(Box::new(model.clone())),
            oracle: Some(Box::new(model)),
        })
    }
}
