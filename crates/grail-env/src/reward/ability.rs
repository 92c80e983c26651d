//! What a model can do, from several answers to each of several problems.

/// The chance that at least one of `k` answers, drawn without return from `answers`, is among the `right` ones:
/// `1 − C(n − c, k) / C(n, k)`, from 0 to 1. `k` beyond the answers counts as all of them; without answers, and for `k = 0`, it
/// is 0. `right` beyond the answers counts as all of them.
///
/// Source: the unbiased estimator of Chen et al. 2021, "Evaluating large language models trained on code".
pub fn pass_at_k(answers: usize, right: usize, k: usize) -> f64 {
    let k = k.min(answers);
    let right = right.min(answers);
    // C(n − c, k) / C(n, k) is the product of (n − c − i) / (n − i): no factorial, no overflow.
    let miss: f64 =
        (0..k).map(|i| (answers - right).saturating_sub(i) as f64 / (answers - i) as f64).product();
    if k == 0 { 0.0 } else { 1.0 - miss }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_try_is_the_share_of_right_answers_and_all_tries_find_any() {
        for right in 0..=8 {
            assert!((pass_at_k(8, right, 1) - right as f64 / 8.0).abs() < 1e-12);
            assert_eq!(pass_at_k(8, right, 8), f64::from(u8::from(right > 0)));
            assert_eq!(pass_at_k(8, right, 80), pass_at_k(8, right, 8));
        }
        assert_eq!(pass_at_k(0, 0, 3), 0.0);
    }
}
