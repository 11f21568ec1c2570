// SPDX-License-Identifier: GPL-2.0-or-later
//! A processor with real caches, which it fills and drops at random: whatever it does is allowed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tlb_model::testing::{Features, Layout, Observed, Program, Run, Step};
use tlb_model::{Access, Cr4, Invpcid, Kind};

#[derive(Clone, Copy)]
struct Entry {
    page: u64,
    write: bool,
    user: bool,
    execute: bool,
    global: bool,
    large: bool,
}

impl Entry {
    /// What a directory's or a table's entry gives, by the one above.
    fn below(above: Self, entry: u64) -> Self {
        Self {
            page: entry & 0x000f_ffff_ffff_f000,
            write: above.write && entry & 2 != 0,
            user: above.user && entry & 4 != 0,
            execute: above.execute && entry >> 63 == 0,
            global: false,
            large: false,
        }
    }

    fn allows(&self, access: Access, smep: bool) -> bool {
        if access.user && !self.user {
            return false;
        }
        match access.kind {
            Kind::Load => true,
            Kind::Store => self.write,
            Kind::Fetch if smep && !access.user => self.execute && !self.user,
            Kind::Fetch => self.execute,
        }
    }
}

/// A TLB with one entry for each address and PCID, and a cache of page-directory entries.
struct Real {
    cr3: u64,
    cr4: Cr4,
    tlb: BTreeMap<(u64, u64), Entry>,
    directories: BTreeMap<(u64, u64), Entry>,
}

impl Real {
    fn pcid(&self) -> u64 {
        if self.cr4.pcide {
            self.cr3 & 0xfff
        } else {
            0
        }
    }

    fn entry(memory: &BTreeMap<u64, u64>, table: u64, shift: u32, address: u64) -> Option<u64> {
        let entry = *memory.get(&(table + (address >> shift & 511) * 8))?;
        (entry & 1 != 0).then_some(entry)
    }

    fn walk(&mut self, memory: &BTreeMap<u64, u64>, address: u64) -> Option<Entry> {
        let key = (self.pcid(), address >> 21);
        let table = match self.directories.get(&key) {
            Some(table) => *table,
            None => {
                let mut table = Entry {
                    page: self.cr3 >> 12 << 12,
                    write: true,
                    user: true,
                    execute: true,
                    global: false,
                    large: false,
                };
                for shift in [39, 30] {
                    let entry = Self::entry(memory, table.page, shift, address)?;
                    table = Entry::below(table, entry);
                }
                let entry = Self::entry(memory, table.page, 21, address)?;
                table = Entry::below(table, entry);
                if entry & 0x80 != 0 {
                    table.page += address & 0x1f_f000;
                    table.global = self.cr4.pge && entry & 0x100 != 0;
                    table.large = true;
                    return Some(table);
                }
                self.directories.insert(key, table);
                table
            }
        };
        let entry = Self::entry(memory, table.page, 12, address)?;
        Some(Entry {
            global: self.cr4.pge && entry & 0x100 != 0,
            ..Entry::below(table, entry)
        })
    }

    fn access(&mut self, memory: &BTreeMap<u64, u64>, address: u64, access: Access) -> Observed {
        let pcid = self.pcid();
        let cached = self
            .tlb
            .iter()
            .find(|((owner, page), entry)| *page == address && (*owner == pcid || entry.global));
        let entry = match cached {
            Some((_, entry)) => *entry,
            None => {
                let entry = self.walk(memory, address)?;
                self.tlb.insert((pcid, address), entry);
                entry
            }
        };
        // Any change of SMEP drops all, so what it was when the entry was made doesn't matter.
        entry.allows(access, self.cr4.smep).then_some(entry.page)
    }

    fn drop_of(&mut self, pcid: u64) {
        self.tlb
            .retain(|(owner, _), entry| *owner != pcid || entry.global);
        self.directories.retain(|(owner, _), _| *owner != pcid);
    }

    fn drop_page(&mut self, pcid: u64, address: u64, globals: bool) {
        let same = |page: u64, entry: &Entry| match entry.large {
            true => page >> 21 == address >> 21,
            false => page == address,
        };
        self.tlb.retain(|(owner, page), entry| {
            let of = if entry.global {
                globals
            } else {
                *owner == pcid
            };
            !(of && same(*page, entry))
        });
        self.directories
            .retain(|(owner, page), _| *owner != pcid || *page != address >> 21);
    }

    fn step(&mut self, step: Step) {
        let pcid = self.pcid();
        match step {
            Step::Write { .. } | Step::Access(..) => {}
            Step::Cr3(value) => {
                self.cr3 = value & !(1 << 63);
                if value >> 63 == 0 {
                    self.drop_of(self.pcid());
                }
            }
            Step::Cr4(cr4) => {
                if cr4 != self.cr4 {
                    self.tlb.clear();
                    self.directories.clear();
                }
                self.cr4 = cr4;
            }
            Step::Invlpg(address) => {
                self.drop_page(pcid, address, true);
                self.directories.retain(|(owner, _), _| *owner != pcid);
            }
            Step::Invpcid(Invpcid::Address { pcid, address }) => {
                self.drop_page(pcid.into(), address, false);
            }
            Step::Invpcid(Invpcid::Context { pcid }) => self.drop_of(pcid.into()),
            Step::Invpcid(Invpcid::All) => {
                self.tlb.clear();
                self.directories.clear();
            }
            Step::Invpcid(Invpcid::AllButGlobal) => {
                self.tlb.retain(|_, entry| entry.global);
                self.directories.clear();
            }
        }
    }

    /// Drops some, as it may.
    fn evict(&mut self, random: &mut impl RngCore) {
        self.tlb.retain(|_, _| random.next_u32() % 16 != 0);
        self.directories.retain(|_, _| random.next_u32() % 16 != 0);
    }
}

/// What was seen to be wrong, or how many accesses may have used what page tables no longer said.
fn follow(seed: u64, count: usize, break_it: fn(&Step) -> bool) -> Result<usize, String> {
    let layout = Layout::at(0x40_0000);
    let features = Features {
        pcid: true,
        smep: true,
    };
    let mut random = Xoshiro256PlusPlus::seed_from_u64(!seed);
    let mut run = Run::new(layout);
    let mut real = Real {
        cr3: layout.tables(4)[0],
        cr4: Cr4::default(),
        tlb: BTreeMap::new(),
        directories: BTreeMap::new(),
    };
    let mut stale = 0;
    for (number, step) in Program::new(seed, layout, features).take(count).enumerate() {
        let allowed = run.step(step).map_err(|fault| fault.to_string())?;
        let (Step::Access(address, access), Some(allowed)) = (step, allowed) else {
            // A processor that misses what `break_it` says still knows its registers.
            if break_it(&step) {
                let (tlb, directories) = (real.tlb.clone(), real.directories.clone());
                real.step(step);
                (real.tlb, real.directories) = (tlb, directories);
            } else {
                real.step(step);
            }
            continue;
        };
        let seen = real.access(&run.memory, address, access);
        if !allowed.has(seen) {
            return Err(format!(
                "step {number}: {access:?} of {address:#x} came to {seen:x?}, not {allowed:x?}"
            ));
        }
        stale += usize::from(allowed.pages.len() > 1);
        if seen.is_none() {
            run.faulted(address);
            real.drop_page(real.pcid(), address, false);
        }
        real.evict(&mut random);
    }
    Ok(stale)
}

proptest! {
    #[test]
    fn a_processor_does_what_is_allowed(seed: u64) {
        follow(seed, 400, |_| false).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn a_processor_that_misses_a_flush_is_caught() {
    type Missed = fn(&Step) -> bool;
    let missed: [(&str, Missed); 8] = [
        (
            "CR3 without bit 63",
            |step| matches!(step, Step::Cr3(value) if value >> 63 == 0),
        ),
        ("CR4", |step| matches!(step, Step::Cr4(_))),
        ("INVLPG", |step| matches!(step, Step::Invlpg(_))),
        ("INVPCID 0", |step| {
            matches!(step, Step::Invpcid(Invpcid::Address { .. }))
        }),
        ("INVPCID 1", |step| {
            matches!(step, Step::Invpcid(Invpcid::Context { .. }))
        }),
        ("INVPCID 2", |step| {
            matches!(step, Step::Invpcid(Invpcid::All))
        }),
        ("INVPCID 3", |step| {
            matches!(step, Step::Invpcid(Invpcid::AllButGlobal))
        }),
        ("none", |_| false),
    ];
    for (what, break_it) in missed {
        let mut seeds = if what == "none" { 0..2 } else { 0..8 };
        let caught = seeds.any(|seed| follow(seed, 4000, break_it).is_err());
        assert_eq!(caught, what != "none", "{what}");
    }
}

#[test]
fn programs_come_upon_stale_translations() {
    assert!(follow(1, 4000, |_| false).unwrap() > 100);
}
