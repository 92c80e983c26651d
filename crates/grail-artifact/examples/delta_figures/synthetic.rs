//! A step of a Qwen2.5-7B-shaped model that nobody stored: safetensors files whose bytes are made when they are read, and a
//! place to write to that keeps nothing.

use grail_artifact::tensors::{BLOCK_BYTES, Header, StoredDtype, TensorError};
use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::Arc,
};

const HIDDEN: u64 = 3584;
const INTERMEDIATE: u64 = 18944;
const KEYS: u64 = 4 * 128;
const VOCABULARY: u64 = 152_064;
/// Layers of the real model.
pub(crate) const LAYERS: u64 = 28;

/// Blocks begin somewhere in the first MiB of a pattern that is as much longer than a block: what one block repeats of
/// another lies at least 3 MiB before it, beyond the 2 MiB in which zstd at level 3 looks for repetitions.
const SHIFTS: usize = 1 << 20;

/// A file that is a header and a pattern, block by block from another place of it, so that reading is copying.
#[derive(Debug, Clone)]
pub(crate) struct Synthetic {
    head: Arc<[u8]>,
    pattern: Arc<[u8]>,
    bytes: u64,
    at: u64,
}

/// The files before and after a step, in which two words of a hundred moved by one unit in the last place.
pub(crate) fn step(layers: u64) -> Result<(Synthetic, Synthetic), TensorError> {
    let header = header(layers)?;
    let mut head = (header.json().len() as u64).to_le_bytes().to_vec();
    head.extend(header.json());
    let (head, bytes) = (Arc::from(head), header.file_bytes());
    let (before, after) = patterns();
    let file =
        |pattern: Vec<u8>| Synthetic { head: Arc::clone(&head), pattern: Arc::from(pattern), bytes, at: 0 };
    Ok((file(before), file(after)))
}

fn header(layers: u64) -> Result<Header, TensorError> {
    let mut tensors: Vec<(String, Vec<u64>)> =
        vec![("model.embed_tokens.weight".into(), vec![VOCABULARY, HIDDEN])];
    for layer in 0..layers {
        for (part, shape) in [
            ("input_layernorm.weight", vec![HIDDEN]),
            ("self_attn.q_proj.weight", vec![HIDDEN, HIDDEN]),
            ("self_attn.q_proj.bias", vec![HIDDEN]),
            ("self_attn.k_proj.weight", vec![KEYS, HIDDEN]),
            ("self_attn.k_proj.bias", vec![KEYS]),
            ("self_attn.v_proj.weight", vec![KEYS, HIDDEN]),
            ("self_attn.v_proj.bias", vec![KEYS]),
            ("self_attn.o_proj.weight", vec![HIDDEN, HIDDEN]),
            ("post_attention_layernorm.weight", vec![HIDDEN]),
            ("mlp.gate_proj.weight", vec![INTERMEDIATE, HIDDEN]),
            ("mlp.up_proj.weight", vec![INTERMEDIATE, HIDDEN]),
            ("mlp.down_proj.weight", vec![HIDDEN, INTERMEDIATE]),
        ] {
            tensors.push((format!("model.layers.{layer}.{part}"), shape));
        }
    }
    tensors.push(("model.norm.weight".into(), vec![HIDDEN]));
    tensors.push(("lm_head.weight".into(), vec![VOCABULARY, HIDDEN]));
    let specs: Vec<_> =
        tensors.iter().map(|(name, shape)| (name.as_str(), StoredDtype::BF16, shape.as_slice())).collect();
    Header::build(&specs, &BTreeMap::new())
}

/// Words like trained weights, close to normal around 0 with deviation 0.02, and the same after the step.
fn patterns() -> (Vec<u8>, Vec<u8>) {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for _ in 0..(BLOCK_BYTES + SHIFTS) / 2 {
        // Twelve uniform numbers have variance 1 together.
        let normal = (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
        let word = ((0.02 * normal).to_bits() >> 16) as u16;
        let pick = uniform();
        let moved = if pick < 0.01 {
            word.wrapping_add(1)
        } else if pick < 0.02 {
            word.wrapping_sub(1)
        } else {
            word
        };
        before.extend(word.to_le_bytes());
        after.extend(moved.to_le_bytes());
    }
    (before, after)
}

/// Where in the pattern a block begins: an even number of bytes, scattered by an odd multiplier.
fn shift(block: u64) -> usize {
    (block.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 45) as usize * 2
}

impl Read for Synthetic {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let block = BLOCK_BYTES as u64;
        let source = match self.at.checked_sub(self.head.len() as u64) {
            None => &self.head[self.at as usize..],
            Some(place) => {
                let from = shift(place / block);
                &self.pattern[from + (place % block) as usize..from + BLOCK_BYTES]
            }
        };
        let left = self.bytes.saturating_sub(self.at);
        let count = source.len().min(into.len()).min(usize::try_from(left).unwrap_or(usize::MAX));
        into[..count].copy_from_slice(&source[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Synthetic {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = place(to, self.at, self.bytes)?;
        Ok(self.at)
    }
}

/// Takes everything and keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Nowhere {
    at: u64,
}

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Nowhere {
    /// Only a tensor that repeats an earlier one is read back, and in this model none does.
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "nothing was kept"))
    }
}

impl Seek for Nowhere {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = place(to, self.at, self.at)?;
        Ok(self.at)
    }
}

fn place(to: SeekFrom, at: u64, end: u64) -> io::Result<u64> {
    let place = match to {
        SeekFrom::Start(place) => Some(place),
        SeekFrom::Current(step) => at.checked_add_signed(step),
        SeekFrom::End(step) => end.checked_add_signed(step),
    };
    place.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the first byte"))
}
