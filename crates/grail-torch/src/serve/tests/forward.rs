use super::*;
use tch::Tensor;

fn expected(name: &str) -> std::collections::HashMap<String, Tensor> {
    let path = fixtures().join("models/hf").join(name).join("expected.safetensors");
    Tensor::read_safetensors(path).unwrap().into_iter().collect()
}

fn farthest(a: &[f32], b: &Tensor) -> f64 {
    (Tensor::from_slice(a).view([1, -1]) - b).abs().max().double_value(&[])
}

#[test]
fn the_forward_pass_agrees_with_transformers() {
    let _guard = tch::no_grad_guard();
    for (name, kernels) in
        FAMILIES.into_iter().flat_map(|name| everybody().into_iter().map(move |who| (name, who)))
    {
        let model = load_with(&tiny_folder(name), kernels);
        let expected = expected(name);
        let mut worst = (0f64, 0f64);
        for sequence in 0..3 {
            let tokens: Vec<i64> = Vec::try_from(&expected[&format!("input_{sequence}")]).unwrap();
            let tokens: Vec<u32> = tokens.into_iter().map(|token| token as u32).collect();
            for end in 1..=tokens.len() {
                let (state, logits) = last(&model, &tokens[..end]);
                let row = |kind: &str| expected[&format!("{kind}_{sequence}")].narrow(0, end as i64 - 1, 1);
                worst.0 = worst.0.max(farthest(&state, &row("hidden")));
                worst.1 = worst.1.max(farthest(&logits, &row("logits")));
            }
        }
        println!(
            "{name} {kernels:?}: largest difference of states {:.1e}, of logits {:.1e}",
            worst.0, worst.1
        );
        assert!(worst.0 <= 1e-4 && worst.1 <= 1e-4, "{name} {kernels:?}: {worst:?}");
    }
}

#[test]
fn how_weights_are_held_changes_no_number() {
    let folder = fixtures().join("models/tiny");
    let stored = crate::FolderWeights::open_folder(&folder).unwrap().get("model.norm.weight").unwrap();
    assert_eq!(stored.kind(), tch::Kind::BFloat16, "a folder in which there is something to widen");
    for path in KernelPath::here() {
        let by = |held| {
            let options = LoadOptions {
                threads: Some(1),
                kernels: Kernels::Path(path),
                held,
                ..LoadOptions::default()
            };
            last(&Model::load(&folder, &options, CheckpointId::from_bytes([7; 32])).unwrap(), &[5, 9, 3, 7])
        };
        assert_eq!(by(crate::HeldWeights::AsPublished), by(crate::HeldWeights::Wide), "{path}");
    }
}
