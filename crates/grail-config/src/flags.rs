//! Flags of every setting, made from the table.

use super::{
    Config, ConfigErrors, Sources,
    kind::Kind,
    table::{self, Role, Setting},
};
use clap::{Arg, ArgMatches, Command, value_parser};
use std::{fmt, path::PathBuf};

/// Most bytes of a file that holds one secret.
const SECRET_BYTES: u64 = 4_096;

/// Flags as typed: flatten this into the arguments of a program.
///
/// Secrets are not taken as flags, since every user of a machine sees those: their flags name a file.
#[derive(Clone, Default)]
pub struct ConfigFlags {
    /// The TOML file, where one is named.
    pub toml: Option<PathBuf>,
    /// The file of variables, where one is named.
    pub dotenv: Option<PathBuf>,
    /// Every setting that was typed.
    pub given: Vec<(&'static Setting, String)>,
}

/// Prints what was typed by name alone: values may be secrets.
pub(super) struct Names<'a>(pub(super) &'a [(&'static Setting, String)]);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(setting, _)| setting.flag)).finish()
    }
}

impl fmt::Debug for ConfigFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigFlags")
            .field("toml", &self.toml)
            .field("dotenv", &self.dotenv)
            .field("given", &Names(&self.given))
            .finish()
    }
}

impl ConfigFlags {
    /// The configuration of this process: its files, its environment, and these flags.
    pub fn config(&self) -> Result<Config, ConfigErrors> {
        Config::read(&Sources::of_process(self))
    }
}

fn argument(setting: &'static Setting) -> Arg {
    let secret = setting.kind.is_secret();
    let value = match setting.kind {
        _ if secret => "FILE",
        Kind::Path => "PATH",
        Kind::HttpUrl | Kind::HttpUrls | Kind::NodeUrls => "URL",
        Kind::Integer { .. } => "N",
        Kind::Flag => "BOOL",
        Kind::Hotkey => "SS58",
        _ => "VALUE",
    };
    let help = if secret {
        format!("{} Read from a file, - for standard input. [{}]", setting.meaning, setting.variable)
    } else {
        format!("{} [{}]", setting.meaning, setting.variable)
    };
    Arg::new(setting.variable)
        .long(setting.flag)
        .value_name(value)
        .help(help)
        .help_heading(setting.section.title())
}

/// Settings that these flags offer: those of participants, and not those of `grail checkpoint`, which has its own.
fn offered() -> impl Iterator<Item = &'static Setting> {
    table::ALL.iter().copied().filter(|setting| setting.roles != [Role::Tool])
}

impl clap::Args for ConfigFlags {
    fn augment_args(command: Command) -> Command {
        let file = |id: &'static str, help: &'static str| {
            Arg::new(id).long(id).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
        };
        let command = command
            .arg(file("config", "File of settings; grail.toml of this folder where it is there."))
            .arg(file("env-file", "File of variables; .env of this folder where it is there."));
        offered().fold(command, |command, setting| command.arg(argument(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for ConfigFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Vec::new();
        for setting in offered() {
            let Some(typed) = matches.get_one::<String>(setting.variable) else { continue };
            let value = if setting.kind.is_secret() {
                secret_file(typed).map_err(|reason| {
                    let told = format!("--{} {typed}: {reason}\n", setting.flag);
                    clap::Error::raw(clap::error::ErrorKind::Io, told)
                })?
            } else {
                typed.clone()
            };
            given.push((setting, value));
        }
        let file = |id| matches.get_one::<PathBuf>(id).cloned();
        Ok(Self { toml: file("config"), dotenv: file("env-file"), given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The first line of a file, or of standard input where its name is `-`.
fn secret_file(name: &str) -> Result<String, String> {
    use std::io::Read as _;
    let mut text = String::new();
    let source: Box<dyn std::io::Read> = if name == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(name).map_err(|error| format!("cannot be read: {error}"))?)
    };
    source
        .take(SECRET_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read: {error}"))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err("its first line is empty, and should be the secret".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        config: ConfigFlags,
    }

    #[test]
    fn every_setting_is_a_flag_and_secrets_come_from_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let path = file.path().to_str().unwrap();
        let typed = ["grail", "--netuid", "7", "--r2-write-secret-file", path, "--config", "x.toml"];
        let flags = Program::try_parse_from(typed).unwrap().config;
        assert_eq!(
            flags.given,
            [(&table::NETUID, "7".to_owned()), (&table::R2_WRITE_SECRET_ACCESS_KEY, "hunter2".to_owned())]
        );
        assert!(!format!("{flags:?}").contains("hunter2"));
        assert_eq!(flags.toml.unwrap(), PathBuf::from("x.toml"));
        let told =
            Program::try_parse_from(["grail", "--r2-read-secret-file", "nowhere"]).unwrap_err().to_string();
        assert!(told.contains("--r2-read-secret-file nowhere: cannot be read"), "{told}");
        use clap::CommandFactory as _;
        Program::command().debug_assert();
    }
}
