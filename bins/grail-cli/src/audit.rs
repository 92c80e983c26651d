//! `grail audit`: whether a validator's verdict follows from what it rests on, as far as paper says.

use clap::Args;
use grail_node::audit;
use grail_protocol::words::Hotkey;
use std::path::PathBuf;

/// Which bundle.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The bundle, as `grail-validator run --bundles` or `grail-validator bundle` writes it.
    file: PathBuf,
    /// The validator that must have signed it; without it whoever signed is named.
    #[arg(long, value_name = "HOTKEY")]
    validator: Option<Hotkey>,
    /// The account as a JSON object.
    #[arg(long)]
    json: bool,
}

/// Audits; whether the verdict holds.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(crate) fn run(args: &AuditArgs) -> anyhow::Result<bool> {
    let (account, _) = audit::open(&args.file, args.validator.as_ref())?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&account)?);
    } else {
        print!("{}", account.describe());
    }
    Ok(account.good)
}
