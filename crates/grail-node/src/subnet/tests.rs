use super::*;
use grail_artifact::manifest::MANIFEST_FILE;
use grail_config::{ConfigSources as Layers, args::ModelArgs};
use grail_protocol::{draw::SamplingPolicy, profile::NumericProfile};
use grail_store::checkpoint::{Terms, describe};
use grail_wallet::wallet::{KeyOrigin, Wallet};
use std::{ffi::OsString, fs};

/// How an error begins that comes of asking a node.
const NO_ANSWER: &str = "connect to the chain";

/// A participant's folders, everything in order, and a node that nobody runs.
struct House {
    dir: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let wallet = Wallet::new(&dir.path().join("wallets"), "cold", "hot").unwrap();
        wallet.create(&KeyOrigin::Import("//Alice".to_owned().into()), None).unwrap();
        let variables = vec![
            ("BT_NETWORK", "ws://127.0.0.1:1".to_owned()),
            ("NETUID", "2".to_owned()),
            ("BT_WALLET_PATH", at("wallets")),
            ("BT_WALLET_COLD", "cold".to_owned()),
            ("BT_WALLET_HOT", "hot".to_owned()),
            ("GRAIL_CACHE_DIR", at("cache")),
            ("R2_ACCOUNT_ID", "0123456789abcdef0123456789abcdef".to_owned()),
            ("R2_READ_ACCESS_KEY_ID", "reader".to_owned()),
            ("R2_READ_SECRET_ACCESS_KEY", "reader-secret".to_owned()),
            ("R2_WRITE_ACCESS_KEY_ID", "writer".to_owned()),
            ("R2_WRITE_SECRET_ACCESS_KEY", "writer-secret".to_owned()),
        ];
        let house = Self { dir, variables };
        fs::create_dir_all(house.model()).unwrap();
        fs::write(house.model().join("config.json"), "{}").unwrap();
        let terms = Terms {
            environments: vec!["sat/1".parse().unwrap()],
            policy: SamplingPolicy::DEFAULT,
            max_new_tokens: 64,
            numeric: NumericProfile::StrictF32,
        };
        let manifest = describe(&house.model(), terms, &mut |_| {}).unwrap();
        house.write_manifest(&manifest.to_json().unwrap());
        house
    }

    fn model(&self) -> PathBuf {
        self.dir.path().join("model")
    }

    fn write_manifest(&self, bytes: &[u8]) {
        fs::write(self.model().join(MANIFEST_FILE), bytes).unwrap();
    }

    /// With a variable set, or without it where there is no value.
    fn with(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.extend(value.map(|value| (name, value.to_owned())));
        self
    }

    /// What joining comes to, in words; a clean join is not possible here.
    async fn refused(&self) -> String {
        let environment: Vec<(OsString, OsString)> =
            self.variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let told = Told {
            config: Config::read(&Layers { environment, ..Layers::default() }).unwrap(),
            no_drand: false,
            model: ModelArgs { threads: 1, ..ModelArgs::defaults(self.model()) },
        };
        format!("{:#}", join(&told).await.map(drop).unwrap_err())
    }
}

#[tokio::test]
async fn what_is_wrong_at_home_is_named_before_the_node_is_asked() {
    let file = |house: &House, name: &str, text: &str| {
        let path = house.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let tried = House::new();
    let (odd, still, missing) = (
        file(&tried, "odd.json", "{\"public_key\": 7}"),
        file(
            &tried,
            "still.json",
            &serde_json::to_string(&BeaconChain { period_ms: 0, ..quicknet() }).unwrap(),
        ),
        tried.dir.path().join("nowhere.json").display().to_string(),
    );
    for (name, value, words) in [
        ("NETUID", None, "give --netuid N"),
        ("BT_WALLET_HOT", Some("nobody"), "nobody"),
        ("BT_WALLET_COLD", Some("nobody"), "nobody"),
        ("GRAIL_SIGNER", Some("/nowhere/signer.sock"), "/nowhere/signer.sock"),
        ("R2_READ_ACCESS_KEY_ID", None, "R2_READ_ACCESS_KEY_ID is not set"),
        ("R2_READ_ACCESS_KEY_ID", Some("writer"), "share their access key id"),
        ("R2_BUCKET_ID", Some("another-bucket"), "another-bucket"),
        ("GRAIL_BEACON_CHAIN", Some(missing.as_str()), "nowhere.json"),
        ("GRAIL_BEACON_CHAIN", Some(odd.as_str()), "odd.json"),
        ("GRAIL_BEACON_CHAIN", Some(still.as_str()), "zero milliseconds"),
    ] {
        let told = House::new().with(name, value).refused().await;
        assert!(told.contains(words), "{name}={value:?}: {told}");
        assert!(!told.contains(NO_ANSWER), "{name}={value:?} asked the node first: {told}");
    }
    let fixed = House::new().with("BT_NETWORK", Some("finney")).with("GRAIL_BEACON_CHAIN", Some(&still));
    assert!(fixed.refused().await.contains("finney fixes its beacon"));
    // What a network states about weights follows the same rule.
    let policy = file(&tried, "policy.json", r#"{"weights": {"interval": 0}}"#);
    let told = House::new().with("GRAIL_NETWORK_POLICY", Some(&policy)).refused().await;
    assert!(told.contains("policy.json") && told.contains("interval is 0"), "{told}");
    let fixed = House::new().with("BT_NETWORK", Some("finney")).with("GRAIL_NETWORK_POLICY", Some(&policy));
    assert!(fixed.refused().await.contains("finney fixes what it states"));
}

#[tokio::test]
async fn a_manifest_that_is_none_is_named_before_the_node_is_asked() {
    for (bytes, words) in [
        (None, "grail checkpoint describe"),
        (Some(&b""[..]), MANIFEST_FILE),
        (Some(&b"{\"version\": 1}"[..]), MANIFEST_FILE),
        (Some(&[0xFF; 100][..]), MANIFEST_FILE),
    ] {
        let house = House::new();
        match bytes {
            Some(bytes) => house.write_manifest(bytes),
            None => fs::remove_file(house.model().join(MANIFEST_FILE)).unwrap(),
        }
        let told = house.refused().await;
        assert!(told.contains(words) && !told.contains(NO_ANSWER), "{told}");
    }
}

#[tokio::test]
async fn a_node_that_is_not_there_is_named_when_all_else_is_in_order() {
    let told = House::new().refused().await;
    assert!(told.contains(NO_ANSWER) && told.contains("127.0.0.1:1"), "{told}");
}

#[tokio::test]
async fn a_node_that_is_not_there_may_come_and_a_mistake_stays_one() {
    use crate::trouble::exit_code;
    let told = |house: &House| {
        let environment: Vec<(OsString, OsString)> =
            house.variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Told {
            config: Config::read(&Layers { environment, ..Layers::default() }).unwrap(),
            no_drand: false,
            model: ModelArgs { threads: 1, ..ModelArgs::defaults(house.model()) },
        }
    };
    let house = House::new();
    let told_well = told(&house);
    let own = Own::read(&told_well).unwrap();
    assert_eq!(exit_code(&open(&own, &told_well).await.map(drop).unwrap_err()), 75);
    // The same again, without reading anything at home a second time.
    assert_eq!(exit_code(&open(&own, &told_well).await.map(drop).unwrap_err()), 75);
    let house = House::new().with("NETUID", None);
    assert_eq!(exit_code(&Own::read(&told(&house)).map(drop).unwrap_err()), 2);
}

#[test]
fn a_network_that_states_its_beacon_refuses_to_do_without() {
    let stated = |seeding| Params { seeding, ..grail_protocol::params::DEV };
    assert!(by_block_hash(&stated(Seeding::BlockHash), false).unwrap());
    assert!(!by_block_hash(&stated(Seeding::Beacon), false).unwrap());
    assert!(!by_block_hash(&stated(Seeding::Unsaid), false).unwrap());
    assert!(by_block_hash(&stated(Seeding::Unsaid), true).unwrap());
    let told = by_block_hash(&stated(Seeding::Beacon), true).unwrap_err().to_string();
    assert!(told.contains("--no-drand"), "{told}");
}
