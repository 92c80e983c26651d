use super::*;
use crate::{Gradients, Layout, LearningModel, Lora, ModelConfig, Module, Prompted, Recompute};
use std::collections::BTreeMap;

pub(crate) const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

pub(crate) fn tiny(name: &str, lora: Option<&Lora>) -> LearningModel {
    LearningModel::load(&fixtures().join("models/hf").join(name), CPU, lora).unwrap()
}

/// Gradients by name, of a weighted sum of log-probabilities and entropies.
fn gradients(model: &LearningModel, layout: &Layout, recompute: Recompute) -> BTreeMap<String, Tensor> {
    let mut gradients = Gradients::new(model.parameters().len());
    let pass = model.forward(layout, recompute).unwrap();
    let count = layout.targets().numel() as i64;
    let g = Tensor::linspace(-1.0, 2.0, count, CPU);
    let e = Tensor::linspace(0.5, -0.3, count, CPU);
    let room = model.head_gradient(&mut gradients).unwrap();
    let states = model.head(3).differentiate(pass.states(), layout.targets(), &g, Some(&e), room).unwrap();
    model.backward(layout, pass, &states, &mut gradients).unwrap();
    let named = model.parameters().iter().enumerate();
    named.filter_map(|(index, it)| Some((it.name.clone(), gradients.get(index)?.copy()))).collect()
}

fn value(model: &LearningModel, layout: &Layout) -> f64 {
    let measured = model.measure(layout, 3, true).unwrap();
    let count = layout.targets().numel() as i64;
    let g = Tensor::linspace(-1.0, 2.0, count, CPU);
    let e = Tensor::linspace(0.5, -0.3, count, CPU);
    (measured.logprobs * g + measured.entropy.unwrap() * e).sum(Kind::Double).double_value(&[])
}

fn farthest_of(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>) -> f64 {
    assert!(a.keys().eq(b.keys()), "not the same parameters");
    a.iter()
        .map(|(name, tensor)| farthest(tensor, &b[name]) / tensor.abs().max().double_value(&[]).max(1.0))
        .fold(0.0, f64::max)
}

const PROMPT: [u32; 4] = [5, 9, 150, 2];
const ANSWERS: [&[u32]; 4] = [&[7, 8, 9], &[3], &[100, 101, 102, 103, 104], &[7, 8]];

fn shared(model: &LearningModel) -> Layout {
    let other: [&[u32]; 2] = [&[11, 12], &[13]];
    let groups = [
        Prompted { prompt: &PROMPT, completions: ANSWERS.to_vec() },
        Prompted { prompt: &[1], completions: other.to_vec() },
        Prompted { prompt: &[4, 4], completions: vec![&[6]] },
    ];
    Layout::shared(model.config(), &groups, model.place()).unwrap()
}

fn separate(model: &LearningModel) -> Layout {
    let mut pairs: Vec<(&[u32], &[u32])> = ANSWERS.iter().map(|answer| (&PROMPT[..], *answer)).collect();
    pairs.extend([(&[1][..], &[11, 12][..]), (&[1], &[13]), (&[4, 4], &[6])]);
    Layout::separate(model.config(), &pairs, model.place()).unwrap()
}

#[test]
fn the_forward_pass_agrees_with_transformers() {
    for name in ["llama", "qwen2", "qwen3"] {
        let model = tiny(name, None);
        let path = fixtures().join("models/hf").join(name).join("expected.safetensors");
        let expected: BTreeMap<_, _> = Tensor::read_safetensors(path).unwrap().into_iter().collect();
        let mut checked = 0;
        for sequence in 0..3 {
            let tokens: Vec<i64> = Vec::try_from(&expected[&format!("input_{sequence}")]).unwrap();
            let tokens: Vec<u32> = tokens.into_iter().map(|token| token as u32).collect();
            let config = ModelConfig { max_position_embeddings: 64, ..model.config().clone() };
            // The last token is not read; one behind it makes the model read all that are expected.
            for split in 1..=tokens.len() {
                let completion: Vec<u32> = tokens[split..].iter().copied().chain([0]).collect();
                let groups = [Prompted { prompt: &tokens[..split], completions: vec![&completion] }];
                let layout = Layout::shared(&config, &groups, CPU).unwrap();
                let pass = model.forward(&layout, Recompute::Layers).unwrap();
                let cut = |kind: &str| {
                    let whole = &expected[&format!("{kind}_{sequence}")];
                    whole.narrow(0, split as i64 - 1, completion.len() as i64)
                };
                assert!(farthest(pass.states(), &cut("hidden")) <= 1e-4, "{name}");
                let logits = pass.states().matmul(&model.head(1).weight.detach().tr());
                assert!(farthest(&logits, &cut("logits")) <= 1e-4, "{name}");
                checked += 1;
            }
        }
        assert_eq!(checked, 1 + 9 + 44);
    }
}

#[test]
fn sharing_a_prompt_and_recomputing_layers_change_no_gradient() {
    for name in ["llama", "qwen2", "qwen3"] {
        let model = tiny(name, None);
        let (shared, separate) = (shared(&model), separate(&model));
        assert!(shared.tokens() < separate.tokens());
        assert_eq!(shared.lengths(), separate.lengths());
        let (a, b) = (value(&model, &shared), value(&model, &separate));
        near(a, b, 1e-5, name);
        let plain = gradients(&model, &separate, Recompute::Nothing);
        assert_eq!(plain.len(), model.parameters().len(), "every parameter has a gradient");
        for (layout, recompute) in
            [(&shared, Recompute::Nothing), (&shared, Recompute::Layers), (&separate, Recompute::Layers)]
        {
            assert!(
                farthest_of(&gradients(&model, layout, recompute), &plain) < 1e-5,
                "{name} {recompute:?}"
            );
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_the_value() {
    for name in ["llama", "qwen2", "qwen3"] {
        let model = tiny(name, None);
        let layout = shared(&model);
        let slopes = gradients(&model, &layout, Recompute::Layers);
        for parameter in model.parameters() {
            let slope = &slopes[&parameter.name];
            // Along the gradient the slope is its norm; in 32 bits that is the direction in which it can be seen.
            let norm = slope.norm().double_value(&[]);
            if norm < 1e-2 {
                continue;
            }
            let step = slope * (2e-2 / norm);
            let start = parameter.tensor.detach().copy();
            let at = |factor: f64| {
                tch::no_grad(|| parameter.tensor.detach().copy_(&(&start + &step * factor)));
                value(&model, &layout)
            };
            let measured = (at(1.0) - at(-1.0)) / 4e-2;
            tch::no_grad(|| parameter.tensor.detach().copy_(&start));
            near(measured / norm, 1.0, 0.05, &format!("{name} {}", parameter.name));
        }
    }
}

fn lora() -> Lora {
    let modules = vec![Module::QProj, Module::VProj, Module::DownProj];
    Lora { rank: 3, alpha: 6.0, modules, seed: 8 }
}

#[test]
fn adapters_begin_as_nothing_and_merge_into_what_they_learned() {
    let plain = tiny("qwen3", None);
    let adapted = tiny("qwen3", Some(&lora()));
    let layers = adapted.config().num_hidden_layers as usize;
    assert_eq!(adapted.parameters().len(), layers * 3 * 2);
    let layout = shared(&plain);
    near(value(&adapted, &layout), value(&plain, &layout), 1e-6, "a fresh adapter changes nothing");
    let slopes = gradients(&adapted, &layout, Recompute::Layers);
    assert_eq!(slopes.len(), adapted.parameters().len());
    let again = gradients(&adapted, &layout, Recompute::Nothing);
    assert!(farthest_of(&slopes, &again) < 1e-5);

    for parameter in adapted.parameters() {
        let nudge = Tensor::linspace(-0.05, 0.07, parameter.tensor.numel() as i64, CPU);
        let nudge = nudge.view(parameter.tensor.size().as_slice());
        tch::no_grad(|| parameter.tensor.detach().copy_(&(&parameter.tensor + nudge)));
    }
    let moved = value(&adapted, &layout);
    assert!((moved - value(&plain, &layout)).abs() > 1e-2);
    let merged: BTreeMap<String, Tensor> = adapted.export().unwrap().into_iter().collect();
    let merged =
        LearningModel::from_tensors(adapted.config().clone(), CPU, None, |name, _| Ok(merged[name].copy()))
            .unwrap();
    near(value(&merged, &layout), moved, 1e-5, "merged weights");
    let names =
        |model: &LearningModel| model.export().unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&adapted), names(&plain));
}

#[test]
fn a_fresh_model_is_the_same_every_time_and_knows_nothing() {
    let config = tiny("qwen2", None).config().clone();
    let fresh = |seed| LearningModel::fresh(config.clone(), CPU, seed).unwrap();
    let (a, b, c) = (fresh(1), fresh(1), fresh(2));
    let all = |model: &LearningModel| model.export().unwrap();
    assert!(all(&a).iter().zip(all(&b)).all(|((_, a), (_, b))| a.equal(&b)));
    assert!(all(&a).iter().zip(all(&c)).any(|((_, a), (_, b))| !a.equal(&b)));
    let spread = a.parameters()[0].tensor.detach().std(true).double_value(&[]);
    assert!((spread - 0.02).abs() < 1e-3, "{spread}");
    let measured = a.measure(&shared(&a), 100, true).unwrap();
    let even = (config.vocab_size as f64).ln();
    near(measured.entropy.unwrap().mean(None).double_value(&[]), even, 0.01, "entropy");
    assert_eq!(a.size(), all(&a).iter().map(|(_, tensor)| tensor.numel()).sum::<usize>());
}

#[test]
fn a_config_written_here_is_read_here() {
    for name in ["llama", "qwen2", "qwen3"] {
        let config = tiny(name, None).config().clone();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config.to_json(3).to_string()).unwrap();
        assert_eq!(ModelConfig::read(folder.path()).unwrap(), config);
    }
}

#[test]
fn batches_that_cannot_be_computed_are_refused() {
    let model = tiny("qwen2", None);
    let refuse = |prompt: &[u32], completion: &[u32]| {
        let groups = [Prompted { prompt, completions: vec![completion] }];
        Layout::shared(model.config(), &groups, CPU).unwrap_err().to_string()
    };
    assert!(refuse(&[], &[1]).contains("empty"));
    assert!(refuse(&[1], &[]).contains("empty"));
    assert!(refuse(&[1], &[9_999]).contains("vocabulary"));
    let long = vec![1; model.config().max_position_embeddings as usize];
    assert!(refuse(&long, &[1]).contains("context"));
    let other = tempfile::tempdir().unwrap();
    let config = model.config().to_json(0).to_string().replace("Qwen2For", "MistralFor");
    std::fs::write(other.path().join("config.json"), config).unwrap();
    assert!(ModelConfig::read(other.path()).unwrap_err().to_string().contains("MistralFor"));
}
