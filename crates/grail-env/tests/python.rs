//! Our readings and verdicts beside those of the public Python implementation (one-covenant/grail at commit 54d6342,
//! CPython 3.12.1), whose values in `fixtures/vectors/env/python/` are unchanged.
//!
//! We differ on purpose in three ways, and each test names the cases:
//! - a tag's letters have two cases in ASCII only; Python's classes also take U+017F for s, U+212A for k, and U+0130
//!   and U+0131 for i;
//! - numbers are exact decimals: `72.0`, `+72` and `0072` are 72, and `1,234,567` is one number;
//! - the answer block holds one number and nothing else, where Python takes the leftmost number of any text.

use grail_env::reward::Component;
use grail_env::{EnvError, Environment, gsm8k, reading::Reading};
use grail_protocol::seed::ProblemSeed;
use serde_json::Value;
use std::{fs, path::PathBuf, sync::Arc};

fn cases(name: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/vectors/env/python").join(name);
    let mut file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    match file["cases"].take() {
        Value::Array(cases) => cases,
        other => panic!("cases are {other}"),
    }
}

fn has_folding_letters(text: &str) -> bool {
    text.contains(['\u{17f}', '\u{212a}', '\u{130}', '\u{131}'])
}

#[test]
fn tags_are_read_as_python_reads_them_where_letters_are_ascii() {
    let mut compared = 0;
    for case in cases("tag_parser.json") {
        let text = case["text"].as_str().unwrap();
        if has_folding_letters(text) {
            continue;
        }
        let want = &case["instructed"];
        let reading = Reading::of(text);
        assert_eq!(reading.thinking, want["has_thinking"], "{text:?}");
        assert_eq!(reading.block.is_some(), want["has_answer"], "{text:?}");
        assert_eq!(reading.content(text), want["content"].as_str(), "{text:?}");
        assert_eq!(reading.trailing().unwrap_or(0), want["trailing"], "{text:?}");
        assert_eq!(reading.block.as_ref().is_some_and(|b| b.ordered), want["ordered"], "{text:?}");
        compared += 1;
    }
    assert!(compared >= 100, "only {compared} cases compared");
}

/// Cases right for us and wrong for Python: the same number, written differently.
const ONLY_WE_ACCEPT: &[&str] = &[
    "content '72.0'",
    "content '72.00'",
    "content '+72'",
    "content '0072'",
    "content '$72.00'",
    "comma gold 1,234",
    "comma gold 1234",
    "comma gold 1234.",
    "negative gold -5.0",
    "negative gold -05",
    "decimal gold 3.5",
    "decimal gold 3.500",
];
/// Cases right for Python and wrong for us: more than a number in the block.
const ONLY_PYTHON_ACCEPTS: &[&str] = &[
    "nested tags",
    "nested after think",
    "content '72 dollars'",
    "content '72/1'",
    "content '7,2'",
    "content '<b>72</b>'",
    r"content '\\boxed{72}'",
    "content '72 73'",
    "content '−72'",
    "content '#### 72'",
    r"content '72\xa0'",
    "content 'x=72'",
    "content '72x'",
    "content '72,'",
    "content ',72'",
    "content '=72'",
    "content '(72)'",
    "content '72!'",
    r"content '72\\text{ cm}'",
    "content '€72'",
    "content '72 7'",
    "content '72;'",
    "content '~72'",
    "content '≈72'",
    "content '72±0'",
    "content '[72]'",
    "content '{72}'",
    r#"content '"72"'"#,
    r#"content "'72'""#,
    r"content '72\n73'",
    "content '- 72'",
    "content 'Answer: 72'",
    "fuzz 11",
    "negative gold +-5",
    "negative gold --5",
];

fn completion(case: &Value) -> String {
    match (case["completion"].as_str(), case["parts"].as_array()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(parts)) => parts
            .iter()
            .map(|part| part[0].as_str().unwrap().repeat(usize::try_from(part[1].as_u64().unwrap()).unwrap()))
            .collect(),
        _ => panic!("no completion in {case}"),
    }
}

#[test]
fn word_problems_earn_what_python_gives_but_for_the_named_numbers() {
    let (mut compared, mut differences) = (0, 0);
    for case in cases("gsm8k_rewards.json") {
        let (name, text) = (case["name"].as_str().unwrap(), completion(&case));
        if has_folding_letters(&text) {
            continue;
        }
        let row = serde_json::json!({"question": "?", "answer": case["gold_text"]}).to_string();
        let rows = gsm8k::JsonlRows::read(row.as_bytes()).unwrap();
        let environment = match gsm8k::Gsm8k::new(Arc::new(rows)) {
            Ok(gsm8k) => Environment::Gsm8k(gsm8k),
            // We refuse a data set with a row that has no gold answer; Python grades against nothing.
            Err(EnvError::Gold { row: 0 }) if case["gold_text"] == "" => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        let outcome = environment.generate(&ProblemSeed::from_bytes([0; 32])).unwrap().judge(&text);

        // Python's order: correctness, strict, thinking, answer, no_trailing; ours has no strict.
        let python = |index: usize| case["components"][index].as_f64().unwrap();
        for (component, index) in
            [(Component::Thinking, 2), (Component::Answer, 3), (Component::NoTrailing, 4)]
        {
            assert!((outcome.reward.value(component) - python(index)).abs() < 1e-12, "{name}: {component}");
        }
        let want = match (ONLY_WE_ACCEPT.contains(&name), ONLY_PYTHON_ACCEPTS.contains(&name)) {
            (false, false) => case["success"].as_bool().unwrap(),
            (we, _) => {
                assert_eq!(case["success"], !we, "{name} is no difference");
                differences += 1;
                we
            }
        };
        assert_eq!(outcome.success, want, "{name}");
        compared += 1;
    }
    assert!(compared >= 150, "only {compared} cases compared");
    assert_eq!(differences, ONLY_WE_ACCEPT.len() + ONLY_PYTHON_ACCEPTS.len());
}
