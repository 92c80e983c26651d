use serde::{Deserialize, Serialize};
use std::fmt;

/// Trailing characters (Unicode scalar values) from which on [`Component::NoTrailing`] pays nothing.
pub const TRAILING_LIMIT: u32 = 200;

/// One of the four things that a completion is paid for. Each is worth a whole number of thousandths and has a weight in
/// whole hundredths.
///
/// Source: the reward of the original's seed page, 0.7 correctness, 0.15 thinking, 0.1 answer, 0.05 no trailing text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// The answer is right: 1 or 0.
    Correctness,
    /// The working-out tag was closed: 0.5 or 0.
    Thinking,
    /// An answer block is there: 0.3 or 0.
    Answer,
    /// Little or nothing follows the answer block: 0.2, less 0.001 for each character after it; 0 without a block.
    NoTrailing,
}

impl Component {
    /// All components in the order in which they are reported.
    pub const ALL: [Self; 4] = [Self::Correctness, Self::Thinking, Self::Answer, Self::NoTrailing];

    /// Weight in hundredths; the four sum to 100.
    pub const fn weight_hundredths(self) -> u32 {
        match self {
            Self::Correctness => 70,
            Self::Thinking => 15,
            Self::Answer => 10,
            Self::NoTrailing => 5,
        }
    }

    /// Largest value in thousandths; the smallest is 0.
    pub const fn most_thousandths(self) -> u32 {
        match self {
            Self::Correctness => 1_000,
            Self::Thinking => 500,
            Self::Answer => 300,
            Self::NoTrailing => TRAILING_LIMIT,
        }
    }

    /// Name in reports and JSON: `correctness`, `thinking`, `answer`, `no_trailing`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Correctness => "correctness",
            Self::Thinking => "thinking",
            Self::Answer => "answer",
            Self::NoTrailing => "no_trailing",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What one completion earned, component by component, before weighting.
///
/// Made from facts only, so every vector is one that a completion can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RewardVector {
    correct: bool,
    thinking: bool,
    /// Characters after the answer block, capped at the limit; `None` without a block.
    trailing: Option<u32>,
}

impl RewardVector {
    /// The vector of a completion.
    ///
    /// `correct`: the answer is right. `thinking`: the working-out tag was closed. `trailing`: Unicode scalar values
    /// after the answer block, or `None` when there is no block; without a block there is no answer to be right, so
    /// `correct` is then taken as false.
    pub const fn new(correct: bool, thinking: bool, trailing: Option<usize>) -> Self {
        let trailing = match trailing {
            None => None,
            Some(count) if count >= TRAILING_LIMIT as usize => Some(TRAILING_LIMIT),
            Some(count) => Some(count as u32),
        };
        Self { correct: correct && trailing.is_some(), thinking, trailing }
    }

    /// One component in thousandths, before weighting: `0..=most_thousandths`.
    pub const fn thousandths(&self, component: Component) -> u32 {
        let most = component.most_thousandths();
        match (component, self.trailing) {
            (Component::Correctness, _) if self.correct => most,
            (Component::Thinking, _) if self.thinking => most,
            (Component::Answer, Some(_)) => most,
            (Component::NoTrailing, Some(trailing)) => most.saturating_sub(trailing),
            _ => 0,
        }
    }

    /// One component before weighting, for people and metrics: 0 to 1.
    pub fn value(&self, component: Component) -> f64 {
        f64::from(self.thousandths(component)) / 1_000.0
    }

    /// The reward: Σ value · weight, exact: thousandths times hundredths are hundred-thousandths.
    pub const fn total(&self) -> Reward {
        let mut sum = 0;
        let mut rest: &[Component] = &Component::ALL;
        while let [component, others @ ..] = rest {
            sum += self.thousandths(*component) * component.weight_hundredths();
            rest = others;
        }
        Reward(sum)
    }
}

/// A reward in whole hundred-thousandths: `0..=81_500`, which is 0 to 0.815. Made by [`RewardVector::total`] alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reward(u32);

impl Reward {
    /// Hundred-thousandths in a reward of one.
    pub const UNIT: u32 = 100_000;
    /// The least reward.
    pub const ZERO: Self = Self(0);
    /// The largest reward that any completion can have: 0.815.
    pub const MAX: Self = RewardVector::new(true, true, Some(0)).total();

    /// The integer: hundred-thousandths, as verdict files carry it.
    pub const fn hundred_thousandths(self) -> u32 {
        self.0
    }

    /// The nearest double to the exact reward, 0 to 0.815: what a trainer computes with.
    pub fn as_f64(self) -> f64 {
        // Both operands are exact, so this single division is correctly rounded.
        f64::from(self.0) / f64::from(Self::UNIT)
    }

    /// The value that a window file carries: the double of [`Reward::as_f64`] rounded to the nearest f32.
    #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is the rule")]
    pub fn as_f32(self) -> f32 {
        self.as_f64() as f32
    }

    /// Whether a claimed f32 is this reward, bit for bit. NaN and −0 never are.
    pub fn equals_claim(self, claimed: f32) -> bool {
        self.as_f32().to_bits() == claimed.to_bits()
    }
}

impl fmt::Display for Reward {
    /// Five decimals, exact: `0.81500`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:05}", self.0 / Self::UNIT, self.0 % Self::UNIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn weights_sum_to_one_and_the_range_is_as_published() {
        assert_eq!(Component::ALL.iter().map(|c| c.weight_hundredths()).sum::<u32>(), 100);
        assert_eq!(Reward::MAX.to_string(), "0.81500");
        assert_eq!(RewardVector::new(false, false, None).total(), Reward::ZERO);
    }

    #[test]
    fn each_component_pays_what_the_table_says() {
        let cases = [
            // correct, thinking, trailing, hundred-thousandths
            (true, true, Some(0), 81_500),
            (true, false, Some(0), 74_000),
            (false, true, Some(0), 11_500),
            (false, true, None, 7_500),
            (false, false, Some(0), 4_000),
            (true, true, Some(1), 81_495),
            (true, true, Some(199), 80_505),
            (true, true, Some(200), 80_500),
            (true, true, Some(usize::MAX), 80_500),
        ];
        for (correct, thinking, trailing, want) in cases {
            let got = RewardVector::new(correct, thinking, trailing).total().hundred_thousandths();
            assert_eq!(got, want, "{correct} {thinking} {trailing:?}");
        }
    }

    #[test]
    fn nothing_is_right_without_an_answer_block() {
        assert_eq!(RewardVector::new(true, false, None), RewardVector::new(false, false, None));
    }

    #[test]
    fn claims_are_compared_bit_for_bit() {
        assert!(Reward::MAX.equals_claim(0.815));
        assert!(Reward::ZERO.equals_claim(0.0));
        for lie in [f32::NAN, f32::INFINITY, 0.815_000_1, 0.814_999_9, -0.815] {
            assert!(!Reward::MAX.equals_claim(lie), "{lie}");
        }
        assert!(!Reward::ZERO.equals_claim(-0.0));
    }

    proptest! {
        #[test]
        fn the_total_equals_the_weighted_sum_and_stays_in_range(
            correct: bool, thinking: bool, trailing in proptest::option::of(0usize..400),
        ) {
            let vector = RewardVector::new(correct, thinking, trailing);
            let float: f64 = Component::ALL
                .iter()
                .map(|&c| vector.value(c) * f64::from(c.weight_hundredths()) / 100.0)
                .sum();
            let total = vector.total();
            prop_assert!((total.as_f64() - float).abs() < 1e-12);
            prop_assert!(total >= Reward::ZERO && total <= Reward::MAX);
            for c in Component::ALL {
                prop_assert!(vector.thousandths(c) <= c.most_thousandths());
            }
        }

        #[test]
        fn more_trailing_text_never_pays_more(a in 0usize..500, b in 0usize..500) {
            let (less, more) = (a.min(b), a.max(b));
            let pay = |n| RewardVector::new(true, true, Some(n)).total();
            prop_assert!(pay(less) >= pay(more));
        }
    }
}
