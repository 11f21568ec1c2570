// SPDX-License-Identifier: GPL-2.0-or-later
//! What the crates' benches say, to people on standard output and to programs in a CSV file.

use std::path::PathBuf;
use std::time::Duration;

/// Repetitions of one thing, sorted.
pub struct Times(Vec<Duration>);

impl Times {
    /// At least one.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    /// The time, in seconds, that this share of the repetitions took at most.
    pub fn at(&self, share: f64) -> f64 {
        let last = self.0.len() - 1;
        self.0[(last as f64 * share).round() as usize].as_secs_f64()
    }

    /// In seconds.
    pub fn median(&self) -> f64 {
        self.at(0.5)
    }

    fn spread(&self) -> f64 {
        (self.at(1.0) - self.at(0.0)) / self.median() * 100.0
    }
}

/// Times of ours and of the rival, taken by turns.
pub struct Rounds {
    ours: Times,
    plain: Times,
    ratio: f64,
}

impl Rounds {
    /// Pairs of ours and the rival's; at least one.
    pub fn new(rounds: impl Iterator<Item = (Duration, Duration)>) -> Self {
        let (ours, plain): (Vec<_>, Vec<_>) = rounds.unzip();
        let both = ours.iter().zip(&plain);
        let mut ratios: Vec<_> = both
            .map(|(ours, plain)| plain.as_secs_f64() / ours.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        Self {
            ratio: ratios[ratios.len() / 2],
            ours: Times::new(ours),
            plain: Times::new(plain),
        }
    }
}

/// A line of the report. Ratios are above 1 if ours is faster.
#[derive(Default)]
struct Line<'a> {
    name: &'a str,
    unit: &'a str,
    value: f64,
    spread: Option<f64>,
    /// The rival's value and spread, and the ratio.
    plain: Option<(f64, f64, f64)>,
    /// What was to be reached, and whether it was.
    target: Option<(String, bool)>,
}

/// Lines, printed as they come and kept for the file.
pub struct Report {
    path: PathBuf,
    csv: String,
    smoke: bool,
}

impl Report {
    /// Of the bench that is called `name`, into a file of that name in the folder `tmp`, the
    /// bench's `CARGO_TARGET_TMPDIR`. `smoke`: too little is done to say that targets are met.
    pub fn new(name: &str, tmp: &str, smoke: bool) -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|l| l.strip_prefix("model name\t: "));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        println!("{processors} × {}", model.unwrap_or("unknown processor"));
        let suffix = if smoke { "-smoke" } else { "" };
        Self {
            path: [tmp, &format!("{name}{suffix}.csv")].iter().collect(),
            csv: "name,unit,value,spread_percent,plain,plain_spread_percent,ratio,target,met\n"
                .to_string(),
            smoke,
        }
    }

    /// MiB/s beside the rival's, whose share of it is to be reached.
    pub fn ratio(&mut self, name: &str, mib: f64, rounds: &Rounds, target: Option<f64>) {
        let Rounds { ours, plain, ratio } = rounds;
        self.line(Line {
            name,
            unit: "MiB/s",
            value: mib / ours.median(),
            spread: Some(ours.spread()),
            plain: Some((mib / plain.median(), plain.spread(), *ratio)),
            target: target.map(|target| (format!("ratio >= {target}"), *ratio >= target)),
        });
    }

    /// Millions of records a second that are to be reached.
    pub fn rate(&mut self, name: &str, million: f64, times: &Times, target: Option<f64>) {
        let value = million / times.median();
        self.line(Line {
            name,
            unit: "M records/s",
            value,
            spread: Some(times.spread()),
            target: target.map(|target| (format!(">= {target}"), value >= target)),
            ..Line::default()
        });
    }

    /// A value that is to be small.
    pub fn single(&mut self, name: &str, unit: &str, value: f64, target: Option<f64>) {
        self.line(Line {
            name,
            unit,
            value,
            target: target.map(|target| (format!("<= {target}"), value <= target)),
            ..Line::default()
        });
    }

    fn line(&mut self, line: Line) {
        let Line {
            name, unit, value, ..
        } = line;
        print!("{name:36} {value:10.2} {unit}");
        let number = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.2}"));
        if let Some(spread) = line.spread {
            print!(" (spread {spread:.0} %)");
        }
        if let Some((plain, spread, ratio)) = line.plain {
            print!("  plain {plain:.2} (spread {spread:.0} %)  ratio {ratio:.2}");
        }
        let (target, met) = line.target.unwrap_or_default();
        // So little as a smoke test does proves nothing about speed.
        if !target.is_empty() && !self.smoke {
            print!("  [{target}: {}]", if met { "met" } else { "NOT met" });
        }
        println!();
        let fields = [
            format!("\"{name}\""),
            unit.to_string(),
            number(Some(value)),
            number(line.spread),
            number(line.plain.map(|(plain, ..)| plain)),
            number(line.plain.map(|(_, spread, _)| spread)),
            number(line.plain.map(|(.., ratio)| ratio)),
            target.clone(),
            if target.is_empty() {
                String::new()
            } else {
                met.to_string()
            },
        ];
        self.csv.push_str(&fields.join(","));
        self.csv.push('\n');
    }

    /// Nanoseconds for each of `count`, beside the rival's.
    pub fn cost(&mut self, name: &str, count: f64, rounds: &Rounds) {
        let Rounds { ours, plain, ratio } = rounds;
        let each = |times: &Times| times.median() * 1e9 / count;
        self.line(Line {
            name,
            unit: "ns",
            value: each(ours),
            spread: Some(ours.spread()),
            plain: Some((each(plain), plain.spread(), *ratio)),
            target: None,
        });
    }

    /// Writes the CSV file, and tells where; panics if it can't.
    pub fn save(&self) {
        std::fs::write(&self.path, &self.csv).expect("writing the figures");
        println!("figures in {}", self.path.display());
    }
}
