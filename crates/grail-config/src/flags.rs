//! Flags of every setting, made from the table.

use super::{
    Config, ConfigErrors, ConfigSources,
    kind::ValueKind,
    table::{self, Role, Setting},
};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::{ffi::OsString, fmt, marker::PhantomData, path::PathBuf};

/// Most bytes of a file that holds one secret.
const SECRET_BYTES: u64 = 4_096;

/// Which settings a command takes as flags.
pub trait Offer {
    /// These.
    fn settings() -> Vec<&'static Setting>;
}

/// Settings of participants; not those of `grail checkpoint`, which offers them itself.
#[derive(Debug, Clone, Copy)]
pub struct Everything;

impl Offer for Everything {
    fn settings() -> Vec<&'static Setting> {
        table::ALL.iter().copied().filter(|setting| setting.roles != [Role::Tool]).collect()
    }
}

/// Flags of every setting of participants.
pub type ConfigFlags = Flags<Everything>;

/// Flags as typed, of the settings that `O` offers: flatten this into the arguments of a command.
///
/// Secrets are not taken as flags, since every user of a machine sees those: their flags name a file.
pub struct Flags<O> {
    /// The TOML file, where one is named.
    pub toml: Option<PathBuf>,
    /// The file of variables, where one is named.
    pub dotenv: Option<PathBuf>,
    /// Every setting that was typed.
    pub given: Vec<(&'static Setting, String)>,
    offer: PhantomData<fn() -> O>,
}

impl<O> Clone for Flags<O> {
    fn clone(&self) -> Self {
        Self { toml: self.toml.clone(), dotenv: self.dotenv.clone(), ..Self::given(self.given.clone()) }
    }
}

/// Prints what was typed by name alone: values may be secrets.
pub(super) struct Names<'a>(pub(super) &'a [(&'static Setting, String)]);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(setting, _)| setting.flag)).finish()
    }
}

impl<O> fmt::Debug for Flags<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flags")
            .field("toml", &self.toml)
            .field("dotenv", &self.dotenv)
            .field("given", &Names(&self.given))
            .finish()
    }
}

impl<O> Flags<O> {
    /// These values, and the files of the working folder.
    pub const fn given(given: Vec<(&'static Setting, String)>) -> Self {
        Self { toml: None, dotenv: None, given, offer: PhantomData }
    }

    /// The same flags as typed, for a program that goes on with this one's command. Secrets are not among them.
    pub fn typed(&self) -> impl Iterator<Item = OsString> {
        let files = [("--config", &self.toml), ("--env-file", &self.dotenv)];
        let files = files.into_iter().filter_map(|(flag, path)| Some([flag.into(), path.clone()?.into()]));
        let plain = self.given.iter().filter(|(setting, _)| !setting.kind.is_secret());
        let plain = plain.map(|(setting, value)| [format!("--{}", setting.flag).into(), value.into()]);
        files.chain(plain).flatten()
    }

    /// The configuration of this process: its files, its environment, and these flags. What should be written otherwise
    /// is logged.
    ///
    /// Errors: everything that is wrong, each with its place.
    pub fn config(&self) -> Result<Config, ConfigErrors> {
        let config = Config::read(&ConfigSources::of_process(self))?;
        for warning in config.warnings() {
            tracing::warn!(target: "grail::settings", "{warning}");
        }
        Ok(config)
    }
}

/// Settings of a few subjects as flags: `offer! { Looked: DEVNET, MODEL }` makes the type for [`Flags`].
#[macro_export]
macro_rules! offer {
    ($(#[$meta:meta])* $visibility:vis $name:ident: $($setting:ident),+) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        $visibility struct $name;

        impl $crate::Offer for $name {
            fn settings() -> Vec<&'static $crate::Setting> {
                vec![$(&$crate::table::$setting),+]
            }
        }
    };
}

fn argument(setting: &'static Setting) -> Arg {
    let secret = setting.kind.is_secret();
    let value = match setting.kind {
        _ if secret => "FILE",
        ValueKind::Path => "PATH",
        ValueKind::HttpUrl | ValueKind::HttpUrls | ValueKind::NodeUrls => "URL",
        ValueKind::Integer { .. } => "N",
        ValueKind::Flag => "BOOL",
        ValueKind::Hotkey => "SS58",
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
        .hide(setting.section.is_of_training())
        .action(if setting.kind.is_list() { ArgAction::Append } else { ArgAction::Set })
}

impl<O: Offer> clap::Args for Flags<O> {
    fn augment_args(command: Command) -> Command {
        let file = |id: &'static str, help: &'static str| {
            Arg::new(id).long(id).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
        };
        let command = command
            .arg(file("config", "File of settings; grail.toml of this folder where it is there."))
            .arg(file("env-file", "File of variables; .env of this folder where it is there."));
        O::settings().into_iter().fold(command, |command, setting| command.arg(argument(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<O: Offer> clap::FromArgMatches for Flags<O> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Vec::new();
        for setting in O::settings() {
            let Some(typed) = matches.get_many::<String>(setting.variable) else { continue };
            let typed = typed.map(String::as_str).collect::<Vec<_>>().join(",");
            let value = if setting.kind.is_secret() {
                secret_file(&typed).map_err(|reason| {
                    let told = format!("--{} {typed}: {reason}\n", setting.flag);
                    clap::Error::raw(clap::error::ErrorKind::Io, told)
                })?
            } else {
                typed
            };
            given.push((setting, value));
        }
        let file = |id| matches.get_one::<PathBuf>(id).cloned();
        Ok(Self { toml: file("config"), dotenv: file("env-file"), ..Self::given(given) })
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
