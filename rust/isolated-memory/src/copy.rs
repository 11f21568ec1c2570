// SPDX-License-Identifier: GPL-2.0-or-later
//! Moving bytes between lists of slices, and the lists that a request's own memory makes.

use std::slice;

use vm_memory::VolatileSlice;

use crate::area::{zero, Area};
use crate::blocks::Extent;
use crate::layout::BLOCK;

/// Copies bytes from one list of slices to another until either ends or `limit` bytes are copied;
/// returns how many. Both sides may be written by others at the same time: then any of the old
/// and new bytes arrive.
pub fn copy<'a, 'b>(
    from: impl Iterator<Item = VolatileSlice<'a>>,
    to: impl Iterator<Item = VolatileSlice<'b>>,
    limit: u64,
) -> u64 {
    transfer(from, to, limit, |source, target| {
        source.copy_to_volatile_slice(target);
    })
}

/// Copies like [`copy`], and leaves zeros where it took the bytes from. That costs little while
/// they are in the processor's caches, and as much as copying once they aren't.
pub fn take<'a, 'b>(
    from: impl Iterator<Item = VolatileSlice<'a>>,
    to: impl Iterator<Item = VolatileSlice<'b>>,
    limit: u64,
) -> u64 {
    transfer(from, to, limit, |source, target| {
        let mut at = 0;
        while at < source.len() {
            let len = CHUNK.min(source.len() - at);
            let part = source.subslice(at, len).expect("inside");
            part.copy_to_volatile_slice(target.offset(at).expect("no shorter"));
            zero(&part);
            at += len;
        }
    })
}

/// Bytes that are copied before they are zeroed: half of a processor's first cache.
const CHUNK: usize = 16 << 10;

/// Has `part` move bytes from slices to slices that are no shorter.
fn transfer<'a, 'b>(
    mut from: impl Iterator<Item = VolatileSlice<'a>>,
    mut to: impl Iterator<Item = VolatileSlice<'b>>,
    limit: u64,
    part: impl Fn(VolatileSlice<'a>, VolatileSlice<'b>),
) -> u64 {
    let mut left = limit;
    let (Some(mut source), Some(mut target)) = (from.next(), to.next()) else {
        return 0;
    };
    loop {
        let len = source.len().min(target.len());
        if len as u64 >= left {
            let last = source.subslice(0, left as usize);
            part(last.expect("no longer than it"), target);
            return limit;
        }
        // The shorter of the two is copied, or filled.
        part(source.subslice(0, len).expect("no longer than it"), target);
        left -= len as u64;
        let (Some(more), Some(room)) = (rest(source, len, &mut from), rest(target, len, &mut to))
        else {
            return limit - left;
        };
        (source, target) = (more, room);
    }
}

#[inline]
fn rest<'a>(
    slice: VolatileSlice<'a>,
    done: usize,
    more: &mut impl Iterator<Item = VolatileSlice<'a>>,
) -> Option<VolatileSlice<'a>> {
    if slice.len() == done {
        more.next()
    } else {
        Some(slice.offset(done).expect("not behind its end"))
    }
}

/// What is left of a list of slices after its first `skip` bytes.
pub fn after<'a>(
    slices: impl Iterator<Item = VolatileSlice<'a>>,
    mut skip: u64,
) -> impl Iterator<Item = VolatileSlice<'a>> {
    slices.filter_map(move |slice| {
        let passed = skip.min(slice.len() as u64);
        skip -= passed;
        let rest = slice.offset(passed as usize).expect("not behind its end");
        (!rest.is_empty()).then_some(rest)
    })
}

/// The places in the area of a range of a request's space, one for each extent that it touches.
#[derive(Clone, Debug)]
pub struct Spans<'a> {
    extents: slice::Iter<'a, Extent>,
    /// Bytes to skip in the extents that are left.
    skip: u64,
    left: u64,
    /// Where block 0 is in the area.
    base: u64,
}

impl<'a> Spans<'a> {
    /// Bytes `at..at + len` of the space that `extents` make, with block 0 at `base` in the area.
    pub fn new(base: u64, extents: &'a [Extent], at: u64, len: u64) -> Self {
        Self {
            extents: extents.iter(),
            skip: at,
            left: len,
            base,
        }
    }

    /// The same as slices of the area.
    pub fn slices(self, area: &'a Area) -> impl Iterator<Item = VolatileSlice<'a>> {
        self.map(|(offset, len)| area.slice(offset, len))
    }
}

impl Iterator for Spans<'_> {
    /// Offset in the area and length, in bytes.
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        if self.left == 0 {
            return None;
        }
        for extent in self.extents.by_ref() {
            let len = u64::from(extent.count) * BLOCK;
            if self.skip >= len {
                self.skip -= len;
                continue;
            }
            let offset = self.base + u64::from(extent.start) * BLOCK + self.skip;
            let len = (len - self.skip).min(self.left);
            (self.skip, self.left) = (0, self.left - len);
            return Some((offset, len));
        }
        unreachable!("a request's space lies within its extents");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cuts `bytes` into slices of these lengths, and one of what is left.
    fn cut<'a>(bytes: &'a mut [u8], lens: &[usize]) -> Vec<VolatileSlice<'a>> {
        let mut slices = Vec::new();
        let mut rest = VolatileSlice::from(bytes);
        for &len in lens {
            let (slice, after) = rest.split_at(len.min(rest.len())).expect("inside");
            slices.push(slice);
            rest = after;
        }
        slices.push(rest);
        slices
    }

    proptest! {
        #[test]
        fn copies_what_joining_would(
            source in prop::collection::vec(any::<u8>(), 0..200),
            room in 0..200usize,
            source_cuts in prop::collection::vec(0..50usize, 0..8),
            room_cuts in prop::collection::vec(0..50usize, 0..8),
            limit in prop_oneof![0..250u64, Just(u64::MAX)],
        ) {
            let (mut from, mut to) = (source.clone(), vec![0xee; room]);
            let copied = copy(
                cut(&mut from, &source_cuts).into_iter(),
                cut(&mut to, &room_cuts).into_iter(),
                limit,
            );
            let expected = (source.len().min(room) as u64).min(limit);
            prop_assert_eq!(copied, expected);
            let (done, untouched) = to.split_at(expected as usize);
            prop_assert_eq!(done, &source[..expected as usize]);
            prop_assert!(untouched.iter().all(|&byte| byte == 0xee));
            prop_assert_eq!(from, source);
        }

        #[test]
        fn spans_are_the_space_byte_by_byte(
            extents in prop::collection::vec(
                (0..1000u32, 1..4u32).prop_map(|(start, count)| Extent { start, count }),
                1..6,
            ),
            at in 0.0..1.0f64,
            len in 0.0..1.0f64,
        ) {
            let base = 1 << 20;
            let end = extents.iter().map(|e| u64::from(e.count) * BLOCK).sum::<u64>();
            let at = (at * end as f64) as u64;
            let len = (len * (end - at) as f64) as u64;
            let bytes = extents.iter().flat_map(|e| {
                let start = base + u64::from(e.start) * BLOCK;
                start..start + u64::from(e.count) * BLOCK
            });
            let expected: Vec<u64> = bytes.skip(at as usize).take(len as usize).collect();
            let spans = Spans::new(base, &extents, at, len);
            let seen: Vec<u64> = spans.flat_map(|(offset, len)| offset..offset + len).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
