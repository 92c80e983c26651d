//! The check of claimed log-probabilities: the median of their deviations.

/// Largest median of `exp(|Δ|) − 1`.
pub const MOST: f64 = 0.10;

/// The median of `exp(|model − claimed|) − 1` over pairs of log-probabilities; the mean of the middle two where their
/// number is even. None without pairs, for a NaN, and where a finite difference overflows.
pub fn median_deviation(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    let mut deviations = Vec::new();
    for (model, claimed) in pairs {
        let apart = (model - claimed).abs();
        let deviation = apart.exp() - 1.0;
        if deviation.is_nan() || (deviation.is_infinite() && apart.is_finite()) {
            return None;
        }
        deviations.push(deviation);
    }
    deviations.sort_by(f64::total_cmp);
    let half = deviations.len() / 2;
    let upper = deviations.get(half)?;
    match deviations.len() % 2 {
        1 => Some(*upper),
        _ => Some((deviations.get(half.checked_sub(1)?)? + upper) / 2.0),
    }
}

/// Whether claims pass.
pub fn passes(pairs: impl IntoIterator<Item = (f64, f64)>) -> bool {
    median_deviation(pairs).is_some_and(|median| median <= MOST)
}
