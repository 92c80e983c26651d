//! `grail-trainer config show`: every setting of training, its value, where it comes from, and what it means.

use super::settings::TrainingSettings;
use clap::{Args, Subcommand};
use grail_config::{
    Flags, Origin, offer,
    training::{Shown, table_of},
};
use serde_json::json;
use std::collections::BTreeMap;

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting of training as TOML that can be used as a settings file.
    ///
    /// `grail config show --role trainer` shows the others too.
    Show(ShowArgs),
}

offer! { ShowFlags: TRAINER_SETTINGS }

/// What to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    settings: Flags<ShowFlags>,

    /// One JSON object: name to value, origin and meaning.
    #[arg(long = "as-json")]
    as_json: bool,
}

/// Shows.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(super) fn run(command: &ConfigCommand) -> anyhow::Result<()> {
    let ConfigCommand::Show(args) = command;
    let config = args.settings.config()?.with_training()?;
    TrainingSettings::of(&config)?;
    let shown = config.training();
    if args.as_json {
        let json = |Shown { name, value, origin, meaning }: Shown| {
            (name, json!({ "value": value, "origin": word(&origin), "meaning": meaning }))
        };
        let all: BTreeMap<_, _> = shown.into_iter().map(json).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    let mut table = "";
    for Shown { name, value, origin, meaning } in &shown {
        if table_of(name) != table {
            table = table_of(name);
            println!("\n[{table}]");
        }
        let key = name.rsplit('.').next().unwrap_or(name);
        println!("{:<44} # {meaning} ({})", format!("{key} = {value}"), word(origin));
    }
    Ok(())
}

/// Where a value comes from: a file without its name, since whoever asks named it.
fn word(origin: &Origin) -> String {
    match origin {
        Origin::File { .. } => "file".to_owned(),
        origin => origin.to_string(),
    }
}
