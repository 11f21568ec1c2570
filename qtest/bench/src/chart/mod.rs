// SPDX-License-Identifier: GPL-2.0-or-later
//! Charts: in each panel a row for each case, in it a dot for each mode at its
//! median, and a line from its lowest run to its highest.
//!
//! Everything has a place of its own: titles and labels beside the plots, the
//! legend above all, and axes as long as the longest line.

mod axis;

use anyhow::{anyhow, Result};
use bench_report::Spread;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, TextStyle};

use axis::{number, Axis};

/// Pixels of a chart, across.
const WIDTH: i32 = 960;
/// Between things that don't belong together.
const GAP: i32 = 16;
/// Of a line of the legend, a panel's title, what marks are, and an axis with its name.
const LEGEND: i32 = 22;
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
        let places = self.places(&shown);
        let legend = places.last().map_or(0, |&(_, y)| y) + 2 * LEGEND;
        let size = (WIDTH as u32, (legend + all) as u32);
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let drawn = area.fill(&WHITE).map_err(Into::into).and_then(|()| {
                self.legend(&area, &shown, &places)?;
                let mut top = legend;
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

    /// Where in the legend the modes are, by lines.
    fn places(&self, shown: &[usize]) -> Vec<(i32, i32)> {
        let (mut x, mut y) = (GAP, LEGEND / 2);
        let place = |&mode: &usize| {
            let width = 32 + width_of(&self.modes[mode]);
            if x > GAP && x + width > WIDTH - GAP {
                (x, y) = (GAP, y + LEGEND);
            }
            let place = (x, y);
            x += width + 2 * GAP;
            place
        };
        shown.iter().map(place).collect()
    }

    fn legend(
        &self,
        area: &Area<'_>,
        shown: &[usize],
        places: &[(i32, i32)],
    ) -> Result<(), Box<dyn std::error::Error>> {
        let mut last = 0;
        for (&mode, &(x, y)) in shown.iter().zip(places) {
            dot(area, mode, [x, x + 12, x + 24], y)?;
            text(area, &self.modes[mode], (x + 32, y), HPos::Left, false)?;
            last = y;
        }
        let what = "dot: median; line: lowest to highest run";
        text(area, what, (GAP, last + LEGEND), HPos::Left, false)
    }
}

impl Panel {
    /// The rows of which there is something to show.
    fn rows(&self) -> impl Iterator<Item = &(String, Vec<Option<Spread>>)> {
        let is_there = |(_, spreads): &&(String, Vec<_>)| spreads.iter().any(Option::is_some);
        self.rows.iter().filter(is_there)
    }

    /// Of what is above the plot.
    fn head(&self) -> i32 {
        TITLE + if self.marks.is_empty() { 0 } else { MARKS }
    }

    fn height(&self, modes: usize) -> i32 {
        self.head() + self.rows().count() as i32 * row_height(modes) + AXIS + GAP
    }

    fn draw(
        &self,
        area: &Area<'_>,
        (left, top): (i32, i32),
        width: i32,
        shown: &[usize],
    ) -> Result<(), Box<dyn std::error::Error>> {
        let names = self
            .rows()
            .map(|(name, _)| width_of(name))
            .max()
            .unwrap_or(0);
        let plot_left = left + GAP + names + 10;
        let plot_right = left + width - 2 * GAP;
        let plot_top = top + self.head();
        let plot_bottom = plot_top + self.rows().count() as i32 * row_height(shown.len());
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
        for row in (0..self.rows().count()).step_by(2) {
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
        for (row, (name, spreads)) in self.rows().enumerate() {
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

fn row_height(modes: usize) -> i32 {
    modes as i32 * LINE + BETWEEN
}

/// A mode's colour: the rival's grey, then such as the colour-blind tell apart.
fn colour(mode: usize) -> RGBColor {
    const COLOURS: [RGBColor; 7] = [
        RGBColor(110, 110, 110),
        RGBColor(0, 114, 178),
        RGBColor(213, 94, 0),
        RGBColor(0, 158, 115),
        RGBColor(204, 121, 167),
        RGBColor(150, 120, 0),
        RGBColor(86, 180, 233),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legend_has_room_for_all() {
        let chart = Chart {
            title: String::new(),
            modes: (0..9)
                .map(|mode| format!("a mode whose name is {mode}"))
                .collect(),
            across: 1,
            panels: vec![],
        };
        let shown: Vec<_> = (0..9).collect();
        let places = chart.places(&shown);
        let end = |mode: usize| places[mode].0 + 32 + width_of(&chart.modes[mode]);
        assert!(shown.iter().all(|&mode| end(mode) <= WIDTH));
        for (mode, next) in (1..9).map(|next| (next - 1, next)) {
            let (of, then) = (places[mode], places[next]);
            assert!(then.1 > of.1 || then.0 > end(mode), "{of:?} {then:?}");
        }
        assert!(places[8].1 > places[0].1);
    }

    #[test]
    fn a_row_without_figures_takes_no_room() {
        let row = |name: &str, spread| (name.to_owned(), vec![spread]);
        let mut panel = Panel {
            title: "Seconds".into(),
            axis: "s".into(),
            scale: Scale::Linear,
            marks: vec![],
            rows: vec![row("a case", Spread::of(vec![1.0]))],
        };
        let height = panel.height(1);
        panel.rows.push(row("another", None));
        assert_eq!(panel.height(1), height);
    }
}
