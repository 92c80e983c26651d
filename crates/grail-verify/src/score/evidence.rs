//! Evidence against a miner over many windows, which may be looked at as often as one likes.
//!
//! Let a draw be lost with a chance of at most ρ whatever came before, let S count lost draws and `Λ = Σ −ln(1 − ρ_t)`.
//! For each bet c, `c^S · e^{−(c−1)·Λ}` is on average at most 1 at every moment, since
//! `E[c^X] = 1 + (c−1)·p ≤ e^{(c−1)·ρ}`. So is their mean
//! ```text
//! E = Σ_j w_j · c_j^S · e^{−(c_j − 1)·Λ},      c ∈ {1.5, 2, 3, 5, 10, 20, 40},  w = 1/7 each
//! ```
//! and by Ville's inequality an honest miner's E ever reaches 1/α with a chance of at most α, however often one looks.
//!
//! The product over single draws, `Π (q/ρ)^X ((1−q)/(1−ρ))^{1−X}`, grows a little faster where ρ is large (5 % sooner at
//! ρ = 1 % and a wrong seed) and needs every draw again; this form needs two numbers, adds up in any order, and can be
//! computed by anybody from the reports of a validator.

use serde::{Deserialize, Serialize};

/// Bets on how many times more draws are lost than honest drift explains.
pub const BETS: [f64; 7] = [1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0];
/// Evidence of 10² or more: more of a miner's groups are proven.
pub const LOOK_CLOSER_LOG10: f64 = 2.0;
/// Evidence of 10⁶ or more: a miner is left out. An honest one gets there at most once in a million checkpoints.
pub const LEAVE_OUT_LOG10: f64 = 6.0;

/// Units of Λ in which evidence is kept: whole billionths, so that sums are exact in any order.
const UNIT: f64 = 1e9;

/// What draws of one miner under one checkpoint come to.
///
/// State of four numbers whatever was added. Restart it with each checkpoint: what a miner gained by long honesty
/// offsets later lies, and must not do so for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    draws: u64,
    lost: u64,
    /// Λ in billionths.
    expected: u64,
    /// The largest decimal logarithm so far, to a thousandth; not below 0, with which everybody begins.
    peak_log10: f64,
}

/// What follows from evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// Nothing.
    None,
    /// [`LOOK_CLOSER_LOG10`] is reached now.
    LookCloser,
    /// [`LEAVE_OUT_LOG10`] was reached at some moment.
    LeaveOut,
}

impl Evidence {
    /// Adds draws that were proven: how many, how many of them were lost, and Λ over them.
    ///
    /// A Λ that is no number, or negative, counts as 0 where nothing was lost, and the draws are ignored where something
    /// was: trouble of ours is no evidence.
    pub fn add(&mut self, draws: u64, lost: u64, expected: f64) {
        let sane = expected.is_finite() && expected >= 0.0 && (lost == 0 || expected > 0.0);
        if !sane && lost > 0 {
            return;
        }
        // Float to integer saturates; rounding up is on the miner's side.
        let units = if sane { (expected * UNIT).ceil() as u64 } else { 0 };
        self.draws = self.draws.saturating_add(draws);
        self.lost = self.lost.saturating_add(lost.min(draws));
        self.expected = self.expected.saturating_add(units);
        self.peak_log10 = self.peak_log10.max((self.log10() * 1e3).floor() / 1e3);
    }

    /// Decimal logarithm of E now; 0 at the start, below it for a miner that loses fewer draws than the bound allows.
    pub fn log10(&self) -> f64 {
        let (lost, expected) = (self.lost as f64, self.expected());
        let exponents = BETS.map(|bet| lost * libm::log(bet) - (bet - 1.0) * expected);
        let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Relative to the largest, so that nothing overflows.
        let sum: f64 = exponents.iter().map(|exponent| libm::exp(exponent - largest)).sum();
        (largest + libm::log(sum / BETS.len() as f64)) / std::f64::consts::LN_10
    }

    /// Decimal logarithm of the largest E at any moment after an addition, to a thousandth; at least 0.
    pub const fn peak_log10(&self) -> f64 {
        self.peak_log10
    }

    /// Draws added.
    pub const fn draws(&self) -> u64 {
        self.draws
    }

    /// Of these, lost.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Λ: most lost draws that honest drift explains on average.
    pub fn expected(&self) -> f64 {
        self.expected as f64 / UNIT
    }

    /// What follows.
    pub fn alarm(&self) -> Alarm {
        if self.peak_log10 >= LEAVE_OUT_LOG10 {
            Alarm::LeaveOut
        } else if self.log10() >= LOOK_CLOSER_LOG10 {
            Alarm::LookCloser
        } else {
            Alarm::None
        }
    }
}

#[cfg(test)]
mod tests;
