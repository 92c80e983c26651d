//! The same model in sixteen bits: every weight rounded to the nearest brain float, everything else as it is.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use half::bf16;
use safetensors::tensor::{TensorView, View};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::{WEIGHTS, write_json, write_weights};
use crate::cache::{Cache, install, make_dir, staging, write_error};
use crate::report;

const CONFIG: &str = "config.json";

/// The folder in the cache with the model of `folder` in brain floats, made when it is not there: whole or not at all.
///
/// # Errors
/// Whatever keeps it from being read or written, and weights that no brain float comes near.
pub(crate) fn ensure_bf16(cache: &Cache, folder: &Path) -> Result<PathBuf> {
    let name = folder.file_name().context("a model's folder has a name")?.to_string_lossy();
    let place = cache.models().join(format!("{name}-bf16"));
    let there = || place.join(WEIGHTS).is_file();
    if there() {
        return Ok(place);
    }
    let _lock = cache.lock()?;
    if there() {
        return Ok(place);
    }
    report::step(&format!("{name} in brain floats into {}", place.display()));
    make_dir(&cache.models())?;
    let room = staging(&place)?;
    if let Err(error) = round_folder(folder, &room) {
        // The first error is the one to show; the next run would empty the room anyway.
        let _ = fs::remove_dir_all(&room);
        return Err(error.context(format!("cannot round the weights of {}", folder.display())));
    }
    install(&room, &place)?;
    Ok(place)
}

/// Writes the model of one folder into another one, its weights in brain floats and `torch_dtype` saying so.
///
/// # Errors
/// When a file cannot be read or written, weights are of another kind than floats of 32 bits or brain floats, or a value
/// has no finite brain float near it.
pub(crate) fn round_folder(from: &Path, to: &Path) -> Result<()> {
    make_dir(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.path().is_file() && name != CONFIG && name != WEIGHTS {
            let copy = to.join(&name);
            fs::copy(entry.path(), &copy).map_err(|cause| write_error(cause, &copy))?;
        }
    }
    let read = |name| fs::read(from.join(name)).with_context(|| format!("cannot read its {name}"));
    let mut config: Value = serde_json::from_slice(&read(CONFIG)?).context("config.json is no JSON")?;
    config
        .as_object_mut()
        .context("config.json is no object")?
        .insert("torch_dtype".into(), "bfloat16".into());
    write_json(&to.join(CONFIG), &config, true)?;

    let bytes = read(WEIGHTS)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).context("its weights cannot be read")?;
    let about: Option<HashMap<_, _>> = header.metadata().clone();
    let weights = SafeTensors::deserialize(&bytes).context("its weights cannot be read")?;
    let rounded: Result<BTreeMap<String, Rounded>> =
        weights.iter().map(|(name, view)| Ok((name.to_owned(), Rounded::new(name, &view)?))).collect();
    write_weights(rounded?, about, &to.join(WEIGHTS))
}

/// One tensor in brain floats.
struct Rounded {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Rounded {
    fn new(name: &str, view: &TensorView<'_>) -> Result<Self> {
        let bytes = match view.dtype() {
            Dtype::BF16 => view.data().to_vec(),
            Dtype::F32 => round(view.data()),
            other => bail!("the tensor {name} is of {other:?}, which is no float of 32 bits"),
        };
        let finite = |pair: &[u8]| bf16::from_le_bytes([pair[0], pair[1]]).is_finite();
        ensure!(
            bytes.chunks_exact(2).all(finite),
            "the tensor {name} holds a value that is no finite brain float"
        );
        Ok(Self { shape: view.shape().to_vec(), bytes })
    }
}

/// Nearest brain floats of 32-bit ones, ties to even.
fn round(floats: &[u8]) -> Vec<u8> {
    let value = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    floats.chunks_exact(4).flat_map(|four| bf16::from_f32(value(four)).to_le_bytes()).collect()
}

impl View for Rounded {
    fn dtype(&self) -> Dtype {
        Dtype::BF16
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::small_folder;

    fn words(bytes: &[u8]) -> Vec<u16> {
        bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
    }

    fn bits(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn the_nearest_is_taken_and_of_two_the_even_one() {
        // Below, at and above half way; both parities; a carry into the exponent; a sign; what is exact stays.
        let floats = [
            0x3f80_7fff,
            0x3f80_8000,
            0x3f80_8001,
            0x3f81_8000,
            0x3fff_8000,
            0xbf80_8001,
            0x0000_8000,
            0x8000_0000,
        ];
        let nearest = [0x3f80, 0x3f80, 0x3f81, 0x3f82, 0x4000, 0xbf81, 0x0000, 0x8000];
        assert_eq!(words(&round(&bits(&floats))), nearest);
    }

    #[test]
    fn a_folder_keeps_all_but_the_digits_of_its_weights() {
        let home = tempfile::tempdir().expect("temporary folder");
        let (from, to) = (home.path().join("small"), home.path().join("models/small-bf16"));
        small_folder(&from);
        let cache = Cache::new(home.path().to_owned());
        assert_eq!(ensure_bf16(&cache, &from).expect("rounded"), to);

        let json = |folder: &Path| -> Value {
            serde_json::from_slice(&fs::read(folder.join(CONFIG)).expect("readable")).expect("JSON")
        };
        let mut config = json(&from);
        config["torch_dtype"] = "bfloat16".into();
        assert_eq!(json(&to), config);
        for name in ["generation_config.json", "tokenizer.json", "tokenizer_config.json"] {
            let bytes = |folder: &Path| fs::read(folder.join(name)).expect("readable");
            assert_eq!(bytes(&from), bytes(&to), "{name}");
        }
        let files = [&from, &to].map(|folder| fs::read(folder.join(WEIGHTS)).expect("weights"));
        let [wide, narrow] = [0, 1].map(|i: usize| SafeTensors::deserialize(&files[i]).expect("safetensors"));
        assert_eq!((wide.len(), narrow.len()), (11, 11));
        for (name, view) in narrow.iter() {
            let original = wide.tensor(name).expect("the same name");
            assert_eq!((view.dtype(), view.shape()), (Dtype::BF16, original.shape()), "{name}");
            assert_eq!(view.data(), round(original.data()), "{name}");
        }

        // What is there is left alone, and rounding what is rounded changes nothing.
        fs::write(to.join("mark"), "").expect("written");
        ensure_bf16(&cache, &from).expect("there");
        assert!(to.join("mark").is_file());
        let again = home.path().join("again");
        round_folder(&to, &again).expect("rounded twice");
        assert_eq!(fs::read(again.join(WEIGHTS)).expect("weights"), files[1]);
    }

    #[test]
    fn what_has_no_brain_float_is_named_and_nothing_is_left() {
        let home = tempfile::tempdir().expect("temporary folder");
        let from = home.path().join("small");
        small_folder(&from);
        let cache = Cache::new(home.path().to_owned());
        let refused = |dtype, bytes: &[u8], expected: &str| {
            let view = TensorView::new(dtype, vec![1], bytes).expect("a view");
            safetensors::serialize_to_file([("w", view)], None, &from.join(WEIGHTS)).expect("written");
            let error = format!("{:#}", ensure_bf16(&cache, &from).expect_err("refused"));
            assert!(error.contains(expected), "{error}");
        };
        refused(
            Dtype::F32,
            &f32::MAX.to_le_bytes(),
            "the tensor w holds a value that is no finite brain float",
        );
        refused(Dtype::F32, &f32::NAN.to_le_bytes(), "no finite brain float");
        refused(Dtype::BF16, &bf16::INFINITY.to_le_bytes(), "no finite brain float");
        refused(Dtype::F64, &1f64.to_le_bytes(), "the tensor w is of F64");
        assert_eq!(fs::read_dir(cache.models()).expect("listing").count(), 0);
    }
}
