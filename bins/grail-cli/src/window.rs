//! `grail window check`: what a validator would say of a file, before it is uploaded.

mod get;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use grail_config::{
    Flags,
    args::{self, SightFlags},
    table,
};
use grail_node::{check, local::Networks, network, sibling::become_program};
use grail_tokenize::Tokenizer;
use grail_verify::verify_on_paper;
use std::path::PathBuf;

/// What to do with a window file.
#[derive(Debug, Subcommand)]
pub(crate) enum WindowCommand {
    /// The validator's verdict on a file, with reasons. Exit code 1 when something is refused.
    Check(CheckArgs),
    /// A miner's file, from the bucket that the chain names: its newest, or a window's. Exit code 1 when there is none.
    Get(get::GetArgs),
}

/// Which file, and what to hold it against.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The file, .parquet or .json.
    file: PathBuf,
    /// Its network: a development network, or a subnet. No key is needed.
    #[command(flatten)]
    settings: Flags<SightFlags>,
    /// Everything that can be said without running the model; quick, and needs no libtorch.
    #[arg(long)]
    paper: bool,
    /// The whole report as JSON.
    #[arg(long)]
    report: bool,
    /// The window was seeded by its block hash alone.
    #[arg(long)]
    no_drand: bool,
}

/// Checks; whether nothing was refused.
pub(crate) async fn run(networks: &dyn Networks, command: WindowCommand, json: bool) -> anyhow::Result<bool> {
    let mut args = match command {
        WindowCommand::Check(args) => args,
        WindowCommand::Get(args) => return get::run(networks, &args, json).await,
    };
    // `--json` means what `--report` meant alone.
    args.report |= json;
    if !args.paper {
        let mut arguments: Vec<std::ffi::OsString> =
            vec!["validate".into(), "check-file".into(), args.file.into()];
        arguments.extend(args.settings.typed());
        for (flag, set) in [("--report", args.report), ("--no-drand", args.no_drand)] {
            if set {
                arguments.push(flag.into());
            }
        }
        if args.settings.config()?.path(&table::DEVNET).is_some() {
            return Err(become_program("grail-devnet", arguments));
        }
        return Err(become_program("grail-validator", arguments.into_iter().skip(1)));
    }
    let config = args.settings.config()?;
    let model = args::model(&config)?;
    let view = network::look(networks, &config, args.no_drand).await?;
    let exhibit = check::exhibit(&view, &args.file, &model).await?;
    let tokenizer = Tokenizer::open(&model)?;
    let context_length = context_length(&model)?;
    let vocabulary = grail_ports::model::Tokenize::vocabulary(&tokenizer);
    let report =
        verify_on_paper(exhibit.fetched.clone(), &exhibit.case(&tokenizer, vocabulary, context_length));
    tell(&exhibit, &report, args.report)?;
    Ok(report.rejections().next().is_none())
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn tell(exhibit: &check::Exhibit, report: &grail_verify::MinerReport, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{}", check::describe(exhibit, report));
    }
    Ok(())
}

/// Most positions of the model, from its config.json.
pub(crate) fn context_length(model: &std::path::Path) -> anyhow::Result<u32> {
    let path = model.join("config.json");
    let bytes = grail_fs::read(&path, 1 << 20)?.with_context(|| format!("there is no {}", path.display()))?;
    let config: serde_json::Value =
        serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))?;
    config
        .get("max_position_embeddings")
        .and_then(serde_json::Value::as_u64)
        .and_then(|length| u32::try_from(length).ok())
        .with_context(|| format!("{} names no max_position_embeddings", path.display()))
}
