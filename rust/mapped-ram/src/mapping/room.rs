// SPDX-License-Identifier: GPL-2.0-or-later
//! How many runs may be mapped: what `vm.max_map_count` leaves.

use std::fs::{read_to_string, File};
use std::io::{self, BufRead, BufReader};

/// One more for the run, one for what the block's memory is behind it.
const MAPPINGS_PER_RUN: usize = 2;

/// What the kernel allows a process if it doesn't say (`DEFAULT_MAX_MAP_COUNT`).
const DEFAULT_LIMIT: usize = 65530;

/// The most runs that may be mapped, by what the process has now.
pub(super) fn room() -> io::Result<usize> {
    let limit = read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(DEFAULT_LIMIT);
    let used = BufReader::new(File::open("/proc/self/maps")?)
        .split(b'\n')
        .try_fold(0, |lines, line| line.map(|_| lines + 1))?;
    Ok(runs_within(limit, used))
}

/// A quarter of the limit stays free: for threads' stacks, buffers and libraries, and for devices
/// that are plugged later.
fn runs_within(limit: usize, used: usize) -> usize {
    (limit - limit / 4).saturating_sub(used) / MAPPINGS_PER_RUN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_stays_free() {
        assert_eq!(runs_within(65530, 500), (65530 - 16382 - 500) / 2);
        assert_eq!(runs_within(400, 300), 0);
        assert_eq!(runs_within(400, 1000), 0);
        assert!(room().unwrap() > 0);
    }
}
