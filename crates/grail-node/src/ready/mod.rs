//! Whether a role can start and go through its first window: one look for everybody.
//!
//! `grail doctor`, each role's `check`, `grail devnet init` and the start of each role call the same functions, so that what
//! one of them lets pass does not stop another. Nothing is asked of a network here, and nothing is written but a test file in
//! folders that a role writes to.

mod finding;
mod memory;
mod model;
mod settings;
mod torch;

pub use finding::{Finding, Health};
pub use memory::of_memory;
pub use model::{ModelSubject, of_model};
pub use settings::of_settings;
pub use torch::{INSTALLED_MS, Installed, ModelLook, TorchLook, TorchTrouble};

use crate::{local::Networks, network};
use grail_artifact::manifest::Manifest;
use grail_config::{Config, Role, table};
use grail_roles::environments::Environments;
use std::path::{Path, PathBuf};

/// Everything on this machine that stops a role at start or in its first window, and what is in order. Blocks.
///
/// Settings that the role cannot do without come first; then the model that the network starts with, with its manifest, the
/// data of its environments, its prompts and its weights.
pub fn look(networks: &dyn Networks, role: Role, config: &Config, torch: &dyn TorchLook) -> Vec<Finding> {
    Look::read(networks, role, config).finish(torch)
}

/// A look whose settings and terms were read; the model was not yet opened.
#[derive(Debug)]
pub struct Look {
    found: Vec<Finding>,
    terms: Option<(Manifest, Environments)>,
    folder: PathBuf,
    device: String,
    /// Whether the role computes with the model: whoever makes weights of others' verdicts does not.
    computes: bool,
}

impl Look {
    /// Reads settings, manifest and data sets.
    pub fn read(networks: &dyn Networks, role: Role, config: &Config) -> Self {
        let mut found = of_settings(role, config);
        let folder = config.path(&table::MODEL);
        let terms = folder.as_deref().map(|folder| terms(networks, config, folder));
        let terms = terms.and_then(|read| read.map_err(|finding| found.push(finding)).ok());
        let device = config.text(&table::DEVICE).unwrap_or("cpu").to_owned();
        let computes = role != Role::Validator || config.list(&table::FOLLOW_VERDICTS).is_empty();
        Self { found, terms, folder: folder.unwrap_or_default(), device, computes }
    }

    /// Looks at the model too. Blocks, some seconds at most.
    pub fn finish(self, torch: &dyn TorchLook) -> Vec<Finding> {
        let Self { mut found, terms, folder, device, computes } = self;
        if let Some((manifest, environments)) = terms.as_ref().filter(|_| computes) {
            let subject = ModelSubject { folder: &folder, manifest, environments, device: &device };
            found.extend(of_model(&subject, torch));
        }
        found
    }
}

/// The manifest of the model that the network starts with, and the environments at hand.
fn terms(
    networks: &dyn Networks,
    config: &Config,
    folder: &Path,
) -> Result<(Manifest, Environments), Finding> {
    let manifest_of = |read: anyhow::Result<Manifest>| {
        read.map_err(|error| {
            let remedy = "`grail join` fetches a checkpoint with its manifest; before a network's first, `grail checkpoint \
                          describe` makes the manifest by the terms that the subnet's owner names; on a development \
                          network, name its folder with --devnet";
            Finding::of_error("manifest", "manifest-missing", &error, remedy)
        })
    };
    let environments_of = |dir: &Path| {
        network::environments(dir).map_err(|error| {
            let remedy = "put the published rows there again, unchanged";
            Finding::of_error("data", "rows-unreadable", &error, remedy)
        })
    };
    if let Some(dir) = config.path(&table::DEVNET) {
        let net = networks.local(&dir).map_err(|error| {
            let remedy = "make it with `grail devnet init`, or leave --devnet and GRAIL_DEVNET out";
            Finding::of_error("network", "no-such-network", &error, remedy)
        })?;
        let manifest = manifest_of(network::read_manifest(net.dir(), &net.facts().params))?;
        return Ok((manifest, environments_of(net.dir())?));
    }
    let manifest = manifest_of(network::first_manifest(folder, &config.network().params))?;
    Ok((manifest, environments_of(&config.cache_dir())?))
}

/// Refuses to start where something would stop the role anyway, with everything that does at once.
///
/// Warnings are logged. Errors: each bad finding on a line of its own, with its remedy.
pub fn require(found: &[Finding]) -> anyhow::Result<()> {
    for warning in found.iter().filter(|finding| finding.standing == Health::Warning) {
        tracing::warn!(target: "grail::ready", "{}", warning.sentence());
    }
    let bad: Vec<String> = found.iter().filter(|finding| finding.is_bad()).map(Finding::sentence).collect();
    anyhow::ensure!(bad.is_empty(), "{}", bad.join("\n"));
    Ok(())
}
