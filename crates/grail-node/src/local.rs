//! Development networks, from the outside: what programs need of one, and who opens it.
//!
//! Programs of participants know subnets alone ([`Subnets`]). A network in a folder of this machine is opened by
//! `grail-devnet`, which brings its own [`Networks`]: SQLite and a chain that anybody can foretell stay out of everything
//! else.

use crate::sibling;
use grail_ports::{
    beacon::BeaconSource,
    chain::{ChainView, ChainWrite},
    clock::Clock,
};
use grail_protocol::{
    params::Params,
    sign::HotkeyPair,
    words::{Hotkey, NetworkId},
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Which networks a program can open beside subnets.
pub trait Networks: Send + Sync {
    /// The development network in a folder.
    ///
    /// Errors: there is none; or this program opens none, and the one that does is not installed beside it.
    fn local(&self, dir: &Path) -> anyhow::Result<Box<dyn LocalNetwork>>;
}

/// What everyone on a development network agrees on.
#[derive(Debug, Clone)]
pub struct LocalFacts {
    /// Its id, which is part of every window seed.
    pub id: NetworkId,
    /// Its constants.
    pub params: Params,
    /// Whose checkpoints are followed; without one the first model stays.
    pub trainer: Option<Hotkey>,
    /// Blocks between two rows of weights of one validator.
    pub weights_rate_limit: u64,
}

/// A development network: chain, beacon, keys and shelf in one folder.
pub trait LocalNetwork: Send + Sync {
    /// Its folder.
    fn dir(&self) -> &Path;
    /// What everyone agrees on.
    fn facts(&self) -> &LocalFacts;
    /// Folder of everyone's object store.
    fn shelf(&self) -> PathBuf;
    /// The key of a participant. Errors: nobody has that name.
    fn key(&self, name: &str) -> anyhow::Result<HotkeyPair>;
    /// The chain, whose newest block is the clock's.
    fn chain(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn ChainView>>;
    /// The chain, written to as that hotkey.
    fn writer(&self, clock: Arc<dyn Clock>, hotkey: Hotkey) -> anyhow::Result<Arc<dyn ChainWrite>>;
    /// The beacon, whose newest round is the clock's.
    fn beacon(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn BeaconSource>>;
}

/// The program that opens development networks.
const OPENER: &str = "grail-devnet";

/// Subnets, and nothing beside: a command about a development network becomes one of `grail-devnet`, with the same
/// arguments.
#[derive(Debug, Clone, Copy)]
pub struct Subnets {
    word: Option<&'static str>,
}

impl Subnets {
    /// For a program whose commands `grail-devnet` has under this word (`mine` for `grail-miner`), or under no word of
    /// their own (`grail`).
    pub const fn of(word: Option<&'static str>) -> Self {
        Self { word }
    }
}

impl Networks for Subnets {
    fn local(&self, dir: &Path) -> anyhow::Result<Box<dyn LocalNetwork>> {
        let typed = std::env::args_os().skip(1);
        let arguments = self.word.map(OsString::from).into_iter().chain(typed);
        Err(sibling::become_program(OPENER, arguments).context(format!(
            "{} is a development network, which only {OPENER} opens; build it, or leave --devnet and GRAIL_DEVNET out",
            dir.display()
        )))
    }
}
