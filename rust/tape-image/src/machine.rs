// SPDX-License-Identifier: GPL-2.0-or-later
//! Operations as their drivers see them: started, polled for requests, given
//! completions, polled for an outcome.
//!
//! ```text
//!  Machine   idle: a core        running: a future that owns the core
//!            |  start(operation) -->  |  handle(completion), poll it
//!            |  <-- (core, outcome)   |
//! ```
//!
//! A future is kept in a box that is made once: an operation allocates nothing.

use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::ops::Deref;
use core::task::{Context, Poll, Waker};

use crate::port::{Completion, Port, Request};

/// Where futures of one kind run one after the other, in memory that is used
/// again. Given an `I`, it makes a future of it; then it takes the future that
/// there is as far as it goes, and gives its output, once.
type Runner<I, O> = Box<dyn FnMut(Option<I>) -> Option<O> + Send>;

/// A place for the futures that `make` makes, right there: one moved there would
/// be kilobytes copied for each operation.
fn runner<I: 'static, F>(make: impl Fn(I) -> F + Send + 'static) -> Runner<I, F::Output>
where
    F: Future + Send + 'static,
{
    let mut future = Box::pin(None);
    Box::new(move |input: Option<I>| {
        if let Some(input) = input {
            future.set(Some(make(input)));
        }
        let running = future.as_mut().as_pin_mut()?;
        match running.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => None,
            Poll::Ready(output) => {
                future.set(None);
                Some(output)
            }
        }
    })
}

/// What a [`Machine`] runs the operations of.
pub trait Operate: fmt::Debug + Send + Sized + 'static {
    /// What it can be asked to do.
    type Operation: Send + 'static;
    /// What comes of that, or why nothing does.
    type Outcome: Send + 'static;

    /// Carries an operation out, over the port.
    fn operate(
        &mut self,
        port: &Port,
        operation: Self::Operation,
    ) -> impl Future<Output = Self::Outcome> + Send;
}

type Ends<T> = Box<(T, Port)>;
type Ended<T> = (Ends<T>, <T as Operate>::Outcome);
type Started<T> = (Ends<T>, <T as Operate>::Operation);

/// A core and the operation under way: a sans-I/O state machine.
///
/// # Calling order
///
/// 1. [`start`](Self::start) an operation; the one that loads comes first.
/// 2. [`poll_request`](Self::poll_request) until it gives `None`, and carry
///    the requests out, in any order and as many at a time as it gives.
///    `data` ranges are in the buffer that belongs to the operation: what a
///    write takes from, what a read puts into. It has to stay until the
///    operation ends.
/// 3. [`handle`](Self::handle) each request's completion, and poll again.
/// 4. [`poll_outcome`](Self::poll_outcome) gives the result once.
///
/// Requests may be out when an operation has ended: they are writes behind,
/// whose data is the core's own. They are completed like others, and if one
/// fails, the next operation ends with [`Error::Write`](crate::Error::Write) instead of being
/// carried out, whatever it is.
///
/// While no operation is under way a machine dereferences to its core; else that
/// panics. Nothing here blocks, keeps time or starts threads; a machine may move
/// between threads. Dropping one with unsynced writes loses them.
pub struct Machine<T: Operate> {
    /// `None`: the future has it.
    core: Option<Ends<T>>,
    port: Port,
    future: Runner<Started<T>, Ended<T>>,
    outcome: Option<T::Outcome>,
}

async fn run<T: Operate>((mut ends, operation): Started<T>) -> Ended<T> {
    let (core, port) = &mut *ends;
    let outcome = core.operate(port, operation).await;
    (ends, outcome)
}

impl<T: Operate> Machine<T> {
    /// A machine with no operation under way.
    pub fn of(core: T) -> Self {
        Self::over(Port::default(), core)
    }

    /// As [`of`](Self::of), of a core that has the port as well.
    pub fn over(port: Port, core: T) -> Self {
        Self {
            core: Some(Box::new((core, port.clone()))),
            port,
            future: runner(run::<T>),
            outcome: None,
        }
    }

    /// Begins an operation.
    ///
    /// # Panics
    /// While one is under way, or its outcome hasn't been taken.
    pub fn start(&mut self, operation: T::Operation) {
        let core = self.core.take().filter(|_| self.outcome.is_none());
        let core = core.expect("no operation is under way");
        self.port.resume();
        self.go_on(Some((core, operation)));
    }

    /// Asks the operation under way to end with [`Error::Interrupted`](crate::Error::Interrupted).
    ///
    /// Loads, reads and motions do so when the request they wait for is
    /// completed, which it has to be; the position is where it was before them
    /// and a tape that was being loaded is still not loaded. What the index has
    /// learned stays. If they had to sync first, they do that to its end, as
    /// writes, erases, syncs and unloads do with all they have to do: those
    /// take no notice. Nor does anybody when there is no operation.
    pub fn interrupt(&mut self) {
        self.port.interrupt();
    }

    /// The next request to carry out. `None` until `start` or `handle` is
    /// called again.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.port.poll_request()
    }

    /// The result of the operation, once it has one.
    pub fn poll_outcome(&mut self) -> Option<T::Outcome> {
        self.outcome.take()
    }

    /// Takes the result of a request.
    ///
    /// # Panics
    /// If the completion's request isn't out.
    pub fn handle(&mut self, completion: Completion) {
        self.port.handle(completion);
        if self.core.is_none() {
            self.go_on(None);
        }
    }

    fn go_on(&mut self, started: Option<Started<T>>) {
        if let Some((core, outcome)) = (self.future)(started) {
            self.core = Some(core);
            self.outcome = Some(outcome);
        }
    }

    /// Something was written that no sync has confirmed. It may be asked while an
    /// operation is under way.
    pub fn is_dirty(&self) -> bool {
        self.port.is_dirty()
    }

    /// An operation is under way, or its outcome hasn't been taken.
    pub fn is_busy(&self) -> bool {
        self.core.is_none() || self.outcome.is_some()
    }

    /// The core; `None` while an operation is under way.
    pub fn core(&self) -> Option<&T> {
        self.core.as_ref().map(|ends| &ends.0)
    }

    /// The core, for what changes it without the medium.
    ///
    /// # Panics
    /// While an operation is under way.
    pub fn core_mut(&mut self) -> &mut T {
        &mut self.core.as_mut().expect("no operation is under way").0
    }
}

impl<T: Operate> Deref for Machine<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.core().expect("no operation is under way")
    }
}

impl<T: Operate> fmt::Debug for Machine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut machine = f.debug_struct("Machine");
        machine.field("core", &self.core).field("port", &self.port);
        machine.finish_non_exhaustive()
    }
}
