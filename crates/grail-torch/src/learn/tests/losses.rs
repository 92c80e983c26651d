use super::*;
use crate::learn::{
    AdaptiveKl, AdaptiveKlSettings, Aggregate, Divisors, Estimator, KlEstimator, Level, LossRows,
    LossSettings, clip_to_percentile,
};
use proptest::prelude::*;

#[test]
fn advantages_agree_with_the_python_trainer() {
    for case in cases(&vectors("advantages.json"), "cases") {
        let rewards = floats(&case["rewards"]);
        for (name, estimator) in [
            ("grpo", Estimator::Normalised),
            ("dr_grpo", Estimator::MeanCentred),
            ("dapo", Estimator::Ranked),
        ] {
            let (found, wanted) = (estimator.advantages(&rewards), floats(&case[name]));
            assert_eq!(found.len(), wanted.len());
            for (found, wanted) in found.iter().zip(&wanted) {
                near(*found, *wanted, 1e-12, &format!("{} of {}", name, case["id"]));
            }
            let spoken: Estimator = serde_json::from_value(name.into()).unwrap();
            assert_eq!(spoken, estimator, "the Python trainer's names are understood");
        }
    }
}

/// One case of `grpo_loss.json` at one precision, with everything our loss needs.
struct Case<'a> {
    settings: LossSettings,
    kl_coefficient: f64,
    logprobs: Tensor,
    behaviour: Tensor,
    reference: Tensor,
    mask: Tensor,
    advantages: Tensor,
    lengths: Vec<usize>,
    wanted: &'a Value,
}

fn aggregate(name: &str) -> Aggregate {
    serde_json::from_value(name.into()).unwrap()
}

impl<'a> Case<'a> {
    fn new(case: &'a Value, wanted: &'a Value, kind: Kind) -> Self {
        let (config, input) = (&case["config"], &case["input"]);
        let number = |name: &str| config[name].as_f64().unwrap();
        let level = match wanted["is_level"].as_str().unwrap() {
            _ if config["use_is"] == false => Level::Off,
            "sequence" => Level::Sequence,
            _ => Level::Token,
        };
        let settings = LossSettings {
            aggregate: aggregate(wanted["variant"].as_str().unwrap()),
            level,
            clip_low: number("ppo_clip_eps"),
            clip_high: number("ppo_clip_eps_upper"),
            log_ratio_clamp: number("logratio_clamp"),
            ratio_cap: number("is_ratio_max"),
            kl: KlEstimator::K2,
            entropy_coefficient: 0.0,
        };
        settings.check().unwrap();
        let lengths = counts(&input["completion_lengths"]);
        let logprobs = tensor(&input["logprobs"], kind);
        let width = logprobs.size()[1];
        let mask: Vec<f64> = lengths
            .iter()
            .flat_map(|length| (0..width as usize).map(move |at| f64::from(u8::from(at < *length))))
            .collect();
        let clipped =
            clip_to_percentile(&floats(&input["advantages"]), number("adv_clip_percentile")).unwrap();
        Self {
            settings,
            kl_coefficient: number("kl_coef"),
            behaviour: tensor(&input["old_logprobs"], kind),
            reference: tensor(&input["ref_logprobs"], kind),
            mask: Tensor::from_slice(&mask).view([-1, width]).to_kind(kind),
            advantages: Tensor::from_slice(&clipped).to_kind(kind),
            logprobs: logprobs.set_requires_grad(true),
            lengths,
            wanted,
        }
    }

    fn check(&self, what: &str, kind: Kind) {
        let number = |name: &str| self.wanted[name].as_f64().unwrap();
        let rows = LossRows {
            logprobs: &self.logprobs,
            behaviour: &self.behaviour,
            reference: Some(&self.reference),
            entropy: None,
            mask: &self.mask,
            advantages: &self.advantages,
        };
        let loss = self.settings.evaluate(&rows, &Divisors::of(&self.lengths), self.kl_coefficient).unwrap();
        // The Python trainer keeps the mask of its KL term in 32 bits even in a 64-bit run.
        let tolerance = if kind == Kind::Double { 1e-9 } else { 1e-6 };
        let figures = &loss.figures;
        near(figures.policy_loss, number("loss_pg"), tolerance, &format!("{what}: policy loss"));
        near(figures.kl_loss, number("loss_kl"), 1e-9, &format!("{what}: KL loss"));
        near(figures.kl(), number("kl_value"), 1e-8, &format!("{what}: KL"));
        if self.settings.level != Level::Off {
            near(figures.clip_fraction(), number("ratio_clip_frac"), 1e-6, &format!("{what}: clipped"));
            near(figures.cap_fraction(), number("ratio_ceiling_frac"), 1e-6, &format!("{what}: capped"));
        }
        if self.settings.level == Level::Sequence {
            let ratios = floats(&self.wanted["sequence_ratios"]);
            let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
            near(figures.ratio_mean(), mean, 1e-6, &format!("{what}: ratio"));
        }
        let clipped = tensor(&self.wanted["advantages_clipped"], kind);
        assert!(farthest(&self.advantages, &clipped) < 1e-6, "{what}: clipped advantages");
        let kl = loss.kl.as_ref().unwrap();
        for (term, name, tolerance) in [(&loss.policy, "grad_pg", tolerance), (kl, "grad_kl", 1e-8)] {
            let gradient = &Tensor::run_backward(&[term], &[&self.logprobs], true, false)[0];
            let distance = farthest(gradient, &tensor(&self.wanted[name], kind));
            let size = gradient.abs().max().double_value(&[]).max(1.0);
            assert!(distance <= tolerance * size, "{what}: {name} is off by {distance:e}");
        }
        let total = &Tensor::run_backward(&[&loss.total], &[&self.logprobs], false, false)[0];
        let both = tensor(&self.wanted["grad_pg"], kind) + tensor(&self.wanted["grad_kl"], kind);
        assert!(
            farthest(total, &both) <= 1e-6 * total.abs().max().double_value(&[]).max(1.0),
            "{what}: total"
        );
    }
}

#[test]
fn losses_and_gradients_agree_with_the_python_trainer() {
    let mut checked = 0;
    for case in cases(&vectors("grpo_loss.json"), "cases") {
        for (precision, kind) in [("f64", Kind::Double), ("f32", Kind::Float)] {
            for wanted in cases(case, precision) {
                let what = format!("{} {precision} {} {}", case["id"], wanted["variant"], wanted["is_level"]);
                Case::new(case, wanted, kind).check(&what, kind);
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 15 * 8 * 2);
}

#[test]
fn a_step_has_one_loss_however_it_is_cut() {
    let file = vectors("grpo_loss.json");
    let case = cases(&file, "cases").iter().find(|case| case["id"] == "wide").unwrap();
    let wanted = cases(case, "f64");
    for wanted in wanted.iter().filter(|wanted| wanted["variant"] != "bnpo") {
        let case = Case::new(case, wanted, Kind::Double);
        let divisors = Divisors::of(&case.lengths);
        let whole = |first: i64, count: i64| {
            let cut = |tensor: &Tensor| tensor.narrow(0, first, count);
            let rows = LossRows {
                logprobs: &cut(&case.logprobs),
                behaviour: &cut(&case.behaviour),
                reference: Some(&cut(&case.reference)),
                entropy: None,
                mask: &cut(&case.mask),
                advantages: &cut(&case.advantages),
            };
            case.settings.evaluate(&rows, &divisors, case.kl_coefficient).unwrap().figures
        };
        let mut parts = whole(0, 1);
        parts.add(&whole(1, 3));
        near(parts.loss(), whole(0, 4).loss(), 1e-12, "sum of the parts");
        near(parts.kl(), whole(0, 4).kl(), 1e-12, "KL over the parts");
    }
}

#[test]
fn k3_is_never_negative_and_agrees_with_k2_close_by() {
    let model = Tensor::from_slice(&[-1.0f64, -2.0, -0.5, -3.0]);
    let reference = Tensor::from_slice(&[-1.001f64, -1.0, -2.5, -3.0]);
    let k3: Vec<f64> = Vec::try_from(KlEstimator::K3.estimate(&model, &reference).unwrap()).unwrap();
    let distances = [0.001f64, -1.0, 2.0, 0.0];
    for (found, d) in k3.iter().zip(distances) {
        near(*found, (-d).exp() - 1.0 + d, 1e-12, "k3");
        assert!(*found >= 0.0);
    }
    let k2: Vec<f64> = Vec::try_from(KlEstimator::K2.estimate(&model, &reference).unwrap()).unwrap();
    near(k2[0], k3[0], 1e-9, "k2 near zero");
}

#[test]
fn the_kl_coefficient_follows_the_distance() {
    for case in cases(&vectors("trainer_misc.json"), "adaptive_kl") {
        let number = |name: &str| case[name].as_f64().unwrap();
        let settings = AdaptiveKlSettings {
            initial: number("initial"),
            adapt: true,
            target: number("target"),
            low: number("min"),
            high: number("max"),
            rate: number("rate"),
        };
        let mut kl = AdaptiveKl::new(settings).unwrap();
        for (observed, wanted) in floats(&case["observed"]).iter().zip(floats(&case["value_after"])) {
            kl.observe(*observed);
            near(kl.coefficient(), wanted, 1e-12, "coefficient");
        }
        kl.observe(f64::NAN);
        let before = kl.coefficient();
        kl.resume(before);
        assert_eq!(kl.coefficient(), before);
    }
    let off = AdaptiveKlSettings { initial: 0.0, ..AdaptiveKlSettings::default() };
    let mut off = AdaptiveKl::new(off).unwrap();
    off.observe(9.0);
    assert_eq!(off.coefficient(), 0.0);
}

#[test]
fn the_entropy_bonus_is_the_mean_over_rows_of_the_mean_over_tokens() {
    let row = |values: [f64; 4]| Tensor::from_slice(&values).view([2, 2]);
    let entropy = row([1.0, 3.0, 5.0, 99.0]).set_requires_grad(true);
    let mask = row([1.0, 1.0, 1.0, 0.0]);
    let zeros = row([0.0; 4]);
    let rows = LossRows {
        logprobs: &zeros,
        behaviour: &zeros,
        reference: None,
        entropy: Some(&entropy),
        mask: &mask,
        advantages: &Tensor::from_slice(&[1.0f64, -1.0]),
    };
    let settings = LossSettings { entropy_coefficient: 0.1, ..LossSettings::default() };
    let loss = settings.evaluate(&rows, &Divisors::of(&[2, 1]), 0.0).unwrap();
    near(loss.figures.entropy(), 3.5, 1e-12, "entropy");
    near(loss.figures.entropy_loss, -0.35, 1e-12, "bonus");
    let gradient: Vec<f64> =
        Vec::try_from(Tensor::run_backward(&[&loss.total], &[&entropy], false, false)[0].view(-1)).unwrap();
    assert_eq!(gradient, [-0.025, -0.025, -0.05, 0.0]);
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let wide = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
    let narrow = Tensor::zeros([2, 2], (Kind::Float, Device::Cpu));
    let advantages = Tensor::zeros([2], (Kind::Float, Device::Cpu));
    let good = LossRows {
        logprobs: &wide,
        behaviour: &wide,
        reference: None,
        entropy: None,
        mask: &wide,
        advantages: &advantages,
    };
    let settings = LossSettings::default();
    let divisors = Divisors::of(&[3, 3]);
    assert!(settings.evaluate(&good, &divisors, 0.0).is_ok());
    for bad in [
        LossRows { behaviour: &narrow, ..good },
        LossRows { logprobs: &narrow, ..good },
        LossRows { mask: &narrow, ..good },
        LossRows { advantages: &wide, ..good },
    ] {
        assert!(settings.evaluate(&bad, &divisors, 0.0).is_err());
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let good = LossSettings::default();
    for (bad, name) in [
        (LossSettings { clip_low: 1.0, ..good }, "clip_low"),
        (LossSettings { clip_high: -0.1, ..good }, "clip_high"),
        (LossSettings { log_ratio_clamp: 0.0, ..good }, "log_ratio_clamp"),
        (LossSettings { ratio_cap: 0.5, ..good }, "ratio_cap"),
        (LossSettings { entropy_coefficient: f64::NAN, ..good }, "entropy_coefficient"),
    ] {
        assert!(bad.check().unwrap_err().to_string().contains(name));
    }
    assert!(serde_json::from_str::<LossSettings>(r#"{"clip_lo": 0.2}"#).is_err());
}

proptest! {
    #[test]
    fn advantages_are_balanced(rewards in prop::collection::vec(0.0f64..1.0, 2..40)) {
        for estimator in [Estimator::MeanCentred, Estimator::Normalised, Estimator::Ranked] {
            let advantages = estimator.advantages(&rewards);
            prop_assert!(advantages.iter().sum::<f64>().abs() < 1e-6);
        }
    }

    #[test]
    fn clipping_bounds_magnitudes_and_keeps_signs(
        values in prop::collection::vec(-5.0f64..5.0, 0..40), percentile in 0.0f64..=100.0,
    ) {
        let clipped = clip_to_percentile(&values, percentile).unwrap();
        prop_assert_eq!(clipped.len(), values.len());
        for (before, after) in values.iter().zip(&clipped) {
            prop_assert!(after.abs() <= before.abs() && before * after >= 0.0);
        }
    }
}
