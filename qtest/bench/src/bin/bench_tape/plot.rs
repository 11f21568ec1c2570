// SPDX-License-Identifier: GPL-2.0-or-later
//! The plot: rates over the block length, writing and reading.

use std::path::Path;

use annex_bench::Spread;
use anyhow::{anyhow, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::cases::{length, Device, Operation, BLOCKS};
use crate::results::Results;

const SIZE: (u32, u32) = (960, 400);
const FONT: &str = "sans-serif";

/// Writes the SVG.
pub fn draw(results: &Results, path: &Path) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
    let panels = root.split_evenly((1, 2));
    for (panel, operation) in panels.iter().zip(Operation::ALL) {
        draw_panel(panel, results, operation)
            .map_err(|error| anyhow!("plotting {operation}: {error}"))?;
    }
    root.present()
        .map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// A line for each device, with a bar from the slowest run to the fastest.
fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    results: &Results,
    operation: Operation,
) -> Result<(), Box<dyn std::error::Error>> {
    let points = |device| -> Vec<(f64, Spread)> {
        let point = |&block| Some((block as f64, results.rate(device, operation, block)?));
        BLOCKS.iter().filter_map(point).collect()
    };
    let spreads: Vec<Spread> = Device::ALL
        .into_iter()
        .flat_map(points)
        .map(|(_, s)| s)
        .collect();
    let lowest = spreads.iter().map(|s| s.min).fold(f64::INFINITY, f64::min);
    let highest = spreads.iter().map(|s| s.max).fold(0.0, f64::max);
    let (first, last) = (BLOCKS[0] as f64, BLOCKS[BLOCKS.len() - 1] as f64);

    let mut chart = ChartBuilder::on(area)
        .caption(format!("MiB/s, {operation}"), (FONT, 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(
            (first / 1.5..last * 1.5).log_scale(),
            (lowest / 1.5..highest * 1.5).log_scale(),
        )?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .set_tick_mark_size(LabelAreaPosition::Bottom, 0)
        .x_label_formatter(&|_| String::new())
        .x_desc("bytes in a block")
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 14))
        .y_label_formatter(&|rate| format!("{rate}"))
        .max_light_lines(0)
        .bold_line_style(BLACK.mix(0.1))
        .draw()?;
    // The lengths that were measured, instead of powers of ten.
    let style = (FONT, 14).into_text_style(area).color(&BLACK);
    for block in BLOCKS {
        let (x, y) = chart.backend_coord(&(block as f64, lowest / 1.5));
        let text = length(block);
        let (width, _) = area.estimate_text_size(&text, &style)?;
        area.draw_text(
            &text,
            &style,
            (x - area.get_base_pixel().0 - width as i32 / 2, y + 4),
        )?;
    }
    for (device, colour) in Device::ALL.into_iter().zip([RED, RGBColor(120, 120, 120)]) {
        let points = points(device);
        let medians = points.iter().map(|(block, spread)| (*block, spread.median));
        chart
            .draw_series(LineSeries::new(medians, colour.stroke_width(2)).point_size(4))?
            .label(device.to_string())
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2))
            });
        chart.draw_series(points.iter().map(|(block, spread)| {
            let whisker = vec![(*block, spread.min), (*block, spread.max)];
            PathElement::new(whisker, colour.stroke_width(1))
        }))?;
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
