// SPDX-License-Identifier: GPL-2.0-or-later
//! What a crate's bench says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{quantile, Figure, Spread, Target};

/// The arguments that all have.
#[derive(clap::Args)]
pub struct Args {
    /// A quick look at whether it all works
    #[arg(long)]
    pub smoke: bool,
    /// Where the table of figures goes, instead of a file in cargo's target folder, below tmp
    #[arg(long, value_name = "CSV")]
    table: Option<PathBuf>,
    /// What cargo tells each bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// Repetitions of one thing, in seconds, sorted.
pub struct Times(Vec<f64>);

impl Times {
    /// At least one.
    pub fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().map(|time| time.as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The time that this share of the repetitions took at most.
    pub fn at(&self, share: f64) -> f64 {
        quantile(&self.0, share).expect("at least one repetition")
    }

    /// Their spread.
    pub fn spread(&self) -> Spread {
        Spread::of(self.0.clone()).expect("at least one repetition")
    }
}

/// Times of ours and of the rival, taken by turns.
pub struct Rounds {
    ours: Spread,
    plain: Spread,
    ratio: f64,
}

impl Rounds {
    /// Pairs of ours and the rival's; at least one.
    pub fn new(rounds: impl IntoIterator<Item = (Duration, Duration)>) -> Self {
        let (ours, plain): (Vec<_>, Vec<_>) = rounds.into_iter().unzip();
        let both = ours.iter().zip(&plain);
        let ratios = both.map(|(ours, plain)| plain.as_secs_f64() / ours.as_secs_f64());
        Self {
            ratio: Spread::of(ratios.collect()).expect("a round").median,
            ours: Times::new(ours).spread(),
            plain: Times::new(plain).spread(),
        }
    }

    /// A figure made of them: `value` of seconds.
    fn figure(&self, name: &str, unit: &str, value: impl Fn(f64) -> f64) -> Figure {
        Figure {
            name: name.into(),
            unit: unit.into(),
            value: value(self.ours.median),
            spread_percent: Some(self.ours.percent()),
            plain: Some(value(self.plain.median)),
            plain_spread_percent: Some(self.plain.percent()),
            ratio: Some(self.ratio),
            target: None,
        }
    }
}

/// Figures, printed as they come and kept for the table.
pub struct Report {
    path: PathBuf,
    figures: Vec<Figure>,
    smoke: bool,
}

impl Report {
    /// The report of the bench of crate `name`, whose table goes into the folder `tmp`, the
    /// bench's `CARGO_TARGET_TMPDIR`, unless `args` say another place.
    pub fn new(name: &str, tmp: &str, args: &Args) -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|l| l.strip_prefix("model name\t: "));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        println!("{processors} × {}", model.unwrap_or("unknown processor"));
        let suffix = if args.smoke { "-smoke" } else { "" };
        let usual = || Path::new(tmp).join(format!("{name}{suffix}.csv"));
        Self {
            path: args.table.clone().unwrap_or_else(usual),
            figures: Vec::new(),
            smoke: args.smoke,
        }
    }

    /// MiB/s beside the rival's, whose share of it is to be reached.
    pub fn ratio(&mut self, name: &str, mib: f64, rounds: &Rounds, target: Option<Target>) {
        let figure = rounds.figure(name, "MiB/s", |seconds| mib / seconds);
        self.add(Figure { target, ..figure });
    }

    /// Nanoseconds for each of `count`, beside the rival's.
    pub fn cost(&mut self, name: &str, count: f64, rounds: &Rounds) {
        self.add(rounds.figure(name, "ns", |seconds| seconds * 1e9 / count));
    }

    /// Microseconds, beside the rival's.
    pub fn latency(&mut self, name: &str, rounds: &Rounds, target: Option<Target>) {
        let figure = rounds.figure(name, "µs", |seconds| seconds * 1e6);
        self.add(Figure { target, ..figure });
    }

    /// Millions of records a second that are to be reached.
    pub fn rate(&mut self, name: &str, million: f64, times: &Times, target: Option<Target>) {
        let seconds = times.spread();
        self.add(Figure {
            name: name.into(),
            unit: "M records/s".into(),
            value: million / seconds.median,
            spread_percent: Some(seconds.percent()),
            target,
            ..Figure::default()
        });
    }

    /// A value by itself.
    pub fn single(&mut self, name: &str, unit: &str, value: f64, target: Option<Target>) {
        let (name, unit) = (name.into(), unit.into());
        self.add(Figure {
            name,
            unit,
            value,
            target,
            ..Figure::default()
        });
    }

    fn add(&mut self, figure: Figure) {
        let Figure {
            name, unit, value, ..
        } = &figure;
        print!("{name:52} {value:10.2} {unit}");
        if let Some(spread) = figure.spread_percent {
            print!(" (spread {spread:.0} %)");
        }
        if let Some(plain) = figure.plain {
            print!("  plain {plain:.2}");
        }
        if let Some(ratio) = figure.ratio {
            print!("  ratio {ratio:.2}");
        }
        match figure.target {
            // So little as a smoke test does proves nothing about speed.
            Some(target) if !self.smoke => {
                let met = target.is_met_by(figure.judged());
                println!("  [{target}: {}]", if met { "MET" } else { "NOT MET" });
            }
            _ => println!(),
        }
        self.figures.push(figure);
    }

    /// Writes the table, and tells where; panics if it can't.
    pub fn save(&self) {
        let mut table = csv::Writer::from_path(&self.path).expect("a file for the figures");
        for figure in &self.figures {
            table.serialize(figure).expect("writing the figures");
        }
        table.flush().expect("writing the figures");
        println!("figures in {}", self.path.display());
    }
}
