// SPDX-License-Identifier: GPL-2.0-or-later
//! A queue's buffer memory: finding room for a request, and cleaning it afterwards.

use std::iter;
use std::sync::Arc;

use crate::area::Area;
use crate::blocks::{Blocks, Extent};
use crate::copy::Spans;
use crate::frame::{Frame, Lengths};
use crate::layout::{QueuePlace, BLOCK};
use crate::request::{Options, Scrub};
use crate::ring::{Descriptor, DESCRIPTOR_LEN};
use crate::stale::Stale;

/// Descriptors of a table for requests that lie in few places, nearly all.
const TABLE_SHORT: u16 = 16;

/// Descriptors of a table for the others: a block of them.
const TABLE_LONG: u16 = (BLOCK / DESCRIPTOR_LEN) as u16;

/// Where a request lies. Large: it's kept in boxes, which are used again.
#[derive(Debug, Default)]
pub struct Place {
    /// Its pieces.
    pub frame: Frame,
    /// The blocks that hold them.
    pub extents: Vec<Extent>,
    /// Its descriptors are in a table at the beginning.
    pub table: bool,
    /// How many descriptors it takes, in the table or in the ring.
    pub descriptors: u16,
    /// Of what the device may write, so many bytes from the first on are zeros again.
    pub zeroed: u64,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// Not now.
    Now,
    /// Not in this memory.
    Ever,
}

/// The memory, block by block.
#[derive(Debug)]
#[allow(clippy::vec_box)] // the boxes go to queues and come back
pub struct Room {
    area: Arc<Area>,
    base: u64,
    blocks: Blocks,
    scrub: Scrub,
    /// Blocks with bytes of requests that came back, whose own bytes or nobody's they are now.
    stale: Stale,
    /// Used, and not cleaned yet.
    dirty: Vec<Box<Place>>,
    /// Places of no request, for their memory.
    spare: Vec<Box<Place>>,
}

impl Room {
    pub fn new(area: Arc<Area>, place: &QueuePlace, scrub: Scrub) -> Self {
        let len = place.buffers.end - place.buffers.start;
        let blocks = (len / BLOCK) as u32;
        Self {
            area,
            base: place.buffers.start,
            blocks: Blocks::new(blocks),
            scrub,
            stale: Stale::new(blocks),
            dirty: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Bytes that there are.
    pub fn len(&self) -> u64 {
        u64::from(self.blocks.total()) * BLOCK
    }

    /// Blocks that aren't free.
    pub fn used(&self) -> u32 {
        self.blocks.total() - self.blocks.free()
    }

    /// Finds room for a request, in a form that takes at most `slots` of the ring's descriptors.
    pub fn find(
        &mut self,
        out: &Lengths,
        into: &Lengths,
        options: &Options,
        slots: u16,
    ) -> Result<Box<Place>, NoPlace> {
        if slots == 0 {
            return Err(NoPlace::Now);
        }
        let mut place = self.spare.pop().unwrap_or_default();
        place.zeroed = 0;
        let mut found = self.find_clean(&mut place, out, into, options, slots);
        if found == Err(NoPlace::Now) && !self.dirty.is_empty() {
            self.clean();
            found = self.find_clean(&mut place, out, into, options, slots);
        }
        match found {
            Ok(()) => {
                self.prepare(&place);
                Ok(place)
            }
            Err(none) => {
                self.spare.push(place);
                Err(none)
            }
        }
    }

    fn find_clean(
        &mut self,
        place: &mut Place,
        out: &Lengths,
        into: &Lengths,
        options: &Options,
        slots: u16,
    ) -> Result<(), NoPlace> {
        let mut none = NoPlace::Ever;
        for &(table, merged) in forms(options, out, into) {
            let (len, most) = match table {
                Some(entries) => (
                    u64::from(entries) * DESCRIPTOR_LEN,
                    entries.min(options.chain_max),
                ),
                None => (0, slots.min(options.chain_max)),
            };
            let Some(frame) = Frame::new(out, into, len, merged) else {
                continue;
            };
            if frame.blocks() > u64::from(self.blocks.total()) {
                continue;
            }
            none = NoPlace::Now;
            (place.frame, place.table) = (frame, table.is_some());
            let blocks = place.frame.blocks() as u32;
            if self.blocks.take(blocks, most.into(), &mut place.extents) {
                let count = self.descriptors(place, options.descriptor_max).count();
                if count <= usize::from(most) {
                    place.descriptors = count as u16;
                    return Ok(());
                }
            }
            self.give(place);
        }
        Err(none)
    }

    /// The request's descriptors, without links.
    pub fn descriptors<'a>(
        &self,
        place: &'a Place,
        descriptor_max: u32,
    ) -> impl Iterator<Item = Descriptor> + 'a {
        let base = self.base;
        place.frame.pieces().iter().flat_map(move |piece| {
            let spans = Spans::new(base, &place.extents, piece.at, piece.len);
            spans.flat_map(move |(offset, len)| {
                let most = u64::from(descriptor_max);
                // Without a division: it would show in the time that small requests take.
                let starts = iter::successors(Some(0), move |&at| Some(at + most));
                let parts = starts.take_while(move |&at| at < len);
                parts.map(move |at| Descriptor {
                    offset: offset + at,
                    len: (len - at).min(most) as u32,
                    writable: piece.writable,
                    indirect: false,
                    next: None,
                })
            })
        })
    }

    /// Where the request's table is in the area.
    pub fn table(&self, place: &Place) -> u64 {
        self.base + u64::from(place.extents[0].start) * BLOCK
    }

    /// The places of its readable or writable pieces.
    pub fn spans<'a>(
        &self,
        place: &'a Place,
        writable: bool,
    ) -> impl Iterator<Item = (u64, u64)> + 'a {
        let base = self.base;
        let pieces = place.frame.pieces().iter();
        pieces
            .filter(move |piece| piece.writable == writable)
            .flat_map(move |piece| Spans::new(base, &place.extents, piece.at, piece.len))
    }

    /// Zeroes what the device may write, where that isn't zero.
    fn prepare(&self, place: &Place) {
        if self.stale.count() == 0 {
            return;
        }
        for (offset, len) in self.spans(place, true) {
            let (mut at, end) = (offset, offset + len);
            while at < end {
                let block = (at - self.base) / BLOCK;
                let next = (self.base + (block + 1) * BLOCK).min(end);
                if self.stale.contains(block as u32) {
                    self.area.zero(at, next - at);
                }
                at = next;
            }
        }
    }

    /// Takes a place back, to be cleaned later.
    pub fn drop_off(&mut self, place: Box<Place>) {
        self.dirty.push(place);
    }

    /// Zeroes what was dropped off, as far as that has to be, and makes it free.
    pub fn clean(&mut self) {
        while let Some(mut place) = self.dirty.pop() {
            let mut zeroed = place.zeroed;
            for (offset, len) in self.spans(&place, true) {
                let skip = zeroed.min(len);
                zeroed -= skip;
                if skip < len {
                    self.area.zero(offset + skip, len - skip);
                }
            }
            for (at, len) in place.frame.read() {
                for (offset, len) in Spans::new(self.base, &place.extents, at, len) {
                    if self.scrub == Scrub::Always {
                        self.area.zero(offset, len);
                        continue;
                    }
                    let first = (offset - self.base) / BLOCK;
                    let end = (offset - self.base + len).div_ceil(BLOCK);
                    (first..end).for_each(|block| self.stale.insert(block as u32));
                }
            }
            self.give(&mut place);
            self.spare.push(place);
        }
    }

    /// Blocks that hold bytes of requests that came back.
    pub fn stale(&self) -> u32 {
        self.stale.count()
    }

    /// Zeroes up to `most` of those blocks that are free; whether there are more.
    pub fn scrub(&mut self, most: u32) -> bool {
        let (mut from, mut left) = (0, most);
        while let Some(block) = self.stale.next(from) {
            if self.blocks.is_free(block) {
                if left == 0 {
                    return true;
                }
                left -= 1;
                let offset = self.base + u64::from(block) * BLOCK;
                self.area.zero(offset, BLOCK);
                self.stale.remove(block);
            }
            from = block + 1;
        }
        false
    }

    fn give(&mut self, place: &mut Place) {
        for extent in place.extents.drain(..) {
            self.blocks.give(extent);
        }
    }
}

/// A form that a request may take: the length of its table if it has one, and whether its pieces
/// are merged.
type Form = (Option<u16>, bool);

/// Best first. A request of one piece needs no table.
fn forms(options: &Options, out: &Lengths, into: &Lengths) -> &'static [Form] {
    if options.indirect && out.pieces() + into.pieces() > 1 {
        &[
            (Some(TABLE_SHORT), false),
            (Some(TABLE_LONG), false),
            (Some(TABLE_LONG), true),
        ]
    } else {
        &[(None, false), (None, true)]
    }
}
