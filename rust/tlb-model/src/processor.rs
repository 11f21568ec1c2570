// SPDX-License-Identifier: GPL-2.0-or-later
//! One logical processor. Others have caches of their own: no invalidation reaches them.

use std::collections::BTreeSet;

use crate::caches::{Caches, Globals, Table, Translation};
use crate::controls::{Cr3, Cr4, GeneralProtection, Invpcid};
use crate::entry::{prefix, read, Meaning, Memory};
use crate::rights::{Access, Rights};

/// A processor with 4-level paging on.
#[derive(Clone, Debug)]
pub struct Processor {
    /// Of each level, from 4 to 1, an address for each entry that is looked at.
    watched: [Vec<u64>; 4],
    cr3: Cr3,
    cr4: Cr4,
    caches: Caches,
}

/// What an access may come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Physical addresses of 4 KiB pages.
    pub pages: BTreeSet<u64>,
    /// Whether it may be a page fault.
    pub fault: bool,
}

impl Allowed {
    /// The pages in order.
    pub fn pages(&self) -> Vec<u64> {
        self.pages.iter().copied().collect()
    }

    /// Whether it may come to this page, or a page fault if there is none.
    pub fn has(&self, seen: Option<u64>) -> bool {
        seen.map_or(self.fault, |page| self.pages.contains(&page))
    }
}

impl Processor {
    /// One that has just switched paging on, with nothing cached. `watched` are the addresses it
    /// will be asked for.
    pub fn new(watched: &[u64], cr3: u64, cr4: Cr4, memory: &impl Memory) -> Self {
        let of_level = |level| {
            let mut addresses = watched.to_vec();
            addresses.sort_unstable();
            addresses.dedup_by_key(|address| prefix(level, *address));
            addresses
        };
        let mut processor = Self {
            watched: [4, 3, 2, 1].map(of_level),
            cr3: Cr3::stored(cr3),
            cr4,
            caches: Caches::default(),
        };
        processor.memory_changed(memory);
        processor
    }

    /// CR4's bits now.
    pub fn cr4(&self) -> Cr4 {
        self.cr4
    }

    /// The current PCID: 0 while CR4.PCIDE is clear.
    pub fn pcid(&self) -> u16 {
        match self.cr4.pcide {
            true => self.cr3.low(),
            false => 0,
        }
    }

    /// Has it cache all that it can find, now that something has changed: it may do so at any
    /// moment, unasked, by way of what it has cached before.
    pub fn memory_changed(&mut self, memory: &impl Memory) {
        for (index, level) in [4, 3, 2, 1].into_iter().enumerate() {
            for watched in 0..self.watched[index].len() {
                let address = self.watched[index][watched];
                for table in self.tables(level, address) {
                    self.look_up(memory, level, table, address);
                }
            }
        }
    }

    /// The tables of this level that a walk for an address may look into.
    fn tables(&self, level: u8, address: u64) -> Vec<Table> {
        match level {
            4 => vec![(self.cr3.root(), Rights::ALL)],
            _ => self
                .caches
                .tables(self.pcid(), level + 1, address)
                .collect(),
        }
    }

    fn look_up(&mut self, memory: &impl Memory, level: u8, (table, above): Table, address: u64) {
        let pcid = self.pcid();
        match read(memory, level, table, address) {
            Meaning::Absent => {}
            Meaning::Table {
                table: next,
                rights,
            } => {
                let next = (next, above.and(rights));
                self.caches.add_table(pcid, level, address, next);
            }
            // Each fragment of a large page that is looked at.
            Meaning::Page { .. } => {
                let same = |other: &&u64| prefix(level, **other) == prefix(level, address);
                for &other in self.watched[3].iter().filter(same) {
                    if let Meaning::Page {
                        page,
                        rights,
                        global,
                        large,
                    } = read(memory, level, table, other)
                    {
                        let translation = Translation {
                            page,
                            rights: above.and(rights),
                            smep: self.cr4.smep,
                            global: global && self.cr4.pge,
                            large,
                        };
                        self.caches.add(pcid, other, translation);
                    }
                }
            }
        }
    }

    /// What an access to a watched address may come to. A cached translation that refuses it makes
    /// it a fault, whatever page tables say by now.
    pub fn allowed(&self, address: u64, access: Access, memory: &impl Memory) -> Allowed {
        let absent = |level| {
            let absent = |(table, _)| read(memory, level, table, address) == Meaning::Absent;
            self.tables(level, address).into_iter().any(absent)
        };
        let mut allowed = Allowed {
            pages: BTreeSet::new(),
            fault: (1..=4).any(absent),
        };
        for one in self.caches.translations(self.pcid(), address) {
            if one.allows(access) {
                allowed.pages.insert(one.page);
            } else {
                allowed.fault = true;
            }
        }
        allowed
    }

    /// MOV to CR3. Without [`Cr3::KEEP`] the new PCID's translations are dropped but for global
    /// ones.
    pub fn load_cr3(&mut self, value: u64, memory: &impl Memory) -> Result<(), GeneralProtection> {
        let keep = value & Cr3::KEEP != 0;
        if keep && !self.cr4.pcide {
            return Err(GeneralProtection::KeepWithoutPcide);
        }
        self.cr3 = Cr3::stored(value);
        if !keep {
            self.caches.drop_context(self.pcid(), Globals::Kept);
        }
        self.memory_changed(memory);
        Ok(())
    }

    /// MOV to CR4. A change of PGE, and PCIDE 1 → 0, drop everything; SMEP 0 → 1 all of the
    /// current PCID.
    pub fn load_cr4(&mut self, cr4: Cr4, memory: &impl Memory) -> Result<(), GeneralProtection> {
        let (old, pcid) = (self.cr4, self.pcid());
        if cr4.pcide && !old.pcide && self.cr3.low() != 0 {
            return Err(GeneralProtection::PcideWithPcid);
        }
        self.cr4 = cr4;
        if cr4.pge != old.pge || old.pcide && !cr4.pcide {
            self.caches.drop_all();
        } else if cr4.smep && !old.smep {
            self.caches.drop_context(pcid, Globals::Dropped);
        }
        self.memory_changed(memory);
        Ok(())
    }

    /// INVLPG: the page of the current PCID, or a global one, and the PCID's paging-structure
    /// caches.
    pub fn invlpg(&mut self, address: u64, memory: &impl Memory) {
        let pcid = self.pcid();
        let large = self.level_of_large_page(address, memory);
        self.caches
            .drop_page(pcid, address, large, Globals::Dropped);
        self.caches.drop_tables(pcid);
        self.memory_changed(memory);
    }

    /// INVPCID with operands that make no fault.
    pub fn invpcid(&mut self, what: Invpcid, memory: &impl Memory) {
        match what {
            Invpcid::Address { pcid, address } => {
                // The tables of another PCID aren't known to the processor.
                let large = (pcid == self.pcid())
                    .then(|| self.level_of_large_page(address, memory))
                    .flatten();
                self.caches.drop_page(pcid, address, large, Globals::Kept);
                self.caches.drop_tables_of(pcid, address);
            }
            Invpcid::Context { pcid } => self.caches.drop_context(pcid, Globals::Kept),
            Invpcid::All => self.caches.drop_all(),
            Invpcid::AllButGlobal => self.caches.drop_all_but_global(),
        }
        self.memory_changed(memory);
    }

    /// A page fault came: what is cached of its address is dropped.
    pub fn page_fault(&mut self, address: u64, memory: &impl Memory) {
        let pcid = self.pcid();
        self.caches.drop_page(pcid, address, None, Globals::Kept);
        self.caches.drop_tables_of(pcid, address);
        self.memory_changed(memory);
    }

    /// Drops everything, as a processor may at any moment.
    pub fn forget(&mut self, memory: &impl Memory) {
        self.caches.drop_all();
        self.memory_changed(memory);
    }

    /// The page that the tables as they are have for an access, whatever is cached.
    pub fn walk(&self, address: u64, access: Access, memory: &impl Memory) -> Option<u64> {
        let (_, page, rights) = self.leaf(address, memory)?;
        rights.allow(access, self.cr4.smep).then_some(page)
    }

    /// The level of the entry that maps an address to a large page, by the tables as they are.
    fn level_of_large_page(&self, address: u64, memory: &impl Memory) -> Option<u8> {
        let (level, ..) = self.leaf(address, memory)?;
        (level > 1).then_some(level)
    }

    fn leaf(&self, address: u64, memory: &impl Memory) -> Option<(u8, u64, Rights)> {
        let (mut table, mut above) = (self.cr3.root(), Rights::ALL);
        for level in (1..=4).rev() {
            match read(memory, level, table, address) {
                Meaning::Table {
                    table: next,
                    rights,
                } => (table, above) = (next, above.and(rights)),
                Meaning::Page { page, rights, .. } => {
                    return Some((level, page, above.and(rights)))
                }
                Meaning::Absent => return None,
            }
        }
        None
    }
}
