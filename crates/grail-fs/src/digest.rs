use crate::error::{DiskError, failed};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// Size in bytes and SHA-256 of a file, the digest in lower-case hexadecimal digits.
///
/// `progress` is told the bytes read since it was last called.
pub fn digest(path: &Path, progress: &mut dyn FnMut(u64)) -> Result<(u64, String), DiskError> {
    let mut hasher = Sha256::new();
    let hashed = File::open(path).and_then(|file| hash_into(&mut hasher, file, progress));
    let size = hashed.map_err(failed("read", path))?;
    Ok((size, hex::encode(hasher.finalize())))
}

/// Feeds everything that a reader gives to a hasher. Returns how many bytes there were.
///
/// `progress` is told the bytes read since it was last called.
pub fn hash_into(
    hasher: &mut Sha256,
    mut reader: impl Read,
    progress: &mut dyn FnMut(u64),
) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    loop {
        let count = reader.read(&mut chunk)?;
        let Some(some) = chunk.get(..count).filter(|some| !some.is_empty()) else { return Ok(total) };
        hasher.update(some);
        total += some.len() as u64;
        progress(some.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_several_pieces_has_the_digest_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let bytes: Vec<u8> = (0..2 * CHUNK as u32 + 5).map(|i| i as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let mut told = 0;
        let got = digest(&path, &mut |more| told += more).unwrap();
        assert_eq!(got, (bytes.len() as u64, hex::encode(Sha256::digest(&bytes))));
        assert_eq!(told, got.0);
        assert!(digest(&dir.path().join("absent"), &mut |_| {}).is_err());
    }
}
