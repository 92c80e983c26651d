//! Where the programs look for libtorch when they start: beside themselves, as the archive and the package lay it.
//!
//! `LD_LIBRARY_PATH` goes before it, so that a developer's libtorch wins.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The libtorch with CUDA, where `fetch-libtorch --cuda` has put one, goes before the one for processors.
    println!(
        "cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib/grail/cuda/torch/lib:$ORIGIN/../lib/grail"
    );
}
