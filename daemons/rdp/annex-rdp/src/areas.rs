// SPDX-License-Identifier: GPL-2.0-or-later
//! A picture as it was and as it is: what both have, in different places, and what is of one colour
//! now. A few bytes can draw either.

use std::ops::Range;

use crate::pixels::BYTES;

mod filled;
mod moved;

/// The same pixels as they were and as they are: rows one after another.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// Columns.
    pub width: usize,
    /// What was there. A pixel whose last byte is 0 isn't known.
    pub old: &'a [u8],
    /// What is there.
    pub new: &'a [u8],
}

impl<'a> Pair<'a> {
    fn span(&self, x: usize, y: usize, width: usize) -> Range<usize> {
        let at = (y * self.width + x) * BYTES;
        at..at + width * BYTES
    }

    fn was(&self, x: usize, y: usize, width: usize) -> &'a [u8] {
        &self.old[self.span(x, y, width)]
    }

    fn is(&self, x: usize, y: usize, width: usize) -> &'a [u8] {
        &self.new[self.span(x, y, width)]
    }
}
