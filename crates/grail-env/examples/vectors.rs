//! Writes the environment vectors into `fixtures/vectors/env/`, to be looked at and checked in.
//!
//! ```text
//! cargo run -p grail-env --example vectors
//! ```
//! No test runs this; `tests/vectors.rs` reads what it wrote.

use grail_env::reward::Component;
use grail_env::{Environment, Outcome, Problem, arith::Arith, gsm8k, prompt::Message};
use grail_protocol::{hash::digest, seed::ProblemSeed};
use serde_json::{Value, json};
use std::{error::Error, fs, path::Path, sync::Arc};

fn main() -> Result<(), Box<dyn Error>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let rows = gsm8k::JsonlRows::read(&fs::read(fixtures.join("datasets/gsm8k-mini.jsonl"))?)?;
    let words = Environment::Gsm8k(gsm8k::Gsm8k::new(Arc::new(rows))?);
    let folder = fixtures.join("vectors/env");
    for (name, value) in [
        ("sat", sat()?),
        ("gsm8k", word_problems(&words)?),
        ("arith", sums()?),
        ("verdicts", verdicts(&words)?),
    ] {
        fs::write(folder.join(format!("{name}.json")), one_case_a_line(value)?)?;
    }
    Ok(())
}

/// The file's own fields, then its cases, each on a line of its own.
fn one_case_a_line(mut file: Value) -> Result<String, Box<dyn Error>> {
    let cases = file["cases"].take();
    let cases = cases.as_array().ok_or("no cases")?;
    let lines = cases.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    let head = serde_json::to_string_pretty(&file)?;
    Ok(head.replace("\"cases\": null", &format!("\"cases\": [\n{}\n  ]", lines.join(",\n"))) + "\n")
}

/// Seeds that look like real ones.
fn seed(number: u32) -> ProblemSeed {
    ProblemSeed::from_bytes(digest("grail/1 environment vectors", &[&number.to_le_bytes()]))
}

fn seed_text(seed: &ProblemSeed) -> String {
    hex::encode(seed.as_bytes())
}

fn messages(messages: &[Message]) -> Value {
    json!(messages.iter().map(|m| json!({"role": m.role.as_str(), "content": m.content})).collect::<Vec<_>>())
}

fn sat() -> Result<Value, Box<dyn Error>> {
    let mut cases = Vec::new();
    for number in 0..24 {
        let seed = seed(number);
        let Problem::Sat(problem) = Environment::Sat.generate(&seed)? else { continue };
        let formula = problem.formula();
        let clauses: Vec<Vec<i32>> = formula
            .clauses()
            .iter()
            .map(|clause| {
                let signed = |positive: bool, variable: i32| if positive { variable } else { -variable };
                clause.literals().iter().map(|l| signed(l.positive, i32::from(l.variable) + 1)).collect()
            })
            .collect();
        let count = formula.variables();
        cases.push(json!({
            "seed": seed_text(&seed),
            "difficulty": problem.difficulty(),
            "variables": count,
            "clauses": clauses,
            "solutions": formula.solutions().count(),
            "first_solution": formula.solutions().next().map(|assignment| assignment.text(count)),
            "messages": messages(&problem.messages()),
        }));
    }
    Ok(json!({
        "about": "sat/1: problems of seeds; a literal is the number of its variable from 1, negative when negated; \
                  first_solution is the least by bits, x1 lowest",
        "env_id": Environment::Sat.id()?.as_str(),
        "cases": cases,
    }))
}

fn word_problems(words: &Environment) -> Result<Value, Box<dyn Error>> {
    let mut cases = Vec::new();
    for number in 0..16 {
        let seed = seed(number);
        let Problem::Gsm8k(problem) = words.generate(&seed)? else { continue };
        cases.push(json!({
            "seed": seed_text(&seed),
            "row": problem.row(),
            "gold": problem.gold().as_str(),
            "messages": messages(&problem.messages()),
        }));
    }
    Ok(json!({
        "about": "gsm8k/1 over fixtures/datasets/gsm8k-mini.jsonl: rows of seeds",
        "env_id": words.id()?.as_str(),
        "cases": cases,
    }))
}

fn sums() -> Result<Value, Box<dyn Error>> {
    let mut cases = Vec::new();
    for arith in Arith::all()? {
        for number in 0..12 {
            let seed = seed(number);
            let problem = arith.draw(&seed);
            let worked = problem.worked();
            let outcome = problem.judge(&worked);
            cases.push(json!({
                "env_id": arith.id().as_str(),
                "seed": seed_text(&seed),
                "left": problem.left(),
                "sign": problem.sign().to_string(),
                "right": problem.right(),
                "result": problem.result(),
                "messages": messages(&problem.messages()),
                "worked": worked,
                "solution": outcome.solution.map(|key| key.to_string()),
            }));
        }
    }
    Ok(json!({
        "about": "arith/1: problems of seeds on every level; worked is the reply of a perfect model, solution the key \
                  that it earns",
        "cases": cases,
    }))
}

fn verdicts(words: &Environment) -> Result<Value, Box<dyn Error>> {
    const THINK: &str = "<start_working_out>so</end_working_out>";
    let mut cases = Vec::new();
    for number in 0..4 {
        let seed = seed(number);
        let sat = Environment::Sat.generate(&seed)?;
        let word = words.generate(&seed)?;
        let right = match (&sat, &word) {
            (Problem::Sat(sat), Problem::Gsm8k(word)) => {
                let count = sat.formula().variables();
                let bits = sat.formula().solutions().next().map(|solution| solution.text(count));
                [bits.unwrap_or_default(), word.gold().to_string()]
            }
            _ => continue,
        };
        for ((environment, problem), right) in
            [(&Environment::Sat, &sat), (words, &word)].into_iter().zip(right)
        {
            let spaced = right.chars().map(String::from).collect::<Vec<_>>().join(" ");
            for completion in [
                String::new(),
                right.clone(),
                format!("<SOLUTION>{right}</SOLUTION>"),
                format!("{THINK}<SOLUTION>{right}</SOLUTION>"),
                format!("{THINK}\n<solution>\n{spaced}\n</Solution>\n"),
                format!("{THINK}<SOLUTION>{right}</SOLUTION>{}", "x".repeat(199)),
                format!("{THINK}<SOLUTION>{right}</SOLUTION>{}", "é".repeat(201)),
                format!("{THINK}<SOLUTION>{right}1</SOLUTION>"),
                format!("<SOLUTION>{right}</SOLUTION>{THINK}"),
                format!("<SOLUTION>?</SOLUTION>{THINK}<SOLUTION>{right}</SOLUTION>"),
                format!("{THINK}<SOLUTION>{right}"),
                format!("{THINK}<SOLUTION></SOLUTION>"),
            ] {
                let outcome = problem.judge(&completion);
                cases.push(verdict(environment, &seed, &completion, &outcome));
            }
        }
    }
    Ok(json!({
        "about": "verdicts on completions; thousandths are components before weighting, in the order of `components`; \
                  reward is in hundred-thousandths, reward_f32 its bits in hex",
        "components": Component::ALL.map(Component::name),
        "cases": cases,
    }))
}

fn verdict(environment: &Environment, seed: &ProblemSeed, completion: &str, outcome: &Outcome) -> Value {
    let total = outcome.reward.total();
    json!({
        "env": environment.name(),
        "seed": seed_text(seed),
        "completion": completion,
        "thinking": outcome.reading.thinking,
        "content": outcome.reading.content(completion),
        "trailing": outcome.reading.trailing(),
        "ordered": outcome.reading.block.as_ref().is_some_and(|block| block.ordered),
        "answer": outcome.answer,
        "success": outcome.success,
        "solution": outcome.solution.map(|key| key.to_string()),
        "thousandths": Component::ALL.map(|component| outcome.reward.thousandths(component)),
        "reward": total.hundred_thousandths(),
        "reward_f32": format!("{:08x}", total.as_f32().to_bits()),
    })
}
