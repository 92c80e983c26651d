//! What the environment says, read once. No other module of xtask looks at a variable.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cache::Cache;

/// Settings of one run of xtask.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The folder that holds everything fetched or built.
    pub(crate) cache: Cache,
    /// A libtorch that the user brings along, in place of the fetched one.
    pub(crate) own_libtorch: Option<PathBuf>,
    /// Where cargo builds: the user's `CARGO_TARGET_DIR`, else a folder in the cache.
    pub(crate) target_dir: PathBuf,
    /// The cargo that runs us.
    pub(crate) cargo: OsString,
    /// Where cargo keeps what it fetched.
    pub(crate) cargo_home: Option<PathBuf>,
    /// The user's C++ compiler, where one is named.
    pub(crate) cxx: Option<OsString>,
    /// Library search path at start, to be extended and not replaced.
    pub(crate) library_path: Option<OsString>,
    /// A chain spec of subtensor, where the user names one.
    pub(crate) subtensor_spec: Option<PathBuf>,
}

impl Config {
    /// Reads the variables.
    ///
    /// # Errors
    /// When no cache folder can be named.
    pub(crate) fn from_env() -> Result<Self> {
        let root = cache_root(var_path("GRAIL_CACHE_DIR"), var_path("XDG_CACHE_HOME"), var_path("HOME"))?;
        let root = std::path::absolute(&root)
            .with_context(|| format!("cannot make {} an absolute path", root.display()))?;
        let cache = Cache::new(root);
        let own_libtorch = var_path("LIBTORCH").filter(|path| !same_place(path, &cache.libtorch()));
        Ok(Self {
            own_libtorch,
            target_dir: var_path("CARGO_TARGET_DIR").unwrap_or_else(|| cache.build()),
            cargo: var("CARGO").unwrap_or_else(|| "cargo".into()),
            cargo_home: var_path("CARGO_HOME").or_else(|| var_path("HOME").map(|home| home.join(".cargo"))),
            cxx: var("CXX"),
            library_path: var("LD_LIBRARY_PATH"),
            subtensor_spec: var_path("GRAIL_SUBTENSOR_SPEC"),
            cache,
        })
    }
}

/// `GRAIL_CACHE_DIR`, else `grail` in the user's cache folder.
fn cache_root(own: Option<PathBuf>, xdg: Option<PathBuf>, home: Option<PathBuf>) -> Result<PathBuf> {
    match (own, xdg, home) {
        (Some(own), _, _) => Ok(own),
        // The XDG specification says to ignore a relative path here.
        (None, Some(xdg), _) if xdg.is_absolute() => Ok(xdg.join("grail")),
        (None, _, Some(home)) => Ok(home.join(".cache").join("grail")),
        (None, _, None) => bail!(
            "no place for the cache: neither GRAIL_CACHE_DIR nor HOME is set\n\
             next step: export GRAIL_CACHE_DIR=/some/folder with about 3 GB free"
        ),
    }
}

fn same_place(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// A variable; an empty one counts as not set.
#[expect(clippy::disallowed_methods, reason = "this module is where xtask reads the environment")]
fn var(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn var_path(name: &str) -> Option<PathBuf> {
    var(name).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(own: Option<&str>, xdg: Option<&str>, home: Option<&str>, expected: &str) {
        let found = cache_root(own.map(Into::into), xdg.map(Into::into), home.map(Into::into));
        assert_eq!(found.expect("a cache folder"), PathBuf::from(expected));
    }

    #[test]
    fn the_own_variable_wins_over_the_desktop_one_and_that_over_home() {
        check(Some("/a"), Some("/b"), Some("/c"), "/a");
        check(None, Some("/b"), Some("/c"), "/b/grail");
        check(None, None, Some("/c"), "/c/.cache/grail");
    }

    #[test]
    fn a_relative_desktop_folder_is_ignored() {
        check(None, Some("b"), Some("/c"), "/c/.cache/grail");
    }

    #[test]
    fn without_any_folder_the_message_says_what_to_set() {
        let error = cache_root(None, None, None).expect_err("nothing to go by");
        assert!(error.to_string().contains("export GRAIL_CACHE_DIR="), "{error}");
    }
}
