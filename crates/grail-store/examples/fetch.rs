//! How fast a checkpoint is fetched from a bucket, and in how much memory.
//!
//! ```sh
//! cargo run -p grail-store --example fetch -- publish URL BUCKET GIB FOLDER    # made there, and sent
//! cargo run -p grail-store --example fetch -- fetch URL BUCKET FOLDER          # fetched, checked, put into place
//! ```
//!
//! Keys are `reader`, `reader-secret`, `writer`, `writer-secret`. `fixtures/scripts/fetch_speed.sh` compares with
//! `aws s3 cp`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock and prints"
)]

use grail_artifact::{
    checkpoint::{CheckpointPlace, Moment, Publication, PublicationKind},
    manifest::{FileEntry, Manifest, PUBLISHED_VERSION},
    tensors::{Header, StoredDtype},
    window::RootHex,
};
use grail_protocol::{
    draw::SamplingPolicy, params::DEV, profile::NumericProfile, sign::HotkeyPair, words::WindowStart,
};
use grail_store::{
    Endpoint, Location, ReadCredentials, Shelf, Transfer, WriteCredentials,
    checkpoint::{Cache, Consumer, ConsumerLimits, Outgoing, Publisher, tensor_root},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    sync::Arc,
    time::Instant,
};

type Trouble = Box<dyn std::error::Error>;

/// Bytes of one shard, as large models have them.
const SHARD_BYTES: u64 = 4 << 30;
const WINDOW: WindowStart = WindowStart(100);

fn trainer() -> Result<HotkeyPair, Trouble> {
    HotkeyPair::from_seed(&[7; 32]).ok_or_else(|| "no key".into())
}

fn shelf(url: &str, bucket: &str) -> Result<Shelf, Trouble> {
    let location = Location {
        endpoint: Endpoint::Url(url.to_owned()),
        region: "us-east-1".to_owned(),
        bucket: bucket.to_owned(),
        path_style: true,
        allow_http: true,
    };
    let read = ReadCredentials::new(bucket, "reader", "reader-secret")?;
    let write = WriteCredentials::new("writer", "writer-secret")?;
    Ok(Shelf::own_bucket(&location, &read, &write, Transfer::default())?)
}

/// A shard of one tensor, of bytes that do not compress.
fn shard(path: &Path, name: &str, bytes: u64) -> Result<(), Trouble> {
    let header = Header::build(&[(name, StoredDtype::BF16, &[bytes / 2])], &BTreeMap::new())?;
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&(header.json().len() as u64).to_le_bytes())?;
    file.write_all(header.json())?;
    let mut state = bytes | 1;
    let mut block = vec![0u8; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&state.to_le_bytes());
        }
        let some = left.min(block.len() as u64);
        file.write_all(block.get(..usize::try_from(some)?).unwrap_or_default())?;
        left -= some;
    }
    Ok(file.flush()?)
}

async fn publish(url: &str, bucket: &str, gib: u64, folder: &Path) -> Result<(), Trouble> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("config.json"), "{}")?;
    let mut names = vec!["config.json".to_owned()];
    let mut left = gib << 30;
    while left > 0 {
        let bytes = left.min(SHARD_BYTES);
        let name = format!("model-{:05}.safetensors", names.len());
        shard(&folder.join(&name), &name, bytes)?;
        names.push(name);
        left -= bytes;
    }
    let mut files = Vec::new();
    for name in names {
        let (size, sha256) = grail_fs::digest(&folder.join(&name), &mut |_| {})?;
        files.push(FileEntry { name, size, sha256 });
    }
    let tensors = tensor_root(folder, &files, Default::default(), &mut |_| {})?;
    let mut manifest = Manifest {
        version: PUBLISHED_VERSION,
        window: WINDOW,
        sequence: 1,
        environments: vec!["sat/1".parse()?],
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: 64,
        numeric: NumericProfile::StrictF32,
        files,
        publication: Some(Publication {
            kind: PublicationKind::Full,
            step: None,
            tensors,
            trained_on: RootHex([0; 32]),
            trainer: trainer()?.hotkey(),
            signature: None,
        }),
    };
    manifest.sign(&trainer()?, [1; 32])?;
    let publisher = Publisher::new(Arc::new(shelf(url, bucket)?), trainer()?.hotkey(), DEV);
    let outgoing = Outgoing { manifest, folder: folder.to_owned(), deltas: folder.to_owned(), base: None };
    let from = Instant::now();
    publisher.publish(CheckpointPlace::Window(WINDOW), &outgoing, Arc::new(|_| {})).await?;
    println!("published {gib} GiB in {:.1} s", from.elapsed().as_secs_f64());
    Ok(())
}

async fn fetch(url: &str, bucket: &str, folder: &Path) -> Result<(), Trouble> {
    let limits = ConsumerLimits::default();
    let consumer = Consumer::new(
        Arc::new(shelf(url, bucket)?),
        Cache::open(folder)?,
        trainer()?.hotkey(),
        DEV,
        limits,
        None,
    );
    let (from, done) = (Instant::now(), Arc::new(std::sync::Mutex::new((0u64, 0f64))));
    let told = Arc::clone(&done);
    let tell = move |progress: grail_store::checkpoint::DownloadProgress| {
        if let Ok(mut told) = told.lock() {
            *told = (progress.done, from.elapsed().as_secs_f64());
        }
    };
    let followed = consumer.follow(Moment::ANY, Arc::new(tell)).await?;
    let whole = from.elapsed().as_secs_f64();
    if followed.current.is_none() {
        return Err(format!("nothing was fetched: {:?}", followed.refused).into());
    }
    let (bytes, last) = done.lock().map(|told| *told).unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown");
    println!(
        "fetched and hashed {bytes} bytes in {last:.1} s ({:.0} MB/s), whole with tensor root {whole:.1} s ({:.0} MB/s), {peak}",
        bytes as f64 / last / 1e6,
        bytes as f64 / whole / 1e6
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Trouble> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["publish", url, bucket, gib, folder] => publish(url, bucket, gib.parse()?, Path::new(folder)).await,
        ["fetch", url, bucket, folder] => fetch(url, bucket, Path::new(folder)).await,
        _ => Err("publish URL BUCKET GIB FOLDER, or fetch URL BUCKET FOLDER".into()),
    }
}
