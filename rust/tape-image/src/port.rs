// SPDX-License-Identifier: GPL-2.0-or-later
//! The port between operations and the medium: the one place that knows requests.
//!
//! An operation is an `async fn`. It makes requests here and waits for them here,
//! and for nothing else. There is no executor and no waker: whoever drives the
//! medium takes the requests, brings their completions, and then polls the
//! operation, which is all that can make it go on.
//!
//! ```text
//!  operation   read, write, copy, …  .await        write_behind, room().await
//!                  |           ^                        |            ^
//!  port            v           |                        v            |
//!              requests     answer                  requests     what failed
//!                  |           ^                        |            ^
//!  driver      poll_request  handle                poll_request    handle
//! ```
//!
//! A port has two ends, clones of each other, in one owner that uses one at a
//! time: the cell they share is never borrowed when either comes. A flag that is
//! only looked at is beside that cell, since borrowing costs more.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{poll_fn, Future};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::task::Poll;

use atomic_refcell::{AtomicRefCell, AtomicRefMut};

/// Names a request until its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(u64);

impl RequestId {
    /// The number, which no other request of the same port has.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Something to be done to the medium. Its vectors go back in its [`Completion`],
/// so that nothing is copied and nothing is freed under an asynchronous read.
///
/// Requests that are out at the same time touch different bytes and may be
/// carried out in any order. A flush is only ever out alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// For the completion.
    pub id: RequestId,
    /// What is to be done.
    pub io: Io,
}

/// What is to be done to the medium; offsets and lengths are in bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Io {
    /// Read from `offset` into the caller's data at `data`, then into
    /// `buf[skip..]`. Fewer bytes than asked for mean the medium's end.
    Read {
        /// First byte to read.
        offset: u64,
        /// Where in the data of the operation under way; may be empty.
        data: Range<usize>,
        /// Read into from `skip` on.
        buf: Vec<u8>,
        /// Bytes of `buf` to leave as they are.
        skip: usize,
    },
    /// Write `head` at `offset`, then the caller's data at `data`.
    Write {
        /// First byte to write.
        offset: u64,
        /// Written first; may be empty.
        head: Vec<u8>,
        /// Which part of the data of the operation under way; may be empty.
        data: Range<usize>,
    },
    /// Append the caller's data at `data` to `buf`: a small record gathers with
    /// its neighbours. The medium has no part in it.
    Copy {
        /// Which part of the data of the operation under way.
        data: Range<usize>,
        /// Append here; what it holds stays.
        buf: Vec<u8>,
    },
    /// Put `buf[from..]` into the caller's data at `data`, which has room for it.
    /// The medium has no part in it.
    Put {
        /// Where in the data of the operation under way.
        data: Range<usize>,
        /// What to put there, from `from` on.
        buf: Vec<u8>,
        /// Bytes of `buf` to leave out.
        from: usize,
    },
    /// Everything completed so far is on stable storage when this completes.
    Flush,
    /// Make the medium `length` bytes long, a [`Truncation`](crate::Truncation)
    /// permitting.
    Truncate {
        /// The new length; shorter than the medium is.
        length: u64,
    },
}

/// How a request ended.
#[derive(Debug)]
pub struct Completion {
    /// The request's.
    pub id: RequestId,
    /// Bytes read, or anything for other requests. A write is all or an error.
    pub result: Result<usize, IoError>,
    /// `buf` of a read or copy (filled) or put, `head` of a write, else empty.
    pub buf: Vec<u8>,
}

/// What the medium said: an errno, as a positive number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("I/O error (errno {0})")]
pub struct IoError(pub i32);

impl IoError {
    /// What a medium that is shorter than it said amounts to.
    pub const EIO: Self = Self(5);
}

/// What a write that nobody waited for has failed to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    /// The first of several errors.
    pub(crate) error: IoError,
    /// From here on, what was written since the last sync may not be there.
    pub(crate) from: u64,
}

#[derive(Debug, Default)]
struct Exchange {
    /// Requests made and not taken.
    requests: VecDeque<Request>,
    next_id: u64,
    /// The request that the operation under way waits for.
    waiting: Option<RequestId>,
    answer: Option<Completion>,
    /// Writes that nobody waits for, made and not completed: what is behind which
    /// offset they bring. `None`: whoever made it is no longer there.
    behind: Vec<(RequestId, Option<u64>)>,
    loss: Option<Loss>,
    /// A written buffer, to be used again.
    spare: Vec<u8>,
}

impl Exchange {
    #[inline]
    fn make(&mut self, io: Io) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.requests.push_back(Request { id, io });
        id
    }

    fn recycle(&mut self, buf: Vec<u8>) {
        if buf.capacity() > self.spare.capacity() {
            self.spare = buf;
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    exchange: AtomicRefCell<Exchange>,
    interrupted: AtomicBool,
    dirty: AtomicBool,
    /// The exchange has a loss.
    lost: AtomicBool,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Port(Arc<Shared>);

impl Port {
    #[inline]
    fn exchange(&self) -> AtomicRefMut<'_, Exchange> {
        self.0.exchange.borrow_mut()
    }
}

/// The driver's end.
impl Port {
    /// The next request to carry out. `None` until the operation is polled again.
    pub fn poll_request(&self) -> Option<Request> {
        self.exchange().requests.pop_front()
    }

    /// Takes the result of a request. The operation, if there is one, is polled
    /// afterwards.
    ///
    /// # Panics
    /// If the completion's request isn't out.
    pub fn handle(&self, completion: Completion) {
        let mut port = self.exchange();
        if port.waiting == Some(completion.id) {
            port.waiting = None;
            port.answer = Some(completion);
            return;
        }
        let at = port.behind.iter().position(|(id, _)| *id == completion.id);
        let (_, from) = port.behind.swap_remove(at.expect("a request that is out"));
        match (from, completion.result) {
            (Some(_), Ok(_)) => port.recycle(completion.buf),
            (Some(from), Err(error)) => {
                drop(port);
                self.lose(error, from);
            }
            (None, _) => {}
        }
    }

    /// Asks the operation under way to end early, if it is one that does.
    pub fn interrupt(&self) {
        self.0.interrupted.store(true, Relaxed);
    }

    /// Whoever made the requests that are out is no longer there, nor is what
    /// failed of them.
    pub fn forget(&self) {
        let mut port = self.exchange();
        port.behind.iter_mut().for_each(|(_, from)| *from = None);
        port.loss = None;
        self.0.lost.store(false, Relaxed);
        self.set_dirty(false);
    }

    /// Something was written that no sync has confirmed.
    pub fn is_dirty(&self) -> bool {
        self.0.dirty.load(Relaxed)
    }
}

/// The operation's end.
impl Port {
    /// Takes an earlier [`interrupt`](Self::interrupt) back.
    pub fn resume(&self) {
        self.0.interrupted.store(false, Relaxed);
    }

    /// From now on there is something that no sync has confirmed, or nothing.
    pub(crate) fn set_dirty(&self, dirty: bool) {
        self.0.dirty.store(dirty, Relaxed);
    }

    /// The operation has been asked to end early.
    pub fn is_interrupted(&self) -> bool {
        self.0.interrupted.load(Relaxed)
    }

    /// Makes a request and waits for it.
    #[inline]
    fn ask(&self, io: Io) -> impl Future<Output = Completion> + '_ {
        let mut io = Some(io);
        poll_fn(move |_| {
            let mut port = self.exchange();
            match io.take() {
                Some(io) => {
                    port.waiting = Some(port.make(io));
                    Poll::Pending
                }
                None => port.answer.take().map_or(Poll::Pending, Poll::Ready),
            }
        })
    }

    /// Reads from `offset` into `data`, then into `buf[skip..]`. How many bytes
    /// there were, and `buf`.
    pub(crate) async fn read(
        &self,
        offset: u64,
        data: Range<usize>,
        buf: Vec<u8>,
        skip: usize,
    ) -> Result<(usize, Vec<u8>), IoError> {
        let read = self
            .ask(Io::Read {
                offset,
                data,
                buf,
                skip,
            })
            .await;
        read.result.map(|bytes| (bytes, read.buf))
    }

    /// Writes `head`, then `data`.
    pub(crate) async fn write(
        &self,
        offset: u64,
        head: Vec<u8>,
        data: Range<usize>,
    ) -> Result<(), IoError> {
        let written = self.ask(Io::Write { offset, head, data }).await;
        self.exchange().recycle(written.buf);
        written.result.map(drop)
    }

    /// Writes objects and doesn't wait: a failure is a [`loss`](Self::has_loss).
    pub(crate) fn write_behind(&self, offset: u64, head: Vec<u8>) {
        let mut port = self.exchange();
        let data = 0..0;
        let id = port.make(Io::Write { offset, head, data });
        port.behind.push((id, Some(offset)));
    }

    /// Everything completed so far is on stable storage.
    pub(crate) async fn flush(&self) -> Result<(), IoError> {
        let flushed = self.ask(Io::Flush).await;
        flushed.result.map(drop)
    }

    /// Cuts the medium.
    pub(crate) async fn truncate(&self, length: u64) -> Result<(), IoError> {
        let cut = self.ask(Io::Truncate { length }).await;
        cut.result.map(drop)
    }

    /// Appends the caller's `data` to `buf`.
    pub async fn copy(&self, data: Range<usize>, buf: Vec<u8>) -> Result<Vec<u8>, IoError> {
        let copied = self.ask(Io::Copy { data, buf }).await;
        copied.result.map(|_| copied.buf)
    }

    /// Puts the `len` bytes `buf[from..]` into the caller's data at `at`, and gives
    /// their buffer back.
    pub async fn put(&self, at: usize, buf: Vec<u8>, from: usize, len: usize) -> Vec<u8> {
        let data = at..at + len;
        self.ask(Io::Put { data, buf, from }).await.buf
    }

    /// Waits until at most `most` requests are out, or a write behind has failed.
    pub(crate) async fn room(&self, most: usize) {
        poll_fn(|_| {
            let port = self.exchange();
            match port.behind.len() <= most || self.has_loss() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// A write has failed that was to bring what is behind `from`.
    pub(crate) fn lose(&self, error: IoError, from: u64) {
        let mut port = self.exchange();
        let loss = port.loss.get_or_insert(Loss { error, from });
        loss.from = loss.from.min(from);
        self.0.lost.store(true, Relaxed);
    }

    /// A write behind has failed.
    pub(crate) fn has_loss(&self) -> bool {
        self.0.lost.load(Relaxed)
    }

    /// Takes back what nobody has begun to carry out.
    fn take_back(&self) {
        let port = &mut *self.exchange();
        for request in port.requests.drain(..) {
            let at = port.behind.iter().position(|(id, _)| *id == request.id);
            let from = at.and_then(|at| port.behind.swap_remove(at).1);
            if let (Some(from), Some(loss)) = (from, &mut port.loss) {
                loss.from = loss.from.min(from);
            }
        }
    }

    /// Waits for all that nobody waits for, and says what is lost.
    pub(crate) async fn settle(&self) -> Option<Loss> {
        self.take_back();
        poll_fn(|_| {
            let mut port = self.exchange();
            match port.behind.is_empty() {
                true => {
                    self.0.lost.store(false, Relaxed);
                    Poll::Ready(port.loss.take())
                }
                false => Poll::Pending,
            }
        })
        .await
    }

    /// A written buffer, to be used again.
    pub(crate) fn spare(&self) -> Vec<u8> {
        core::mem::take(&mut self.exchange().spare)
    }
}
