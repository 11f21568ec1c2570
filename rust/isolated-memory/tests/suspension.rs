// SPDX-License-Identifier: GPL-2.0-or-later
//! A queue whose requests go back while the back-end keeps its copies, and that goes on.

#![allow(clippy::single_range_in_vec_init)] // lists of ranges

use std::sync::Arc;

use isolated_memory::testing::{Backend, Chain, Guest, GuestRequest};
use isolated_memory::{Area, Layout, LendError, Options, Queue, QueueSpec};

struct Pair {
    queue: Queue<GuestRequest>,
    backend: Backend,
    guest: Arc<Guest>,
}

/// A queue with `count` requests in flight, each of a byte to read, its number, and two to write;
/// and their chains.
fn pair(count: usize) -> (Pair, Vec<Chain>) {
    let area = Area::new(Layout::new(&[QueueSpec::new(16)]).unwrap()).unwrap();
    let (area, options) = (Arc::new(area), Options::new(16));
    let mut pair = Pair {
        queue: Queue::new(area.clone(), 0, options).unwrap(),
        backend: Backend::new(&area, 0, options),
        guest: Guest::new(4096),
    };
    for number in 0..count {
        pair.guest.write(8 * number, &[number as u8]);
        let request = pair.request(number, 2);
        pair.queue.lend(request).unwrap();
    }
    let _ = pair.queue.publish();
    let chains = (0..count).map(|_| pair.backend.fetch().unwrap());
    let chains = chains.collect();
    (pair, chains)
}

impl Pair {
    fn request(&self, number: usize, writable: usize) -> GuestRequest {
        let at = 8 * number;
        GuestRequest {
            guest: self.guest.clone(),
            readable: vec![at..at + 1],
            writable: vec![at + 1..at + 1 + writable],
            tag: number as u64,
        }
    }

    fn answer(&mut self, chain: &Chain, byte: u8) {
        self.backend.answer(chain, &[byte; 2]);
        self.backend.push(chain.head.into(), 2);
    }

    /// The number of the next that is reaped, and what was written to it.
    fn reap(&mut self) -> Option<(u64, Vec<u8>)> {
        let done = self.queue.reap().unwrap()?;
        let answer = done.request.writable[0].clone();
        Some((done.request.tag, self.guest.read(answer)))
    }
}

fn tags(requests: &[GuestRequest]) -> Vec<u64> {
    requests.iter().map(|request| request.tag).collect()
}

#[test]
fn a_back_end_goes_on_with_what_it_has() {
    let (mut pair, chains) = pair(4);
    pair.answer(&chains[1], 0x11);
    assert_eq!(pair.reap(), Some((1, vec![0x11; 2])));

    let requests = pair.queue.suspend();
    assert_eq!(tags(&requests), [0, 2, 3]);
    assert_eq!((pair.queue.suspended(), pair.queue.in_flight()), (3, 3));
    // It doesn't stop. What it did is seen when everything is there again.
    pair.answer(&chains[3], 0x33);
    for request in requests {
        assert!(!pair.queue.pending());
        assert_eq!(pair.reap(), None);
        pair.queue.lend(request).unwrap();
    }
    assert_eq!(pair.queue.suspended(), 0);
    assert_eq!(pair.reap(), Some((3, vec![0x33; 2])));
    assert_eq!(pair.backend.fetch(), None, "none is offered twice");
    pair.answer(&chains[0], 0x10);
    assert_eq!(pair.reap(), Some((0, vec![0x10; 2])));

    // The queue is a queue like any other again.
    let request = pair.request(9, 2);
    pair.queue.lend(request).unwrap();
    let _ = pair.queue.publish();
    let chain = pair.backend.fetch().unwrap();
    pair.answer(&chain, 0x99);
    pair.answer(&chains[2], 0x22);
    assert_eq!(pair.reap(), Some((9, vec![0x99; 2])));
    assert_eq!(pair.reap(), Some((2, vec![0x22; 2])));
    assert_eq!(pair.reap(), None);
}

/// The copy stays what it was: the back-end may have read half of it.
#[test]
fn a_copy_is_not_made_again() {
    let (mut pair, chains) = pair(1);
    let requests = pair.queue.suspend();
    pair.guest.write(0, &[0xee]);
    pair.backend.answer(&chains[0], &[5; 2]);
    for request in requests {
        pair.queue.lend(request).unwrap();
    }
    assert_eq!(pair.backend.gather(&chains[0].readable), [0]);
    pair.backend.push(chains[0].head.into(), 2);
    assert_eq!(pair.reap(), Some((0, vec![5; 2])));
}

#[test]
fn another_request_than_the_one_that_is_due_is_refused() {
    let (mut pair, _) = pair(2);
    let requests = pair.queue.suspend();
    let other = pair.request(0, 3);
    let refused = pair.queue.lend(other).unwrap_err();
    assert_eq!((refused.request.tag, refused.why), (0, LendError::Changed));
    for request in requests {
        pair.queue.lend(request).unwrap();
    }
    assert_eq!(pair.queue.suspended(), 0);
}

#[test]
fn one_that_is_suspended_halfway_through_gives_what_it_got() {
    let (mut pair, chains) = pair(3);
    let mut requests = pair.queue.suspend();
    pair.queue.lend(requests.remove(0)).unwrap();
    let again = pair.queue.suspend();
    assert_eq!((tags(&again), tags(&requests)), (vec![0], vec![1, 2]));
    for request in again.into_iter().chain(requests) {
        pair.queue.lend(request).unwrap();
    }
    pair.answer(&chains[2], 0x22);
    assert_eq!(pair.reap(), Some((2, vec![0x22; 2])));
}

#[test]
fn a_reset_ends_it_and_gives_nothing_twice() {
    let (mut pair, chains) = pair(3);
    assert_eq!(pair.queue.suspend().len(), 3);
    assert!(pair.queue.reset().is_empty());
    assert_eq!((pair.queue.suspended(), pair.queue.in_flight()), (0, 0));
    for range in chains.iter().flat_map(|chain| &chain.readable) {
        assert_eq!(pair.backend.peek(range.clone()), [0]);
    }
    let request = pair.request(7, 2);
    pair.queue.lend(request).unwrap();
    assert_eq!(pair.queue.in_flight(), 1);
}
