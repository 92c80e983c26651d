//! What the Python SDK writes and reads.

use grail_chain::{commitment, weights};
use serde_json::Value;
use std::collections::BTreeMap;

fn file() -> Value {
    let text = include_str!("../../../../fixtures/vectors/python/infra/chain.json");
    serde_json::from_str(text).unwrap()
}

fn list<'a>(case: &'a Value, name: &str) -> &'a [Value] {
    case[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn commitments_and_weights_agree_with_the_python_sdk() {
    let file = file();
    for case in list(&file, "read_commitments") {
        let text = case["commitment"].as_str().unwrap();
        let field = commitment::encode_field(text.as_bytes()).unwrap();
        assert_eq!(commitment::kind_name(text.len()), case["raw_variant"].as_str().unwrap());
        assert_eq!(field[0], 0x81, "one byte says that 128 follow");
        assert_eq!(&field[1..], text.as_bytes());
    }
    let mut saved = 0;
    for case in list(&file, "weights_emit") {
        let uids = list(case, "uids").iter().map(|uid| uid.as_u64().unwrap() as u16);
        let given: Vec<(u16, f64)> =
            uids.zip(list(case, "weights").iter().map(|weight| weight.as_f64().unwrap())).collect();
        let number = |value: &Value| value.as_u64().unwrap() as u16;
        let python: BTreeMap<u16, u16> = list(case, "emit_uids")
            .iter()
            .map(number)
            .zip(list(case, "emit_u16").iter().map(number))
            .collect();
        let ours: BTreeMap<u16, u16> = weights::to_row(&given).unwrap().into_iter().collect();
        for (uid, weight) in given {
            match (python.get(&uid), ours.get(&uid)) {
                (Some(python), ours) => assert_eq!(ours, Some(python), "uid {uid}, weight {weight}"),
                (None, Some(&1)) if weight > 0.0 => saved += 1,
                (None, ours) => {
                    assert!(ours.is_none() && weight == 0.0, "uid {uid}, weight {weight}: {ours:?}")
                }
            }
        }
    }
    assert!(saved > 0, "no case shows a weight that the SDK drops");
}
