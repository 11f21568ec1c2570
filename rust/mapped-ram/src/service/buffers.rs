// SPDX-License-Identifier: GPL-2.0-or-later
//! The memory that one thread reads into. All of it is made when first needed.

use std::io;

use crate::buffer::Buffer;
use crate::plan::HUGE_PAGE;

/// Grows to the largest page met, and gives back what only a rare giant page needs.
#[derive(Debug, Default)]
pub(super) struct Single {
    buffer: Option<Buffer>,
}

impl Single {
    /// `len` bytes for one page.
    pub fn page(&mut self, len: u64) -> io::Result<&mut [u8]> {
        let len = len as usize;
        if self.buffer.as_ref().is_none_or(|buffer| buffer.len() < len) {
            self.buffer = None;
            self.buffer = Some(Buffer::new(len)?);
        }
        let buffer = self.buffer.as_mut().expect("made above");
        Ok(&mut buffer.bytes()[..len])
    }

    /// Keeps no more than a huge page's worth.
    pub fn shrink(&mut self) {
        self.buffer
            .take_if(|buffer| buffer.len() as u64 > HUGE_PAGE);
    }
}

/// What a background thread has.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    chunk: Single,
    stage: Option<Buffer>,
}

impl Bulk {
    /// `len` bytes for a chunk.
    pub fn chunk(&mut self, len: u64) -> io::Result<&mut [u8]> {
        self.chunk.page(len)
    }

    /// Keeps no more than a huge page's worth.
    pub fn shrink(&mut self) {
        self.chunk.shrink();
    }

    /// One huge page to be moved away.
    pub fn stage(&mut self) -> io::Result<&mut Buffer> {
        if self.stage.is_none() {
            self.stage = Some(Buffer::huge_page()?);
        }
        Ok(self.stage.as_mut().expect("made above"))
    }
}
