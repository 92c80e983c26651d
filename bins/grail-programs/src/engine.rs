//! A checkpoint as live objects: its folder held against the manifest, its weights and tokenizer loaded, ready to answer
//! and to verify. All roles load a model by the same steps.

use anyhow::Context as _;
use grail_artifact::manifest::Manifest;
use grail_config::args::{ModelArgs, Told};
use grail_node::{network::Joined, trouble};
use grail_ports::{
    Door, Fault, Retry,
    follow::{Found, Load, Loaded},
    model::{Generator, Oracle, Tokenize as _},
};
use grail_protocol::profile::NumericProfile;
use grail_roles::model::Models;
use grail_store::checkpoint::{DownloadProgress, Follower, Tell, require};
use grail_tokenize::Tokenizer;
use grail_torch::{
    ComputePlace, Dtype, HeldWeights, KernelPath, Kernels, LoadOptions, Model, TorchGenerator, TorchOracle,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

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
    let found = Found { folder: folder.to_owned(), manifest: manifest.clone() };
    require(&found, &mut |more| bar.inc(more))?;
    bar.finish_and_clear();

    let place = place(&args.device)?;
    let dtype = match manifest.numeric {
        NumericProfile::StrictF32 => Dtype::F32,
        NumericProfile::StrictBf16 => Dtype::Bf16,
    };
    let threads = (args.threads > 0).then_some(args.threads);
    let held = match args.dtype.as_str() {
        "f32" => HeldWeights::Wide,
        _ => HeldWeights::AsPublished,
    };
    let options = LoadOptions { place, dtype, held, kernels: kernels(&args.kernels)?, threads };
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

/// `auto`, a path of our own kernels, or `libtorch`.
fn kernels(text: &str) -> anyhow::Result<Kernels> {
    match text {
        "auto" => Ok(Kernels::Fastest),
        "libtorch" => Ok(Kernels::Libtorch),
        _ => {
            let path = KernelPath::ALL.into_iter().find(|path| path.name() == text);
            path.map(Kernels::Path).with_context(|| format!("{text:?} names no kernels; use auto"))
        }
    }
}

/// `cpu`, `cuda` or `cuda:N`.
pub fn place(text: &str) -> anyhow::Result<ComputePlace> {
    match (text, text.strip_prefix("cuda:")) {
        ("cpu", _) => Ok(ComputePlace::Cpu),
        ("cuda", _) => Ok(ComputePlace::Cuda(0)),
        (_, Some(index)) => Ok(ComputePlace::Cuda(
            index.parse().with_context(|| format!("{text:?} does not end in a device number"))?,
        )),
        _ => anyhow::bail!("{text:?} is no device; use cpu, cuda or cuda:N"),
    }
}

/// Follower and loader as a role takes them.
pub fn models(follower: Follower, loader: impl Load + 'static) -> Models {
    Models { checkpoints: Arc::new(follower), loader: Arc::new(loader) }
}

/// A follower of the network's trainer; where it has none, the model that the network starts with answers.
///
/// Errors: the folder for checkpoints cannot be made.
pub fn follower(joined: &Joined, told: &Told) -> Result<Follower, Fault> {
    let genesis = Found { folder: told.model.model.clone(), manifest: joined.manifest.clone() };
    let Some(trainer) = joined.trainer else { return Ok(Follower::staying(genesis)) };
    let whose = (trainer, joined.sources.network.params);
    let shelf = Arc::clone(&joined.checkpoints);
    Follower::of(shelf, told.checkpoint_folder(), whose, genesis, Arc::new(tell))
}

/// A bar for whoever watches, made when the first bytes come.
fn tell() -> Tell {
    let bar: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Arc::new(move |DownloadProgress { done, total }| {
        let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(total);
            let template = "{msg} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message("fetching a checkpoint");
            bar
        });
        bar.set_position(done);
        if done >= total {
            bar.finish_and_clear();
        }
    })
}

/// Turns an honest generator into the one that is used; honest miners change nothing.
pub type Alter = Arc<dyn Fn(TorchGenerator) -> Box<dyn Generator> + Send + Sync>;

/// What a role needs of a model, and how it is loaded.
#[derive(Clone)]
pub struct Loader {
    args: ModelArgs,
    batch_rows: Option<usize>,
    alter: Option<Alter>,
    oracle: bool,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("args", &self.args)
            .field("oracle", &self.oracle)
            .finish_non_exhaustive()
    }
}

impl Loader {
    /// Loads nothing but tokenizer and weights.
    pub fn new(args: &ModelArgs) -> Self {
        Self { args: args.clone(), batch_rows: None, alter: None, oracle: false }
    }

    /// With a generator that decodes so many rows at once.
    #[must_use]
    pub fn answering(self, batch_rows: usize) -> Self {
        Self { batch_rows: Some(batch_rows), ..self }
    }

    /// With something else in the generator's place.
    #[must_use]
    pub fn altered(self, alter: Alter) -> Self {
        Self { alter: Some(alter), ..self }
    }

    /// With an oracle.
    #[must_use]
    pub fn judging(self) -> Self {
        Self { oracle: true, ..self }
    }

    fn all(&self, found: &Found) -> anyhow::Result<Loaded> {
        let engine = load(&found.folder, &found.manifest, &self.args)?;
        let generator = self.batch_rows.map(|rows| {
            let generator = TorchGenerator::new(engine.model.clone(), rows).context("make a generator")?;
            anyhow::Ok(match &self.alter {
                None => Box::new(generator) as Box<dyn Generator>,
                Some(alter) => alter(generator),
            })
        });
        let oracle = self.oracle.then(|| Box::new(TorchOracle::new(engine.model.clone())) as Box<dyn Oracle>);
        Ok(Loaded { tokenizer: engine.tokenizer, generator: generator.transpose()?, oracle })
    }
}

impl Load for Loader {
    fn load(&self, found: &Found) -> Result<Loaded, Fault> {
        let doing = || format!("load the checkpoint in {}", found.folder.display());
        self.all(found).map_err(|error| {
            let retry = if trouble::may_pass(&error) { Retry::Later } else { Retry::Never };
            let text: Box<dyn std::error::Error + Send + Sync> = format!("{error:#}").into();
            Fault::new(Door::Model, retry, doing(), text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::draw::SamplingPolicy;
    use grail_store::checkpoint::{Terms, describe};
    use grail_testkit::doors::conformance;

    #[test]
    fn the_loader_keeps_the_promises_of_its_door() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/tiny");
        let terms = Terms {
            environments: vec!["sat/1".parse().unwrap()],
            policy: SamplingPolicy::DEFAULT,
            max_new_tokens: 16,
            numeric: NumericProfile::StrictF32,
        };
        let manifest = describe(&folder, terms, &mut |_| {}).unwrap();
        let args = ModelArgs { threads: 1, ..ModelArgs::defaults(folder.clone()) };
        let found = Found { folder, manifest };
        let bare = Loader::new(&args);
        conformance::load(&bare, &found, (false, false));
        conformance::load(&bare.answering(4).judging(), &found, (true, true));
    }

    #[test]
    fn devices_read_as_people_write_them() {
        assert_eq!(place("cpu").unwrap(), ComputePlace::Cpu);
        assert_eq!(place("cuda").unwrap(), ComputePlace::Cuda(0));
        assert_eq!(place("cuda:3").unwrap(), ComputePlace::Cuda(3));
        for bad in ["gpu", "cuda:x", "cuda:", ""] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
