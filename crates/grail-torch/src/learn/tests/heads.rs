use super::*;
use crate::learn::Head;

#[test]
fn log_probabilities_agree_with_the_python_trainer() {
    for case in cases(&vectors("logprobs.json"), "cases") {
        let hidden = tensor(&case["hidden"], Kind::Float);
        let weight = tensor(&case["lm_head"], Kind::Float);
        let ids = tensor(&case["ids"], Kind::Int64);
        let head = Head { weight: &weight, chunk: case["chunk_size"].as_u64().unwrap() as usize };
        let (prompts, completions) = (counts(&case["prompt_lengths"]), counts(&case["completion_lengths"]));
        let wanted = tensor(&case["per_token_padded"], Kind::Float);
        for (row, (prompt, completion)) in prompts.iter().zip(&completions).enumerate() {
            let (row, prompt, completion) = (row as i64, *prompt as i64, *completion as i64);
            let states = hidden.get(row).narrow(0, prompt - 1, completion);
            let targets = ids.get(row).narrow(0, prompt, completion);
            let measured = head.measure(&states, &targets, true).unwrap();
            assert!(farthest(&measured.logprobs, &wanted.get(row).narrow(0, 0, completion)) <= 1e-6);
            let value = |name: &str| case[name][row as usize].as_f64().unwrap();
            near(measured.logprobs.sum(Kind::Double).double_value(&[]), value("sum_logprobs"), 1e-6, "sum");
            let entropy = measured.entropy.unwrap().mean(Kind::Double).double_value(&[]);
            near(entropy, value("mean_entropy"), 1e-6, "entropy");
        }
    }
}

/// Random states, weights, targets and gradients, always the same.
fn example(kind: Kind) -> (Tensor, Tensor, Tensor, Tensor, Tensor) {
    tch::manual_seed(5);
    let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Double, Device::Cpu)).to_kind(kind);
    let targets = Tensor::from_slice(&[0i64, 16, 3, 3, 9, 1, 12]);
    (random(&[7, 5]), random(&[17, 5]), targets, random(&[7]), random(&[7]))
}

#[test]
fn gradients_through_chunks_are_those_of_autograd_over_whole_logits() {
    let (states, weight, targets, g, e) = example(Kind::Double);
    let (states, weight) = (states.set_requires_grad(true), weight.set_requires_grad(true));
    for entropy in [false, true] {
        let logp = states.matmul(&weight.tr()).log_softmax(-1, None);
        let tokens = logp.gather(1, &targets.unsqueeze(1), false).squeeze_dim(1);
        let spread = -(logp.exp() * &logp).sum_dim_intlist(1, false, None);
        let mut value = (tokens * &g).sum(None);
        if entropy {
            value += (spread * &e).sum(None);
        }
        let wanted = Tensor::run_backward(&[value], &[&states, &weight], false, false);
        for chunk in [1, 3, 7, 100] {
            let head = Head { weight: &weight, chunk };
            let mut sum = Tensor::ones_like(&weight.detach());
            let e = entropy.then_some(&e);
            let found = head.differentiate(&states, &targets, &g, e, Some(&mut sum)).unwrap();
            assert!(farthest(&found, &wanted[0]) < 1e-12, "states, chunks of {chunk}");
            assert!(farthest(&(sum - 1.0), &wanted[1]) < 1e-12, "weight, chunks of {chunk}");
        }
    }
}

#[test]
fn chunks_do_not_change_what_is_measured() {
    let (states, weight, targets, _, _) = example(Kind::Float);
    let whole = Head { weight: &weight, chunk: 7 }.measure(&states, &targets, true).unwrap();
    for chunk in [1, 2, 4, 1_000] {
        let parts = Head { weight: &weight, chunk }.measure(&states, &targets, true).unwrap();
        assert!(farthest(&parts.logprobs, &whole.logprobs) < 1e-6);
        assert!(farthest(parts.entropy.as_ref().unwrap(), whole.entropy.as_ref().unwrap()) < 1e-6);
    }
    let none = Head { weight: &weight, chunk: 4 };
    let none = none.measure(&states.narrow(0, 0, 0), &targets.narrow(0, 0, 0), true).unwrap();
    assert_eq!(none.logprobs.size(), [0]);
}

#[test]
fn sixteen_bit_heads_measure_in_32_bits() {
    let (states, weight, targets, g, _) = example(Kind::BFloat16);
    let head = Head { weight: &weight, chunk: 3 };
    let measured = head.measure(&states, &targets, false).unwrap();
    assert_eq!(measured.logprobs.kind(), Kind::Float);
    let mut sum = Tensor::zeros(weight.size(), (Kind::Float, Device::Cpu));
    let gradient = head.differentiate(&states, &targets, &g, None, Some(&mut sum)).unwrap();
    assert_eq!(gradient.kind(), Kind::BFloat16);
    assert!(sum.abs().max().double_value(&[]) > 0.0);
}

#[test]
fn states_of_another_width_are_refused() {
    let (states, weight, targets, _, _) = example(Kind::Float);
    let head = Head { weight: &weight, chunk: 3 };
    assert!(head.measure(&states.narrow(1, 0, 4), &targets, false).is_err());
    assert!(head.measure(&states, &targets.narrow(0, 0, 4), false).is_err());
    assert!(Head { weight: &weight, chunk: 0 }.measure(&states, &targets, false).is_err());
}
