// SPDX-License-Identifier: GPL-2.0-or-later
//! The axis of a panel: where values are on it, and which are written beside it.

use super::{Panel, Scale};

/// Where on a line values are.
pub struct Axis {
    scale: Scale,
    first: f64,
    last: f64,
}

impl Axis {
    /// One that has room for all of a panel.
    pub fn over(panel: &Panel) -> Self {
        let scale = panel.scale;
        let highest = panel.values().fold(f64::MIN, f64::max);
        let lowest = panel.values().fold(f64::MAX, f64::min);
        let (first, last) = match scale {
            _ if highest <= 0.0 || !highest.is_finite() => (0.0, 1.0),
            Scale::Log if lowest > 0.0 => (lowest / 1.1, highest * 1.1),
            Scale::Log | Scale::Linear => (lowest.min(0.0), highest * 1.03),
        };
        let scale = if first > 0.0 { scale } else { Scale::Linear };
        Self { scale, first, last }
    }

    /// 0 for its begin to 1 for its end.
    pub fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.first) / (self.last - self.first),
            Scale::Log => (value / self.first).ln() / (self.last / self.first).ln(),
        }
    }

    /// Round values on it, as many as have room.
    pub fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => self.even_ticks(),
            Scale::Log => {
                let sets: [&[f64]; 5] = [
                    &[
                        1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0,
                    ],
                    &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
                    &[1.0, 2.0, 5.0],
                    &[1.0, 3.0],
                    &[1.0],
                ];
                let [finer @ .., last] = sets.map(|digits| self.log_ticks(digits));
                let fits = |ticks: &Vec<f64>| ticks.len() <= 8;
                finer.into_iter().find(fits).unwrap_or(last)
            }
        }
    }

    fn even_ticks(&self) -> Vec<f64> {
        let rough = (self.last - self.first) / 8.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        let step = step
            .into_iter()
            .find(|&step| step >= rough)
            .unwrap_or(rough);
        let from = (self.first / step).ceil() as i64;
        let to = (self.last / step).floor() as i64;
        (from..=to).map(|count| count as f64 * step).collect()
    }

    fn log_ticks(&self, digits: &[f64]) -> Vec<f64> {
        let powers = self.first.log10().floor() as i32..=self.last.log10().ceil() as i32;
        let ticks = powers.flat_map(|power| {
            digits.iter().map(move |digit| match power {
                // Dividing gives the number nearest to 0.2, multiplying doesn't.
                ..0 => digit / 10f64.powi(-power),
                _ => digit * 10f64.powi(power),
            })
        });
        ticks
            .filter(|tick| (self.first..=self.last).contains(tick))
            .collect()
    }
}

/// Without trailing zeros.
pub fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use bench_report::Spread;

    use super::*;

    fn panel(scale: Scale, values: &[f64]) -> Panel {
        let spread = |&value: &f64| Spread::of(vec![value]);
        Panel {
            title: "Seconds".into(),
            axis: "s".into(),
            scale,
            marks: vec![],
            rows: vec![("a case".into(), values.iter().map(spread).collect())],
        }
    }

    #[test]
    fn nothing_is_off_the_scale() {
        for scale in [Scale::Linear, Scale::Log] {
            for values in [&[0.001, 30.0][..], &[0.9, 1.1], &[5.0], &[1e-3, 1e6]] {
                let axis = Axis::over(&panel(scale, values));
                assert!(values
                    .iter()
                    .all(|&value| (0.0..=1.0).contains(&axis.place(value))));
                let ticks = axis.ticks();
                assert!((1..=10).contains(&ticks.len()), "{values:?}: {ticks:?}");
                assert!(ticks
                    .iter()
                    .all(|&tick| (0.0..=1.0).contains(&axis.place(tick))));
            }
        }
        assert!(Axis::over(&panel(Scale::Linear, &[-4.0, 9.0])).place(-4.0) >= 0.0);
        // What has no logarithm is drawn evenly, and no values at all are no panic.
        assert_eq!(
            Axis::over(&panel(Scale::Log, &[0.0, 9.0])).scale,
            Scale::Linear
        );
        assert!(!Axis::over(&panel(Scale::Log, &[])).ticks().is_empty());
    }

    #[test]
    fn ticks_are_round_numbers() {
        let texts = |scale, values: &[f64]| {
            let ticks = Axis::over(&panel(scale, values)).ticks();
            ticks.into_iter().map(number).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(texts(Scale::Linear, &[65.0]), "0 10 20 30 40 50 60");
        assert_eq!(
            texts(Scale::Log, &[0.2, 2.2]),
            "0.2 0.3 0.4 0.5 0.7 1 1.5 2"
        );
        assert_eq!(texts(Scale::Log, &[0.01, 12.0]), "0.01 0.03 0.1 0.3 1 3 10");
        assert_eq!(texts(Scale::Log, &[0.8, 1.4]), "0.8 0.9 1 1.2 1.4");
    }
}
