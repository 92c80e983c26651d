use super::*;
use crate::RunError;
use grail_protocol::{draw::Sampler, sketch::sketch};

/// Groups whose prompts and completions differ in length.
fn ragged() -> Vec<GroupRequest> {
    vec![group(1, 5, 16), group(2, 23, 3), group(3, 1, 7), group(4, 60, 16)]
}

/// The rule word for word: one whole forward pass for every token of every rollout.
fn answer_slowly(model: &Model, group: &GroupRequest, rule: &GenerationRule) -> Vec<Answer> {
    let ends = model.card().end_tokens.clone();
    let one = |keys: &RolloutKeys| {
        let mut answer = Answer { tokens: vec![], sketch: vec![], logprobs: vec![] };
        let mut text = group.prompt.clone();
        for t in 0..rule.max_new_tokens {
            let (state, logits) = last(model, &text);
            let drawn = Sampler::new().draw(&logits, &rule.policy, &keys.draw, t).unwrap();
            answer.sketch.push(sketch(&state, &keys.sketch, t).unwrap());
            answer.tokens.push(drawn.token);
            answer.logprobs.push(drawn.logprob);
            text.push(drawn.token);
            if ends.contains(&drawn.token) {
                break;
            }
        }
        answer
    };
    group.rollouts.iter().map(one).collect()
}

#[test]
fn decoding_draws_what_whole_forward_passes_draw() {
    for (name, kernels) in
        FAMILIES.into_iter().flat_map(|name| everybody().into_iter().map(move |who| (name, who)))
    {
        let model = load_with(&tiny_folder(name), kernels);
        let groups = [group(1, 5, 4), group(2, 40, 3)];
        let fast = answers(&model, 4, &groups, &RULE);
        for (group, fast) in groups.iter().zip(&fast) {
            for (slow, fast) in answer_slowly(&model, group, &RULE).iter().zip(fast) {
                assert_eq!(slow.tokens, fast.tokens);
                assert!(distance(&slow.sketch, &fast.sketch).unwrap().rms < 0.02);
                let logprobs = slow.logprobs.iter().zip(&fast.logprobs);
                assert!(logprobs.into_iter().all(|(a, b)| (a - b).abs() < 1e-3));
            }
        }
    }
}

#[test]
fn the_batch_size_changes_no_token() {
    let model = tiny("qwen3");
    let groups = ragged();
    let reference = answers(&model, 1, &groups, &RULE);
    let lengths: Vec<usize> = reference.iter().flatten().map(|answer| answer.tokens.len()).collect();
    assert!(lengths.iter().min() < lengths.iter().max(), "all rows end together: {lengths:?}");
    for batch_rows in [2, 4, 16, 32, 64] {
        let other = answers(&model, batch_rows, &groups, &RULE);
        for (a, b) in reference.iter().flatten().zip(other.iter().flatten()) {
            assert_eq!(a.tokens, b.tokens, "batch of {batch_rows}");
        }
    }
}

#[test]
fn completions_longer_than_the_first_cache_are_the_same() {
    let model = tiny("llama");
    let long = GenerationRule { max_new_tokens: 200, ..RULE };
    let groups = [group(9, 7, 5)];
    let (one, many) = (answers(&model, 1, &groups, &long), answers(&model, 8, &groups, &long));
    assert!(one.iter().flatten().any(|answer| answer.tokens.len() > 64));
    let tokens = |all: &[Vec<Answer>]| all.iter().flatten().map(|a| a.tokens.clone()).collect::<Vec<_>>();
    assert_eq!(tokens(&one), tokens(&many));
}

#[test]
fn an_honest_generation_is_read_back_without_a_margin() {
    for name in FAMILIES {
        let model = tiny(name);
        let groups = ragged();
        let mut gap = Gap::default();
        for (group, answers) in groups.iter().zip(&answers(&model, 16, &groups, &RULE)) {
            gap.add(answers, &read(&model, &probe(group, answers, &RULE)));
        }
        println!("{name}: honest {gap:?}");
        assert!(gap.passes() && gap.tokens > 100, "{gap:?}");
    }
}

#[test]
fn short_memory_halves_the_batch_and_changes_no_token() {
    let model = tiny("qwen2");
    let groups = ragged();
    let reference = answers(&model, 16, &groups, &RULE);
    let mut generator = TorchGenerator::new(model.clone(), 16).unwrap();
    generator.fail_above = Some(5);
    let halved = generator.generate(&groups, &RULE, &mut |_| true).unwrap();
    assert_eq!((generator.batch_rows(), generator.effort().halvings), (4, 2));
    for (a, b) in reference.iter().flatten().zip(halved.iter().flatten()) {
        assert_eq!(a.tokens, b.tokens);
    }
    generator.fail_above = Some(0);
    let fault = generator.generate(&groups, &RULE, &mut |_| true).unwrap_err();
    assert!(fault.chain().contains("out of memory"), "{}", fault.chain());
}

#[test]
fn progress_rises_and_can_stop_the_work() {
    let model = tiny("llama");
    let mut generator = TorchGenerator::new(model, 8).unwrap();
    let mut seen = Vec::new();
    let fault = generator
        .generate(&ragged(), &RULE, &mut |progress| {
            seen.push(progress.tokens);
            seen.len() < 3
        })
        .unwrap_err();
    assert!(fault.chain().contains("stopped on request"));
    assert_eq!(seen.len(), 3);
    assert!(seen.is_sorted() && seen[0] > 8);
}

#[test]
fn a_cap_of_one_draws_one_token() {
    let model = tiny("llama");
    let rule = GenerationRule { max_new_tokens: 1, ..RULE };
    let groups = [group(1, 5, 16), group(2, 3, 1)];
    let answers = answers(&model, 4, &groups, &rule);
    assert!(answers.iter().flatten().all(|answer| answer.tokens.len() == 1 && answer.sketch.len() == 1));
    let mut gap = Gap::default();
    gap.add(&answers[0], &read(&model, &probe(&groups[0], &answers[0], &rule)));
    assert!(gap.passes(), "{gap:?}");
}

#[test]
fn input_that_the_model_cannot_take_is_named() {
    let model = tiny("llama");
    let mut generator = TorchGenerator::new(model.clone(), 4).unwrap();
    let mut refused = |group: GroupRequest, rule: GenerationRule, words: &str| {
        let fault = generator.generate(&[group], &rule, &mut |_| true).unwrap_err();
        assert!(fault.chain().contains(words), "{}", fault.chain());
    };
    refused(group(1, 0, 2), RULE, "prompt is empty");
    refused(group(1, 220, 2), RULE, "exceed the model's context of 256");
    refused(
        GroupRequest { prompt: vec![5, 192], ..group(1, 1, 2) },
        RULE,
        "token 192 is outside the vocabulary",
    );
    refused(group(1, 5, 2), GenerationRule { max_new_tokens: 0, ..RULE }, "cap is 0");
    let hot = SamplingPolicy { temperature: 0.0, top_p: 0.95 };
    refused(group(1, 5, 2), GenerationRule { policy: hot, ..RULE }, "policy out of range");

    let asked = group(1, 5, 1);
    let answer = |tokens: Vec<u32>| Answer { tokens, sketch: vec![], logprobs: vec![] };
    for (tokens, words) in [
        (vec![], "completion to recompute is empty"),
        (vec![4, 200], "token 200 is outside the vocabulary"),
        (vec![4; 252], "exceed the model's context"),
    ] {
        let fault =
            TorchOracle::new(model.clone()).read(&probe(&asked, &[answer(tokens)], &RULE)).unwrap_err();
        assert!(fault.chain().contains(words), "{}", fault.chain());
    }
    let fault = RunError::Stopped.fault("x");
    assert_eq!(fault.retry, grail_ports::Retry::Later);
}

#[test]
fn nothing_asked_is_nothing_answered() {
    let model = tiny("llama");
    assert!(answers(&model, 4, &[], &RULE).is_empty());
    assert_eq!(answers(&model, 4, &[group(1, 3, 0)], &RULE), vec![vec![]]);
    assert!(read(&model, &probe(&group(1, 3, 0), &[], &RULE)).is_empty());
}
