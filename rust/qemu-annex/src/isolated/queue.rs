// SPDX-License-Identifier: GPL-2.0-or-later
//! A queue of an area: [`isolated_memory::Queue`] for C.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::vec;

use isolated_memory::{LendError, Queue, Stats};
use libc::iovec;

use super::types::{
    AnnexIsolatedDone, AnnexIsolatedLend, AnnexIsolatedOptions, AnnexIsolatedStats, Loan,
};
use super::AnnexIsolatedArea;
use crate::error::{AnnexError, BoxError};
use crate::guard::{fallible, infallible, Guarded};

/// A queue. Calls for one queue must not overlap, but those of annex_isolated_queue_stats(); they
/// may come from different threads. After an internal error (a panic) in one of its functions it
/// is broken for good: lend and reap say so, pending says that there is something, and requests
/// that were in flight are never given back, nor touched.
pub struct AnnexIsolatedQueue {
    state: State,
    /// Apart, for any thread, while another one has the rest.
    stats: Arc<Stats>,
}

struct State {
    queue: Guarded<Queue<Loan>>,
    /// What a suspension or a reset that is under way has still to give.
    returning: Option<vec::IntoIter<Loan>>,
}

impl State {
    /// Sets `outcome`, whether that is an error or not.
    fn lend(&mut self, loan: Loan, outcome: &mut AnnexIsolatedLend) -> Result<(), BoxError> {
        let Err(refused) = self.queue.run(|queue| queue.lend(loan))? else {
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

    /// The next of what `take_back` gives.
    fn returned(&mut self, take_back: fn(&mut Queue<Loan>) -> Vec<Loan>) -> Option<Loan> {
        if self.returning.is_none() {
            // Who has which request isn't known if that fails: to leak some is better than to
            // give one twice.
            let requests = self.queue.run(take_back).ok()?;
            self.returning = Some(requests.into_iter());
        }
        let next = self.returning.as_mut()?.next();
        if next.is_none() {
            self.returning = None;
        }
        next
    }
}

/// Runs `body` on the queue; if that is broken, or breaks, gives `default`.
///
/// # Safety
/// `queue` is alive, and its state nobody else's during the call.
unsafe fn call<T: Copy>(
    name: &str,
    queue: *mut AnnexIsolatedQueue,
    default: T,
    body: impl FnOnce(&mut Queue<Loan>) -> T,
) -> T {
    // SAFETY: as the caller says. Of `stats` no reference is made.
    let state = unsafe { &mut (*queue).state };
    infallible(name, default, || state.queue.run(body).unwrap_or(default))
}

/// Takes the area's queue `index`, empty; its ring begins at `options->base`. Copies `options`.
/// NULL on failure; else freed with annex_isolated_queue_free(). The area may be freed before.
///
/// # Safety
/// `area` is alive; `options` points to a valid structure; `err` is NULL or valid for writing a
/// pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_new(
    area: *const AnnexIsolatedArea,
    index: usize,
    options: *const AnnexIsolatedOptions,
    err: *mut *mut AnnexError,
) -> *mut AnnexIsolatedQueue {
    let body = || {
        // SAFETY: alive and valid, says the caller.
        let (area, options) = unsafe { (&*area, (*options).to_rust(index)) };
        let queue = Queue::new(area.0.clone(), index, options)?;
        Ok(Box::into_raw(Box::new(AnnexIsolatedQueue {
            stats: queue.stats().clone(),
            state: State {
                queue: Guarded::new("the queue", queue),
                returning: None,
            },
        })))
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, ptr::null_mut(), body) }
}

/// Frees a queue, and zeroes its part of the area; NULL is allowed and does nothing. Requests in
/// flight are forgotten: to have them back, reset it before.
///
/// # Safety
/// `queue` is NULL, or came from this library and wasn't freed.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_free(queue: *mut AnnexIsolatedQueue) {
    infallible("annex_isolated_queue_free", (), || {
        if !queue.is_null() {
            // SAFETY: ours, and given back, says the caller.
            drop(unsafe { Box::from_raw(queue) });
        }
    });
}

/// Copies what the device may read of a request into the area, and puts the request in the ring,
/// where the back-end sees it after annex_isolated_queue_publish(). `request`, not NULL, is what
/// reap and reset give back; `out` is what the device may read, `into` what it may write, each in
/// any number of pieces, of which empty ones don't count. An error is stored when it never will be
/// lent: it is too large, it is empty, it isn't the one that is due after a suspension, or the
/// queue is broken.
///
/// After annex_isolated_queue_suspend(), the requests that it gave come first, in their order:
/// they are in flight again, with the copies that the back-end has of them.
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
        // SAFETY: alive, says the caller. Of `stats` no reference is made.
        unsafe { &mut (*queue).state }.lend(loan, &mut outcome)
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
/// nothing was copied, and nothing more will be until annex_isolated_queue_reset().
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
        // SAFETY: alive, says the caller. Of `stats` no reference is made.
        let reaped = unsafe { &mut (*queue).state }.queue.run(Queue::reap)??;
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
pub unsafe extern "C" fn annex_isolated_queue_want_calls(queue: *mut AnnexIsolatedQueue) -> bool {
    // SAFETY: alive, says the caller.
    unsafe {
        call(
            "annex_isolated_queue_want_calls",
            queue,
            true,
            Queue::want_calls,
        )
    }
}

/// Asks the back-end not to call. It may call all the same.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_mind_no_calls(queue: *mut AnnexIsolatedQueue) {
    // SAFETY: alive, says the caller.
    unsafe {
        call(
            "annex_isolated_queue_mind_no_calls",
            queue,
            (),
            Queue::mind_no_calls,
        )
    }
}

/// Zeroes the memory of requests that came back, and makes it free; lend does the same when it
/// finds no room. To be called when the guest has been told of them: it needn't wait for this.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_clean(queue: *mut AnnexIsolatedQueue) {
    // SAFETY: alive, says the caller.
    unsafe { call("annex_isolated_queue_clean", queue, (), Queue::clean) }
}

/// Requests in flight: lent, and not come back, or suspended.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_lent(queue: *const AnnexIsolatedQueue) -> u16 {
    // SAFETY: alive, says the caller.
    unsafe { &(*queue).state }.queue.as_is().lent()
}

/// Takes requests in flight back, and leaves their copies with the back-end. Each call gives one,
/// in the order in which they were lent; then NULL. Call nothing else between the first and the
/// NULL. To go on, lend them again; until all of them are there, reap has nothing, and the
/// back-end may do with its copies what it does. To end it, reset or free.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_suspend(
    queue: *mut AnnexIsolatedQueue,
) -> *mut c_void {
    // SAFETY: alive, says the caller. Of `stats` no reference is made.
    let state = unsafe { &mut (*queue).state };
    let next = infallible("annex_isolated_queue_suspend", None, || {
        state.returned(Queue::suspend)
    });
    next.map_or(ptr::null_mut(), |loan| loan.request.as_ptr())
}

/// How many of the requests that a suspension gave have to be lent again.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_suspended(queue: *const AnnexIsolatedQueue) -> u16 {
    // SAFETY: alive, says the caller.
    unsafe { &(*queue).state }.queue.as_is().suspended()
}

/// Ends everything, whatever the state. Each call gives a request that was in flight, unanswered,
/// in the order in which they were lent; then NULL. After that the queue is empty and usable, its
/// ring and memory as they were when it was new, unless it was an internal error that broke it.
/// Call nothing else between the first and the NULL.
///
/// So requests go on when a back-end is lost: reap what it has used, reset, and lend what that
/// gives to a queue of a new area, for the lost back-end may have the old one mapped still.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_reset(queue: *mut AnnexIsolatedQueue) -> *mut c_void {
    // SAFETY: alive, says the caller. Of `stats` no reference is made.
    let state = unsafe { &mut (*queue).state };
    let next = infallible("annex_isolated_queue_reset", None, || {
        state.returned(Queue::reset)
    });
    next.map_or(ptr::null_mut(), |loan| loan.request.as_ptr())
}

/// Writes what the queue has done so far to `*out`. Any thread may call this at any time between
/// new and free.
///
/// # Safety
/// `queue` is alive; `out` is valid for writing.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_stats(
    queue: *const AnnexIsolatedQueue,
    out: *mut AnnexIsolatedStats,
) {
    // SAFETY: alive and valid, says the caller. Of `state`, which another thread may have, no
    // reference is made.
    unsafe { out.write((*queue).stats.snapshot().into()) };
}

#[cfg(test)]
mod tests;
