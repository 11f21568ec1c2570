// SPDX-License-Identifier: GPL-2.0-or-later
//! The part of the medium that was read last.
//!
//! Headers are small and mostly near each other. A window that is asked for
//! what follows it, or nearly, grows, up to [`READ_AHEAD`]; one that is asked for
//! something far away starts small again. Reading over a short record costs less
//! than another request, and than a disk that has to seek.

use alloc::vec::Vec;

/// The largest read that looks ahead, in bytes.
pub const READ_AHEAD: usize = 256 << 10;
/// The smallest.
pub(crate) const READ_SMALL: usize = 512;

/// The longest way to what counts as following.
const NEAR: u64 = 32 << 10;

/// Which way the tape is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Reverse,
}

#[derive(Debug)]
pub(crate) struct Window {
    offset: u64,
    buf: Vec<u8>,
    ahead: usize,
}

/// A read that would bring the window to where it's needed.
pub(crate) struct Fill {
    pub(crate) offset: u64,
    pub(crate) buf: Vec<u8>,
    pub(crate) skip: usize,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            offset: 0,
            buf: Vec::new(),
            ahead: READ_SMALL,
        }
    }

    /// The bytes from `offset` on, as far as they are here.
    #[inline]
    pub(crate) fn from(&self, offset: u64) -> &[u8] {
        let skip = offset.wrapping_sub(self.offset);
        match usize::try_from(skip) {
            Ok(skip) if skip < self.buf.len() => &self.buf[skip..],
            _ => &[],
        }
    }

    /// The `len` bytes at `offset`, if they are here.
    #[inline]
    pub(crate) fn get(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.from(offset).get(..len)
    }

    /// The word at `offset`, if it is here.
    #[inline]
    pub(crate) fn word(&self, offset: u64) -> Option<u32> {
        let bytes = self.from(offset).first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }

    /// Where it begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.buf.clear();
        self.ahead = READ_SMALL;
    }

    /// Takes the window apart for a read that brings at least the `len` bytes
    /// at `offset`, which end before `limit`, and as much around them as
    /// looks useful. What is here of them already stays.
    pub(crate) fn fill(&mut self, offset: u64, len: usize, limit: u64, way: Direction) -> Fill {
        let end = self.offset + self.buf.len() as u64;
        let near = match way {
            Direction::Forward => offset >= self.offset && offset <= end + NEAR,
            Direction::Reverse => offset + len as u64 >= self.offset && offset <= end,
        };
        self.ahead = if near && !self.buf.is_empty() {
            (self.ahead * 4).min(READ_AHEAD)
        } else {
            READ_SMALL
        };
        let want = len.max(self.ahead) as u64;
        let mut buf = core::mem::take(&mut self.buf);
        let (from, skip) = match way {
            Direction::Forward if near => {
                let used = buf.len().min((offset - self.offset) as usize);
                buf.copy_within(used.., 0);
                (offset, buf.len() - used)
            }
            Direction::Forward => (offset, 0),
            Direction::Reverse => ((offset + len as u64).saturating_sub(want).min(offset), 0),
        };
        let total = match way {
            Direction::Forward => want.min(limit - offset) as usize,
            Direction::Reverse => (offset + len as u64 - from) as usize,
        };
        resize(&mut buf, total.max(skip));
        self.offset = from;
        Fill {
            offset: from + skip as u64,
            buf,
            skip,
        }
    }

    /// As [`fill`](Self::fill), of these bytes and no others.
    pub(crate) fn fill_exactly(&mut self, offset: u64, len: usize) -> Fill {
        self.clear();
        let mut buf = core::mem::take(&mut self.buf);
        resize(&mut buf, len);
        let skip = 0;
        Fill { offset, buf, skip }
    }

    /// Puts what was read in place: `buf` from `offset` on.
    pub(crate) fn put(&mut self, offset: u64, buf: Vec<u8>) {
        self.offset = offset;
        self.buf = buf;
    }

    /// The buffer, to read something else into, keeping its memory.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.buf)
    }
}

/// Changes a length without clearing more than is new.
pub(crate) fn resize(buf: &mut Vec<u8>, len: usize) {
    if len <= buf.capacity() {
        buf.resize(len, 0);
    } else {
        let mut grown = alloc::vec![0; len];
        grown[..buf.len()].copy_from_slice(buf);
        *buf = grown;
    }
}
