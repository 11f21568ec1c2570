// SPDX-License-Identifier: GPL-2.0-or-later
//! A queue: requests go out through its ring with copies of their buffers, and come back.

use std::iter;
use std::sync::Arc;

use vm_memory::VolatileSlice;

use crate::area::{Area, AREA_ADDRESS};
use crate::copy::{after, copy, take};
use crate::error::{LendError, QueueError, Refused, Violation};
use crate::frame::Lengths;
use crate::loans::{Loan, Loans};
use crate::request::{Done, Options, Request};
use crate::ring::{Descriptor, Ring, DESCRIPTOR_LEN};
use crate::room::{NoPlace, Place, Room};
use crate::rules::{Length, FAILURE_MAX};
use crate::stats::Stats;

/// A queue. It may be moved between threads; one has it at a time.
#[derive(Debug)]
pub struct Queue<T: Request> {
    area: Arc<Area>,
    index: usize,
    options: Options,
    ring: Ring,
    room: Room,
    loans: Loans<T>,
    /// Links of free descriptors, and of those of a chain.
    next: Vec<u16>,
    free_head: u16,
    free: u16,
    /// The next element of the used ring to take, and the last index that was believed.
    used: u16,
    seen: u16,
    violation: Option<Violation>,
    stats: Arc<Stats>,
}

impl<T: Request> Queue<T> {
    /// Takes queue `index` of the area, empty.
    ///
    /// # Errors
    /// When there is no such queue, when it is taken, or when the options make no sense.
    pub fn new(area: Arc<Area>, index: usize, options: Options) -> Result<Self, QueueError> {
        let queues = area.layout().queues();
        let place = queues.get(index).ok_or(QueueError::Index {
            index,
            queues: queues.len(),
        })?;
        let place = place.clone();
        let (entries, most) = (options.entries, place.ring);
        if !(2..=most).contains(&entries) || !entries.is_power_of_two() {
            return Err(QueueError::Ring { entries, most });
        }
        if options.chain_max < 2 || options.descriptor_max == 0 {
            return Err(QueueError::Limits);
        }
        if !area.claim(index) {
            return Err(QueueError::InUse { index });
        }
        let options = Options {
            chain_max: options.chain_max.min(entries),
            ..options
        };
        let event_idx = options.event_idx;
        let room = Room::new(area.clone(), &place, options.scrub);
        let mut queue = Self {
            index,
            options,
            ring: Ring::new(area.clone(), AREA_ADDRESS, place, entries, event_idx),
            room,
            loans: Loans::new(entries),
            next: Vec::new(),
            free_head: 0,
            free: 0,
            used: options.base,
            seen: options.base,
            violation: None,
            stats: Arc::default(),
            area,
        };
        queue.free_all();
        // A back-end may have written there while nobody had the queue.
        queue.ring.clear(options.base);
        Ok(queue)
    }

    fn free_all(&mut self) {
        let entries = self.options.entries;
        self.next = (1..=entries).collect();
        (self.free_head, self.free) = (0, entries);
    }

    /// Copies a request's readable buffers into the area and puts it in the ring, where the
    /// back-end sees it after [`publish`](Self::publish).
    ///
    /// # Errors
    /// Gives the request back. After [`LendError::Full`], keep it, lend no other before it, and
    /// try again when [`reap`](Self::reap) has given something.
    ///
    /// After [`suspend`](Self::suspend), the requests that it gave come first, and their copies
    /// stay as they were.
    pub fn lend(&mut self, request: T) -> Result<(), Refused<T>> {
        if self.loans.suspended() > 0 {
            return self.resume(request);
        }
        match self.find(&request) {
            Ok((place, writable)) => {
                self.put(request, place, writable);
                Ok(())
            }
            Err(why) => Err(Refused { request, why }),
        }
    }

    fn resume(&mut self, request: T) -> Result<(), Refused<T>> {
        if let Some(violation) = self.violation {
            let why = LendError::Broken(violation);
            return Err(Refused { request, why });
        }
        let writable = Lengths::new(request.writable().map(|slice| slice.len())).total();
        let resumed = self.loans.resume(request, writable);
        resumed.map_err(|request| Refused {
            request,
            why: LendError::Changed,
        })
    }

    fn find(&mut self, request: &T) -> Result<(Box<Place>, u32), LendError> {
        if let Some(violation) = self.violation {
            return Err(LendError::Broken(violation));
        }
        let out = Lengths::new(request.readable().map(|slice| slice.len()));
        let into = Lengths::new(request.writable().map(|slice| slice.len()));
        let len = out.total().saturating_add(into.total());
        if len == 0 {
            return Err(LendError::Empty);
        }
        // Virtio allows no chain of 2^32 bytes or more, and a used element has 32 bits for it.
        let Ok(writable) = u32::try_from(into.total()) else {
            let room = self.room.len();
            return Err(LendError::TooLarge { len, room });
        };
        let found = self.room.find(&out, &into, &self.options, self.free);
        self.count_blocks();
        match found {
            Ok(place) => Ok((place, writable)),
            Err(NoPlace::Now) if self.loans.len() > 0 => {
                Stats::add(&self.stats.waits, 1);
                Err(LendError::Full)
            }
            // With nothing in flight there is all the room that there ever will be.
            Err(_) => Err(LendError::TooLarge {
                len,
                room: self.room.len(),
            }),
        }
    }

    fn put(&mut self, request: T, place: Box<Place>, writable: u32) {
        let head = self.free_head;
        let last = self.last_of(head, &place);
        self.free_head = self.next[usize::from(last)];
        self.free -= slots(&place);
        self.fill(&request, &place);
        let status_end = self.fail(&request, &place, writable);
        self.describe(head, &place);
        self.loans.add(head, request, place, writable, status_end);
        self.ring.offer(head);
        Stats::set(&self.stats.in_flight, self.loans.len().into());
    }

    fn count_blocks(&self) {
        Stats::set(&self.stats.blocks, self.room.used().into());
        Stats::set(&self.stats.stale, self.room.stale().into());
    }

    fn fill(&self, request: &T, place: &Place) {
        let spans = self.room.spans(place, false);
        let slices = spans.map(|(offset, len)| self.area.slice(offset, len));
        let copied = copy(request.readable(), slices, u64::MAX);
        Stats::add(&self.stats.bytes_out, copied);
    }

    /// Has the request's copy read as failed until the back-end writes something else. Where the
    /// status ends, 0 if there is none.
    fn fail(&self, request: &T, place: &Place, writable: u32) -> u32 {
        let slices = self.room.spans(place, true);
        let slices = slices.map(|(offset, len)| self.area.slice(offset, len));
        let rule = &self.options.rule;
        let end = rule.fail(request.readable(), slices, writable.into());
        end.map_or(0, |end| end as u32)
    }

    /// Answers a request that wasn't lent in the device's stead, with a failure in its writable
    /// buffers. How many bytes the guest is to be told of; None if the device's protocol has no
    /// such answer, of which nothing was written then.
    pub fn refuse(&self, request: &T) -> Option<u32> {
        let len = Lengths::new(request.writable().map(|slice| slice.len())).total();
        let rule = &self.options.rule;
        let end = rule.fail(request.readable(), request.writable(), len)?;
        Some(u32::try_from(end).unwrap_or(u32::MAX))
    }

    /// Writes a request's descriptors, from what we know of it.
    fn describe(&self, head: u16, place: &Place) {
        let last = place.descriptors - 1;
        let descriptors = self.room.descriptors(place, self.options.descriptor_max);
        if place.table {
            let offset = self.room.table(place);
            for (index, descriptor) in (0..).zip(descriptors) {
                let next = (index < last).then_some(index + 1);
                let descriptor = Descriptor { next, ..descriptor };
                self.ring.describe_at(offset, index, &descriptor);
            }
            let table = Descriptor {
                offset,
                len: u32::from(place.descriptors) * DESCRIPTOR_LEN as u32,
                writable: false,
                indirect: true,
                next: None,
            };
            self.ring.describe(head, &table);
        } else {
            let mut slot = head;
            for (index, descriptor) in (0..).zip(descriptors) {
                let link = self.next[usize::from(slot)];
                let next = (index < last).then_some(link);
                self.ring.describe(slot, &Descriptor { next, ..descriptor });
                slot = link;
            }
        }
    }

    fn last_of(&self, head: u16, place: &Place) -> u16 {
        (1..slots(place)).fold(head, |slot, _| self.next[usize::from(slot)])
    }

    /// Lets the back-end see what was lent. True if it wants to be kicked for it.
    #[must_use]
    pub fn publish(&mut self) -> bool {
        self.ring.publish()
    }

    /// Takes the next request that the back-end has used, with what it wrote copied into the
    /// request's writable buffers; None if there is none now. Its memory is cleaned by
    /// [`clean`](Self::clean), or when room is needed.
    ///
    /// # Errors
    /// When the back-end did what it must not: then nothing was copied, and the queue is broken.
    pub fn reap(&mut self) -> Result<Option<Done<T>>, Violation> {
        if !self.look()? {
            return Ok(None);
        }
        let (id, len) = self.ring.used_element(self.used);
        let entries = self.options.entries;
        if id >= entries.into() {
            return Err(self.broken(Violation::Id { id, entries }));
        }
        let loan = self.loans.take(id as u16);
        let mut loan = loan.ok_or_else(|| self.broken(Violation::NotLent { id }))?;
        self.used = self.used.wrapping_add(1);
        if len > loan.writable {
            Stats::add(&self.stats.clamped, 1);
        }
        let request = loan.request.as_ref();
        let request = request.expect("while some have none, nothing is reaped");
        let (written, len, taken) = self.copy_back(request, &loan, len.min(loan.writable));
        loan.place.zeroed = taken;
        Stats::add(&self.stats.bytes_in, written.into());
        Stats::add(&self.stats.requests, 1);
        self.take_back(id as u16, loan.place);
        let request = loan.request.expect("it was there before");
        Ok(Some(Done {
            request,
            written,
            len,
        }))
    }

    /// Copies to a request's buffers what its device wrote there, `said` bytes if the back-end is
    /// right. How many bytes that are, how many the guest is to be told of, and how many of the
    /// first are zeros again in the area.
    fn copy_back(&self, request: &T, loan: &Loan<T>, said: u32) -> (u32, u32, u64) {
        let (written, len) = match self.options.rule.length {
            Length::Stream => (said, said),
            Length::Reply if loan.status_end > 0 => {
                let written = self.copy_reply(request, loan, said);
                return (written, written, 0);
            }
            Length::Status => (loan.writable, said.max(loan.status_end)),
            Length::Count | Length::Reply => (loan.writable, said),
        };
        let taken = take(self.written(loan), request.writable(), written.into());
        (written, len, taken)
    }

    /// The same for a reply whose first field is its length. The header is read once: the guest
    /// gets as many bytes as it is told there.
    fn copy_reply(&self, request: &T, loan: &Loan<T>, said: u32) -> u32 {
        let mut header = [0; FAILURE_MAX];
        let header = &mut header[..loan.status_end as usize];
        let len = header.len() as u64;
        copy(
            self.written(loan),
            iter::once(VolatileSlice::from(&mut *header)),
            len,
        );
        let field = header.first_chunk().copied().map_or(0, u32::from_le_bytes);
        let written = field.max(said).max(loan.status_end).min(loan.writable);
        let header = iter::once(VolatileSlice::from(header));
        let reply = header.chain(after(self.written(loan), len));
        copy(reply, request.writable(), written.into());
        written
    }

    /// What the back-end could write of a request.
    fn written<'a>(&'a self, loan: &'a Loan<T>) -> impl Iterator<Item = VolatileSlice<'a>> {
        let spans = self.room.spans(&loan.place, true);
        spans.map(|(offset, len)| self.area.slice(offset, len))
    }

    fn take_back(&mut self, head: u16, place: Box<Place>) {
        let last = self.last_of(head, &place);
        self.next[usize::from(last)] = self.free_head;
        self.free_head = head;
        self.free += slots(&place);
        self.room.drop_off(place);
        Stats::set(&self.stats.in_flight, self.loans.len().into());
    }

    /// Whether there is something to reap; reads the used index if that isn't known.
    fn look(&mut self) -> Result<bool, Violation> {
        if let Some(violation) = self.violation {
            return Err(violation);
        }
        if self.used == self.seen {
            let (from, to, lent) = (self.used, self.ring.used_index(), self.loans.len());
            if to.wrapping_sub(from) > lent {
                return Err(self.broken(Violation::Index { from, to, lent }));
            }
            self.seen = to;
        }
        Ok(self.used != self.seen && self.loans.suspended() == 0)
    }

    fn broken(&mut self, violation: Violation) -> Violation {
        self.violation = Some(violation);
        violation
    }

    /// Whether [`reap`](Self::reap) has something to say, a request or a violation. For polling.
    pub fn pending(&mut self) -> bool {
        self.look().unwrap_or(true)
    }

    /// Asks the back-end to call when it has used a request. If this is true, reap at once: it
    /// may have been before it knew.
    #[must_use]
    pub fn enable_notification(&mut self) -> bool {
        self.ring.enable_notification(self.used);
        self.pending()
    }

    /// Asks the back-end not to call. It may call all the same.
    pub fn disable_notification(&mut self) {
        self.ring.disable_notification();
    }

    /// Makes the memory of requests that came back free, and zeroes it, as far as that has to be
    /// now. To be called when the guest has been told of them: it needn't wait for this.
    pub fn clean(&mut self) {
        self.room.clean();
        self.count_blocks();
    }

    /// Zeroes up to so many blocks that hold what requests that came back gave to read; whether
    /// there are more that could be. To be called when there is nothing else to do.
    #[must_use]
    pub fn scrub(&mut self, blocks: u32) -> bool {
        let more = self.room.scrub(blocks);
        Stats::set(&self.stats.stale, self.room.stale().into());
        more
    }

    /// Gives all requests in flight back, in the order in which they were lent, and leaves their
    /// copies with the back-end, which may go on with them. Lent again in that order, they are in
    /// flight as before; until the last of them is, nothing is reaped and nothing else is lent.
    pub fn suspend(&mut self) -> Vec<T> {
        self.loans.suspend()
    }

    /// How many of those have to be lent again.
    pub fn suspended(&self) -> u16 {
        self.loans.suspended()
    }

    /// Ends everything, whatever the state: all requests in flight come back unanswered, in the
    /// order in which they were lent; the memory is zeroed, the ring empty and usable again.
    pub fn reset(&mut self) -> Vec<T> {
        let requests = self.loans.suspend();
        for (head, place) in self.loans.drain() {
            self.take_back(head, place);
        }
        self.clean();
        let _: bool = self.scrub(u32::MAX);
        let base = self.options.base;
        self.ring.clear(base);
        self.free_all();
        (self.used, self.seen, self.violation) = (base, base, None);
        requests
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u16 {
        self.loans.len()
    }

    /// Its index in the area.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What broke the queue.
    pub fn violation(&self) -> Option<Violation> {
        self.violation
    }

    /// Its counters, for any thread.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }
}

/// Descriptors of the ring that a request takes.
fn slots(place: &Place) -> u16 {
    if place.table {
        1
    } else {
        place.descriptors
    }
}

impl<T: Request> Drop for Queue<T> {
    fn drop(&mut self) {
        self.reset();
        self.area.unclaim(self.index);
    }
}
