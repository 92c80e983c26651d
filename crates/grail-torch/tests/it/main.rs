//! The doors to a model, kept by libtorch.

use grail_protocol::words::CheckpointId;
use grail_testkit::doors::conformance;
use grail_torch::{
    Compute, ComputePlace, Dtype, LoadOptions, Model, Student, StudentSettings, TorchGenerator, TorchOracle,
};
use std::path::{Path, PathBuf};

const PROMPT: [u32; 6] = [3, 40, 50, 60, 41, 7];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/tiny")
}

fn model() -> Model {
    let options = LoadOptions { threads: Some(1), ..LoadOptions::default() };
    Model::load(&folder(), &options, CheckpointId::from_bytes([7; 32])).unwrap()
}

#[test]
fn the_generator_keeps_the_promises_of_its_door() {
    conformance::generator(&mut TorchGenerator::new(model(), 8).unwrap(), &PROMPT);
}

#[test]
fn the_oracle_keeps_the_promises_of_its_door() {
    let mut generator = TorchGenerator::new(model(), 4).unwrap();
    conformance::oracle(&mut TorchOracle::new(model()), &mut generator, &PROMPT);
}

#[test]
fn the_student_keeps_the_promises_of_its_door() {
    let (states, weights) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let compute = Compute { place: ComputePlace::Cpu, bf16: false, threads: 1 };
    let mut settings = StudentSettings::default();
    settings.learner.schedule.rate = 1e-3;
    let start = || Student::open(&folder(), compute, settings.clone(), Dtype::F32, states.path()).unwrap();
    conformance::learn(start, weights.path());
}
