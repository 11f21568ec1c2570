// SPDX-License-Identifier: GPL-2.0-or-later
//! What a load has to do, as plain data: which pages to bring in which batches, in what order, and
//! which memory has to be watched for faults. Makes no system call and reads no page.

use std::ops::Range;

use crate::bitmap::Bitmap;
use crate::working_set::{groups, Group};

/// A transparent huge page as x86 and most others have it, in bytes. A batch covers at most this much
/// memory, from one multiple of it to the next, so that a batch that is wholly in the file can
/// become one.
pub const HUGE_PAGE: u64 = 2 << 20;

const _: () = assert!(HUGE_PAGE.is_power_of_two());

/// The most stretches of zero pages that are left unwatched. Each splits its block's mapping in
/// two more, and a process may have 65530 mappings (`vm.max_map_count`): this takes 3 % of them.
pub const MAX_GAPS: usize = 1024;

/// A RAM block as the plan sees it.
#[derive(Clone, Copy, Debug)]
pub struct PlanBlock<'a> {
    /// Where it is mapped: a multiple of `page_size`.
    pub address: u64,
    /// Bytes of a page of its memory: a power of two.
    pub page_size: u64,
    /// Where its first page would be in the file.
    pub pages_offset: u64,
    /// One bit for each page of memory: some of it is in the file.
    pub data: &'a Bitmap,
}

impl PlanBlock<'_> {
    /// The pages of the block between one multiple of the batch size and the next, all along it.
    fn windows(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut start = 0;
        std::iter::from_fn(move || {
            let window = (start < self.data.len()).then(|| self.window_of(start))?;
            start = window.end;
            Some(window)
        })
    }

    /// The pages around `page` that one batch may span.
    pub fn window_of(&self, page: u64) -> Range<u64> {
        let per_window = self.window() / self.page_size;
        let first = self.address / self.page_size;
        let start = (first + page) / per_window * per_window;
        start.max(first) - first..(start + per_window - first).min(self.data.len())
    }

    /// Bytes from the start of one batch to the next.
    fn window(&self) -> u64 {
        HUGE_PAGE.max(self.page_size)
    }

    /// Whether `pages` are all of a window and not the ragged start or end of the block.
    fn is_window(&self, pages: &Range<u64>) -> bool {
        (pages.end - pages.start) * self.page_size == self.window()
    }
}

/// Pages to bring together, from the first to the last that is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The block's index.
    pub block: usize,
    /// The pages of memory, of which some may not be in the file.
    pub pages: Range<u64>,
    /// How many of them are.
    pub data_pages: u64,
    /// Whether it is [`HUGE_PAGE`] bytes of memory, aligned to that, with every page in the file.
    pub whole: bool,
}

/// A range of a block's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The block's index.
    pub block: usize,
    /// The pages of memory.
    pub pages: Range<u64>,
}

/// What a load has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// A working set, to be brought before all else. Its pages are in `batches` as well.
    pub first: Vec<Group>,
    /// What to bring, in file order. Every page with data is in exactly one batch.
    pub batches: Vec<Batch>,
    /// What to watch for faults: everything but the largest stretches of zero pages, which read as
    /// zero without anyone's help. Either all or nothing of a batch's memory is watched.
    pub watched: Vec<Extent>,
}

impl Plan {
    /// Makes the plan for these blocks.
    pub fn new(blocks: &[PlanBlock<'_>]) -> Self {
        let mut batches: Vec<Batch> = Vec::new();
        let mut gaps: Vec<Extent> = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            for window in block.windows() {
                match batch(index, block, window.clone()) {
                    Some(batch) => batches.push(batch),
                    None if block.is_window(&window) => match gaps.last_mut() {
                        Some(gap) if gap.block == index && gap.pages.end == window.start => {
                            gap.pages.end = window.end;
                        }
                        _ => gaps.push(Extent {
                            block: index,
                            pages: window,
                        }),
                    },
                    None => {}
                }
            }
        }
        batches.sort_by_key(|batch| {
            let block = &blocks[batch.block];
            block
                .pages_offset
                .saturating_add(batch.pages.start * block.page_size)
        });
        Self {
            first: Vec::new(),
            batches,
            watched: watched(blocks, gaps),
        }
    }

    /// Puts these pages of memory, told by the blocks' indices, before all else.
    pub fn bring_first(
        &mut self,
        blocks: &[PlanBlock<'_>],
        touched: impl Iterator<Item = (usize, Range<u64>)>,
    ) {
        self.first = groups(blocks, touched);
    }
}

fn batch(index: usize, block: &PlanBlock<'_>, window: Range<u64>) -> Option<Batch> {
    let first = block.data.first_run(window.clone())?;
    let last = block
        .data
        .runs(first.end..window.end)
        .last()
        .unwrap_or(first.clone());
    let pages = first.start..last.end;
    let data_pages = block.data.count(pages.clone());
    let whole = block.is_window(&pages)
        && block.window() == HUGE_PAGE
        && data_pages == pages.end - pages.start;
    Some(Batch {
        block: index,
        pages,
        data_pages,
        whole,
    })
}

/// All of the blocks but the `gaps`, or the largest of them.
fn watched(blocks: &[PlanBlock<'_>], mut gaps: Vec<Extent>) -> Vec<Extent> {
    if gaps.len() > MAX_GAPS {
        let bytes = |gap: &Extent| (gap.pages.end - gap.pages.start) * blocks[gap.block].page_size;
        gaps.sort_by_key(|gap| std::cmp::Reverse(bytes(gap)));
        gaps.truncate(MAX_GAPS);
        gaps.sort_by_key(|gap| (gap.block, gap.pages.start));
    }
    let mut gaps = gaps.into_iter().peekable();
    let mut watched = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let mut start = 0;
        while let Some(gap) = gaps.next_if(|gap| gap.block == index) {
            if start < gap.pages.start {
                watched.push(Extent {
                    block: index,
                    pages: start..gap.pages.start,
                });
            }
            start = gap.pages.end;
        }
        if start < block.data.len() {
            watched.push(Extent {
                block: index,
                pages: start..block.data.len(),
            });
        }
    }
    watched
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    struct Model {
        address: u64,
        page_size: u64,
        pages_offset: u64,
        bits: Vec<bool>,
    }

    impl Model {
        fn bitmap(&self) -> Bitmap {
            let mut bitmap = Bitmap::new(self.bits.len() as u64);
            for (page, _) in self.bits.iter().enumerate().filter(|(_, bit)| **bit) {
                bitmap.set(page as u64..page as u64 + 1);
            }
            bitmap
        }
    }

    fn model() -> impl Strategy<Value = Model> {
        let bits = prop::collection::vec((any::<bool>(), 1usize..1400), 1..6).prop_map(|runs| {
            runs.into_iter()
                .flat_map(|(bit, len)| std::iter::repeat_n(bit, len))
                .collect()
        });
        (
            bits,
            prop::sample::select(vec![4096u64, 65536, 2 << 20, 1 << 30]),
            0u64..600,
            0u64..9,
        )
            .prop_map(
                |(bits, page_size, skew, order): (Vec<bool>, _, _, _)| Model {
                    address: (1 << 40) + skew * page_size,
                    page_size,
                    pages_offset: order << 32,
                    bits,
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_plan_brings_every_page_once_in_bounds_and_in_order(
            models in prop::collection::vec(model(), 1..4)
        ) {
            let bitmaps: Vec<_> = models.iter().map(Model::bitmap).collect();
            let blocks: Vec<_> = models
                .iter()
                .zip(&bitmaps)
                .map(|(model, data)| PlanBlock {
                    address: model.address,
                    page_size: model.page_size,
                    pages_offset: model.pages_offset,
                    data,
                })
                .collect();
            let plan = Plan::new(&blocks);

            let mut brought: Vec<Vec<u32>> =
                models.iter().map(|model| vec![0; model.bits.len()]).collect();
            let mut offsets = Vec::new();
            for batch in &plan.batches {
                let model = &models[batch.block];
                let pages = batch.pages.start as usize..batch.pages.end as usize;
                let (start, end) = (
                    model.address + batch.pages.start * model.page_size,
                    model.address + batch.pages.end * model.page_size,
                );
                // In one window, which may be a single larger page.
                let window = HUGE_PAGE.max(model.page_size);
                prop_assert_eq!(start / window, (end - 1) / window);
                // Nothing useless at either end.
                prop_assert!(model.bits[pages.start] && model.bits[pages.end - 1]);
                let data = model.bits[pages.clone()].iter().filter(|bit| **bit).count();
                prop_assert_eq!(batch.data_pages, data as u64);
                prop_assert_eq!(
                    batch.whole,
                    start % HUGE_PAGE == 0 && end - start == HUGE_PAGE && data == pages.len()
                );
                for page in pages {
                    brought[batch.block][page] += 1;
                }
                offsets.push(model.pages_offset + batch.pages.start * model.page_size);
            }
            prop_assert!(offsets.is_sorted());

            let mut watched: Vec<Vec<u32>> =
                models.iter().map(|model| vec![0; model.bits.len()]).collect();
            for extent in &plan.watched {
                prop_assert!(!extent.pages.is_empty());
                for page in extent.pages.clone() {
                    watched[extent.block][page as usize] += 1;
                }
            }
            for (index, model) in models.iter().enumerate() {
                for (page, bit) in model.bits.iter().enumerate() {
                    prop_assert!(brought[index][page] <= 1);
                    prop_assert!(!*bit || brought[index][page] == 1);
                    prop_assert!(watched[index][page] <= 1);
                    prop_assert!(!*bit || watched[index][page] == 1);
                    // A window is watched or not as a whole, and not only if it is whole and zero.
                    let window = HUGE_PAGE.max(model.page_size);
                    let at = |page: usize| (model.address + page as u64 * model.page_size) / window;
                    if page > 0 && at(page) == at(page - 1) {
                        prop_assert_eq!(watched[index][page], watched[index][page - 1]);
                    }
                    if watched[index][page] == 0 {
                        let start = (at(page) * window).checked_sub(model.address);
                        prop_assert!(start.is_some());
                        let end = (at(page) + 1) * window - model.address;
                        prop_assert!(end <= model.bits.len() as u64 * model.page_size);
                    }
                }
            }
        }
    }

    #[test]
    fn zero_stretches_are_unwatched_up_to_the_limit_largest_first() {
        // A page of data in every other window, and one gap that is three windows long at the end.
        let windows = 2 * (MAX_GAPS as u64 + 10) + 3;
        let per_window = HUGE_PAGE / 4096;
        let mut data = Bitmap::new(windows * per_window);
        for window in (0..windows - 3).step_by(2) {
            data.set(window * per_window..window * per_window + 1);
        }
        let block = PlanBlock {
            address: 1 << 40,
            page_size: 4096,
            pages_offset: 0,
            data: &data,
        };
        let plan = Plan::new(&[block]);
        let watched: u64 = plan
            .watched
            .iter()
            .map(|e| e.pages.end - e.pages.start)
            .sum();
        // The last gap is four windows long: three and the odd one in front of them.
        let unwatched = (MAX_GAPS as u64 - 1 + 4) * per_window;
        assert_eq!(watched, windows * per_window - unwatched);
        assert!(plan.watched.len() <= MAX_GAPS + 1);
        let last = plan.watched.last().unwrap();
        assert_eq!(last.pages.end, (windows - 4) * per_window);
    }

    #[test]
    fn a_whole_window_is_found_where_the_address_is_aligned() {
        let mut data = Bitmap::new(1024 + 256);
        data.set(0..1024 + 256);
        let at = |skew: u64| {
            let address = (1 << 40) + skew * 4096;
            let block = PlanBlock {
                address,
                page_size: 4096,
                pages_offset: 0,
                data: &data,
            };
            let plan = Plan::new(&[block]);
            plan.batches
                .iter()
                .map(|batch| (batch.pages.clone(), batch.whole))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            at(0),
            [(0..512, true), (512..1024, true), (1024..1280, false)]
        );
        assert_eq!(
            at(256),
            [(0..256, false), (256..768, true), (768..1280, true)]
        );
    }
}
