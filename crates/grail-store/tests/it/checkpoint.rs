//! Checkpoints from a trainer to a consumer, over shelves that lose, damage and replace them.

use super::{
    cause,
    server::{location, read_pair, start, transfer, write_pair},
};
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::{
    checkpoint::{
        CheckpointKey, CheckpointPlace, DeltaFile, DeltaStep, FileName, Listed, Moment, Publication,
        PublicationKind, Retention,
    },
    delta::DeltaOptions,
    manifest::{FileEntry, Manifest, ManifestError, PUBLISHED_VERSION},
    tensors::{Header, StoredDtype},
    window::RootHex,
};
use grail_ports::{
    Fault,
    checkpoint::{CheckpointShelf, Part},
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
    Shelf, StoreError, Transfer,
    checkpoint::{
        Cache, CheckpointRefusal, Consumer, ConsumerLimits, Found, Outgoing, PublishError, Published,
        Publisher, Tell, check, make_deltas, tensor_root,
    },
};
use grail_testkit::doors::{MemCheckpoints, conformance};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tempfile::TempDir;

pub(crate) fn trainer() -> HotkeyPair {
    HotkeyPair::from_seed(&[7; 32]).unwrap()
}

pub(crate) fn before(window: u64) -> Moment {
    Moment { before: WindowStart(window), ..Moment::ANY }
}

fn quiet() -> Tell {
    Arc::new(|_| {})
}

/// Weights of window `w`: most of them the same in every window.
pub(crate) fn weights(window: u64) -> Vec<u8> {
    let header = Header::build(
        &[("embed", StoredDtype::BF16, &[64, 64]), ("norm", StoredDtype::F32, &[16])],
        &BTreeMap::from([("format".to_owned(), "pt".to_owned())]),
    )
    .unwrap();
    let mut bytes = (header.json().len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.json());
    bytes.extend(
        (0..2 * 64 * 64u64).map(|i| if i % 97 == 0 { (i / 97 + window) as u8 } else { (i * 31 % 251) as u8 }),
    );
    bytes.extend([window as u8; 64]);
    bytes
}

/// What a trainer has of one window: a folder and the manifest that it would publish.
struct Trained {
    dir: TempDir,
    manifest: Manifest,
}

/// A trainer's step to `window`, from `base` where there is one.
fn train(window: u64, sequence: u64, kind: PublicationKind, base: Option<&Trained>) -> Trained {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<FileEntry> =
        [("config.json", b"{\"model_type\": \"qwen2\"}".to_vec()), ("model.safetensors", weights(window))]
            .into_iter()
            .map(|(name, bytes)| {
                fs::write(dir.path().join(name), &bytes).unwrap();
                FileEntry { name: name.into(), size: bytes.len() as u64, sha256: hex::encode(sha256(&bytes)) }
            })
            .collect();
    let options = DeltaOptions::default();
    let step = base.map(|base| DeltaStep {
        base: base.manifest.id(),
        base_window: base.manifest.window,
        deltas: make_deltas(
            (base.dir.path(), &base.manifest.files),
            dir.path(),
            &files,
            dir.path(),
            options,
            &mut |_| {},
        )
        .unwrap(),
    });
    let tensors = tensor_root(dir.path(), &files, options, &mut |_| {}).unwrap();
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
            kind,
            step,
            tensors,
            trained_on: RootHex([0; 32]),
            trainer: trainer().hotkey(),
            signature: None,
        }),
    };
    manifest.sign(&trainer(), [1; 32]).unwrap();
    Trained { dir, manifest }
}

impl Trained {
    fn place(&self) -> CheckpointPlace {
        CheckpointPlace::Window(self.manifest.window)
    }

    fn outgoing(&self, base: Option<&Self>) -> Outgoing {
        Outgoing {
            manifest: self.manifest.clone(),
            folder: self.dir.path().to_owned(),
            deltas: self.dir.path().to_owned(),
            base: base.map(|base| base.manifest.clone()),
        }
    }

    /// Signs again after a change of the manifest.
    fn resign(&mut self, change: impl FnOnce(&mut Manifest)) {
        change(&mut self.manifest);
        self.manifest.sign(&trainer(), [2; 32]).unwrap();
    }
}

fn publisher(shelf: &MemCheckpoints) -> Publisher {
    Publisher::new(Arc::new(shelf.clone()), trainer().hotkey(), DEV)
}

async fn publish(shelf: &MemCheckpoints, trained: &Trained, base: Option<&Trained>) -> Published {
    publisher(shelf).publish(trained.place(), &trained.outgoing(base), quiet()).await.unwrap()
}

fn consumer(shelf: impl CheckpointShelf + 'static, cache: &Path) -> Consumer {
    let limits = ConsumerLimits { range_bytes: 1_000, ranges: 3, ..ConsumerLimits::default() };
    Consumer::new(Arc::new(shelf), Cache::open(cache).unwrap(), trainer().hotkey(), DEV, limits, None)
}

fn is_whole(local: &Found, trained: &Trained) {
    assert_eq!(local.manifest, trained.manifest);
    assert_eq!(check(&local.folder, &local.manifest, None, &mut |_| {}).unwrap().len(), 0);
    assert_eq!(fs::read(local.folder.join("model.safetensors")).unwrap(), weights(trained.manifest.window.0));
    let mut names: Vec<String> =
        fs::read_dir(&local.folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["config.json", "manifest.json", "model.safetensors"], "nothing is left over");
}

async fn follow(
    shelf: &MemCheckpoints,
    cache: &Path,
) -> (Option<Found>, Vec<(CheckpointPlace, CheckpointRefusal)>) {
    let followed = consumer(shelf.clone(), cache).follow(before(1_000_000), quiet()).await.unwrap();
    (followed.current, followed.refused)
}

fn file(trained: &Trained, name: &str) -> CheckpointKey {
    trained.place().file(FileName::new(name).unwrap())
}

#[tokio::test]
async fn the_folder_keeps_the_promises_of_the_door() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let content: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8).collect();
    fs::write(&file, &content).unwrap();
    let shelf = Shelf::folder(dir.path(), Transfer::default()).unwrap();
    conformance::checkpoints(&shelf, &file, &content).await;
    assert!(Shelf::folder(dir.path().join("absent"), Transfer::default()).is_err());
}

#[tokio::test]
async fn a_bucket_keeps_the_promises_of_the_door() {
    let server = start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    // S3 asks for parts of at least five megabytes; this file has two.
    let parts = Transfer { part_bytes: 5 << 20, ..transfer() };
    let content: Vec<u8> = (0..6u32 << 20).map(|i| (i % 253) as u8).collect();
    fs::write(&file, &content).unwrap();
    let bucket = Shelf::own_bucket(&location(&server.url), &read_pair(), &write_pair(), parts).unwrap();
    conformance::checkpoints(&bucket, &file, &content).await;

    let readable = Shelf::bucket(&location(&server.url), &read_pair(), transfer()).unwrap();
    assert!(!readable.list().await.unwrap().is_empty());
    let key = CheckpointPlace::Window(WindowStart(100)).file(FileName::ready());
    let fault = readable.put(&key, Bytes::new()).await.unwrap_err();
    assert!(matches!(cause(&fault), StoreError::ReadOnlyBucket), "{fault:?}");
}

#[tokio::test]
async fn full_and_delta_checkpoints_arrive_bit_for_bit() {
    let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
    let first = train(20, 1, PublicationKind::Full, None);
    let second = train(40, 2, PublicationKind::Delta, Some(&first));
    let third = train(60, 3, PublicationKind::Delta, Some(&second));
    publish(&shelf, &first, None).await;
    is_whole(&follow(&shelf, cache.path()).await.0.unwrap(), &first);

    let fetched = shelf.bytes_fetched();
    assert!(
        matches!(publish(&shelf, &second, Some(&first)).await, Published::Now { bytes } if bytes < 1_500)
    );
    is_whole(&follow(&shelf, cache.path()).await.0.unwrap(), &second);
    assert!(shelf.bytes_fetched() - fetched < 4_000, "a delta is fetched, and no more");

    // Nothing new: the one in use, and nothing refused.
    let again = consumer(shelf.clone(), cache.path()).follow(before(100), quiet()).await.unwrap();
    assert!(!again.is_new && again.refused.is_empty());
    is_whole(&again.current.unwrap(), &second);

    // Somebody who has nothing walks the chain back to the whole one, and sees only windows below its own.
    publish(&shelf, &third, Some(&second)).await;
    let cold = tempfile::tempdir().unwrap();
    let below = consumer(shelf.clone(), cold.path()).follow(before(60), quiet()).await.unwrap();
    is_whole(&below.current.unwrap(), &second);
    is_whole(&follow(&shelf, cold.path()).await.0.unwrap(), &third);
    let missing = MemCheckpoints::default();
    publish(&missing, &third, Some(&second)).await;
    let (current, refused) = follow(&missing, tempfile::tempdir().unwrap().path()).await;
    assert!(current.is_none());
    assert!(
        matches!(&refused[..], [(_, CheckpointRefusal::NoBase { window: WindowStart(40) })]),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_damaged_delta_is_refused_and_the_whole_one_beside_it_taken() {
    let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
    let first = train(20, 1, PublicationKind::Full, None);
    let second = train(40, 2, PublicationKind::Full, Some(&first));
    publish(&shelf, &first, None).await;
    follow(&shelf, cache.path()).await;
    publish(&shelf, &second, Some(&first)).await;
    let key = file(&second, "model.safetensors.delta");
    let mut delta = shelf.peek(&key).unwrap().to_vec();
    delta[100] ^= 1;
    shelf.place(key, delta);
    let (current, refused) = follow(&shelf, cache.path()).await;
    assert!(refused.is_empty());
    is_whole(&current.unwrap(), &second);
}

/// Each way in which a checkpoint may be wrong, the name under which it is refused, and that the one in use stays.
#[tokio::test]
async fn what_is_wrong_is_refused_by_name_and_the_one_in_use_stays() {
    type Damage = fn(&MemCheckpoints, &mut Trained);
    type Named = fn(&CheckpointRefusal) -> bool;
    let damages: [(&str, Damage, Named); 13] = [
        (
            "corrupted",
            |shelf, second| {
                let key = file(second, "model.safetensors");
                let mut body = shelf.peek(&key).unwrap().to_vec();
                body[5_000] ^= 4;
                shelf.place(key, body);
            },
            |refusal| matches!(refusal, CheckpointRefusal::Digest { file, .. } if file == "model.safetensors"),
        ),
        (
            "truncated",
            |shelf, second| {
                let key = file(second, "model.safetensors");
                let body = shelf.peek(&key).unwrap();
                shelf.place(key, body.slice(..4_000));
            },
            |refusal| matches!(refusal, CheckpointRefusal::Broken { files } if files.contains("model.safetensors")),
        ),
        (
            "a file lost",
            |shelf, second| assert!(shelf.lose(&file(second, "config.json"))),
            |refusal| matches!(refusal, CheckpointRefusal::Broken { files } if files.contains("config.json")),
        ),
        (
            "no marker",
            |shelf, second| assert!(shelf.lose(&file(second, "READY"))),
            |refusal| matches!(refusal, CheckpointRefusal::NotReady),
        ),
        (
            "half uploaded: only the content is there",
            |shelf, second| {
                assert!(shelf.lose(&file(second, "READY")) && shelf.lose(&file(second, "manifest.json")));
                assert!(shelf.lose(&file(second, "model.safetensors")));
            },
            |refusal| matches!(refusal, CheckpointRefusal::NotReady),
        ),
        (
            "re-signed by another key",
            |shelf, second| {
                let thief = HotkeyPair::from_seed(&[8; 32]).unwrap();
                let mut manifest = second.manifest.clone();
                manifest.publication.as_mut().unwrap().trainer = thief.hotkey();
                manifest.sign(&thief, [3; 32]).unwrap();
                shelf.place(file(second, "manifest.json"), manifest.to_json().unwrap());
            },
            |refusal| {
                matches!(refusal, CheckpointRefusal::Manifest { source: ManifestError::WrongKey { .. } })
            },
        ),
        (
            "changed after it was signed",
            |shelf, second| {
                second.manifest.max_new_tokens -= 1;
                shelf.place(file(second, "manifest.json"), second.manifest.to_json().unwrap());
            },
            |refusal| {
                matches!(refusal, CheckpointRefusal::Manifest { source: ManifestError::BadSignature { .. } })
            },
        ),
        (
            "not signed",
            |shelf, second| {
                second.manifest.publication.as_mut().unwrap().signature = None;
                shelf.place(file(second, "manifest.json"), second.manifest.to_json().unwrap());
            },
            |refusal| matches!(refusal, CheckpointRefusal::Manifest { source: ManifestError::Unsigned }),
        ),
        (
            "an older sequence number in a newer window",
            |shelf, second| {
                second.resign(|manifest| manifest.sequence = 1);
                shelf.place(file(second, "manifest.json"), second.manifest.to_json().unwrap());
            },
            |refusal| {
                matches!(
                    refusal,
                    CheckpointRefusal::Manifest { source: ManifestError::OldSequence { got: 1, last: 1 } }
                )
            },
        ),
        (
            "a manifest of another window",
            |shelf, second| {
                let key = file(second, "manifest.json");
                second.resign(|manifest| manifest.window = WindowStart(80));
                shelf.place(key, second.manifest.to_json().unwrap());
                second.manifest.window = WindowStart(40);
            },
            |refusal| matches!(refusal, CheckpointRefusal::WrongPlace { says: WindowStart(80) }),
        ),
        (
            "a marker of an earlier attempt",
            |shelf, second| {
                shelf.place(file(second, "READY"), CheckpointId::from_bytes([1; 32]).to_string() + "\n")
            },
            |refusal| matches!(refusal, CheckpointRefusal::ForeignMarker),
        ),
        (
            "another root",
            |shelf, second| {
                second.resign(|manifest| manifest.publication.as_mut().unwrap().tensors.0[0] ^= 1);
                shelf.place(file(second, "manifest.json"), second.manifest.to_json().unwrap());
                shelf.place(file(second, "READY"), format!("{}\n", second.manifest.id()));
            },
            |refusal| matches!(refusal, CheckpointRefusal::Root { .. }),
        ),
        (
            "too large",
            |shelf, second| {
                second.resign(|manifest| manifest.files[1].size = 1 << 50);
                shelf.place(file(second, "manifest.json"), second.manifest.to_json().unwrap());
                shelf.place(file(second, "READY"), format!("{}\n", second.manifest.id()));
            },
            |refusal| {
                matches!(refusal, CheckpointRefusal::Broken { .. } | CheckpointRefusal::TooLarge { .. })
            },
        ),
    ];
    let first = train(20, 1, PublicationKind::Full, None);
    for (name, damage, named) in damages {
        let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
        publish(&shelf, &first, None).await;
        follow(&shelf, cache.path()).await;
        let mut second = train(40, 2, PublicationKind::Full, None);
        publish(&shelf, &second, None).await;
        damage(&shelf, &mut second);
        let (current, refused) = follow(&shelf, cache.path()).await;
        assert!(
            matches!(&refused[..], [(place, refusal)] if *place == second.place() && named(refusal)),
            "{name}: {refused:?}"
        );
        is_whole(&current.unwrap(), &first);
        // What was wrong does not stand in the way of what is right.
        let third = train(60, 3, PublicationKind::Full, None);
        publish(&shelf, &third, None).await;
        is_whole(&follow(&shelf, cache.path()).await.0.unwrap(), &third);
    }
}

#[tokio::test]
async fn a_store_out_of_reach_is_a_fault_and_changes_nothing() {
    let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
    let first = train(20, 1, PublicationKind::Full, None);
    publish(&shelf, &first, None).await;
    follow(&shelf, cache.path()).await;
    publish(&shelf, &train(40, 2, PublicationKind::Full, None), None).await;
    shelf.reading().fail(u32::MAX);
    let consumer = consumer(shelf.clone(), cache.path());
    assert!(consumer.follow(before(100), quiet()).await.is_err());
    is_whole(&consumer.current().unwrap().unwrap(), &first);
}

#[tokio::test]
async fn an_upload_that_fails_anywhere_is_taken_up_again_and_accepted() {
    let first = train(20, 1, PublicationKind::Full, None);
    let second = train(40, 2, PublicationKind::Delta, Some(&first));
    // A delta, a manifest, a marker: it may fail at each of the three, or before any.
    for calls in 0..=3 {
        let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
        publish(&shelf, &first, None).await;
        follow(&shelf, cache.path()).await;
        // What an upload of another try left there.
        shelf.place(file(&second, "leftover.json"), "x");
        let dying = Dying::after(shelf.clone(), calls);
        let publisher_of = |shelf: Arc<dyn CheckpointShelf>| Publisher::new(shelf, trainer().hotkey(), DEV);
        let failed = publisher_of(Arc::new(dying))
            .publish(second.place(), &second.outgoing(Some(&first)), quiet())
            .await;
        assert!(matches!(failed, Err(PublishError::Fault { .. })), "{calls}: {failed:?}");
        let (current, refused) = follow(&shelf, cache.path()).await;
        is_whole(&current.unwrap(), &first);
        assert!(
            refused.iter().all(|(_, refusal)| matches!(refusal, CheckpointRefusal::NotReady)),
            "{refused:?}"
        );

        assert!(matches!(publish(&shelf, &second, Some(&first)).await, Published::Now { .. }));
        is_whole(&follow(&shelf, cache.path()).await.0.unwrap(), &second);
        let names: Vec<String> = shelf
            .keys()
            .iter()
            .filter(|key| key.place == second.place())
            .map(|key| key.name.to_string())
            .collect();
        assert_eq!(names, ["READY", "manifest.json", "model.safetensors.delta"]);
        assert_eq!(publish(&shelf, &second, Some(&first)).await, Published::Before);
    }
}

#[tokio::test]
async fn a_published_checkpoint_is_never_replaced_and_a_bad_one_never_sent() {
    let shelf = MemCheckpoints::default();
    let first = train(20, 1, PublicationKind::Full, None);
    publish(&shelf, &first, None).await;
    let mut other = train(20, 2, PublicationKind::Full, None);
    let taken = publisher(&shelf).publish(other.place(), &other.outgoing(None), quiet()).await;
    let holds = first.manifest.id().to_string();
    assert!(matches!(taken, Err(PublishError::Taken { holds: got, .. }) if got == holds));

    let elsewhere = CheckpointPlace::Window(WindowStart(40));
    let refused = publisher(&shelf).publish(elsewhere, &other.outgoing(None), quiet()).await;
    assert!(matches!(refused, Err(PublishError::Manifest { .. })));
    other.manifest.sequence = 3;
    let refused = publisher(&shelf).publish(other.place(), &other.outgoing(None), quiet()).await;
    assert!(matches!(refused, Err(PublishError::Manifest { source: ManifestError::BadSignature { .. } })));

    let short = train(40, 2, PublicationKind::Full, None);
    fs::write(short.dir.path().join("model.safetensors"), "short").unwrap();
    let refused = publisher(&shelf).publish(short.place(), &short.outgoing(None), quiet()).await;
    assert!(matches!(refused, Err(PublishError::Size { got: 5, .. })));
    assert_eq!(shelf.keys().len(), 4, "nothing of these was sent");
}

/// A shelf whose writes fail after so many, and that copies a folder at each call: the disk as a kill would leave it.
#[derive(Clone)]
struct Dying {
    inner: MemCheckpoints,
    left: Arc<AtomicU64>,
    watched: Option<(PathBuf, Arc<Mutex<Vec<TempDir>>>)>,
}

impl Dying {
    fn after(inner: MemCheckpoints, writes: u64) -> Self {
        Self { inner, left: Arc::new(AtomicU64::new(writes)), watched: None }
    }

    fn watching(inner: MemCheckpoints, folder: &Path) -> Self {
        Self { watched: Some((folder.to_owned(), Arc::default())), ..Self::after(inner, u64::MAX) }
    }

    fn snapshot(&self) {
        if let Some((folder, copies)) = &self.watched {
            let copy = tempfile::tempdir().unwrap();
            copy_folder(folder, copy.path());
            copies.lock().unwrap().push(copy);
        }
    }

    fn count(&self) -> Result<(), Fault> {
        let spend = |left: u64| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend) {
            Ok(_) => Ok(()),
            Err(_) => {
                let doing = "the test cut the line".to_owned();
                Err(Fault::plain(grail_ports::Door::Shelf, grail_ports::Retry::Later, doing))
            }
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap(), to.join(entry.as_ref().unwrap().file_name()));
        if entry.path().is_dir() {
            fs::create_dir(&to).unwrap();
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[async_trait]
impl CheckpointShelf for Dying {
    async fn list(&self) -> Result<Vec<Listed>, Fault> {
        self.inner.list().await
    }

    async fn fetch(&self, key: &CheckpointKey, offset: u64, bytes: u64) -> Result<Option<Part>, Fault> {
        self.snapshot();
        self.inner.fetch(key, offset, bytes).await
    }

    async fn put(&self, key: &CheckpointKey, body: Bytes) -> Result<(), Fault> {
        self.count()?;
        self.inner.put(key, body).await
    }

    async fn put_file(
        &self,
        key: &CheckpointKey,
        file: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, Fault> {
        self.count()?;
        self.inner.put_file(key, file, progress).await
    }

    async fn delete(&self, keys: &[CheckpointKey]) -> Result<(), Fault> {
        self.count()?;
        self.inner.delete(keys).await
    }
}

#[tokio::test]
async fn a_consumer_killed_at_any_fetch_goes_on_from_what_its_disk_holds() {
    let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
    let first = train(20, 1, PublicationKind::Full, None);
    let second = train(40, 2, PublicationKind::Delta, Some(&first));
    publish(&shelf, &first, None).await;
    publish(&shelf, &second, Some(&first)).await;
    let watched = Dying::watching(shelf.clone(), cache.path());
    let followed = consumer(watched.clone(), cache.path()).follow(before(100), quiet()).await.unwrap();
    is_whole(&followed.current.unwrap(), &second);

    let copies = std::mem::take(&mut *watched.watched.as_ref().unwrap().1.lock().unwrap());
    assert!(copies.len() > 10, "{} moments of death", copies.len());
    let mut partial = 0;
    for copy in copies {
        let before = shelf.bytes_fetched();
        let held = fs::metadata(copy.path().join("window-20.partial/model.safetensors.partial"))
            .map_or(0, |m| m.len());
        let (current, refused) = follow(&shelf, copy.path()).await;
        assert!(refused.is_empty(), "{refused:?}");
        is_whole(&current.unwrap(), &second);
        let fetched = shelf.bytes_fetched() - before;
        if held > 0 {
            partial += 1;
            assert!(fetched < 15_000 - held, "{held} bytes were here, {fetched} were fetched");
        }
    }
    assert!(partial > 3);
}

#[tokio::test]
async fn what_an_earlier_attempt_left_is_checked_before_it_is_gone_on_with() {
    let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
    let first = train(20, 1, PublicationKind::Full, None);
    publish(&shelf, &first, None).await;
    // Rubbish under the right names: of the right checkpoint, and of another.
    for id in [first.manifest.id().to_string(), "another".to_owned()] {
        let draft = cache.path().join("window-20.partial");
        fs::create_dir(&draft).unwrap();
        fs::write(draft.join(".id"), id).unwrap();
        fs::write(draft.join("config.json"), "not this").unwrap();
        fs::write(draft.join("model.safetensors.partial"), [9; 3_000]).unwrap();
        let (current, refused) = follow(&shelf, cache.path()).await;
        assert!(refused.is_empty(), "{refused:?}");
        is_whole(&current.unwrap(), &first);
        fs::remove_dir_all(cache.path().join("window-20")).unwrap();
    }
    // A folder that has the name of a finished one and is none.
    fs::create_dir(cache.path().join("window-20")).unwrap();
    fs::write(cache.path().join("window-20/manifest.json"), "{}").unwrap();
    is_whole(&follow(&shelf, cache.path()).await.0.unwrap(), &first);
}

#[tokio::test]
async fn two_processes_do_not_write_into_one_cache() {
    let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
    publish(&shelf, &train(20, 1, PublicationKind::Full, None), None).await;
    shelf.reading().hold();
    let calls = shelf.reading().calls();
    let (one, two) = (consumer(shelf.clone(), cache.path()), consumer(shelf.clone(), cache.path()));
    let waiting = tokio::spawn(async move { one.follow(before(100), quiet()).await });
    while shelf.reading().calls() == calls {
        tokio::task::yield_now().await;
    }
    let fault = two.follow(before(100), quiet()).await.unwrap_err();
    assert!(fault.doing.contains("another process"), "{fault:?}");
    shelf.reading().release();
    assert!(waiting.await.unwrap().unwrap().is_new);
    assert!(!two.follow(before(100), quiet()).await.unwrap().is_new);
}

#[tokio::test]
async fn progress_reaches_the_whole() {
    let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
    let first = train(20, 1, PublicationKind::Full, None);
    publish(&shelf, &first, None).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = {
        let told = Arc::clone(&told);
        Arc::new(move |progress| told.lock().unwrap().push(progress))
    };
    consumer(shelf, cache.path()).follow(before(100), tell).await.unwrap();
    let told = told.lock().unwrap();
    let total: u64 = first.manifest.files.iter().map(|file| file.size).sum();
    assert!(told.len() > 3 && told.windows(2).all(|pair| pair[0].done <= pair[1].done));
    assert_eq!(told.last().map(|progress| (progress.done, progress.total)), Some((total, total)));
}

#[tokio::test]
async fn pruning_keeps_what_is_needed_and_a_cache_keeps_the_newest() {
    let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
    let mut chain = vec![train(20, 1, PublicationKind::Full, None)];
    publish(&shelf, &chain[0], None).await;
    for index in 1..8u64 {
        let kind = if index == 4 { PublicationKind::Full } else { PublicationKind::Delta };
        let base = chain.last().unwrap();
        let next = train(20 * (index + 1), index + 1, kind, Some(base));
        publish(&shelf, &next, Some(base)).await;
        chain.push(next);
    }
    // The last two are deltas; they lean on the one of window 120, that on the whole one of 100.
    let publisher = publisher(&shelf);
    let retention = Retention { last: 2, milestone_every: 0, window_length: 20 };
    let plan = publisher.plan(retention).await.unwrap();
    let gone: Vec<u64> = plan.delete.iter().map(|place| place.window().0).collect();
    assert_eq!(gone, [20, 40, 60, 80]);
    assert_eq!(publisher.prune(&plan).await.unwrap(), 4 + 3 * 3);
    is_whole(&follow(&shelf, cache.path()).await.0.unwrap(), &chain[7]);
    assert!(publisher.plan(retention).await.unwrap().delete.is_empty());

    let local = Cache::open(cache.path()).unwrap();
    assert_eq!(local.finished(&trainer().hotkey(), &DEV).unwrap().len(), 4, "the chain lies here now");
    assert_eq!(local.prune(1, &trainer().hotkey(), &DEV).unwrap().len(), 3);
    // Files that the newest shares with those that went are still there.
    is_whole(&local.finished(&trainer().hotkey(), &DEV).unwrap()[0], &chain[7]);
}

#[tokio::test]
async fn a_milestone_is_whole_and_a_chain_may_lean_on_it() {
    let (shelf, cache) = (MemCheckpoints::default(), tempfile::tempdir().unwrap());
    let first = train(20, 1, PublicationKind::Full, None);
    let second = train(40, 2, PublicationKind::Delta, Some(&first));
    let place = CheckpointPlace::Milestone(WindowStart(20));
    let sent = publisher(&shelf).publish(place, &first.outgoing(None), quiet()).await;
    assert!(matches!(sent, Ok(Published::Now { .. })), "{sent:?}");
    publish(&shelf, &second, Some(&first)).await;
    is_whole(&follow(&shelf, cache.path()).await.0.unwrap(), &second);

    let place = CheckpointPlace::Milestone(WindowStart(40));
    let refused = publisher(&shelf).publish(place, &second.outgoing(Some(&first)), quiet()).await;
    assert!(matches!(
        refused,
        Err(PublishError::Manifest { source: ManifestError::Field { field: "kind", .. } })
    ));
}

#[test]
fn a_delta_is_named_after_what_it_makes() {
    let delta = DeltaFile { makes: "model.safetensors".into(), size: 1, sha256: String::new() };
    assert_eq!(delta.name(), "model.safetensors.delta");
}
