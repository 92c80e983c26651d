//! The one configuration of operators: a table of settings, and five layers of values.
//!
//! default < `grail.toml` < `.env` < environment < flags. Each value remembers where it comes from. A name in `grail.toml`
//! that nobody reads is refused, with the nearest name that somebody does; so is a slip in a variable that begins with
//! `GRAIL_`. Other variables may be strangers', and stop nothing. Protocol constants are not settings.
//!
//! [`table`] declares every setting once; files, variables, flags, `.env.example`, systemd units and the page in the
//! book follow from it.

pub mod args;
mod dotenv;
mod error;
pub mod flags;
mod kind;
mod layers;
mod nearness;
pub mod networks;
pub mod page;
mod secret;
mod strangers;
pub mod table;
mod toml_file;
pub mod training;
mod typed;
pub mod units;
pub mod write;

pub use dotenv::quote;
pub use error::{ConfigError, ConfigErrors, ValuePlace};
pub use kind::ValueKind;
pub use layers::{Config, Origin, Value};
pub use secret::Secret;
pub use table::{Role, Section, Setting};
pub use toml_file::quoted as toml_quoted;
pub use typed::WalletChoice;

pub use flags::{ConfigFlags, Flags, Offer};
use std::{ffi::OsString, fmt, path::PathBuf};

/// File of settings that is read from the working folder where no other is named.
pub const TOML_FILE: &str = "grail.toml";
/// File of variables that is read from the working folder where no other is named.
pub const DOTENV_FILE: &str = ".env";

/// Where values are read from. Prints names alone: values may be secrets.
#[derive(Clone, Default)]
pub struct ConfigSources {
    /// The TOML file; must be there.
    pub toml: Option<PathBuf>,
    /// The file of variables; must be there.
    pub dotenv: Option<PathBuf>,
    /// Variables, name and value.
    pub environment: Vec<(OsString, OsString)>,
    /// What was typed, by setting.
    pub flags: Vec<(&'static Setting, String)>,
}

impl fmt::Debug for ConfigSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigSources")
            .field("toml", &self.toml)
            .field("dotenv", &self.dotenv)
            .field("environment", &self.environment.len())
            .field("flags", &flags::Names(&self.flags))
            .finish()
    }
}

impl ConfigSources {
    /// What a program reads: the files named by its flags, else those of the working folder where they are; this
    /// process's environment; its flags.
    pub fn of_process<O>(flags: &Flags<O>) -> Self {
        let present = |name: &str| Some(PathBuf::from(name)).filter(|path| path.exists());
        Self {
            toml: flags.toml.clone().or_else(|| present(TOML_FILE)),
            dotenv: flags.dotenv.clone().or_else(|| present(DOTENV_FILE)),
            environment: variables(),
            flags: flags.given.clone(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where programs read their variables")]
fn variables() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}
