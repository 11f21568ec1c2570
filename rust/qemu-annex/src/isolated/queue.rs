// SPDX-License-Identifier: GPL-2.0-or-later
//! A queue of an area: [`isolated_memory::Queue`] for C.

use std::ffi::c_void;
use std::ptr::NonNull;

use isolated_memory::{LendError, Queue};
use libc::iovec;

use super::types::{AnnexIsolatedDone, AnnexIsolatedLend, Loan};
use crate::error::{AnnexError, BoxError};
use crate::guard::{fallible, infallible, Guarded};

/// A queue that runs. Calls for one queue must not overlap; they may come from different threads.
/// After an internal error (a panic) in one of its functions it is broken for good: lend and reap
/// say so, pending says that there is something, and requests that were in flight are never given
/// back, nor touched.
pub struct AnnexIsolatedQueue(Guarded<Queue<Loan>>);

impl AnnexIsolatedQueue {
    pub(super) fn new(queue: Queue<Loan>) -> Self {
        Self(Guarded::new("the queue", queue))
    }

    /// The queue, unless a panic has left it in the middle of something.
    pub(super) fn into_sound(self) -> Option<Queue<Loan>> {
        self.0.into_sound()
    }

    /// Sets `outcome`, whether that is an error or not.
    fn lend(&mut self, loan: Loan, outcome: &mut AnnexIsolatedLend) -> Result<(), BoxError> {
        let Err(refused) = self.0.run(|queue| queue.lend(loan))? else {
            *outcome = AnnexIsolatedLend::Lent;
            return Ok(());
        };
        match refused.why {
            LendError::Full => {
                *outcome = AnnexIsolatedLend::Full;
                return Ok(());
            }
            LendError::TooLarge { .. } => *outcome = AnnexIsolatedLend::TooLarge,
            _ => {}
        }
        Err(refused.why.into())
    }
}

/// Runs `body` on the queue; if that is broken, or breaks, gives `default`.
///
/// # Safety
/// `queue` is alive, and nobody else's during the call.
unsafe fn call<T: Copy>(
    name: &str,
    queue: *mut AnnexIsolatedQueue,
    default: T,
    body: impl FnOnce(&mut Queue<Loan>) -> T,
) -> T {
    // SAFETY: as the caller says.
    let queue = unsafe { &mut *queue };
    infallible(name, default, || queue.0.run(body).unwrap_or(default))
}

/// Copies what the device may read of a request into the area, and puts the request in the ring,
/// where the back-end sees it after annex_isolated_queue_publish(). `request`, not NULL, is what
/// reap and stop give back; `out` is what the device may read, `into` what it may write, each in
/// any number of pieces, of which empty ones don't count. An error is stored when it never will be
/// lent: it is too large, it is empty, it isn't the one that is due after a suspension, or the
/// queue is broken.
///
/// If the queue was resumed, the requests that its last stop gave come first, in their order: they
/// are in flight again, with the copies that the back-end has of them.
///
/// # Safety
/// `queue` is alive; `out` has `out_num` elements, or that is 0, and `into` likewise. If the
/// request is lent, they stay as they are, and what they point to mapped (its bytes may change),
/// until the request comes back or the queue is freed. `err` is NULL or valid for writing a
/// pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_lend(
    queue: *mut AnnexIsolatedQueue,
    request: *mut c_void,
    out: *const iovec,
    out_num: usize,
    into: *const iovec,
    into_num: usize,
    err: *mut *mut AnnexError,
) -> AnnexIsolatedLend {
    let mut outcome = AnnexIsolatedLend::Refused;
    let body = || {
        let loan = Loan {
            request: NonNull::new(request).ok_or("the request is NULL")?,
            readable: (out, out_num),
            writable: (into, into_num),
        };
        // SAFETY: alive, says the caller.
        unsafe { &mut *queue }.lend(loan, &mut outcome)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, (), body) }
    outcome
}

/// Lets the back-end see what was lent. True if it wants to be kicked for it.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_publish(queue: *mut AnnexIsolatedQueue) -> bool {
    // SAFETY: alive, says the caller.
    unsafe { call("annex_isolated_queue_publish", queue, false, Queue::publish) }
}

/// Takes the next request that the back-end has used: what it wrote is in the request's memory,
/// and `*done` says which it is and how much that was. True with a NULL request: there is none
/// now. False: the back-end broke the rules, now or before, or there was an internal error;
/// nothing was copied, and nothing more will be until the queue is stopped and started.
///
/// # Safety
/// `queue` is alive; `done` is valid for writing; `err` is NULL or valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_reap(
    queue: *mut AnnexIsolatedQueue,
    done: *mut AnnexIsolatedDone,
    err: *mut *mut AnnexError,
) -> bool {
    // SAFETY: valid for writing, says the caller.
    unsafe { done.write(AnnexIsolatedDone::default()) };
    let body = || {
        // SAFETY: alive, says the caller.
        let reaped = unsafe { &mut *queue }.0.run(Queue::reap)??;
        if let Some(reaped) = reaped {
            // SAFETY: valid for writing, says the caller.
            unsafe { done.write(reaped.into()) };
        }
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

/// Answers a request that wasn't lent, for it is too large, in the device's stead: writes to its
/// memory that it has failed. How many bytes of `into` the guest is to be told of; 0 if the
/// device's protocol has no such answer, and nothing was written.
///
/// # Safety
/// `queue` is alive; `out` has `out_num` elements, or that is 0, and `into` likewise; what they
/// point to is mapped.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_refuse(
    queue: *mut AnnexIsolatedQueue,
    out: *const iovec,
    out_num: usize,
    into: *const iovec,
    into_num: usize,
) -> u32 {
    let request = Loan {
        request: NonNull::dangling(),
        readable: (out, out_num),
        writable: (into, into_num),
    };
    let body = |queue: &mut Queue<Loan>| queue.refuse(&request).unwrap_or(0);
    // SAFETY: alive, says the caller.
    unsafe { call("annex_isolated_queue_refuse", queue, 0, body) }
}

/// Whether annex_isolated_queue_reap() has something to say: a request, or that the queue is
/// broken. For polling.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_pending(queue: *mut AnnexIsolatedQueue) -> bool {
    // SAFETY: alive, says the caller.
    unsafe { call("annex_isolated_queue_pending", queue, true, Queue::pending) }
}

/// Asks the back-end to call when it has used a request. If this is true, reap at once: it may
/// have been before the back-end knew, or the queue is broken.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_enable_notification(
    queue: *mut AnnexIsolatedQueue,
) -> bool {
    // SAFETY: alive, says the caller.
    unsafe {
        call(
            "annex_isolated_queue_enable_notification",
            queue,
            true,
            Queue::enable_notification,
        )
    }
}

/// Asks the back-end not to call. It may call all the same.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_disable_notification(queue: *mut AnnexIsolatedQueue) {
    // SAFETY: alive, says the caller.
    unsafe {
        call(
            "annex_isolated_queue_disable_notification",
            queue,
            (),
            Queue::disable_notification,
        )
    }
}

/// Makes the memory of requests that came back free, and zeroes it, as far as
/// that has to be now; lend does the same when it finds no room. To be called
/// when the guest has been told of them: it needn't wait for this.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_clean(queue: *mut AnnexIsolatedQueue) {
    // SAFETY: alive, says the caller.
    unsafe { call("annex_isolated_queue_clean", queue, (), Queue::clean) }
}

/// Zeroes up to `blocks` blocks of 4 KiB that hold what requests that came back
/// gave to read; true if there are more that could be. To be called when there
/// is nothing else to do.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_scrub(
    queue: *mut AnnexIsolatedQueue,
    blocks: u32,
) -> bool {
    // SAFETY: alive, says the caller.
    unsafe {
        call("annex_isolated_queue_scrub", queue, false, |queue| {
            queue.scrub(blocks)
        })
    }
}

/// Requests in flight: lent, and not come back, or suspended.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_in_flight(queue: *const AnnexIsolatedQueue) -> u16 {
    // SAFETY: alive, says the caller.
    unsafe { &*queue }.0.as_is().in_flight()
}

/// How many of the requests that its last stop gave have to be lent again.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_suspended(queue: *const AnnexIsolatedQueue) -> u16 {
    // SAFETY: alive, says the caller.
    unsafe { &*queue }.0.as_is().suspended()
}

#[cfg(test)]
mod tests;
