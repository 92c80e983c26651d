//! The model that a network starts with, described: its manifest, and the rows that its environments ask.

use crate::{
    network::{self, DATASET_BYTES, ENVIRONMENTS},
    ready::{Health, ModelSubject, TorchLook, of_model, require},
};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use grail_artifact::manifest::Manifest;
use grail_config::{Flags, args, offer};
use grail_protocol::{
    draw::SamplingPolicy,
    params::{self, Params},
    profile::NumericProfile,
};
use grail_roles::environments::Environments;
use grail_store::checkpoint::{self, Terms};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

/// Problems of our own writing, for a network whose maker names no data set.
const GSM8K_MINI: &[u8] = include_bytes!("../../../fixtures/datasets/gsm8k-mini.jsonl");

offer! { MakeFlags: MODEL }

/// What a network is made of.
#[derive(Debug, Clone, Args)]
pub struct MakeArgs {
    /// Its model.
    #[command(flatten)]
    model: Flags<MakeFlags>,

    /// Constants of the network: `main` of the public ones; `dev` has windows of a minute, `dev-fast` of eight seconds.
    #[arg(long, default_value = "dev", value_parser = profile)]
    pub profile: Params,

    /// Completion cap in tokens; the profile bounds it.
    #[arg(long, default_value_t = 96)]
    pub max_new_tokens: u32,

    /// Tolerances that answers are judged by: `strict-f32`. `strict-bf16` is retired.
    #[arg(long, value_name = "PROFILE", default_value = "strict-f32", value_parser = numeric)]
    pub numeric: NumericProfile,

    /// Environments that take turns, window by window; one may come more than once. Numbers of `arith-1` go to 9,
    /// of `arith-2` to 19, of `arith-3` to 99, of `arith-4` to 999.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "sat,gsm8k",
        value_parser = ENVIRONMENTS
    )]
    pub environments: Vec<String>,

    /// GSM8K rows (jsonl as published); by default a dozen problems of our own writing.
    #[arg(long, value_name = "FILE")]
    pub gsm8k: Option<PathBuf>,
}

fn profile(name: &str) -> Result<Params, String> {
    Params::by_name(name).ok_or_else(|| format!("{name:?} is no profile; there are main, dev and dev-fast"))
}

fn numeric(name: &str) -> Result<NumericProfile, String> {
    let offered = NumericProfile::OFFERED.map(NumericProfile::name).join(", ");
    let profile = NumericProfile::by_name(name)
        .ok_or_else(|| format!("{name:?} is no numeric profile; there is {offered}"))?;
    profile.retired().map_or(Ok(profile), |why| Err(why.to_owned()))
}

impl MakeArgs {
    /// Whether a development network can be made of it.
    ///
    /// Errors: the profile is that of the public networks.
    pub fn of_development(&self) -> anyhow::Result<()> {
        ensure!(
            self.profile.profile != params::MAIN.profile,
            "{} is not a development profile; use --profile dev or dev-fast",
            self.profile.profile
        );
        Ok(())
    }

    /// Folder of the model.
    ///
    /// Errors: none is named, or the settings are wrong.
    pub fn model(&self) -> anyhow::Result<PathBuf> {
        args::model(&self.model.config()?)
    }
}

/// A model folder with what a manifest and an environment need.
#[derive(Debug)]
pub struct Described {
    /// The manifest, unsigned.
    pub manifest: Manifest,
    /// Rows of GSM8K, where it is among the environments.
    pub gsm8k: Option<Vec<u8>>,
}

impl Described {
    /// Refuses terms under which no role could go through a window: the same look that every role has at its start. Problems
    /// that are too long are refused here too, where they can still be left out.
    pub fn require(&self, args: &MakeArgs, torch: &dyn TorchLook) -> anyhow::Result<()> {
        let folder = args.model()?;
        let named = args.environments.iter().map(|name| network::environment(name, self.gsm8k.as_deref()));
        let environments = Environments::new(named.collect::<anyhow::Result<Vec<_>>>()?)?;
        let subject = ModelSubject {
            folder: &folder,
            manifest: &self.manifest,
            environments: &environments,
            device: "cpu",
        };
        let mut found = of_model(&subject, torch);
        for finding in found.iter_mut().filter(|finding| finding.code == Some("problem-too-long")) {
            finding.standing = Health::Bad;
        }
        require(&found)
    }
}

/// Reads the model folder and the data set; shows a progress bar, since a model is large.
pub fn describe_model(args: &MakeArgs) -> anyhow::Result<Described> {
    let model = args.model()?;
    if !model.is_dir() {
        bail!(
            "{} is not a folder; name that of a model in Hugging Face layout (in a checkout `cargo xtask model smollm2` fetches \
             one and prints where)",
            model.display()
        );
    }
    if !model.join("config.json").is_file() {
        bail!(
            "{} holds no config.json; name the folder of a model in Hugging Face layout: config.json, *.safetensors, tokenizer",
            model.display()
        );
    }
    let gsm8k = match (args.environments.iter().any(|name| name == "gsm8k"), &args.gsm8k) {
        (true, None) => Some(GSM8K_MINI.to_vec()),
        (true, Some(path)) => Some(
            grail_fs::read(path, DATASET_BYTES)?
                .with_context(|| format!("there is no data set at {}", path.display()))?,
        ),
        (false, None) => None,
        (false, Some(_)) => bail!("--gsm8k names rows, but --environments does not name gsm8k"),
    };
    let id = |name: &String| anyhow::Ok(network::environment(name, gsm8k.as_deref())?.id()?);
    let terms = Terms {
        environments: args.environments.iter().map(id).collect::<Result<_, _>>()?,
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: args.max_new_tokens,
        numeric: args.numeric,
    };
    let total = std::fs::read_dir(&model)
        .with_context(|| format!("list {}", model.display()))?
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:40}] {bytes}/{total_bytes}") {
        bar.set_style(style);
    }
    bar.set_message("hashing the model");
    let manifest = checkpoint::describe(&model, terms, &mut |more| bar.inc(more))?;
    bar.finish_and_clear();
    manifest.check(&args.profile).context("the manifest of this model")?;
    Ok(Described { manifest, gsm8k })
}
