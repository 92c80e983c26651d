//! `grail-validator audit` and `bundle`: a verdict with everything that it rests on, written and judged again.

use crate::engine::load;
use anyhow::{Context as _, bail};
use clap::Args;
use grail_artifact::{
    bundle::FileFact,
    checkpoint::Moment,
    keys::{WindowEncoding, WindowKey},
    limits::LIMITS,
};
use grail_config::{
    Flags,
    args::{ModelArgs, ModelFlags, RoleArgs},
    table,
};
use grail_env::Environment;
use grail_fs::FolderJournal;
use grail_node::{
    audit,
    local::Networks,
    network::{self, DATASET_BYTES, ENVIRONMENTS, environment},
};
use grail_ports::{follow::Checkpoints as _, shelf::Fetch};
use grail_protocol::words::{EnvId, Hotkey, WindowStart};
use grail_roles::{
    bundle::{Circumstances, Matter, entry_name, signed},
    reports::{FileOutcome, Reports},
};
use grail_torch::TorchOracle;
use grail_verify::audit::Tools;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Which bundle to audit, and with which model.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The bundle.
    file: PathBuf,

    #[command(flatten)]
    settings: Flags<ModelFlags>,

    /// GSM8K rows (jsonl), where the window's environment asks for them.
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,

    /// The validator that must have signed it; without it whoever signed is named.
    #[arg(long, value_name = "HOTKEY")]
    validator: Option<Hotkey>,

    /// The account as a JSON object.
    #[arg(long)]
    json: bool,
}

/// Which bundle to write.
#[derive(Debug, Args)]
pub struct BundleArgs {
    #[command(flatten)]
    role: RoleArgs,

    /// First block of the window.
    #[arg(long)]
    window: WindowStart,

    /// Whose verdict.
    #[arg(long)]
    miner: Hotkey,

    /// Where to; a folder gets the usual name.
    #[arg(long, value_name = "PATH", default_value = ".")]
    out: PathBuf,
}

/// Judges again; whether the verdict is the same.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(super) fn audit(args: &AuditArgs) -> anyhow::Result<bool> {
    let (mut account, opened) = audit::open(&args.file, args.validator.as_ref())?;
    if let Some((audited, encoding)) = opened {
        let environment = environment_of(&audited.context.env, args.rows.as_deref())?;
        let model = ModelArgs::of(&args.settings.config()?)?;
        let engine = load(&model.model, &audited.manifest, &model)?;
        let mut oracle = TorchOracle::new(engine.model);
        let tools = Tools {
            codec: audit::codec_of(encoding.unwrap_or(grail_artifact::bundle::Encoding::Json)),
            limits: &LIMITS,
            environment: &environment,
            tokenizer: engine.tokenizer.as_ref(),
        };
        account.by_model = true;
        if let Err(flaws) = audited.replay(&tools, &mut oracle, &mut |_| true) {
            account.refuse_all(&flaws);
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&account)?);
    } else {
        print!("{}", account.describe());
    }
    Ok(account.good)
}

/// The environment of that id, by trying those that there are.
fn environment_of(id: &EnvId, rows: Option<&Path>) -> anyhow::Result<Environment> {
    let rows = match rows {
        None => None,
        Some(path) => Some(
            grail_fs::read(path, DATASET_BYTES)?
                .with_context(|| format!("there is no file {}", path.display()))?,
        ),
    };
    for name in ENVIRONMENTS.iter().filter(|name| **name != "gsm8k" || rows.is_some()) {
        let environment = environment(name, rows.as_deref())?;
        if environment.id()? == *id {
            return Ok(environment);
        }
    }
    if id.as_str().starts_with("gsm8k/") {
        bail!("the window asks {id}; name a file with exactly these rows by --rows");
    }
    bail!("this program knows no environment {id}")
}

/// Writes the bundle of a window that was judged.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(super) async fn bundle(networks: &dyn Networks, args: &BundleArgs) -> anyhow::Result<()> {
    let told = args.role.read()?;
    let joined = network::join(networks, &told).await?;
    let reports = Reports::new(Arc::new(FolderJournal::new(told.path(&table::REPORTS)?)));
    let (window, miner) = (args.window, args.miner);
    let report = reports.load(window)?.with_context(|| format!("there is no {}", reports.place(window)))?;
    let hotkey = joined.signer.hotkey();
    if report.validator != hotkey {
        bail!("window {window} was judged by {}, this key is {hotkey}", report.validator);
    }
    let entry = report
        .miners
        .iter()
        .find(|entry| entry.hotkey == miner)
        .with_context(|| format!("the report of window {window} knows no miner {miner}"))?;
    let judged = match &entry.outcome {
        FileOutcome::Judged(judged) => judged,
        FileOutcome::Absent => bail!("{miner} had no file in window {window}; there is no verdict"),
        FileOutcome::Excluded(exclusion) => bail!("{miner} was left out of window {window}: {exclusion}"),
    };
    let older = "the report was written by an older program and does not say how it judged";
    let model = report.model.context(older)?;
    let sampling = entry.sampling.or(report.sampling).context(older)?;

    let params = joined.sources.network.params;
    let gone = || format!("the chain no longer shows the blocks of window {window}");
    let first = joined.sources.chain.block(params.first_block(window)).await?.with_context(gone)?;
    let last = joined.sources.last_block(window).await?.with_context(gone)?;
    let challenge = joined.sources.challenge(last).await?.with_context(gone)?;
    let follower = crate::engine::follower(&joined, &told)?;
    let manifest = follower.find(Moment::of(&params, window, first.time)).await?.manifest;
    if manifest.id() != report.checkpoint {
        bail!("window {window} was answered by {}, found is checkpoint {}", report.checkpoint, manifest.id());
    }
    let context = joined.sources.window(&manifest, window).await?.with_context(gone)?;

    let encoding = WindowEncoding::Parquet;
    let key = WindowKey { hotkey: miner, window, encoding }.into();
    let shelf = joined.directory.shelf_of(&miner).await?.context("the miner committed no shelf")?;
    let (file, body) = match shelf.fetch(&key, LIMITS.file_bytes).await? {
        Fetch::Absent => bail!("{key} no longer lies on the shelf"),
        Fetch::TooLarge { meta } => {
            let file = FileFact {
                encoding: encoding.into(),
                stored_at: meta.stored_at,
                size: meta.size,
                carried: false,
            };
            (file, bytes::Bytes::new())
        }
        Fetch::Found(found) => {
            let size = found.body.len() as u64;
            let stored_at = found.meta.stored_at;
            (FileFact { encoding: encoding.into(), stored_at, size, carried: true }, found.body)
        }
    };
    let circumstances = Circumstances { context, manifest, first, last, challenge, model };
    let matter = Matter { report: judged, sampling, file: Some(file), body };
    let bundle = circumstances.bundle(&joined.sources, &matter, joined.signer.hotkey())?;
    let bundle = signed(bundle, joined.signer.as_ref())?;
    let bytes = bundle.to_bytes()?;
    let folder = args.out.is_dir();
    let path = if folder { args.out.join(entry_name(window, &miner)) } else { args.out.clone() };
    // What lies on the shelf may have been replaced since; a bundle that does not hold helps nobody.
    let (account, opened) = audit::open_bytes(&path, &bytes, Some(&hotkey));
    print!("{}", account.describe());
    if opened.is_none() {
        bail!("the file on the shelf is not the one that was judged; nothing was written");
    }
    grail_fs::write(&path, &bytes)?;
    println!("{} ({} bytes)", path.display(), bytes.len());
    Ok(())
}
