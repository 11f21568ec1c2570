// SPDX-License-Identifier: GPL-2.0-or-later
//! A line of a crate's report.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Target;

/// What was measured, beside the same done plainly if it has such a rival.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// In what `value` and `plain` are.
    pub unit: String,
    /// The median.
    pub value: f64,
    /// (highest - lowest) / median, unless there was but one value.
    pub spread_percent: Option<f64>,
    /// The rival's median.
    pub plain: Option<f64>,
    /// And its spread.
    pub plain_spread_percent: Option<f64>,
    /// How much better than the rival: above 1 where ours is.
    pub ratio: Option<f64>,
    /// What is to be reached: of the ratio, or of the value if there is none.
    pub target: Option<Target>,
}

impl Figure {
    /// What the target is about.
    pub fn judged(&self) -> f64 {
        self.ratio.unwrap_or(self.value)
    }

    /// Reads what [`crate::Report::save`] has written.
    pub fn read(table: &Path) -> Result<Vec<Self>, csv::Error> {
        csv::Reader::from_path(table)?.deserialize().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_back() {
        let alone = Figure {
            name: "open, index of 7 records".into(),
            unit: "ms".into(),
            value: 18.19,
            ..Figure::default()
        };
        let beside = Figure {
            name: "write 512 bytes".into(),
            plain: Some(391.88),
            ratio: Some(5.3),
            target: Some(Target::AtLeast(0.8)),
            ..alone.clone()
        };
        assert_eq!((alone.judged(), beside.judged()), (18.19, 5.3));
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut table = csv::Writer::from_path(file.path()).expect("writable");
        for figure in [&alone, &beside] {
            table.serialize(figure).expect("written");
        }
        table.flush().expect("written");
        assert_eq!(
            Figure::read(file.path()).expect("readable"),
            [alone, beside]
        );
    }
}
