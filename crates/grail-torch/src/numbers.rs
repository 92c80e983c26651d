//! The numbers of a weight as they lie in memory, and whether they are numbers.

use crate::{
    error::{LoadError, RunError},
    kernels::matrix::Source,
};
use tch::{Device, Kind, Tensor};

/// The numbers of a tensor on the processor, which must outlive them.
#[allow(unsafe_code)]
pub(crate) fn numbers(tensor: &Tensor) -> Result<Source<'_>, LoadError> {
    if tensor.device() != Device::Cpu || !tensor.is_contiguous() {
        return Err(LoadError::Run(RunError::Inside("a weight that does not lie in a row")));
    }
    let (start, len) = (tensor.data_ptr(), tensor.numel());
    if len == 0 {
        return Ok(Source::F32(&[]));
    }
    // SAFETY: a contiguous tensor on the processor holds so many numbers of its kind from there on; the borrow keeps it,
    // and nothing writes to weights. Alignment is that of the kind, which `FolderWeights` sees to.
    unsafe {
        match tensor.kind() {
            Kind::BFloat16 => Ok(Source::Bf16(std::slice::from_raw_parts(start.cast(), len))),
            Kind::Half => Ok(Source::F16(std::slice::from_raw_parts(start.cast(), len))),
            Kind::Float => Ok(Source::F32(std::slice::from_raw_parts(start.cast(), len))),
            _ => Err(LoadError::Run(RunError::Inside("a weight in a format that is not read"))),
        }
    }
}

/// Refuses a weight that is infinite or no number: whatever is computed from it would be neither.
///
/// Errors: [`LoadError::Tensor`].
pub(crate) fn finite(name: &str, source: Source<'_>) -> Result<(), LoadError> {
    let found = match source {
        Source::Bf16(bits) => first(bits, |bits| bits & 0x7f80 == 0x7f80),
        Source::F16(bits) => first(bits, |bits| bits & 0x7c00 == 0x7c00),
        Source::F32(values) => first(values, |value| !value.is_finite()),
    };
    match found {
        None => Ok(()),
        Some(at) => {
            Err(LoadError::tensor(name, format!("holds an infinity or no number, first at place {at}")))
        }
    }
}

/// The first place with what is looked for. Whole pieces are asked without a way out in their midst, which vectors can do.
fn first<T: Copy>(values: &[T], is_it: impl Fn(T) -> bool) -> Option<usize> {
    const PIECE: usize = 1_024;
    let piece =
        values.chunks(PIECE).position(|piece| piece.iter().fold(false, |any, one| any | is_it(*one)))?;
    let start = piece * PIECE;
    values.iter().skip(start).position(|one| is_it(*one)).map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_is_named_wherever_it_stands() {
        for at in [0, 1, 1_023, 1_024, 2_999] {
            let mut values = vec![f32::MAX; 3_000];
            values[at] = f32::NEG_INFINITY;
            values[2_999] = f32::NAN;
            let problem = finite("w", Source::F32(&values)).unwrap_err().to_string();
            assert_eq!(problem, format!("the tensor w holds an infinity or no number, first at place {at}"));
        }
        // The largest numbers and the smallest are numbers.
        assert!(finite("w", Source::Bf16(&[0x7f7f, 0xff7f, 1])).is_ok());
        assert!(finite("w", Source::F16(&[0x7bff, 0xfbff, 1])).is_ok());
        for bits in [0x7f80, 0xff80, 0x7fc0] {
            assert!(finite("w", Source::Bf16(&[0, bits])).is_err());
        }
        for bits in [0x7c00, 0xfc00, 0x7e00] {
            assert!(finite("w", Source::F16(&[0, bits])).is_err());
        }
    }
}
