//! Arithmetic of a decoder on a processor: weights in the two bytes in which they are published, everything else in
//! 32-bit floats.
//!
//! No kept library multiplies weights of sixteen bits by activations of thirty-two into thirty-two, so the products are
//! our own: a weight is widened in a register, exactly, and read from memory once. `matrix` lays weights out as the
//! kernels read them, `product` shares out a product over the threads of a `crew`, `avx512`, `avx2` and `portable` are
//! the innermost loops, `attention` uses the same loops over keys and values, `plain` is what goes number by number.
//!
//! This room knows no `tch`, no model and no file. The paths differ in how they round, within the slack of
//! `strict_f32`: calibration measures every pair of them.

pub(crate) mod attention;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod crew;
mod isa;
pub(crate) mod matrix;
pub(crate) mod plain;
mod portable;
pub(crate) mod product;
pub(crate) mod tile;
pub(crate) mod trial;

#[cfg(test)]
mod tests;

pub use isa::{KernelPath, Kernels};
