// SPDX-License-Identifier: GPL-2.0-or-later
//! What each way to scrub promises, and what none of them may do: give the guest, or another
//! queue's device, what was in a request that came back.
#![allow(clippy::single_range_in_vec_init)] // lists of ranges

use std::ops::Range;
use std::sync::Arc;

use isolated_memory::testing::{Backend, Guest, GuestRequest};
use isolated_memory::{Area, Layout, Options, Queue, QueueSpec, Scrub};
use proptest::prelude::*;

const MODES: [Scrub; 3] = [Scrub::Always, Scrub::Idle, Scrub::Never];

/// What all requests give to read.
const SECRET: u8 = 0x5e;
/// What a device writes.
const ANSWER: u8 = 0xa5;

/// Where the guest has what it gives, and room for answers.
const OUT: usize = 0;
const INTO: usize = 1 << 20;

struct Rig {
    area: Arc<Area>,
    queue: Queue<GuestRequest>,
    backend: Backend,
    guest: Arc<Guest>,
    tag: u64,
}

impl Rig {
    fn new(scrub: Scrub, indirect: bool) -> Self {
        let spec = QueueSpec {
            ring: 16,
            buffers: 256 << 10,
        };
        let area = Arc::new(Area::new(Layout::new(&[spec; 2]).expect("valid")).expect("an area"));
        let options = Options {
            scrub,
            indirect,
            ..Options::new(16)
        };
        let guest = Guest::new(2 << 20);
        guest.write(OUT, &vec![SECRET; 1 << 20]);
        Self {
            queue: Queue::new(area.clone(), 0, options).expect("a queue"),
            backend: Backend::new(&area, 0, options),
            area,
            guest,
            tag: 0,
        }
    }

    /// Lends a request; false if there is no room now.
    fn lend(&mut self, out: usize, into: usize) -> bool {
        self.tag += 1;
        let segments = |at: usize, len: usize| match len {
            0 => Vec::new(),
            1..=16 => vec![at..at + len],
            len => vec![at..at + 16, at + 16..at + len],
        };
        let request = GuestRequest {
            guest: self.guest.clone(),
            readable: segments(OUT, out),
            writable: segments(INTO, into),
            tag: self.tag,
        };
        let lent = self.queue.lend(request).is_ok();
        let _: bool = self.queue.publish();
        lent
    }

    /// The oldest request that the device hasn't seen yet comes back: it writes so much, and says
    /// that it wrote so much. What the guest then has.
    fn answer(&mut self, writes: usize, says: usize) -> Vec<u8> {
        let chain = self.backend.fetch().expect("a request");
        let room: u64 = chain.writable.iter().map(|r| r.end - r.start).sum();
        let before = self.backend.gather(&chain.writable);
        assert!(before.iter().all(|&byte| byte == 0), "lent with something");
        self.backend
            .answer(&chain, &vec![ANSWER; writes.min(room as usize)]);
        self.backend.push(chain.head.into(), says as u32);
        self.guest.write(INTO, &vec![0xff; room as usize]);
        let done = self.queue.reap().expect("it works").expect("one");
        assert_eq!(done.written as usize, says.min(room as usize));
        self.guest.read(INTO..INTO + done.written as usize)
    }

    /// How many bytes of what the guest gave are in a part of the area.
    fn secrets(&self, queue: usize) -> usize {
        let buffers: Range<u64> = self.area.layout().queues()[queue].buffers.clone();
        let bytes = self.backend.peek(buffers);
        bytes.into_iter().filter(|&byte| byte == SECRET).count()
    }
}

/// Requests that give and take so many bytes; of the latter the device writes and claims parts.
fn requests() -> impl Strategy<Value = Vec<(usize, usize, usize, usize, bool)>> {
    let len = || prop_oneof![Just(0usize), 1..40usize, 1..9000usize, Just(65536usize)];
    let request = (len(), 1..40000usize, len(), len(), any::<bool>());
    prop::collection::vec(request, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_guest_never_gets_what_another_request_held(
        mode in 0..3usize,
        indirect in any::<bool>(),
        requests in requests(),
    ) {
        let mut rig = Rig::new(MODES[mode], indirect);
        for (out, into, writes, says, idle) in requests {
            prop_assert!(rig.lend(out, into), "nothing else is in flight");
            let got = rig.answer(writes, says);
            // What it wrote, and zeros where it only says so.
            let written = writes.min(got.len());
            prop_assert!(got[..written].iter().all(|&byte| byte == ANSWER));
            prop_assert!(got[written..].iter().all(|&byte| byte == 0));
            rig.queue.clean();
            if idle {
                let _: bool = rig.queue.scrub(3);
            }
            prop_assert_eq!(rig.secrets(1), 0, "in the other queue's part");
            if MODES[mode] == Scrub::Always {
                prop_assert_eq!(rig.secrets(0), 0);
            }
        }
        if MODES[mode] != Scrub::Never {
            while rig.queue.scrub(1) {}
            prop_assert_eq!(rig.secrets(0), 0);
        }
        rig.queue.reset();
        prop_assert_eq!(rig.secrets(0), 0);
    }
}

#[test]
fn each_mode_keeps_what_it_says() {
    for (mode, kept, after_scrub) in [
        (Scrub::Always, 0, 0),
        (Scrub::Idle, 100_000, 0),
        (Scrub::Never, 100_000, 0),
    ] {
        let mut rig = Rig::new(mode, true);
        assert!(rig.lend(100_000, 1));
        rig.answer(1, 1);
        rig.queue.clean();
        assert_eq!(rig.secrets(0), kept, "{mode:?}");
        let stale = rig.queue.stats().snapshot().stale;
        assert_eq!(stale, if kept > 0 { 26 } else { 0 }, "{mode:?}");
        while rig.queue.scrub(5) {}
        assert_eq!(rig.secrets(0), after_scrub, "{mode:?}");
    }
}

#[test]
fn a_queue_that_is_dropped_leaves_nothing() {
    for mode in MODES {
        let mut rig = Rig::new(mode, false);
        assert!(rig.lend(50_000, 1));
        rig.answer(0, 0);
        rig.queue.clean();
        assert!(rig.lend(30_000, 1), "one is in flight");
        let Rig { area, queue, .. } = rig;
        drop(queue);
        let options = Options::new(16);
        let backend = Backend::new(&area, 0, options);
        let bytes = backend.peek(area.layout().queues()[0].buffers.clone());
        assert!(bytes.iter().all(|&byte| byte == 0), "{mode:?}");
    }
}

#[test]
fn blocks_in_flight_are_not_scrubbed() {
    let mut rig = Rig::new(Scrub::Idle, false);
    assert!(rig.lend(60_000, 1));
    rig.answer(1, 1);
    rig.queue.clean();
    assert!(rig.lend(40_000, 1));
    while rig.queue.scrub(u32::MAX) {}
    let chain = rig.backend.fetch().expect("the second");
    let read = rig.backend.gather(&chain.readable);
    assert!(read.len() == 40_000 && read.iter().all(|&byte| byte == SECRET));
    // And what is left in the rest of its last block.
    assert!((40_000..40_000 + 4096).contains(&rig.secrets(0)));
}
