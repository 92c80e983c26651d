//! The trainer: learns from rollouts that the court accepted, and publishes checkpoints that everyone follows.

mod check;
mod config;
mod rows;
mod settings;
mod teach;

use crate::{
    engine::{self, Loader},
    program::{self, until_stopped},
    ready::{self, Libtorch, LookArgs},
};
use anyhow::{Context as _, bail, ensure};
use clap::{Args, Parser, Subcommand};
use grail_config::{
    Config, Role,
    args::{LogArgs, RoleArgs, Told},
    table,
};
use grail_env::Environment;
use grail_fs::FolderJournal;
use grail_node::{
    local::Networks,
    network::{self, DATASET_BYTES, Joined},
    ready::{look, require as require_ready},
};
use grail_parquet::ParquetCodec;
use grail_ports::follow::Found;
use grail_protocol::words::{Hotkey, WindowStart};
use grail_roles::train::{Examiner, Records, Trainer, TrainerParts, TrainerSettings};
use grail_store::checkpoint::{StorePress, require};
use grail_tokenize::Tokenizer;
use grail_torch::{Compute, Student};
use settings::{Precision, TrainingSettings};
use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Learns from verified rollouts with GRPO, and publishes signed checkpoints.
///
/// Begin with `grail-trainer check`: it looks at everything that training needs.
#[derive(Debug, Parser)]
#[command(name = "grail-trainer", version)]
pub struct TrainCli {
    /// What to log.
    #[command(flatten)]
    pub log: LogArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: TrainCommand,
}

/// What a trainer can be asked for.
#[derive(Debug, Subcommand)]
pub enum TrainCommand {
    /// Learn from window after window, and publish. May be killed and started again at any moment.
    Run(TrainArgs),
    /// Look at everything that training needs, one line a check, each failure with its remedy.
    Check(TrainArgs),
    /// What libtorch says of a model's folder, for `grail doctor`.
    #[command(hide = true)]
    Look(LookArgs),
    /// Settings: what can be chosen, what it means, and what holds.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make a tiny model from nothing: its own tokenizer, taught by heart on worked examples of an environment.
    Teach(teach::TeachArgs),
}

/// What a trainer is told.
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// Where, as whom, and with which model.
    #[command(flatten)]
    role: RoleArgs,

    /// First window to learn from; by default the one under way at the first start.
    #[arg(long, value_name = "BLOCK")]
    from: Option<u64>,

    /// Stop after so many windows.
    #[arg(long, value_name = "N")]
    windows: Option<u32>,
}

/// Runs the command; whether the answer is yes.
pub async fn run(networks: &dyn Networks, command: TrainCommand) -> anyhow::Result<bool> {
    match command {
        TrainCommand::Run(args) => work(networks, &args).await,
        TrainCommand::Check(args) => Ok(check::run(networks, &args).await),
        TrainCommand::Look(args) => ready::answer(&args),
        TrainCommand::Config(command) => config::run(&command).map(|()| true),
        TrainCommand::Teach(args) => teach::run(&args).map(|()| true),
    }
}

/// Trains until stopped.
async fn work(networks: &dyn Networks, args: &TrainArgs) -> anyhow::Result<bool> {
    let told = told(&args.role)?;
    let lock = lock(&state(&told)?)?;
    require_ready(&look(networks, Role::Trainer, &told.config, &Libtorch))?;
    let joined = join(networks, &told).await?;
    publish(&joined).await?;
    rows::publish(&joined, &told.config).await;
    let mut trainer = wire(args, &told, joined)?;
    let done = until_stopped(trainer.run()).await;
    drop(lock);
    done
}

/// Where everything lies that must survive a restart.
fn state(told: &Told) -> anyhow::Result<PathBuf> {
    told.path(&table::TRAINER_STATE)
}

/// What a trainer is told, its older file of training settings included.
fn told(role: &RoleArgs) -> anyhow::Result<Told> {
    let told = role.read()?;
    Ok(Told { config: told.config.with_training()?, ..told })
}

/// Validators whose verdicts are trusted, the most trusted first.
fn validators(config: &Config) -> anyhow::Result<Vec<Hotkey>> {
    config.list(&table::TRUSTED_VALIDATORS).iter().map(|hotkey| Ok(hotkey.parse()?)).collect()
}

/// Two trainers over one state would overwrite each other; the lock goes with the process, however it ends.
fn lock(state: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(state).with_context(|| format!("make the folder {}", state.display()))?;
    let path = state.join(".lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another trainer works in {}; stop it, or name another --state", state.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}

/// Joins the network as its trainer.
async fn join(networks: &dyn Networks, told: &Told) -> anyhow::Result<Joined> {
    let joined = program::join(networks, told).await?;
    let (own, id) = (joined.signer.hotkey(), &joined.sources.network.id);
    match joined.trainer {
        Some(trainer) if trainer == own => Ok(joined),
        Some(trainer) => {
            bail!(
                "the trainer of network {id} is {trainer}, ours is {own}; nobody would follow its checkpoints"
            )
        }
        None => {
            let name = told.config.text(&table::KEY).unwrap_or("NAME");
            bail!("network {id} has no trainer; make one with `grail devnet init --trainer {name}`")
        }
    }
}

/// Where a chain must say where the checkpoints lie, the trainer must be registered; a development network says it itself.
async fn publish(joined: &Joined) -> anyhow::Result<()> {
    if joined.commitment.is_some() {
        program::registered(joined).await?;
        program::publish(joined.publisher()).await?;
    }
    Ok(())
}

/// The learner with its model, as the settings say.
fn student(told: &Told, settings: &TrainingSettings) -> anyhow::Result<Student> {
    let model = &told.model;
    let compute = Compute {
        place: engine::place(&model.device)?,
        bf16: settings.precision == Precision::Bf16,
        threads: model.threads,
    };
    let folder = &model.model;
    Student::open(folder, compute, settings.student(), settings.stored, state(told)?.join("states"))
        .with_context(|| format!("make a learner of the model in {}", folder.display()))
}

fn wire(args: &TrainArgs, told: &Told, joined: Joined) -> anyhow::Result<Trainer> {
    let (settings, state) = (TrainingSettings::of(&told.config)?, state(told)?);
    let genesis = Found { folder: told.model.model.clone(), manifest: joined.manifest.clone() };
    require(&genesis, &mut |_| {})?;
    let tokenizer = Tokenizer::open(&told.model.model)
        .with_context(|| format!("load the tokenizer in {}", told.model.model.display()))?;
    let student = student(told, &settings)?;
    let examiner = Examiner {
        loader: Arc::new(Loader::new(&told.model).answering(16)),
        genesis: genesis.clone(),
        environments: held_out(&told.config, &joined)?,
        settings: settings.evaluation,
    };
    let params = joined.sources.network.params;
    let hotkey = joined.signer.hotkey();
    let press = StorePress::new(
        state.join("published"),
        joined.checkpoints,
        joined.signer,
        params,
        genesis,
        settings.publish,
    )?;
    tracing::info!(
        target: "grail::train", network = %joined.sources.network.id, hotkey = %hotkey,
        parameters = student.learner().model().size(), "ready to train"
    );
    let parts = TrainerParts {
        sources: joined.sources,
        directory: joined.directory,
        clock: joined.clock,
        tokenizer: Arc::new(tokenizer),
        environments: joined.environments,
        codec: Arc::new(ParquetCodec),
        learner: Box::new(student),
        press: Arc::new(press),
        genesis: joined.manifest,
        examiner: Some(examiner),
        records: Records::new(Arc::new(FolderJournal::new(state.join("records")))),
    };
    let role = TrainerSettings {
        validators: validators(&told.config)?,
        from: args.from.map(WindowStart),
        windows: args.windows,
        ..TrainerSettings::default()
    };
    Ok(Trainer::new(parts, role)?)
}

/// What the model is examined in: procedural environments of the manifest, whose held-out problems no window asks, and
/// word problems where other rows than the network's are named.
fn held_out(config: &Config, joined: &Joined) -> anyhow::Result<Vec<Arc<Environment>>> {
    let rows = config.path(&table::HELD_OUT_GSM8K);
    let mut list = Vec::new();
    for id in &joined.manifest.environments {
        let environment = joined.environments.get(id)?;
        match (environment.as_ref(), &rows) {
            (Environment::Gsm8k(_), None) => {
                tracing::warn!(target: "grail::train", "gsm8k is not examined; name rows with --held-out-gsm8k");
            }
            (Environment::Gsm8k(asked), Some(path)) => {
                let bytes = grail_fs::read(path, DATASET_BYTES)?
                    .with_context(|| format!("there is no data set at {}", path.display()))?;
                let other = network::environment("gsm8k", Some(&bytes))
                    .with_context(|| format!("read {}", path.display()))?;
                ensure!(
                    other.id()? != *asked.id(),
                    "{} holds the very rows that windows ask; examinations need others",
                    path.display()
                );
                list.push(Arc::new(other));
            }
            _ => list.push(environment),
        }
    }
    Ok(list)
}
