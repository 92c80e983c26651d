//! The two axes of a picture: values upwards, numbered places to the right.

use super::text::{bytes, decimal, percent};

/// The values along the upright axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Values that have a line, with its words.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// From nothing to everything.
    pub(super) fn share() -> Self {
        let ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share, percent(Some(share))));
        Self { low: 0.0, high: 1.0, logarithmic: false, ticks: ticks.to_vec() }
    }

    /// Around zero and all values, with round ticks.
    pub(super) fn around(values: impl Iterator<Item = f64>) -> Self {
        Self::linear(values, |tick, step| {
            let digits = (0..6).find(|digits| {
                let scaled = step * 10f64.powi(*digits);
                (scaled - scaled.round()).abs() < 1e-6
            });
            decimal(Some(tick), digits.unwrap_or(6).unsigned_abs() as usize)
        })
    }

    /// For sizes: by powers of ten where they differ much, since a small one would be no bar at all.
    pub(super) fn sizes(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.filter(|value| value.is_finite() && *value >= 1.0).collect();
        let most = values.iter().copied().fold(1.0, f64::max);
        let least = values.iter().copied().fold(most, f64::min);
        if most / least < 20.0 {
            return Self::linear(values.into_iter(), |tick, _| bytes(tick));
        }
        // The least one still stands a little above the ground.
        let (low, high) = ((least * 0.7).log10().floor(), most.log10().ceil());
        let step = if high - low > 6.0 { 2 } else { 1 };
        let ticks = (low as i32..=high as i32).step_by(step).map(|power| {
            let tick = 10f64.powi(power);
            (tick, bytes(tick))
        });
        Self { low: 10f64.powf(low), high: 10f64.powf(high), logarithmic: true, ticks: ticks.collect() }
    }

    fn linear(values: impl Iterator<Item = f64>, label: impl Fn(f64, f64) -> String) -> Self {
        let (mut low, mut high) = (0.0_f64, 0.0_f64);
        for value in values.filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if high - low < 1e-9 || !(high - low).is_finite() {
            (low, high) = (0.0, 1.0);
        }
        let rough = (high - low) / 4.0;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 2.5, 5.0].into_iter().map(|part| part * power).find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let (first, last) = ((low / step).floor(), (high / step - 1e-9).ceil());
        let ticks = (first as i64..=last as i64).map(|tick| {
            let tick = tick as f64 * step;
            (tick, label(tick, step))
        });
        Self { low: first * step, high: last * step, logarithmic: false, ticks: ticks.collect() }
    }

    /// Whether equal steps are powers of ten.
    pub(super) const fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// Where a value lies between the ends, `0..=1`.
    pub(super) fn part(&self, value: f64) -> f64 {
        let part = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// The places along the flat axis, one for each number and equally wide.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slots {
    /// What the numbers are.
    pub(super) what: &'static str,
    /// Ascending, each once.
    pub(super) numbers: Vec<u64>,
}

impl Slots {
    /// The middle of a number's slot; one without a slot lies on the border between its neighbours.
    pub(super) fn place(&self, number: u64) -> f64 {
        match self.numbers.binary_search(&number) {
            Ok(slot) => slot as f64 + 0.5,
            Err(slot) => slot as f64,
        }
    }

    /// Slots that have a label: few enough for the longest one in so wide a picture, at round numbers if there are any.
    pub(super) fn labelled(&self, width: f64) -> impl Iterator<Item = (usize, u64)> {
        let longest = self.numbers.last().map_or(1, |last| last.to_string().len());
        let fit = (width / (longest as f64 * 9.0 + 16.0)).max(1.0) as usize;
        let enough = |step: &usize| self.numbers.len().div_ceil(*step) <= fit;
        let steps = (0..).flat_map(|power| [1, 2, 5].map(|part| part * 10usize.pow(power)));
        let step = steps.take(27).find(enough).unwrap_or(1).max(1);
        let between = match self.numbers.as_slice() {
            [first, second, ..] => second - first,
            _ => 1,
        };
        let round = between.saturating_mul(step as u64).max(1);
        let first = (0..step).find(|slot| self.numbers.get(*slot).is_some_and(|n| n.is_multiple_of(round)));
        self.numbers.iter().copied().enumerate().skip(first.unwrap_or(0)).step_by(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks.iter().map(|(_, label)| label.replace('\u{a0}', " ")).collect()
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        assert_eq!(labels(&Scale::around([0.1, 0.93].into_iter())), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(labels(&Scale::around([-0.4, 0.9].into_iter())), ["−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(&Scale::around([812.0].into_iter())), ["0", "250", "500", "750", "1,000"]);
        assert_eq!(labels(&Scale::around(std::iter::empty())), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(labels(&Scale::around([f64::NAN, 0.0].into_iter())).len(), 5);
    }

    #[test]
    fn sizes_that_differ_much_stand_on_powers_of_ten() {
        let scale = Scale::sizes([270e6, 2.1e6, 0.0].into_iter());
        assert_eq!(labels(&scale), ["1 MB", "10 MB", "100 MB", "1 GB"]);
        let scale = Scale::sizes([270e6, 200e6].into_iter());
        assert_eq!(labels(&scale), ["0 B", "100 MB", "200 MB", "300 MB"]);
        assert!(!Scale::sizes(std::iter::empty()).logarithmic);
    }

    #[test]
    fn labels_of_slots_are_few_and_round() {
        let slots = |numbers: Vec<u64>| Slots { what: "window", numbers };
        let labelled = |slots: Slots| slots.labelled(400.0).map(|(_, number)| number).collect::<Vec<_>>();
        assert_eq!(labelled(slots(vec![7])), [7]);
        assert_eq!(labelled(slots(Vec::new())), Vec::<u64>::new());
        assert_eq!(labelled(slots((1..=30).collect())), [5, 10, 15, 20, 25, 30]);
        let many = labelled(slots((0..1_000).map(|n| 5_000_010 + 30 * n).collect()));
        assert!(many.len() <= 6 && many.iter().all(|n| n.is_multiple_of(6_000)), "{many:?}");
    }

    #[test]
    fn a_number_without_a_slot_lies_between_its_neighbours() {
        let slots = Slots { what: "window", numbers: vec![10, 20] };
        assert_eq!([5, 10, 15, 20, 25].map(|n| slots.place(n)), [0.0, 0.5, 1.0, 1.5, 2.0]);
    }
}
