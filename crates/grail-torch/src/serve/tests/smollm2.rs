//! The real model of the demo, where the cache folder holds it.

use super::*;
use crate::serve::batch::{Batch, Row};
use grail_protocol::draw::Drawn;

fn smollm2() -> Option<Model> {
    let cache = std::env::var_os("GRAIL_CACHE_DIR")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/grail")))?;
    let folder = cache.join("models/smollm2-135m-instruct");
    if !folder.join("model.safetensors").is_file() {
        println!("SKIPPED: SmolLM2 is not in {}", folder.display());
        return None;
    }
    Some(load(&folder).unwrap())
}

#[derive(serde::Deserialize)]
struct Greedy {
    new_tokens: usize,
    eos: u32,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    prompt: Vec<u32>,
    continuation: Vec<u32>,
    min_margin: f32,
}

fn argmax(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    best.map(|(token, _)| token as u32).unwrap()
}

#[test]
fn greedy_continuations_agree_with_transformers() {
    let Some(model) = smollm2() else { return };
    let text = std::fs::read(fixtures().join("vectors/smollm2/greedy.json")).unwrap();
    let fixture: Greedy = serde_json::from_slice(&text).unwrap();
    assert_eq!(fixture.cases.len(), 20);
    let _guard = tch::no_grad_guard();
    let mut engine = model.engine();
    let Engine { network, crew, .. } = &mut *engine;
    let mut logits = Rows::default();
    // All prompts in one batch, each a group of its own.
    let mut batch = Batch::new(network, fixture.cases.len()).unwrap();
    let mut continuations = vec![Vec::new(); fixture.cases.len()];
    let push = |row: &mut Row, logits: &[f32]| {
        let drawn = Drawn { token: argmax(logits), logprob: 0.0 };
        row.push(drawn, 0, &[fixture.eos], fixture.new_tokens as u32);
    };
    for (index, case) in fixture.cases.iter().enumerate() {
        let (prefix, state) = network.prefill(crew, &case.prompt).unwrap();
        network.logits(crew, &state, 0..1, &mut logits).unwrap();
        batch.open(index, case.prompt.len(), prefix, state);
        let mut row = Row::new(index, 0, keys(0, 1)[0]);
        push(&mut row, logits.row(0).unwrap());
        batch.append(vec![row]);
    }
    while !batch.rows().is_empty() {
        let states = batch.step(network, crew, fixture.new_tokens).unwrap();
        network.logits(crew, &states, 0..states.rows.count(), &mut logits).unwrap();
        for (index, row) in batch.rows_mut().iter_mut().enumerate() {
            push(row, logits.row(index).unwrap());
        }
        for row in batch.remove_ended().unwrap() {
            continuations[row.group] = row.answer.tokens;
        }
        batch.close_idle(None);
    }
    for (case, ours) in fixture.cases.iter().zip(&continuations) {
        // The smallest gap between first and second token in the fixture is far above our difference.
        assert_eq!(ours, &case.continuation, "smallest gap {}", case.min_margin);
    }
}

#[test]
fn an_honest_group_is_read_back_without_a_margin() {
    let Some(model) = smollm2() else { return };
    let rule = GenerationRule { max_new_tokens: 24, ..RULE };
    let groups = [group(1, 40, 16), group(2, 150, 4)];
    let mut gap = Gap::default();
    for batch_rows in [1, 16] {
        let groups = if batch_rows == 1 { &groups[1..] } else { &groups[..] };
        for (group, answers) in groups.iter().zip(&answers(&model, batch_rows, groups, &rule)) {
            gap.add(answers, &read(&model, &probe(group, answers, &rule)));
        }
    }
    println!("SmolLM2: honest {gap:?}");
    assert!(gap.passes() && gap.tokens > 200, "{gap:?}");
}
