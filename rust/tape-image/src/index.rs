// SPDX-License-Identifier: GPL-2.0-or-later
//! Where every object is, from the beginning of the tape as far as is known.
//!
//! Steps follow each other without holes, so their lengths are all there is to
//! keep: a step is a kind, a length and how often it repeats. Equal neighbours
//! share a step, and every [`BLOCK_STEPS`] steps the totals are noted, to start
//! looking from there:
//!
//! ```text
//!  blocks | object, marks, offset, at | object, marks, offset, at | …
//!                                 |                           |
//!  bytes  | step | step | … 64 …  | step | step | …           | step | …
//!
//!  step   LEB128 of  length << 3 | repeats << 2 | kind,
//!         then, if it repeats, LEB128 of the count
//! ```
//!
//! Finding an object is a binary search and at most [`BLOCK_STEPS`] additions,
//! whatever the tape. A step is 1 to 5 bytes, and 1 to 10 more if it repeats.

use alloc::vec::Vec;

use crate::config::Format;
use crate::word::EXTENDED_MAX;

/// Steps between two notes of the totals.
pub const BLOCK_STEPS: usize = 64;

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A good record.
    Record = 0,
    /// A record marked as bad.
    Bad = 1,
    /// A file mark.
    Mark = 2,
    /// No object: a gap, a private record, an AWS header within a record.
    Skip = 3,
}

/// A place between two objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Objects before it.
    pub objects: u64,
    /// Marks among them.
    pub marks: u64,
    /// Bytes from the medium's beginning.
    pub offset: u64,
}

impl Totals {
    /// The place behind a step that begins here.
    #[inline]
    fn behind(self, step: Step, format: Format) -> Self {
        let Step { kind, len, count } = step;
        let count_if = |counts: bool| if counts { count } else { 0 };
        Self {
            objects: self.objects + count_if(kind != Kind::Skip),
            marks: self.marks + count_if(kind == Kind::Mark),
            offset: self.offset + extent(format, kind, len) * count,
        }
    }
}

/// An object that was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The object's start, with the counts before it.
    pub at: Totals,
    /// Record, bad or mark.
    pub kind: Kind,
    /// Bytes of data.
    pub len: u32,
    /// First byte behind it.
    pub end: u64,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    kind: Kind,
    len: u32,
    count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    totals: Totals,
    at: usize,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Index {
    format: Format,
    start: u64,
    blocks: Vec<Block>,
    bytes: Vec<u8>,
    /// Steps in the last block.
    last_steps: usize,
    /// The last step, which may still repeat, and where it begins.
    open: Option<Step>,
    open_at: Totals,
    end: Totals,
}

/// Bytes that one step of a kind takes in the image.
pub fn extent(format: Format, kind: Kind, len: u32) -> u64 {
    let len = u64::from(len);
    match (kind, format) {
        (Kind::Skip, _) => len,
        (Kind::Mark, Format::Aws) => 6,
        (Kind::Mark, _) => 4,
        (_, Format::Simh) => 8 + len + (len & 1),
        (_, Format::E11) => 8 + len,
        (_, Format::Aws) => 6 + len,
    }
}

impl Index {
    /// An empty index of a tape that begins at `start`.
    pub fn new(format: Format, start: u64) -> Self {
        let end = Totals {
            offset: start,
            ..Totals::default()
        };
        Self {
            format,
            start,
            blocks: Vec::new(),
            bytes: Vec::new(),
            last_steps: 0,
            open: None,
            open_at: end,
            end,
        }
    }

    /// The place behind everything that is known.
    pub fn end(&self) -> Totals {
        self.end
    }

    /// Bytes of memory in use.
    pub fn memory(&self) -> usize {
        self.bytes.len() + self.blocks.len() * size_of::<Block>()
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// From now on odd records have no pad. There must have been none.
    pub(crate) fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// Adds a step at the end.
    pub fn append(&mut self, kind: Kind, len: u32) {
        let step = Step {
            kind,
            len,
            count: 1,
        };
        match &mut self.open {
            Some(open) if open.kind == kind && open.len == len => open.count += 1,
            _ => {
                self.close();
                self.open_at = self.end;
                self.open = Some(step);
            }
        }
        self.end = self.end.behind(step, self.format);
    }

    fn close(&mut self) {
        let Some(step) = self.open.take() else { return };
        if self.blocks.is_empty() || self.last_steps == BLOCK_STEPS {
            self.blocks.push(Block {
                totals: self.open_at,
                at: self.bytes.len(),
            });
            self.last_steps = 0;
        }
        self.last_steps += 1;
        encode(&mut self.bytes, step);
    }

    /// Looks an object up. `None` if it isn't known.
    pub fn find(&self, object: u64) -> Option<Found> {
        if object >= self.end.objects {
            return None;
        }
        let (step, at, _, _) = self.step_of(|t| t.objects, object);
        let extent = extent(self.format, step.kind, step.len);
        let nth = object - at.objects;
        let marks = at.marks + if step.kind == Kind::Mark { nth } else { 0 };
        let offset = at.offset + nth * extent;
        Some(Found {
            at: Totals {
                objects: object,
                marks,
                offset,
            },
            kind: step.kind,
            len: step.len,
            end: offset + extent,
        })
    }

    /// The number of the object that is the mark with `marks` marks before it.
    pub fn find_mark(&self, marks: u64) -> Option<u64> {
        if marks >= self.end.marks {
            return None;
        }
        let (_, at, _, _) = self.step_of(|t| t.marks, marks);
        Some(at.objects + (marks - at.marks))
    }

    /// The place in front of object `object`, right behind the one before it.
    /// `object` is at most [`end`](Self::end)'s.
    pub fn place(&self, object: u64) -> Totals {
        match object.checked_sub(1).and_then(|before| self.find(before)) {
            Some(Found { at, kind, end, .. }) => Totals {
                objects: object,
                marks: at.marks + u64::from(kind == Kind::Mark),
                offset: end,
            },
            None => Totals {
                offset: self.start,
                ..Totals::default()
            },
        }
    }

    /// How many objects end at `offset` or before it.
    pub(crate) fn ending_by(&self, offset: u64) -> u64 {
        if offset >= self.end.offset {
            return self.end.objects;
        }
        if offset < self.start {
            return 0;
        }
        let (step, at, _, _) = self.step_of(|t| t.offset, offset);
        match step.kind {
            Kind::Skip => at.objects,
            kind => at.objects + (offset - at.offset) / extent(self.format, kind, step.len),
        }
    }

    /// The step within which the count given by `key` passes `wanted`, where
    /// it begins, its first byte (or the end, for the open one) and its number
    /// in its block. `wanted` is less than the end's.
    fn step_of(&self, key: impl Fn(&Totals) -> u64, wanted: u64) -> (Step, Totals, usize, usize) {
        if let Some(open) = self.open.filter(|_| wanted >= key(&self.open_at)) {
            return (open, self.open_at, self.bytes.len(), self.last_steps);
        }
        let block = self.blocks.partition_point(|b| key(&b.totals) <= wanted) - 1;
        let Block {
            totals: mut at,
            at: mut byte,
        } = self.blocks[block];
        for number in 0.. {
            let first = byte;
            let step = decode(&self.bytes, &mut byte).expect("own encoding");
            let after = at.behind(step, self.format);
            if key(&after) > wanted {
                return (step, at, first, number);
            }
            at = after;
        }
        unreachable!("the totals say that it's in this block")
    }

    /// Forgets everything from object `objects` on, and the skips before it.
    pub fn truncate(&mut self, objects: u64) {
        let Some(last) = objects.checked_sub(1) else {
            *self = Self::new(self.format, self.start);
            return;
        };
        if last >= self.end.objects {
            return;
        }
        let (mut step, at, byte, number) = self.step_of(|t| t.objects, last);
        step.count = objects - at.objects;
        self.bytes.truncate(byte);
        self.blocks
            .truncate(self.blocks.partition_point(|b| b.at < byte));
        // The first step of a block leaves the block before it full.
        self.last_steps = if number == 0 && !self.blocks.is_empty() {
            BLOCK_STEPS
        } else {
            number
        };
        self.open_at = at;
        self.open = Some(step);
        self.end = at.behind(step, self.format);
    }

    /// The steps, to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if let Some(step) = self.open {
            encode(&mut bytes, step);
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gave. `None` if it isn't that,
    /// or doesn't end at `end`.
    pub fn from_bytes(format: Format, start: u64, bytes: &[u8], end: Totals) -> Option<Self> {
        let mut index = Self::new(format, start);
        index.bytes.reserve(bytes.len());
        let mut byte = 0;
        while byte < bytes.len() {
            let step = decode(bytes, &mut byte)?;
            if step.kind == Kind::Mark && step.len != 0 {
                return None;
            }
            let size = extent(format, step.kind, step.len);
            let length = size.checked_mul(step.count)?;
            if size == 0 || index.end.offset.checked_add(length)? > end.offset {
                return None;
            }
            index.close();
            index.open_at = index.end;
            index.open = Some(step);
            index.end = index.end.behind(step, format);
        }
        (index.end == end).then_some(index)
    }
}

fn encode(bytes: &mut Vec<u8>, step: Step) {
    let repeats = step.count > 1;
    varint(
        bytes,
        u64::from(step.len) << 3 | u64::from(repeats) << 2 | step.kind as u64,
    );
    if repeats {
        varint(bytes, step.count);
    }
}

fn decode(bytes: &[u8], at: &mut usize) -> Option<Step> {
    let word = unvarint(bytes, at)?;
    let len = u32::try_from(word >> 3).ok()?;
    let kind = match word & 3 {
        0 => Kind::Record,
        1 => Kind::Bad,
        2 => Kind::Mark,
        _ => Kind::Skip,
    };
    // A skip is a private record of the greatest length, at most.
    if len > EXTENDED_MAX + 16 || kind == Kind::Record && len == 0 {
        return None;
    }
    let count = if word & 4 != 0 {
        unvarint(bytes, at)?
    } else {
        1
    };
    (count > 0).then_some(Step { kind, len, count })
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn unvarint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
