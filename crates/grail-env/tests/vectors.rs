//! The environments against the vectors in `fixtures/vectors/env/`, which `examples/vectors.rs` wrote.

use grail_env::reward::Component;
use grail_env::{Environment, Problem, arith::Arith, gsm8k};
use grail_protocol::seed::ProblemSeed;
use serde_json::{Value, json};
use std::{fs, path::PathBuf, sync::Arc};

fn fixture(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn vectors(name: &str) -> Value {
    serde_json::from_slice(&fixture(&format!("vectors/env/{name}"))).unwrap()
}

fn cases(file: &Value, at_least: usize) -> &[Value] {
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    cases
}

fn seed(case: &Value) -> ProblemSeed {
    let mut bytes = [0; 32];
    hex::decode_to_slice(case["seed"].as_str().unwrap(), &mut bytes).unwrap();
    ProblemSeed::from_bytes(bytes)
}

fn words() -> Environment {
    let rows = gsm8k::JsonlRows::read(&fixture("datasets/gsm8k-mini.jsonl")).unwrap();
    Environment::Gsm8k(gsm8k::Gsm8k::new(Arc::new(rows)).unwrap())
}

fn messages(problem: &Problem) -> Value {
    let message = |m: grail_env::Message| json!({"role": m.role, "content": m.content});
    problem.messages().into_iter().map(message).collect()
}

#[test]
fn formulas_of_seeds_are_as_recorded() {
    let file = vectors("sat.json");
    assert_eq!(file["env_id"], Environment::Sat.id().unwrap().as_str());
    for case in cases(&file, 24) {
        let problem = Environment::Sat.generate(&seed(case)).unwrap();
        assert_eq!(messages(&problem), case["messages"]);
        let Problem::Sat(problem) = problem else { panic!("not a formula") };
        assert_eq!(problem.difficulty(), case["difficulty"]);
        assert_eq!(problem.formula().variables(), case["variables"]);
        let clauses: Vec<Vec<i64>> = problem
            .formula()
            .clauses()
            .iter()
            .map(|clause| {
                let number = |l: &grail_env::sat::Literal| {
                    (i64::from(l.variable) + 1) * if l.positive { 1 } else { -1 }
                };
                clause.literals().iter().map(number).collect()
            })
            .collect();
        assert_eq!(json!(clauses), case["clauses"]);
        assert_eq!(problem.formula().solutions().count(), case["solutions"]);
        let first = problem.formula().solutions().next().unwrap();
        assert_eq!(first.text(problem.formula().variables()), case["first_solution"]);
    }
}

#[test]
fn rows_of_seeds_are_as_recorded() {
    let file = vectors("gsm8k.json");
    let words = words();
    assert_eq!(file["env_id"], words.id().unwrap().as_str());
    for case in cases(&file, 16) {
        let problem = words.generate(&seed(case)).unwrap();
        assert_eq!(messages(&problem), case["messages"]);
        let Problem::Gsm8k(problem) = problem else { panic!("not a word problem") };
        assert_eq!(problem.row(), case["row"]);
        assert_eq!(problem.gold().as_str(), case["gold"]);
    }
}

#[test]
fn sums_of_seeds_are_as_recorded() {
    let file = vectors("arith.json");
    let levels: Vec<_> = Arith::all().unwrap().into_iter().map(Environment::Arith).collect();
    let mut seen = [0; 4];
    for case in cases(&file, 48) {
        let level = levels.iter().position(|level| level.id().unwrap().as_str() == case["env_id"]).unwrap();
        seen[level] += 1;
        let problem = levels[level].generate(&seed(case)).unwrap();
        assert_eq!(messages(&problem), case["messages"]);
        let outcome = problem.judge(case["worked"].as_str().unwrap());
        assert_eq!(json!(outcome.solution.map(|key| key.to_string())), case["solution"]);
        let Problem::Arith(problem) = problem else { panic!("not a sum") };
        assert_eq!(problem.left(), case["left"]);
        assert_eq!(problem.sign().to_string(), case["sign"]);
        assert_eq!(problem.right(), case["right"]);
        assert_eq!(problem.result(), case["result"]);
        assert_eq!(problem.worked(), case["worked"]);
    }
    assert_eq!(seen, [12; 4]);
}

#[test]
fn verdicts_on_completions_are_as_recorded() {
    let file = vectors("verdicts.json");
    assert_eq!(file["components"], json!(Component::ALL.map(Component::name)));
    let words = words();
    for case in cases(&file, 90) {
        let environment = if case["env"] == "sat" { &Environment::Sat } else { &words };
        let completion = case["completion"].as_str().unwrap();
        let outcome = environment.generate(&seed(case)).unwrap().judge(completion);
        let reading = &outcome.reading;
        assert_eq!(reading.thinking, case["thinking"], "{case}");
        assert_eq!(json!(reading.content(completion)), case["content"], "{case}");
        assert_eq!(json!(reading.trailing()), case["trailing"], "{case}");
        assert_eq!(reading.block.as_ref().is_some_and(|block| block.ordered), case["ordered"], "{case}");
        assert_eq!(json!(outcome.answer), case["answer"], "{case}");
        assert_eq!(outcome.success, case["success"], "{case}");
        assert_eq!(json!(outcome.solution.map(|key| key.to_string())), case["solution"], "{case}");
        let thousandths = Component::ALL.map(|component| outcome.reward.thousandths(component));
        assert_eq!(json!(thousandths), case["thousandths"], "{case}");
        let total = outcome.reward.total();
        assert_eq!(total.hundred_thousandths(), case["reward"], "{case}");
        assert_eq!(format!("{:08x}", total.as_f32().to_bits()), case["reward_f32"], "{case}");
    }
}
