//! Metadata of three runtimes, where it lies beside the checkout.

use std::path::PathBuf;

/// The recorded metadata beside the checkout, where it is at hand.
#[expect(clippy::disallowed_methods, reason = "where shared data lies is said by a variable, for tests only")]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(crate) fn metadata(name: &str) -> Option<Vec<u8>> {
    let shared = std::env::var_os("GRAIL_SHARED_DIR").map(PathBuf::from).or_else(|| {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().map(|folder| folder.join("shared")).find(|folder| folder.is_dir())
    });
    let path = shared.map(|shared| shared.join("data/chain").join(name));
    let Some(packed) = path.and_then(|path| std::fs::read(path).ok()) else {
        eprintln!("SKIPPED: the recorded metadata {name} is not beside this checkout");
        return None;
    };
    let mut bytes = Vec::new();
    lzma_rs::xz_decompress(&mut &packed[..], &mut bytes).unwrap();
    Some(bytes)
}
