// SPDX-License-Identifier: GPL-2.0-or-later
//! Every kind of memory, every pattern of pages, faults and background at once.

#![allow(unsafe_code)]

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::plan::HUGE_PAGE;

const PER_HUGE: u64 = HUGE_PAGE / PAGE;

/// Huge pages for a test; without reserved pages the test says that it is skipped.
fn huge_pages(data: &Bitmap) -> Option<Memory> {
    let wanted = (data.len() * PAGE).div_ceil(HUGE_PAGE);
    let reserve = "/proc/sys/vm/nr_hugepages";
    let free = || -> u64 {
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
        let line = meminfo
            .lines()
            .find(|line| line.starts_with("HugePages_Free:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0)
    };
    if free() < wanted + 16 {
        // Other tests take some at the same time.
        let _ = std::fs::write(reserve, "64");
    }
    match Memory::huge_pages(data.len() * PAGE) {
        Ok(memory) => Some(memory),
        Err(error) => {
            eprintln!("SKIPPED: no {wanted} huge pages can be reserved in {reserve}: {error}");
            None
        }
    }
}

/// Data of all sorts: whole windows, single pages, holes, an empty window, a ragged end.
fn mixed() -> Bitmap {
    let mut data = bitmap(
        7 * PER_HUGE + 100,
        &[0..2 * PER_HUGE, 3 * PER_HUGE..3 * PER_HUGE + 7],
    );
    for page in (4 * PER_HUGE..5 * PER_HUGE).step_by(3) {
        data.set(page..page + 1);
    }
    data.set(6 * PER_HUGE..7 * PER_HUGE + 99);
    data
}

#[test]
fn anonymous_memory() {
    let rig = Rig::new(vec![anonymous(mixed())], Options::default());
    rig.load_all();
    rig.assert_loaded();
    rig.assert_accounts();
}

#[test]
fn shared_memory() {
    let data = mixed();
    let memory = Memory::shared(data.len() * PAGE).unwrap();
    let rig = Rig::new(vec![(data, memory)], Options::default());
    rig.load_all();
    rig.assert_loaded();
    rig.assert_accounts();
}

#[test]
fn hugetlbfs_memory_with_pages_partly_in_the_file() {
    let data = mixed();
    let Some(memory) = huge_pages(&data) else {
        return;
    };
    let rig = Rig::new(vec![(data, memory)], Options::default());
    rig.load_all();
    rig.assert_loaded();
    rig.assert_accounts();
}

#[test]
fn every_kind_past_the_page_cache() {
    let data = mixed();
    let shared = Memory::shared(data.len() * PAGE).unwrap();
    let mut blocks = vec![anonymous(data.clone()), (data.clone(), shared)];
    blocks.extend(huge_pages(&data).map(|memory| (data, memory)));
    let options = Options {
        direct: true,
        ..Options::default()
    };
    let rig = Rig::new(blocks, options);
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    // Faults, too, while the background reads.
    for page in [5, 3 * PER_HUGE + 6, 7 * PER_HUGE - 1] {
        for (index, memory) in rig.memories.iter().enumerate() {
            assert!(memory.read_page(page) == rig.snapshot.expected(index, page));
        }
    }
    rig.await_finish();
    let source = rig.snapshot.source();
    for index in 0..rig.memories.len() {
        for page in [5, 2 * PER_HUGE - 1, 7 * PER_HUGE - 1] {
            let cached = source.read_cached(&mut [0; 16], rig.file_offset(index, page));
            assert_eq!(cached > 0, source.in_memory, "block {index}, page {page}");
        }
    }
    rig.assert_loaded();
    rig.assert_accounts();
}

#[test]
fn whole_windows_become_huge_pages() {
    let rig = Rig::new(vec![anonymous(full(8 * PER_HUGE))], Options::default());
    rig.load_all();
    if !transparent_huge_pages() || !Uffd::open().unwrap().features().moves() {
        eprintln!("SKIPPED: this kernel has no transparent huge pages, or doesn't move them");
        return;
    }
    let start = rig.memories[0].start() as u64;
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let huge_kib: u64 = smaps
        .lines()
        .skip_while(|line| !line.starts_with(&format!("{start:x}-")))
        .find_map(|line| line.strip_prefix("AnonHugePages:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap();
    assert!(
        huge_kib << 10 >= 6 * HUGE_PAGE,
        "{huge_kib} KiB in huge pages"
    );
    rig.assert_loaded();
}

#[test]
fn several_blocks_of_several_kinds_touched_by_many_threads() {
    let data = mixed();
    let shared = Memory::shared(data.len() * PAGE).unwrap();
    let mut blocks = vec![
        anonymous(data.clone()),
        (data.clone(), shared),
        anonymous(full(3)),
    ];
    if let Some(memory) = huge_pages(&data) {
        blocks.push((data, memory));
    }
    let options = Options {
        fault_threads: 2,
        ..Options::default()
    };
    let rig = Rig::new(blocks, options);
    rig.load.start().unwrap();
    std::thread::scope(|scope| {
        for toucher in 0..4u64 {
            let rig = &rig;
            scope.spawn(move || {
                for (index, memory) in rig.memories.iter().enumerate() {
                    let pages = rig.snapshot.blocks[index].data.len();
                    for step in 0..pages.min(400) {
                        let page = (step * 7919 + toucher * 131) % pages;
                        assert!(memory.read_page(page) == rig.snapshot.expected(index, page));
                    }
                }
            });
        }
        rig.load.run().unwrap();
    });
    rig.await_finish();
    rig.assert_loaded();
    let stats = rig.assert_accounts();
    assert!(stats.faults > 0, "{stats:?}");
}

#[test]
fn a_fault_overtakes_the_background() {
    let rig = Rig::new(
        vec![anonymous(full(20 * PER_HUGE))],
        Options {
            background_threads: 1,
            ..Options::default()
        },
    );
    // The background is held up in its first chunks while pages near the end are touched.
    rig.injector.delay(Duration::from_millis(3));
    rig.load.start().unwrap();
    // Backwards, or pages are brought along.
    for page in (19 * PER_HUGE..19 * PER_HUGE + 20).rev() {
        assert!(rig.memories[0].read_page(page) == rig.snapshot.expected(0, page));
    }
    rig.injector.delay(Duration::ZERO);
    rig.load.run().unwrap();
    rig.await_finish();
    rig.assert_loaded();
    let stats = rig.assert_accounts();
    assert_eq!(stats.demand, 20 * PAGE, "{stats:?}");
    assert!(stats.latency.median_ns >= 3_000_000, "{stats:?}");
    assert!(stats.latency.p99_ns <= stats.latency.max_ns);
}

#[test]
fn zeros_take_no_memory() {
    // Windows with one page of data and the rest zero, and windows with none at all.
    let mut data = Bitmap::new(32 * PER_HUGE);
    for window in (0..32).step_by(2) {
        data.set(window * PER_HUGE + 5..window * PER_HUGE + 6);
    }
    let rig = Rig::new(vec![anonymous(data)], Options::default());
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    // A fault on a zero page answers for its neighbours as well, and takes no memory either.
    let faults = |window: u64| {
        let before = rig.load.stats().faults;
        for page in window * PER_HUGE + 6..window * PER_HUGE + PER_HUGE {
            assert_eq!(rig.memories[0].touch(page), 0);
        }
        rig.load.stats().faults - before
    };
    rig.injector.delay(Duration::from_millis(1));
    let few = faults(30);
    assert!(few <= 2, "{few} faults");
    rig.await_finish();
    let resident = rig.memories[0].resident();
    assert!(
        resident <= 16 * PAGE + 4 * PAGE,
        "{} pages",
        resident / PAGE
    );
    rig.assert_accounts();
}

#[test]
fn a_zero_stretch_of_shared_memory_is_touched_without_filling_it() {
    let data = bitmap(4 * PER_HUGE, &[0..1, 2 * PER_HUGE..2 * PER_HUGE + 1]);
    let memory = Memory::shared(data.len() * PAGE).unwrap();
    let rig = Rig::new(vec![(data, memory)], Options::default());
    rig.load_all();
    assert_eq!(rig.memories[0].resident(), 2 * PAGE);
    rig.assert_loaded();
}

#[test]
fn the_kernel_waits_for_pages_too() {
    // read(2) into missing memory faults in kernel mode.
    let rig = Rig::new(vec![anonymous(full(4 * PER_HUGE))], Options::held());
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    let page = 3 * PER_HUGE + 17;
    let mut want = rig.snapshot.expected(0, page);
    want[..8].copy_from_slice(b"written!");
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(b"written!", 0).unwrap();
    let target = rig.memories[0].start().wrapping_add((page * PAGE) as usize);
    use std::os::fd::AsRawFd;
    // SAFETY: eight bytes within the memory, which the kernel writes.
    let read = unsafe { libc::read(file.as_raw_fd(), target.cast(), 8) };
    assert_eq!(read, 8);
    rig.release();
    rig.await_finish();
    assert!(
        rig.memories[0].read_page(page) == want,
        "the rest of the page is the snapshot's"
    );
}

#[test]
fn memory_is_populated_when_asked() {
    let data = bitmap(4 * PER_HUGE, std::slice::from_ref(&(0..1)));
    let options = Options {
        populate: true,
        ..Options::default()
    };
    let rig = Rig::new(vec![anonymous(data)], options);
    rig.load_all();
    assert_eq!(rig.memories[0].resident(), 4 * HUGE_PAGE);
    rig.assert_loaded();
}

#[test]
fn writes_survive_the_background() {
    let rig = Rig::new(vec![anonymous(full(6 * PER_HUGE))], Options::default());
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    let at = |page: u64| rig.memories[0].start().wrapping_add((page * PAGE) as usize);
    let written: Vec<u64> = (0..6 * PER_HUGE).step_by(37).collect();
    for page in written.iter().rev() {
        // SAFETY: the first byte of a page of the memory.
        unsafe { at(*page).write_volatile(0x5a) };
    }
    rig.await_finish();
    for page in 0..6 * PER_HUGE {
        let mut want = rig.snapshot.expected(0, page);
        if written.contains(&page) {
            want[0] = 0x5a;
        }
        assert!(rig.memories[0].read_page(page) == want, "page {page}");
    }
    rig.assert_accounts();
}

#[test]
fn nothing_to_load_finishes() {
    let rig = Rig::new(vec![anonymous(Bitmap::new(700))], Options::default());
    rig.load_all();
    rig.assert_accounts();
    assert_eq!(rig.injector.reads(), 1, "the bitmap only");
}

#[test]
fn it_finishes_only_once_the_machine_runs() {
    let rig = Rig::new(vec![anonymous(full(10))], Options::default());
    rig.load.start().unwrap();
    eventually("all is in place", || {
        rig.load.stats().background == 10 * PAGE
    });
    assert!(lock(&rig.finished)
        .recv_timeout(Duration::from_millis(50))
        .is_err());
    rig.load.run().unwrap();
    rig.await_finish();
    rig.load.run().expect("running twice is no harm");
}

#[test]
fn memory_that_was_in_use_is_kept_and_the_load_ends() {
    let rig = Rig::new(vec![anonymous(full(40))], Options::default());
    // SAFETY: the first byte of page 7.
    unsafe {
        rig.memories[0]
            .start()
            .add(7 * PAGE as usize)
            .write_volatile(1)
    };
    rig.load_all();
    rig.assert_accounts();
    assert!(rig.memories[0].read_page(7) != rig.snapshot.expected(0, 7));
    assert!(rig.memories[0].read_page(8) == rig.snapshot.expected(0, 8));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_pattern_loads(
        runs in prop::collection::vec((any::<bool>(), 1usize..300), 1..8),
        touched in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        shared in any::<bool>(),
        threads in 1u32..3,
    ) {
        let bits: Vec<bool> =
            runs.into_iter().flat_map(|(bit, len)| std::iter::repeat_n(bit, len)).collect();
        let mut data = Bitmap::new(bits.len() as u64);
        for (page, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            data.set(page as u64..page as u64 + 1);
        }
        let len = data.len() * PAGE;
        let memory =
            if shared { Memory::shared(len).unwrap() } else { Memory::anonymous(len).unwrap() };
        let options = Options {
            fault_threads: threads,
            background_threads: threads,
            ..Options::default()
        };
        let rig = Rig::new(vec![(data, memory)], options);
        rig.load.start().unwrap();
        let ran = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for index in &touched {
                    let page = index.index(bits.len()) as u64;
                    assert!(rig.memories[0].read_page(page) == rig.snapshot.expected(0, page));
                }
                ran.store(true, Ordering::Relaxed);
            });
            rig.load.run().unwrap();
        });
        prop_assert!(ran.load(Ordering::Relaxed));
        rig.await_finish();
        rig.assert_loaded();
        rig.assert_accounts();
    }
}
