//! Four runtimes by their metadata alone: every item and call is there in the shape that is read and written.

use crate::recorded::{bytes, metadata, newest, samples};
use grail_chain::{
    commitment, errors, keys,
    reveal::PayloadForm,
    runtime::{Call, ExtrinsicParams, Runtime, RuntimeError},
};
use grail_protocol::{
    sign::{HotkeyPair, Signature, verify},
    words::{BlockHash, BlockNumber, Hotkey, UnixMillis},
};

const GENESIS: BlockHash = BlockHash::from_bytes([0x45; 32]);

fn runtimes() -> Vec<Runtime> {
    let files = [
        ("subtensor-v293.metadata-v15.scale.xz", 293),
        ("subtensor-finney-v365.metadata-v16.scale.xz", 365),
        ("subtensor-devnet-v381.metadata-v16.scale.xz", 381),
    ];
    let read = |(name, spec)| Some(Runtime::new(&metadata(name)?, spec, 1, GENESIS).unwrap());
    let mut runtimes: Vec<_> = files.into_iter().filter_map(read).collect();
    runtimes.push(Runtime::new(&newest(), 461, 1, GENESIS).unwrap());
    runtimes
}

/// The call index and arguments of `commit` for each runtime that has the metadata at hand.
#[test]
fn a_commitment_is_encoded_byte_for_byte() {
    for runtime in runtimes() {
        let credentials = [b'c'; 128];
        let bytes = runtime.encode(&Call::set_commitment(81, &credentials)).unwrap();
        assert_eq!(bytes[..6], [0x12, 0x00, 0x51, 0x00, 0x04, 0x81], "runtime {}", runtime.spec());
        assert_eq!(bytes[6..], credentials);
        for length in [0, 1, 127, 128, 129, 512] {
            let data = vec![7; length];
            let bytes = runtime.encode(&Call::set_commitment(81, &data)).unwrap();
            assert_eq!(bytes[4..], commitment::encode_info(&data).unwrap(), "{length} bytes");
        }
    }
}

#[test]
fn weights_are_encoded_byte_for_byte() {
    for runtime in runtimes() {
        let row = vec![(1, 65_535), (3, 2)];
        let bytes = runtime.encode(&Call::set_weights(81, 0, &row, 9)).unwrap();
        let arguments = [8, 1, 0, 3, 0, 8, 255, 255, 2, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(bytes, [&[7, 0, 81, 0][..], &arguments].concat(), "runtime {}", runtime.spec());
        let of_mechanism = runtime.encode(&Call::set_weights(81, 1, &row, 9));
        if runtime.spec() == 293 {
            assert!(matches!(of_mechanism, Err(RuntimeError::Call { .. })), "{of_mechanism:?}");
        } else {
            assert_eq!(of_mechanism.unwrap(), [&[7, 119, 81, 0, 1][..], &arguments].concat());
        }
    }
}

#[test]
fn sealed_weights_go_by_the_call_that_the_runtime_has() {
    for runtime in runtimes() {
        let sealing = runtime.sealing(0).unwrap();
        let bytes = runtime.encode(&Call::commit_weights(81, &sealing, &[5, 6], 1_000, 4)).unwrap();
        let round = [8, 5, 6, 0xe8, 3, 0, 0, 0, 0, 0, 0];
        if runtime.spec() == 293 {
            assert_eq!(sealing.form, PayloadForm::Bare);
            assert_eq!(bytes, [&[7, 99, 81, 0][..], &round].concat());
            assert_eq!(runtime.sealing(1), None);
            continue;
        }
        assert_eq!(sealing.form, PayloadForm::WithHotkey);
        assert_eq!(bytes, [&[7, 113, 81, 0][..], &round, &[4, 0]].concat());
        let of_mechanism = runtime.sealing(2).unwrap();
        let bytes = runtime.encode(&Call::commit_weights(81, &of_mechanism, &[5, 6], 1_000, 4)).unwrap();
        assert_eq!(bytes, [&[7, 118, 81, 0, 2][..], &round, &[4, 0]].concat());
    }
}

#[test]
fn transactions_are_signed_without_a_node() {
    let pair = HotkeyPair::from_seed(&[1; 32]).unwrap();
    for runtime in runtimes() {
        let call = Call::set_commitment(81, b"hello");
        let terms = ExtrinsicParams {
            nonce: 3,
            mortality: 32,
            birth: BlockNumber(100),
            birth_hash: BlockHash::from_bytes([9; 32]),
        };
        let unsigned = runtime.unsigned(&call, &terms).unwrap();
        let parts = unsigned.to_sign().unwrap();
        assert_eq!((parts.name.as_str(), &parts.call), ("set_commitment", &runtime.encode(&call).unwrap()));
        assert_eq!(parts.extra[2..], [3 << 2, 0, 0], "era, then nonce, tip, metadata mode");
        let bound = &parts.additional;
        assert_eq!(bound[..4], runtime.spec().to_le_bytes());
        assert_eq!(bound[4..8], 1u32.to_le_bytes());
        assert_eq!(bound[8..40], *GENESIS.as_bytes());
        assert_eq!(bound[40..], [&[9; 32][..], &[0]].concat(), "hash of the birth, no metadata hash");
        let payload = [&parts.call[..], &parts.extra, bound].concat();
        let signature = pair.sign(&payload, [5; 32]);
        let letter = unsigned.finish(&pair.hotkey(), &signature).unwrap();
        assert_eq!((letter.birth, letter.death), (BlockNumber(100), BlockNumber(132)));
        // Length, format 4 signed, address kind 0 and key, signature kind 1 and signature, era, nonce, tip, mode, call.
        let body = &letter.bytes[2..];
        assert_eq!(body[..2], [0x84, 0]);
        assert_eq!(body[2..34], *pair.hotkey().as_bytes());
        assert_eq!(body[34], 1);
        let inside = Signature::from_bytes(body[35..99].try_into().unwrap());
        assert!(verify(&pair.hotkey(), &payload, &inside));
        assert_eq!(body[99..], [&parts.extra[..], &parts.call].concat());
        // A long call is signed by its parts too; the hash of the payload is the signer's work.
        let long = Call::set_commitment(81, &[7; 400]);
        let parts = runtime.unsigned(&long, &terms).unwrap().to_sign().unwrap();
        assert_eq!((parts.call.len(), parts.extra.len(), &parts.additional), (408, 5, bound));
    }
}

/// Names and types of the newest runtime that bittensor 11.3.0 knows, out of its generated tables; it is a little newer than
/// the one that its tests recorded.
fn table() -> serde_json::Value {
    let text = include_str!("../../../../fixtures/chain/bittensor-11.3.0.json");
    serde_json::from_str(text).unwrap()
}

fn has(list: &serde_json::Value, wanted: impl Fn(&str) -> bool) -> bool {
    list.as_array().unwrap().iter().filter_map(serde_json::Value::as_str).any(wanted)
}

#[test]
fn errors_of_the_table_are_known_to_a_runtime() {
    let (runtimes, newest) = (runtimes(), table());
    for class in errors::MODULE_ERRORS {
        let newer = has(&newest["errors"], |name| name.split('.').next_back() == Some(class.name));
        let known = newer || runtimes.iter().any(|runtime| runtime.has_error(class.name));
        assert!(known || runtimes.is_empty(), "no runtime has an error {}", class.name);
    }
}

/// Whatever is read or written is in the newest runtime under the same name, with the same type where the tables say it.
#[test]
fn the_newest_runtime_has_everything_by_name() {
    let newest = table();
    let types = [
        ("[u8;32]", "AccountId32"),
        ("Vec<(u16,u16)>", "Vec<(u16, u16)>"),
        ("Vec<u16>", "Vec<PerU16>"),
        ("{deposit:u64,block:u32,info:{fields:Vec<Data>}}", "Registration"),
    ];
    for item in keys::SURFACE {
        let name = format!("{}.{}", item.pallet, item.name);
        let told = newest["storage"][&name].as_str().unwrap_or_else(|| panic!("{name} is gone"));
        let known = types.iter().find(|(shape, _)| *shape == item.value).map_or(item.value, |(_, told)| told);
        let wrapped = item.value == "u64" && ["TaoBalance", "AlphaBalance"].contains(&told);
        assert!(told == known || wrapped, "{name} is {told}, read as {}", item.value);
    }
    for item in keys::LOOSE {
        let name = format!("{}.{}", item.pallet, item.name);
        assert!(newest["storage"][&name].is_string(), "{name} is gone");
    }
    for (name, arguments) in grail_chain::surface::calls() {
        // This one was replaced by the timelocked calls, and is used where they are absent.
        if name.ends_with("commit_crv3_weights") {
            assert!(newest["calls"][&name].is_null(), "{name} is back");
            continue;
        }
        assert_eq!(newest["calls"][&name], serde_json::json!(arguments), "{name}");
    }
    for name in ["SubtensorModule.MaxTempo", "System.SS58Prefix"] {
        assert!(has(&newest["constants"], |known| known == name), "{name} is gone");
    }
    for name in ["SubnetInfoRuntimeApi.get_subnet_state", "TaggedTransactionQueue.validate_transaction"] {
        assert!(has(&newest["apis"], |known| known == name), "{name} is gone");
    }
}

#[test]
fn a_failure_in_a_block_is_named() {
    for runtime in runtimes() {
        // One event: phase ApplyExtrinsic(2), System.ExtrinsicFailed of module 7, error n, weight, class, fee.
        let (pallet, index) = runtime.error_index("SubtensorModule", "SettingWeightsTooFast").unwrap();
        let mut events = vec![2 << 2];
        events.extend([0, 2, 0, 0, 0, 0, 1, 3, pallet, index, 0, 0, 0, 4, 4, 0, 0, 0]);
        events.extend([0, 1, 0, 0, 0, 0, 0, 4, 4, 0, 0, 0]);
        let failed = runtime.outcome(events.clone(), 2).unwrap().unwrap().unwrap_err();
        assert_eq!(failed.origin, "SubtensorModule.SettingWeightsTooFast");
        assert!(failed.is_too_soon());
        assert_eq!(runtime.outcome(events.clone(), 1).unwrap(), Some(Ok(())));
        assert_eq!(runtime.outcome(events.clone(), 0).unwrap(), None);
        events.truncate(9);
        assert!(matches!(runtime.outcome(events, 2), Err(RuntimeError::Events { .. })));
    }
}

#[test]
fn the_clock_of_an_old_block_is_read_from_its_body() {
    for runtime in runtimes() {
        let [pallet, call] = runtime.call_index("Timestamp", "set").unwrap();
        let set = [&[0x28, 4, pallet, call][..], &[0x0b, 0x00, 0x20, 0x7c, 0x45, 0x8e, 0x01]].concat();
        let moment = runtime.moment_of_body(&[vec![4, 4], set]).unwrap();
        assert_eq!(moment, UnixMillis(0x018e_457c_2000));
        assert_eq!(runtime.moment_of_body(&[vec![], vec![0xff; 40]]), None);
    }
}

#[test]
fn defaults_stand_for_what_is_not_stored() {
    for runtime in runtimes() {
        let limit = runtime.default_of(&keys::WEIGHTS_RATE_LIMIT).unwrap();
        assert_eq!(u64::from_le_bytes(limit.try_into().unwrap()), 100);
        assert!(runtime.default_of(&keys::COMMIT_REVEAL).is_some_and(|value| value.len() == 1));
        assert_eq!(runtime.default_of(&keys::UIDS), None);
    }
}

#[test]
fn what_is_no_metadata_is_refused() {
    for bytes in [&b""[..], b"meta", &[0; 100]] {
        let refused = Runtime::new(bytes, 1, 1, GENESIS);
        assert!(matches!(refused, Err(RuntimeError::Metadata { .. })), "{refused:?}");
    }
    if let Some(mut bytes) = metadata("subtensor-v293.metadata-v15.scale.xz") {
        // The name of one item, after its length, is changed, as a runtime of another kind would have it.
        let place = bytes.windows(16).position(|some| some == b"<ValidatorPermit").unwrap() + 1;
        bytes[place] = b'W';
        let refused = Runtime::new(&bytes, 293, 1, GENESIS).unwrap_err().to_string();
        assert!(refused.contains("ValidatorPermit is missing"), "{refused}");
    }
}

/// The newest runtime of which the whole metadata can be had: nothing is missing or of another shape, and bytes are those of
/// its own SDK.
#[test]
fn the_newest_recorded_runtime_is_written_as_its_own_sdk_writes_it() {
    let told = samples();
    let genesis = told["genesis"].as_str().unwrap().parse().unwrap();
    let runtime = Runtime::new(&newest(), 461, 1, genesis).unwrap();
    let trouble: Vec<_> = runtime.surface().iter().filter(|part| part.is_trouble()).collect();
    assert!(trouble.is_empty(), "{trouble:?}");

    let call = Call::set_weights(1, 0, &vec![(0, 100), (1, 200)], 0);
    assert_eq!(runtime.encode(&call).unwrap(), bytes(&told["set_weights"]));

    // Another call was recorded, so what stands around it is compared.
    let (payload, sent) = (&told["payloads"][1], &told["transactions"][1]);
    let birth_hash = payload["era_birth_block_hash"].as_str().unwrap().parse().unwrap();
    let terms = ExtrinsicParams { nonce: 3, mortality: 64, birth: BlockNumber(66), birth_hash };
    let parts = runtime.unsigned(&call, &terms).unwrap().to_sign().unwrap();
    let recorded = bytes(&payload["payload_hex"]);
    let recorded = recorded.strip_prefix(&bytes(&payload["call_data_hex"])[..]).unwrap();
    assert_eq!([parts.extra, parts.additional].concat(), recorded);

    let terms = ExtrinsicParams { nonce: 11, ..terms };
    let who = Hotkey::from_bytes(bytes(&sent["public_key_hex"]).try_into().unwrap());
    let signature = Signature::from_bytes(bytes(&sent["signature_hex"]).try_into().unwrap());
    let ours = runtime.unsigned(&call, &terms).unwrap().finish(&who, &signature).unwrap().bytes;
    let theirs = bytes(&sent["extrinsic_hex"]);
    let (call, other) = (runtime.encode(&call).unwrap(), bytes(&sent["call_data_hex"]));
    // Behind the length, which has two bytes in both.
    assert_eq!(ours[2..].strip_suffix(&call[..]), theirs[2..].strip_suffix(&other[..]));
}

/// A block of that runtime: its clock, and what became of its third transaction.
#[test]
fn a_recorded_block_is_read() {
    let told = samples();
    let runtime = Runtime::new(&newest(), 461, 1, GENESIS).unwrap();
    let body: Vec<_> = told["body"].as_array().unwrap().iter().map(bytes).collect();
    let moment = u64::from_le_bytes(bytes(&told["moment"]).try_into().unwrap());
    assert_eq!(runtime.moment_of_body(&body), Some(UnixMillis(moment)));
    let events = bytes(&told["events"]);
    assert_eq!(runtime.outcome(events.clone(), 2).unwrap(), Some(Ok(())));
    assert_eq!(runtime.outcome(events, 3).unwrap(), None, "it has three");
}

/// Commitments as bittensor-core writes them, of every short length.
#[test]
fn commitments_are_those_of_the_sdk() {
    let kinds = &samples()["kinds"];
    let mut lengths = 0;
    for sample in kinds["Data"].as_array().unwrap() {
        let Some((name, content)) = sample["decoded"].as_object().and_then(|kind| kind.iter().next()) else {
            continue;
        };
        let content = if content.is_string() { bytes(content) } else { Vec::new() };
        assert_eq!(commitment::kind_name(content.len()), *name);
        assert_eq!(commitment::encode_field(&content).unwrap(), bytes(&sample["scale_hex"]), "{name}");
        lengths += 1;
    }
    assert!(lengths > 10, "{lengths}");
    for sample in kinds["Registration"].as_array().unwrap() {
        let read = commitment::StoredCommitment::decode(&bytes(&sample["scale_hex"])).unwrap();
        let told = &sample["decoded"];
        assert_eq!(
            serde_json::json!([read.deposit, read.block]),
            serde_json::json!([told["deposit"], told["block"]])
        );
        let first = told["info"]["fields"][0].as_object().unwrap().values().next().unwrap();
        assert_eq!(read.bytes(), Some(&bytes(first)[..]));
    }
}
