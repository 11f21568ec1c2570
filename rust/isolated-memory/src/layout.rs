// SPDX-License-Identifier: GPL-2.0-or-later
//! Where everything lies in the area. Fixed when the area is made; no I/O.

use std::ops::Range;

/// Bytes of a block, the unit in which buffer memory is handed out.
pub const BLOCK: u64 = 4096;

/// Bytes that an area is a multiple of: some back-ends map in huge pages.
pub const AREA_ALIGN: u64 = 2 << 20;

/// Bytes of the largest area.
pub const AREA_MAX: u64 = 1 << 38;

/// Entries of the largest ring (Virtio 1.3, 2.7).
pub const RING_MAX: u16 = 1 << 15;

/// The least a queue has for buffers, in bytes.
pub const BUFFERS_MIN: u64 = 64 << 10;

/// What a queue needs of the area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// Entries of its ring: a power of two from 2 to [`RING_MAX`].
    pub ring: u16,
    /// Bytes for its buffers: [`BUFFERS_MIN`] and more; rounded up to whole blocks.
    pub buffers: u64,
}

impl QueueSpec {
    /// A queue with a default for its buffers: 64 KiB for each entry of the ring, and 4 MiB at
    /// least. Memory that was never used costs nothing.
    pub fn new(ring: u16) -> Self {
        let buffers = (u64::from(ring) << 16).max(4 << 20);
        Self { ring, buffers }
    }
}

/// Why an area can't be laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// There is nothing to lay out.
    #[error("a device without queues needs no memory area")]
    NoQueues,
    /// A ring's length is not one that virtio knows.
    #[error("queue {queue}: a ring has 2 to {RING_MAX} entries, a power of two, not {ring}")]
    Ring {
        /// Its index.
        queue: usize,
        /// What was asked for.
        ring: u16,
    },
    /// Not enough for a queue to work.
    #[error("queue {queue}: {BUFFERS_MIN} bytes for buffers is the least, not {buffers}")]
    Buffers {
        /// Its index.
        queue: usize,
        /// What was asked for.
        buffers: u64,
    },
    /// All of it together.
    #[error("the memory area would be larger than {AREA_MAX} bytes, the most there can be")]
    TooLarge,
    /// A size for the whole area that the queues' rings and buffers don't fit in.
    #[error("a memory area of {len} bytes is too small: these queues need {least} at least")]
    TooSmall {
        /// What was asked for, in bytes.
        len: u64,
        /// The least that would do, in bytes.
        least: u64,
    },
}

/// A queue's places in the area, in bytes from its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePlace {
    /// Entries of the longest ring that fits.
    pub ring: u16,
    /// The descriptor table.
    pub descriptors: u64,
    /// The available ring.
    pub avail: u64,
    /// The used ring, on pages of its own.
    pub used: u64,
    /// Its buffers, and nobody else's: whole blocks.
    pub buffers: Range<u64>,
}

impl QueuePlace {
    /// The ring's three parts with the gaps between them, up to the next one's first page.
    pub fn ring_range(&self) -> Range<u64> {
        let end = self.used + 8 * u64::from(self.ring) + 6;
        self.descriptors..end.next_multiple_of(BLOCK)
    }
}

/// The whole area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    queues: Vec<QueuePlace>,
    len: u64,
}

impl Layout {
    /// Lays out the rings of all queues, then their buffers.
    ///
    /// # Errors
    /// When a ring, a queue's buffers or the whole is too small or too large.
    pub fn new(specs: &[QueueSpec]) -> Result<Self, LayoutError> {
        if specs.is_empty() {
            return Err(LayoutError::NoQueues);
        }
        let mut end = 0;
        let mut queues = Vec::with_capacity(specs.len());
        for (queue, &QueueSpec { ring, buffers }) in specs.iter().enumerate() {
            if !(2..=RING_MAX).contains(&ring) || !ring.is_power_of_two() {
                return Err(LayoutError::Ring { queue, ring });
            }
            if buffers < BUFFERS_MIN {
                return Err(LayoutError::Buffers { queue, buffers });
            }
            let entries = u64::from(ring);
            let descriptors = end;
            let avail = descriptors + 16 * entries;
            let used = (avail + 2 * entries + 6).next_multiple_of(BLOCK);
            end = (used + 8 * entries + 6).next_multiple_of(BLOCK);
            queues.push(QueuePlace {
                ring,
                descriptors,
                avail,
                used,
                buffers: 0..0,
            });
        }
        for (place, spec) in queues.iter_mut().zip(specs) {
            let after = end
                .checked_add(spec.buffers)
                .and_then(|after| after.checked_next_multiple_of(BLOCK));
            let after = after.filter(|&after| after <= AREA_MAX);
            let after = after.ok_or(LayoutError::TooLarge)?;
            place.buffers = end..after;
            end = after;
        }
        let len = end.next_multiple_of(AREA_ALIGN);
        Ok(Self { queues, len })
    }

    /// Lays out an area of `len` bytes (rounded up to [`AREA_ALIGN`]) for rings of these lengths,
    /// each queue's buffers in proportion to its ring.
    ///
    /// # Errors
    /// As [`Layout::new`]; [`LayoutError::TooSmall`] says what would do.
    pub fn with_len(rings: &[u16], len: u64) -> Result<Self, LayoutError> {
        let least: Vec<_> = rings
            .iter()
            .map(|&ring| QueueSpec {
                ring,
                buffers: BUFFERS_MIN,
            })
            .collect();
        let smallest = Self::new(&least)?;
        if len > AREA_MAX {
            return Err(LayoutError::TooLarge);
        }
        if len.next_multiple_of(AREA_ALIGN) < smallest.len {
            let least = smallest.len;
            return Err(LayoutError::TooSmall { len, least });
        }
        let len = len.next_multiple_of(AREA_ALIGN);
        let entries: u64 = rings.iter().map(|&ring| u64::from(ring)).sum();
        let (floor, before) = (
            BUFFERS_MIN * rings.len() as u64,
            smallest.queues[0].buffers.start,
        );
        let spare = len - before - floor;
        let specs: Vec<_> = rings
            .iter()
            .map(|&ring| {
                let share = spare / entries * u64::from(ring);
                QueueSpec {
                    ring,
                    buffers: BUFFERS_MIN + share / BLOCK * BLOCK,
                }
            })
            .collect();
        Self::new(&specs)
    }

    /// Each queue's places.
    pub fn queues(&self) -> &[QueuePlace] {
        &self.queues
    }

    /// Bytes of the whole area, a multiple of [`AREA_ALIGN`].
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> u64 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(layout: &Layout) -> Vec<Range<u64>> {
        let ring = |place: &QueuePlace| {
            let entries = u64::from(place.ring);
            [
                place.descriptors..place.descriptors + 16 * entries,
                place.avail..place.avail + 6 + 2 * entries,
                place.used..place.used + 6 + 8 * entries,
                place.buffers.clone(),
            ]
        };
        let mut parts: Vec<_> = layout.queues().iter().flat_map(ring).collect();
        parts.sort_by_key(|part| part.start);
        parts
    }

    fn ring() -> impl Strategy<Value = u16> {
        (1..=15u32).prop_map(|bits| 1 << bits)
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_all_is_aligned(
            specs in prop::collection::vec(
                (ring(), BUFFERS_MIN..1 << 24)
                    .prop_map(|(ring, buffers)| QueueSpec { ring, buffers }),
                1..20,
            ),
        ) {
            let layout = Layout::new(&specs).expect("valid");
            let parts = parts(&layout);
            prop_assert!(parts.windows(2).all(|two| two[0].end <= two[1].start));
            prop_assert!(parts.last().expect("one queue").end <= layout.len());
            prop_assert_eq!(layout.len() % AREA_ALIGN, 0);
            for (place, spec) in layout.queues().iter().zip(&specs) {
                prop_assert_eq!(place.descriptors % 16, 0);
                prop_assert_eq!(place.avail % 2, 0);
                prop_assert_eq!(place.used % BLOCK, 0);
                prop_assert_eq!(place.buffers.start % BLOCK, 0);
                let len = place.buffers.end - place.buffers.start;
                prop_assert_eq!(len, spec.buffers.next_multiple_of(BLOCK));
            }
        }

        #[test]
        fn a_length_that_is_said_to_do_does(
            rings in prop::collection::vec(ring(), 1..20),
            len in 0u64..1 << 30,
        ) {
            match Layout::with_len(&rings, len) {
                Ok(layout) => prop_assert_eq!(layout.len(), len.next_multiple_of(AREA_ALIGN)),
                Err(LayoutError::TooSmall { least, .. }) => {
                    prop_assert!(len < least);
                    prop_assert_eq!(Layout::with_len(&rings, least).map(|l| l.len()), Ok(least));
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let spec = |ring, buffers| Layout::new(&[QueueSpec::new(8), QueueSpec { ring, buffers }]);
        assert_eq!(Layout::new(&[]), Err(LayoutError::NoQueues));
        for ring in [0, 1, 3, 100, 40000] {
            assert_eq!(
                spec(ring, 1 << 20),
                Err(LayoutError::Ring { queue: 1, ring })
            );
        }
        let buffers = BUFFERS_MIN - 1;
        assert_eq!(
            spec(8, buffers),
            Err(LayoutError::Buffers { queue: 1, buffers })
        );
        for buffers in [AREA_MAX, u64::MAX] {
            assert_eq!(spec(8, buffers), Err(LayoutError::TooLarge));
        }
        assert_eq!(Layout::with_len(&[8], u64::MAX), Err(LayoutError::TooLarge));
        assert_eq!(Layout::with_len(&[], 1), Err(LayoutError::NoQueues));
    }
}
