// SPDX-License-Identifier: GPL-2.0-or-later
//! The device as a vhost-user back-end: what the front-end's messages, kicks and timers do to it.
//! One thread runs all queues and timers; messages are another's. Both hold the back-end's lock.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Weak};

use log::{debug, warn};
use vhost::vhost_user::message::{
    VhostTransferStateDirection, VhostUserProtocolFeatures, VhostUserVirtioFeatures,
};
use vhost_user_backend::{VringEpollHandler, VringT};
use virtio_bindings::bindings::virtio_config::VIRTIO_F_VERSION_1;
use virtio_bindings::bindings::virtio_ring::{
    VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC,
};
use virtio_queue::QueueT;
use vm_memory::GuestAddressSpace;
use vmm_sys_util::epoll::EventSet;

use crate::counter::{self, Counter};
use crate::device::Device;
use crate::host::Host;
use crate::linux::Timer;
use crate::protocol::{ALARMQ, F_ALARM, REQUESTQ};
use crate::queue::{answer_requests, notify_alarms};
use crate::state;
use crate::transfer::Transfer;
use crate::vhost_user::Shared;
use crate::vring::{Memory, Vring};

/// The back-end. It outlives connections, and so do its alarms; README.md says when they don't.
pub struct Rtc {
    device: Device,
    host: Box<dyn Host>,
    /// One for each clock.
    timers: Vec<Timer>,
    offers_alarms: bool,
    memory: Option<Memory>,
    /// What was written into the configuration space, for whoever reads it.
    config: [u8; counter::LENGTH],
    session: Session,
    transfer: Transfer,
    /// What polls for this connection, as long as it is there.
    handler: Weak<VringEpollHandler<Shared>>,
}

/// What is known of the front-end that is connected.
#[derive(Debug, Default)]
struct Session {
    /// It tells of the guest's counter. So it also tells when a guest begins anew.
    tells: bool,
    /// The device's state is this guest's own: the requestq was started, or state was loaded.
    own: bool,
}

impl Rtc {
    /// A back-end of a device with or without alarms.
    pub fn new(device: Device, host: Box<dyn Host>, offers_alarms: bool) -> io::Result<Rtc> {
        let clocks = device.clocks();
        let kinds = (0..clocks.number()).filter_map(|id| clocks.kind(id));
        let timers = kinds.map(Timer::new).collect::<io::Result<_>>()?;
        Ok(Rtc {
            device,
            host,
            timers,
            offers_alarms,
            memory: None,
            config: [0; counter::LENGTH],
            session: Session::default(),
            transfer: Transfer::None,
            handler: Weak::new(),
        })
    }

    /// The library takes the numbers of queues for their kicks, and the next one for itself.
    fn first_timer(&self) -> usize {
        self.queues() + 1
    }

    fn state_event(&self) -> usize {
        self.first_timer() + self.timers.len()
    }

    /// A front-end is about to connect, to a daemon that was made for it and has this loop.
    pub fn connect(&mut self, handlers: &[Arc<VringEpollHandler<Shared>>]) -> io::Result<()> {
        self.session = Session::default();
        self.transfer = Transfer::None;
        self.memory = None;
        self.config = [0; counter::LENGTH];
        self.device.set_counter(Counter::default());
        self.device.set_has_alarms(false);
        // There is one thread.
        if let Some(handler) = handlers.first() {
            self.handler = Arc::downgrade(handler);
            for (number, timer) in (self.first_timer()..).zip(&self.timers) {
                handler.register_listener(timer.as_raw_fd(), EventSet::IN, number as u64)?;
            }
        }
        Ok(())
    }

    /// Set each timer by its alarm.
    fn arm(&mut self) {
        for (id, timer) in self.timers.iter_mut().enumerate() {
            let deadline = self.device.deadline(id as u16, &mut *self.host);
            if let Err(error) = timer.set(deadline) {
                warn!("the timer of clock {id} can't be set: {error}");
            }
        }
    }

    /// Requests are there, or the requestq has just been started.
    fn run_requests(&mut self, requestq: &Vring) {
        if !std::mem::replace(&mut self.session.own, true)
            && requestq.base() == 0
            && !self.session.tells
        {
            debug!("a guest begins");
            self.device.forget();
        }
        let Some(memory) = self.memory.as_ref().map(GuestAddressSpace::memory) else {
            return;
        };
        let mut vring = requestq.get_mut();
        if !vring.is_enabled() || !vring.get_queue().ready() {
            return;
        }
        let queue = vring.get_queue_mut();
        match answer_requests(queue, &*memory, &mut self.device, &mut *self.host) {
            Ok(true) => call(&vring.signal_used_queue()),
            Ok(false) => {}
            Err(error) => warn!("the requestq can't be read: {error}"),
        }
    }

    /// Look at the alarms, tell the driver of those that have expired, and wait for the others.
    fn run_alarms(&mut self, alarmq: Option<&Vring>) {
        let expired = self.device.look(&mut *self.host);
        if let Some(alarmq) = alarmq.filter(|_| self.device.due().is_some()) {
            if !self.notify(alarmq) && expired {
                // The guest may sleep. Whoever can wake it is told.
                let told = alarmq.signal_error();
                debug!("an alarm expired while the alarmq doesn't run; told: {told}");
            }
        }
        self.arm();
    }

    /// Tell the driver of alarms that are due; false if its queue doesn't run.
    fn notify(&mut self, alarmq: &Vring) -> bool {
        let Some(memory) = self.memory.as_ref().map(GuestAddressSpace::memory) else {
            return false;
        };
        let mut vring = alarmq.get_mut();
        if !self.device.has_alarms() || !vring.is_enabled() || !vring.get_queue().ready() {
            return false;
        }
        match notify_alarms(vring.get_queue_mut(), &*memory, &mut self.device) {
            Ok(true) => call(&vring.signal_used_queue()),
            Ok(false) => {}
            Err(error) => warn!("the alarmq can't be read: {error}"),
        }
        true
    }
}

fn call(result: &io::Result<()>) {
    if let Err(error) = result {
        // EAGAIN: the front-end has so many calls to look at that one more makes no difference.
        if error.kind() != io::ErrorKind::WouldBlock {
            warn!("the driver can't be called: {error}");
        }
    }
}

/// What the front-end's messages, the kicks and the timers do.
impl Rtc {
    /// How many queues there are.
    pub fn queues(&self) -> usize {
        if self.offers_alarms {
            ALARMQ + 1
        } else {
            REQUESTQ + 1
        }
    }

    /// The virtio features that are offered.
    pub fn features(&self) -> u64 {
        1 << VIRTIO_F_VERSION_1
            | 1 << VIRTIO_RING_F_INDIRECT_DESC
            | 1 << VIRTIO_RING_F_EVENT_IDX
            | VhostUserVirtioFeatures::LOG_ALL.bits()
            | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
            | u64::from(self.offers_alarms) << F_ALARM
    }

    /// The driver has accepted these features.
    pub fn acked_features(&mut self, features: u64) {
        self.device.set_has_alarms(features & 1 << F_ALARM != 0);
    }

    /// What the device speaks of vhost-user.
    pub fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::MQ
            | VhostUserProtocolFeatures::REPLY_ACK
            | VhostUserProtocolFeatures::CONFIG
            | VhostUserProtocolFeatures::LOG_SHMFD
            | VhostUserProtocolFeatures::RESET_DEVICE
            | VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS
            | VhostUserProtocolFeatures::DEVICE_STATE
    }

    /// The driver resets the device, or a guest begins.
    pub fn reset_device(&mut self) {
        if self.session.own {
            debug!("the device is reset; its alarms are disabled");
            self.device.reset();
        } else {
            debug!("a guest begins");
            self.device.forget();
            self.device.set_has_alarms(false);
        }
        self.arm();
    }

    /// What was written into the configuration space. An answer of another length than was
    /// asked for says that there is nothing there.
    pub fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        let from = offset as usize;
        let bytes = from
            .checked_add(size as usize)
            .and_then(|to| self.config.get(from..to));
        bytes.map(<[u8]>::to_vec).unwrap_or_default()
    }

    /// The front-end tells of the guest's counter.
    pub fn set_config(&mut self, offset: u32, bytes: &[u8]) -> io::Result<()> {
        let counter = Counter::parse(offset, bytes).map_err(|error| {
            warn!("a write to the configuration is refused: {error}");
            io::Error::new(io::ErrorKind::InvalidInput, error)
        })?;
        self.device.set_counter(counter);
        self.config.copy_from_slice(bytes);
        self.session.tells = true;
        Ok(())
    }

    /// The guest's memory is another.
    pub fn update_memory(&mut self, memory: Memory) {
        self.memory = Some(memory);
    }

    /// A kick, a queue that was started, or a timer.
    pub fn handle_event(&mut self, event: u16, vrings: &[Vring]) {
        let (event, alarmq) = (usize::from(event), vrings.get(ALARMQ));
        match (event, vrings.get(REQUESTQ)) {
            (REQUESTQ, Some(requestq)) => {
                self.run_requests(requestq);
                if self.device.alarms_changed() {
                    self.run_alarms(alarmq);
                }
            }
            _ if event == self.state_event() => self.transfer.read(),
            _ => {
                if let Some(timer) = event
                    .checked_sub(self.first_timer())
                    .and_then(|id| self.timers.get(id))
                {
                    timer.clear();
                }
                self.run_alarms(alarmq);
            }
        }
    }

    /// The device's state is to be written, or will be there to be read.
    pub fn set_device_state_fd(
        &mut self,
        direction: VhostTransferStateDirection,
        file: File,
    ) -> io::Result<()> {
        self.transfer = match direction {
            VhostTransferStateDirection::LOAD => Transfer::load(file),
            VhostTransferStateDirection::SAVE => {
                Transfer::save(file, &state::save(&mut self.device, &mut *self.host))
            }
        };
        if let (Some(fd), Some(handler)) = (self.transfer.fd(), self.handler.upgrade()) {
            // It is no longer polled when it is closed, which it is at its end.
            handler.register_listener(fd, EventSet::IN, self.state_event() as u64)?;
        }
        Ok(())
    }

    /// Whether the state was written, or was read and is good.
    pub fn check_device_state(&mut self) -> io::Result<()> {
        let Some(bytes) = std::mem::take(&mut self.transfer).finish()? else {
            return Ok(());
        };
        state::load(&bytes, &mut self.device, &mut *self.host).map_err(|error| {
            warn!("the device's state is refused: {error}");
            io::Error::new(io::ErrorKind::InvalidData, error)
        })?;
        self.session.own = true;
        self.device.look(&mut *self.host);
        self.arm();
        Ok(())
    }
}
