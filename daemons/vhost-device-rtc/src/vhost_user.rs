// SPDX-License-Identifier: GPL-2.0-or-later
//! The back-end as rust-vmm's library calls it, from two threads, under one lock.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vhost::vhost_user::message::{
    VhostTransferStateDirection, VhostTransferStatePhase, VhostUserProtocolFeatures,
};
use vhost_user_backend::bitmap::BitmapMmapRegion;
use vhost_user_backend::VhostUserBackend;
use vmm_sys_util::epoll::EventSet;
use vmm_sys_util::event::{
    new_event_consumer_and_notifier, EventConsumer, EventFlag, EventNotifier,
};

use crate::backend::Rtc;
use crate::sys;
use crate::vring::{Memory, Vring};

/// The largest queue: as many entries as QEMU gives them.
const QUEUE_SIZE: usize = 1024;

/// A back-end that threads share.
pub struct Backend {
    rtc: Mutex<Rtc>,
    /// The eventfd that ends a connection's thread, which the library polls and never closes.
    exit_event: Mutex<Option<RawFd>>,
}

/// What is handed to the library.
pub type Shared = Arc<Backend>;

impl Backend {
    /// Share this one.
    pub fn new(rtc: Rtc) -> Backend {
        Backend {
            rtc: Mutex::new(rtc),
            exit_event: Mutex::new(None),
        }
    }

    /// Work on it, while no other thread does.
    pub fn lock(&self) -> MutexGuard<'_, Rtc> {
        // A thread that panicked has left the clocks as right as they were.
        self.rtc.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend {
    fn exit_event(&self) -> MutexGuard<'_, Option<RawFd>> {
        self.exit_event
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection's thread has ended: close what ended it.
    pub fn close_exit_event(&self) {
        drop(self.exit_event().take().map(sys::adopt));
    }
}

impl VhostUserBackend for Backend {
    type Bitmap = BitmapMmapRegion;
    type Vring = Vring;

    fn num_queues(&self) -> usize {
        self.lock().queues()
    }

    fn max_queue_size(&self) -> usize {
        QUEUE_SIZE
    }

    fn features(&self) -> u64 {
        self.lock().features()
    }

    fn acked_features(&self, features: u64) {
        self.lock().acked_features(features)
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        self.lock().protocol_features()
    }

    fn reset_device(&self) {
        self.lock().reset_device()
    }

    fn set_event_idx(&self, _: bool) {
        // The queues know.
    }

    fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        self.lock().get_config(offset, size)
    }

    fn set_config(&self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        self.lock().set_config(offset, bytes)
    }

    fn update_memory(&self, memory: Memory) -> io::Result<()> {
        self.lock().update_memory(memory);
        Ok(())
    }

    /// Without it a connection's thread would never end.
    fn exit_event(&self, _: usize) -> Option<(EventConsumer, EventNotifier)> {
        match new_event_consumer_and_notifier(EventFlag::NONBLOCK | EventFlag::CLOEXEC) {
            Ok((consumer, notifier)) => {
                *self.exit_event() = Some(consumer.as_raw_fd());
                Some((consumer, notifier))
            }
            Err(error) => {
                log::warn!("no eventfd to end a thread with: {error}");
                None
            }
        }
    }

    /// Never an error: the library's loop would end at it.
    fn handle_event(&self, event: u16, _: EventSet, vrings: &[Vring], _: usize) -> io::Result<()> {
        self.lock().handle_event(event, vrings);
        Ok(())
    }

    fn set_device_state_fd(
        &self,
        direction: VhostTransferStateDirection,
        _: VhostTransferStatePhase,
        file: File,
    ) -> io::Result<Option<File>> {
        self.lock().set_device_state_fd(direction, file)?;
        Ok(None)
    }

    fn check_device_state(&self) -> io::Result<()> {
        self.lock().check_device_state()
    }
}
