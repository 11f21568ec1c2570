// SPDX-License-Identifier: GPL-2.0-or-later
//! What every bench does: measures, keeps what came out, and writes a page.

use std::fs;
use std::path::{Path, PathBuf};

use annex_qtest::files;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::about::About;
use crate::chart::Chart;
use crate::runs::Runs;
use crate::verdict::{self, Verdict};

/// How to run one.
#[derive(clap::Args)]
pub struct Options {
    /// A quick look: every case, but little of each; into build/bench/smoke
    #[arg(long, global = true)]
    smoke: bool,
    /// A quicker one: a row of each table, but of none that needs a back-end of another project;
    /// into build/bench/row
    #[arg(long, global = true, conflicts_with = "smoke")]
    row: bool,
    /// Measure nothing: write page and charts from the data that are there
    #[arg(long, global = true)]
    draw: bool,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// Everything, often enough to judge it by.
    Full,
    /// Every case once or twice, to see that it works.
    Smoke,
    /// A row of each table, for the same, with what this project and QEMU build.
    Row,
}

impl Size {
    /// The one of two that is for this size.
    pub fn pick<T>(self, full: T, smoke: T) -> T {
        match self {
            Self::Full => full,
            Self::Smoke | Self::Row => smoke,
        }
    }

    fn folder(self) -> PathBuf {
        let folder = match self {
            Self::Full => "docs/bench",
            Self::Smoke => "build/bench/smoke",
            Self::Row => "build/bench/row",
        };
        files::top().join(folder)
    }
}

/// A bench, with what it has measured.
pub trait Bench: Sized {
    /// What its files are called.
    const FILE: &'static str;
    /// The columns of its table of runs.
    const COLUMNS: &'static [&'static str];

    /// Measures.
    fn measure(size: Size) -> Result<Self>;

    /// Takes what [`Bench::about`] and [`Bench::runs`] gave.
    fn restore(about: About, runs: &mut Runs) -> Result<Self>;

    /// What isn't in the table of runs.
    fn about(&self) -> &About;

    /// Every run.
    fn runs(&self) -> Result<Runs>;

    /// The page up to the verdicts.
    fn page(&self) -> String;

    /// Its charts, each with what its file's name has after [`Bench::FILE`].
    fn charts(&self) -> Vec<(&'static str, Chart)>;

    /// What the project set out to reach, and whether it did. Only asked for
    /// at full size.
    fn verdicts(&self) -> Vec<Verdict>;
}

/// Runs a bench, or draws it again.
pub fn run<B: Bench>(options: &Options) -> Result<()> {
    let size = match (options.smoke, options.row) {
        (true, _) => Size::Smoke,
        (_, true) => Size::Row,
        _ => Size::Full,
    };
    let folder = size.folder();
    if !options.draw {
        keep(&B::measure(size)?, &folder)?;
    }
    let bench: B = read(&folder)?;
    let written = drawn(&bench)?;
    for (name, text) in &written {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    println!("{}", judged(&bench));
    let names: Vec<_> = written.iter().map(|(name, _)| name.as_str()).collect();
    println!("written in {}: {}", folder.display(), names.join(", "));
    Ok(())
}

/// Writes what was measured.
fn keep<B: Bench>(bench: &B, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let about = serde_json::to_string_pretty(bench.about())?;
    fs::write(file::<B>(folder, "json"), about + "\n")?;
    bench.runs()?.write(&file::<B>(folder, "csv"), B::COLUMNS)
}

/// Reads it again.
fn read<B: Bench>(folder: &Path) -> Result<B> {
    let path = file::<B>(folder, "json");
    let about = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let about = serde_json::from_str(&about).with_context(|| path.display().to_string())?;
    let path = file::<B>(folder, "csv");
    let restored = Runs::read(&path, B::COLUMNS).and_then(|mut runs| {
        let bench = B::restore(about, &mut runs)?;
        runs.end()?;
        Ok(bench)
    });
    restored.with_context(|| path.display().to_string())
}

fn file<B: Bench>(folder: &Path, extension: &str) -> PathBuf {
    folder.join(format!("{}.{extension}", B::FILE))
}

/// The page and the charts: names of files, and what is in them.
fn drawn<B: Bench>(bench: &B) -> Result<Vec<(String, String)>> {
    let page = format!("{}## Targets\n\n{}", bench.page(), judged(bench));
    let mut files = vec![(format!("{}.md", B::FILE), page)];
    for (suffix, chart) in bench.charts() {
        files.push((format!("{}{suffix}.svg", B::FILE), chart.svg()?));
    }
    Ok(files)
}

/// The verdicts as a list.
fn judged<B: Bench>(bench: &B) -> String {
    match bench.about().size {
        Size::Full => verdict::list(&bench.verdicts()),
        Size::Smoke | Size::Row => "A run as small as this says nothing of the targets.\n".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::IsolationBench;
    use crate::pcid::Pcid;
    use crate::rdp::usb::RdpUsb;
    use crate::rdp::Rdp;
    use crate::rtc::Rtc;
    use crate::snapshot::Snapshot;
    use crate::tape::Tape;

    /// What is in docs/bench is what the program makes of the data there.
    fn is_reproduced<B: Bench>() {
        let folder = Size::Full.folder();
        let bench: B = read(&folder).expect("data in docs/bench");
        for (name, text) in drawn(&bench).expect("a page and charts") {
            let found = fs::read_to_string(folder.join(&name)).unwrap_or_default();
            assert!(
                found == text,
                "docs/bench/{name} isn't what `bench --draw` makes"
            );
        }
    }

    #[test]
    fn the_snapshot_page_is_reproduced() {
        is_reproduced::<Snapshot>();
    }

    #[test]
    fn the_tape_page_is_reproduced() {
        is_reproduced::<Tape>();
    }

    #[test]
    fn the_isolation_page_is_reproduced() {
        is_reproduced::<IsolationBench>();
    }

    #[test]
    fn the_rtc_page_is_reproduced() {
        is_reproduced::<Rtc>();
    }

    #[test]
    fn the_pcid_page_is_reproduced() {
        is_reproduced::<Pcid>();
    }

    #[test]
    fn the_rdp_page_is_reproduced() {
        is_reproduced::<Rdp>();
    }

    #[test]
    fn the_rdp_usb_page_is_reproduced() {
        is_reproduced::<RdpUsb>();
    }

    /// Data that are written and read again give the same page.
    fn is_kept<B: Bench>() {
        let folder = tempfile::tempdir().expect("a folder");
        let bench: B = read(&Size::Full.folder()).expect("data in docs/bench");
        keep(&bench, folder.path()).expect("written");
        let again: B = read(folder.path()).expect("read again");
        assert!(drawn(&bench).expect("a page") == drawn(&again).expect("a page"));
    }

    #[test]
    fn data_are_kept_as_they_are() {
        is_kept::<Snapshot>();
        is_kept::<Tape>();
        is_kept::<IsolationBench>();
    }
}
