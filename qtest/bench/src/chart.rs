// SPDX-License-Identifier: GPL-2.0-or-later
//! Charts: in each panel a row for each case, in it a dot for each mode at its
//! median, and a line from its lowest run to its highest.
//!
//! Everything has a place of its own: titles and labels beside the plots, the
//! legend above all, and axes as long as the longest line.

use anyhow::{anyhow, Result};
use bench_report::Spread;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, TextStyle};

/// Pixels of a chart, across.
const WIDTH: i32 = 960;
/// Between things that don't belong together.
const GAP: i32 = 16;
/// Of the legend, a panel's title, what marks are, and an axis with its name.
const LEGEND: i32 = 28;
const TITLE: i32 = 26;
const MARKS: i32 = 16;
const AXIS: i32 = 44;
/// Of a mode's line, and between rows.
const LINE: i32 = 10;
const BETWEEN: i32 = 10;
/// Of letters.
const TEXT: i32 = 13;

/// Several panels with the same modes.
pub struct Chart {
    /// What it is about, for those who don't see it.
    pub title: String,
    /// Names of the modes.
    pub modes: Vec<String>,
    /// How many panels are beside each other.
    pub across: usize,
    pub panels: Vec<Panel>,
}

/// A figure of several cases.
pub struct Panel {
    /// What it shows, and what is better.
    pub title: String,
    /// What the axis counts.
    pub axis: String,
    pub scale: Scale,
    /// Values that are marked, and what they are.
    pub marks: Vec<(f64, String)>,
    /// The cases, with a spread for each mode that has one.
    pub rows: Vec<(String, Vec<Option<Spread>>)>,
}

/// How an axis goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// From 0, by the same amount.
    Linear,
    /// By the same factor.
    Log,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Chart {
    /// The chart as SVG.
    pub fn svg(&self) -> Result<String> {
        let mut svg = String::new();
        let shown = self.shown();
        let bands: Vec<_> = self.panels.chunks(self.across).collect();
        let height = |band: &[Panel]| {
            band.iter()
                .map(|panel| panel.height(shown.len()))
                .max()
                .unwrap_or(0)
        };
        let all: i32 = bands.iter().map(|band| height(band)).sum();
        let size = (WIDTH as u32, (LEGEND + all) as u32);
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let drawn = area.fill(&WHITE).map_err(Into::into).and_then(|()| {
                self.legend(&area, &shown)?;
                let mut top = LEGEND;
                for band in bands {
                    let width = WIDTH / self.across as i32;
                    for (column, panel) in band.iter().enumerate() {
                        panel.draw(&area, (column as i32 * width, top), width, &shown)?;
                    }
                    top += height(band);
                }
                area.present().map_err(Into::into)
            });
            drawn.map_err(|error: Box<dyn std::error::Error>| anyhow!("drawing: {error}"))?;
        }
        Ok(svg)
    }

    /// Numbers of the modes of which there is something to show.
    fn shown(&self) -> Vec<usize> {
        let rows = || self.panels.iter().flat_map(|panel| &panel.rows);
        let is_there = |mode: &usize| {
            rows().any(|(_, spreads)| spreads.get(*mode).is_some_and(Option::is_some))
        };
        (0..self.modes.len()).filter(is_there).collect()
    }

    fn legend(&self, area: &Area<'_>, shown: &[usize]) -> Result<(), Box<dyn std::error::Error>> {
        let (mut x, y) = (GAP, LEGEND / 2);
        for &mode in shown {
            let name = &self.modes[mode];
            dot(area, mode, [x, x + 12, x + 24], y)?;
            text(area, name, (x + 32, y), HPos::Left, false)?;
            x += 32 + width_of(name) + 2 * GAP;
        }
        let what = "dot: median; line: lowest to highest run";
        text(area, what, (WIDTH - GAP, y), HPos::Right, false)
    }
}

impl Panel {
    /// Of what is above the plot.
    fn head(&self) -> i32 {
        TITLE + if self.marks.is_empty() { 0 } else { MARKS }
    }

    fn height(&self, modes: usize) -> i32 {
        self.head() + self.rows.len() as i32 * row_height(modes) + AXIS + GAP
    }

    fn draw(
        &self,
        area: &Area<'_>,
        (left, top): (i32, i32),
        width: i32,
        shown: &[usize],
    ) -> Result<(), Box<dyn std::error::Error>> {
        let names = self
            .rows
            .iter()
            .map(|(name, _)| width_of(name))
            .max()
            .unwrap_or(0);
        let plot_left = left + GAP + names + 10;
        let plot_right = left + width - 2 * GAP;
        let plot_top = top + self.head();
        let plot_bottom = plot_top + self.rows.len() as i32 * row_height(shown.len());
        let axis = Axis::over(self);
        let at = |value: f64| {
            plot_left + (axis.place(value) * f64::from(plot_right - plot_left)).round() as i32
        };

        text(
            area,
            &self.title,
            (left + GAP, top + TITLE / 2),
            HPos::Left,
            true,
        )?;
        for (row, _) in self.rows.iter().enumerate().filter(|(row, _)| row % 2 == 0) {
            let row_top = plot_top + row as i32 * row_height(shown.len());
            let band = [
                (plot_left, row_top),
                (plot_right, row_top + row_height(shown.len())),
            ];
            area.draw(&Rectangle::new(band, RGBColor(244, 244, 244).filled()))?;
        }
        for tick in axis.ticks() {
            let x = at(tick);
            let line = vec![(x, plot_top), (x, plot_bottom + 4)];
            area.draw(&PathElement::new(line, RGBColor(215, 215, 215)))?;
            text(
                area,
                &number(tick),
                (x, plot_bottom + 13),
                HPos::Center,
                false,
            )?;
        }
        let middle = (plot_left + plot_right) / 2;
        text(
            area,
            &self.axis,
            (middle, plot_bottom + 32),
            HPos::Center,
            false,
        )?;
        for (value, name) in &self.marks {
            let value = *value;
            let line = vec![(at(value), plot_top), (at(value), plot_bottom)];
            area.draw(&PathElement::new(line, BLACK.mix(0.6).stroke_width(1)))?;
            text(area, name, (at(value), plot_top - 5), HPos::Center, false)?;
        }
        for (row, (name, spreads)) in self.rows.iter().enumerate() {
            let row_top = plot_top + row as i32 * row_height(shown.len());
            let place = (plot_left - 8, row_top + row_height(shown.len()) / 2);
            text(area, name, place, HPos::Right, false)?;
            for (line, &mode) in shown.iter().enumerate() {
                if let Some(Spread { min, median, max }) = spreads[mode] {
                    let y = row_top + BETWEEN / 2 + LINE / 2 + line as i32 * LINE;
                    dot(area, mode, [min, median, max].map(at), y)?;
                }
            }
        }
        Ok(())
    }

    /// All that is to be on the axis.
    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        let spreads = self
            .rows
            .iter()
            .flat_map(|(_, spreads)| spreads.iter().flatten());
        let ends = spreads.flat_map(|spread| [spread.min, spread.max]);
        ends.chain(self.marks.iter().map(|&(value, _)| value))
    }
}

/// Where on a line values are.
struct Axis {
    scale: Scale,
    first: f64,
    last: f64,
}

impl Axis {
    /// One that has room for all of a panel.
    fn over(panel: &Panel) -> Self {
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
    fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.first) / (self.last - self.first),
            Scale::Log => (value / self.first).ln() / (self.last / self.first).ln(),
        }
    }

    /// Round values on it, as many as have room.
    fn ticks(&self) -> Vec<f64> {
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

fn row_height(modes: usize) -> i32 {
    modes as i32 * LINE + BETWEEN
}

/// A mode's colour: the rival's grey, then such as the colour-blind tell apart.
fn colour(mode: usize) -> RGBColor {
    const COLOURS: [RGBColor; 6] = [
        RGBColor(110, 110, 110),
        RGBColor(0, 114, 178),
        RGBColor(213, 94, 0),
        RGBColor(0, 158, 115),
        RGBColor(204, 121, 167),
        RGBColor(150, 120, 0),
    ];
    COLOURS[mode % COLOURS.len()]
}

/// A line between the outer two of three places, and a dot at the middle one.
fn dot(
    area: &Area<'_>,
    mode: usize,
    [low, middle, high]: [i32; 3],
    y: i32,
) -> Result<(), Box<dyn std::error::Error>> {
    let colour = colour(mode);
    area.draw(&PathElement::new(
        vec![(low, y), (high, y)],
        colour.mix(0.55).stroke_width(2),
    ))?;
    area.draw(&Circle::new((middle, y), 4, colour.filled()))?;
    Ok(())
}

fn text(
    area: &Area<'_>,
    text: &str,
    place: (i32, i32),
    side: HPos,
    bold: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let style = if bold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    let font = ("sans-serif", TEXT, style);
    let style = TextStyle::from(font.into_font()).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), place, style))?;
    Ok(())
}

/// Pixels of a text in the widest of the usual fonts.
fn width_of(text: &str) -> i32 {
    (text.chars().count() as f64 * f64::from(TEXT) * 0.62) as i32
}

/// Without trailing zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
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
