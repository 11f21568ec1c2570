// SPDX-License-Identifier: GPL-2.0-or-later
//! A crate's own bench, for its figures to be on the same page.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use anyhow::{ensure, Context, Result};

use annex_qtest::files;

/// A line of its report.
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// "VALUE UNIT".
    pub value: String,
    /// (highest − lowest) / median, in percent; empty for a single value.
    pub spread: String,
    /// The same for plain file I/O; empty if it has no rival.
    pub plain: String,
    /// Ours of the plain one's.
    pub ratio: String,
    /// What is to be reached, or nothing.
    pub target: String,
    /// Whether it was.
    pub met: bool,
}

/// Runs bench `name` of rust/`package`, which leaves a table of its figures.
pub fn measure(package: &str, name: &str, smoke: bool) -> Result<Vec<Figure>> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "bench",
        "--quiet",
        "--locked",
        "--package",
        package,
        "--bench",
        name,
    ]);
    if smoke {
        cargo.args(["--", "--smoke"]);
    }
    let status = cargo
        .current_dir(files::top())
        .status()
        .context("running cargo")?;
    ensure!(
        status.success(),
        "the bench of rust/{package} ended with {status}"
    );
    let table = format!("{package}{}.csv", if smoke { "-smoke" } else { "" });
    let path = files::top().join("build/cargo/tmp").join(table);
    let csv = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    csv.lines().skip(1).map(parse).collect()
}

/// The figures as rows of a page's table; `rival` is what ours are beside.
pub fn table(figures: &[Figure], rival: &str) -> String {
    let mut table = format!("| | | spread | {rival} | ratio |\n|---|---|---|---|---|\n");
    for Figure {
        name,
        value,
        spread,
        plain,
        ratio,
        ..
    } in figures
    {
        let spread = if spread.is_empty() {
            "–".into()
        } else {
            format!("{spread} %")
        };
        let or_none = |text: &String| {
            if text.is_empty() {
                "–".into()
            } else {
                text.clone()
            }
        };
        let _ = writeln!(
            table,
            "| {name} | {value} | {spread} | {} | {} |",
            or_none(plain),
            or_none(ratio)
        );
    }
    table
}

/// A line for each target: whether `package` reached it.
pub fn verdicts(figures: &[Figure], package: &str) -> String {
    let mut list = String::new();
    for Figure {
        name,
        value,
        ratio,
        target,
        met,
        ..
    } in figures
    {
        if target.is_empty() {
            continue;
        }
        let met = if *met { "met" } else { "NOT MET" };
        let found = if ratio.is_empty() { value } else { ratio };
        let _ = writeln!(list, "- {met}: {package}, {name}, {target}: {found}");
    }
    list
}

/// name,unit,value,spread_percent,plain,plain_spread_percent,ratio,target,met
fn parse(line: &str) -> Result<Figure> {
    // Only the name has quotes, and commas.
    let (name, rest) = line
        .strip_prefix('"')
        .and_then(|line| line.split_once("\","))
        .with_context(|| format!("no name in {line:?}"))?;
    let fields: Vec<&str> = rest.split(',').collect();
    let [unit, value, spread, plain, _, ratio, target, met] = fields[..] else {
        anyhow::bail!("{} fields in {line:?}", fields.len());
    };
    Ok(Figure {
        name: name.into(),
        value: format!("{value} {unit}"),
        spread: spread.into(),
        plain: if plain.is_empty() {
            String::new()
        } else {
            format!("{plain} {unit}")
        },
        ratio: ratio.into(),
        target: target.into(),
        met: met == "true",
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_are_taken_apart() {
        let line = "\"write, 64 KiB\",MiB/s,2748.75,30.59,3061.24,206.38,0.92,ratio >= 0.8,true";
        let figure = super::parse(line).unwrap();
        assert_eq!((figure.name.as_str(), figure.met), ("write, 64 KiB", true));
        assert_eq!(figure.plain, "3061.24 MiB/s");
        assert!(super::parse("name,unit").is_err());
    }
}
