// SPDX-License-Identifier: GPL-2.0-or-later
//! Where and with what the numbers were taken.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

use annex_qtest::accel::Accel;
use annex_qtest::files;

/// The machine of a bench.
pub struct Machine {
    /// "MODEL, N CPUs, N GiB of RAM".
    pub hardware: String,
    /// The host's kernel.
    pub kernel: String,
    /// What QEMU says of its version.
    pub qemu: String,
    /// The accelerator.
    pub accel: Accel,
    /// Today, as YYYY-MM-DD (UTC).
    pub date: String,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Result<Self> {
        let cpus = std::thread::available_parallelism()?;
        let gib = (field("/proc/meminfo", "MemTotal")?
            .replace(" kB", "")
            .parse::<f64>()?
            / f64::from(1 << 20))
        .round();
        let version = Command::new(files::qemu()?)
            .arg("--version")
            .output()?
            .stdout;
        let version = String::from_utf8_lossy(&version)
            .lines()
            .next()
            .unwrap_or("?")
            .to_owned();
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(Self {
            hardware: format!(
                "{}, {cpus} CPUs, {gib} GiB of RAM",
                field("/proc/cpuinfo", "model name")?
            ),
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            qemu: version,
            accel: Accel::wanted()?,
            date: date(since_1970.as_secs() / 86_400),
        })
    }
}

/// The value of the first "key : value" line of a file in /proc.
fn field(path: &str, key: &str) -> Result<String> {
    let text = fs::read_to_string(path)?;
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'))
        .map(|value| value.trim().to_owned())
        .with_context(|| format!("no {key} in {path}"))
}

/// The date `days` after 1970-01-01.
fn date(mut days: u64) -> String {
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(59), "1970-03-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(20_779), "2026-11-22");
    }
}
