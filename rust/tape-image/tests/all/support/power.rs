// SPDX-License-Identifier: GPL-2.0-or-later
//! Power failures.
//!
//! The medium after a crash is the log's changes up to the last flush before
//! it, and of those since then any subset: of a write, any of its sectors. A
//! truncation keeps its place in the order.

use tape_image::driver::Medium;

use crate::support::Change;

/// The medium if the power fails when `log` is all that was asked for
/// since it was `before`.
/// `keeps` says of each sector since the last flush whether it made it.
pub fn crashed(before: &[u8], log: &[Change], mut keeps: impl FnMut() -> bool) -> Vec<u8> {
    let flushed = log
        .iter()
        .rposition(|c| matches!(c, Change::Flush))
        .map_or(0, |at| at + 1);
    let mut medium = before.to_vec();
    for (number, change) in log.iter().enumerate() {
        let safe = number < flushed;
        match change {
            Change::Flush => {}
            Change::Truncate(length) if safe || keeps() => {
                Medium::truncate(&mut medium, *length).unwrap();
            }
            Change::Truncate(_) => {}
            Change::Write(offset, data) => {
                let mut at = 0;
                while at < data.len() {
                    let here = *offset as usize + at;
                    let end = data.len().min(at + 512 - here % 512);
                    if safe || keeps() {
                        medium.write_at(here as u64, &data[at..end]).unwrap();
                    }
                    at = end;
                }
            }
        }
    }
    medium
}

/// Chance that repeats itself.
pub struct Coin(pub u64);

impl Coin {
    pub fn toss(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 40 & 1 == 1
    }
}
