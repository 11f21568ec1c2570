// SPDX-License-Identifier: GPL-2.0-or-later
//! Working sets: recorded by one load, brought first by the next.

use std::path::Path;

use super::*;
use crate::policy::Background;
use crate::testing::Failure;
use crate::working_set::{read, write, WorkingSet};

fn options(background: Background) -> Options {
    let pace = Pace {
        background,
        max_bandwidth: None,
    };
    Options {
        pace,
        // Two would bring the set and the rest at a time.
        background_threads: 1,
        ..Options::default()
    }
}

/// A rig over the same snapshot each time.
fn rig(background: Background) -> Rig {
    Rig::new(
        vec![
            anonymous(bitmap(3000, &[10..900, 1000..3000])),
            anonymous(full(64)),
        ],
        options(background),
    )
}

fn touch(rig: &Rig, pages: &[(usize, u64)]) {
    for (block, page) in pages {
        assert!(rig.memories[*block].read_page(*page) == rig.snapshot.expected(*block, *page));
    }
}

fn read_path(path: &Path) -> WorkingSet {
    read(&std::fs::File::open(path).unwrap()).unwrap()
}

/// Block, page, loads and along of each page of a set.
fn flat(set: &WorkingSet) -> Vec<(u16, u64, u8, bool)> {
    crate::working_set::tests::flat(set)
}

const TOUCHED: [(usize, u64); 5] = [(0, 2000), (1, 3), (0, 600), (0, 601), (0, 1500)];
/// How many are recorded when each has been touched: with the fourth come three more.
const RECORDED: [u64; 5] = [1, 2, 3, 7, 8];

/// Loads without background, touches these pages, and ends the recording by command. `recorded` is
/// how many pages have been behind each touch.
fn record(path: &Path, pages: &[(usize, u64)], recorded: &[u64]) {
    let rig = rig(Background::Off);
    rig.load.record(path.to_owned()).unwrap();
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    for (page, recorded) in pages.iter().zip(recorded) {
        touch(&rig, &[*page]);
        // Who waits goes on before the page is recorded, and the next fault may be another
        // thread's.
        eventually("it was recorded", || {
            rig.load.stats().recorded == recorded * PAGE
        });
    }
    rig.load.end_recording(PATIENCE).unwrap();
    // Later touches aren't recorded.
    touch(&rig, &[(1, 63)]);
    rig.load.end_recording(PATIENCE).unwrap();
}

#[test]
fn touches_are_recorded_in_order_and_told_from_what_came_along() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set");
    record(&path, &TOUCHED, &RECORDED);
    let set = read_path(&path);
    assert_eq!(set.loads, 1);
    let expected = [
        (0, 2000, 1, false),
        (1, 3, 1, false),
        (0, 600, 1, false),
        // Near its last fault: four pages, of which three weren't asked for.
        (0, 601, 1, false),
        (0, 602, 1, true),
        (0, 603, 1, true),
        (0, 604, 1, true),
        (0, 1500, 1, false),
    ];
    assert_eq!(flat(&set), expected);

    // A second load adds to it.
    record(&path, &[(1, 60), (0, 2000)], &[1, 2]);
    let set = read_path(&path);
    assert_eq!(set.loads, 2);
    let front: Vec<_> = flat(&set).into_iter().take(2).collect();
    assert_eq!(front, [(0, 2000, 2, false), (1, 60, 1, false)]);
    assert_eq!(set.pages(), 9);
}

#[test]
fn zero_pages_are_in_no_set() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set");
    let rig = rig(Background::Off);
    rig.load.record(path.clone()).unwrap();
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    touch(&rig, &[(0, 950), (0, 2), (1, 9)]);
    eventually("the fault is recorded", || {
        rig.load.stats().recorded == PAGE
    });
    // Written when the load is stopped, too.
    rig.load.stop();
    assert_eq!(flat(&read_path(&path)), [(1, 9, 1, false)]);
}

#[test]
fn a_set_is_brought_whatever_the_background_and_nothing_else_if_that_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set");
    record(&path, &TOUCHED, &RECORDED);
    let set = read_path(&path);
    for background in [Background::Off, Background::Adaptive, Background::Full] {
        let rig = rig(background);
        rig.load.use_working_set(set.clone()).unwrap();
        rig.load.start().unwrap();
        // Before the machine runs.
        eventually("the set is there", || {
            rig.load.stats().working_set == set.bytes()
        });
        rig.load.run().unwrap();
        if background == Background::Off {
            touch(&rig, &TOUCHED);
            let stats = rig.load.stats();
            assert_eq!(stats.faults, 0, "{stats:?}");
            assert_eq!(stats.background, set.bytes(), "{stats:?}");
            rig.load.set_pace(Pace::default());
        }
        rig.await_finish();
        rig.assert_loaded();
        assert_eq!(rig.assert_accounts().working_set, set.bytes());
    }
}

#[test]
fn small_gaps_come_with_a_set_and_large_pages_stay_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set");
    let pages = 3 * crate::plan::HUGE_PAGE / PAGE;
    let load = || Rig::new(vec![anonymous(full(pages))], options(Background::Off));
    let first = load();
    first.load.record(path.clone()).unwrap();
    first.load.start().unwrap();
    first.load.run().unwrap();
    for page in (0..pages).rev().step_by(3) {
        touch(&first, &[(0, page)]);
    }
    first.load.stop();
    let second = load();
    second.load.use_working_set(read_path(&path)).unwrap();
    second.load.start().unwrap();
    second.load.run().unwrap();
    // All but a few in front of what was touched in each huge page, and behind it.
    eventually("all is there", || {
        second.load.stats().working_set >= (pages - 16) * PAGE
    });
    second.assert_loaded();
}

#[test]
fn what_was_given_belongs_to_what_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    record(&old, &TOUCHED, &RECORDED);
    let set = read_path(&old);
    let again = |path: &Path| {
        let rig = rig(Background::Off);
        rig.load.use_working_set(set.clone()).unwrap();
        rig.load.record(path.to_owned()).unwrap();
        rig.load.start().unwrap();
        rig.load.run().unwrap();
        eventually("the set is there", || {
            rig.load.stats().working_set == set.bytes()
        });
        touch(&rig, &TOUCHED);
        touch(&rig, &[(0, 700)]);
        eventually("the fault is recorded", || rig.load.stats().recorded > 0);
        rig.load.stop();
        read_path(path)
    };
    for path in [&new, &old] {
        let both = again(path);
        assert_eq!(both.loads, 2);
        assert_eq!(both.pages(), set.pages() + 1);
        assert!(flat(&both).contains(&(0, 700, 1, false)));
    }
}

#[test]
fn sets_of_other_snapshots_are_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set");
    record(&path, &TOUCHED, &RECORDED);
    let set = read_path(&path);
    let other = Rig::new(vec![anonymous(full(64))], options(Background::Off));
    let error = other.load.use_working_set(set.clone()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("another snapshot"), "{source}");
    let refused = |load: &RamLoad, path: &Path, words: &str| {
        let SetupError::Record(error) = load.record(path.to_owned()).unwrap_err() else {
            panic!("another error");
        };
        assert!(error.chain().contains(words), "{}", error.chain());
    };
    refused(&other.load, &path, "another snapshot");
    refused(
        &other.load,
        Path::new("/nowhere/set"),
        "create a file beside",
    );
    refused(&other.load, dir.path(), "no regular file");
    assert_eq!(read_path(&path), set);

    let linear = rig(Background::Linear);
    let error = linear.load.use_working_set(set.clone()).unwrap_err();
    assert!(matches!(error, SetupError::LinearWorkingSet));
    linear.load_all();
    let started = linear.load.use_working_set(set).unwrap_err();
    assert!(matches!(started, SetupError::Started));
    assert!(matches!(
        linear.load.record(path).unwrap_err(),
        SetupError::Started
    ));
}

#[test]
fn a_recording_that_cannot_be_written_can_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    let path = folder.join("set");
    std::fs::create_dir(&folder).unwrap();
    let rig = rig(Background::Off);
    rig.load.record(path.clone()).unwrap();
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    touch(&rig, &TOUCHED[..1]);
    eventually("the fault is recorded", || rig.load.stats().recorded > 0);
    std::fs::remove_dir(&folder).unwrap();
    let error = rig.load.end_recording(PATIENCE).unwrap_err();
    assert!(matches!(error, RunError::Record(_)), "{error}");
    std::fs::create_dir(&folder).unwrap();
    rig.load.end_recording(PATIENCE).unwrap();
    assert_eq!(read_path(&path).pages(), 1);
}

#[test]
fn a_load_that_never_ran_leaves_no_recording() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set");
    let rig = rig(Background::Off);
    rig.load.record(path.clone()).unwrap();
    rig.load.start().unwrap();
    touch(&rig, &TOUCHED);
    rig.load.stop();
    assert!(!path.exists());
}

#[test]
fn a_page_of_a_set_that_cannot_be_read_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set");
    record(&path, &TOUCHED, &RECORDED);
    let set = read_path(&path);
    let rig = rig(Background::Off);
    rig.load.use_working_set(set.clone()).unwrap();
    let range = |page| rig.file_offset(0, page)..rig.file_offset(0, page + 1);
    // Not while the device state is loaded, where it would end the load.
    rig.injector.fail(range(600), Failure::Stall);
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    rig.injector
        .fail_only(range(1500), Failure::Errno(libc::EIO));
    let report = lock(&rig.failed).recv_timeout(PATIENCE).unwrap();
    assert_eq!(report.ram_offset, 1500 * PAGE);
    rig.injector.heal();
    rig.load.retry(PATIENCE).unwrap();
    eventually("the set is there", || {
        rig.load.stats().working_set == set.bytes()
    });
    touch(&rig, &TOUCHED);
}

/// Four threads touch at random while a set of everything is brought, recorded anew, by two threads.
#[test]
fn touches_a_set_and_the_background_race() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set");
    let pages = 8 * 1024;
    let load = || {
        let shared = Memory::shared(pages * PAGE).unwrap();
        let options = Options {
            fault_threads: 2,
            background_threads: 2,
            ..options(Background::Adaptive)
        };
        Rig::new(vec![anonymous(full(pages)), (full(pages), shared)], options)
    };
    for round in 0..3 {
        let rig = load();
        if round > 0 {
            rig.load.use_working_set(read_path(&path)).unwrap();
        }
        rig.load.record(path.clone()).unwrap();
        rig.load.start().unwrap();
        rig.load.run().unwrap();
        std::thread::scope(|scope| {
            for seed in 0..4u64 {
                let memories = &rig.memories;
                scope.spawn(move || {
                    let mut random = seed + round * 17;
                    for _ in 0..50_000 {
                        random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                        memories[(random >> 62) as usize % 2].touch((random >> 33) % pages);
                    }
                });
            }
        });
        rig.await_finish();
        rig.assert_loaded();
        rig.assert_accounts();
        assert_eq!(u64::from(read_path(&path).loads), round + 1);
    }
    // What is written is a set, each page once.
    write(&path, &read_path(&path)).unwrap();
}
