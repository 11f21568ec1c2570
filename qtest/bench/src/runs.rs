// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of runs, as it is in a file.

use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use csv::StringRecord;
use serde::de::DeserializeOwned;
use serde::Serialize;

/// Lines of it: the columns of a case, the mode, the run's number, figures.
#[derive(Default)]
pub struct Runs(Vec<StringRecord>);

impl Runs {
    /// Reads a file with these columns.
    pub fn read(path: &Path, columns: &[&str]) -> Result<Self> {
        let mut reader = csv::Reader::from_path(path)?;
        let found = reader.headers()?;
        ensure!(
            found == columns,
            "the columns aren't {columns:?} but {found:?}"
        );
        Ok(Self(reader.into_records().collect::<Result<_, _>>()?))
    }

    /// Writes one.
    pub fn write(&self, path: &Path, columns: &[&str]) -> Result<()> {
        let mut writer = csv::Writer::from_path(path)?;
        writer.write_record(columns)?;
        self.0
            .iter()
            .try_for_each(|record| writer.write_record(record))?;
        Ok(writer.flush()?)
    }

    /// Adds a line.
    pub fn push(
        &mut self,
        case: &[String],
        mode: &str,
        run: usize,
        figures: impl Serialize,
    ) -> Result<()> {
        let mut writer = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new());
        writer.serialize((case, mode, run, figures))?;
        let line = writer.into_inner().context("a line in memory")?;
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(&line[..]);
        self.0
            .extend(reader.records().collect::<Result<Vec<_>, _>>()?);
        Ok(())
    }

    /// Takes the lines whose case `find` knows by its columns.
    pub fn take<C, F: DeserializeOwned>(
        &mut self,
        columns: usize,
        find: impl Fn(&[&str]) -> Option<C>,
    ) -> Result<Vec<(C, String, usize, F)>> {
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for record in self.0.drain(..) {
            let fields: Vec<&str> = record.iter().collect();
            let Some(case) = fields.get(..columns).and_then(&find) else {
                left.push(record);
                continue;
            };
            let rest: StringRecord = fields[columns..].iter().copied().collect();
            let parsed = rest.deserialize(None);
            let (mode, run, figures): (String, usize, F) =
                parsed.with_context(|| format!("the line {}", fields.join(",")))?;
            taken.push((case, mode, run, figures));
        }
        self.0 = left;
        Ok(taken)
    }

    /// Fails if there are lines that nothing took.
    pub fn end(self) -> Result<()> {
        match self.0.first() {
            Some(record) => {
                let fields: Vec<&str> = record.iter().collect();
                bail!("the line {} is of no case that there is", fields.join(","))
            }
            None => Ok(()),
        }
    }
}
