//! CUDA: libtorch's part for it is a library of its own, which nothing links and which therefore has to be opened.

use crate::serve::error::LoadError;
use tch::{Cuda, Device};

/// The CUDA device of that index, after opening libtorch's CUDA library.
pub(crate) fn open(index: usize) -> Result<Device, LoadError> {
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
