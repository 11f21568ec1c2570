// SPDX-License-Identifier: GPL-2.0-or-later
//! What a processor may have cached, all of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::prefix;
use crate::rights::{Access, Rights};

/// A translation of one 4 KiB of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Translation {
    /// The physical address of a 4 KiB page.
    pub page: u64,
    /// What all entries on the way to it allow.
    pub rights: Rights,
    /// CR4.SMEP when it was cached.
    pub smep: bool,
    /// Whether it serves all PCIDs.
    pub global: bool,
    /// Whether it is a fragment of a larger page.
    pub large: bool,
}

impl Translation {
    /// Whether it allows an access.
    pub fn allows(&self, access: Access) -> bool {
        self.rights.allow(access, self.smep)
    }
}

/// A table, and what the entries on the way to it allow.
pub type Table = (u64, Rights);

/// Paging-structure caches of one PCID: entries that refer to a table, by their level and the
/// part of an address that they are for.
type Tables = BTreeMap<(u8, u64), BTreeSet<Table>>;

/// TLBs of one PCID, by addresses without bits 11:0.
type Tlb = BTreeMap<u64, BTreeSet<Translation>>;

/// What belongs to one PCID. A global translation belongs to the one it was made in.
#[derive(Clone, Debug, Default)]
struct Context {
    tables: Tables,
    tlb: Tlb,
}

/// All contexts.
#[derive(Clone, Debug, Default)]
pub struct Caches {
    contexts: BTreeMap<u16, Context>,
}

/// Which translations an invalidation drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Globals {
    /// Global ones as well.
    Dropped,
    /// But global ones.
    Kept,
}

impl Caches {
    pub fn add_table(&mut self, pcid: u16, level: u8, address: u64, table: Table) {
        let context = self.contexts.entry(pcid).or_default();
        let tables = context.tables.entry((level, prefix(level, address)));
        tables.or_default().insert(table);
    }

    pub fn add(&mut self, pcid: u16, address: u64, translation: Translation) {
        let context = self.contexts.entry(pcid).or_default();
        let tlb = context.tlb.entry(prefix(1, address));
        tlb.or_default().insert(translation);
    }

    /// The tables that entries of this level for an address may refer to.
    pub fn tables(&self, pcid: u16, level: u8, address: u64) -> impl Iterator<Item = Table> + '_ {
        let context = self.contexts.get(&pcid);
        let tables =
            context.and_then(|context| context.tables.get(&(level, prefix(level, address))));
        tables.into_iter().flatten().copied()
    }

    /// The translations of an address: those of its PCID, and all that are global.
    pub fn translations(&self, pcid: u16, address: u64) -> impl Iterator<Item = Translation> + '_ {
        let of = move |(&owner, context): (&u16, &'_ Context)| {
            let found = context.tlb.get(&prefix(1, address)).cloned();
            let serves = move |one: &Translation| owner == pcid || one.global;
            found.into_iter().flatten().filter(serves)
        };
        self.contexts.iter().flat_map(of)
    }

    /// Drops everything.
    pub fn drop_all(&mut self) {
        self.contexts.clear();
    }

    /// Drops all of every PCID but global translations.
    pub fn drop_all_but_global(&mut self) {
        for context in self.contexts.values_mut() {
            context.drop_all(Globals::Kept);
        }
    }

    /// Drops all of one PCID.
    pub fn drop_context(&mut self, pcid: u16, globals: Globals) {
        if let Some(context) = self.contexts.get_mut(&pcid) {
            context.drop_all(globals);
        }
    }

    /// Drops the paging-structure caches of one PCID.
    pub fn drop_tables(&mut self, pcid: u16) {
        if let Some(context) = self.contexts.get_mut(&pcid) {
            context.tables.clear();
        }
    }

    /// Drops the entries of paging-structure caches of a PCID that are for an address.
    pub fn drop_tables_of(&mut self, pcid: u16, address: u64) {
        if let Some(context) = self.contexts.get_mut(&pcid) {
            for level in 2..=4 {
                context.tables.remove(&(level, prefix(level, address)));
            }
        }
    }

    /// Drops the translations of a PCID for an address, and the global ones of all PCIDs if they
    /// are to be dropped. If `large` is the level of the tables that map the address now, it is one
    /// of a larger page, of which every fragment is dropped.
    pub fn drop_page(&mut self, pcid: u16, address: u64, large: Option<u8>, globals: Globals) {
        for (&owner, context) in &mut self.contexts {
            let goes = |one: &Translation| match one.global {
                true => globals == Globals::Dropped,
                false => owner == pcid,
            };
            context.tlb.retain(|&page, translations| {
                let same = page == prefix(1, address);
                let fragment =
                    large.is_some_and(|level| prefix(level, page << 12) == prefix(level, address));
                translations.retain(|one| !(goes(one) && (same || fragment && one.large)));
                !translations.is_empty()
            });
        }
    }
}

impl Context {
    fn drop_all(&mut self, globals: Globals) {
        self.tables.clear();
        match globals {
            Globals::Dropped => self.tlb.clear(),
            Globals::Kept => self.tlb.retain(|_, translations| {
                translations.retain(|one| one.global);
                !translations.is_empty()
            }),
        }
    }
}
