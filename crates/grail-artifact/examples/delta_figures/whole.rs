//! The peer: zstd over the whole file, which is cut into a part for every worker.

use std::{
    error::Error,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::Mutex,
    time::Instant,
};

const LEVEL: i32 = 3;
/// Bytes that are handed on at once.
const PIECE: usize = 1 << 20;

/// What zstd made of a file.
pub(crate) struct Whole {
    /// Bytes after compression.
    pub(crate) bytes: u64,
    pub(crate) pack_seconds: f64,
    pub(crate) unpack_seconds: f64,
}

/// Compresses the first `bytes` bytes of a file, and unpacks them again into nothing.
pub(crate) fn measure<R: Read + Seek + Send>(
    open: impl Fn() -> Result<R, Box<dyn Error>>,
    bytes: u64,
    workers: usize,
) -> Result<Whole, Box<dyn Error>> {
    let part = bytes.div_ceil(workers.max(1) as u64);
    let mut parts = Vec::new();
    for from in (0..bytes).step_by(usize::try_from(part)?.max(1)) {
        let mut reader = open()?;
        reader.seek(SeekFrom::Start(from))?;
        parts.push(reader.take(part.min(bytes - from)));
    }
    let clock = Instant::now();
    let packed = each(parts, |mut part| {
        let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
        hand_on(&mut part, &mut encoder)?;
        encoder.finish()
    })?;
    let pack_seconds = clock.elapsed().as_secs_f64();
    let clock = Instant::now();
    let unpacked = each(packed.iter().collect(), |part| {
        hand_on(&mut zstd::Decoder::with_buffer(part.as_slice())?, &mut io::sink())
    })?;
    let unpack_seconds = clock.elapsed().as_secs_f64();
    if unpacked.into_iter().sum::<u64>() != bytes {
        return Err("zstd gave back another number of bytes".into());
    }
    Ok(Whole { bytes: packed.iter().map(|part| part.len() as u64).sum(), pack_seconds, unpack_seconds })
}

fn hand_on(from: &mut impl Read, to: &mut impl Write) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut bytes = 0;
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            return Ok(bytes);
        }
        to.write_all(&piece[..count])?;
        bytes += count as u64;
    }
}

/// A thread for each item; results in the order of items.
fn each<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> io::Result<R> + Sync) -> io::Result<Vec<R>> {
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (index, item) in items.into_iter().enumerate() {
            let (results, work) = (&results, &work);
            scope.spawn(move || {
                let result = work(item);
                results.lock().expect("no thread panicked").push((index, result));
            });
        }
    });
    let mut results = results.into_inner().expect("no thread panicked");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
