// SPDX-License-Identifier: GPL-2.0-or-later
//! Which runs of pages are mapped and which are copied, as plain data. Makes no system call.
//!
//! Every run that is mapped splits its block's memory in two more mappings, of which a process may
//! have only so many. So the longest runs are mapped, as they share the most memory for a mapping,
//! and the rest is copied. What is kept is bounded by the number of mappings, however fragmented a
//! bitmap is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::bitmap::Bitmap;

/// What the snapshot has of a block.
#[derive(Clone, Copy, Debug)]
pub struct DataPages<'a> {
    /// Bytes of a page of the bitmap: a power of two.
    pub page_size: u64,
    /// One bit for each page: it is in the file.
    pub data: &'a Bitmap,
}

impl DataPages<'_> {
    /// The runs of pages in the file, in bytes of the block.
    fn runs(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.data
            .runs(0..self.data.len())
            .map(|run| run.start * self.page_size..run.end * self.page_size)
    }
}

/// Bytes of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The block's index.
    pub block: usize,
    /// From the block's start, never empty.
    pub bytes: Range<u64>,
}

/// What to map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingPlan {
    /// Whole pages of memory, ordered by block and place, no two of one run.
    pub mapped: Vec<Piece>,
}

impl MappingPlan {
    /// The longest runs of whole pages of memory, `page` bytes each (a power of two), and at most
    /// `most` of them; of equally long ones the first.
    pub fn new(blocks: &[DataPages<'_>], page: u64, most: usize) -> Self {
        // The shortest on top, the last of equals.
        let mut longest = BinaryHeap::new();
        for (block, pages) in blocks.iter().enumerate() {
            for run in pages.runs() {
                let Range { start, end } = whole_pages(&run, page);
                if start < end {
                    longest.push(Reverse((end - start, Reverse(block), Reverse(start))));
                }
                if longest.len() > most {
                    longest.pop();
                }
            }
        }
        let mut mapped: Vec<_> = longest
            .into_iter()
            .map(|Reverse((len, Reverse(block), Reverse(start)))| Piece {
                block,
                bytes: start..start + len,
            })
            .collect();
        mapped.sort_by_key(|piece| (piece.block, piece.bytes.start));
        Self { mapped }
    }

    /// What is in the file and isn't mapped, in order; `blocks` as they were given to
    /// [`MappingPlan::new`].
    pub fn copied<'a>(&'a self, blocks: &'a [DataPages<'a>]) -> impl Iterator<Item = Piece> + 'a {
        let mut mapped = self.mapped.iter().peekable();
        let runs = blocks
            .iter()
            .enumerate()
            .flat_map(|(block, pages)| pages.runs().map(move |bytes| Piece { block, bytes }));
        runs.flat_map(move |run| {
            let within =
                |piece: &&Piece| piece.block == run.block && piece.bytes.start < run.bytes.end;
            let parts = match mapped.next_if(within) {
                Some(piece) => [
                    run.bytes.start..piece.bytes.start,
                    piece.bytes.end..run.bytes.end,
                ],
                None => [run.bytes.clone(), 0..0],
            };
            parts
                .into_iter()
                .filter(|part| !part.is_empty())
                .map(move |bytes| Piece {
                    block: run.block,
                    bytes,
                })
        })
    }
}

/// The whole pages in a range of bytes; starts behind its end if there are none.
fn whole_pages(bytes: &Range<u64>, page: u64) -> Range<u64> {
    bytes.start.next_multiple_of(page)..bytes.end / page * page
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bitmap(bits: &[bool]) -> Bitmap {
        let mut bitmap = Bitmap::new(bits.len() as u64);
        for (page, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            bitmap.set(page as u64..page as u64 + 1);
        }
        bitmap
    }

    fn block() -> impl Strategy<Value = Vec<bool>> {
        prop::collection::vec((any::<bool>(), 1usize..40), 0..30).prop_map(|runs| {
            runs.into_iter()
                .flat_map(|(bit, len)| std::iter::repeat_n(bit, len))
                .collect()
        })
    }

    /// The lengths of all runs of whole pages of memory.
    fn whole_runs(bits: &[bool], small: u64, page: u64) -> Vec<u64> {
        let mut runs = Vec::new();
        let mut start: u64 = 0;
        for (index, bit) in bits.iter().chain([&false]).enumerate() {
            let at = index as u64 * small;
            if !bit {
                let whole = (at / page).saturating_sub(start.div_ceil(page));
                runs.extend((whole > 0).then_some(whole * page));
                start = at + small;
            }
        }
        runs
    }

    proptest! {
        #[test]
        fn every_byte_of_the_file_comes_once_and_the_longest_runs_are_mapped(
            models in prop::collection::vec(block(), 1..4),
            small in prop::sample::select(vec![1024u64, 4096, 65536]),
            most in 0usize..40,
        ) {
            let page = 4096;
            let bitmaps: Vec<_> = models.iter().map(|bits| bitmap(bits)).collect();
            let blocks: Vec<_> =
                bitmaps.iter().map(|data| DataPages { page_size: small, data }).collect();
            let plan = MappingPlan::new(&blocks, page, most);

            let mut came: Vec<Vec<u32>> =
                models.iter().map(|bits| vec![0; bits.len() * (small / 1024) as usize]).collect();
            for piece in plan.mapped.iter().cloned().chain(plan.copied(&blocks)) {
                prop_assert!(!piece.bytes.is_empty());
                for kib in piece.bytes.start / 1024..piece.bytes.end / 1024 {
                    came[piece.block][kib as usize] += 1;
                }
            }
            for (bits, came) in models.iter().zip(&came) {
                for (kib, times) in came.iter().enumerate() {
                    let in_file = bits[kib * 1024 / small as usize];
                    prop_assert_eq!(*times, u32::from(in_file));
                }
            }

            for piece in &plan.mapped {
                prop_assert_eq!((piece.bytes.start % page, piece.bytes.end % page), (0, 0));
            }
            let mut longest: Vec<_> =
                models.iter().flat_map(|bits| whole_runs(bits, small, page)).collect();
            longest.sort_unstable_by_key(|len| Reverse(*len));
            longest.truncate(most);
            let mut lengths: Vec<_> = plan
                .mapped
                .iter()
                .map(|piece| piece.bytes.end - piece.bytes.start)
                .collect();
            lengths.sort_unstable_by_key(|len| Reverse(*len));
            prop_assert_eq!(lengths, longest);
        }
    }

    #[test]
    fn a_page_in_every_other_place_is_mapped_as_far_as_allowed_and_then_copied() {
        let mut data = Bitmap::new(100_000);
        for page in (0..100_000).step_by(2) {
            data.set(page..page + 1);
        }
        let blocks = [DataPages {
            page_size: 4096,
            data: &data,
        }];
        let plan = MappingPlan::new(&blocks, 4096, 1000);
        assert_eq!(plan.mapped.len(), 1000);
        assert_eq!(
            plan.mapped[999].bytes.start,
            999 * 2 * 4096,
            "the first of equals"
        );
        assert_eq!(plan.copied(&blocks).count(), 49_000);
    }
}
