// SPDX-License-Identifier: GPL-2.0-or-later
//! A queue of an area: [`isolated_memory::Queue`] for C.

use std::ffi::c_void;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::vec;

use isolated_memory::{Done, LendError, Queue, Stats};
use libc::iovec;

use super::types::{AnnexIsolatedLend, AnnexIsolatedOptions, AnnexIsolatedStats, Loan};
use super::AnnexIsolatedArea;
use crate::error::{AnnexError, BoxError};
use crate::guard::{fallible, infallible};

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
    queue: Queue<Loan>,
    /// What a reset that is under way has still to give.
    resetting: Option<vec::IntoIter<Loan>>,
    /// A panic left the queue in the middle of something.
    broken: bool,
}

impl State {
    /// Runs `body` on the queue unless that is broken; a panic breaks it, and goes on.
    fn run<T>(&mut self, body: impl FnOnce(&mut Queue<Loan>) -> T) -> Result<T, BoxError> {
        if self.broken {
            return Err("the queue is broken: there was an internal error".into());
        }
        match catch_unwind(AssertUnwindSafe(|| body(&mut self.queue))) {
            Ok(value) => Ok(value),
            Err(panic) => {
                self.broken = true;
                resume_unwind(panic)
            }
        }
    }

    fn lend(&mut self, loan: Loan) -> Result<AnnexIsolatedLend, BoxError> {
        match self.run(|queue| queue.lend(loan))? {
            Ok(()) => Ok(AnnexIsolatedLend::Lent),
            Err(refused) if refused.why == LendError::Full => Ok(AnnexIsolatedLend::Full),
            Err(refused) => Err(refused.why.into()),
        }
    }

    fn reset(&mut self) -> Option<Loan> {
        if self.resetting.is_none() {
            // Who has which request isn't known if that fails: to leak some is better than to
            // give one twice.
            let requests = self.run(Queue::reset).ok()?;
            self.resetting = Some(requests.into_iter());
        }
        let next = self.resetting.as_mut()?.next();
        if next.is_none() {
            self.resetting = None;
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
    infallible(name, default, || state.run(body).unwrap_or(default))
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
        let (area, options) = unsafe { (&*area, (*options).to_rust()) };
        let queue = Queue::new(area.0.clone(), index, options)?;
        Ok(Box::into_raw(Box::new(AnnexIsolatedQueue {
            stats: queue.stats().clone(),
            state: State {
                queue,
                resetting: None,
                broken: false,
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
/// any number of pieces, of which empty ones don't count. An error is stored only when it is
/// refused: it never fits, it is empty, or the queue is broken.
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
    let body = || {
        let loan = Loan {
            request: NonNull::new(request).ok_or("the request is NULL")?,
            readable: (out, out_num),
            writable: (into, into_num),
        };
        // SAFETY: alive, says the caller. Of `stats` no reference is made.
        unsafe { &mut (*queue).state }.lend(loan)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, AnnexIsolatedLend::Refused, body) }
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
/// `*request` what was lent, and `*written` how many bytes it says it wrote, no more than it
/// could. True with `*request` NULL: there is none now. False: the back-end broke the rules, now
/// or before, or there was an internal error; nothing was copied, and nothing more will be until
/// annex_isolated_queue_reset().
///
/// # Safety
/// `queue` is alive; `request` and `written` are valid for writing; `err` is NULL or valid for
/// writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_reap(
    queue: *mut AnnexIsolatedQueue,
    request: *mut *mut c_void,
    written: *mut u32,
    err: *mut *mut AnnexError,
) -> bool {
    // SAFETY: valid for writing, says the caller.
    unsafe {
        request.write(ptr::null_mut());
        written.write(0);
    }
    let body = || {
        // SAFETY: alive, says the caller. Of `stats` no reference is made.
        let done = unsafe { &mut (*queue).state }.run(Queue::reap)??;
        if let Some(Done {
            request: loan,
            written: bytes,
        }) = done
        {
            // SAFETY: valid for writing, says the caller.
            unsafe {
                request.write(loan.request.as_ptr());
                written.write(bytes);
            }
        }
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
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

/// Requests in flight: lent, and not come back.
///
/// # Safety
/// `queue` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_isolated_queue_lent(queue: *const AnnexIsolatedQueue) -> u16 {
    // SAFETY: alive, says the caller.
    unsafe { &(*queue).state }.queue.lent()
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
    let next = infallible("annex_isolated_queue_reset", None, || state.reset());
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
mod tests {
    use super::super::{annex_isolated_area_free, annex_isolated_area_new};
    use super::*;
    use crate::error::{annex_error_free, annex_error_message};
    use std::ffi::CStr;

    /// The error's message; frees it.
    fn message(err: *mut AnnexError) -> String {
        // SAFETY: a live error, which nobody uses after this.
        unsafe {
            let message = CStr::from_ptr(annex_error_message(err)).to_str();
            let message = message.expect("UTF-8").to_owned();
            annex_error_free(err);
            message
        }
    }

    #[test]
    fn a_panic_breaks_the_queue_for_good() {
        let options = AnnexIsolatedOptions {
            entries: 8,
            base: 0,
            chain_max: 0,
            descriptor_max: 0,
            event_idx: false,
            indirect: false,
            copy_all: false,
        };
        let mut byte = 7u8;
        let iovec = iovec {
            iov_base: ptr::from_mut(&mut byte).cast(),
            iov_len: 1,
        };
        let (mut err, mut request, mut written) = (ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: everything pointed to is a local that outlives the queue, which is used by this
        // thread alone and freed once, like the area.
        unsafe {
            let area = annex_isolated_area_new(&8, 1, 0, &mut err);
            let queue = annex_isolated_queue_new(area, 0, &options, &mut err);
            annex_isolated_area_free(area);
            let mut lend = |err: &mut *mut AnnexError| {
                let request = ptr::from_mut(&mut byte).cast();
                annex_isolated_queue_lend(queue, request, &iovec, 1, ptr::null(), 0, err)
            };
            assert_eq!(lend(&mut err), AnnexIsolatedLend::Lent);

            assert!(call("test", queue, true, |_| panic!("in the middle")));

            assert!(annex_isolated_queue_pending(queue));
            assert!(!annex_isolated_queue_reap(
                queue,
                &mut request,
                &mut written,
                &mut err
            ));
            assert!(message(err).contains("internal error"));
            assert_eq!(lend(&mut err), AnnexIsolatedLend::Refused);
            assert!(message(err).contains("internal error"));
            assert!(!annex_isolated_queue_publish(queue));
            assert!(annex_isolated_queue_reset(queue).is_null());
            assert!(annex_isolated_queue_want_calls(queue), "it stays broken");
            annex_isolated_queue_free(queue);
        }
    }
}
