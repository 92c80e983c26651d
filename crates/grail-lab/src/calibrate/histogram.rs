use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sizes of many values, ten classes to a decade.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// Values that were looked at.
    pub count: u64,
    /// Those that are 0.
    pub zeros: u64,
    /// The others by class: class c holds values from `10^(c/10)` up to the next.
    pub classes: BTreeMap<i32, u64>,
    /// The largest.
    pub largest: f64,
}

/// Below this, values share a class.
const LEAST: f64 = 1e-9;

impl Histogram {
    /// Takes in a value; its sign does not matter.
    pub fn add(&mut self, value: f64) {
        let size = value.abs();
        self.count += 1;
        self.largest = self.largest.max(size);
        if size == 0.0 {
            self.zeros += 1;
        } else {
            let class = (10.0 * size.max(LEAST).log10()).floor();
            *self.classes.entry(class as i32).or_default() += 1;
        }
    }

    /// Takes in what another one holds.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.largest = self.largest.max(other.largest);
        for (class, count) in &other.classes {
            let sum = self.classes.entry(*class).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// The upper edge of the class below which this share of the values lies.
    pub fn quantile(&self, share: f64) -> f64 {
        let goal = share * self.count as f64;
        let mut seen = self.zeros as f64;
        if seen >= goal {
            return 0.0;
        }
        for (class, count) in &self.classes {
            seen += *count as f64;
            if seen >= goal {
                return 10f64.powf(f64::from(class + 1) / 10.0).min(self.largest);
            }
        }
        self.largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_tenths_of_decades() {
        let mut sizes = Histogram::default();
        [0.0, 0.001, -0.0011, 0.5].into_iter().for_each(|value| sizes.add(value));
        assert_eq!((sizes.count, sizes.zeros, sizes.largest), (4, 1, 0.5));
        assert_eq!(sizes.classes, BTreeMap::from([(-30, 2), (-4, 1)]));
        assert_eq!(sizes.quantile(0.25), 0.0);
        assert!((sizes.quantile(0.75) - 10f64.powf(-2.9)).abs() < 1e-9);
        let mut twice = sizes.clone();
        twice.merge(&sizes);
        assert_eq!((twice.count, twice.classes[&-30]), (8, 4));
    }
}
