// SPDX-License-Identifier: GPL-2.0-or-later
//! The library's queue, with what it keeps to itself or does otherwise than is wanted here.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use rustix::fs::{fcntl_getfl, fcntl_setfl, OFlags};
use vhost_user_backend::bitmap::BitmapMmapRegion;
use vhost_user_backend::{VringMutex, VringStateGuard, VringStateMutGuard, VringT};
use virtio_queue::Error;
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};

/// The guest's memory. Its bitmap is the front-end's log of what is written during migration.
pub type Memory = GuestMemoryAtomic<GuestMemoryMmap<BitmapMmapRegion>>;

#[derive(Debug, Default)]
struct Own {
    error: Option<File>,
    base: u16,
}

/// A queue.
#[derive(Clone)]
pub struct Vring {
    inner: VringMutex<Memory>,
    own: Arc<Mutex<Own>>,
}

impl Vring {
    fn own(&self) -> std::sync::MutexGuard<'_, Own> {
        // Nothing can be half done in it.
        self.own.lock().unwrap_or_else(|error| error.into_inner())
    }

    /// Tell the front-end by the queue's error descriptor, which outlives a stop of the queue,
    /// that something can't be delivered. False if it gave none.
    pub fn signal_error(&self) -> bool {
        let own = self.own();
        own.error
            .as_ref()
            .is_some_and(|mut fd| fd.write(&1u64.to_ne_bytes()).is_ok())
    }

    /// Where the front-end said that the driver's next buffer is.
    pub fn base(&self) -> u16 {
        self.own().base
    }
}

/// Let nothing wait for what a front-end does with the other end.
pub(crate) fn nonblocking(file: &File) {
    // Descriptors of other kinds than eventfds are refused later, by epoll.
    if let Ok(flags) = fcntl_getfl(file) {
        let _ = fcntl_setfl(file, flags | OFlags::NONBLOCK);
    }
}

impl<'a> VringStateGuard<'a, Memory> for Vring {
    type G = <VringMutex<Memory> as VringStateGuard<'a, Memory>>::G;
}

impl<'a> VringStateMutGuard<'a, Memory> for Vring {
    type G = <VringMutex<Memory> as VringStateMutGuard<'a, Memory>>::G;
}

impl VringT<Memory> for Vring {
    fn new(memory: Memory, max_queue_size: u16) -> Result<Vring, Error> {
        let inner = VringMutex::new(memory, max_queue_size)?;
        Ok(Vring {
            inner,
            own: Arc::default(),
        })
    }

    fn get_ref(&self) -> <Self as VringStateGuard<'_, Memory>>::G {
        self.inner.get_ref()
    }

    fn get_mut(&self) -> <Self as VringStateMutGuard<'_, Memory>>::G {
        self.inner.get_mut()
    }

    fn add_used(&self, desc_index: u16, len: u32) -> Result<(), Error> {
        self.inner.add_used(desc_index, len)
    }

    fn signal_used_queue(&self) -> io::Result<()> {
        self.inner.signal_used_queue()
    }

    fn enable_notification(&self) -> Result<bool, Error> {
        self.inner.enable_notification()
    }

    fn disable_notification(&self) -> Result<(), Error> {
        self.inner.disable_notification()
    }

    fn needs_notification(&self) -> Result<bool, Error> {
        self.inner.needs_notification()
    }

    fn set_enabled(&self, enabled: bool) {
        self.inner.set_enabled(enabled)
    }

    fn set_queue_info(&self, desc: u64, avail: u64, used: u64) -> Result<(), Error> {
        self.inner.set_queue_info(desc, avail, used)
    }

    fn queue_next_avail(&self) -> u16 {
        self.inner.queue_next_avail()
    }

    fn set_queue_next_avail(&self, base: u16) {
        self.own().base = base;
        self.inner.set_queue_next_avail(base)
    }

    fn set_queue_next_used(&self, idx: u16) {
        self.inner.set_queue_next_used(idx)
    }

    fn queue_used_idx(&self) -> Result<u16, Error> {
        self.inner.queue_used_idx()
    }

    fn set_queue_size(&self, num: u16) {
        self.inner.set_queue_size(num)
    }

    fn set_queue_event_idx(&self, enabled: bool) {
        self.inner.set_queue_event_idx(enabled)
    }

    fn set_queue_ready(&self, ready: bool) {
        self.inner.set_queue_ready(ready)
    }

    fn set_kick(&self, file: Option<File>) {
        // The descriptor may have changed since it was polled: reading it mustn't wait.
        file.iter().for_each(nonblocking);
        self.inner.set_kick(file)
    }

    fn read_kick(&self) -> io::Result<bool> {
        // The library's loop ends at an error. A kick that isn't there any more is none.
        match self.inner.read_kick() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => {
                log::warn!("a queue's kick can't be read: {error}");
                Ok(false)
            }
            enabled => enabled,
        }
    }

    fn set_call(&self, file: Option<File>) {
        // A front-end that doesn't read its calls mustn't hold up the others' work.
        file.iter().for_each(nonblocking);
        self.inner.set_call(file)
    }

    fn set_err(&self, file: Option<File>) {
        file.iter().for_each(nonblocking);
        self.own().error = file;
    }
}
