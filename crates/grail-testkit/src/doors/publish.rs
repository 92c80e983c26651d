use super::{HeldKey, Trouble};
use async_trait::async_trait;
use grail_artifact::{
    checkpoint::{Publication, PublicationKind, manifest_statement},
    manifest::{FileEntry, Manifest, PUBLISHED_VERSION},
    tensors::TensorRoot,
};
use grail_ports::{
    Door, Fault, Retry,
    publish::{Export, Issued, Press, PublicationPlan},
    sign::Sign as _,
};
use grail_protocol::{hash::sha256, sign::HotkeyPair};
use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tempfile::TempDir;

/// A press whose shelf is a folder that goes with it: all checkpoints whole, none forgotten. Clones are the same press.
#[derive(Debug, Clone)]
pub struct FakePress {
    genesis: Manifest,
    signer: Arc<HeldKey>,
    root: Arc<TempDir>,
    issued: Arc<Mutex<Vec<(PublicationPlan, Issued)>>>,
    trouble: Trouble,
}

impl FakePress {
    /// A press that signs as `trainer` and takes from the first model's manifest what no plan says.
    ///
    /// # Panics
    /// When there is no room for a folder.
    pub fn new(genesis: Manifest, trainer: HotkeyPair) -> Self {
        Self {
            genesis,
            signer: Arc::new(HeldKey(trainer)),
            root: Arc::new(tempfile::tempdir().expect("a folder for checkpoints")),
            issued: Arc::default(),
            trouble: Trouble::default(),
        }
    }

    /// Trouble of publishing; it comes after the weights were written.
    pub const fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// Plans carried out, oldest first, with what came of each.
    pub fn carried_out(&self) -> Vec<(PublicationPlan, Issued)> {
        self.list().clone()
    }

    fn list(&self) -> MutexGuard<'_, Vec<(PublicationPlan, Issued)>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manifest(&self, plan: &PublicationPlan, folder: &Path) -> io::Result<Manifest> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (name, bytes) = (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
            files.push(FileEntry { name, size: bytes.len() as u64, sha256: hex::encode(sha256(&bytes)) });
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let roots: String = files.iter().map(|file| file.sha256.as_str()).collect();
        let publication = Publication {
            kind: PublicationKind::Full,
            step: None,
            tensors: TensorRoot(sha256(roots.as_bytes())),
            trained_on: plan.trained_on,
            trainer: self.signer.hotkey(),
            signature: None,
        };
        let mut manifest = Manifest {
            version: PUBLISHED_VERSION,
            window: plan.window,
            sequence: plan.sequence,
            files,
            publication: Some(publication),
            ..self.genesis.clone()
        };
        let signature = self.signer.sign(&manifest_statement(&manifest)).map_err(io::Error::other)?;
        if let Some(publication) = &mut manifest.publication {
            publication.signature = Some(signature);
        }
        Ok(manifest)
    }
}

#[async_trait]
impl Press for FakePress {
    fn issued(&self) -> Result<Vec<Manifest>, Fault> {
        Ok(self.list().iter().map(|(_, issued)| issued.manifest.clone()).collect())
    }

    async fn publish(&self, plan: &PublicationPlan, export: Export) -> Result<Issued, Fault> {
        let known = self.list().iter().find(|(done, _)| done == plan).map(|(_, issued)| issued.clone());
        if let Some(issued) = known {
            return Ok(Issued { sent_bytes: 0, ..issued });
        }
        let folder = self.root.path().join(format!("window-{}", plan.window));
        let made = fs::create_dir_all(&folder);
        let doing = || format!("make checkpoint {}", plan.sequence);
        let fault = |error: io::Error| Fault::new(Door::Disk, Retry::Never, doing(), error);
        made.map_err(fault)?;
        export(&folder)?;
        self.trouble.pass(Door::Shelf, || format!("publish {}", plan.window)).await?;
        let manifest = self.manifest(plan, &folder).map_err(fault)?;
        let sent_bytes = manifest.files.iter().map(|file| file.size).sum();
        let issued = Issued { manifest, folder, sent_bytes };
        self.list().push((*plan, issued.clone()));
        Ok(issued)
    }
}
