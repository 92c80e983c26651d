//! The way of a checkpoint as roles ask for it.

use super::checkpoint::{before, trainer, weights};
use grail_artifact::checkpoint::Moment;
use grail_ports::{follow::Found, publish::Export};
use grail_protocol::{draw::SamplingPolicy, params::DEV, profile::NumericProfile};
use grail_store::checkpoint::{Follower, PressSettings, StorePress, Terms, describe};
use grail_testkit::doors::{HeldKey, MemCheckpoints, conformance};
use std::{fs, sync::Arc};

#[tokio::test]
async fn press_and_follower_keep_the_promises_of_their_doors() {
    let [model, published, fetched] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    fs::write(model.path().join("config.json"), "{}").unwrap();
    fs::write(model.path().join("model.safetensors"), weights(0)).unwrap();
    let terms = Terms {
        environments: vec!["sat/1".parse().unwrap()],
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: 64,
        numeric: NumericProfile::StrictF32,
    };
    let manifest = describe(model.path(), terms, &mut |_| {}).unwrap();
    let genesis = Found { folder: model.path().to_owned(), manifest };
    let shelf = Arc::new(MemCheckpoints::default());
    let signer = Arc::new(HeldKey(trainer()));
    let settings = PressSettings::default();
    let mut old = genesis.clone();
    old.manifest.numeric = NumericProfile::StrictBf16;
    let refused = StorePress::new(published.path(), shelf.clone(), signer.clone(), DEV, old, settings);
    let words = refused.unwrap_err().chain();
    assert!(words.contains("strict-bf16 is retired") && words.contains("checkpoint describe"), "{words}");
    let press =
        StorePress::new(published.path(), shelf.clone(), signer, DEV, genesis.clone(), settings).unwrap();
    let export = |sequence| -> Export {
        Box::new(move |folder| {
            fs::write(folder.join("model.safetensors"), weights(sequence)).unwrap();
            Ok(())
        })
    };
    conformance::publish(&press, export, DEV.window_length).await;

    // It published in windows 100 and 120.
    let moments = [(before(100), 0), (before(120), 1), (before(140), 2), (Moment::ANY, 2)];
    conformance::follow(&Follower::staying(genesis.clone()), &[(before(140), 0)]).await;
    let quiet = Arc::new(|| -> grail_store::checkpoint::Tell { Arc::new(|_| {}) });
    let follower = Follower::of(shelf, fetched.path(), (trainer().hotkey(), DEV), genesis, quiet).unwrap();
    conformance::follow(&follower, &moments).await;
}
