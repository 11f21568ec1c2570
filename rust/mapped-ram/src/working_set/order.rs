// SPDX-License-Identifier: GPL-2.0-or-later
//! The reads that bring a working set: nearly in the order of the touches, and as storage likes
//! them.
//!
//! What a guest touches lies here and there, and single pages in that order are the slowest way to
//! read. So the set is taken in segments of [`SEGMENT_BYTES`]; within one its pages are sorted by
//! where they are in the file, and joined over small gaps. What is read is cut into groups, each of
//! which a thread begins to bring as a whole, so that storage has all of its reads at once.

use std::ops::Range;

use crate::plan::{Batch, PlanBlock, HUGE_PAGE};

/// So much of the set, in bytes, is sorted together. What is touched first comes before what is
/// touched later by more than that. Storage of 400 MB/s reads it in a sixth of a second.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// A gap of so many bytes between two reads is read along with them: it costs less than another
/// read, of which disks do some ten thousand to each gigabyte.
pub const MAX_GAP: u64 = 16 << 10;

/// Bytes of a group. Two for each thread may be in flight, which is what a fault may wait for.
pub const GROUP_BYTES: u64 = 512 << 10;

/// Reads of a group.
pub const GROUP_RUNS: usize = 128;

/// What one thread brings at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// In file order; the pages of each are read at once, as far as they are in the file.
    pub batches: Vec<Batch>,
}

/// The groups that bring these pages, told by block and pages of memory in the order in which they
/// were touched. Pages that aren't in the file are left out.
pub(crate) fn groups(
    blocks: &[PlanBlock<'_>],
    touched: impl Iterator<Item = (usize, Range<u64>)>,
) -> Vec<Group> {
    let mut groups = Vec::new();
    let (mut segment, mut bytes) = (Vec::new(), 0);
    for (block, pages) in touched.flat_map(|(block, pages)| pieces(blocks, block, pages)) {
        bytes += (pages.end - pages.start) * blocks[block].page_size;
        segment.push((block, pages));
        if bytes >= SEGMENT_BYTES {
            push_segment(blocks, std::mem::take(&mut segment), &mut groups);
            bytes = 0;
        }
    }
    push_segment(blocks, segment, &mut groups);
    groups
}

/// The parts of `pages` that are in the file, cut where batches are.
fn pieces<'a>(
    blocks: &'a [PlanBlock<'_>],
    block: usize,
    pages: Range<u64>,
) -> impl Iterator<Item = (usize, Range<u64>)> + 'a {
    let plan = &blocks[block];
    let mut rest = pages.start..pages.end.min(plan.data.len());
    std::iter::from_fn(move || {
        rest.start = rest.start.min(rest.end);
        let run = plan.data.first_run(rest.clone())?;
        let end = run.end.min(plan.window_of(run.start).end);
        rest.start = end;
        Some((block, run.start..end))
    })
}

/// Pages of a block, by its index.
type Pieces = Vec<(usize, Range<u64>)>;

fn push_segment(blocks: &[PlanBlock<'_>], mut pieces: Pieces, groups: &mut Vec<Group>) {
    let offset = |block: usize, page: u64| {
        let plan = &blocks[block];
        plan.pages_offset.saturating_add(page * plan.page_size)
    };
    pieces.sort_by_key(|(block, pages)| offset(*block, pages.start));
    let mut joined: Pieces = Vec::new();
    for (block, pages) in pieces {
        let plan = &blocks[block];
        match joined.last_mut() {
            Some((last, before))
                if *last == block
                    && plan.window_of(before.start).contains(&pages.start)
                    && pages.start.saturating_sub(before.end) * plan.page_size <= MAX_GAP =>
            {
                before.end = before.end.max(pages.end);
            }
            _ => joined.push((block, pages)),
        }
    }
    let (mut group, mut bytes) = (Group::default(), 0);
    for (block, pages) in joined {
        let plan = &blocks[block];
        let data_pages = plan.data.count(pages.clone());
        let whole = (pages.end - pages.start) * plan.page_size == HUGE_PAGE
            && pages == plan.window_of(pages.start)
            && data_pages == pages.end - pages.start;
        let len = (pages.end - pages.start) * plan.page_size;
        if !group.batches.is_empty()
            && (bytes + len > GROUP_BYTES || group.batches.len() == GROUP_RUNS)
        {
            groups.push(std::mem::take(&mut group));
            bytes = 0;
        }
        bytes += len;
        group.batches.push(Batch {
            block,
            pages,
            data_pages,
            whole,
        });
    }
    if !group.batches.is_empty() {
        groups.push(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitmap::Bitmap;
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    fn block(data: &Bitmap, number: u64) -> PlanBlock<'_> {
        PlanBlock {
            address: (1 << 40) + (number << 32) + 37 * PAGE,
            page_size: PAGE,
            pages_offset: number << 30,
            data,
        }
    }

    proptest! {
        #[test]
        fn all_that_was_touched_comes_in_bounds(
            bits in prop::collection::vec((any::<bool>(), 1u64..1500), 1..8),
            touched in prop::collection::vec((0usize..2, 0u64..7000, 1u64..900), 0..60),
        ) {
            let mut data = Bitmap::new(bits.iter().map(|(_, len)| len).sum());
            let mut at = 0;
            for (bit, len) in bits {
                if bit { data.set(at..at + len); }
                at += len;
            }
            let blocks = [block(&data, 0), block(&data, 1)];
            let wanted = || touched.iter().map(|(block, page, len)| (*block, *page..*page + *len));
            let groups = groups(&blocks, wanted());
            let mut brought = [Bitmap::new(data.len()), Bitmap::new(data.len())];
            for group in &groups {
                prop_assert!((1..=GROUP_RUNS).contains(&group.batches.len()));
                let bytes: u64 = group.batches.iter()
                    .map(|batch| (batch.pages.end - batch.pages.start) * PAGE).sum();
                prop_assert!(bytes <= GROUP_BYTES || group.batches.len() == 1);
                for batch in &group.batches {
                    let plan = &blocks[batch.block];
                    prop_assert_eq!(batch.data_pages, data.count(batch.pages.clone()));
                    prop_assert!(data.get(batch.pages.start) && data.get(batch.pages.end - 1));
                    prop_assert_eq!(plan.window_of(batch.pages.start), plan.window_of(batch.pages.end - 1));
                    prop_assert!(!batch.whole || batch.data_pages * PAGE == HUGE_PAGE);
                    brought[batch.block].set(batch.pages.clone());
                }
            }
            for (block, pages) in wanted() {
                for page in pages.start..pages.end.min(data.len()) {
                    prop_assert!(!data.get(page) || brought[block].get(page), "page {}", page);
                }
            }
        }
    }

    #[test]
    fn near_pages_are_joined_far_ones_are_not_and_segments_keep_their_order() {
        let mut data = Bitmap::new(1 << 16);
        data.set(0..1 << 16);
        let blocks = [PlanBlock {
            address: 1 << 40,
            ..block(&data, 0)
        }];
        let one = |page| (0, page..page + 1);
        let touched = [900, 10, 905, 900 + 600, 11, 916, 13].map(one);
        let batches = |groups: &[Group]| -> Vec<Range<u64>> {
            let batches = groups.iter().flat_map(|group| &group.batches);
            batches.map(|batch| batch.pages.clone()).collect()
        };
        let first = groups(&blocks, touched.into_iter());
        assert_eq!(batches(&first), [10..14, 900..906, 916..917, 1500..1501]);
        assert_eq!(first.len(), 1);

        let pages = SEGMENT_BYTES / PAGE;
        let later = groups(
            &blocks,
            [(0, 20_000..20_000 + pages), (0, 0..5)].into_iter(),
        );
        let batches = batches(&later);
        assert_eq!(batches.last(), Some(&(0..5)));
        assert_eq!(batches.first().map(|pages| pages.start), Some(20_000));
        assert!(later
            .iter()
            .flat_map(|group| &group.batches)
            .any(|batch| batch.whole));
    }
}
