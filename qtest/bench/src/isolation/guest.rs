// SPDX-License-Identifier: GPL-2.0-or-later
//! What stands for a guest's memory: block requests, each in a slot of its own.

use std::array;
use std::fs::File;
use std::iter::Flatten;
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{ensure, Context, Result};
use isolated_memory::Request;
use rustix::fs::{ftruncate, memfd_create, MemfdFlags};
use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

use super::disk::{Operation, Shape};

/// Bytes of a page.
const PAGE: usize = 4096;
/// Bytes of a sector, virtio's unit.
const SECTOR: u64 = 512;
/// Where a request has its status, after its header of 16 bytes.
pub const STATUS: usize = 16;

/// What the status is before the device wrote it; none of its own.
const UNANSWERED: u8 = 0xff;

/// Memory for the rings of a [`Shape`]'s queues, and its requests' buffers.
pub struct Guest {
    memory: MmapRegion,
    shape: Shape,
    rings: usize,
}

impl Guest {
    /// As QEMU gives it to a back-end that isn't isolated: a memfd, with
    /// `rings` bytes at its beginning for rings.
    pub fn shared(shape: Shape, rings: usize) -> Result<Self> {
        let len = Self::len(shape, rings);
        let fd = memfd_create("guest", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, len as u64)?;
        let memory = MmapRegion::from_file(FileOffset::new(File::from(fd), 0), len)?;
        Ok(Self {
            memory,
            shape,
            rings,
        })
    }

    /// As an isolated guest has it: anonymous, nobody else's.
    pub fn private(shape: Shape) -> Result<Self> {
        Ok(Self {
            memory: MmapRegion::new(Self::len(shape, 0))?,
            shape,
            rings: 0,
        })
    }

    fn len(shape: Shape, rings: usize) -> usize {
        rings + shape.slots() * (PAGE + shape.len)
    }

    /// The memfd and its length, if it is shared.
    pub fn shared_file(&self) -> Result<(BorrowedFd<'_>, u64)> {
        let file = self
            .memory
            .file_offset()
            .context("private memory has no file")?;
        Ok((file.file().as_fd(), self.memory.len() as u64))
    }

    /// How much there is in it.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Where a slot's header is; its status is behind that, then room for a
    /// table of descriptors at [`Guest::table`].
    pub fn header(&self, slot: usize) -> usize {
        self.rings + slot * PAGE
    }

    /// Where a slot's status is.
    pub fn status(&self, slot: usize) -> usize {
        self.header(slot) + STATUS
    }

    /// Where a slot's indirect table may be.
    pub fn table(&self, slot: usize) -> usize {
        self.header(slot) + 64
    }

    /// Where a slot's data is, in whole pages.
    pub fn data(&self, slot: usize) -> usize {
        self.header(self.shape.slots()) + slot * self.shape.len
    }

    /// `len` bytes at `at`.
    pub fn slice(&self, at: usize, len: usize) -> VolatileSlice<'_> {
        self.memory
            .get_slice(at, len)
            .expect("inside of the guest's memory")
    }

    /// A slot's data.
    pub fn data_slice(&self, slot: usize) -> VolatileSlice<'_> {
        self.slice(self.data(slot), self.shape.len)
    }

    /// Writes a request's header as a driver does for each.
    pub fn prepare(&self, slot: usize, operation: Operation, position: u64) {
        let kind: u32 = match operation {
            Operation::Read => 0,
            Operation::Write => 1,
        };
        let header = u128::from(kind) | u128::from(position / SECTOR) << 64;
        let slice = self.slice(self.header(slot), STATUS + 1);
        slice.write_obj(header.to_le(), 0).expect("inside");
        slice.write_obj(UNANSWERED, STATUS).expect("inside");
    }

    /// Whether the device did what a slot asked for.
    pub fn check(&self, slot: usize) -> Result<()> {
        let status: u8 = self
            .slice(self.status(slot), 1)
            .read_obj(0)
            .context("inside")?;
        ensure!(status == 0, "a request ended with status {status}");
        Ok(())
    }
}

/// A slot's request, to be lent to a back-end.
pub struct Io<'a> {
    pub guest: &'a Guest,
    pub slot: usize,
    pub operation: Operation,
}

impl<'a> Io<'a> {
    fn header(&self) -> VolatileSlice<'a> {
        self.guest.slice(self.guest.header(self.slot), STATUS)
    }

    fn data_if(&self, operation: Operation) -> Option<VolatileSlice<'a>> {
        (self.operation == operation).then(|| self.guest.data_slice(self.slot))
    }

    fn status(&self) -> VolatileSlice<'a> {
        self.guest.slice(self.guest.status(self.slot), 1)
    }
}

impl<'g> Request for Io<'g> {
    type Segments<'a>
        = Flatten<array::IntoIter<Option<VolatileSlice<'a>>, 2>>
    where
        'g: 'a;

    fn readable(&self) -> Self::Segments<'_> {
        [Some(self.header()), self.data_if(Operation::Write)]
            .into_iter()
            .flatten()
    }

    fn writable(&self) -> Self::Segments<'_> {
        [self.data_if(Operation::Read), Some(self.status())]
            .into_iter()
            .flatten()
    }
}
