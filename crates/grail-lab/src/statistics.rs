//! What counts of trials support, and how many tokens it takes to see a lie.

use serde::Serialize;

/// Confidence of every bound here.
pub const CONFIDENCE: f64 = 0.95;

/// Upper bound on the rate of something that came up `events` times in `trials`, at 95 % confidence; 1 without trials.
///
/// None in n trials supports 3/n, the rule of three; otherwise the bound of Clopper and Pearson, found by halving.
pub fn upper_bound(events: u64, trials: u64) -> f64 {
    if trials == 0 || events >= trials {
        return 1.0;
    }
    // The rate at which as few events as these come up with a chance of 5 %.
    let (mut low, mut high) = (events as f64 / trials as f64, 1.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if at_most(events, trials, middle) > 1.0 - CONFIDENCE { low = middle } else { high = middle }
    }
    high
}

/// Chance of at most `events` of `trials` at that rate.
fn at_most(events: u64, trials: u64, rate: f64) -> f64 {
    let (n, p) = (trials as f64, rate);
    // Terms by logarithms, each from the one before.
    let mut term = n * (-p).ln_1p();
    let mut sum = term.exp();
    for k in 1..=events {
        term += ((n - k as f64 + 1.0) / k as f64).ln() + p.ln() - (-p).ln_1p();
        sum += term.exp();
    }
    sum.min(1.0)
}

/// Tokens after which a test of lost draws tells a lie from the truth, on average, with one false alarm in a million:
/// `ln 10⁶ / KL(q ‖ ρ)`, for the anytime-valid test of the protocol book. `lost` of `draws` were lost, `expected` is the most
/// that honest drift explains. None where draws are lost no more often than that.
pub fn tokens_at_one_in_a_million(lost: u64, draws: u64, expected: f64) -> Option<f64> {
    if draws == 0 {
        return None;
    }
    let (q, rho) = (lost as f64 / draws as f64, expected / draws as f64);
    if !(q > rho && rho > 0.0 && rho < 1.0) {
        return None;
    }
    let rest = if q < 1.0 { (1.0 - q) * ((1.0 - q) / (1.0 - rho)).ln() } else { 0.0 };
    Some(1e6f64.ln() / (q * (q / rho).ln() + rest))
}

/// How long a lie lasts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Tokens up to and with the first refused rollout, in the median over where one begins to look. 0 where the file is
    /// refused before a token is looked at; none where nothing was refused.
    pub median: Option<u64>,
    /// The same in 99 of 100 cases.
    pub percentile_99: Option<u64>,
}

impl Waiting {
    /// From rollouts in their order: their tokens, and whether each is refused. Starts from which nothing is refused any
    /// more are left out.
    pub fn of(rollouts: &[(u64, bool)]) -> Self {
        let mut waits = Vec::with_capacity(rollouts.len());
        let mut waiting = None;
        for (tokens, refused) in rollouts.iter().rev() {
            waiting = if *refused { Some(*tokens) } else { waiting.map(|wait: u64| wait + tokens) };
            waits.extend(waiting);
        }
        waits.sort_unstable();
        let at = |share: usize| waits.get((waits.len() * share / 100).min(waits.len().saturating_sub(1)));
        Self { median: at(50).copied(), percentile_99: at(99).copied() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_n_trials_is_the_rule_of_three() {
        let bound = upper_bound(0, 20_000);
        assert!((bound * 20_000.0 - 2.9957).abs() < 1e-3, "{bound}");
        assert_eq!(upper_bound(0, 0), 1.0);
        // From tables: 1 in 100 supports 4.656 %, 5 in 50 supports 19.88 %.
        assert!((upper_bound(1, 100) - 0.046_56).abs() < 1e-4);
        assert!((upper_bound(5, 50) - 0.198_8).abs() < 1e-3);
    }

    #[test]
    fn more_lost_draws_are_seen_sooner() {
        let tokens = |lost| tokens_at_one_in_a_million(lost, 10_000, 100.0);
        assert_eq!(tokens(90), None);
        let (few, many) = (tokens(210).unwrap_or(0.0), tokens(1_940).unwrap_or(0.0));
        // The design note's table: 2.1 % in about 2,976 tokens, 19.4 % in about 35.
        assert!((2_700.0..3_300.0).contains(&few), "{few}");
        assert!((25.0..50.0).contains(&many), "{many}");
    }

    #[test]
    fn waiting_counts_the_tokens_up_to_the_refusal() {
        assert_eq!(Waiting::of(&[(10, false), (20, false), (5, true), (7, false)]).median, Some(25));
        assert_eq!(Waiting::of(&[(10, true), (20, true)]).median, Some(20));
        assert_eq!(Waiting::of(&[(10, false)]), Waiting::default());
    }
}
