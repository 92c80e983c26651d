//! Model folders with other weights. Matrices of the layers are changed, embedding and norms stay as they are: that is how
//! serving engines round, and it is the harder case to notice.

use crate::LabError;
use grail_verify::lies::Computation;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    fs,
    path::{Path, PathBuf},
};

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";
const LAYERS: &str = "num_hidden_layers";

/// Writes a folder like `from` with changed weights, in 32 bits.
///
/// Memory: the weights twice.
pub(crate) fn write(from: &Path, to: &Path, computation: Computation) -> Result<(), LabError> {
    copy_texts(from, to)?;
    let path = from.join(WEIGHTS);
    let bytes = fs::read(&path).map_err(|source| LabError::File { path: path.clone(), source })?;
    let wrong = |problem: String| LabError::Weights { path: path.clone(), problem };
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
    let layers = layers(&to.join(CONFIG))?;
    let kept = match computation {
        Computation::LayerDropped => (0..layers).filter(|layer| *layer != layers / 2).collect(),
        Computation::HalfTheLayers => (0..layers.div_ceil(2)).collect(),
        _ => (0..layers).collect::<Vec<usize>>(),
    };
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut changed: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut views: Vec<(String, TensorView<'_>)> = tensors.tensors();
    // By name, so that chance falls on the same weights each time.
    views.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, view) in views {
        let Some(name) = renamed(&name, &kept) else { continue };
        let mut values =
            wide(&view).ok_or_else(|| wrong(format!("{name} is stored as {:?}", view.dtype())))?;
        if let ([_, width], true) = (view.shape(), name.starts_with(LAYER)) {
            values.chunks_mut((*width).max(1)).for_each(|row| apply(computation, row, &mut chance));
        }
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        changed.push((name, view.shape().to_vec(), data));
    }
    let mut views = Vec::with_capacity(changed.len());
    for (name, shape, data) in &changed {
        let view =
            TensorView::new(Dtype::F32, shape.clone(), data).map_err(|error| wrong(error.to_string()))?;
        views.push((name, view));
    }
    safetensors::serialize_to_file(views, None, &to.join(WEIGHTS))
        .map_err(|error| wrong(error.to_string()))?;
    if kept.len() != layers {
        set_layers(&to.join(CONFIG), kept.len())?;
    }
    Ok(())
}

const LAYER: &str = "model.layers.";

/// The name of a tensor where only some layers are kept; none for one that goes.
fn renamed(name: &str, kept: &[usize]) -> Option<String> {
    let Some((index, rest)) = name.strip_prefix(LAYER).and_then(|rest| rest.split_once('.')) else {
        return Some(name.to_owned());
    };
    let Ok(index) = index.parse::<usize>() else { return Some(name.to_owned()) };
    let place = kept.iter().position(|layer| *layer == index)?;
    Some(format!("{LAYER}{place}.{rest}"))
}

fn copy_texts(from: &Path, to: &Path) -> Result<(), LabError> {
    let file = |path: PathBuf| move |source| LabError::File { path, source };
    for entry in fs::read_dir(from).map_err(file(from.into()))? {
        let path = entry.map_err(file(from.into()))?.path();
        if path.extension().is_some_and(|extension| extension == "json")
            && let Some(name) = path.file_name()
        {
            fs::copy(&path, to.join(name)).map_err(file(path.clone()))?;
        }
    }
    Ok(())
}

fn config(path: &Path) -> Result<serde_json::Value, LabError> {
    let text = fs::read(path).map_err(|source| LabError::File { path: path.into(), source })?;
    serde_json::from_slice(&text)
        .map_err(|error| LabError::Weights { path: path.into(), problem: error.to_string() })
}

fn layers(path: &Path) -> Result<usize, LabError> {
    let layers = config(path)?[LAYERS].as_u64().and_then(|layers| usize::try_from(layers).ok());
    layers.ok_or_else(|| LabError::Weights { path: path.into(), problem: format!("no {LAYERS}") })
}

fn set_layers(path: &Path, layers: usize) -> Result<(), LabError> {
    let mut config = config(path)?;
    config[LAYERS] = layers.into();
    fs::write(path, config.to_string()).map_err(|source| LabError::File { path: path.into(), source })
}

/// The values of a tensor in 32 bits.
fn wide(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let pairs = || view.data().as_chunks::<2>().0.iter();
    match view.dtype() {
        Dtype::F32 => {
            Some(view.data().as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
        }
        Dtype::BF16 => Some(pairs().map(|two| bf16::from_le_bytes(*two).to_f32()).collect()),
        Dtype::F16 => Some(pairs().map(|two| f16::from_le_bytes(*two).to_f32()).collect()),
        _ => None,
    }
}

/// Changes one row of a matrix.
fn apply(computation: Computation, row: &mut [f32], chance: &mut Chance) {
    let largest = row.iter().fold(0f32, |most, weight| most.max(weight.abs()));
    match computation {
        Computation::Noise(sigma) => row.iter_mut().for_each(|weight| *weight *= 1.0 + sigma * chance.bell()),
        Computation::Rounded(steps) if largest > 0.0 => {
            let step = largest / steps;
            row.iter_mut().for_each(|weight| *weight = (*weight / step).round() * step);
        }
        // Each row is scaled to the range of e4m3 and rounded to it.
        Computation::Fp8 if largest > 0.0 => {
            let scale = 448.0 / largest;
            row.iter_mut().for_each(|weight| *weight = e4m3(*weight * scale) / scale);
        }
        Computation::OneStepBack => row.iter_mut().for_each(|weight| {
            let bits = chance.word();
            if bits.is_multiple_of(100) {
                let stored = bf16::from_f32(*weight).to_bits();
                let moved = if bits >> 32 & 1 == 0 { stored.wrapping_add(1) } else { stored.wrapping_sub(1) };
                let moved = bf16::from_bits(moved).to_f32();
                // A step from zero, or from the largest number, is none that training makes.
                if moved.is_finite() && moved.abs() < 2.0 * weight.abs() {
                    *weight = moved;
                }
            }
        }),
        _ => {}
    }
}

/// The nearest number of four exponent and three fraction bits, for `|x| ≤ 448`.
fn e4m3(x: f32) -> f32 {
    if x == 0.0 {
        return 0.0;
    }
    let exponent = x.abs().log2().floor().max(-6.0);
    let step = (exponent - 3.0).exp2();
    (x / step).round() * step
}

/// Numbers without a pattern, the same each time: splitmix64.
struct Chance(u64);

impl Chance {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Mean 0, spread 1: eight bytes, added up.
    fn bell(&mut self) -> f32 {
        // A byte has the spread √((256² − 1) / 12) = 73.9; eight of them 209.0.
        let sum: u32 = self.word().to_le_bytes().iter().map(|byte| u32::from(*byte)).sum();
        (sum as f32 - 1_020.0) / 209.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bit_floats_are_those_of_the_format() {
        for (x, expected) in
            [(1.0, 1.0), (1.06, 1.0), (1.07, 1.125), (-447.0, -448.0), (0.001, 0.001_953_125)]
        {
            assert_eq!(e4m3(x), expected, "{x}");
        }
    }

    #[test]
    fn the_bell_has_mean_zero_and_spread_one() {
        let mut chance = Chance(1);
        let values: Vec<f32> = (0..20_000).map(|_| chance.bell()).collect();
        let mean = values.iter().sum::<f32>() / 20_000.0;
        let spread = (values.iter().map(|value| value * value).sum::<f32>() / 20_000.0).sqrt();
        assert!(mean.abs() < 0.03 && (spread - 1.0).abs() < 0.03, "{mean} {spread}");
    }

    #[test]
    fn layers_move_together_when_one_goes() {
        assert_eq!(
            renamed("model.layers.3.mlp.up_proj.weight", &[0, 1, 3]).as_deref(),
            Some("model.layers.2.mlp.up_proj.weight")
        );
        assert_eq!(renamed("model.layers.2.mlp.up_proj.weight", &[0, 1, 3]), None);
        assert_eq!(renamed("model.norm.weight", &[0]).as_deref(), Some("model.norm.weight"));
    }

    #[test]
    fn rounding_keeps_the_largest_weight_of_a_row() {
        let mut row = vec![0.3, -1.0, 0.05, 0.0];
        apply(Computation::Rounded(7.0), &mut row, &mut Chance(1));
        assert_eq!(row, [2.0 / 7.0, -1.0, 0.0, 0.0]);
    }
}
