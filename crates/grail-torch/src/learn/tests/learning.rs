use super::{models::*, *};
use crate::{
    AdamWSettings, AdaptiveKlSettings, Averaging, Decay, Decline, Example, Family, Group, LearnerSettings,
    LearningModel, Level, Lora, LossSettings, ModelConfig, Recompute, Reference, Rollout, RopeScaling,
    Schedule, StepLearner, StepOutcome, TrainError, clip_to_percentile, learn::step::Unit,
};

/// Standard base64 with padding.
fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits =
            chunk.iter().fold(0u32, |bits, c| bits << 6 | u32::from(value(*c))) << (6 * (4 - chunk.len()));
        bytes.extend(&bits.to_be_bytes()[1..chunk.len()]);
    }
    bytes
}

fn weight(weights: &Value, name: &str) -> Tensor {
    let shape: Vec<i64> = counts(&weights[name]["shape"]).into_iter().map(|n| n as i64).collect();
    let bytes = base64(weights[name]["f32_le_b64"].as_str().unwrap());
    Tensor::from_data_size(&bytes, &shape, Kind::Float)
}

fn model_of(file: &Value, weights: &Value) -> LearningModel {
    let number = |name: &str| file["model"][name].as_i64().unwrap();
    let config = ModelConfig {
        family: Family::Qwen2,
        vocab_size: number("vocab"),
        hidden_size: number("hidden"),
        intermediate_size: number("intermediate"),
        num_hidden_layers: number("layers"),
        num_attention_heads: number("heads"),
        num_key_value_heads: number("kv_heads"),
        head_dim: number("hidden") / number("heads"),
        max_position_embeddings: 64,
        rms_norm_eps: file["model"]["rms_eps"].as_f64().unwrap(),
        rope_theta: file["model"]["rope_theta"].as_f64().unwrap(),
        rope_scaling: RopeScaling::Default,
        tie_word_embeddings: false,
        attention_bias: false,
        mlp_bias: false,
    };
    LearningModel::from_tensors(config, CPU, None, |name, _| Ok(weight(weights, name))).unwrap()
}

/// A whole epoch of the Python trainer: two micro-batches or three, one optimizer step. Its averaging over
/// micro-batches, its decay of norms and biases and its clipping of advantages by micro-batch are asked for; its
/// rate of the tenth epoch is used as it is.
#[test]
fn an_epoch_moves_the_weights_as_the_python_trainer_does() {
    let file = vectors("train_step.json");
    for run in cases(&file, "runs") {
        for recompute in [Recompute::Nothing, Recompute::Layers] {
            check_epoch(&file, run, recompute);
        }
    }
}

fn check_epoch(file: &Value, run: &Value, recompute: Recompute) {
    let number = |name: &str| run[name].as_f64().unwrap();
    let betas = floats(&run["betas"]);
    let settings = LearnerSettings {
        loss: LossSettings {
            aggregate: serde_json::from_value(run["variant"].clone()).unwrap(),
            level: if run["is_level"] == "sequence" { Level::Sequence } else { Level::Token },
            entropy_coefficient: number("entropy_coef"),
            ..LossSettings::default()
        },
        kl: AdaptiveKlSettings { initial: number("kl_coef"), adapt: false, ..AdaptiveKlSettings::default() },
        optimizer: AdamWSettings {
            beta1: betas[0],
            beta2: betas[1],
            weight_decay: number("weight_decay"),
            decay: Decay::All,
            clip_norm: number("grad_clip"),
            ..AdamWSettings::default()
        },
        schedule: Schedule {
            rate: number("lr"),
            warmup: 0,
            decline: Decline::Constant,
            ..Schedule::default()
        },
        averaging: Averaging::MicroBatch,
        recompute,
        head_chunk: 5,
        ..LearnerSettings::default()
    };
    let reference = model_of(file, &run["ref_weights"]);
    let mut learner = StepLearner::new(model_of(file, &run["init_weights"]), settings).unwrap();

    let mut prompts = Vec::new();
    let mut rollouts = Vec::new();
    for value in cases(run, "groups").iter().flat_map(|group| cases(group, "rollouts")) {
        let prompt = value["prompt_length"].as_u64().unwrap() as usize;
        let tokens: Vec<u32> = counts(&value["tokens"]).into_iter().map(|token| token as u32).collect();
        let behaviour = floats(&value["token_logprobs"]);
        prompts.push(tokens[..prompt].to_vec());
        rollouts.push(Rollout {
            completion: tokens[prompt..].to_vec(),
            behaviour: behaviour[prompt..].iter().map(|logprob| *logprob as f32).collect(),
            advantage: value["advantage"].as_f64().unwrap(),
        });
    }
    let size = run["micro_batch_size"].as_u64().unwrap() as usize;
    for batch in rollouts.chunks_mut(size) {
        let advantages: Vec<f64> = batch.iter().map(|rollout| rollout.advantage).collect();
        for (rollout, clipped) in batch.iter_mut().zip(clip_to_percentile(&advantages, 99.0).unwrap()) {
            rollout.advantage = clipped;
        }
    }
    let units: Vec<Unit<'_>> =
        prompts.iter().zip(&rollouts).map(|(prompt, it)| Unit { prompt, rollouts: vec![it] }).collect();
    let batches: Vec<Vec<Unit<'_>>> = units.chunks(size).map(<[_]>::to_vec).collect();
    let report = learner.grpo_batches(&batches, Reference::Model(&reference)).unwrap();

    let wanted = &run["metrics"];
    let wanted = |name: &str| wanted[name].as_f64().unwrap();
    near(report.figures.clip_fraction(), wanted("ratio_clip_frac"), 1e-6, "clipped");
    if rollouts.len().is_multiple_of(size) {
        // The Python trainer's figures are plain means over micro-batches, which is ours when all are of one size. Its
        // norm counts as zero in every micro-batch but the step's last.
        near(norm(report.outcome) / batches.len() as f64, wanted("grad_norm"), 1e-6, "norm");
        near(report.figures.policy_loss, wanted("loss_pg"), 1e-6, "policy loss");
        near(report.figures.kl_loss, wanted("loss_kl"), 1e-6, "KL loss");
        near(report.figures.entropy_loss, wanted("loss_entropy"), 1e-6, "entropy loss");
        near(report.figures.entropy(), wanted("entropy_mean"), 1e-6, "entropy");
    }
    let mut moved = 0;
    for (name, found) in learner.model().export().unwrap() {
        let distance = farthest(&found, &weight(&run["weights_after"], &name));
        assert!(distance <= 1e-6, "{} {}: {name} is off by {distance:e}", run["variant"], run["is_level"]);
        moved += usize::from(farthest(&found, &weight(&run["init_weights"], &name)) > 1e-4);
    }
    assert_eq!(moved, run["init_weights"].as_object().unwrap().len());
}

fn groups() -> Vec<Group> {
    let rollout = |completion: &[u32], advantage: f64| Rollout {
        completion: completion.to_vec(),
        behaviour: vec![-5.0; completion.len()],
        advantage,
    };
    vec![
        Group {
            prompt: vec![5, 9, 150, 2],
            rollouts: vec![
                rollout(&[7, 8, 9], 0.5),
                rollout(&[3], -0.5),
                rollout(&[100, 101, 102, 103], 0.25),
                rollout(&[7, 8], -0.25),
            ],
        },
        Group { prompt: vec![1, 2], rollouts: vec![rollout(&[11, 12], 1.0), rollout(&[13], -1.0)] },
    ]
}

fn learner(lora: Option<&Lora>, change: impl FnOnce(&mut LearnerSettings)) -> StepLearner {
    let mut settings = LearnerSettings {
        loss: LossSettings {
            level: Level::Token,
            log_ratio_clamp: 20.0,
            ratio_cap: 0.0,
            ..LossSettings::default()
        },
        schedule: Schedule { rate: 1e-3, warmup: 2, ..Schedule::default() },
        ..LearnerSettings::default()
    };
    change(&mut settings);
    StepLearner::new(tiny("qwen2", lora), settings).unwrap()
}

fn norm(outcome: StepOutcome) -> f64 {
    match outcome {
        StepOutcome::Learned { norm } => norm,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_step_does_not_depend_on_the_token_budget() {
    let reference = tiny("qwen2", None);
    let mut seen: Vec<(f64, f64)> = Vec::new();
    for budget in [1, 9, 12, 1_000] {
        let mut learner = learner(None, |settings| settings.token_budget = budget);
        let report = learner.grpo(&groups(), Reference::Model(&reference)).unwrap();
        assert_eq!(
            report.micro_batches,
            match budget {
                1 => 6,
                1_000 => 1,
                _ => report.micro_batches,
            }
        );
        seen.push((report.figures.loss(), norm(report.outcome)));
    }
    for (loss, norm) in &seen {
        near(*loss, seen[0].0, 1e-5, "loss");
        near(*norm, seen[0].1, 1e-4, "norm");
    }
}

#[test]
fn steps_make_what_was_good_more_likely() {
    for lora in [None, Some(Lora { rank: 4, ..Lora::default() })] {
        let mut learner = learner(lora.as_ref(), |settings| {
            // REINFORCE with the tokens' own log-probabilities: nothing is clipped, so every step pushes.
            settings.loss.level = Level::Off;
            settings.schedule.rate = 1e-2;
        });
        let likely = |learner: &StepLearner, completion: &[u32]| {
            let prompted = crate::Prompted { prompt: &[5, 9, 150, 2], completions: vec![completion] };
            let layout = crate::Layout::shared(learner.model().config(), &[prompted], CPU).unwrap();
            learner.model().measure(&layout, 8, false).unwrap().logprobs.sum(None).double_value(&[])
        };
        let (good, bad) = (likely(&learner, &[7, 8, 9]), likely(&learner, &[3]));
        for step in 0..5 {
            let report = learner.grpo(&groups(), Reference::None).unwrap();
            assert_eq!(report.rate, if step == 0 { 5e-3 } else { 1e-2 });
        }
        assert!(likely(&learner, &[7, 8, 9]) > good && likely(&learner, &[3]) < bad);
        assert_eq!(learner.progress().steps, 5);
    }
}

#[test]
fn sixteen_bit_weights_learn_through_their_masters() {
    for lora in [None, Some(Lora { rank: 4, ..Lora::default() })] {
        let folder = fixtures().join("models/hf/qwen2");
        let model = LearningModel::load(&folder, (Kind::BFloat16, Device::Cpu), lora.as_ref()).unwrap();
        let schedule = Schedule { rate: 1e-3, warmup: 0, ..Schedule::default() };
        let settings =
            LearnerSettings { schedule, recompute: Recompute::Layers, ..LearnerSettings::default() };
        let mut learner = StepLearner::new(model, settings).unwrap();
        let examples = [Example { prompt: vec![5, 6], completion: vec![7, 8, 9] }];
        let first = learner.supervise(&examples).unwrap().figures.loss();
        let last = (0..20).map(|_| learner.supervise(&examples).unwrap().figures.loss()).last().unwrap();
        assert!(last < first, "{last} after {first}");
        for (parameter, (name, master)) in
            learner.model().parameters().iter().zip(learner.optimizer().masters())
        {
            assert_eq!((parameter.name.as_str(), master.kind()), (name, Kind::Float));
            assert!(parameter.tensor.equal(&master.to_kind(Kind::BFloat16)));
        }
    }
}

#[test]
fn the_kl_coefficient_adapts_while_training() {
    let reference = LearningModel::fresh(tiny("qwen2", None).config().clone(), CPU, 4).unwrap();
    let mut learner = learner(None, |settings| settings.kl.target = 1e-6);
    let before = learner.progress().kl_coefficient;
    let report = learner.grpo(&groups(), Reference::Model(&reference)).unwrap();
    assert!(report.figures.kl() > 1e-6 && report.kl_coefficient == before, "{report:?}");
    assert_eq!(learner.progress().kl_coefficient, before * 1.5);
}

#[test]
fn adapters_can_be_held_to_their_own_base() {
    let lora = Lora { rank: 4, ..Lora::default() };
    let base = tiny("qwen2", None);
    let (mut own, mut other) = (learner(Some(&lora), |_| ()), learner(Some(&lora), |_| ()));
    for step in 0..3 {
        let a = own.grpo(&groups(), Reference::Base).unwrap();
        let b = other.grpo(&groups(), Reference::Model(&base)).unwrap();
        assert_eq!(a, b);
        assert_eq!(a.figures.kl() > 0.0, step > 0, "a fresh adapter is no distance away");
    }
    assert!(learner(None, |_| ()).grpo(&groups(), Reference::Base).is_err());
}

#[test]
fn examples_are_learned_by_heart() {
    let config = ModelConfig { vocab_size: 20, ..tiny("qwen2", None).config().clone() };
    let settings = LearnerSettings {
        schedule: Schedule { rate: 1e-2, warmup: 3, ..Schedule::default() },
        token_budget: 12,
        ..LearnerSettings::default()
    };
    let mut learner = StepLearner::new(LearningModel::fresh(config, CPU, 1).unwrap(), settings).unwrap();
    let example =
        |prompt: &[u32], completion: &[u32]| Example { prompt: prompt.into(), completion: completion.into() };
    let examples = [example(&[1, 2], &[3, 4, 5]), example(&[2, 1], &[6]), example(&[3], &[7, 7, 2, 9])];
    let mut losses: Vec<f64> = Vec::new();
    for _ in 0..60 {
        let report = learner.supervise(&examples).unwrap();
        assert!(report.micro_batches > 1 && report.figures.tokens == 8.0);
        losses.push(report.figures.loss());
    }
    near(losses[0], 20f64.ln(), 0.02, "what a fresh model loses");
    assert!(losses[59] < 0.05, "{losses:?}");
    assert!(matches!(learner.supervise(&[]), Err(TrainError::Batch { .. })));
}

#[test]
fn losses_that_are_not_finite_are_skipped_counted_and_stop_at_the_third() {
    let mut learner = learner(None, |_| ());
    let poison = &learner.model().parameters()[0].tensor;
    let saved = poison.detach().copy();
    let spoil = |tensor: &Tensor| tch::no_grad(|| tensor.detach().narrow(0, 150, 1).fill_(f64::NAN));
    let _ = spoil(poison);
    for _ in 0..2 {
        assert_eq!(learner.grpo(&groups(), Reference::None).unwrap().outcome, StepOutcome::LossNotFinite);
    }
    tch::no_grad(|| learner.model().parameters()[0].tensor.detach().copy_(&saved));
    norm(learner.grpo(&groups(), Reference::None).unwrap().outcome);
    assert_eq!((learner.progress().skipped, learner.progress().skipped_in_row), (2, 0));

    let _ = spoil(&learner.model().parameters()[0].tensor);
    let before = learner.model().parameters()[3].tensor.detach().copy();
    for _ in 0..2 {
        assert!(learner.grpo(&groups(), Reference::None).is_ok());
    }
    let error = learner.grpo(&groups(), Reference::None).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { steps: 3 }));
    assert!(learner.model().parameters()[3].tensor.equal(&before));
}

#[test]
fn groups_that_cannot_be_used_are_refused() {
    let mut learner = learner(None, |_| ());
    let mut refused = |change: fn(&mut Rollout)| {
        let mut groups = groups();
        change(&mut groups[0].rollouts[0]);
        learner.grpo(&groups, Reference::None).unwrap_err().to_string()
    };
    // The Python trainer fills missing log-probabilities with zeros, which says that the tokens were certain.
    assert!(refused(|rollout| rollout.behaviour.truncate(1)).contains("3 tokens come with 1"));
    assert!(refused(|rollout| rollout.behaviour[0] = f32::NAN).contains("no possible number"));
    assert!(refused(|rollout| rollout.behaviour[0] = 0.5).contains("no possible number"));
    assert!(refused(|rollout| rollout.advantage = f64::INFINITY).contains("no possible number"));
    assert!(refused(|rollout| rollout.completion[0] = 5_000).contains("vocabulary"));
    assert!(learner.grpo(&[], Reference::None).is_err());
    let wrong = LearnerSettings { token_budget: 0, ..LearnerSettings::default() };
    assert!(StepLearner::new(tiny("qwen2", None), wrong).unwrap_err().to_string().contains("token_budget"));
}
