// SPDX-License-Identifier: GPL-2.0-or-later
//! Medians, and how far runs are apart.

use serde::{Deserialize, Serialize};

/// The middle of several values, and how far they are apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The lowest.
    pub min: f64,
    /// The middle one, or the mean of the two.
    pub median: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// The spread of at least one value.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let upper = values.len() / 2;
        let lower = (values.len() - 1) / 2;
        let median = (values[lower] + values[upper]) / 2.0;
        Some(Self { min, median, max })
    }

    /// The same in another unit.
    pub fn scaled(self, factor: f64) -> Self {
        let Self { min, median, max } = self;
        Self {
            min: min * factor,
            median: median * factor,
            max: max * factor,
        }
    }

    /// (highest - lowest) / median, in percent.
    pub fn percent(self) -> f64 {
        (self.max - self.min) / self.median * 100.0
    }
}

/// The value that this share of `sorted` doesn't exceed, if there is any.
pub fn quantile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let rank = (sorted.len() as f64 * share).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let odd = Spread::of(vec![3.0, 1.0, 2.0]).expect("three values");
        let [min, median, max] = [1.0, 2.0, 3.0];
        assert_eq!(odd, Spread { min, median, max });
        assert_eq!(odd.percent(), 100.0);
        let even = Spread::of(vec![4.0, 1.0, 2.0, 3.0]).expect("four values");
        assert_eq!(even.median, 2.5);
        assert_eq!(Spread::of(vec![]), None);
    }

    #[test]
    fn quantiles() {
        let sorted: Vec<u32> = (1..=200).collect();
        assert_eq!(quantile(&sorted, 0.0), Some(1));
        assert_eq!(quantile(&sorted, 0.5), Some(100));
        assert_eq!(quantile(&sorted, 0.99), Some(198));
        assert_eq!(quantile(&sorted, 1.0), Some(200));
        assert_eq!(quantile::<u32>(&[], 0.5), None);
    }
}
