// SPDX-License-Identifier: GPL-2.0-or-later
//! Answering faults. Any thread of a load can: the fault threads do nothing else, and background
//! threads do between chunks, as on a busy machine a fault thread may have to wait for a core.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::around::Around;
use super::bring::Brought;
use super::buffers::Single;
use super::control::{Origin, RETRY_INTERVAL};
use super::lock;
use super::observer::{FaultBegin, FaultKind, FaultTrace};
use super::shared::Shared;
use crate::uffd::Fault;

/// Faults that a fault thread takes at once: the waking up is paid once for all of them.
const BURST: usize = 8;

/// A fault handler's buffers.
#[derive(Debug, Default)]
pub(super) struct Handler {
    faults: Vec<Fault>,
    single: Single,
}

impl Shared {
    /// The life of a fault thread.
    pub fn answer_faults(&self) {
        let mut handler = Handler::default();
        while self.await_fault().is_continue() {
            self.answer_pending(&mut handler, BURST);
            self.look_after_failures(&mut handler.single);
        }
    }

    /// Waits for a fault, at most for [`RETRY_INTERVAL`]; breaks when the thread must end.
    fn await_fault(&self) -> ControlFlow<()> {
        let mut fds = [
            PollFd::new(&self.uffd, PollFlags::IN),
            PollFd::new(&self.quit, PollFlags::IN),
        ];
        let timeout = Timespec {
            tv_sec: RETRY_INTERVAL.as_secs() as i64,
            tv_nsec: 0,
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => {
                log::error!("waiting for page faults: {errno}");
                std::thread::sleep(RETRY_INTERVAL);
            }
        }
        if fds[1].revents().is_empty() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    /// Answers up to `limit` faults if there are any. Returns whether there were.
    pub fn answer_pending(&self, handler: &mut Handler, limit: usize) -> bool {
        if let Err(errno) = self.uffd.read(&mut handler.faults, limit) {
            log::error!("reading page faults: {errno}");
            std::thread::sleep(RETRY_INTERVAL);
        }
        if handler.faults.is_empty() {
            return false;
        }
        let read = Instant::now();
        for index in 0..handler.faults.len() {
            self.pacer.fault();
            let fault = handler.faults[index];
            let answered = self.answer(fault, read, &mut handler.single);
            self.pacer.answered(read, answered);
        }
        true
    }

    /// Answers a fault that was read at `read`. Returns when it was answered, or was found to be
    /// failed for now.
    pub(super) fn answer(&self, fault: Fault, read: Instant, single: &mut Single) -> Instant {
        let Some((index, page)) = self.find(fault.address) else {
            log::error!(
                "a page fault at {:#x}, which is in no RAM block",
                fault.address
            );
            return Instant::now();
        };
        self.counters.faults.fetch_add(1, Ordering::Relaxed);
        let around = if self.linear() {
            Around::NOTHING
        } else {
            lock(&self.streaks).next(fault.tid, index, page)
        };
        let answered = self.answer_page(index, page, fault.tid, around, read, single);
        let Some(Brought { kind, pages, at }) = answered else {
            return Instant::now();
        };
        let latency_ns = (at - read).as_nanos() as u64;
        if kind == FaultKind::Data {
            self.counters.latency.record(latency_ns);
        }
        let block = &self.blocks[index];
        if let Some(recording) = self.recording.as_ref().filter(|_| kind != FaultKind::Zero) {
            recording.touched(index, block, &pages);
        }
        self.observer.trace_fault(&FaultTrace {
            block: block.name(),
            ram_offset: page * block.page(),
            tid: fault.tid,
            latency_ns,
            kind,
        });
        at
    }

    /// Nothing when the page is failed for now.
    fn answer_page(
        &self,
        index: usize,
        page: u64,
        tid: u32,
        around: Around,
        read: Instant,
        single: &mut Single,
    ) -> Option<Brought> {
        let block = &self.blocks[index];
        let already_there = || {
            Some(Brought {
                kind: FaultKind::AlreadyThere,
                pages: page..page + 1,
                at: Instant::now(),
            })
        };
        if block.placed.get(page) {
            self.wake(block, page..page + 1);
            return already_there();
        }
        let addresses = block.addresses(&(page..page + 1));
        if self.track_faults {
            self.observer.fault_begin(&FaultBegin {
                block: block.name(),
                ram_offset: page * block.page(),
                address: addresses.start,
                tid,
            });
        }
        self.waits.begin(addresses.start, tid, read);
        if block.placed.get(page) {
            self.end_waits(addresses);
            self.wake(block, page..page + 1);
            return already_there();
        }
        if self.is_failed_page(index, page) {
            return None;
        }
        if !block.claims.set(page) && block.exclusive() && block.data.get(page) {
            // Who brings it wakes all that wait for it.
            return already_there();
        }
        match self.bring_page(block, page, around, single, Origin::Demand) {
            Ok(brought) => {
                if brought.kind == FaultKind::AlreadyThere {
                    self.end_waits(addresses);
                }
                Some(brought)
            }
            Err(failed) => {
                self.fail(index, Origin::Demand, &failed);
                None
            }
        }
    }
}
