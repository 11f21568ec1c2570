// SPDX-License-Identifier: GPL-2.0-or-later
//! Any bytes as the starts and stops of a device, checked by what is known of it from outside.

use std::iter;
use std::ops::Range;
use std::sync::Arc;

use super::backend::{Backend, Chain};
use super::guest::{Guest, GuestRequest};
use crate::area::Area;
use crate::device::{Device, Ring, Start};
use crate::queue::Queue;
use crate::request::{Options, Scrub};

/// Entries of a ring, and queues.
const ENTRIES: u16 = 4;
const QUEUES: usize = 2;
/// A disk's virtio ID.
const BLOCK: u16 = 2;
/// Bytes of what a request gives to read, and of what it may be written.
const LEN: usize = 16;

/// A request that a back-end has.
#[derive(Debug)]
struct Given {
    request: GuestRequest,
    chain: Chain,
}

/// A back-end with requests that it hasn't used.
#[derive(Debug)]
struct Holder {
    backend: Backend,
    /// Where it is in the avail ring.
    next: u16,
    given: Vec<Given>,
}

#[derive(Debug, Default)]
struct Line {
    /// Which life the guest's queue has, and which one the device knows.
    life: u32,
    known: u32,
    /// Where its next ring begins, and how many requests came back since the last one did.
    base: u16,
    used: u16,
    runs: Option<(Queue<GuestRequest>, Holder)>,
    kept: Option<Holder>,
}

struct Model {
    device: Device<GuestRequest>,
    lines: [Line; QUEUES],
    area: Option<Arc<Area>>,
    guest: Arc<Guest>,
    tag: u64,
}

/// Carries out `input`, an operation a byte. Panics where a promise is broken.
pub fn exercise_lives(input: &[u8]) {
    let mut model = Model {
        device: Device::new(BLOCK, 1, Scrub::Idle),
        lines: Default::default(),
        area: None,
        guest: Guest::new(1 << 13),
        tag: 0,
    };
    for &code in input {
        let index = usize::from(code >> 4 & 1);
        match code & 7 {
            0 => model.prepare(),
            1 => model.start(index),
            2 => model.lend(index),
            3 => model.answer(index),
            4 => model.stop(index, true),
            5 => model.stop(index, false),
            6 => model.connected(),
            _ => model.lines[index].life += u32::from(model.lines[index].runs.is_none()),
        }
        model.check_stats();
    }
    (0..QUEUES).for_each(|index| model.stop(index, false));
}

/// A list of one range.
fn one(range: Range<usize>) -> Vec<Range<usize>> {
    iter::once(range).collect()
}

impl Line {
    /// Whatever was kept is for no other life.
    fn renew(&mut self) {
        if self.known != self.life {
            self.forget();
            self.known = self.life;
        }
    }

    fn forget(&mut self) {
        (self.kept, self.base, self.used) = (None, 0, 0);
    }
}

impl Model {
    fn runs(&self) -> bool {
        self.lines.iter().any(|line| line.runs.is_some())
    }

    fn prepare(&mut self) {
        if self.runs() {
            return;
        }
        let lives = [self.lines[0].life, self.lines[1].life];
        let start = self.device.prepare(&[ENTRIES; QUEUES], &lives);
        self.lines.iter_mut().for_each(Line::renew);
        let kept = self.lines.iter().any(|line| line.kept.is_some());
        let expected = if kept { Start::Resumed } else { Start::Fresh };
        assert_eq!(start.expect("an area"), expected);
        let area = self.device.area().expect("it was prepared").clone();
        let old = self.area.replace(area.clone());
        let same = old.is_some_and(|old| Arc::ptr_eq(&old, &area));
        assert_eq!(
            same, kept,
            "a new area unless something is kept in the last one"
        );
    }

    fn start(&mut self, index: usize) {
        let line = &mut self.lines[index];
        let (Some(area), None) = (&self.area, &line.runs) else {
            return;
        };
        line.renew();
        let base = line.kept.as_ref().map_or(line.base, |kept| kept.next);
        assert_eq!(self.device.base(index, line.life), base);
        let ring = Ring {
            entries: ENTRIES,
            features: 0,
        };
        let (mut queue, start) = self
            .device
            .start(index, line.life, ring)
            .expect("it starts");
        let holder = if let Some(kept) = line.kept.take() {
            assert_eq!(start, Start::Resumed);
            for given in &kept.given {
                queue.lend(given.request.clone()).expect("it is due");
            }
            assert_eq!(queue.suspended(), 0);
            kept
        } else {
            assert_eq!(start, Start::Fresh);
            line.used = 0;
            let options = Options {
                base,
                ..Options::new(ENTRIES)
            };
            Holder {
                backend: Backend::new(area, index, options),
                next: base,
                given: Vec::new(),
            }
        };
        line.runs = Some((queue, holder));
    }

    fn lend(&mut self, index: usize) {
        let Some((queue, holder)) = &mut self.lines[index].runs else {
            return;
        };
        self.tag += 1;
        // Two at most are in flight in each of two queues, and some may wait for a back-end.
        let at = (self.tag % 128) as usize * 2 * LEN;
        let bytes = [self.tag as u8 | 1; LEN];
        self.guest.write(at, &bytes);
        let request = GuestRequest {
            guest: self.guest.clone(),
            readable: one(at..at + LEN),
            writable: one(at + LEN..at + 2 * LEN),
            tag: self.tag,
        };
        if queue.lend(request.clone()).is_err() {
            assert_eq!(
                holder.given.len(),
                usize::from(ENTRIES / 2),
                "there is room"
            );
            return;
        }
        let _ = queue.publish();
        let chain = holder.backend.fetch().expect("it was published");
        holder.next = holder.next.wrapping_add(1);
        assert_eq!(holder.backend.gather(&chain.readable), bytes);
        holder.given.push(Given { request, chain });
    }

    /// A back-end uses the oldest request that it has.
    fn answer(&mut self, index: usize) {
        let line = &mut self.lines[index];
        let Some((queue, holder)) = &mut line.runs else {
            return;
        };
        if holder.given.is_empty() {
            assert!(!queue.pending());
            return;
        }
        let Given { request, chain } = holder.given.remove(0);
        let bytes = [request.tag as u8 | 2; LEN];
        holder.backend.answer(&chain, &bytes);
        holder.backend.push(chain.head.into(), LEN as u32);
        let done = queue.reap().expect("all is well").expect("it was used");
        assert_eq!(done.request.tag, request.tag);
        assert_eq!(self.guest.read(request.writable[0].clone()), bytes);
        line.used = line.used.wrapping_add(1);
        queue.clean();
    }

    fn stop(&mut self, index: usize, goes_on: bool) {
        let line = &mut self.lines[index];
        let Some((queue, holder)) = line.runs.take() else {
            return;
        };
        let next = goes_on.then_some(holder.next);
        let returned = self.device.stop(queue, next);
        let tags: Vec<_> = returned.iter().map(|request| request.tag).collect();
        let given: Vec<_> = holder.given.iter().map(|given| given.request.tag).collect();
        assert_eq!(tags, given);
        if goes_on && !given.is_empty() {
            line.kept = Some(holder);
            return;
        }
        line.base = line.base.wrapping_add(line.used);
        let buffers = &self.area.as_ref().expect("it ran").layout().queues()[index].buffers;
        let left = holder.backend.peek(buffers.clone());
        assert!(left.iter().all(|&byte| byte == 0), "something is left");
    }

    fn connected(&mut self) {
        if !self.runs() {
            self.device.connected();
            self.lines.iter_mut().for_each(Line::forget);
        }
    }

    fn check_stats(&self) {
        for (index, line) in self.lines.iter().enumerate() {
            let stats = self.device.stats(index);
            let runs = line.runs.as_ref().map(|(_, holder)| holder);
            let has = runs.or(line.kept.as_ref().filter(|_| line.known == line.life));
            if let (Some(holder), Some(stats)) = (has, stats) {
                let counted = (stats.in_flight, stats.requests as u16);
                assert_eq!(counted, (holder.given.len() as u64, line.used));
            }
            assert!(has.is_none() || stats.is_some());
        }
    }
}
