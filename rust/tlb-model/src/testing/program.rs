// SPDX-License-Identifier: GPL-2.0-or-later
//! A random program.

use std::collections::VecDeque;

use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::entry::{GLOBAL, LARGE, NO_EXECUTE, PRESENT, USER, WRITABLE};
use crate::{Access, Cr3, Cr4, Invpcid};

use super::Layout;

/// What a processor does. None of these makes a fault but an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes eight bytes to physical memory.
    Write {
        /// A multiple of 8.
        address: u64,
        /// An entry.
        value: u64,
    },
    /// MOV to CR3.
    Cr3(u64),
    /// MOV to CR4.
    Cr4(Cr4),
    /// INVLPG.
    Invlpg(u64),
    /// INVPCID.
    Invpcid(Invpcid),
    /// Reads from a watched address, writes to it or executes what is there.
    Access(u64, Access),
}

impl Step {
    /// A supervisor's read.
    pub const fn read(address: u64) -> Self {
        Self::Access(address, Access::READ)
    }
}

/// What the processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// CR4.PCIDE, and INVPCID.
    pub pcid: bool,
    /// CR4.SMEP.
    pub smep: bool,
}

/// So few that they come again; two that differ in their highest bit only.
const PCIDS: [u16; 6] = [0, 1, 2, 5, 0x7ff, 0xfff];

/// Steps without end. The same seed gives the same ones. The first is a load of CR3, when CR4 has
/// none of the bits.
pub struct Program {
    random: Xoshiro256PlusPlus,
    layout: Layout,
    features: Features,
    cr3: u64,
    cr4: Cr4,
    /// What comes next, whatever is drawn.
    queue: VecDeque<Step>,
    /// The address, the PCID and the access that were drawn last.
    last: (u64, u16, Access),
}

impl Program {
    /// Steps in that memory.
    pub fn new(seed: u64, layout: Layout, features: Features) -> Self {
        let cr3 = layout.tables(4)[0];
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            cr3,
            layout,
            features,
            cr4: Cr4::default(),
            queue: VecDeque::from([Step::Cr3(cr3)]),
            last: (layout.addresses()[0], 0, Access::READ),
        }
    }

    /// 0 to `count` - 1.
    fn below(&mut self, count: usize) -> usize {
        // By far fewer than 2^32, so the remainder is as good as fair.
        (self.random.next_u64() >> 32) as usize % count
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn in_hundred(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Often the last one: what is stale shows only if it is come back to.
    fn address(&mut self) -> u64 {
        if !self.in_hundred(60) {
            self.last.0 = self.one_of(&self.layout.addresses());
        }
        self.last.0
    }

    /// Often the last one, too.
    fn pcid(&mut self) -> u16 {
        if !self.in_hundred(50) {
            self.last.1 = self.one_of(&PCIDS);
        }
        self.last.1
    }

    /// Often the last one, too: what allows one kind of access says little of another.
    fn access(&mut self) -> Access {
        if !self.in_hundred(60) {
            self.last.2 = match self.in_hundred(40) {
                true => Access::READ,
                false => self.one_of(&Access::ALL),
            };
        }
        self.last.2
    }

    /// After an invalidation: goes back to where it should have had an effect, keeping the rest.
    fn come_back(&mut self) {
        if self.cr4.pcide && self.in_hundred(60) {
            let root = self.cr3 & !0xfff;
            self.cr3 = root | u64::from(self.last.1);
            self.queue.push_back(Step::Cr3(self.cr3 | Cr3::KEEP));
        }
        self.queue.push_back(Step::Access(self.last.0, self.last.2));
    }

    fn write(&mut self) -> Step {
        let level = self.one_of(&[1, 1, 1, 1, 2, 2, 3, 4]);
        let table = self.one_of(&self.layout.tables(level));
        let indices: Vec<_> = self.layout.indices(level).collect();
        let address = table + 8 * self.one_of(&indices);
        if self.in_hundred(10) {
            return Step::Write { address, value: 0 };
        }
        let large = level == 2 && self.in_hundred(30);
        let target = match level {
            1 => self.one_of(&self.layout.pages()),
            _ if large => self.one_of(&self.layout.large_pages()) | LARGE,
            _ => self.one_of(&self.layout.tables(level - 1)),
        };
        let maps = level == 1 || large;
        // Each of three or four levels takes away, so higher ones seldom do.
        let [refused, seldom] = if maps { [25, 15] } else { [5, 3] };
        let mut value = target | PRESENT;
        for (bit, percent) in [
            (GLOBAL, if maps { 30 } else { 0 }),
            (WRITABLE, 100 - refused),
            (USER, 100 - refused),
            (NO_EXECUTE, seldom),
        ] {
            if self.in_hundred(percent) {
                value |= bit;
            }
        }
        Step::Write { address, value }
    }

    fn cr3(&mut self) -> Step {
        let root = self.one_of(&self.layout.tables(4));
        let mut value = root;
        if self.cr4.pcide {
            value |= u64::from(self.pcid());
            if self.in_hundred(75) {
                value |= Cr3::KEEP;
            }
        }
        self.cr3 = value & !Cr3::KEEP;
        Step::Cr3(value)
    }

    /// PCIDE is what programs are about: they seldom are without.
    fn cr4(&mut self) -> Step {
        let mut cr4 = self.cr4;
        match self.below(4) {
            0 => cr4.smep = self.features.smep && !cr4.smep,
            1 | 2 => cr4.pge = !cr4.pge,
            _ if self.features.pcid && cr4.pcide => cr4.pcide = self.in_hundred(70),
            _ => cr4.pcide = self.features.pcid,
        }
        if cr4.pcide && !self.cr4.pcide && self.cr3 & 0xfff != 0 {
            cr4.pcide = false;
        }
        self.cr4 = cr4;
        self.come_back();
        Step::Cr4(cr4)
    }

    fn invpcid(&mut self) -> Step {
        let pcid = if self.cr4.pcide { self.pcid() } else { 0 };
        let address = self.address();
        self.come_back();
        Step::Invpcid(match self.below(12) {
            0..=5 => Invpcid::Address { pcid, address },
            6..=9 => Invpcid::Context { pcid },
            10 => Invpcid::AllButGlobal,
            _ => Invpcid::All,
        })
    }
}

impl Iterator for Program {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if let Some(step) = self.queue.pop_front() {
            return Some(step);
        }
        Some(match self.below(100) {
            0..=44 => Step::Access(self.address(), self.access()),
            45..=64 => self.write(),
            65..=84 => self.cr3(),
            85..=90 => Step::Invlpg(self.address()),
            91..=97 if self.features.pcid => self.invpcid(),
            91..=97 => Step::Invlpg(self.address()),
            _ => self.cr4(),
        })
    }
}
