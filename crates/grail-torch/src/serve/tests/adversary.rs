//! Lies about a generation, and by how much each shows.

use super::*;
use half::bf16;
use safetensors::{Dtype, tensor::TensorView};
use std::collections::BTreeMap;

struct Honest {
    model: Model,
    group: GroupRequest,
    answers: Vec<Answer>,
}

fn honest() -> Honest {
    let model = tiny("llama");
    let group = group(11, 30, 16);
    let answers = answers(&model, 16, std::slice::from_ref(&group), &RULE).remove(0);
    Honest { model, group, answers }
}

fn gap(model: &Model, group: &GroupRequest, claimed: &[Answer]) -> Gap {
    let mut gap = Gap::default();
    gap.add(claimed, &read(model, &probe(group, claimed, &RULE)));
    gap
}

fn shown(name: &str, gap: Gap) -> Gap {
    println!("{name}: {gap:?}");
    assert!(!gap.passes(), "{name} passes: {gap:?}");
    gap
}

#[test]
fn the_truth_passes() {
    let Honest { model, group, answers } = honest();
    assert!(gap(&model, &group, &answers).passes());
}

#[test]
fn another_seed_shows_in_margins() {
    let Honest { model, group, answers } = honest();
    let other = GroupRequest { rollouts: keys(12, 16), ..group };
    assert!(shown("other seed", gap(&model, &other, &answers)).margin > 1.0);
}

#[test]
fn another_temperature_shows_in_margins() {
    let Honest { model, group, .. } = honest();
    for temperature in [0.7, 1.3] {
        let rule = GenerationRule { policy: SamplingPolicy { temperature, top_p: 0.95 }, ..RULE };
        let warm = answers(&model, 16, std::slice::from_ref(&group), &rule).remove(0);
        assert!(shown("other temperature", gap(&model, &group, &warm)).margin > 0.1);
    }
}

#[test]
fn a_swapped_token_shows_where_it_stands() {
    let Honest { model, group, mut answers } = honest();
    let answer = answers.iter_mut().find(|answer| answer.tokens.len() > 10).unwrap();
    answer.tokens[7] = if answer.tokens[7] == 50 { 51 } else { 50 };
    let gap = shown("swapped token", gap(&model, &group, &answers));
    assert!(gap.margin > 0.1 || gap.outside > 0);
}

#[test]
fn a_made_up_sketch_shows_in_its_distance() {
    let Honest { model, group, answers } = honest();
    for constant in [0, 16, -32] {
        let mut lie = answers.clone();
        lie.iter_mut().for_each(|answer| answer.sketch.fill(constant));
        assert!(shown("constant sketch", gap(&model, &group, &lie)).sketch_rms > 0.5);
    }
    let mut shuffled = answers.clone();
    shuffled.iter_mut().for_each(|answer| answer.sketch.reverse());
    assert!(shown("reversed sketch", gap(&model, &group, &shuffled)).sketch_rms > 0.5);
}

#[test]
fn another_prompt_shows_everywhere() {
    let Honest { model, group, answers } = honest();
    let mut other = group.clone();
    other.prompt[20] += 1;
    let gap = shown("other prompt", gap(&model, &other, &answers));
    assert!(gap.margin > 0.1 && gap.sketch_rms > 0.05);
}

#[test]
fn other_weights_show_in_the_sketch() {
    let Honest { model, group, .. } = honest();
    for (name, round) in
        [("int8 weights", round_int8 as Round), ("bf16 weights", round_bf16), ("noise", noise)]
    {
        let folder = tempfile::tempdir().unwrap();
        rewrite(&tiny_folder("llama"), folder.path(), round);
        let cheap = load(folder.path()).unwrap();
        let lie = answers(&cheap, 16, std::slice::from_ref(&group), &RULE).remove(0);
        let gap = gap(&model, &group, &lie);
        println!("{name}: {gap:?}");
        // Two layers add up little noise; what the strict profile does not forgive is any of its measures.
        assert!(!gap.passes(), "{name} passes: {gap:?}");
    }
}

type Round = fn(&mut [f32]);

fn round_int8(row: &mut [f32]) {
    let scale = row.iter().fold(0f32, |most, w| most.max(w.abs())) / 127.0;
    row.iter_mut().for_each(|w| *w = (*w / scale).round() * scale);
}

fn round_bf16(row: &mut [f32]) {
    row.iter_mut().for_each(|w| *w = bf16::from_f32(*w).to_f32());
}

fn noise(row: &mut [f32]) {
    let mut state = 1u32;
    for w in row {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *w *= 1.0 + 0.05 * (state as f32 / u32::MAX as f32 - 0.5);
    }
}

/// Copies a model folder with every matrix rounded row by row.
fn rewrite(from: &Path, to: &Path, round: Round) {
    for name in ["config.json", "generation_config.json"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for file in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        let bytes = std::fs::read(from.join(file)).unwrap();
        for (name, view) in safetensors::SafeTensors::deserialize(&bytes).unwrap().iter() {
            let mut values: Vec<f32> =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            if let [_, width] = view.shape() {
                values.chunks_mut(*width).for_each(round);
            }
            let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.insert(name.into(), (view.shape().to_vec(), data));
        }
    }
    let views: Vec<(&String, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, (shape, data))| (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()))
        .collect();
    let file = to.join("model.safetensors");
    safetensors::serialize_to_file(views, None, &file).unwrap();
}
