//! Settings of participants and of the tool.

use super::{
    Preset::{Follows, Unset, Value},
    Role, Section, Setting,
};
use crate::kind::ValueKind;

const EVERYONE: &[Role] = &[Role::Miner, Role::Validator, Role::Trainer, Role::Tool];
const SERVICES: &[Role] = &[Role::Miner, Role::Validator, Role::Trainer];
const TOOL: &[Role] = &[Role::Tool];
/// How many of something.
const COUNT: ValueKind = ValueKind::Integer { least: 0, most: u32::MAX as u64 };

settings! {
    NETWORK: Network."name", "BT_NETWORK", "network", ValueKind::Network, Value("finney"), EVERYONE,
        "Which network to join: a name, or the address of a node.";
    NETUID: Network."netuid", "NETUID", "netuid", ValueKind::Integer { least: 0, most: 65_535 },
        Follows("81 on finney, 429 on test"), EVERYONE, "Number of the subnet.";
    CHAIN_ENDPOINT: Network."chain_endpoint", "BT_CHAIN_ENDPOINT", "chain-endpoint", ValueKind::NodeUrls,
        Follows("those of the network"), EVERYONE,
        "Addresses of nodes to use in place of the network's own; the first is preferred.";
    PROFILE: Network."profile", "GRAIL_PROFILE", "profile", ValueKind::Choice(&["main", "dev", "dev-fast"]),
        Follows("that of the network"), EVERYONE,
        "Protocol constants of a chain that has no name here. Named networks fix their own.";
    BEACON_RELAYS: Network."beacon_relays", "GRAIL_BEACON_RELAYS", "beacon-relays", ValueKind::HttpUrls,
        Follows("four public relays of quicknet"), EVERYONE,
        "drand relays, all asked at once; none of them is trusted.";
    BEACON_CHAIN: Network."beacon_chain", "GRAIL_BEACON_CHAIN", "beacon-chain", ValueKind::Path,
        Follows("drand quicknet"), EVERYONE,
        "File that describes the beacon of a chain that has no name here: hash, genesis, period_ms, public_key.";
    NETWORK_POLICY: Network."policy", "GRAIL_NETWORK_POLICY", "network-policy", ValueKind::Path, Unset, EVERYONE,
        "File with what a chain that has no name here states for itself: weights (exponent_percent, unique_cap, burn, interval) and seeding (beacon, block-hash).";
    DEVNET: Network."devnet", "GRAIL_DEVNET", "devnet", ValueKind::Path, Unset, EVERYONE,
        "Folder of a development network, in place of a chain, a beacon and a bucket.";
    KEY: Network."key", "GRAIL_KEY", "key", ValueKind::FileName, Unset, SERVICES,
        "Name of the hotkey in the folder of a development network.";

    WALLET_COLD: Wallet."cold", "BT_WALLET_COLD", "wallet-cold", ValueKind::FileName, Value("default"), EVERYONE,
        "Name of the wallet. Its coldkey is never read.";
    WALLET_HOT: Wallet."hot", "BT_WALLET_HOT", "wallet-hot", ValueKind::FileName, Value("default"), EVERYONE,
        "Name of the hotkey in the wallet.";
    WALLET_PATH: Wallet."path", "BT_WALLET_PATH", "wallet-path", ValueKind::Path, Value("~/.bittensor/wallets"),
        EVERYONE, "Folder of wallets.";
    WALLET_PASSWORD_FILE: Wallet."password_file", "GRAIL_WALLET_PASSWORD_FILE", "wallet-password-file",
        ValueKind::Path, Unset, EVERYONE,
        "File whose first line opens an encrypted hotkey. Unset, the password is asked for.";
    SIGNER: Wallet."signer", "GRAIL_SIGNER", "signer", ValueKind::Path, Unset, SERVICES,
        "Socket of `grail signer`, which holds the hotkey in place of this program.";

    R2_ACCOUNT_ID: Store."account_id", "R2_ACCOUNT_ID", "r2-account-id", ValueKind::AccountId, Unset, EVERYONE,
        "Account at Cloudflare R2. At another S3 service: 32 hexadecimal digits of your choice, which are also the bucket's name.";
    R2_BUCKET_ID: Store."bucket_id", "R2_BUCKET_ID", "r2-bucket-id", ValueKind::Bucket, Follows("the account id"),
        EVERYONE, "Name of the bucket. It must equal the account id, since validators look nowhere else.";
    R2_WRITE_ACCESS_KEY_ID: Store."write_access_key_id", "R2_WRITE_ACCESS_KEY_ID", "r2-write-access-key-id",
        ValueKind::KeyId, Unset, EVERYONE, "Key that may read and write. It never leaves this machine.";
    R2_WRITE_SECRET_ACCESS_KEY: Store."write_secret_access_key", "R2_WRITE_SECRET_ACCESS_KEY",
        "r2-write-secret-file", ValueKind::KeySecret, Unset, EVERYONE, "Secret of the key that may write.";
    R2_READ_ACCESS_KEY_ID: Store."read_access_key_id", "R2_READ_ACCESS_KEY_ID", "r2-read-access-key-id",
        ValueKind::KeyId, Unset, EVERYONE, "Key that may only read. It is published on the chain, with its secret.";
    R2_READ_SECRET_ACCESS_KEY: Store."read_secret_access_key", "R2_READ_SECRET_ACCESS_KEY",
        "r2-read-secret-file", ValueKind::KeySecret, Unset, EVERYONE, "Secret of the key that may only read.";
    R2_ENDPOINT_URL: Store."endpoint_url", "R2_ENDPOINT_URL", "r2-endpoint-url", ValueKind::HttpUrl,
        Follows("https://{account id}.r2.cloudflarestorage.com"), EVERYONE,
        "Address of an S3 service other than R2.";
    R2_REGION: Store."region", "R2_REGION", "r2-region", ValueKind::Text,
        Follows("auto at R2, us-east-1 elsewhere"), EVERYONE, "Region that requests are signed for.";
    R2_FORCE_PATH_STYLE: Store."force_path_style", "R2_FORCE_PATH_STYLE", "r2-force-path-style", ValueKind::Flag,
        Value("true"), EVERYONE, "Whether the bucket stands in the path (true) or in the host's name.";
    R2_ALLOW_HTTP: Store."allow_http", "R2_ALLOW_HTTP", "r2-allow-http", ValueKind::Flag, Value("false"), EVERYONE,
        "Whether an address with http:// is taken. Signatures hold over it, secrecy does not.";

    MODEL: Model."folder", "GRAIL_MODEL", "model", ValueKind::Path, Unset, EVERYONE,
        "Folder of the model that the network starts with, in Hugging Face layout.";
    DEVICE: Model."device", "GRAIL_DEVICE", "device", ValueKind::Device, Value("cpu"), EVERYONE,
        "Where to compute.";
    THREADS: Model."threads", "GRAIL_THREADS", "threads", ValueKind::Integer { least: 0, most: 1_024 }, Value("0"),
        SERVICES, "Threads for arithmetic on the CPU; 0 takes all cores.";
    DTYPE: Model."dtype", "GRAIL_DTYPE", "dtype", ValueKind::Choice(&["auto", "f32"]), Value("auto"), SERVICES,
        "How weights are held in memory: auto as they are published, f32 in four bytes each. The results are the same.";
    KERNELS: Model."kernels", "GRAIL_KERNELS", "kernels",
        ValueKind::Choice(&["auto", "avx512", "avx2", "portable", "libtorch"]), Value("auto"), SERVICES,
        "Who computes on a CPU: auto takes the fastest path that the processor has, by a short trial.";
    GENERATION_BATCH_SIZE: Model."generation_batch_size", "GRAIL_GENERATION_BATCH_SIZE", "batch-size",
        ValueKind::Choice(&["1", "2", "4", "8", "16"]), Value("16"), &[Role::Miner],
        "Rollouts decoded at once; must divide 16. Less memory, less speed.";

    CACHE_DIR: Checkpoint."cache_dir", "GRAIL_CACHE_DIR", "cache-dir", ValueKind::Path, Value("~/.cache/grail"),
        EVERYONE, "Folder for what can be fetched again.";
    CHECKPOINTS: Checkpoint."folder", "GRAIL_CHECKPOINTS", "checkpoints", ValueKind::Path,
        Follows("a folder in the cache"), SERVICES, "Folder for checkpoints that the trainer publishes.";
    CHECKPOINT_RETENTION_LIMIT: Checkpoint."retention_limit", "GRAIL_CHECKPOINT_RETENTION_LIMIT",
        "checkpoint-retention-limit", ValueKind::Integer { least: 2, most: 1_000 },
        Value("10"), &[Role::Trainer],
        "Checkpoints that stay on the shelf, beside milestones.";
    CHECKPOINT_MILESTONE_INTERVAL: Checkpoint."milestone_interval", "GRAIL_CHECKPOINT_MILESTONE_INTERVAL",
        "checkpoint-milestone-interval", ValueKind::Integer { least: 0, most: 1_000_000 },
        Value("100"), &[Role::Trainer], "One window in so many is kept for ever; 0 none.";
    TRAINER: Checkpoint."trainer", "GRAIL_TRAINER", "trainer", ValueKind::Hotkey,
        Follows("the one that the network names: uid 0 on finney 81 and test 429"), EVERYONE,
        "Hotkey of the trainer whose signed checkpoints count.";
    CHECKPOINT_SHELF: Checkpoint."shelf", "GRAIL_CHECKPOINT_SHELF", "folder", ValueKind::Path, Unset, TOOL,
        "Folder of a shelf for `grail checkpoint`.";
    S3_ENDPOINT: Checkpoint."s3_endpoint", "GRAIL_S3_ENDPOINT", "s3-endpoint", ValueKind::HttpUrl, Unset,
        TOOL, "Address of the S3 service of a trainer's bucket, for `grail checkpoint`.";
    CHECKPOINT_R2_ACCOUNT: Checkpoint."r2_account", "GRAIL_R2_ACCOUNT", "r2-account",
        ValueKind::AccountId, Unset, TOOL, "R2 account of a trainer's bucket, for `grail checkpoint`.";
    S3_BUCKET: Checkpoint."s3_bucket", "GRAIL_S3_BUCKET", "bucket", ValueKind::Bucket, Unset, TOOL,
        "Name of a trainer's bucket, for `grail checkpoint`.";
    S3_REGION: Checkpoint."s3_region", "GRAIL_S3_REGION", "region", ValueKind::Text, Value("auto"), TOOL,
        "Region of a trainer's bucket, for `grail checkpoint`.";
    S3_READ_KEY_ID: Checkpoint."s3_read_key_id", "GRAIL_S3_READ_KEY_ID", "checkpoint-s3-read-key-id", ValueKind::KeyId,
        Unset, TOOL, "Key that may read a trainer's bucket, for `grail checkpoint`.";
    S3_READ_SECRET: Checkpoint."s3_read_secret", "GRAIL_S3_READ_SECRET", "checkpoint-s3-read-secret-file",
        ValueKind::KeySecret, Unset, TOOL, "Secret of that key.";
    S3_WRITE_KEY_ID: Checkpoint."s3_write_key_id", "GRAIL_S3_WRITE_KEY_ID", "checkpoint-s3-write-key-id",
        ValueKind::KeyId, Unset, TOOL, "Key that may delete in a trainer's bucket, for `grail checkpoint prune`.";
    S3_WRITE_SECRET: Checkpoint."s3_write_secret", "GRAIL_S3_WRITE_SECRET", "checkpoint-s3-write-secret-file",
        ValueKind::KeySecret, Unset, TOOL, "Secret of that key.";

    REPORTS: Role."reports", "GRAIL_REPORTS", "reports", ValueKind::Path, Unset, &[Role::Validator],
        "Folder for verdicts, the validator's memory: keep it over a restart.";
    HISTORY: Role."history", "GRAIL_HISTORY", "history", COUNT,
        Follows("the interval that the network states, else 12"), &[Role::Validator, Role::Tool],
        "Windows that count for weights. Validators agree where all leave it to the network.";
    WEIGHTS_EVERY: Role."weights_every", "GRAIL_WEIGHTS_EVERY", "weights-every", COUNT, Value("1"), &[Role::Validator],
        "Weights are set after every so many windows.";
    WINDOW_BUDGET: Role."window_budget", "GRAIL_WINDOW_BUDGET", "window-budget",
        ValueKind::Integer { least: 1, most: 86_400 }, Follows("nine tenths of the time that a window lasts"),
        &[Role::Validator],
        "Seconds in which the files of a window are judged. What does not fit is proven in fewer groups, or read on paper.";
    FOLLOW_VERDICTS: Role."follow_verdicts", "GRAIL_FOLLOW_VERDICTS", "follow-verdicts", ValueKind::Hotkeys, Unset,
        &[Role::Validator],
        "Validators whose signed verdicts weights are made of, each audited on paper, the most trusted first. Then no model is loaded.";
    BUNDLES: Role."bundles", "GRAIL_BUNDLES", "bundles", ValueKind::Path, Unset, &[Role::Validator],
        "Folder for replay bundles: verdicts with everything that they rest on, for `grail audit`.";
    BUNDLES_OF: Role."bundles_of", "GRAIL_BUNDLES_OF", "bundles-of", ValueKind::Choice(&["refused", "everyone"]),
        Value("refused"), &[Role::Validator],
        "Whose bundles are kept: of miners that something speaks against, or of every miner with a file.";
    BUNDLES_KEEP: Role."bundles_keep", "GRAIL_BUNDLES_KEEP", "bundles-keep", COUNT, Value("256"), &[Role::Validator],
        "Most bundles that are kept; the oldest windows go first.";
    MAX_GROUPS: Role."max_groups", "GRAIL_MAX_GROUPS", "max-groups", COUNT, Follows("as many as fit before the deadline"),
        &[Role::Miner], "Most groups in a window.";
    SELF_CHECK: Role."self_check", "GRAIL_SELF_CHECK", "self-check", COUNT, Value("1"), &[Role::Miner],
        "Groups of the own file that are proven again before upload.";
    TRUSTED_VALIDATORS: Role."trusted_validators", "GRAIL_TRUSTED_VALIDATORS", "validator", ValueKind::Hotkeys,
        Follows("the one with a permit and the most stake"), &[Role::Trainer],
        "Hotkeys of validators whose verdicts are trusted, the most trusted first.";
    HELD_OUT_GSM8K: Role."held_out_gsm8k", "GRAIL_HELD_OUT_GSM8K", "held-out-gsm8k", ValueKind::Path, Unset, &[Role::Trainer],
        "GSM8K rows for examinations (jsonl as published), other than those that windows ask.";
    TRAINER_STATE: Role."trainer_state", "GRAIL_TRAINER_STATE", "state", ValueKind::Path, Unset,
        &[Role::Trainer], "Folder for everything of the trainer that must survive a restart.";
    TRAINER_SETTINGS: Role."trainer_settings", "GRAIL_TRAINER_SETTINGS", "settings", ValueKind::Path, Unset,
        &[Role::Trainer], "File of training settings; `grail-trainer config show` prints them.";
    SUBTENSOR_SPEC: Role."subtensor_spec", "GRAIL_SUBTENSOR_SPEC", "subtensor-spec", ValueKind::Path, Unset, TOOL,
        "Chain specification of subtensor, for developers who run the real runtime on one machine.";

    MONITORING_BACKEND: Monitoring."backend", "GRAIL_MONITORING_BACKEND", "monitoring-backend",
        ValueKind::Choice(&["none", "wandb"]), Value("none"), SERVICES, "Where figures are sent to. Nothing is sent to wandb yet: programs take the word and warn.";
    WANDB_API_KEY: Monitoring."wandb_api_key", "WANDB_API_KEY", "wandb-api-key-file", ValueKind::Secret, Unset,
        SERVICES, "Key at Weights & Biases.";
    WANDB_PROJECT: Monitoring."wandb_project", "WANDB_PROJECT", "wandb-project", ValueKind::Text, Value("grail"),
        SERVICES, "Project at Weights & Biases.";
    WANDB_ENTITY: Monitoring."wandb_entity", "WANDB_ENTITY", "wandb-entity", ValueKind::Text, Unset, SERVICES,
        "Team or user at Weights & Biases.";
}
