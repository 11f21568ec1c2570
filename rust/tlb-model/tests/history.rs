// SPDX-License-Identifier: GPL-2.0-or-later
//! The model beside a naive one that keeps no caches: it looks back over all that has happened,
//! and asks of each moment what could have been cached then, and whether that was dropped since.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tlb_model::testing::{Features, Layout, Program, Run, Step};
use tlb_model::{Access, Cr4, Invpcid, Kind};

const LARGE: u64 = 1 << 7;

/// Of an entry: bit 0 if instructions may be fetched, and those that let write and let users in.
fn rights(entry: u64) -> u64 {
    (!entry >> 63) | (entry & 6)
}

fn refuses(rights: u64, smep: bool, access: Access) -> bool {
    access.user && rights & 4 == 0
        || access.kind == Kind::Store && rights & 2 == 0
        || access.kind == Kind::Fetch
            && (rights & 1 == 0 || smep && !access.user && rights & 4 != 0)
}

/// What was so after a step.
struct Moment {
    step: Step,
    memory: BTreeMap<u64, u64>,
    cr3: u64,
    cr4: Cr4,
    /// CR4 before.
    old: Cr4,
}

impl Moment {
    fn pcid(&self) -> u64 {
        if self.cr4.pcide {
            self.cr3 & 0xfff
        } else {
            0
        }
    }

    fn entry(&self, level: u32, table: u64, address: u64) -> u64 {
        let index = address >> (12 + 9 * (level - 1)) & 511;
        *self.memory.get(&(table + index * 8)).unwrap_or(&0)
    }

    fn is_large_at(&self, address: u64) -> bool {
        let mut table = self.cr3 >> 12 << 12;
        for level in [4, 3, 2] {
            let entry = self.entry(level, table, address);
            if entry & 1 == 0 {
                return false;
            }
            if level == 2 && entry & LARGE != 0 {
                return true;
            }
            table = entry << 12 >> 24 << 12;
        }
        false
    }

    fn all_of_everything(&self) -> bool {
        matches!(self.step, Step::Invpcid(Invpcid::All))
            || self.old.pge != self.cr4.pge
            || self.old.pcide && !self.cr4.pcide
    }

    /// Whether all of a PCID goes, but for global translations.
    fn all_of(&self, pcid: u64) -> bool {
        match self.step {
            Step::Cr3(value) => value >> 63 == 0 && self.pcid() == pcid,
            Step::Cr4(_) => self.smep_of(pcid),
            Step::Invpcid(Invpcid::Context { pcid: of }) => u64::from(of) == pcid,
            Step::Invpcid(Invpcid::AllButGlobal) => true,
            _ => false,
        }
    }

    fn smep_of(&self, pcid: u64) -> bool {
        let before = if self.old.pcide { self.cr3 & 0xfff } else { 0 };
        self.cr4.smep && !self.old.smep && before == pcid
    }

    /// Whether the step dropped a translation of `address`.
    fn drops(&self, pcid: u64, address: u64, global: bool, large: bool) -> bool {
        let covers = |at: u64| {
            at >> 12 == address >> 12 || large && at >> 21 == address >> 21 && self.is_large_at(at)
        };
        if self.all_of_everything() || self.smep_of(pcid) {
            return true;
        }
        match self.step {
            Step::Invlpg(at) => covers(at) && (global || pcid == self.pcid()),
            Step::Invpcid(Invpcid::Address {
                pcid: of,
                address: at,
            }) => {
                let same = at >> 12 == address >> 12;
                !global && u64::from(of) == pcid && (same || pcid == self.pcid() && covers(at))
            }
            _ => !global && self.all_of(pcid),
        }
    }

    /// Whether the step dropped a cached entry of `level` for `address`.
    fn drops_table(&self, pcid: u64, level: u32, address: u64) -> bool {
        if self.all_of_everything() || self.all_of(pcid) {
            return true;
        }
        let shift = 12 + 9 * (level - 1);
        match self.step {
            Step::Invlpg(_) => pcid == self.pcid(),
            Step::Invpcid(Invpcid::Address {
                pcid: of,
                address: at,
            }) => u64::from(of) == pcid && at >> shift == address >> shift,
            _ => false,
        }
    }
}

struct History(Vec<Moment>);

impl History {
    /// Moments up to `now` in which `pcid` was current, and those after each of them.
    fn since(&self, now: usize) -> impl Iterator<Item = (usize, &[Moment])> {
        (0..=now).map(move |then| (then, &self.0[then + 1..=now]))
    }

    /// Tables of `level` that a walk at `now` may have come to, with the rights they were come to by.
    fn tables(&self, level: u32, address: u64, now: usize) -> BTreeSet<(u64, u64)> {
        let pcid = self.0[now].pcid();
        if level == 4 {
            return BTreeSet::from([(self.0[now].cr3 >> 12 << 12, 7)]);
        }
        let mut found = BTreeSet::new();
        for (then, after) in self.since(now) {
            let moment = &self.0[then];
            let gone = after
                .iter()
                .any(|one| one.drops_table(pcid, level + 1, address));
            if moment.pcid() != pcid || gone {
                continue;
            }
            for (table, above) in self.tables(level + 1, address, then) {
                let entry = moment.entry(level + 1, table, address);
                if entry & 1 != 0 && !(level == 1 && entry & LARGE != 0) {
                    found.insert((entry << 12 >> 24 << 12, above & rights(entry)));
                }
            }
        }
        found
    }

    fn allowed(&self, address: u64, access: Access) -> (BTreeSet<u64>, bool) {
        let now = self.0.len() - 1;
        let (mut pages, mut refused) = (BTreeSet::new(), false);
        for (then, after) in self.since(now) {
            let moment = &self.0[then];
            for level in [1, 2] {
                for (table, above) in self.tables(level, address, then) {
                    let entry = moment.entry(level, table, address);
                    let large = level == 2;
                    if entry & 1 == 0 || large != (level == 2 && entry & LARGE != 0) {
                        continue;
                    }
                    let global = moment.cr4.pge && entry >> 8 & 1 == 1;
                    let serves = global || moment.pcid() == self.0[now].pcid();
                    let gone = after
                        .iter()
                        .any(|one| one.drops(moment.pcid(), address, global, large));
                    if !serves || gone {
                        continue;
                    }
                    if refuses(above & rights(entry), moment.cr4.smep, access) {
                        refused = true;
                        continue;
                    }
                    let fragment = if large { address & 0x1f_f000 } else { 0 };
                    pages.insert((entry << 12 >> 24 << 12) + fragment);
                }
            }
        }
        let faults = (1..=4).any(|level| {
            let tables = self.tables(level, address, now);
            tables
                .iter()
                .any(|&(table, _)| self.0[now].entry(level, table, address) & 1 == 0)
        });
        (pages, refused || faults)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn looking_back_gives_the_same(seed: u64, pcid: bool, count in 2usize..14) {
        let layout = Layout::at(0x40_0000);
        // Accesses change nothing, so they would only make the history longer.
        let steps = Program::new(seed, layout, Features { pcid, smep: true })
            .filter(|step| !matches!(step, Step::Access(..)))
            .take(count);
        let mut run = Run::new(layout);
        let (mut cr3, mut old) = (layout.tables(4)[0], Cr4::default());
        let mut history = History(Vec::new());
        for step in steps {
            run.step(step).unwrap();
            if let Step::Cr3(value) = step {
                cr3 = value & !(1 << 63);
            }
            let cr4 = run.processor.cr4();
            history.0.push(Moment { step, memory: run.memory.clone(), cr3, cr4, old });
            old = cr4;
        }
        for &address in run.addresses() {
            for access in Access::ALL {
                let allowed = run.processor.allowed(address, access, &run.memory);
                let found = (allowed.pages, allowed.fault);
                prop_assert_eq!(found, history.allowed(address, access), "{:#x}", address);
            }
        }
    }
}
