//! Metadata of four runtimes: of the newest in the repository, of the others where it lies beside the checkout.

use std::path::PathBuf;

/// Metadata of runtime 461, which the tests of bittensor 11.3.0 recorded of a node; written by
/// `fixtures/scripts/chain_metadata.py`.
pub(crate) fn newest() -> Vec<u8> {
    unpack(include_bytes!("../../../../fixtures/chain/subtensor-v461.metadata-v15.scale.xz"))
}

/// Bytes that the same tests recorded with it, and samples of its types as bittensor-core 0.1.5 writes them.
pub(crate) fn samples() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../../fixtures/chain/subtensor-v461.samples.json")).unwrap()
}

/// The bytes behind `0x` and hexadecimal digits.
pub(crate) fn bytes(value: &serde_json::Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap()
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    lzma_rs::xz_decompress(&mut &packed[..], &mut bytes).unwrap();
    bytes
}

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
    Some(unpack(&packed))
}
