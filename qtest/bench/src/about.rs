// SPDX-License-Identifier: GPL-2.0-or-later
//! What is known of a bench besides its runs.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use bench_report::{Figure, Spread};
use serde::{Deserialize, Serialize};

use crate::bench::Size;
use crate::machine::Machine;

/// When, where and how much was measured, and what isn't a run of a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    /// How much.
    pub size: Size,
    /// The day, as YYYY-MM-DD (UTC).
    pub date: String,
    /// Where.
    pub machine: Machine,
    /// The machine's load average before, if it was looked at.
    pub load: Option<f64>,
    /// What else a reader has to know of this run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Figures of the feature's crate by itself.
    pub figures: Vec<Figure>,
    /// Others, by what they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, Spread>,
}

impl About {
    /// A bench that begins now, here.
    pub fn now(size: Size) -> Result<Self> {
        let load = fs::read_to_string("/proc/loadavg").context("the machine's load")?;
        let load = load
            .split(' ')
            .next()
            .context("the machine's load")?
            .parse()?;
        Ok(Self {
            size,
            date: chrono::Utc::now().date_naive().to_string(),
            machine: Machine::here()?,
            load: Some(load),
            remarks: Vec::new(),
            figures: Vec::new(),
            others: BTreeMap::new(),
        })
    }
}
