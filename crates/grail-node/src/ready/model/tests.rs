use super::*;
use crate::network::environment;
use grail_protocol::{draw::SamplingPolicy, profile::NumericProfile};
use grail_store::checkpoint::{Terms, describe};
use std::fs;

/// Says what a program with libtorch would say of the tiny model, or what went wrong.
struct Says(Result<ModelLook, TorchTrouble>);

impl TorchLook for Says {
    fn look(&self, _: &Path, _: &str) -> Result<ModelLook, TorchTrouble> {
        self.0.clone()
    }
}

fn well() -> Says {
    Says(Ok(ModelLook { description: "tiny".into(), context_length: 512, end_tokens: vec![2] }))
}

/// The tiny model's files that concern text, copied.
fn tiny() -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/tiny");
    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(from.join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn row(question: &str) -> String {
    serde_json::json!({ "question": question, "answer": "7 #### 7" }).to_string()
}

/// Codes with the sentences of all that is not good.
fn look(folder: &Path, names: &[&str], rows: &str, cap: u32, torch: &Says) -> Vec<(&'static str, String)> {
    let list: Vec<_> = names.iter().map(|name| environment(name, Some(rows.as_bytes())).unwrap()).collect();
    let terms = Terms {
        environments: list.iter().map(|environment| environment.id().unwrap()).collect(),
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: cap,
        numeric: NumericProfile::StrictF32,
    };
    let manifest = describe(folder, terms, &mut |_| {}).unwrap();
    let environments = Environments::new(list).unwrap();
    let subject = ModelSubject { folder, manifest: &manifest, environments: &environments, device: "cpu" };
    told(of_model(&subject, torch))
}

fn told(found: Vec<Finding>) -> Vec<(&'static str, String)> {
    found.into_iter().filter_map(|finding| Some((finding.code?, finding.sentence()))).collect()
}

const SHORT: &str = "How many?";

#[test]
fn a_model_in_order_has_nothing_to_say() {
    let dir = tiny();
    assert_eq!(look(dir.path(), &["gsm8k", "arith-1"], &row(SHORT), 48, &well()), []);
}

#[test]
fn a_problem_longer_than_the_context_is_named_wherever_it_stands_among_others() {
    let dir = tiny();
    let long = "12345678 ".repeat(800);
    for rows in [[row(&long), row(SHORT)].join("\n"), [row(SHORT), row(&long)].join("\n")] {
        let found = look(dir.path(), &["gsm8k"], &rows, 48, &well());
        let place = if rows.starts_with(&row(SHORT)) { "gsm8k row 2" } else { "gsm8k row 1" };
        assert!(
            matches!(&found[..], [("problem-too-long", told)] if told.contains(place) && told.contains("of 512")),
            "{found:?}"
        );
    }
    // Just too long, by one token or so of the many rows that have room: none is missed for its bytes.
    let rows: Vec<String> = (1..200).map(|words| row(&"7 ".repeat(words))).collect();
    let found = look(dir.path(), &["gsm8k"], &rows.join("\n"), 48, &well());
    let exact = rows.iter().enumerate().filter(|(_, row)| {
        let alone = look(dir.path(), &["gsm8k"], row, 48, &well());
        alone.iter().any(|(code, _)| *code == "context-too-short")
    });
    match exact.count() {
        0 => assert_eq!(found, []),
        1 => assert!(found[0].1.contains("has no room") && !found[0].1.contains("more"), "{found:?}"),
        many => assert!(found[0].1.contains(&format!("and {} more", many - 1)), "{many}: {found:?}"),
    }
}

#[test]
fn a_cap_beyond_the_context_is_refused_in_every_environment() {
    let dir = tiny();
    for name in ["arith-1", "sat", "gsm8k"] {
        let found = look(dir.path(), &[name], &row(SHORT), 1_000, &well());
        assert!(
            matches!(&found[..], [("context-too-short", told)] if told.contains("cap of 1000")),
            "{found:?}"
        );
        // Without a program that has libtorch, config.json says how long the context is.
        let alone = Says(Err(TorchTrouble::NotInstalled("grail-miner".into())));
        let found = look(dir.path(), &[name], &row(SHORT), 1_000, &alone);
        assert_eq!(
            found.iter().map(|(code, _)| *code).collect::<Vec<_>>(),
            ["program-not-installed", "context-too-short"]
        );
    }
}

#[test]
fn rows_of_another_data_set_are_not_those_of_the_manifest() {
    let dir = tiny();
    let of = |question: &str| environment("gsm8k", Some(row(question).as_bytes())).unwrap();
    let terms = Terms {
        environments: vec![of("One?").id().unwrap()],
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: 16,
        numeric: NumericProfile::StrictF32,
    };
    let manifest = describe(dir.path(), terms, &mut |_| {}).unwrap();
    for environments in [Environments::default(), Environments::new([of("Another?")]).unwrap()] {
        let subject = ModelSubject {
            folder: dir.path(),
            manifest: &manifest,
            environments: &environments,
            device: "cpu",
        };
        let found = told(of_model(&subject, &well()));
        assert!(matches!(&found[..], [("rows-missing", told)] if told.contains("gsm8k/1:")), "{found:?}");
    }
}

#[test]
fn what_keeps_a_folder_from_being_used_is_named() {
    let cases: [(&str, Option<&str>, &str); 4] = [
        ("tokenizer.json", None, "tokenizer-unusable"),
        ("tokenizer.json", Some("{}"), "tokenizer-unusable"),
        ("chat_template.jinja", Some("{% for m in messages %}"), "tokenizer-unusable"),
        ("chat_template.jinja", Some("{{ raise_exception('no system message') }}"), "template-unusable"),
    ];
    for (file, content, code) in cases {
        let dir = tiny();
        match content {
            Some(content) => fs::write(dir.path().join(file), content).unwrap(),
            None => fs::remove_file(dir.path().join(file)).unwrap(),
        }
        let found = look(dir.path(), &["gsm8k"], &row(SHORT), 48, &well());
        assert!(matches!(&found[..], [(found, _)] if *found == code), "{file}: {found:?}");
    }
    let dir = tiny();
    let environments = Environments::default();
    let manifest = describe(
        dir.path(),
        Terms {
            environments: vec!["sat/1".parse().unwrap()],
            policy: SamplingPolicy::DEFAULT,
            max_new_tokens: 16,
            numeric: NumericProfile::StrictF32,
        },
        &mut |_| {},
    )
    .unwrap();
    let gone = dir.path().join("gone");
    let subject =
        ModelSubject { folder: &gone, manifest: &manifest, environments: &environments, device: "cpu" };
    assert!(matches!(&told(of_model(&subject, &well()))[..], [("model-not-found", _)]));
}

#[test]
fn what_libtorch_says_has_a_word_each() {
    let dir = tiny();
    let refused = |told: &str| TorchTrouble::Refused(told.into());
    for (trouble, code) in [
        (refused("model.norm.weight stands in a.safetensors and in b.safetensors"), "model-refused"),
        (refused("cuda:0: libtorch finds no usable CUDA device or driver"), "no-cuda-device"),
        (refused("The NVIDIA driver on your system is too old (found version 11040)"), "driver-too-old"),
        (
            TorchTrouble::Libtorch("libtorch_cpu.so: cannot open shared object file".into()),
            "libtorch-not-found",
        ),
        (TorchTrouble::Libtorch("symbol lookup error: undefined symbol".into()), "libtorch-other-version"),
        (TorchTrouble::Hangs(6_000), "look-too-long"),
    ] {
        let found = look(dir.path(), &["arith-1"], &row(SHORT), 48, &Says(Err(trouble)));
        assert!(matches!(&found[..], [(found, _)] if *found == code), "{code}: {found:?}");
    }
    let other = ModelLook { description: "tiny".into(), context_length: 512, end_tokens: vec![1] };
    let found = look(dir.path(), &["arith-1"], &row(SHORT), 48, &Says(Ok(other)));
    assert!(matches!(&found[..], [("end-tokens-differ", _)]), "{found:?}");
}
