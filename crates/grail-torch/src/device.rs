//! Where a model computes, and in which numbers.

use crate::error::LoadError;
use serde::{Deserialize, Serialize};
use tch::{Cuda, Device, Kind};

/// Where a model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComputePlace {
    /// The processor.
    Cpu,
    /// A CUDA device, by index. libtorch decides once a process whether CUDA is there: where both are used, load
    /// the first model on the CUDA device.
    Cuda(usize),
}

impl ComputePlace {
    /// libtorch's name for it, after opening what it needs.
    ///
    /// Errors: [`LoadError::Device`] where it is not there.
    pub fn open(self) -> Result<Device, LoadError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(index) => open_cuda(index),
        }
    }
}

/// Number format of weights, in memory or in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// Brain floats: the upper half of a 32-bit float, rounded to even. A model that answers multiplies them into 32-bit
    /// logits, so that logits are not rounded once more.
    Bf16,
}

impl Dtype {
    /// libtorch's name for it.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// How a model that answers holds its weights in memory. What is computed from them is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldWeights {
    /// As they are published: 16-bit floats in two bytes, 32-bit floats in four.
    #[default]
    AsPublished,
    /// In four bytes, whatever they are published in.
    Wide,
}

/// The CUDA device of that index, after opening libtorch's CUDA library.
fn open_cuda(index: usize) -> Result<Device, LoadError> {
    let refuse = |problem: String| LoadError::Device { index, problem };
    open_library().map_err(refuse)?;
    if !Cuda::is_available() {
        return Err(refuse("libtorch finds no usable CUDA device or driver".into()));
    }
    let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
    if index >= count {
        return Err(refuse(format!("there are {count}")));
    }
    Ok(Device::Cuda(index))
}

/// libtorch's part for CUDA is a library of its own, which nothing links and which therefore has to be opened.
#[cfg(unix)]
#[allow(unsafe_code)]
fn open_library() -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: opening runs the library's constructors, which register its kernels with the libtorch that is already
    // loaded; both come from the same release. The handle is leaked, so nothing that was registered is ever unloaded.
    let library = unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) }
        .map_err(|error| format!("libtorch_cuda.so cannot be opened ({error})"))?;
    std::mem::forget(library);
    Ok(())
}

#[cfg(not(unix))]
fn open_library() -> Result<(), String> {
    Err("CUDA is supported on Linux only".into())
}
