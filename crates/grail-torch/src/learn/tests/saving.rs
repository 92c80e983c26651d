use super::{models::*, *};
use crate::{
    Dtype, Example, FolderWeights, LearnerSettings, LearningModel, Lora, Schedule, StepLearner, TrainError,
    newest_state, restore_state, save_state, write_tensors,
};
use serde_json::json;
use std::fs;

fn learner(lora: Option<&Lora>) -> StepLearner {
    let schedule = Schedule { rate: 1e-3, warmup: 4, ..Schedule::default() };
    StepLearner::new(tiny("qwen3", lora), LearnerSettings { schedule, ..LearnerSettings::default() }).unwrap()
}

fn learn(learner: &mut StepLearner) -> f64 {
    let examples = [Example { prompt: vec![1, 2], completion: vec![3, 4, 5] }];
    learner.supervise(&examples).unwrap().figures.loss()
}

fn same(a: &LearningModel, b: &LearningModel) -> bool {
    a.export().unwrap().iter().zip(b.export().unwrap()).all(|((x, a), (y, b))| *x == y && a.equal(&b))
}

#[test]
fn a_run_that_starts_again_goes_on_bit_for_bit() {
    for lora in [None, Some(Lora::default())] {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(newest_state(root.path()).unwrap(), None);
        let mut straight = learner(lora.as_ref());
        learn(&mut straight);
        learn(&mut straight);
        save_state(root.path(), &straight, &json!({"window": 7}), 2).unwrap();

        let mut again = learner(lora.as_ref());
        let newest = newest_state(root.path()).unwrap().unwrap();
        assert_eq!(restore_state(&newest, &mut again).unwrap(), json!({"window": 7}));
        assert_eq!(again.progress(), straight.progress());
        assert!(same(again.model(), straight.model()));
        assert_eq!(learn(&mut again), learn(&mut straight));
        assert!(same(again.model(), straight.model()));
    }
}

#[test]
fn a_save_that_was_cut_off_leaves_the_earlier_state_in_use() {
    let root = tempfile::tempdir().unwrap();
    let mut learner = learner(None);
    let first = save_state(root.path(), &learner, &json!(1), 2).unwrap();
    // What a crash leaves at any moment before the renaming.
    let cut = root.path().join("unfinished-000000000001");
    fs::create_dir(&cut).unwrap();
    fs::write(cut.join("optimizer.safetensors"), [0; 100]).unwrap();
    assert_eq!(newest_state(root.path()).unwrap(), Some(first));
    learn(&mut learner);
    let second = save_state(root.path(), &learner, &json!(2), 2).unwrap();
    assert!(!cut.exists());
    assert_eq!(newest_state(root.path()).unwrap(), Some(second));
    for number in 3..6 {
        save_state(root.path(), &learner, &json!(number), 2).unwrap();
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
}

#[test]
fn damaged_and_foreign_states_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let state = save_state(root.path(), &learner(None), &json!(null), 1).unwrap();
    assert!(
        restore_state(&state, &mut learner(Some(&Lora::default()))).is_err(),
        "another set of parameters"
    );
    let path = state.join("optimizer.safetensors");
    let bytes = fs::read(&path).unwrap();
    for length in [0, 7, 8, 100, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(restore_state(&state, &mut learner(None)).is_err(), "{length} bytes");
    }
    fs::write(&path, &bytes).unwrap();
    assert!(restore_state(&state, &mut learner(None)).is_ok());
    let text =
        fs::read_to_string(state.join("state.json")).unwrap().replace("\"format\": 1", "\"format\": 2");
    fs::write(state.join("state.json"), text).unwrap();
    assert!(matches!(restore_state(&state, &mut learner(None)), Err(TrainError::Damaged { .. })));
}

#[test]
fn weight_files_are_read_by_others_and_by_us() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensors = vec![
        ("a\"b".to_owned(), Tensor::from_slice(&[1.0f32, -0.0, 0.1]).view([3, 1])),
        ("scalar".to_owned(), Tensor::from(2.5f32)),
        ("none".to_owned(), Tensor::zeros([0, 4], CPU)),
        ("big".to_owned(), Tensor::linspace(0.0, 1.0, 5_000_000, CPU)),
    ];
    for (dtype, kind) in [(Dtype::F32, Kind::Float), (Dtype::Bf16, Kind::BFloat16)] {
        write_tensors(&path, &tensors, dtype).unwrap();
        let theirs: std::collections::BTreeMap<_, _> =
            Tensor::read_safetensors(&path).unwrap().into_iter().collect();
        let ours = FolderWeights::open_folder(folder.path()).unwrap();
        for (name, tensor) in &tensors {
            let wanted = tensor.to_kind(kind);
            assert!(ours.map(name, &tensor.size()).unwrap().equal(&wanted), "{name}");
            assert!(theirs[name].equal(&wanted), "{name}");
        }
        assert!(!ours.has("other") && ours.get("other").is_err());
        assert!(ours.map("scalar", &[1]).is_err());
    }
}

#[test]
fn an_exported_model_loads_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny("llama", None);
    write_tensors(&folder.path().join("model.safetensors"), &model.export().unwrap(), Dtype::F32).unwrap();
    fs::write(folder.path().join("config.json"), model.config().to_json(2).to_string()).unwrap();
    assert!(same(&model, &LearningModel::load(folder.path(), CPU, None).unwrap()));
}
