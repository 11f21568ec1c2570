// SPDX-License-Identifier: GPL-2.0-or-later
//! What is reported about single faults and batches.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Instant;

use super::*;
use crate::service::buffers::Single;
use crate::uffd::Fault;

#[derive(Default)]
struct Seen {
    /// For each address: waits begun that haven't ended.
    waiting: BTreeMap<u64, u32>,
    begun: u64,
    faults: Vec<(u64, FaultKind, u32)>,
    /// Pages of all batches.
    pages: u64,
}

/// Writes down what it is told.
#[derive(Default)]
struct Recorder(Mutex<Seen>);

impl Observer for Recorder {
    fn fault_begin(&self, fault: &FaultBegin<'_>) {
        assert!(fault.tid != 0 && fault.ram_offset % PAGE == 0);
        let mut seen = lock(&self.0);
        *seen.waiting.entry(fault.address).or_default() += 1;
        seen.begun += 1;
    }

    fn fault_end(&self, address: u64) {
        lock(&self.0).waiting.remove(&address);
    }

    fn trace_fault(&self, fault: &FaultTrace<'_>) {
        lock(&self.0)
            .faults
            .push((fault.ram_offset, fault.kind, fault.tid));
    }

    fn trace_batch(&self, batch: &BatchTrace<'_>) {
        assert!(batch.duration_ns > 0);
        lock(&self.0).pages += batch.length / PAGE;
    }
}

#[test]
fn every_wait_that_began_ends() {
    let recorder = Arc::new(Recorder::default());
    let data = bitmap(3000, &[0..1200, 1300..3000]);
    let options = Options {
        fault_threads: 2,
        track_faults: true,
        observer: recorder.clone(),
        ..Options::held()
    };
    let rig = Rig::new(vec![anonymous(data)], options);
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    // One that waits for certain: the background may be through before the others begin.
    rig.memories[0].touch(2999);
    rig.load.set_pace(Pace::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // All touch the same pages, backwards, against the background.
                for page in (0..3000).rev().step_by(3) {
                    rig.memories[0].touch(page);
                }
            });
        }
    });
    rig.await_finish();
    rig.load.stop();
    let seen = lock(&recorder.0);
    assert!(seen.begun > 0);
    assert!(seen.waiting.is_empty(), "{:?} never ended", seen.waiting);
    assert_eq!(seen.pages, 3000);
}

/// A fault thread may read of a fault, and be slow, while another brings the page and the load ends.
#[test]
fn a_wait_that_is_heard_of_after_the_end_ends() {
    let recorder = Arc::new(Recorder::default());
    let options = Options {
        track_faults: true,
        observer: recorder.clone(),
        ..Options::default()
    };
    let data = bitmap(64, std::slice::from_ref(&(0..32)));
    let rig = Rig::new(vec![anonymous(data)], options);
    rig.load.start().unwrap();
    rig.load.run().unwrap();
    rig.await_finish();
    let shared = rig.load.shared.get().expect("started");
    let memory = rig.memories[0].start() as u64;
    // Of data, and of zeros, which nothing says are placed.
    for page in [5, 40] {
        let fault = Fault {
            address: memory + page * PAGE,
            tid: 7,
        };
        shared.answer(fault, Instant::now(), &mut Single::default());
    }
    let now = Instant::now() + PATIENCE;
    assert!(!shared.waits.is_stuck(0, now));
    let seen = lock(&recorder.0);
    assert!(seen.waiting.is_empty(), "{:?} never ended", seen.waiting);
    // Whether zeros that nobody waits for are there can't be known.
    assert_eq!(seen.begun, 1);
}

#[test]
fn a_fault_is_traced_with_its_thread_and_kind() {
    let recorder = Arc::new(Recorder::default());
    let data = bitmap(1024, std::slice::from_ref(&(512..1024)));
    let rig = Rig::new(
        vec![anonymous(data)],
        Options {
            observer: recorder.clone(),
            ..Options::held()
        },
    );
    rig.load.start().unwrap();
    rig.memories[0].touch(900);
    // SAFETY: gettid has no arguments and no effects.
    let tid = unsafe { libc::gettid() } as u32;
    eventually("the fault is traced", || {
        !lock(&recorder.0).faults.is_empty()
    });
    assert_eq!(
        lock(&recorder.0).faults,
        [(900 * PAGE, FaultKind::Data, tid)]
    );
    assert_eq!(lock(&recorder.0).begun, 0, "not asked for");
}

/// Takes its time at the end of a wait, and looks whether who waited has gone on meanwhile.
#[derive(Default)]
struct Lingerer {
    gone_on: AtomicBool,
    overtaken: Mutex<Option<bool>>,
}

impl Observer for Lingerer {
    fn fault_end(&self, _: u64) {
        std::thread::sleep(Duration::from_millis(50));
        *lock(&self.overtaken) = Some(self.gone_on.load(Ordering::Acquire));
    }
}

/// Who is woken may take the fault thread's core, so nothing that is told of a fault, its latency above
/// all, may wait for that thread to have it back.
#[test]
fn a_page_is_accounted_for_before_who_waits_goes_on() {
    let lingerer = Arc::new(Lingerer::default());
    let options = Options {
        track_faults: true,
        observer: lingerer.clone(),
        ..Options::held()
    };
    let rig = Rig::new(vec![anonymous(full(64))], options);
    rig.load.start().unwrap();
    rig.memories[0].touch(7);
    lingerer.gone_on.store(true, Ordering::Release);
    eventually("the wait ends", || lock(&lingerer.overtaken).is_some());
    assert_eq!(*lock(&lingerer.overtaken), Some(false));
}
