//! Where a trainer's checkpoints lie, and who that trainer is: a network's folder, another folder, or a bucket.
//!
//! As typed ([`ShelfArgs`], [`TrainerArgs`]), checked ([`ShelfChoice`], [`TrainerChoice`]), opened ([`OpenShelf`]).

use crate::local::Networks;
use anyhow::{Context as _, bail, ensure};
use clap::{Args, Parser};
use grail_artifact::manifest::Manifest;
use grail_ports::checkpoint::CheckpointShelf;
use grail_protocol::{
    params::{self, Params},
    words::Hotkey,
};
use grail_store::{
    Bucket, Endpoint, Location, ReadCredentials, Transfer, WriteCredentials, checkpoint::FolderCheckpoints,
};
use std::{path::PathBuf, sync::Arc};

/// Whose checkpoints.
#[derive(Debug, Clone, Args)]
pub struct TrainerArgs {
    /// Folder of a development network; it names shelf, trainer and profile.
    #[arg(long, env = "GRAIL_DEVNET", value_name = "DIR")]
    pub devnet: Option<PathBuf>,

    /// Hotkey of the trainer whose signature counts, where no network names it.
    #[arg(long, env = "GRAIL_TRAINER", value_name = "SS58")]
    pub trainer: Option<Hotkey>,

    /// Profile of the network: main (where nothing is said), dev or dev-fast.
    #[arg(long, env = "GRAIL_PROFILE", value_parser = profile)]
    pub profile: Option<Params>,
}

/// Whose checkpoints, and where they lie.
///
/// The keys of a bucket come from variables alone: `GRAIL_S3_READ_KEY_ID` with `GRAIL_S3_READ_SECRET`, and for deleting
/// `GRAIL_S3_WRITE_KEY_ID` with `GRAIL_S3_WRITE_SECRET`.
#[derive(Debug, Clone, Args)]
pub struct ShelfArgs {
    /// Whose.
    #[command(flatten)]
    pub whose: TrainerArgs,

    /// Folder of a shelf: the one that holds `checkpoints/`.
    #[arg(long, env = "GRAIL_CHECKPOINT_SHELF", value_name = "DIR")]
    pub folder: Option<PathBuf>,

    /// Address of an S3 service. Its keys stand in GRAIL_S3_READ_KEY_ID and GRAIL_S3_READ_SECRET, for deleting in
    /// GRAIL_S3_WRITE_KEY_ID and GRAIL_S3_WRITE_SECRET.
    #[arg(long, env = "GRAIL_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,

    /// Account of Cloudflare R2, in place of an address.
    #[arg(long, env = "GRAIL_R2_ACCOUNT", value_name = "ID")]
    pub r2_account: Option<String>,

    /// Name of the bucket.
    #[arg(long, env = "GRAIL_S3_BUCKET", value_name = "NAME")]
    pub bucket: Option<String>,

    /// Region that requests are signed for; R2 takes any.
    #[arg(long, env = "GRAIL_S3_REGION", value_name = "NAME", default_value = "auto")]
    pub region: String,

    /// Take an address with http://: signatures hold, secrecy does not.
    #[arg(long)]
    pub allow_http: bool,
}

fn profile(name: &str) -> Result<Params, String> {
    Params::by_name(name).ok_or_else(|| format!("{name:?} is no profile; use main, dev or dev-fast"))
}

/// Keys of a bucket. Read by clap, and from variables alone: nothing is handed to it as a command line.
#[derive(Parser)]
struct KeyVariables {
    #[arg(long, env = "GRAIL_S3_READ_KEY_ID")]
    read_key_id: Option<String>,
    #[arg(long, env = "GRAIL_S3_READ_SECRET", hide_env_values = true)]
    read_secret: Option<String>,
    #[arg(long, env = "GRAIL_S3_WRITE_KEY_ID")]
    write_key_id: Option<String>,
    #[arg(long, env = "GRAIL_S3_WRITE_SECRET", hide_env_values = true)]
    write_secret: Option<String>,
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

impl TrainerArgs {
    /// Checks what was typed; reads `network.json` where a network is named.
    ///
    /// Errors: nobody is named, or the network says something else.
    pub fn choose(&self, networks: &dyn Networks) -> anyhow::Result<TrainerChoice> {
        let Some(dir) = &self.devnet else {
            let trainer = self.trainer.context(
                "whose checkpoints? give --trainer SS58, or --devnet DIR of a network that names its trainer",
            )?;
            let params = self.profile.unwrap_or(params::MAIN);
            return Ok(TrainerChoice { trainer, params, genesis: None });
        };
        let net = networks.local(dir)?;
        let network = net.facts();
        let trainer = match (network.trainer, self.trainer) {
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
        if let Some(typed) = self.profile.filter(|typed| typed.profile != network.params.profile) {
            let (own, typed) = (network.params.profile, typed.profile);
            bail!(
                "the network in {} has the profile {own}, and --profile (or GRAIL_PROFILE) says {typed}; leave --profile out",
                dir.display()
            );
        }
        let genesis = Some(crate::network::read_manifest(dir, &network.params)?);
        Ok(TrainerChoice { trainer, params: network.params, genesis })
    }
}

impl ShelfArgs {
    /// Checks that one place is named, and only one. Touches nothing.
    pub fn choose(&self) -> anyhow::Result<ShelfChoice> {
        let named = [
            ("--devnet (or GRAIL_DEVNET)", self.whose.devnet.is_some()),
            ("--folder (or GRAIL_CHECKPOINT_SHELF)", self.folder.is_some()),
            ("--s3-endpoint (or GRAIL_S3_ENDPOINT)", self.s3_endpoint.is_some()),
            ("--r2-account (or GRAIL_R2_ACCOUNT)", self.r2_account.is_some()),
        ];
        let named: Vec<&str> = named.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
        ensure!(named.len() < 2, "{} name different shelves; leave all but one out", named.join(" and "));
        if let Some(dir) = &self.whose.devnet {
            return Ok(ShelfChoice::Devnet(dir.clone()));
        }
        if let Some(folder) = &self.folder {
            return Ok(ShelfChoice::Folder(folder.clone()));
        }
        let endpoint = match (&self.s3_endpoint, &self.r2_account) {
            (Some(url), _) => Endpoint::Url(url.clone()),
            (None, Some(account)) => Endpoint::R2 { account: account.clone() },
            (None, None) => bail!(
                "which shelf? give --devnet DIR, --folder DIR with --trainer SS58, or --s3-endpoint URL or \
                 --r2-account ID with --bucket NAME and --trainer SS58"
            ),
        };
        let bucket = self.bucket.clone().context("which bucket? give --bucket NAME")?;
        let (region, allow_http) = (self.region.clone(), self.allow_http);
        Ok(ShelfChoice::Bucket(Location { endpoint, region, bucket, path_style: true, allow_http }))
    }

    /// Opens the shelf. Of a bucket nothing is asked yet.
    ///
    /// Errors: each names the argument or variable, and what to do about it.
    pub fn open(&self, networks: &dyn Networks, access: Access) -> anyhow::Result<OpenShelf> {
        let choice = self.choose()?;
        let whose = self.whose.choose(networks)?;
        let (shelf, name): (Arc<dyn CheckpointShelf>, String) = match choice {
            ShelfChoice::Devnet(dir) => {
                let folder = networks.local(&dir)?.shelf();
                (Arc::new(FolderCheckpoints::open(&folder)?), folder.display().to_string())
            }
            ShelfChoice::Folder(folder) => {
                (Arc::new(FolderCheckpoints::open(&folder)?), folder.display().to_string())
            }
            ShelfChoice::Bucket(location) => {
                let keys = KeyVariables::try_parse_from(["grail"]).context("read the keys of the bucket")?;
                let bucket = keys.open(&location, access)?;
                (Arc::new(bucket.checkpoints()), format!("the bucket {}", location.bucket))
            }
        };
        Ok(OpenShelf { shelf, name, whose })
    }
}

impl KeyVariables {
    fn open(&self, location: &Location, access: Access) -> anyhow::Result<Bucket> {
        let read = pair(&self.read_key_id, &self.read_secret, "READ")?;
        let write = pair(&self.write_key_id, &self.write_secret, "WRITE")?;
        // Whoever may write may read.
        let (id, secret) = read.or(write).context(
            "the bucket asks for keys; set GRAIL_S3_READ_KEY_ID and GRAIL_S3_READ_SECRET to a pair that may read",
        )?;
        // The account matters to commitments, and none is made of these.
        let read = ReadCredentials::new("none", id, secret).context("the keys for reading")?;
        if access == Access::Read {
            return Ok(Bucket::open(location, &read, Transfer::default())?);
        }
        let (id, secret) = write.context(
            "deleting needs keys that may write; set GRAIL_S3_WRITE_KEY_ID and GRAIL_S3_WRITE_SECRET",
        )?;
        let write = WriteCredentials::new(id, secret).context("the keys for writing")?;
        Ok(Bucket::open_own(location, &read, &write, Transfer::default())?)
    }
}

/// Both halves of a pair, or neither.
fn pair<'a>(
    id: &'a Option<String>,
    secret: &'a Option<String>,
    which: &str,
) -> anyhow::Result<Option<(&'a str, &'a str)>> {
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("GRAIL_S3_{which}_KEY_ID is set, GRAIL_S3_{which}_SECRET is not; set both"),
        (None, Some(_)) => bail!("GRAIL_S3_{which}_SECRET is set, GRAIL_S3_{which}_KEY_ID is not; set both"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Subnets;

    fn args() -> ShelfArgs {
        ShelfArgs {
            whose: TrainerArgs { devnet: None, trainer: None, profile: None },
            folder: None,
            s3_endpoint: None,
            r2_account: None,
            bucket: None,
            region: "auto".into(),
            allow_http: false,
        }
    }

    fn keys(read: bool, write: bool) -> KeyVariables {
        let text = |is: bool, text: &str| is.then(|| text.to_owned());
        KeyVariables {
            read_key_id: text(read, "reader"),
            read_secret: text(read, "reader-secret"),
            write_key_id: text(write, "writer"),
            write_secret: text(write, "writer-secret"),
        }
    }

    fn bucket() -> Location {
        let args = ShelfArgs { r2_account: Some("0".repeat(32)), bucket: Some("grail".into()), ..args() };
        match args.choose() {
            Ok(ShelfChoice::Bucket(location)) => location,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_place_is_chosen_and_only_one() {
        let refused = |args: ShelfArgs| args.choose().unwrap_err().to_string();
        assert!(refused(args()).contains("--devnet DIR, --folder DIR"));
        let two = ShelfArgs { folder: Some("shelf".into()), s3_endpoint: Some("https://x".into()), ..args() };
        let told = refused(two);
        assert!(told.contains("--folder") && told.contains("GRAIL_S3_ENDPOINT"), "{told}");
        let unnamed = ShelfArgs { s3_endpoint: Some("https://x".into()), ..args() };
        assert!(refused(unnamed).contains("--bucket NAME"));
        let folder = ShelfArgs { folder: Some("shelf".into()), ..args() };
        assert_eq!(folder.choose().unwrap(), ShelfChoice::Folder("shelf".into()));
        assert_eq!(bucket().bucket, "grail");
    }

    #[test]
    fn deleting_in_a_bucket_needs_keys_that_may_write() {
        assert!(keys(true, false).open(&bucket(), Access::Read).is_ok());
        assert!(keys(false, true).open(&bucket(), Access::Read).is_ok());
        assert!(keys(true, true).open(&bucket(), Access::Write).is_ok());
        let refused = |keys: KeyVariables, access| format!("{:#}", keys.open(&bucket(), access).unwrap_err());
        assert!(refused(keys(false, false), Access::Read).contains("GRAIL_S3_READ_KEY_ID"));
        assert!(refused(keys(true, false), Access::Write).contains("GRAIL_S3_WRITE_KEY_ID"));
        let half = KeyVariables { read_secret: None, ..keys(true, true) };
        assert!(refused(half, Access::Read).contains("GRAIL_S3_READ_SECRET is not"));
        let spaced = KeyVariables { read_secret: Some("a secret ".into()), ..keys(true, false) };
        let told = refused(spaced, Access::Read);
        assert!(told.contains("printable ASCII") && !told.contains("a secret "), "{told}");
    }

    #[test]
    fn somebodys_checkpoints_are_asked_for() {
        let told = args().whose.choose(&Subnets::of(None)).unwrap_err().to_string();
        assert!(told.contains("--trainer SS58"), "{told}");
        assert_eq!(profile("dev").unwrap().profile, "dev");
        assert!(profile("test").unwrap_err().contains("dev-fast"));
    }
}
