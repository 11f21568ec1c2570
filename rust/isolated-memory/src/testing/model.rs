// SPDX-License-Identifier: GPL-2.0-or-later
//! What must be true of a queue, told in the simplest way: byte by byte, request by request.

use std::collections::VecDeque;
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use vm_memory::VolatileSlice;

use super::backend::{Backend, Chain};
use super::guest::{Guest, GuestRequest};
use crate::area::Area;
use crate::error::{LendError, Refused, Violation};
use crate::layout::Layout;
use crate::queue::Queue;
use crate::request::{Options, Request, Scrub};
use crate::rules::Length;

/// What a byte of the area is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Byte {
    /// Zero, unless the back-end has written there.
    Free { scribbled: bool },
    /// A request's.
    Lent,
}

#[derive(Debug)]
struct Loan {
    request: GuestRequest,
    chain: Chain,
}

/// A queue beside what is known of it without looking into it.
pub struct Model {
    queue: Queue<GuestRequest>,
    pub backend: Backend,
    area: Arc<Area>,
    options: Options,
    /// Of the queue's buffers.
    bytes: Vec<Byte>,
    buffers: Range<u64>,
    guest: Arc<Guest>,
    /// The guest's memory as it must be.
    memory: Vec<u8>,
    /// In the order in which they were lent.
    loans: Vec<Loan>,
    /// Those that were given back by a suspension, and are lent again before any other.
    suspended: VecDeque<GuestRequest>,
    /// Where the ring is: entries offered, elements taken, elements seen.
    offered: u16,
    used: u16,
    seen: u16,
    violation: Option<Violation>,
    tag: u64,
}

impl Model {
    pub fn new(layout: Layout, options: Options, memory: Vec<u8>) -> Self {
        let guest = Guest::new(memory.len());
        guest.write(0, &memory);
        let area = Arc::new(Area::new(layout).expect("an area"));
        let queue = Queue::new(area.clone(), 0, options).expect("a queue");
        let buffers = area.layout().queues()[0].buffers.clone();
        Self {
            queue,
            backend: Backend::new(&area, 0, options),
            bytes: vec![Byte::Free { scribbled: false }; len_of(&buffers) as usize],
            buffers,
            area,
            options,
            guest,
            memory,
            loans: Vec::new(),
            suspended: VecDeque::new(),
            offered: options.base,
            used: options.base,
            seen: options.base,
            violation: None,
            tag: 0,
        }
    }

    /// Requests in flight.
    pub fn lent(&self) -> usize {
        self.loans.len()
    }

    /// Bytes of the guest's memory.
    pub fn memory(&self) -> usize {
        self.memory.len()
    }

    /// Bytes of the area.
    pub fn area(&self) -> u64 {
        self.area.layout().len()
    }

    /// The ring, from its table to the end of the used ring.
    pub fn ring(&self) -> Range<u64> {
        self.area.layout().queues()[0].ring_range()
    }

    /// A request in flight as its device saw it.
    pub fn chain(&self, number: usize) -> Chain {
        self.loans[number].chain.clone()
    }

    pub fn lend(&mut self, readable: Vec<Range<usize>>, writable: Vec<Range<usize>>) {
        if !self.suspended.is_empty() {
            return self.resume();
        }
        self.tag += 1;
        let _ = self.lend_request(GuestRequest {
            guest: self.guest.clone(),
            readable,
            writable,
            tag: self.tag,
        });
    }

    /// Takes all requests back, of which the back-end keeps its copies.
    pub fn suspend(&mut self) {
        let mut requests = self.queue.suspend();
        self.suspended
            .drain(..)
            .for_each(|request| requests.push(request));
        assert_eq!(tags(&requests), self.tags_lent());
        self.suspended = requests.into();
    }

    /// Lends the oldest of them again.
    fn resume(&mut self) {
        let request = self.suspended.pop_front().expect("there is one");
        if let Err(refused) = self.queue.lend(request) {
            let violation = self.violation.expect("a reason");
            assert_eq!(refused.why, LendError::Broken(violation));
            self.suspended.push_front(refused.request);
        }
        assert_eq!(usize::from(self.queue.suspended()), self.suspended.len());
    }

    fn tags_lent(&self) -> Vec<u64> {
        self.loans.iter().map(|loan| loan.request.tag).collect()
    }

    fn lend_request(&mut self, request: GuestRequest) -> Result<(), LendError> {
        let len = |ranges: &[Range<usize>]| ranges.iter().map(Range::len).sum::<usize>() as u64;
        let (out, into) = (len(&request.readable), len(&request.writable));
        if let Err(refused) = self.queue.lend(request.clone()) {
            let Refused { request: back, why } = refused;
            assert_eq!(back.tag, request.tag);
            match why {
                LendError::Empty => assert_eq!(out + into, 0),
                LendError::Changed => panic!("nothing is suspended"),
                LendError::Broken(violation) => assert_eq!(Some(violation), self.violation),
                LendError::Full => assert!(!self.loans.is_empty(), "nothing to wait for"),
                LendError::TooLarge { len, room } => {
                    self.refuse(&request);
                    assert_eq!((len, room), (out + into, len_of(&self.buffers)));
                    let limited = self.options.descriptor_max < u32::MAX;
                    // A table, and a part of a block lost for each piece, is all that is spent.
                    assert!(
                        limited || len + 7 * 4096 > room,
                        "{len} bytes fit in {room}"
                    );
                }
            }
            return Err(why);
        }
        assert_eq!(self.violation, None);
        let chain = self.backend.chain(self.backend.offered(self.offered));
        self.offered = self.offered.wrapping_add(1);
        self.check_chain(&chain, &request);
        assert_eq!(
            self.backend.gather(&chain.readable),
            self.gather(&request.readable)
        );
        self.loans.push(Loan { request, chain });
        Ok(())
    }

    /// A request that is too large is answered in its own buffers, or not at all.
    fn refuse(&mut self, request: &GuestRequest) {
        let (over_zeros, end) = self.unanswered(request, 0);
        let (over_ones, _) = self.unanswered(request, 0xff);
        assert_eq!(self.queue.refuse(request).unwrap_or(0) as usize, end);
        let places = request.writable.iter().cloned().flatten();
        for ((at, byte), other) in places.zip(over_zeros).zip(over_ones) {
            // What doesn't depend on what was there was written.
            if byte == other {
                self.memory[at] = byte;
            }
        }
        self.check_memory();
    }

    fn check_memory(&self) {
        let memory = self.guest.read(0..self.memory.len());
        assert!(memory == self.memory, "the guest's memory has other bytes");
    }

    /// The request's memory is its own, whole, and what is writable is zero, but for a failure.
    fn check_chain(&mut self, chain: &Chain, request: &GuestRequest) {
        let total = |ranges: &[Range<u64>]| ranges.iter().map(len_of).sum::<u64>();
        let len = |ranges: &[Range<usize>]| ranges.iter().map(Range::len).sum::<usize>() as u64;
        let (out, into) = (len(&request.readable), len(&request.writable));
        assert_eq!(
            (total(&chain.readable), total(&chain.writable)),
            (out, into)
        );
        let count = chain.readable.len() + chain.writable.len();
        assert!(count <= usize::from(self.options.chain_max.min(self.options.entries)));
        for range in ranges(chain) {
            assert!(len_of(range) <= self.options.descriptor_max.into());
            assert!(self.buffers.start <= range.start && range.end <= self.buffers.end);
        }
        let (mut unanswered, _) = self.unanswered(request, 0);
        for range in &chain.writable {
            let later = unanswered.split_off(len_of(range) as usize);
            self.check_bytes(range, &unanswered);
            unanswered = later;
        }
        for range in ranges(chain) {
            let bytes = self.bytes_of(range);
            assert!(!bytes.contains(&Byte::Lent), "{range:#x?} lent twice");
            bytes.fill(Byte::Lent);
        }
    }

    fn bytes_of(&mut self, range: &Range<u64>) -> &mut [Byte] {
        let [start, end] = [range.start, range.end].map(|at| (at - self.buffers.start) as usize);
        &mut self.bytes[start..end]
    }

    /// No byte there is left of a request, or is the back-end's unless it wrote it while the
    /// memory was nobody's.
    fn check_zero(&mut self, range: &Range<u64>) {
        self.check_bytes(range, &vec![0; len_of(range) as usize]);
    }

    /// The same where there are to be bytes of QEMU's.
    fn check_bytes(&mut self, range: &Range<u64>, expected: &[u8]) {
        let now = self.backend.peek(range.clone());
        if now == expected {
            return;
        }
        let bytes = now.iter().zip(expected).zip(self.bytes_of(range));
        for (at, ((now, expected), byte)) in bytes.enumerate() {
            let must_be = *byte == Byte::Free { scribbled: false };
            let at = range.start + at as u64;
            assert!(now == expected || !must_be, "byte {now:#x} left at {at:#x}");
        }
    }

    /// What writable buffers full of a byte hold when their request has failed, and where the
    /// status ends in them.
    fn unanswered(&self, request: &GuestRequest, byte: u8) -> (Vec<u8>, usize) {
        let len: usize = request.writable.iter().map(Range::len).sum();
        let mut bytes = vec![byte; len];
        let into = iter::once(VolatileSlice::from(&mut bytes[..]));
        let rule = self.options.rule;
        let end = rule.fail(request.readable(), into, len as u64);
        (bytes, end.unwrap_or(0) as usize)
    }

    /// What the guest gets of a request that came back with these bytes and a length: how many of
    /// them, and how many it is told of.
    fn expect_bytes(&self, request: &GuestRequest, bytes: &[u8], said: u32) -> (usize, usize) {
        let (all, said) = (bytes.len(), bytes.len().min(said as usize));
        let (_, status_end) = self.unanswered(request, 0);
        match self.options.rule.length {
            Length::Stream => (said, said),
            Length::Reply if status_end > 0 => {
                let field = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                let len = said.max(field as usize).max(16).min(all);
                (len, len)
            }
            Length::Status => (all, said.max(status_end)),
            Length::Count | Length::Reply => (all, said),
        }
    }

    fn gather(&self, ranges: &[Range<usize>]) -> Vec<u8> {
        let bytes = ranges.iter().map(|range| &self.memory[range.clone()]);
        bytes.collect::<Vec<_>>().concat()
    }

    pub fn publish(&mut self) {
        let _: bool = self.queue.publish();
    }

    /// The back-end writes anywhere.
    pub fn scribble(&mut self, offset: u64, bytes: &[u8]) {
        self.backend.poke(offset, bytes);
        let start = offset.clamp(self.buffers.start, self.buffers.end);
        let end = (offset + bytes.len() as u64).clamp(start, self.buffers.end);
        for byte in self.bytes_of(&(start..end)) {
            if let Byte::Free { scribbled } = byte {
                *scribbled = true;
            }
        }
    }

    pub fn reap(&mut self) {
        let expected = self.expect_used();
        // What is taken is gone afterwards.
        let given = match expected {
            Ok(Some((number, _))) => self.backend.gather(&self.loans[number].chain.writable),
            _ => Vec::new(),
        };
        let result = self.queue.reap();
        match (expected, result) {
            (Ok(None), Ok(None)) => {}
            (Err(expected), Err(violation)) => {
                assert_eq!(expected, violation);
                self.violation = Some(violation);
            }
            (Ok(Some((number, len))), Ok(Some(done))) => {
                self.used = self.used.wrapping_add(1);
                let loan = self.loans.remove(number);
                let mut bytes = given;
                assert_eq!(done.request.tag, loan.request.tag);
                let expected = self.expect_bytes(&loan.request, &bytes, len);
                assert_eq!((done.written as usize, done.len as usize), expected);
                bytes.truncate(done.written as usize);
                let mut bytes = bytes.into_iter();
                for range in loan.request.writable.iter().cloned() {
                    for (old, new) in self.memory[range].iter_mut().zip(&mut bytes) {
                        *old = new;
                    }
                }
                self.returned(&loan.chain);
            }
            (expected, result) => panic!("expected {expected:?}, not {result:?}"),
        }
        self.check_memory();
    }

    /// What is in the used ring: which request, by its place among those in flight, and a length.
    fn expect_used(&mut self) -> Result<Option<(usize, u32)>, Violation> {
        if let Some(violation) = self.violation {
            return Err(violation);
        }
        if self.used == self.seen {
            let (from, to) = (self.used, self.backend.used_index());
            let lent = self.loans.len() as u16;
            if to.wrapping_sub(from) > lent {
                return Err(Violation::Index { from, to, lent });
            }
            self.seen = to;
        }
        if self.used == self.seen || !self.suspended.is_empty() {
            return Ok(None);
        }
        let (id, len) = self.backend.used_element(self.used);
        let entries = self.options.entries;
        let found = |loan: &Loan| u32::from(loan.chain.head) == id;
        match self.loans.iter().position(found) {
            Some(number) => Ok(Some((number, len))),
            None if id >= entries.into() => Err(Violation::Id { id, entries }),
            None => Err(Violation::NotLent { id }),
        }
    }

    fn returned(&mut self, chain: &Chain) {
        for range in ranges(chain) {
            self.bytes_of(range).fill(Byte::Free { scribbled: false });
        }
    }

    /// After it, no byte of any request is left but what is in flight, if that is what was asked
    /// for.
    pub fn clean(&mut self) {
        self.queue.clean();
        if self.options.scrub == Scrub::Always {
            self.check_zero(&self.buffers.clone());
        }
    }

    /// The queue has time. After it, the same.
    pub fn scrub(&mut self, blocks: u32) {
        let before = self.queue.stats().snapshot().stale;
        let more = self.queue.scrub(blocks);
        let after = self.queue.stats().snapshot().stale;
        assert!(before - after <= blocks.into() && (!more || after > 0));
        self.queue.clean();
        while self.queue.scrub(1) {}
        // Blocks with a part of a request in flight aren't looked at.
        if self.loans.is_empty() {
            self.check_zero(&self.buffers.clone());
            assert_eq!(self.queue.stats().snapshot().stale, 0);
        }
    }

    /// Gives what was in flight.
    pub fn reset(&mut self) -> Vec<GuestRequest> {
        let mut requests = self.queue.reset();
        requests.extend(self.suspended.drain(..));
        assert_eq!(tags(&requests), self.tags_lent());
        for loan in std::mem::take(&mut self.loans) {
            self.returned(&loan.chain);
        }
        let base = self.options.base;
        (self.offered, self.used, self.seen) = (base, base, base);
        self.violation = None;
        self.backend = Backend::new(&self.area, 0, self.options);
        self.check_zero(&self.buffers.clone());
        self.clean();
        let ring = self.backend.peek(self.ring());
        // The indexes, and those of events, are all that it holds.
        let set = ring.iter().filter(|&&byte| byte != 0).count();
        let indexes = 4 * base.to_le_bytes().iter().filter(|&&byte| byte != 0).count();
        assert_eq!(set, indexes, "the ring isn't empty");
        self.reap();
        requests
    }

    /// The back-end is lost, and lives on; another one gets what it had, in a new area.
    pub fn renew(&mut self) {
        let requests = self.reset();
        self.area = Arc::new(Area::new(self.area.layout().clone()).expect("another area"));
        self.queue = Queue::new(self.area.clone(), 0, self.options).expect("a queue");
        let backend = Backend::new(&self.area, 0, self.options);
        let lost = std::mem::replace(&mut self.backend, backend);
        self.bytes.fill(Byte::Free { scribbled: false });
        let writes = vec![0xff; self.buffers.end as usize];
        lost.poke(0, &writes);
        for request in requests {
            if let Err(why) = self.lend_request(request) {
                // Room is found anew: not all need fit that did before. But each does alone.
                assert_eq!(why, LendError::Full);
                break;
            }
        }
        self.clean();
        self.publish();
        let reads = lost.peek(0..self.buffers.end);
        assert!(reads == writes, "the old area isn't left alone");
    }

    pub fn poll(&mut self, calls: bool) {
        let pending = if calls {
            self.queue.enable_notification()
        } else {
            self.queue.disable_notification();
            self.queue.pending()
        };
        let expected = self.expect_used();
        assert_eq!(pending, expected != Ok(None));
        if let Err(violation @ Violation::Index { .. }) = expected {
            self.violation = Some(violation);
        }
    }

    /// What is counted is what happened.
    pub fn check_stats(&self) {
        let stats = self.queue.stats().snapshot();
        assert_eq!(stats.in_flight, self.loans.len() as u64);
        assert_eq!(self.queue.in_flight(), self.loans.len() as u16);
        assert_eq!(self.queue.violation(), self.violation);
    }
}

fn tags(requests: &[GuestRequest]) -> Vec<u64> {
    requests.iter().map(|request| request.tag).collect()
}

fn len_of(range: &Range<u64>) -> u64 {
    range.end - range.start
}

fn ranges(chain: &Chain) -> impl Iterator<Item = &Range<u64>> {
    let buffers = chain.readable.iter().chain(&chain.writable);
    buffers.chain(&chain.table)
}
