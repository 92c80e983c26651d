use super::{GENESIS, founder, make, options};
use grail_devnet::{DevnetError, DevnetOptions, keys::KeyError};
use grail_ports::{Door, chain::ChainView as _};
use grail_protocol::{hash::digest, params, words::Hotkey};
use grail_testkit::doors::{ManualClock, conformance};
use std::{fs, sync::Arc};

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(GENESIS))
}

#[tokio::test]
async fn a_network_is_made_opened_and_known_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let made = make(dir.path());
    let opened = grail_devnet::open(made.dir()).unwrap();
    assert_eq!(opened.network(), made.network());
    let id = made.network().id.as_str();
    assert!(id.len() == 12 && id.starts_with("dev-"), "{id}");
    assert!(made.shelf().is_dir());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");

    let graph = opened.chain(clock()).unwrap().metagraph().await.unwrap();
    let names = ["validator", "miner-1", "miner-2"];
    let keys: Vec<Hotkey> = names.iter().map(|name| opened.key(name).unwrap().hotkey()).collect();
    assert_eq!(graph.neurons.iter().map(|neuron| neuron.hotkey).collect::<Vec<_>>(), keys);
    assert_eq!(graph.neurons.iter().map(|neuron| neuron.uid).collect::<Vec<_>>(), [0, 1, 2]);

    let hotkey = opened.new_key("guest").unwrap();
    assert_eq!(opened.key("guest").unwrap().hotkey(), hotkey);
    assert_eq!(graph.find(&hotkey), None, "a key alone registers nobody");

    let other = grail_devnet::init(&dir.path().join("other"), &options()).unwrap();
    assert_ne!(other.network().id, made.network().id, "every genesis has a name of its own");
}

#[test]
fn what_a_network_states_is_read_again_and_older_files_state_nothing() {
    use grail_protocol::{
        params::Params,
        policy::{Burn, Seeding, WeightPolicy},
    };
    let dir = tempfile::tempdir().unwrap();
    let burn = Some(Burn { uid: 0, permille: 250 });
    let params = Params {
        weights: WeightPolicy { burn, unique_cap: Some(9), ..WeightPolicy::DEFAULT },
        seeding: Seeding::BlockHash,
        ..params::DEV
    };
    let made = grail_devnet::init(&dir.path().join("net"), &DevnetOptions { params, ..options() }).unwrap();
    assert_eq!(grail_devnet::open(made.dir()).unwrap().network().params, params);
    // As older programs wrote it: with neither of the two.
    let path = made.dir().join("network.json");
    let mut file: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for stated in ["weights", "seeding"] {
        assert!(file.as_object_mut().unwrap().remove(stated).is_some(), "{stated}");
    }
    fs::write(&path, file.to_string()).unwrap();
    assert_eq!(grail_devnet::open(made.dir()).unwrap().network().params, params::DEV);
    // A network that states nothing writes what older programs read.
    let plain = make(&dir.path().join("plain"));
    let text = fs::read_to_string(plain.dir().join("network.json")).unwrap();
    assert!(!text.contains("weights\"") && !text.contains("seeding"), "{text}");
    file["weights"] = serde_json::json!({"interval": 0});
    fs::write(&path, file.to_string()).unwrap();
    let error = grail_devnet::open(made.dir()).unwrap_err();
    let told = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(told.contains("interval is 0"), "{error}: {told}");
}

#[cfg(unix)]
#[test]
fn secrets_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let net = make(dir.path());
    for path in [net.key_path("validator"), net.dir().join("beacon.key")] {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let net = make(dir.path());
    let before = fs::read(net.dir().join("network.json")).unwrap();
    assert!(matches!(grail_devnet::init(net.dir(), &options()), Err(DevnetError::Occupied { .. })));
    assert_eq!(fs::read(net.dir().join("network.json")).unwrap(), before);

    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    grail_devnet::init(&empty, &options()).unwrap();

    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    assert!(matches!(grail_devnet::init(&file, &options()), Err(DevnetError::File { .. })));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn unusable_options_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("net");
    let main = DevnetOptions { params: params::MAIN, ..options() };
    assert!(matches!(grail_devnet::init(&place, &main), Err(DevnetError::Profile { .. })));
    for name in ["", "../escape", "Upper", "a b"] {
        let options = DevnetOptions { founders: vec![founder(name, 0.0)], ..options() };
        assert!(matches!(grail_devnet::init(&place, &options), Err(DevnetError::File { .. })), "{name:?}");
    }
    let twice = DevnetOptions { founders: vec![founder("a", 0.0), founder("a", 0.0)], ..options() };
    assert!(matches!(grail_devnet::init(&place, &twice), Err(DevnetError::File { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn each_damage_of_the_folder_has_its_own_message() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(grail_devnet::open(dir.path()), Err(DevnetError::NoNetwork { .. })));
    let net = make(dir.path());
    assert!(matches!(net.key("nobody"), Err(KeyError::Missing { .. })));

    let path = net.dir().join("network.json");
    let text = fs::read_to_string(&path).unwrap();
    let open = |text: &str| {
        fs::write(&path, text).unwrap();
        grail_devnet::open(net.dir()).map(drop)
    };
    assert!(matches!(open(&text[..text.len() / 2]), Err(DevnetError::Damaged { .. })));
    assert!(matches!(open(&" ".repeat(100_000)), Err(DevnetError::TooLarge { .. })));
    let newer = text.replace("\"version\": 1", "\"version\": 2");
    assert!(matches!(open(&newer), Err(DevnetError::Version { found: 2, expected: 1, .. })));
    let main = text.replace("\"dev\"", "\"main\"");
    assert!(matches!(open(&main), Err(DevnetError::Profile { .. })));
    let still = text.replace("\"period_ms\": 3000", "\"period_ms\": 0");
    assert!(matches!(open(&still), Err(DevnetError::Beacon { .. })));
    open(&text).unwrap();

    fs::write(net.dir().join("beacon.key"), digest("another", &[])).unwrap();
    assert!(matches!(net.beacon(clock()), Err(DevnetError::Beacon { .. })));
    fs::write(net.dir().join("beacon.key"), b"short").unwrap();
    assert!(matches!(net.beacon(clock()), Err(DevnetError::Beacon { .. })));
}

#[tokio::test]
async fn the_beacon_keeps_the_promises_of_its_door() {
    let dir = tempfile::tempdir().unwrap();
    let net = make(dir.path());
    let clock = clock();
    let beacon = net.beacon(clock.clone()).unwrap();
    clock.advance(9 * 3_000);
    conformance::beacon(&beacon, 10, 11).await;
}

#[tokio::test]
async fn before_genesis_there_is_no_head_yet() {
    let dir = tempfile::tempdir().unwrap();
    let net = make(dir.path());
    let chain = net.chain(Arc::new(ManualClock::at(grail_protocol::words::UnixMillis(5)))).unwrap();
    let fault = chain.head().await.unwrap_err();
    assert_eq!((fault.door, fault.retry), (Door::Chain, grail_ports::Retry::Later));
}
