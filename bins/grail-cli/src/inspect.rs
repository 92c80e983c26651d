//! `grail inspect`: what a seed, a problem or a window file says.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use grail_artifact::{
    limits::LIMITS,
    window::{header_digest, rollout_digest},
};
use grail_config::{Flags, args::SightFlags, table};
use grail_node::{
    check::codec_for,
    local::Networks,
    network::{self, DATASET_BYTES, ENVIRONMENTS, environment},
};
use grail_protocol::{
    seed::ProblemSeed,
    words::{GroupIndex, Hotkey, RolloutIndex, WindowStart},
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What to look at.
#[derive(Debug, Subcommand)]
pub(crate) enum InspectCommand {
    /// A window file: header, counts, and each group in a line.
    Window {
        /// The file, .parquet or .json.
        file: PathBuf,
        /// Everything, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// The seeds of a miner's group in a window.
    Seed(SeedArgs),
    /// The problem that a seed poses, with its prompt.
    Problem(ProblemArgs),
    /// Every rejection code.
    Codes,
}

/// Which seed.
#[derive(Debug, Args)]
pub(crate) struct SeedArgs {
    /// Its network: a development network, or a subnet. No key is needed. Without --model the window is derived as the
    /// checkpoint on the trainer's shelf answers it.
    #[command(flatten)]
    settings: Flags<SightFlags>,
    /// First block of the window.
    #[arg(long)]
    window: WindowStart,
    /// Whose problem.
    #[arg(long)]
    hotkey: Hotkey,
    /// Group number.
    #[arg(long, default_value_t = 0)]
    group: u32,
    /// The window was seeded by its block hash alone.
    #[arg(long)]
    no_drand: bool,
}

/// Which problem.
#[derive(Debug, Args)]
pub(crate) struct ProblemArgs {
    /// Environment.
    #[arg(value_parser = ENVIRONMENTS)]
    env: String,
    /// Problem seed, 64 hexadecimal digits, as `inspect seed` prints it.
    seed: String,
    /// GSM8K rows (jsonl), where the environment is gsm8k.
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
}

/// Looks.
pub(crate) async fn run(
    networks: &dyn Networks,
    command: InspectCommand,
    as_json: bool,
) -> anyhow::Result<()> {
    match command {
        InspectCommand::Window { file, json } => window(&file, json || as_json),
        InspectCommand::Seed(args) => seed(networks, &args, as_json).await,
        InspectCommand::Problem(args) => problem(&args, as_json),
        InspectCommand::Codes => codes(as_json),
    }
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn window(path: &Path, json: bool) -> anyhow::Result<()> {
    let bytes = grail_fs::read(path, LIMITS.file_bytes)?
        .with_context(|| format!("there is no file {}", path.display()))?;
    let file =
        codec_for(path)?.decode(&bytes, &LIMITS).with_context(|| format!("read {}", path.display()))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&file)?);
        return Ok(());
    }
    let header = &file.header;
    println!("{} ({} bytes)", path.display(), bytes.len());
    for (name, value) in [
        ("protocol version", header.version.to_string()),
        ("network", header.network.to_string()),
        ("window", header.window.to_string()),
        ("hotkey", header.hotkey.to_string()),
        ("checkpoint", header.checkpoint.to_string()),
        ("environment", header.env.to_string()),
        ("randomness", format!("{:?}", header.randomness)),
        ("numeric profile", header.numeric.name().into()),
        ("made by", header.generator.clone()),
        ("header digest", hex(&header_digest(header))),
        ("signed root", format!("{:?}", file.root)),
        ("signed counts", format!("{} groups, {} rollouts", file.groups, file.rollout_count)),
    ] {
        println!("  {name:17} {value}");
    }
    let mut table = tabled::builder::Builder::default();
    table.push_record(["group", "rollout", "tokens", "claimed reward", "mean log-probability", "digest"]);
    for record in &file.rollouts {
        let sum: f64 = record.logprobs.iter().map(|units| f64::from(*units) / 1_024.0).sum();
        table.push_record([
            record.group.to_string(),
            record.rollout.to_string(),
            record.tokens.len().to_string(),
            format!("{:.4}", record.reward),
            format!("{:.3}", sum / record.logprobs.len().max(1) as f64),
            hex(&rollout_digest(record)).chars().take(16).collect(),
        ]);
    }
    println!("{}", table.build().with(tabled::settings::Style::modern_rounded()));
    println!("every value is the miner's claim; `grail window check` says what a validator makes of it");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
async fn seed(networks: &dyn Networks, args: &SeedArgs, as_json: bool) -> anyhow::Result<()> {
    let config = args.settings.config()?;
    let view = network::look(networks, &config, args.no_drand).await?;
    let model = config.path(&table::MODEL);
    let context = grail_node::check::derive(&view, args.window, model.as_deref()).await?;
    let window_seed = context.seed();
    let problem = window_seed.problem(&args.hotkey, GroupIndex(args.group));
    let keys = (0..context.params.rollouts_per_problem).map(RolloutIndex).map(|rollout| {
        let (draw, sketch) = (problem.draw_key(rollout), problem.sketch_key(rollout));
        (rollout, hex(draw.as_bytes()), hex(sketch.as_bytes()))
    });
    if as_json {
        let rollouts: Vec<_> = keys
            .map(|(rollout, draw, sketch)| json!({ "rollout": rollout, "draw": draw, "sketch": sketch }))
            .collect();
        let value = json!({
            "version": 1, "environment": context.env, "checkpoint": context.checkpoint,
            "block_hash": context.block_hash, "randomness": context.randomness,
            "window_seed": hex(window_seed.as_bytes()), "problem_seed": hex(problem.as_bytes()), "rollouts": rollouts,
        });
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    println!("environment   {}", context.env);
    println!("checkpoint    {}", context.checkpoint);
    println!("block hash    {}", context.block_hash);
    println!("randomness    {:?}", context.randomness);
    println!("window seed   {}", hex(window_seed.as_bytes()));
    println!("problem seed  {}", hex(problem.as_bytes()));
    for (rollout, draw, sketch) in keys {
        println!("rollout {rollout:>2}    draw {draw}  sketch {sketch}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn problem(args: &ProblemArgs, as_json: bool) -> anyhow::Result<()> {
    let id: grail_protocol::words::CheckpointId =
        args.seed.parse().map_err(|_| anyhow::anyhow!("the seed is not 64 hexadecimal digits"))?;
    let seed = ProblemSeed::from_bytes(*id.as_bytes());
    let rows = match &args.rows {
        None if args.env == "gsm8k" => bail!("gsm8k needs its rows; name the file with --rows"),
        None => None,
        Some(path) => Some(
            grail_fs::read(path, DATASET_BYTES)?
                .with_context(|| format!("there is no data set at {}", path.display()))?,
        ),
    };
    let environment = environment(&args.env, rows.as_deref())?;
    let problem = environment.generate(&seed)?;
    if as_json {
        let messages: Vec<_> = problem
            .messages()
            .iter()
            .map(|message| json!({ "role": format!("{:?}", message.role).to_lowercase(), "content": message.content }))
            .collect();
        println!("{}", serde_json::to_string_pretty(&json!({ "version": 1, "messages": messages }))?);
        return Ok(());
    }
    for message in problem.messages() {
        println!("[{:?}]\n{}\n", message.role, message.content);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn codes(as_json: bool) -> anyhow::Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(grail_verify::ALL_CODES)?);
        return Ok(());
    }
    for code in grail_verify::ALL_CODES {
        println!("{code}");
    }
    Ok(())
}

fn hex(bytes: &[u8; 32]) -> String {
    grail_protocol::words::CheckpointId::from_bytes(*bytes).to_string()
}
