//! Development networks over `grail-devnet`'s folder.

use grail_devnet::Devnet;
use grail_node::local::{LocalFacts, LocalNetwork, Networks};
use grail_ports::{
    beacon::BeaconSource,
    chain::{ChainView, ChainWrite},
    clock::Clock,
};
use grail_protocol::{sign::HotkeyPair, words::Hotkey};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Opens development networks.
#[derive(Debug, Clone, Copy)]
pub struct Devnets;

struct Open {
    net: Devnet,
    facts: LocalFacts,
}

impl Networks for Devnets {
    fn local(&self, dir: &Path) -> anyhow::Result<Box<dyn LocalNetwork>> {
        let net = grail_devnet::open(dir)?;
        let network = net.network();
        let facts = LocalFacts {
            id: network.id.clone(),
            params: network.params,
            trainer: network.trainer,
            weights_rate_limit: network.weights_rate_limit,
        };
        Ok(Box::new(Open { net, facts }))
    }
}

impl LocalNetwork for Open {
    fn dir(&self) -> &Path {
        self.net.dir()
    }
    fn facts(&self) -> &LocalFacts {
        &self.facts
    }
    fn shelf(&self) -> PathBuf {
        self.net.shelf()
    }
    fn key(&self, name: &str) -> anyhow::Result<HotkeyPair> {
        Ok(self.net.key(name)?)
    }
    fn chain(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn ChainView>> {
        Ok(Arc::new(self.net.chain(clock)?))
    }
    fn writer(&self, clock: Arc<dyn Clock>, hotkey: Hotkey) -> anyhow::Result<Arc<dyn ChainWrite>> {
        Ok(Arc::new(self.net.chain(clock)?.as_hotkey(hotkey)))
    }
    fn beacon(&self, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn BeaconSource>> {
        Ok(Arc::new(self.net.beacon(clock)?))
    }
}
