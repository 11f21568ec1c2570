// SPDX-License-Identifier: GPL-2.0-or-later
//! What fuzzing feeds: bytes taken for a block's header and bitmap, and what must be true of them
//! if they are accepted. Run by `fuzz/`, and by the tests here over its corpus and random bytes.

use crate::format::{BlockImage, HEADER_SIZE};
use crate::plan::{Plan, PlanBlock, HUGE_PAGE};
use crate::working_set::{Trim, WorkingSet};

/// The longest block that is planned here, which bounds time and memory.
const MAX_LENGTH: u64 = 1 << 30;

/// Takes `input` for the file's size and the block's length (8 bytes each, native order), what
/// page sizes there are (one byte: the target's and the memory's, as shifts from 4 KiB), the header,
/// and the bitmap, cut or padded with zeros to its length. Returns whether it was a snapshot.
///
/// # Panics
///
/// When something is accepted that would lead outside the file or the block.
pub fn check_snapshot(input: &[u8]) -> bool {
    let Some((fixed, bitmap)) = input.split_at_checked(17 + HEADER_SIZE) else {
        return false;
    };
    let u64_at = |at: usize| u64::from_ne_bytes(fixed[at..at + 8].try_into().expect("8 bytes"));
    let (file_size, length) = (u64_at(0), u64_at(8));
    let (target_page, page) = (4096 << (fixed[16] & 3), 4096 << (fixed[16] >> 2 & 15));
    let Ok(image) = BlockImage::parse("fuzz", length, target_page, &fixed[17..], file_size) else {
        return false;
    };
    assert!(image.bitmap_offset + image.bitmap_bytes() <= file_size);
    assert!(image.next_offset() <= i64::MAX as u64);
    if length > MAX_LENGTH {
        return true;
    }
    let mut bytes = bitmap.to_vec();
    bytes.resize(image.bitmap_bytes() as usize, 0);
    let Ok(small) = image.parse_bitmap(&bytes, file_size) else {
        return false;
    };
    let data = small.rescale(target_page, page, length.div_ceil(page));
    let address = 1 << 40;
    let block = PlanBlock {
        address,
        page_size: page,
        pages_offset: image.pages_offset,
        data: &data,
    };
    let plan = Plan::new(&[block]);
    for run in small.runs(0..small.len()) {
        assert!(image.pages_offset + run.end * target_page <= file_size);
    }
    let mut brought = 0;
    let mut end = 0;
    for batch in &plan.batches {
        assert!(batch.pages.start >= end && batch.pages.end <= data.len());
        let window = |page_index: u64| (address + page_index * page) / HUGE_PAGE.max(page);
        assert_eq!(window(batch.pages.start), window(batch.pages.end - 1));
        brought += batch.data_pages;
        end = batch.pages.end;
    }
    assert_eq!(brought, data.count(0..data.len()));
    true
}

/// Takes `input` for a working set's file without its checksum, which is put right. Returns whether
/// it was one.
///
/// # Panics
///
/// When something is accepted that isn't written again as it was, or that merging, trimming or
/// ordering it would lead outside its blocks.
pub fn check_working_set(input: &[u8]) -> bool {
    let Ok(set) = WorkingSet::parse(&crate::working_set::seal(input)) else {
        return false;
    };
    assert_eq!(set.to_bytes(), crate::working_set::seal(input));
    let inside = |set: &WorkingSet| {
        set.runs
            .iter()
            .all(|run| run.page + u64::from(run.pages) <= set.blocks[usize::from(run.block)].pages)
    };
    let merged = WorkingSet::merge(&[&set, &set]).expect("a set goes with itself");
    assert_eq!(merged.pages(), set.pages());
    assert!(inside(&set) && inside(&merged));
    assert_eq!(WorkingSet::parse(&merged.to_bytes()).as_ref(), Ok(&merged));
    let mut trimmed = merged;
    trimmed.trim(Trim {
        bytes: Some(set.bytes() / 2),
        loads: 2,
        touched: true,
    });
    assert!(trimmed.bytes() <= set.bytes() / 2);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::header;
    use proptest::prelude::*;

    /// An input as `check_snapshot` takes it.
    fn input(file_size: u64, length: u64, pages: u8, header: &[u8], bitmap: &[u8]) -> Vec<u8> {
        let sizes = [file_size.to_ne_bytes(), length.to_ne_bytes()].concat();
        [&sizes[..], &[pages], header, bitmap].concat()
    }

    #[test]
    fn the_corpora_hold_what_is_taken_and_others() {
        check_corpus("snapshot", check_snapshot);
        check_corpus("working-set", check_working_set);
    }

    fn check_corpus(name: &str, check: fn(&[u8]) -> bool) {
        let corpus = format!("{}/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut taken = Vec::new();
        for entry in std::fs::read_dir(&corpus).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let good = check(&std::fs::read(entry.path()).unwrap());
            assert_eq!(good, name.starts_with("good-"), "{name}");
            taken.push(good);
        }
        assert!(
            taken.contains(&true) && taken.contains(&false),
            "{corpus} has seeds of both sorts"
        );
    }

    proptest! {
        #[test]
        fn sets_with_changed_bytes_lead_nowhere(
            set in crate::working_set::tests::any_set(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut bytes = set.to_bytes();
            bytes.truncate(bytes.len() - 32);
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            prop_assert!(check_working_set(&bytes) || !changes.is_empty());
        }

        #[test]
        fn random_bytes_lead_nowhere(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            check_snapshot(&bytes);
        }

        #[test]
        fn nearly_true_headers_lead_nowhere(
            file_size in prop_oneof![0u64..1 << 24, any::<u64>()],
            length in prop_oneof![0u64..1 << 24, any::<u64>()],
            round in any::<bool>(),
            pages in any::<u8>(),
            bitmap_offset in prop_oneof![20u64..40, any::<u64>()],
            pages_offset in prop_oneof![(0u64..40).prop_map(|n| n << 16), any::<u64>()],
            bitmap in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let page: u64 = 4096 << (pages & 3);
            let length = if round { length & !(page - 1) } else { length };
            let header = header(1, page, bitmap_offset, pages_offset);
            check_snapshot(&input(file_size, length, pages, &header, &bitmap));
        }

        #[test]
        fn true_headers_are_taken(pages in 1u64..5000, bitmap in prop::collection::vec(any::<u8>(), 625)) {
            let mut bitmap = bitmap;
            bitmap.truncate(pages as usize / 8);
            let length = pages * 4096;
            let header = header(1, 4096, 64, 1 << 20);
            prop_assert!(check_snapshot(&input((1 << 20) + length, length, 0, &header, &bitmap)));
        }
    }
}
