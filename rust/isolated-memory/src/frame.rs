// SPDX-License-Identifier: GPL-2.0-or-later
//! How a request's segments become pieces of its own memory, before that memory is chosen.
//!
//! ```text
//! guest      out: [hdr][page][page][page]            in: [page][page][status]
//!                  |    \___________/ |                   |     |     |
//! pieces          hdr      middle    last               first  mid   last
//!
//! space      0         16-aligned              4096           4096
//!            | table | hdr | status | gap |    middle    |    last     | ...
//! ```
//!
//! A chain's first and last segment in each direction keep descriptors of their own, for many
//! back-ends look for a header or a status byte there and nowhere else. What lies between
//! becomes one piece. If even that makes too many descriptors, there is one piece each way.
//!
//! Pieces of a block or more begin on a block, smaller ones are packed, and never lie across a
//! block's end: so a header is one descriptor even in scattered memory, and data is as well
//! aligned as any device may want it.

use crate::layout::BLOCK;

/// Pieces of a request at most: three each way.
pub const PIECES_MAX: usize = 6;

/// The segments of one direction, as far as they matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    first: u64,
    middle: u64,
    last: u64,
}

impl Lengths {
    /// From the segments' lengths; empty ones don't count.
    pub fn new(segments: impl Iterator<Item = usize>) -> Self {
        let mut lengths = Self::default();
        for segment in segments.filter(|&len| len > 0) {
            if lengths.first == 0 {
                lengths.first = segment as u64;
            } else {
                lengths.middle = lengths.middle.saturating_add(lengths.last);
                lengths.last = segment as u64;
            }
        }
        lengths
    }

    /// Bytes of them all.
    pub fn total(&self) -> u64 {
        self.first
            .saturating_add(self.middle)
            .saturating_add(self.last)
    }

    /// Pieces that they make, at most three.
    pub fn pieces(&self) -> usize {
        let lens = self.split(false);
        lens.into_iter().filter(|&len| len > 0).count()
    }

    fn split(&self, merged: bool) -> [u64; 3] {
        if merged {
            [self.total(), 0, 0]
        } else {
            [self.first, self.middle, self.last]
        }
    }
}

/// A part of a request's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Bytes from the beginning of the request's space.
    pub at: u64,
    /// In bytes.
    pub len: u64,
    /// The device may write it.
    pub writable: bool,
}

/// The whole request: first the descriptors' table if it has one, then its pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    pieces: [Piece; PIECES_MAX],
    count: usize,
    /// Where the table and the small pieces end.
    packed: u64,
    /// There is something among those that the device doesn't write.
    packed_is_read: bool,
    end: u64,
}

impl Frame {
    /// Places the pieces behind a table of `table` bytes. None if that takes 2^62 bytes or more.
    pub fn new(out: &Lengths, into: &Lengths, table: u64, merged: bool) -> Option<Self> {
        if out.total().checked_add(into.total())? >= 1 << 62 {
            return None;
        }
        let mut frame = Self {
            pieces: [Piece::default(); PIECES_MAX],
            count: 0,
            packed: 0,
            packed_is_read: table > 0,
            end: table,
        };
        for (lengths, writable) in [(out, false), (into, true)] {
            for len in lengths.split(merged).into_iter().filter(|&len| len > 0) {
                let at = 0;
                frame.pieces[frame.count] = Piece { at, len, writable };
                frame.count += 1;
            }
        }
        let small = |piece: &&mut Piece| piece.len < BLOCK;
        let count = frame.count;
        for piece in frame.pieces[..count].iter_mut().filter(small) {
            let align = if piece.len < 512 { 16 } else { 512 };
            let at = frame.end.next_multiple_of(align);
            let fits = at % BLOCK + piece.len <= BLOCK;
            piece.at = if fits { at } else { at.next_multiple_of(BLOCK) };
            frame.end = piece.at + piece.len;
            frame.packed_is_read |= !piece.writable;
        }
        frame.packed = frame.end;
        for piece in frame.pieces[..count].iter_mut().filter(|p| !small(p)) {
            piece.at = frame.end.next_multiple_of(BLOCK);
            frame.end = piece.at + piece.len;
        }
        Some(frame)
    }

    /// Readable pieces first, each direction in the segments' order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces[..self.count]
    }

    /// Where there is something in the space that the device may read, by position and length,
    /// with small pieces that it may write if they are beside such.
    pub fn read(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let large = self.pieces().iter();
        let large = large.filter(|piece| piece.len >= BLOCK && !piece.writable);
        let packed = self.packed_is_read.then_some((0, self.packed));
        packed
            .into_iter()
            .chain(large.map(|piece| (piece.at, piece.len)))
    }

    /// Blocks that hold the space.
    pub fn blocks(&self) -> u64 {
        self.end.div_ceil(BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ops::Range;

    fn frame(out: &[usize], into: &[usize], table: u64, merged: bool) -> Frame {
        let [out, into] = [out, into].map(|lens| Lengths::new(lens.iter().copied()));
        Frame::new(&out, &into, table, merged).expect("not that long")
    }

    fn lens(frame: &Frame) -> Vec<(u64, bool)> {
        let pieces = frame.pieces().iter();
        pieces.map(|piece| (piece.len, piece.writable)).collect()
    }

    #[test]
    fn headers_and_status_stay_apart() {
        let write = frame(&[16, 4096, 4096, 512], &[1], 0, false);
        assert_eq!(
            lens(&write),
            [(16, false), (8192, false), (512, false), (1, true)]
        );
        let read = frame(&[16], &[4096, 8192, 0, 512, 1], 0, false);
        assert_eq!(
            lens(&read),
            [(16, false), (4096, true), (8704, true), (1, true)]
        );
        let merged = frame(&[16, 4096, 4096], &[1, 2, 3], 0, true);
        assert_eq!(lens(&merged), [(8208, false), (6, true)]);
        assert_eq!(lens(&frame(&[0], &[], 0, false)), []);
    }

    #[test]
    fn a_small_disk_read_takes_two_blocks() {
        let read = frame(&[16], &[4096, 1], 256, false);
        let at: Vec<_> = read.pieces().iter().map(|piece| piece.at).collect();
        assert_eq!(at, [256, 4096, 272]);
        assert_eq!((read.end, read.blocks()), (8192, 2));
    }

    #[test]
    fn lengths_that_overflow_are_refused() {
        let huge = Lengths::new([usize::MAX; 3].into_iter());
        assert_eq!(huge.total(), u64::MAX);
        assert_eq!(Frame::new(&huge, &Lengths::default(), 0, false), None);
        assert_eq!(Frame::new(&huge, &huge, 0, true), None);
    }

    proptest! {
        #[test]
        fn pieces_hold_all_and_never_overlap(
            out in prop::collection::vec(0..9000usize, 0..9),
            into in prop::collection::vec(0..9000usize, 0..9),
            table in prop_oneof![Just(0u64), Just(256), Just(4096)],
            merged in any::<bool>(),
        ) {
            let frame = frame(&out, &into, table, merged);
            for (segments, writable) in [(&out, false), (&into, true)] {
                let pieces = frame.pieces().iter().filter(|piece| piece.writable == writable);
                prop_assert_eq!(
                    pieces.map(|piece| piece.len).sum::<u64>(),
                    segments.iter().sum::<usize>() as u64
                );
            }
            let mut pieces = frame.pieces().to_vec();
            prop_assert!(pieces.is_sorted_by_key(|piece| piece.writable));
            pieces.sort_by_key(|piece| piece.at);
            let mut end = table;
            let read: Vec<_> = frame.read().map(|(at, len)| at..at + len).collect();
            prop_assert!(table == 0 || read[0].end >= table);
            for piece in pieces {
                let range = piece.at..piece.at + piece.len;
                let within = |part: &Range<u64>| part.start <= range.start && range.end <= part.end;
                let count = read.iter().filter(|&part| within(part)).count();
                prop_assert!(count == 1 || piece.writable && count == 0);
                prop_assert!(count == 0 || !piece.writable || piece.len < BLOCK);
                prop_assert!(piece.at >= end);
                end = piece.at + piece.len;
                let last = end - 1;
                prop_assert!(piece.at % BLOCK == 0 || piece.at / BLOCK == last / BLOCK);
            }
            prop_assert_eq!(frame.end, end);
        }
    }
}
