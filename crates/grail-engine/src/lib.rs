//! A checkpoint as live objects: its folder held against the manifest, its weights and tokenizer loaded, ready to
//! answer and to verify. All roles load a model by the same steps, follow the trainer's checkpoints by the same rule, and the
//! trainer publishes through the press that stands here.

mod follow;
mod press;

pub use follow::{Alter, Follower, Loader, models};
pub use press::{PressSettings, StorePress};

use anyhow::Context as _;
use grail_artifact::manifest::Manifest;
use grail_ports::model::Tokenize as _;
use grail_protocol::profile::NumericProfile;
use grail_roles::checkpoint;
use grail_settings::args::ModelArgs;
use grail_tokenize::Tokenizer;
use grail_torch::{Dtype, Model, Options, Place};
use indicatif::{ProgressBar, ProgressStyle};
use std::{path::Path, sync::Arc};

/// A loaded checkpoint.
#[derive(Debug)]
pub struct Engine {
    /// Weights and forward pass; clones share it.
    pub model: Model,
    /// Text and tokens.
    pub tokenizer: Arc<Tokenizer>,
}

/// Checks the folder against the manifest and loads it.
///
/// Errors: a file that differs, an architecture that is not supported, a device that is not there, end tokens on
/// which model and tokenizer disagree; each by name.
pub fn load(folder: &Path, manifest: &Manifest, args: &ModelArgs) -> anyhow::Result<Engine> {
    let bar = ProgressBar::new(manifest.files.iter().map(|file| file.size).sum());
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:40}] {bytes}/{total_bytes}") {
        bar.set_style(style);
    }
    bar.set_message("checking the model's files");
    checkpoint::check(folder, manifest, &mut |done| bar.set_position(done))?;
    bar.finish_and_clear();

    let place = place(&args.device)?;
    let dtype = match manifest.numeric {
        NumericProfile::StrictF32 => Dtype::F32,
        NumericProfile::StrictBf16 => Dtype::Bf16,
    };
    let threads = (args.threads > 0).then_some(args.threads);
    let options = Options { place, dtype, threads };
    let model = Model::load(folder, &options, manifest.id())
        .with_context(|| format!("load the model in {}", folder.display()))?;
    let tokenizer =
        Tokenizer::open(folder).with_context(|| format!("load the tokenizer in {}", folder.display()))?;
    let (ours, theirs) = (&model.card().end_tokens, tokenizer.end_tokens());
    anyhow::ensure!(
        ours.as_slice() == theirs,
        "model and tokenizer in {} disagree about the end tokens: {ours:?} and {theirs:?}",
        folder.display()
    );
    tracing::debug!(target: "grail::engine", model = %model.card().description, "model loaded");
    Ok(Engine { model, tokenizer: Arc::new(tokenizer) })
}

/// `cpu`, `cuda` or `cuda:N`.
pub fn place(text: &str) -> anyhow::Result<Place> {
    match (text, text.strip_prefix("cuda:")) {
        ("cpu", _) => Ok(Place::Cpu),
        ("cuda", _) => Ok(Place::Cuda(0)),
        (_, Some(index)) => Ok(Place::Cuda(
            index.parse().with_context(|| format!("{text:?} does not end in a device number"))?,
        )),
        _ => anyhow::bail!("{text:?} is no device; use cpu, cuda or cuda:N"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_read_as_people_write_them() {
        assert_eq!(place("cpu").unwrap(), Place::Cpu);
        assert_eq!(place("cuda").unwrap(), Place::Cuda(0));
        assert_eq!(place("cuda:3").unwrap(), Place::Cuda(3));
        for bad in ["gpu", "cuda:x", "cuda:", ""] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
