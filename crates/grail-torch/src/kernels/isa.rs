//! Which instructions the innermost loops are made of.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Who computes a model on a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernels {
    /// Our own kernels, on the path that a short trial finds the fastest.
    #[default]
    Fastest,
    /// Our own kernels, on this path.
    Path(KernelPath),
    /// libtorch, whose layers are kept in 32 bits: a second opinion.
    Libtorch,
}

/// How our own kernels compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelPath {
    /// Vectors of sixteen floats, fused multiply and add: AVX-512 F, BW and VL, with F16C.
    Avx512,
    /// Vectors of eight floats, fused multiply and add: AVX2, FMA and F16C.
    Avx2,
    /// Whatever the compiler makes of plain loops; products and sums are rounded one by one.
    Portable,
}

impl KernelPath {
    /// Every path, the widest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Its name, as in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether this processor has the instructions.
    pub fn runs_here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && Self::Avx2.runs_here()
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// Every path that this processor has, the widest first.
    pub fn here() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|path| path.runs_here())
    }
}

impl fmt::Display for KernelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
