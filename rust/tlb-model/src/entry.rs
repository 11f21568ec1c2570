// SPDX-License-Identifier: GPL-2.0-or-later
//! Entries of paging structures.

use std::collections::BTreeMap;

use crate::rights::Rights;

/// Bit 0: the entry is used.
pub const PRESENT: u64 = 1;
/// Bit 1: writes are allowed.
pub const WRITABLE: u64 = 1 << 1;
/// Bit 2: user mode may use it.
pub const USER: u64 = 1 << 2;
/// Bit 7 of an entry of a page directory or a page-directory-pointer table: it maps a page.
pub const LARGE: u64 = 1 << 7;
/// Bit 8 of an entry that maps a page: the translation is global, if CR4.PGE is set.
pub const GLOBAL: u64 = 1 << 8;

/// Bit 63: no instructions may be fetched (EFER.NXE is set).
pub const NO_EXECUTE: u64 = 1 << 63;

/// Bits 51:12.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What holds paging structures.
pub trait Memory {
    /// The eight bytes at a physical address that is a multiple of 8.
    fn read(&self, address: u64) -> u64;
}

/// Addresses that aren't in it hold zeros.
impl Memory for BTreeMap<u64, u64> {
    fn read(&self, address: u64) -> u64 {
        self.get(&address).copied().unwrap_or(0)
    }
}

/// Where in a table of level 4 (PML4) to 1 (page table) the entry for an address is.
fn index(level: u8, address: u64) -> u64 {
    (address >> (3 + 9 * u32::from(level))) & 0x1ff
}

/// The part of an address that tells apart which entry of that level is used for it.
pub(crate) fn prefix(level: u8, address: u64) -> u64 {
    address >> (3 + 9 * u32::from(level))
}

/// What an entry says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing: a page fault.
    Absent,
    /// The next table is there.
    Table { table: u64, rights: Rights },
    /// The 4 KiB of memory that the address is in.
    Page {
        page: u64,
        rights: Rights,
        global: bool,
        large: bool,
    },
}

/// Reads the entry for `address` in the table of that level at `table`.
pub(crate) fn read(memory: &impl Memory, level: u8, table: u64, address: u64) -> Meaning {
    let entry = memory.read(table + 8 * index(level, address));
    if entry & PRESENT == 0 {
        return Meaning::Absent;
    }
    let rights = Rights {
        write: entry & WRITABLE != 0,
        user: entry & USER != 0,
        execute: entry & NO_EXECUTE == 0,
    };
    let large = entry & LARGE != 0 && (level == 2 || level == 3);
    if level > 1 && !large {
        let table = entry & ADDRESS;
        return Meaning::Table { table, rights };
    }
    // Bit 12 of an entry that maps a large page is PAT, bits above it are reserved.
    let within = (1 << (3 + 9 * u32::from(level))) - 1;
    Meaning::Page {
        page: (entry & ADDRESS & !within) | (address & within & ADDRESS),
        rights,
        global: entry & GLOBAL != 0,
        large,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Rights = Rights {
        write: false,
        user: false,
        execute: false,
    };

    #[test]
    fn a_large_page_is_seen_by_its_fragment() {
        let mut memory = BTreeMap::new();
        memory.insert(
            0x1000 + 8 * 3,
            PRESENT | LARGE | GLOBAL | NO_EXECUTE | 1 << 12 | 0x4000_0000,
        );
        let address = 3 << 21 | 5 << 12 | 0x123;
        let page = Meaning::Page {
            page: 0x4000_5000,
            rights: READ,
            global: true,
            large: true,
        };
        assert_eq!(read(&memory, 2, 0x1000, address), page);
        assert_eq!(read(&memory, 2, 0x1000, 4 << 21), Meaning::Absent);
        let gigantic = Meaning::Page {
            page: 0x4060_5000,
            rights: READ,
            global: true,
            large: true,
        };
        assert_eq!(read(&memory, 3, 0x1000, 3 << 30 | address), gigantic);
    }

    #[test]
    fn bit_7_of_other_levels_is_none_of_size() {
        let mut memory = BTreeMap::new();
        memory.insert(0x1000, PRESENT | LARGE | NO_EXECUTE | 0x5000);
        let next = Meaning::Table {
            table: 0x5000,
            rights: READ,
        };
        assert_eq!(read(&memory, 4, 0x1000, 0), next);
        let page = Meaning::Page {
            page: 0x5000,
            rights: READ,
            global: false,
            large: false,
        };
        assert_eq!(read(&memory, 1, 0x1000, 0), page);
    }
}
