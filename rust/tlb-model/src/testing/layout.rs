// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a random program has its page tables and pages.

use std::collections::BTreeMap;

use crate::entry::{PRESENT, USER, WRITABLE};

const PAGE: u64 = 1 << 12;
const LARGE_PAGE: u64 = 1 << 21;

/// So few tables of each level that they meet often, also as two levels' parts of one address.
const TABLES: [u64; 4] = [4, 3, 3, 3];
const PAGES: u64 = 16;
const LARGE_PAGES: u64 = 2;

/// Physical memory that belongs to one program: [`Layout::SIZE`] bytes from a multiple of
/// 2 MiB on.
///
/// ```text
/// base           page tables (4), page directories (3), page-directory-pointer tables (3),
///                PML4s (3): 4 KiB each
/// base + 64 KiB  pages (16)
/// base + 2 MiB   large pages (2)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    base: u64,
}

impl Layout {
    /// How much of it there is.
    pub const SIZE: u64 = LARGE_PAGE * (1 + LARGE_PAGES);

    /// One that begins at a multiple of 2 MiB.
    pub fn at(base: u64) -> Self {
        assert_eq!(base % LARGE_PAGE, 0);
        Self { base }
    }

    /// The tables of a level: 4 for PML4s, 1 for page tables.
    pub fn tables(self, level: u8) -> Vec<u64> {
        let level = usize::from(level) - 1;
        let before: u64 = TABLES[..level].iter().sum();
        (before..before + TABLES[level])
            .map(|table| self.base + table * PAGE)
            .collect()
    }

    /// Pages of 4 KiB.
    pub fn pages(self) -> Vec<u64> {
        (16..16 + PAGES)
            .map(|page| self.base + page * PAGE)
            .collect()
    }

    /// Pages of 2 MiB.
    pub fn large_pages(self) -> Vec<u64> {
        (1..=LARGE_PAGES)
            .map(|page| self.base + page * LARGE_PAGE)
            .collect()
    }

    /// Every 4 KiB of memory that a watched address can be in.
    pub fn all_pages(self) -> Vec<u64> {
        let fragments = |page: u64| self.indices(1).map(move |index| page + index * PAGE);
        let large = self.large_pages().into_iter().flat_map(fragments);
        self.pages().into_iter().chain(large).collect()
    }

    /// The indices of a level's entries that programs change: never the first of a PML4, by which
    /// an interpreter of programs can have its own memory.
    pub fn indices(self, level: u8) -> std::ops::Range<u64> {
        match level {
            4 => 1..3,
            _ => 0..2,
        }
    }

    /// The addresses that programs access.
    pub fn addresses(self) -> Vec<u64> {
        let mut addresses = vec![0];
        for level in (1..=4).rev() {
            let shift = 3 + 9 * u32::from(level);
            let below = |address: u64| {
                self.indices(level)
                    .map(move |index| address | index << shift)
            };
            addresses = addresses.into_iter().flat_map(below).collect();
        }
        addresses
    }

    /// Memory before the first step: each table's entries refer to tables and pages by turns.
    pub fn memory(self) -> BTreeMap<u64, u64> {
        let mut memory = BTreeMap::new();
        for level in 1..=4 {
            let targets = match level {
                1 => self.pages(),
                _ => self.tables(level - 1),
            };
            let mut targets = targets.into_iter().cycle();
            for table in self.tables(level) {
                for index in self.indices(level) {
                    let target = targets.next().unwrap_or_default();
                    memory.insert(table + 8 * index, target | PRESENT | WRITABLE | USER);
                }
            }
        }
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_overlap() {
        let layout = Layout::at(LARGE_PAGE * 4);
        let mut all: Vec<_> = (1..=4).flat_map(|level| layout.tables(level)).collect();
        all.extend(layout.all_pages());
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(layout.tables(1)[0], 0x80_0000);
        assert!(all
            .iter()
            .all(|page| (0x80_0000..0x80_0000 + Layout::SIZE).contains(page)));
    }

    #[test]
    fn addresses_are_in_the_lower_half() {
        let addresses = Layout::at(0).addresses();
        assert_eq!(addresses.len(), 16);
        assert_eq!(
            (addresses[0], addresses[15]),
            (1 << 39, 2 << 39 | 1 << 30 | 1 << 21 | 1 << 12)
        );
    }
}
