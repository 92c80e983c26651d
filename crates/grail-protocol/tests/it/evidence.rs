//! The thresholds of each numeric profile against the file that measured them: changing either by hand fails here.
//!
//! New files are made by `cargo xtask calibrate --key FILE`, out of runs on several machines with `--with`. The key that
//! signs a file is thrown away, so a new file comes with a new signer, and its line below changes in the same commit. The
//! file of a retired profile stays as it was signed.

use grail_protocol::{
    hash::digest,
    profile::NumericProfile,
    sign::{Signature, verify},
    words::Hotkey,
};
use serde_json::Value;

/// Who signed each profile's file.
const fn signer(profile: NumericProfile) -> &'static str {
    match profile {
        NumericProfile::StrictF32 => "5Fy37jUfdD1Hm1fvL4KLd38JiBXtTfHTu1mwyG2WsTjt3iC1",
        NumericProfile::StrictBf16 => "5Fo2k8cKFHd1H8G6yfAqdox8bcgZ6sFr9AvYwQvkWNuHpG4F",
    }
}

fn file(profile: NumericProfile) -> (&'static [u8], &'static [u8]) {
    match profile {
        NumericProfile::StrictF32 => (
            include_bytes!("../../../../fixtures/profiles/strict-f32.json"),
            include_bytes!("../../../../fixtures/profiles/strict-f32.seal.json"),
        ),
        NumericProfile::StrictBf16 => (
            include_bytes!("../../../../fixtures/profiles/strict-bf16.json"),
            include_bytes!("../../../../fixtures/profiles/strict-bf16.seal.json"),
        ),
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn profile_files_are_as_they_were_signed() {
    for profile in NumericProfile::ALL {
        let (bytes, seal) = file(profile);
        let seal: Value = serde_json::from_slice(seal).unwrap();
        let signer: Hotkey = signer(profile).parse().unwrap();
        assert_eq!(serde_json::from_value::<Hotkey>(seal["hotkey"].clone()).unwrap(), signer);
        let signature: Signature = serde_json::from_value(seal["signature"].clone()).unwrap();
        let message = digest("grail/1 profile evidence", &[bytes]);
        assert!(verify(&signer, &message, &signature), "{} was changed by hand", profile.name());
    }
}

#[test]
fn thresholds_are_those_that_the_files_are_evidence_for() {
    for profile in NumericProfile::ALL {
        let evidence: Value = serde_json::from_slice(file(profile).0).unwrap();
        assert_eq!(evidence["profile"], profile.name());
        let (limits, found) = (profile.thresholds(), &evidence["thresholds"]);
        for (name, value) in [
            ("margin_hard", f64::from(limits.margin_hard)),
            ("margin_soft", f64::from(limits.margin_soft)),
            ("nucleus_slack", limits.nucleus_slack),
            ("sketch_hard", f64::from(limits.sketch_hard)),
            ("sketch_rms", f64::from(limits.sketch_rms)),
            ("logprob", f64::from(limits.logprob)),
            ("lost_per_gini", profile.drift().lost_per_gini),
            ("changed_digits", profile.drift().changed_digits),
        ] {
            // Numbers of 32 bits are written with as few digits as read back to them.
            let same = (number(&found[name]) - value).abs() <= 1e-7 * value.abs();
            assert!(same, "{}: {name} is {value} in use and {} in its file", profile.name(), found[name]);
        }
    }
}

#[test]
fn both_models_and_every_pair_of_devices_were_measured() {
    for profile in NumericProfile::ALL {
        let evidence: Value = serde_json::from_slice(file(profile).0).unwrap();
        let runs = evidence["runs"].as_array().unwrap().iter();
        let cells: Vec<&Value> = runs.flat_map(|run| run["cells"].as_array().unwrap()).collect();
        for model in ["tiny", "smollm2"] {
            assert!(cells.iter().any(|cell| cell["model"] == model), "{} lacks {model}", profile.name());
        }
        for (miner, validator) in [("cpu", "cpu"), ("cuda", "cuda"), ("cuda", "cpu"), ("cpu", "cuda")] {
            let between =
                |cell: &&Value| cell["cell"]["miner"] == miner && cell["cell"]["validator"] == validator;
            let rollouts: f64 =
                cells.iter().copied().filter(between).map(|cell| number(&cell["measures"]["rollouts"])).sum();
            assert!(rollouts >= 1_000.0, "{}: {rollouts} from {miner} to {validator}", profile.name());
        }
    }
}

#[test]
fn who_computed_was_measured_pair_by_pair() {
    let evidence: Value = serde_json::from_slice(file(NumericProfile::StrictF32).0).unwrap();
    let runs = evidence["runs"].as_array().unwrap().iter();
    let cells: Vec<&Value> = runs.flat_map(|run| run["cells"].as_array().unwrap()).collect();
    let arithmetics = ["avx512", "avx2", "portable", "libtorch"];
    // Of SmolLM2 one miner alone was measured so far, and libtorch as a miner not yet under its name.
    let (all, one) = (&arithmetics[..], &arithmetics[..1]);
    for (model, miners, least) in [("tiny", all, 100.0), ("smollm2-bf16", one, 32.0)] {
        for miner in miners.iter().filter(|miner| **miner != "libtorch") {
            for validator in arithmetics {
                let between = |cell: &&Value| {
                    cell["model"] == model
                        && cell["cell"]["miner_by"] == *miner
                        && cell["cell"]["validator_by"] == validator
                };
                let among = cells.iter().copied().filter(between);
                let rollouts: f64 = among.map(|cell| number(&cell["measures"]["rollouts"])).sum();
                assert!(rollouts >= least, "{model}: {rollouts} from {miner} to {validator}");
            }
        }
    }
}

#[test]
fn what_was_measured_lies_well_below_the_thresholds() {
    for profile in NumericProfile::ALL {
        let evidence: Value = serde_json::from_slice(file(profile).0).unwrap();
        let (limits, fit, total) = (profile.thresholds(), &evidence["fit"], &evidence["total"]);
        assert_eq!(evidence["bounds"]["false_refusals"], 0);
        assert!(number(&fit["headroom"]) >= 3.0);
        // A profile whose thresholds stand closer is in use without statistics, and is called what it is.
        let calibrated = profile.drift().calibrated;
        assert!(!calibrated || fit["holds"] == true, "{}", profile.name());
        let headroom = if calibrated { number(&fit["headroom"]) } else { 1.0 };
        // Not taken from what the file says of itself, but from its histograms.
        let margin = number(&total["margin"]["largest"]);
        assert!(f64::from(limits.margin_soft) >= headroom * margin, "{}", profile.name());
        assert!(f64::from(limits.margin_hard) > f64::from(limits.margin_soft));
        let logprob = number(&total["logprob"]["largest"]);
        assert!(f64::from(limits.logprob) >= headroom * logprob, "{}", profile.name());
        let steps = total["sketch_steps"].as_object().unwrap().keys();
        let largest = steps.map(|steps| steps.parse::<u32>().unwrap()).max().unwrap();
        assert!(f64::from(limits.sketch_hard) >= headroom * f64::from(largest) / 32.0, "{}", profile.name());
        let digit = |name: &str| number(&total["digits"][name]);
        let (changed, digits) = (digit("changed"), digit("of"));
        let drift = profile.drift();
        let explained = drift.changed_digits * digit("open") + drift.changed_digits_floor * digits;
        assert!(
            explained >= headroom * changed,
            "{}: {changed} digits changed, {explained} are explained",
            profile.name()
        );
        // Counts agree with themselves, and claim no more than the rule of three.
        let (rollouts, tokens) = (number(&evidence["bounds"]["rollouts"]), number(&total["tokens"]));
        let runs = evidence["runs"].as_array().unwrap().iter();
        let counted: f64 = runs
            .flat_map(|run| run["cells"].as_array().unwrap())
            .map(|cell| number(&cell["measures"]["rollouts"]))
            .sum();
        assert_eq!((rollouts, number(&total["margin"]["count"]), digits), (counted, tokens, tokens));
        let claimed = number(&evidence["bounds"]["false_refusal_rate_at_most"]);
        assert!(claimed * rollouts > 2.99, "{claimed} claims more than {rollouts} rollouts support");
    }
}
