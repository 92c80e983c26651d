//! The chain of the settings: a subnet behind nodes, or a network on this machine.

use anyhow::Context as _;
use grail_chain::{Subnet, SubnetWriter};
use grail_config::{Config, flags::ConfigFlags, table};
use grail_node::{
    local::{LocalNetwork, Networks},
    signer::signer,
    subnet,
};
use grail_ports::chain::{ChainView, ChainWrite, Metagraph, Neuron};
use grail_protocol::words::Hotkey;
use grail_roles::clock::SystemClock;
use grail_wallet::Wallet;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::Who;

/// The chain, opened for reading.
pub(crate) enum Open {
    Subnet(Subnet),
    Local(Box<dyn LocalNetwork>),
}

/// Reads the settings of this process and these flags.
pub(crate) fn config(flags: &ConfigFlags) -> anyhow::Result<Config> {
    flags.config().context("read the configuration")
}

/// Folder of the journals of intents.
pub(crate) fn journal(given: Option<&Path>, config: &Config) -> PathBuf {
    given.map_or_else(|| subnet::journal(config), Path::to_owned)
}

/// Opens the chain; a person sees that it takes a while.
pub(crate) async fn open(
    networks: &dyn Networks,
    config: &Config,
    journal: Option<PathBuf>,
    quiet: bool,
) -> anyhow::Result<Open> {
    if let Some(dir) = config.path(&table::DEVNET) {
        return Ok(Open::Local(networks.local(&dir)?));
    }
    let (_, mut settings) = subnet::chain_settings(config)?;
    settings.journal = journal;
    let subnet = waiting("connecting", quiet, Subnet::connect(settings)).await?;
    Ok(Open::Subnet(subnet))
}

impl Open {
    /// The door for reading.
    pub(crate) fn view(&self) -> anyhow::Result<Arc<dyn ChainView>> {
        Ok(match self {
            Self::Subnet(subnet) => Arc::new(subnet.clone()),
            Self::Local(net) => net.chain(Arc::new(SystemClock))?,
        })
    }

    /// The door for writing, as the hotkey of the settings.
    pub(crate) fn writer(&self, config: &Config) -> anyhow::Result<Arc<dyn ChainWrite>> {
        Ok(match self {
            Self::Subnet(subnet) => Arc::new(subnet.writer(Arc::new(signer(config)?))?),
            Self::Local(net) => net.writer(Arc::new(SystemClock), hotkey(net.as_ref(), config)?)?,
        })
    }

    /// The writer that shows what a write would do; `None` on a network on this machine.
    pub(crate) fn rehearsal(&self, config: &Config) -> anyhow::Result<Option<SubnetWriter>> {
        Ok(match self {
            Self::Subnet(subnet) => Some(subnet.writer(Arc::new(signer(config)?))?),
            Self::Local(_) => None,
        })
    }

    /// The own hotkey, without reading its secret where the wallet's public file tells it.
    pub(crate) fn own(&self, config: &Config) -> anyhow::Result<Hotkey> {
        match self {
            Self::Local(net) => hotkey(net.as_ref(), config),
            Self::Subnet(_) => {
                let choice = config.wallet();
                Ok(Wallet::new(&choice.root, &choice.cold, &choice.hot)?.public()?)
            }
        }
    }

    /// Who is meant, and its place in the metagraph where it has one.
    pub(crate) fn resolve(
        &self,
        who: Option<Who>,
        config: &Config,
        graph: &Metagraph,
    ) -> anyhow::Result<(Hotkey, Option<Neuron>)> {
        let hotkey = match who {
            Some(Who::Uid(uid)) => {
                let neuron = graph.neurons.iter().find(|neuron| neuron.uid == uid);
                let neuron = neuron.with_context(|| format!("nobody has uid {uid} on this subnet"))?;
                return Ok((neuron.hotkey, Some(neuron.clone())));
            }
            Some(Who::Hotkey(hotkey)) => hotkey,
            None => self.own(config)?,
        };
        Ok((hotkey, graph.find(&hotkey).cloned()))
    }
}

fn hotkey(net: &dyn LocalNetwork, config: &Config) -> anyhow::Result<Hotkey> {
    let name = config.text(&table::KEY).context("--key names a key of the network on this machine")?;
    Ok(net.key(name)?.hotkey())
}

/// Waits with a sign of life on a terminal.
pub(crate) async fn waiting<T>(what: &'static str, quiet: bool, work: impl Future<Output = T>) -> T {
    if quiet {
        return work.await;
    }
    // Drawn on the error stream, and only where that is a terminal.
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(120));
    let done = work.await;
    bar.finish_and_clear();
    done
}
