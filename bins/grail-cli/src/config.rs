//! `grail config`: every setting explained, and the texts that are made from their table.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use console::style;
use grail_config::{
    Config, Origin, Role, Section, Setting,
    flags::ConfigFlags,
    page,
    table::{self, Preset},
    units,
};
use serde::Serialize;
use std::collections::BTreeMap;

use crate::doctor::RoleName;

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every setting: its value, where that comes from, and what it means. Secrets are stars.
    Show(ShowArgs),
    /// Print an example of `.env`.
    Env,
    /// Print the systemd unit of a role.
    Unit {
        /// Which.
        #[arg(value_enum)]
        role: RoleName,
    },
    /// Print the page of the book about settings.
    Book,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Settings of this role alone.
    #[arg(long, value_enum)]
    role: Option<RoleName>,

    #[command(flatten)]
    config: ConfigFlags,
}

/// One setting for machines.
#[derive(Debug, Serialize)]
struct Shown {
    value: Option<String>,
    origin: String,
    toml: String,
    expected: String,
    secret: bool,
    roles: Vec<&'static str>,
    meaning: &'static str,
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(crate) fn run(command: &ConfigCommand, json: bool) -> anyhow::Result<bool> {
    match command {
        ConfigCommand::Show(args) => {
            let config = args.config.config().and_then(Config::with_training);
            let config = config.context("read the configuration")?;
            let role = args.role.map(Role::from);
            let settings: Vec<&Setting> = table::ALL
                .iter()
                .copied()
                .filter(|setting| role.is_none_or(|role| setting.roles.contains(&role)))
                .collect();
            if json {
                let all: BTreeMap<_, _> =
                    settings.iter().map(|setting| (setting.variable, shown(&config, setting))).collect();
                println!("{}", serde_json::to_string_pretty(&all)?);
            } else {
                print!("{}", for_people(&config, &settings));
            }
        }
        ConfigCommand::Env => print!("{}", page::env_example()),
        ConfigCommand::Unit { role } => {
            print!("{}", units::unit(Role::from(*role)).context("this role is no service")?);
        }
        ConfigCommand::Book => print!("{}", page::book()),
    }
    Ok(true)
}

fn shown(config: &Config, setting: &Setting) -> Shown {
    let found = config.get(setting);
    Shown {
        value: found.map(|(value, _)| value.to_string()),
        origin: origin(found.map(|(_, origin)| origin), setting),
        toml: setting.toml_name(),
        expected: setting.kind.to_string(),
        secret: setting.kind.is_secret(),
        roles: setting.roles.iter().map(|role| role.name()).collect(),
        meaning: setting.meaning,
    }
}

fn origin(origin: Option<&Origin>, setting: &Setting) -> String {
    match (origin, setting.preset) {
        (Some(origin), _) => origin.to_string(),
        (None, Preset::Follows(words)) => format!("default: {words}"),
        (None, _) => "not set".to_owned(),
    }
}

fn for_people(config: &Config, settings: &[&Setting]) -> String {
    let mut text = String::new();
    let mut last: Option<Section> = None;
    for setting in settings {
        if last != Some(setting.section) {
            text.push_str(&format!("\n{}\n", style(setting.section.title()).bold()));
            last = Some(setting.section);
        }
        let found = config.get(setting);
        let value = found.map_or("–".to_owned(), |(value, _)| value.to_string());
        let origin = origin(found.map(|(_, origin)| origin), setting);
        text.push_str(&format!(
            "  {} = {value}  {}\n      {}\n",
            setting.variable,
            style(format!("({origin})")).dim(),
            style(setting.meaning).dim()
        ));
    }
    text
}
