//! Every setting, declared once.

use super::kind::Kind;
use std::fmt;

/// A role that reads a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `grail-miner`.
    Miner,
    /// `grail-validator`.
    Validator,
    /// `grail-trainer`.
    Trainer,
    /// `grail` itself, for people.
    Tool,
}

impl Role {
    /// The roles that run as services.
    pub const SERVICES: [Self; 3] = [Self::Miner, Self::Validator, Self::Trainer];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Miner => "miner",
            Self::Validator => "validator",
            Self::Trainer => "trainer",
            Self::Tool => "grail",
        }
    }
}

/// Subject of settings: a table of `grail.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Which chain and beacon.
    Network,
    /// Who signs.
    Wallet,
    /// The own bucket.
    Store,
    /// Model and device.
    Model,
    /// Checkpoints of the trainer.
    Checkpoint,
    /// Files of each role.
    Role,
    /// Figures for others.
    Monitoring,
}

impl Section {
    /// Name of the table in `grail.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Wallet => "wallet",
            Self::Store => "store",
            Self::Model => "model",
            Self::Checkpoint => "checkpoint",
            Self::Role => "role",
            Self::Monitoring => "monitoring",
        }
    }

    /// What its settings are about, as a heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Network => "Network: chain and beacon",
            Self::Wallet => "Wallet: who signs",
            Self::Store => "Store: the bucket of this participant",
            Self::Model => "Model and device",
            Self::Checkpoint => "Checkpoints of the trainer",
            Self::Role => "Files of the roles",
            Self::Monitoring => "Monitoring",
        }
    }
}

/// Value of a setting that nobody set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// This.
    Value(&'static str),
    /// It follows from something else; in words.
    Follows(&'static str),
    /// None: it stays unset.
    Unset,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its table in `grail.toml`.
    pub section: Section,
    /// Its key in that table.
    pub key: &'static str,
    /// Its variable, in `.env` and in the environment.
    pub variable: &'static str,
    /// Its flag, without dashes. Of a secret: the flag that names a file with the secret.
    pub flag: &'static str,
    /// What values look like.
    pub kind: Kind,
    /// Value where nobody sets it.
    pub preset: Preset,
    /// Who reads it.
    pub roles: &'static [Role],
    /// What it means, one or two sentences.
    pub meaning: &'static str,
}

impl Setting {
    /// Its full name in `grail.toml`, for people.
    pub fn toml_name(&self) -> String {
        format!("{}.{}", self.section.name(), self.key)
    }
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.variable == other.variable
    }
}
impl Eq for Setting {}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.variable)
    }
}

/// The setting of that variable.
pub fn by_variable(name: &str) -> Option<&'static Setting> {
    ALL.iter().copied().find(|setting| setting.variable == name)
}

/// The most similar of `names`, where one is similar at all.
pub(super) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
    let scored = names.into_iter().map(|known| (score(known), known));
    scored.filter(|(score, _)| *score > 0.82).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// Prefixes of variables that are ours: an unknown name under one of them is a mistake.
pub const PREFIXES: [&str; 3] = ["GRAIL_", "R2_", "BT_"];

/// Variables of others that may stand in `.env`, because a service hands them on to its program.
pub const OF_OTHERS: [&str; 8] = [
    "CUDA_VISIBLE_DEVICES",
    "HTTPS_PROXY",
    "LD_LIBRARY_PATH",
    "NO_PROXY",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

const EVERYONE: &[Role] = &[Role::Miner, Role::Validator, Role::Trainer, Role::Tool];
const SERVICES: &[Role] = &[Role::Miner, Role::Validator, Role::Trainer];
const TOOL: &[Role] = &[Role::Tool];

macro_rules! settings {
    ($( $name:ident: $section:ident . $key:literal, $variable:literal, $flag:literal, $kind:expr, $preset:expr,
        $roles:expr, $meaning:literal; )*) => {
        $(
            #[doc = $meaning]
            pub static $name: Setting = Setting {
                section: Section::$section,
                key: $key,
                variable: $variable,
                flag: $flag,
                kind: $kind,
                preset: $preset,
                roles: $roles,
                meaning: $meaning,
            };
        )*
        /// Every setting, in the order in which people read them.
        pub static ALL: &[&Setting] = &[$(&$name),*];
    };
}

use Preset::{Follows, Unset, Value};

settings! {
    NETWORK: Network."name", "BT_NETWORK", "network", Kind::Network, Value("finney"), EVERYONE,
        "Which network to join: a name, or the address of a node.";
    NETUID: Network."netuid", "NETUID", "netuid", Kind::Integer { least: 0, most: 65_535 },
        Follows("81 on finney, 429 on test"), EVERYONE, "Number of the subnet.";
    CHAIN_ENDPOINT: Network."chain_endpoint", "BT_CHAIN_ENDPOINT", "chain-endpoint", Kind::NodeUrls,
        Follows("those of the network"), EVERYONE,
        "Addresses of nodes to use in place of the network's own; the first is preferred.";
    PROFILE: Network."profile", "GRAIL_PROFILE", "profile", Kind::Choice(&["main", "dev", "dev-fast"]),
        Follows("that of the network"), EVERYONE,
        "Protocol constants of a chain that has no name here. Named networks fix their own.";
    BEACON_RELAYS: Network."beacon_relays", "GRAIL_BEACON_RELAYS", "beacon-relays", Kind::HttpUrls,
        Follows("four public relays of quicknet"), EVERYONE,
        "drand relays, all asked at once; none of them is trusted.";
    BEACON_CHAIN: Network."beacon_chain", "GRAIL_BEACON_CHAIN", "beacon-chain", Kind::Path,
        Follows("drand quicknet"), EVERYONE,
        "File that describes the beacon of a chain that has no name here: hash, genesis, period_ms, public_key.";
    DEVNET: Network."devnet", "GRAIL_DEVNET", "devnet", Kind::Path, Unset, EVERYONE,
        "Folder of a development network, in place of a chain, a beacon and a bucket.";
    KEY: Network."key", "GRAIL_KEY", "key", Kind::FileName, Unset, SERVICES,
        "Name of the hotkey in the folder of a development network.";

    WALLET_COLD: Wallet."cold", "BT_WALLET_COLD", "wallet-cold", Kind::FileName, Value("default"), EVERYONE,
        "Name of the wallet. Its coldkey is never read.";
    WALLET_HOT: Wallet."hot", "BT_WALLET_HOT", "wallet-hot", Kind::FileName, Value("default"), EVERYONE,
        "Name of the hotkey in the wallet.";
    WALLET_PATH: Wallet."path", "BT_WALLET_PATH", "wallet-path", Kind::Path, Value("~/.bittensor/wallets"),
        EVERYONE, "Folder of wallets.";
    WALLET_PASSWORD_FILE: Wallet."password_file", "GRAIL_WALLET_PASSWORD_FILE", "wallet-password-file",
        Kind::Path, Unset, EVERYONE,
        "File whose first line opens an encrypted hotkey. Unset, the password is asked for.";
    SIGNER: Wallet."signer", "GRAIL_SIGNER", "signer", Kind::Path, Unset, SERVICES,
        "Socket of `grail signer`, which holds the hotkey in place of this program.";

    R2_ACCOUNT_ID: Store."account_id", "R2_ACCOUNT_ID", "r2-account-id", Kind::AccountId, Unset, EVERYONE,
        "Account at Cloudflare R2. At another S3 service: 32 hexadecimal digits of your choice, which are also the bucket's name.";
    R2_BUCKET_ID: Store."bucket_id", "R2_BUCKET_ID", "r2-bucket-id", Kind::Bucket, Follows("the account id"),
        EVERYONE, "Name of the bucket. It must equal the account id, since validators look nowhere else.";
    R2_WRITE_ACCESS_KEY_ID: Store."write_access_key_id", "R2_WRITE_ACCESS_KEY_ID", "r2-write-access-key-id",
        Kind::KeyId, Unset, EVERYONE, "Key that may read and write. It never leaves this machine.";
    R2_WRITE_SECRET_ACCESS_KEY: Store."write_secret_access_key", "R2_WRITE_SECRET_ACCESS_KEY",
        "r2-write-secret-file", Kind::KeySecret, Unset, EVERYONE, "Secret of the key that may write.";
    R2_READ_ACCESS_KEY_ID: Store."read_access_key_id", "R2_READ_ACCESS_KEY_ID", "r2-read-access-key-id",
        Kind::KeyId, Unset, EVERYONE, "Key that may only read. It is published on the chain, with its secret.";
    R2_READ_SECRET_ACCESS_KEY: Store."read_secret_access_key", "R2_READ_SECRET_ACCESS_KEY",
        "r2-read-secret-file", Kind::KeySecret, Unset, EVERYONE, "Secret of the key that may only read.";
    R2_ENDPOINT_URL: Store."endpoint_url", "R2_ENDPOINT_URL", "r2-endpoint-url", Kind::HttpUrl,
        Follows("https://{account id}.r2.cloudflarestorage.com"), EVERYONE,
        "Address of an S3 service other than R2.";
    R2_REGION: Store."region", "R2_REGION", "r2-region", Kind::Text,
        Follows("auto at R2, us-east-1 elsewhere"), EVERYONE, "Region that requests are signed for.";
    R2_FORCE_PATH_STYLE: Store."force_path_style", "R2_FORCE_PATH_STYLE", "r2-force-path-style", Kind::Flag,
        Value("true"), EVERYONE, "Whether the bucket stands in the path (true) or in the host's name.";
    R2_ALLOW_HTTP: Store."allow_http", "R2_ALLOW_HTTP", "r2-allow-http", Kind::Flag, Value("false"), EVERYONE,
        "Whether an address with http:// is taken. Signatures hold over it, secrecy does not.";

    MODEL: Model."folder", "GRAIL_MODEL", "model", Kind::Path, Unset, EVERYONE,
        "Folder of the model that the network starts with, in Hugging Face layout.";
    DEVICE: Model."device", "GRAIL_DEVICE", "device", Kind::Device, Value("cpu"), EVERYONE,
        "Where to compute.";
    THREADS: Model."threads", "GRAIL_THREADS", "threads", Kind::Integer { least: 0, most: 1_024 }, Value("0"),
        SERVICES, "Threads for arithmetic on the CPU; 0 takes all cores.";
    GENERATION_BATCH_SIZE: Model."generation_batch_size", "GRAIL_GENERATION_BATCH_SIZE", "batch-size",
        Kind::Choice(&["1", "2", "4", "8", "16"]), Value("16"), &[Role::Miner],
        "Rollouts decoded at once; must divide 16. Less memory, less speed.";

    CACHE_DIR: Checkpoint."cache_dir", "GRAIL_CACHE_DIR", "cache-dir", Kind::Path, Value("~/.cache/grail"),
        EVERYONE, "Folder for what can be fetched again.";
    CHECKPOINTS: Checkpoint."folder", "GRAIL_CHECKPOINTS", "checkpoints", Kind::Path,
        Follows("a folder in the cache"), SERVICES, "Folder for checkpoints that the trainer publishes.";
    CHECKPOINT_RETENTION_LIMIT: Checkpoint."retention_limit", "GRAIL_CHECKPOINT_RETENTION_LIMIT",
        "checkpoint-retention-limit", Kind::Integer { least: 2, most: 1_000 },
        Follows("publish.keep of the training settings, which is 10"), &[Role::Trainer],
        "Checkpoints that stay on the shelf, beside milestones.";
    CHECKPOINT_MILESTONE_INTERVAL: Checkpoint."milestone_interval", "GRAIL_CHECKPOINT_MILESTONE_INTERVAL",
        "checkpoint-milestone-interval", Kind::Integer { least: 0, most: 1_000_000 },
        Follows("publish.milestone_every of the training settings, which is 100"), &[Role::Trainer], "One window in so many is kept for ever; 0 none.";
    TRAINER: Checkpoint."trainer", "GRAIL_TRAINER", "trainer", Kind::Hotkey,
        Follows("the one that the network names"), EVERYONE,
        "Hotkey of the trainer whose signed checkpoints count.";
    CHECKPOINT_SHELF: Checkpoint."shelf", "GRAIL_CHECKPOINT_SHELF", "checkpoint-shelf", Kind::Path, Unset, TOOL,
        "Folder of a shelf for `grail checkpoint`.";
    S3_ENDPOINT: Checkpoint."s3_endpoint", "GRAIL_S3_ENDPOINT", "checkpoint-s3-endpoint", Kind::HttpUrl, Unset,
        TOOL, "Address of the S3 service of a trainer's bucket, for `grail checkpoint`.";
    CHECKPOINT_R2_ACCOUNT: Checkpoint."r2_account", "GRAIL_R2_ACCOUNT", "checkpoint-r2-account",
        Kind::AccountId, Unset, TOOL, "R2 account of a trainer's bucket, for `grail checkpoint`.";
    S3_BUCKET: Checkpoint."s3_bucket", "GRAIL_S3_BUCKET", "checkpoint-s3-bucket", Kind::Bucket, Unset, TOOL,
        "Name of a trainer's bucket, for `grail checkpoint`.";
    S3_REGION: Checkpoint."s3_region", "GRAIL_S3_REGION", "checkpoint-s3-region", Kind::Text, Value("auto"), TOOL,
        "Region of a trainer's bucket, for `grail checkpoint`.";
    S3_READ_KEY_ID: Checkpoint."s3_read_key_id", "GRAIL_S3_READ_KEY_ID", "checkpoint-s3-read-key-id", Kind::KeyId,
        Unset, TOOL, "Key that may read a trainer's bucket, for `grail checkpoint`.";
    S3_READ_SECRET: Checkpoint."s3_read_secret", "GRAIL_S3_READ_SECRET", "checkpoint-s3-read-secret-file",
        Kind::KeySecret, Unset, TOOL, "Secret of that key.";
    S3_WRITE_KEY_ID: Checkpoint."s3_write_key_id", "GRAIL_S3_WRITE_KEY_ID", "checkpoint-s3-write-key-id",
        Kind::KeyId, Unset, TOOL, "Key that may delete in a trainer's bucket, for `grail checkpoint prune`.";
    S3_WRITE_SECRET: Checkpoint."s3_write_secret", "GRAIL_S3_WRITE_SECRET", "checkpoint-s3-write-secret-file",
        Kind::KeySecret, Unset, TOOL, "Secret of that key.";

    REPORTS: Role."reports", "GRAIL_REPORTS", "reports", Kind::Path, Unset, &[Role::Validator],
        "Folder for verdicts, the validator's memory: keep it over a restart.";
    TRAINER_STATE: Role."trainer_state", "GRAIL_TRAINER_STATE", "state", Kind::Path, Unset,
        &[Role::Trainer], "Folder for everything of the trainer that must survive a restart.";
    TRAINER_SETTINGS: Role."trainer_settings", "GRAIL_TRAINER_SETTINGS", "settings", Kind::Path, Unset,
        &[Role::Trainer], "File of training settings; `grail-trainer config show` prints them.";
    SUBTENSOR_SPEC: Role."subtensor_spec", "GRAIL_SUBTENSOR_SPEC", "subtensor-spec", Kind::Path, Unset, TOOL,
        "Chain specification of subtensor, for developers who run the real runtime on one machine.";

    MONITORING_BACKEND: Monitoring."backend", "GRAIL_MONITORING_BACKEND", "monitoring-backend",
        Kind::Choice(&["none", "wandb"]), Value("none"), SERVICES, "Where figures are sent to. Nothing is sent to wandb yet: programs take the word and warn.";
    WANDB_API_KEY: Monitoring."wandb_api_key", "WANDB_API_KEY", "wandb-api-key-file", Kind::Secret, Unset,
        SERVICES, "Key at Weights & Biases.";
    WANDB_PROJECT: Monitoring."wandb_project", "WANDB_PROJECT", "wandb-project", Kind::Text, Value("grail"),
        SERVICES, "Project at Weights & Biases.";
    WANDB_ENTITY: Monitoring."wandb_entity", "WANDB_ENTITY", "wandb-entity", Kind::Text, Unset, SERVICES,
        "Team or user at Weights & Biases.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_presets_fit_their_kind() {
        let unique = |names: Vec<String>| {
            let set: BTreeSet<&String> = names.iter().collect();
            assert_eq!(set.len(), names.len(), "{names:?}");
        };
        unique(ALL.iter().map(|s| s.variable.to_owned()).collect());
        unique(ALL.iter().map(|s| s.flag.to_owned()).collect());
        unique(ALL.iter().map(|s| s.toml_name()).collect());
        for setting in ALL {
            if let Preset::Value(value) = setting.preset {
                assert_eq!(setting.kind.check(value), Ok(()), "{setting}");
            }
            assert!(setting.meaning.ends_with('.') && !setting.roles.is_empty(), "{setting}");
            assert!(!setting.kind.is_secret() || setting.flag.ends_with("-file"), "{setting}");
        }
    }

    #[test]
    fn a_slip_finds_the_name_it_meant_and_nonsense_finds_none() {
        let find = |name| nearest(name, ALL.iter().map(|setting| setting.variable));
        assert_eq!(find("R2_BUCKT_ID"), Some("R2_BUCKET_ID"));
        assert!(find("BT_WALLET_NAME").is_some_and(|name| name.starts_with("BT_WALLET_")));
        assert_eq!(find("r2_account_id"), Some("R2_ACCOUNT_ID"));
        assert_eq!(find("XYZZY"), None);
    }
}
