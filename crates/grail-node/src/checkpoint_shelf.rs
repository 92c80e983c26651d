//! Where a trainer's checkpoints lie, and who that trainer is: a network's folder, another folder, or a bucket.
//!
//! As typed ([`ShelfArgs`]), checked ([`ShelfChoice`], [`TrainerChoice`]), opened ([`OpenShelf`]).

use crate::{local::Networks, subnet};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use grail_artifact::manifest::Manifest;
use grail_chain::Subnet;
use grail_config::{Config, Flags, Origin, Setting, networks::NetworkChoice, offer, table};
use grail_ports::{chain::ChainView, checkpoint::CheckpointShelf};
use grail_protocol::{
    params::{self, Params},
    words::Hotkey,
};
use grail_store::{
    CommittedCheckpoints, Endpoint, Location, ReadCredentials, Shelf, Transfer, WriteCredentials,
};
use std::{path::PathBuf, sync::Arc};

offer! {
    /// Whose checkpoints.
    pub TrainerFlags: DEVNET, TRAINER, PROFILE, NETWORK, NETUID, CHAIN_ENDPOINT
}

offer! {
    /// Whose checkpoints, where they lie, and the model that the network started with.
    ///
    /// The keys of a bucket come from variables and files alone: [`table::S3_READ_KEY_ID`] and its like.
    pub ShelfFlags: DEVNET, TRAINER, PROFILE, CHECKPOINT_SHELF, S3_ENDPOINT, CHECKPOINT_R2_ACCOUNT, S3_BUCKET, S3_REGION,
        MODEL, NETWORK, NETUID, CHAIN_ENDPOINT, R2_ENDPOINT_URL, R2_REGION, R2_ALLOW_HTTP
}

/// Whose checkpoints, and where they lie: on a development network (--devnet), in a folder, in a bucket, or where the
/// trainer of a subnet says on the chain (--network and --netuid), which needs no key.
///
/// A bucket's keys stand in GRAIL_S3_READ_KEY_ID and GRAIL_S3_READ_SECRET, for deleting in GRAIL_S3_WRITE_KEY_ID and
/// GRAIL_S3_WRITE_SECRET.
#[derive(Debug, Clone, Args)]
pub struct ShelfArgs {
    /// Where they lie.
    #[command(flatten)]
    pub settings: Flags<ShelfFlags>,

    /// Take an address with http://: signatures hold, secrecy does not.
    #[arg(long)]
    pub allow_http: bool,
}

/// Whose checkpoints, checked.
#[derive(Debug, Clone)]
pub struct TrainerChoice {
    /// Whose signature counts.
    pub trainer: Hotkey,
    /// Constants of the network.
    pub params: Params,
    /// The manifest of the model that the network started with, where a network is named.
    pub genesis: Option<Manifest>,
}

/// Where checkpoints lie, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShelfChoice {
    /// The shelf of a development network.
    Devnet(PathBuf),
    /// A folder.
    Folder(PathBuf),
    /// A bucket.
    Bucket(Location),
    /// The bucket that the trainer of a subnet committed.
    Subnet,
}

/// What is to be done with a shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Write and delete too.
    Write,
}

/// A shelf of checkpoints, open, and whose they are.
#[derive(Clone)]
pub struct OpenShelf {
    /// The shelf.
    pub shelf: Arc<dyn CheckpointShelf>,
    /// Its name, for people.
    pub name: String,
    /// Whose.
    pub whose: TrainerChoice,
}

impl std::fmt::Debug for OpenShelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenShelf")
            .field("name", &self.name)
            .field("whose", &self.whose)
            .finish_non_exhaustive()
    }
}

impl TrainerChoice {
    /// Who the settings name; reads `network.json` where a development network is named, and the chain where a subnet is
    /// and its trainer is not.
    ///
    /// Errors: nobody is named, the chain is out of reach, or the network says something else.
    pub async fn of(networks: &dyn Networks, config: &Config) -> anyhow::Result<Self> {
        let named = match config.text(&table::TRAINER) {
            Some(named) => Some(named.parse().with_context(|| format!("the trainer is {named:?}"))?),
            None => None,
        };
        let profile = config.text(&table::PROFILE).and_then(Params::by_name);
        let Some(dir) = &config.path(&table::DEVNET) else {
            let trainer: Hotkey = match named {
                Some(named) => named,
                None if names_a_subnet(config) => {
                    let (_, subnet) = connect(config).await?;
                    subnet::trainer(config, &subnet.metagraph().await?)?
                }
                None => bail!(
                    "whose checkpoints? give --trainer SS58, --network and --netuid of a subnet, or --devnet DIR of a network \
                     that names its trainer"
                ),
            };
            let params = if names_a_subnet(config) {
                config.network().params
            } else {
                profile.unwrap_or(params::MAIN)
            };
            return Ok(Self { trainer, params, genesis: None });
        };
        let net = networks.local(dir)?;
        let network = net.facts();
        let trainer = match (network.trainer, named) {
            (Some(own), Some(typed)) if own != typed => bail!(
                "the network in {} names {own} as its trainer, and --trainer (or GRAIL_TRAINER) {typed}; leave --trainer out",
                dir.display()
            ),
            (Some(trainer), _) | (None, Some(trainer)) => trainer,
            (None, None) => bail!(
                "the network in {} names no trainer; give --trainer SS58, or make a network with `grail devnet init \
                 --trainer NAME`",
                dir.display()
            ),
        };
        if let Some(typed) = profile.filter(|typed| typed.profile != network.params.profile) {
            let (own, typed) = (network.params.profile, typed.profile);
            bail!(
                "the network in {} has the profile {own}, and --profile (or GRAIL_PROFILE) says {typed}; leave --profile out",
                dir.display()
            );
        }
        let genesis = Some(crate::network::read_manifest(dir, &network.params)?);
        Ok(Self { trainer, params: network.params, genesis })
    }
}

impl ShelfChoice {
    /// Checks that one place is named, and only one. Touches nothing.
    pub fn of(config: &Config, allow_http: bool) -> anyhow::Result<Self> {
        let places =
            [&table::DEVNET, &table::CHECKPOINT_SHELF, &table::S3_ENDPOINT, &table::CHECKPOINT_R2_ACCOUNT];
        let named: Vec<String> = places
            .into_iter()
            .filter(|setting| config.get(setting).is_some())
            .map(|setting| format!("--{} (or {})", setting.flag, setting.variable))
            .collect();
        ensure!(named.len() < 2, "{} name different shelves; leave all but one out", named.join(" and "));
        if let Some(dir) = config.path(&table::DEVNET) {
            return Ok(Self::Devnet(dir));
        }
        if let Some(folder) = config.path(&table::CHECKPOINT_SHELF) {
            return Ok(Self::Folder(folder));
        }
        let text = |setting| config.text(setting).map(str::to_owned);
        let endpoint = match (text(&table::S3_ENDPOINT), text(&table::CHECKPOINT_R2_ACCOUNT)) {
            (Some(url), _) => Endpoint::Url(url),
            (None, Some(account)) => Endpoint::R2 { account },
            (None, None) if names_a_subnet(config) => return Ok(Self::Subnet),
            (None, None) => bail!(
                "which shelf? give --network NAME or --netuid N of a subnet, --devnet DIR, --folder DIR with --trainer SS58, or \
                 --s3-endpoint URL or --r2-account ID with --bucket NAME and --trainer SS58"
            ),
        };
        let bucket = text(&table::S3_BUCKET).context("which bucket? give --bucket NAME")?;
        let region = text(&table::S3_REGION).unwrap_or_else(|| "auto".to_owned());
        Ok(Self::Bucket(Location { endpoint, region, bucket, path_style: true, allow_http }))
    }
}

impl ShelfArgs {
    /// What files, variables and flags say.
    pub fn config(&self) -> anyhow::Result<Config> {
        self.settings.config().context("read the configuration")
    }

    /// Opens the shelf. Of a bucket nothing is asked yet.
    ///
    /// Errors: each names the argument or variable, and what to do about it.
    pub async fn open(&self, networks: &dyn Networks, access: Access) -> anyhow::Result<OpenShelf> {
        let config = self.config()?;
        let choice = ShelfChoice::of(&config, self.allow_http)?;
        if choice == ShelfChoice::Subnet {
            ensure!(
                access == Access::Read,
                "what the chain names is only read; to delete, name the bucket: --s3-endpoint or --r2-account, and --bucket"
            );
            return of_subnet(&config).await;
        }
        let whose = TrainerChoice::of(networks, &config).await?;
        let (shelf, name): (Arc<dyn CheckpointShelf>, String) = match choice {
            ShelfChoice::Devnet(dir) => {
                let folder = networks.local(&dir)?.shelf();
                (Arc::new(Shelf::folder(&folder, Transfer::default())?), folder.display().to_string())
            }
            ShelfChoice::Folder(folder) => {
                (Arc::new(Shelf::folder(&folder, Transfer::default())?), folder.display().to_string())
            }
            // Answered above.
            ShelfChoice::Subnet => bail!("which shelf?"),
            ShelfChoice::Bucket(location) => {
                let bucket = bucket(&config, &location, access)?;
                (Arc::new(bucket), format!("the bucket {}", location.bucket))
            }
        };
        Ok(OpenShelf { shelf, name, whose })
    }
}

/// Whether somebody said which subnet is meant: a default is no word.
fn names_a_subnet(config: &Config) -> bool {
    [&table::NETWORK, &table::NETUID, &table::CHAIN_ENDPOINT]
        .into_iter()
        .any(|setting| config.get(setting).is_some_and(|(_, origin)| *origin != Origin::Default))
}

async fn connect(config: &Config) -> anyhow::Result<(NetworkChoice, Subnet)> {
    let (choice, mut settings) = subnet::chain_settings(config)?;
    // Whoever only looks leaves no journal.
    settings.journal = None;
    Ok((choice, Subnet::connect(settings).await?))
}

/// The shelf that the trainer of a subnet committed on the chain.
async fn of_subnet(config: &Config) -> anyhow::Result<OpenShelf> {
    let (choice, subnet) = connect(config).await?;
    let chain: Arc<dyn ChainView> = Arc::new(subnet);
    let trainer = subnet::trainer(config, &chain.metagraph().await?)?;
    let directory = subnet::directory(config, chain)?;
    let name = format!("the bucket of the trainer {trainer} of subnet {}", choice.netuid.unwrap_or_default());
    Ok(OpenShelf {
        shelf: Arc::new(CommittedCheckpoints::new(directory, trainer)),
        name,
        whose: TrainerChoice { trainer, params: choice.params, genesis: None },
    })
}

/// A bucket with the keys of the settings.
fn bucket(config: &Config, location: &Location, access: Access) -> anyhow::Result<Shelf> {
    let read = pair(config, &table::S3_READ_KEY_ID, &table::S3_READ_SECRET)?;
    let write = pair(config, &table::S3_WRITE_KEY_ID, &table::S3_WRITE_SECRET)?;
    // Whoever may write may read.
    let (id, secret) = read.or(write).context(
        "the bucket asks for keys; set GRAIL_S3_READ_KEY_ID and GRAIL_S3_READ_SECRET to a pair that may read",
    )?;
    // The account matters to commitments, and none is made of these.
    let read = ReadCredentials::new("none", id, secret).context("the keys for reading")?;
    if access == Access::Read {
        return Ok(Shelf::bucket(location, &read, Transfer::default())?);
    }
    let (id, secret) = write
        .context("deleting needs keys that may write; set GRAIL_S3_WRITE_KEY_ID and GRAIL_S3_WRITE_SECRET")?;
    let write = WriteCredentials::new(id, secret).context("the keys for writing")?;
    Ok(Shelf::own_bucket(location, &read, &write, Transfer::default())?)
}

/// Both halves of a pair, or neither.
fn pair<'a>(
    config: &'a Config,
    id: &Setting,
    secret: &Setting,
) -> anyhow::Result<Option<(&'a str, &'a str)>> {
    match (config.text(id), config.secret(secret)) {
        (Some(id), Some(secret)) => Ok(Some((id, secret.reveal()))),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("{id} is set, {secret} is not; set both"),
        (None, Some(_)) => bail!("{secret} is set, {id} is not; set both"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Subnets;
    use grail_config::ConfigSources;

    fn config(variables: &[(&str, &str)]) -> Config {
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Config::read(&ConfigSources { environment, ..ConfigSources::default() }).unwrap()
    }

    fn choose(variables: &[(&str, &str)]) -> anyhow::Result<ShelfChoice> {
        ShelfChoice::of(&config(variables), false)
    }

    const ACCOUNT: (&str, &str) = ("GRAIL_R2_ACCOUNT", "0123456789abcdef0123456789abcdef");
    const NAME: (&str, &str) = ("GRAIL_S3_BUCKET", "grail");
    const READ: [(&str, &str); 2] =
        [("GRAIL_S3_READ_KEY_ID", "reader"), ("GRAIL_S3_READ_SECRET", "reader-secret")];
    const WRITE: [(&str, &str); 2] =
        [("GRAIL_S3_WRITE_KEY_ID", "writer"), ("GRAIL_S3_WRITE_SECRET", "writer-secret")];

    fn location() -> Location {
        match choose(&[ACCOUNT, NAME]) {
            Ok(ShelfChoice::Bucket(location)) => location,
            other => panic!("{other:?}"),
        }
    }

    fn open(keys: &[(&str, &str)], access: Access) -> anyhow::Result<Shelf> {
        bucket(&config(keys), &location(), access)
    }

    #[test]
    fn one_place_is_chosen_and_only_one() {
        let refused = |variables: &[(&str, &str)]| choose(variables).unwrap_err().to_string();
        assert!(refused(&[]).contains("--devnet DIR, --folder DIR"));
        for subnet in [("BT_NETWORK", "test"), ("NETUID", "7"), ("BT_CHAIN_ENDPOINT", "ws://127.0.0.1:9944")]
        {
            assert_eq!(choose(&[subnet]).unwrap(), ShelfChoice::Subnet, "{subnet:?}");
            // What is named as a place is meant, whatever network a participant's files name.
            assert_eq!(choose(&[subnet, ACCOUNT, NAME]).unwrap(), ShelfChoice::Bucket(location()));
        }
        let (folder, url) = (("GRAIL_CHECKPOINT_SHELF", "shelf"), ("GRAIL_S3_ENDPOINT", "https://x"));
        let told = refused(&[folder, url]);
        assert!(told.contains("--folder") && told.contains("GRAIL_S3_ENDPOINT"), "{told}");
        assert!(refused(&[url]).contains("--bucket NAME"));
        assert_eq!(choose(&[folder]).unwrap(), ShelfChoice::Folder("shelf".into()));
        assert_eq!(location().bucket, "grail");
    }

    #[test]
    fn deleting_in_a_bucket_needs_keys_that_may_write() {
        assert!(open(&READ, Access::Read).is_ok());
        assert!(open(&WRITE, Access::Read).is_ok());
        assert!(open(&[READ, WRITE].concat(), Access::Write).is_ok());
        let refused = |keys: &[(&str, &str)], access| format!("{:#}", open(keys, access).unwrap_err());
        assert!(refused(&[], Access::Read).contains("GRAIL_S3_READ_KEY_ID"));
        assert!(refused(&READ, Access::Write).contains("GRAIL_S3_WRITE_KEY_ID"));
        let half = [&READ[..1], &WRITE].concat();
        assert!(refused(&half, Access::Read).contains("GRAIL_S3_READ_SECRET is not"));
    }

    #[tokio::test]
    async fn somebodys_checkpoints_are_asked_for() {
        let told = TrainerChoice::of(&Subnets::of(None), &config(&[])).await.unwrap_err().to_string();
        assert!(told.contains("--trainer SS58"), "{told}");
    }
}
