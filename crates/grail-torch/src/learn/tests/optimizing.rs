use super::*;
use crate::learn::{AdamW, AdamWSettings, Decay, Decline, Gradients, Parameter, Schedule, Update};

fn parameters(values: &Value, kind: Kind) -> Vec<Parameter> {
    let all = values.as_array().unwrap().iter().enumerate();
    all.map(|(index, value)| Parameter { name: format!("p{index}"), tensor: tensor(value, kind) }).collect()
}

fn gradients(values: &Value) -> Gradients {
    Gradients::from_tensors(
        values.as_array().unwrap().iter().map(|value| tensor(value, Kind::Float)).collect(),
    )
}

/// The settings of the Python trainer, which lets norms and biases decay too.
fn settings(case: &Value) -> AdamWSettings {
    let betas = floats(&case["betas"]);
    AdamWSettings {
        beta1: betas[0],
        beta2: betas[1],
        epsilon: case["eps"].as_f64().unwrap(),
        weight_decay: case["weight_decay"].as_f64().unwrap(),
        decay: Decay::All,
        clip_norm: case["grad_clip"].as_f64().unwrap(),
    }
}

#[test]
fn the_optimizer_follows_the_trajectories_of_the_python_trainer() {
    for case in cases(&vectors("optimizer.json"), "cases") {
        let parameters = parameters(&case["init"], Kind::Float);
        let mut optimizer = AdamW::new(settings(case), &parameters).unwrap();
        for step in cases(case, "steps") {
            let rate = case["lr"].as_f64().unwrap();
            let update = optimizer.step(&parameters, &gradients(&step["grads"]), rate).unwrap();
            let Update::Applied { norm } = update else { panic!("the step was skipped") };
            near(norm, step["total_norm"].as_f64().unwrap(), 1e-6, "norm");
            for (parameter, wanted) in parameters.iter().zip(step["params_after"].as_array().unwrap()) {
                assert!(farthest(&parameter.tensor, &tensor(wanted, Kind::Float)) <= 1e-6);
            }
        }
        assert_eq!(optimizer.steps(), cases(case, "steps").len() as u64);
    }
}

/// On purpose unlike the Python trainer, whose weights and state are 16-bit floats on a GPU: there most updates of a
/// small rate round to nothing.
#[test]
fn small_updates_of_16_bit_weights_are_not_lost() {
    let start = Tensor::from_slice(&[1.0f32; 1_000]).to_kind(Kind::BFloat16);
    let parameters = [Parameter { name: "w".into(), tensor: start.copy() }];
    let settings = AdamWSettings { weight_decay: 0.0, ..AdamWSettings::default() };
    let mut optimizer = AdamW::new(settings, &parameters).unwrap();
    let moved = || (&parameters[0].tensor - &start).abs().max().double_value(&[]);
    let mut learn = || {
        let gradient = Tensor::from_slice(&[1e-3f32; 1_000]);
        optimizer.step(&parameters, &Gradients::from_tensors(vec![gradient]), 1e-4).unwrap();
    };
    learn();
    assert_eq!(moved(), 0.0, "one step is less than half of what a 16-bit float can show");
    (1..200).for_each(|_| learn());
    assert!((moved() - 0.02).abs() <= 0.004, "{}", moved());
    let (_, master) = optimizer.masters().next().unwrap();
    assert!((master.double_value(&[0]) - 0.98).abs() < 1e-4);
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    for bad in [f32::NAN, f32::INFINITY] {
        let parameters = [Parameter { name: "w".into(), tensor: Tensor::from_slice(&[1.0f32, 2.0]) }];
        let mut optimizer = AdamW::new(AdamWSettings::default(), &parameters).unwrap();
        let gradient = Gradients::from_tensors(vec![Tensor::from_slice(&[1.0f32, bad])]);
        assert_eq!(optimizer.step(&parameters, &gradient, 0.1).unwrap(), Update::Skipped);
        assert_eq!(optimizer.steps(), 0);
        assert_eq!(Vec::<f32>::try_from(&parameters[0].tensor).unwrap(), [1.0, 2.0]);
        assert!(
            optimizer.tensors().iter().all(|(_, tensor)| bool::try_from(tensor.isfinite().all()).unwrap())
        );
    }
}

#[test]
fn norms_and_biases_do_not_decay_by_default() {
    let parameters = [
        Parameter { name: "matrix".into(), tensor: Tensor::from_slice(&[1.0f32]).view([1, 1]) },
        Parameter { name: "norm".into(), tensor: Tensor::from_slice(&[1.0f32]) },
    ];
    let mut optimizer = AdamW::new(AdamWSettings::default(), &parameters).unwrap();
    let zeros = || Tensor::zeros([1], (Kind::Float, Device::Cpu));
    let gradients = Gradients::from_tensors(vec![zeros().view([1, 1]), zeros()]);
    optimizer.step(&parameters, &gradients, 0.1).unwrap();
    assert!((parameters[0].tensor.double_value(&[0, 0]) - 0.99).abs() < 1e-6);
    assert_eq!(parameters[1].tensor.double_value(&[0]), 1.0);
}

#[test]
fn a_restored_state_goes_on_as_if_nothing_had_happened() {
    let file = vectors("optimizer.json");
    let case = &cases(&file, "cases")[0];
    for kind in [Kind::Float, Kind::BFloat16] {
        let straight = parameters(&case["init"], kind);
        let mut optimizer = AdamW::new(settings(case), &straight).unwrap();
        let steps = cases(case, "steps");
        optimizer.step(&straight, &gradients(&steps[0]["grads"]), 1e-3).unwrap();

        let again = parameters(&case["init"], kind);
        let mut restored = AdamW::new(settings(case), &again).unwrap();
        let saved: std::collections::BTreeMap<_, _> =
            optimizer.tensors().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
        restored.restore(&again, optimizer.steps(), |name| Ok(saved[name].copy())).unwrap();
        for (parameters, optimizer) in [(&straight, &mut optimizer), (&again, &mut restored)] {
            optimizer.step(parameters, &gradients(&steps[1]["grads"]), 1e-3).unwrap();
        }
        for (a, b) in straight.iter().zip(&again) {
            assert!(a.tensor.equal(&b.tensor), "{kind:?}");
        }
        let wrong = restored.restore(&again, 1, |_| Ok(Tensor::zeros([7], (Kind::Float, Device::Cpu))));
        assert!(wrong.unwrap_err().to_string().contains("shape"));
    }
}

#[test]
fn parameters_of_another_model_are_refused() {
    let parameters = [Parameter { name: "w".into(), tensor: Tensor::from_slice(&[1.0f32]) }];
    let mut optimizer = AdamW::new(AdamWSettings::default(), &parameters).unwrap();
    assert!(optimizer.step(&[], &Gradients::new(0), 0.1).is_err());
}

/// On purpose one step ahead of the Python trainer, whose first epoch learns nothing, and flat after the end, where
/// its cosine rises again.
#[test]
fn the_schedule_is_the_python_trainers_without_its_idle_first_step() {
    for case in cases(&vectors("trainer_misc.json"), "lr_schedule") {
        let schedule = Schedule {
            rate: case["base_lr"].as_f64().unwrap(),
            warmup: case["warmup_steps"].as_u64().unwrap(),
            steps: case["total_windows"].as_u64().unwrap(),
            decline: if case["kind"] == "cosine" { Decline::Cosine } else { Decline::Constant },
            floor: case["eta_min"].as_f64().unwrap(),
        };
        schedule.check().unwrap();
        let wanted = floats(&case["lr_at_epoch"]);
        assert_eq!(wanted[0], 0.0);
        for (step, wanted) in wanted[1..].iter().enumerate().take(schedule.steps as usize) {
            near(schedule.at(step as u64) / schedule.rate, wanted / schedule.rate, 1e-9, "rate");
        }
        assert!(schedule.at(0) > 0.0);
        assert_eq!(schedule.at(u64::MAX), schedule.at(schedule.steps - 1));
    }
    let bad = Schedule { warmup: 2_000, ..Schedule::default() };
    assert!(bad.check().unwrap_err().to_string().contains("warmup"));
}
