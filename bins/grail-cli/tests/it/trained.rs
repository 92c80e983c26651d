//! Small checkpoints that are truly signed.

use grail_artifact::{
    checkpoint::{CheckpointPlace, DeltaStep, Publication, PublicationKind},
    delta::DeltaOptions,
    manifest::{FileEntry, Manifest, PUBLISHED_VERSION},
    tensors::{Header, StoredDtype},
    window::RootHex,
};
use grail_protocol::{
    draw::SamplingPolicy,
    hash::sha256,
    params::DEV,
    profile::NumericProfile,
    sign::HotkeyPair,
    words::{CheckpointId, WindowStart},
};
use grail_store::{
    Transfer,
    checkpoint::{Outgoing, Publisher, make_deltas, tensor_root},
};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};
use tempfile::TempDir;

pub(super) fn trainer() -> HotkeyPair {
    HotkeyPair::from_seed(&[7; 32]).unwrap()
}

/// The weights file of a window.
pub(super) fn weights(window: u64) -> Vec<u8> {
    let header = Header::build(&[("embed", StoredDtype::BF16, &[64, 64])], &BTreeMap::new()).unwrap();
    let mut bytes = (header.json().len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.json());
    bytes.extend((0..2 * 64 * 64u64).map(|i| if i % 97 == 0 { (i + window) as u8 } else { (i * 31) as u8 }));
    bytes
}

/// What a trainer has of one window: a folder, and the manifest that lies in it.
pub(super) struct Trained {
    pub(super) dir: TempDir,
    pub(super) manifest: Manifest,
}

/// A step to `window`; from a base it is a delta.
pub(super) fn train(pair: &HotkeyPair, window: u64, sequence: u64, base: Option<&Trained>) -> Trained {
    let dir = tempfile::tempdir().unwrap();
    let entry = |(name, bytes): (&str, Vec<u8>)| {
        fs::write(dir.path().join(name), &bytes).unwrap();
        let sha256 = CheckpointId::from_bytes(sha256(&bytes)).to_string();
        FileEntry { name: name.into(), size: bytes.len() as u64, sha256 }
    };
    let files: Vec<FileEntry> =
        [("config.json", b"{}".to_vec()), ("model.safetensors", weights(window))].map(entry).into();
    let (own, options) = (dir.path(), DeltaOptions::default());
    let step = base.map(|base| DeltaStep {
        base: base.manifest.id(),
        base_window: base.manifest.window,
        deltas: make_deltas((base.dir.path(), &base.manifest.files), own, &files, own, options, &mut |_| {})
            .unwrap(),
    });
    let tensors = tensor_root(own, &files, options, &mut |_| {}).unwrap();
    let mut manifest = Manifest {
        version: PUBLISHED_VERSION,
        window: WindowStart(window),
        sequence,
        environments: vec!["sat/1".parse().unwrap()],
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: 64,
        numeric: NumericProfile::StrictF32,
        files,
        publication: Some(Publication {
            kind: if base.is_some() { PublicationKind::Delta } else { PublicationKind::Full },
            step,
            tensors,
            trained_on: RootHex([0; 32]),
            trainer: pair.hotkey(),
            signature: None,
        }),
    };
    manifest.sign(pair, [1; 32]).unwrap();
    fs::write(own.join("manifest.json"), manifest.to_json().unwrap()).unwrap();
    Trained { dir, manifest }
}

pub(super) fn publish(shelf: &Path, pair: &HotkeyPair, trained: &Trained, base: Option<&Trained>) {
    let shelf = Arc::new(grail_store::Shelf::folder(shelf, Transfer::default()).unwrap());
    let outgoing = Outgoing {
        manifest: trained.manifest.clone(),
        folder: trained.dir.path().to_owned(),
        deltas: trained.dir.path().to_owned(),
        base: base.map(|base| base.manifest.clone()),
    };
    let publisher = Publisher::new(shelf, pair.hotkey(), DEV);
    let sent =
        publisher.publish(CheckpointPlace::Window(trained.manifest.window), &outgoing, Arc::new(|_| {}));
    tokio::runtime::Runtime::new().unwrap().block_on(sent).unwrap();
}
