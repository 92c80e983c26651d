//! Weights that cannot be computed with: whoever reads them says the same, and nothing is loaded.

use super::{CPU, chain, configure, copy, in_parts, tiny, with_head};
use crate::{HeldWeights, KernelPath, Kernels, LearningModel, LoadOptions, Model};
use grail_protocol::words::CheckpointId;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{fs, path::Path};

const FILE: &str = "model.safetensors";

/// What everybody who reads a folder says of it: all kernels that run here, however they hold weights, and training.
fn refused_by_all(folder: &Path) -> String {
    let mut said = Vec::new();
    for kernels in KernelPath::here().map(Kernels::Path).chain([Kernels::Libtorch]) {
        for held in [HeldWeights::AsPublished, HeldWeights::Wide] {
            let options = LoadOptions { threads: Some(1), kernels, held, ..LoadOptions::default() };
            let loaded = Model::load(folder, &options, CheckpointId::from_bytes([7; 32]));
            let error = loaded.err().unwrap_or_else(|| panic!("{kernels:?} loads {held:?}"));
            said.push((format!("{kernels:?}, {held:?}"), chain(&error)));
        }
    }
    let Err(learned) = LearningModel::load(folder, CPU, None) else { panic!("training loads") };
    let words = chain(&learned);
    for (who, other) in said {
        assert_eq!(other, words, "{who}");
    }
    words
}

/// Stores a tensor of the tiny qwen2 otherwise: in another format, shape, or with other bytes.
fn restore(folder: &Path, tensor: &str, how: impl FnOnce(&[f32], &[usize]) -> (Dtype, Vec<usize>, Vec<u8>)) {
    let bytes = fs::read(tiny("qwen2").join(FILE)).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let old = read.tensor(tensor).unwrap();
    let values: Vec<f32> =
        old.data().as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    let (dtype, shape, data) = how(&values, old.shape());
    let views = read.iter().map(|(name, view)| match name == tensor {
        true => (name, TensorView::new(dtype, shape.clone(), &data).unwrap()),
        false => (name, view),
    });
    safetensors::serialize_to_file(views, None, &folder.join(FILE)).unwrap();
}

/// A format with the bytes of a number in it.
type Format = (Dtype, fn(f32) -> Vec<u8>);

const BF16: Format = (Dtype::BF16, |value| bf16::from_f32(value).to_le_bytes().into());
const F16: Format = (Dtype::F16, |value| f16::from_f32(value).to_le_bytes().into());
const F32: Format = (Dtype::F32, |value| value.to_le_bytes().into());
const F64: Format = (Dtype::F64, |value| f64::from(value).to_le_bytes().into());
const F8: Format = (Dtype::F8_E4M3, |_| vec![0x38]);
const I8: Format = (Dtype::I8, |value| vec![value as i8 as u8]);

/// Stores a tensor in another format.
fn in_format(folder: &Path, tensor: &str, (dtype, bytes): Format) {
    restore(folder, tensor, |values, shape| {
        (dtype, shape.to_vec(), values.iter().flat_map(|value| bytes(*value)).collect())
    });
}

/// Stores a tensor in a format with one value changed.
fn with_value(folder: &Path, tensor: &str, (dtype, bytes): Format, at: usize, value: f32) {
    restore(folder, tensor, |values, shape| {
        let mut values = values.to_vec();
        values[at] = value;
        (dtype, shape.to_vec(), values.iter().flat_map(|value| bytes(*value)).collect())
    });
}

const DOWN: &str = "model.layers.1.mlp.down_proj.weight";
const QUERIES: &str = "model.layers.0.self_attn.q_proj.weight";
const EMBEDDING: &str = "model.embed_tokens.weight";
const NORM: &str = "model.layers.0.input_layernorm.weight";
const BIAS: &str = "model.layers.1.self_attn.k_proj.bias";

#[test]
fn formats_that_are_not_computed_with_are_named() {
    for tensor in [DOWN, QUERIES, EMBEDDING, NORM, BIAS] {
        for (format, name) in [(F64, "F64"), (F8, "F8_E4M3"), (I8, "I8")] {
            let folder = copy("qwen2");
            in_format(folder.path(), tensor, format);
            let words = refused_by_all(folder.path());
            let wanted = format!("the tensor {tensor} is stored as {name}, supported are F32, BF16 and F16");
            assert_eq!(words, wanted);
        }
    }
}

#[test]
fn joined_weights_of_several_formats_are_named() {
    for (tensor, format, words) in [
        (
            QUERIES,
            BF16,
            "(model.layers.0.self_attn.q_proj.weight in BF16, model.layers.0.self_attn.k_proj.weight in F32, \
             model.layers.0.self_attn.v_proj.weight in F32)",
        ),
        (
            "model.layers.1.mlp.up_proj.weight",
            F16,
            "(model.layers.1.mlp.gate_proj.weight in F32, model.layers.1.mlp.up_proj.weight in F16)",
        ),
    ] {
        let folder = copy("qwen2");
        in_format(folder.path(), tensor, format);
        let said = refused_by_all(folder.path());
        assert!(said.contains("weights of one layer are stored in different formats"), "{said}");
        assert!(said.contains(words) && said.contains("convert the checkpoint"), "{said}");
    }
    // What is not joined may differ: publishers keep norms in 32 bits beside matrices in sixteen.
    for tensor in [DOWN, EMBEDDING, NORM, BIAS] {
        let folder = copy("qwen2");
        in_format(folder.path(), tensor, BF16);
        assert!(super::serve(folder.path()).is_ok(), "{tensor}");
        assert!(LearningModel::load(folder.path(), CPU, None).is_ok(), "{tensor}");
    }
}

#[test]
fn what_is_no_number_is_named_with_its_place() {
    for tensor in [DOWN, EMBEDDING, NORM, BIAS, "model.norm.weight"] {
        for (format, value) in
            [(F32, f32::NAN), (F32, f32::INFINITY), (BF16, f32::NEG_INFINITY), (F16, f32::NAN)]
        {
            let folder = copy("qwen2");
            with_value(folder.path(), tensor, format, 11, value);
            let wanted = format!("the tensor {tensor} holds an infinity or no number, first at place 11");
            assert_eq!(refused_by_all(folder.path()), wanted, "{value} as {:?}", format.0);
        }
    }
    // A weight that is joined to others, in the format of the others.
    let folder = copy("qwen2");
    with_value(folder.path(), QUERIES, F32, 0, f32::NAN);
    assert!(
        refused_by_all(folder.path())
            .contains("q_proj.weight holds an infinity or no number, first at place 0")
    );
}

#[test]
fn shapes_that_contradict_the_config_are_named() {
    let turned = |values: &[f32], shape: &[usize]| {
        let shape: Vec<usize> = shape.iter().rev().copied().collect();
        (Dtype::F32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    };
    let folder = copy("qwen2");
    restore(folder.path(), DOWN, turned);
    let words = refused_by_all(folder.path());
    assert!(words.contains(&format!("the tensor {DOWN} has shape [")), "{words}");
    assert!(words.contains("the config asks for ["), "{words}");
    let folder = copy("qwen2");
    configure(folder.path(), serde_json::json!({"num_hidden_layers": 3}));
    assert!(refused_by_all(folder.path()).contains("the tensor model.layers.2."));
}

#[test]
fn a_part_that_is_not_there_and_a_second_head_are_named() {
    let folder = copy("qwen2");
    in_parts(folder.path());
    fs::remove_file(folder.path().join("b.safetensors")).unwrap();
    let words = refused_by_all(folder.path());
    assert!(
        words.contains("in a file which is not in the folder:") && words.contains("b.safetensors"),
        "{words}"
    );
    // A head that is stored and tied, and differs in one number of many.
    let folder = copy("qwen2");
    with_head(folder.path(), |embedding| {
        let head = embedding.copy();
        let _ = head.get(7).get(3).fill_(0.5);
        head
    });
    let words = refused_by_all(folder.path());
    assert!(words.starts_with("the tensor lm_head.weight is not the embedding"), "{words}");
    assert!(words.contains("set tie_word_embeddings to false"), "{words}");
    // The same one twice is what many publishers write.
    let folder = copy("qwen2");
    with_head(folder.path(), tch::Tensor::copy);
    assert!(super::serve(folder.path()).is_ok());
    assert!(LearningModel::load(folder.path(), CPU, None).is_ok());
}
