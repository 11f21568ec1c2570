// SPDX-License-Identifier: GPL-2.0-or-later
//! The plot: throughput of direct's, and latency, without a guest.

use std::path::Path;

use annex_bench::Spread;
use anyhow::{anyhow, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::cases::Case;
use crate::results::Results;
use crate::tables::RATIO;
use crate::ways::{Mode, Way};

const SIZE: (u32, u32) = (960, 880);
const FONT: &str = "sans-serif";

/// Writes the SVG.
pub fn draw(results: &Results<Case, Mode>, path: &Path) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
    let (many, single): (Vec<_>, Vec<_>) = (results.many().collect(), results.single().collect());
    let (top, bottom) = root.split_vertically(660);
    let ratio = |case, mode| results.ratio(case, mode);
    let latency = |case, mode| results.latency(case, mode);
    panel(
        &top,
        "Requests a second, of direct's",
        &many,
        &Mode::ALL[1..],
        ratio,
        Some(RATIO),
    )
    .and_then(|()| {
        panel(
            &bottom,
            "Median latency, µs",
            &single,
            Mode::ALL,
            latency,
            None,
        )
    })
    .map_err(|error| anyhow!("plotting: {error}"))?;
    root.present()
        .map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn colour(mode: Mode) -> RGBColor {
    match mode {
        Mode::Direct => RGBColor(150, 150, 150),
        Mode::Isolated => RGBColor(40, 110, 190),
        Mode::Relayed => RGBColor(220, 120, 30),
        Mode::Polling => RGBColor(60, 150, 80),
    }
}

/// A bar for each case and mode, with a whisker from the lowest run to the
/// highest, and a line where the target is.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    cases: &[Case],
    modes: &[Mode],
    value: impl Fn(Case, Mode) -> Option<Spread>,
    target: Option<f64>,
) -> Result<(), Box<dyn std::error::Error>> {
    let medians = cases.iter().flat_map(|&case| {
        modes.iter().filter_map({
            let value = &value;
            move |&mode| value(case, mode)
        })
    });
    let highest = medians
        .map(|spread| spread.median)
        .fold(target.unwrap_or(0.0), f64::max)
        * 1.2;
    let rows = cases.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 18))
        .margin(12)
        .x_label_area_size(24)
        .y_label_area_size(250)
        .build_cartesian_2d(0.0..highest, rows..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .set_tick_mark_size(LabelAreaPosition::Left, 0)
        .label_style((FONT, 14))
        .max_light_lines(0)
        .bold_line_style(BLACK.mix(0.1))
        .draw()?;
    let style = (FONT, 13)
        .into_text_style(area)
        .pos(Pos::new(HPos::Right, VPos::Center));
    let (left, top) = area.get_base_pixel();
    for (row, case) in cases.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(0.0, row as f64 + 0.5));
        area.draw_text(&case.to_string(), &style, (x - left - 8, y - top))?;
    }
    let height = 0.8 / modes.len() as f64;
    for (index, &mode) in modes.iter().enumerate() {
        let bars: Vec<(f64, Spread)> = cases
            .iter()
            .enumerate()
            .filter_map(|(row, &case)| {
                Some((row as f64 + 0.1 + index as f64 * height, value(case, mode)?))
            })
            .collect();
        let fill = colour(mode);
        chart
            .draw_series(bars.iter().map(|(y, spread)| {
                Rectangle::new([(0.0, *y), (spread.median, y + height)], fill.filled())
            }))?
            .label(mode.to_string())
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], fill.filled()));
        chart.draw_series(bars.iter().map(|(y, spread)| {
            let y = y + height / 2.0;
            let whisker = vec![(spread.min, y), (spread.max.min(highest), y)];
            PathElement::new(whisker, BLACK.stroke_width(1))
        }))?;
    }
    if let Some(target) = target {
        let line = vec![(target, 0.0), (target, rows)];
        chart.draw_series([PathElement::new(line, RED.stroke_width(1))])?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .label_font((FONT, 14))
        .draw()?;
    Ok(())
}
