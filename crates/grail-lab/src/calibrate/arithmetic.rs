use grail_torch::{KernelPath, Kernels};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Who computes on a processor, as a cell of the matrix names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arithmetic {
    /// Our own kernels over vectors of sixteen.
    Avx512,
    /// Our own kernels over vectors of eight.
    Avx2,
    /// Our own kernels as plain loops.
    Portable,
    /// libtorch, over weights widened to 32 bits.
    Libtorch,
}

impl Arithmetic {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Portable, Self::Libtorch];

    /// What the engine is told.
    pub const fn kernels(self) -> Kernels {
        match self {
            Self::Avx512 => Kernels::Path(KernelPath::Avx512),
            Self::Avx2 => Kernels::Path(KernelPath::Avx2),
            Self::Portable => Kernels::Path(KernelPath::Portable),
            Self::Libtorch => Kernels::Libtorch,
        }
    }

    /// As it is written on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => KernelPath::Avx512.name(),
            Self::Avx2 => KernelPath::Avx2.name(),
            Self::Portable => KernelPath::Portable.name(),
            Self::Libtorch => "libtorch",
        }
    }

    /// Whether this processor has its instructions.
    pub fn runs_here(self) -> bool {
        match self.kernels() {
            Kernels::Path(path) => path.runs_here(),
            Kernels::Fastest | Kernels::Libtorch => true,
        }
    }
}

impl FromStr for Arithmetic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|one| one.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} computes nothing; there are {known}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_file() {
        for one in Arithmetic::ALL {
            assert_eq!(one.name().parse(), Ok(one));
            assert_eq!(serde_json::to_value(one).expect("a name"), one.name());
        }
        assert!("sse".parse::<Arithmetic>().is_err_and(|error| error.contains("libtorch")));
    }
}
