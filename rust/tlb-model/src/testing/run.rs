// SPDX-License-Identifier: GPL-2.0-or-later
//! A program that is followed, step by step.

use std::collections::BTreeMap;

use crate::{Access, Allowed, Cr4, GeneralProtection, Processor};

use super::{Layout, Step};

/// What an access was seen to come to: a page's physical address, or a page fault.
pub type Observed = Option<u64>;

/// A processor that does a program's steps, in memory of its own.
pub struct Run {
    /// Memory, as the program's steps have left it.
    pub memory: BTreeMap<u64, u64>,
    /// What the processor may have cached.
    pub processor: Processor,
    addresses: Vec<u64>,
}

impl Run {
    /// Before the first step.
    pub fn new(layout: Layout) -> Self {
        let (memory, addresses) = (layout.memory(), layout.addresses());
        let root = layout.tables(4)[0];
        Self {
            processor: Processor::new(&addresses, root, Cr4::default(), &memory),
            memory,
            addresses,
        }
    }

    /// Takes a step; for an access, what it may come to.
    pub fn step(&mut self, step: Step) -> Result<Option<Allowed>, GeneralProtection> {
        let (processor, memory) = (&mut self.processor, &mut self.memory);
        match step {
            Step::Write { address, value } => {
                memory.insert(address, value);
                processor.memory_changed(memory);
            }
            Step::Cr3(value) => processor.load_cr3(value, memory)?,
            Step::Cr4(cr4) => processor.load_cr4(cr4, memory)?,
            Step::Invlpg(address) => processor.invlpg(address, memory),
            Step::Invpcid(what) => processor.invpcid(what, memory),
            Step::Access(address, access) => {
                return Ok(Some(processor.allowed(address, access, memory)))
            }
        }
        Ok(None)
    }

    /// An access to this address was seen to fault.
    pub fn faulted(&mut self, address: u64) {
        self.processor.page_fault(address, &self.memory);
    }

    /// Forgets all that is cached, as no processor has to.
    pub fn forget(&mut self) {
        self.processor.forget(&self.memory);
    }

    /// What the page tables say of an access as they are.
    pub fn walk(&self, address: u64, access: Access) -> Observed {
        self.processor.walk(address, access, &self.memory)
    }

    /// The addresses that the program accesses.
    pub fn addresses(&self) -> &[u64] {
        &self.addresses
    }
}
