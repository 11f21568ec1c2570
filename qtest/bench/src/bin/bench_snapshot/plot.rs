// SPDX-License-Identifier: GPL-2.0-or-later
//! The plot: two figures over the size of RAM, page cache warm and cold.

use std::path::Path;

use annex_bench::Spread;
use annex_qtest::snapshot::Mode;
use anyhow::{anyhow, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::cache::Cache;
use crate::cases::{Guest, MODES};
use crate::results::{Figure, Results, TO_LOADED, TO_RUN};

const SIZE: (u32, u32) = (960, 720);
const FONT: &str = "sans-serif";

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes the SVG.
pub fn draw(results: &Results, path: &Path) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    let fill = root.fill(&WHITE);
    fill.map_err(|error| anyhow!("{error}"))?;
    let panels = root.split_evenly((2, 2));
    let rows: [(&str, Figure); 2] = [
        ("until the VM runs", TO_RUN),
        ("until all is loaded", TO_LOADED),
    ];
    for (row, (what, figure)) in rows.into_iter().enumerate() {
        for (column, cache) in [Cache::Warm, Cache::Cold].into_iter().enumerate() {
            let title = format!("Seconds {what}, {cache} cache");
            let legend = row == 0;
            panel(
                &panels[row * 2 + column],
                &title,
                results,
                cache,
                figure,
                legend,
            )
            .map_err(|error| anyhow!("plotting {title}: {error}"))?;
        }
    }
    root.present()
        .map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// One line per mode, with a bar from the lowest run to the highest.
fn panel(
    area: &Panel<'_>,
    title: &str,
    results: &Results,
    cache: Cache,
    figure: Figure,
    legend: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let guests: Vec<&Guest> = results
        .guests()
        .into_iter()
        .filter(|g| g.is_full())
        .collect();
    let gib = |guest: &Guest| guest.mib as f64 / 1024.0;
    let points = |mode: Mode| -> Vec<(f64, Spread)> {
        let point =
            |guest: &&Guest| Some((gib(guest), results.spread(guest, cache, mode, figure)?));
        guests.iter().filter_map(point).collect()
    };
    let spreads: Vec<Spread> = MODES.into_iter().flat_map(points).map(|(_, s)| s).collect();
    let lowest = spreads.iter().map(|s| s.min).fold(f64::INFINITY, f64::min);
    let highest = spreads.iter().map(|s| s.max).fold(0.0, f64::max);
    let widest = guests.iter().map(|guest| gib(guest)).fold(0.0, f64::max);

    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(
            0.0..widest * 1.05,
            (lowest / 2.0..highest * 2.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("GiB of incompressible RAM")
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 14))
        .y_label_formatter(&|seconds| short(*seconds))
        .x_label_formatter(&|gib| format!("{gib:.1}"))
        .max_light_lines(0)
        .bold_line_style(BLACK.mix(0.1))
        .draw()?;
    for (mode, colour) in MODES.into_iter().zip([RGBColor(120, 120, 120), BLUE, RED]) {
        let points = points(mode);
        let medians = points.iter().map(|(gib, spread)| (*gib, spread.median));
        chart
            .draw_series(LineSeries::new(medians, colour.stroke_width(2)).point_size(4))?
            .label(mode.to_string())
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2))
            });
        chart.draw_series(points.iter().map(|(gib, spread)| {
            let whisker = vec![(*gib, spread.min), (*gib, spread.max)];
            PathElement::new(whisker, colour.stroke_width(1))
        }))?;
    }
    if legend {
        // Between the rivals and on demand there is room.
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::MiddleRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.2))
            .label_font((FONT, 14))
            .draw()?;
    }
    Ok(())
}

/// To the millisecond, without trailing zeros.
fn short(seconds: f64) -> String {
    let text = format!("{seconds:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
