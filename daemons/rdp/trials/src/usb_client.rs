// SPDX-License-Identifier: GPL-2.0-or-later
//! annex-usb's session with devices in software, in a thread of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use annex_usb::client::Event;
use annex_usb::device::{self, Description, DeviceId, Ended};
use annex_usb::session::{ends, Change, Server, Session};
use anyhow::{anyhow, Context, Result};
use rdp_usb::testing::{Device as _, Stick};
use rdp_usb::{Done, Operation, OperationId, UsbdStatus};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use usbredir::Speed;

use crate::machine::LOGIN;

/// A stick that a test looks into, while it is plugged in and when it isn't. Clones are the same.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<State>>);

struct State {
    stick: Stick,
    /// Transfers wait.
    held: bool,
    /// Those that wait now.
    waiting: usize,
}

impl Shared {
    /// One with these blocks.
    pub fn new(blocks: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State {
            stick: with(blocks),
            held: false,
            waiting: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it is held")
    }

    /// What is on it.
    pub fn blocks(&self) -> Vec<u8> {
        self.lock().stick.blocks.clone()
    }

    /// From now on it ends no transfer, until it is plugged in anew.
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Whether a transfer waits for it.
    pub fn is_awaited(&self) -> bool {
        self.lock().waiting > 0
    }
}

fn with(blocks: Vec<u8>) -> Stick {
    let mut stick = Stick::new(0);
    stick.blocks = blocks;
    stick
}

/// The stick, plugged in.
struct Plugged {
    stick: Shared,
    id: DeviceId,
    ended: Ended,
    waiting: Vec<(OperationId, Operation)>,
}

impl Plugged {
    fn end(&self, operation: OperationId, done: Done) {
        // An error: the session has ended.
        let _ = self.ended.send((self.id, operation, done));
    }
}

impl device::Device for Plugged {
    fn begin(&mut self, id: OperationId, operation: Operation) {
        let stick = self.stick.clone();
        let mut state = stick.lock();
        match operation {
            Operation::Cancel(wanted) => {
                let at = self.waiting.iter().position(|(id, _)| *id == wanted);
                if let Some(at) = at {
                    self.waiting.remove(at);
                    self.end(wanted, Done::with(UsbdStatus::CANCELED));
                }
            }
            operation => self.waiting.push((id, operation)),
        }
        for (id, operation) in std::mem::take(&mut self.waiting) {
            let is_held = state.held && matches!(operation, Operation::Bulk { .. });
            let done = (!is_held)
                .then(|| state.stick.perform(&operation))
                .flatten();
            match done {
                Some(done) => self.end(id, done),
                None => self.waiting.push((id, operation)),
            }
        }
        state.waiting = self.waiting.len();
    }
}

/// annex-usb, without devices at first. Dropped, it is as if it had been killed: the connection
/// ends, and nothing is said before.
pub struct UsbClient {
    changes: mpsc::Sender<Change>,
    ended: Ended,
    events: Arc<Mutex<Vec<Event>>>,
    next: u32,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl UsbClient {
    /// Connects and logs in, and asks for no pictures, as annex-usb does.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        Self::start(address, false)
    }

    /// Likewise, and is sent the screen as well, as clients are that show it.
    pub fn with_pictures(address: SocketAddr) -> Result<Self> {
        Self::start(address, true)
    }

    fn start(address: SocketAddr, pictures: bool) -> Result<Self> {
        let server = Server {
            host: address.ip().to_string(),
            port: address.port(),
            user: LOGIN.0.into(),
            password: LOGIN.1.into(),
            domain: None,
        };
        let (changes, receiver) = mpsc::channel(16);
        let (ended, done) = ends();
        let (end, killed) = oneshot::channel();
        let (ready, connected) = std::sync::mpsc::channel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = events.clone();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut session = Session::connect(&server).await?;
                if !pictures {
                    session.want_no_pictures().await?;
                }
                ready.send(())?;
                let tell = |event| told.lock().expect("no panic while it is held").push(event);
                tokio::select! {
                    ran = session.run(receiver, done, tell) => ran,
                    _ = killed => Ok(()),
                }
            })
        });
        if connected.recv().is_err() {
            let why = thread
                .join()
                .map_err(|_| anyhow!("the client has panicked"))?;
            return Err(why.err().context("a client that ends")?);
        }
        Ok(Self {
            changes,
            ended,
            events,
            next: 1,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// Plugs a stick in.
    pub fn plug(&mut self, stick: &Shared) -> Result<DeviceId> {
        let id = DeviceId(self.next);
        self.next += 1;
        let description = {
            let mut state = stick.lock();
            // It has lost its power.
            let blocks = std::mem::take(&mut state.stick.blocks);
            *state = State {
                stick: with(blocks),
                held: false,
                waiting: 0,
            };
            Description {
                bus: 1,
                address: id.0 as u8,
                ports: vec![id.0 as u8],
                speed: Speed::HIGH,
                device: state.stick.descriptor(),
                configurations: vec![state.stick.configuration()],
            }
        };
        let plugged = Plugged {
            stick: stick.clone(),
            id,
            ended: self.ended.clone(),
            waiting: Vec::new(),
        };
        let change = Change::Arrived(id, description, Box::new(plugged));
        self.tell(change)?;
        Ok(id)
    }

    fn tell(&self, change: Change) -> Result<()> {
        let told = self.changes.blocking_send(change);
        told.map_err(|_| anyhow!("the session has ended"))
    }

    /// Unplugs a device.
    pub fn unplug(&self, id: DeviceId) -> Result<()> {
        let change = Change::Left(id);
        self.tell(change)
    }

    /// Whether this has happened.
    pub fn has_seen(&self, event: &Event) -> bool {
        self.events
            .lock()
            .expect("no panic while it is held")
            .contains(event)
    }

    /// Ends the session in order, as annex-usb does when it is interrupted.
    pub fn leave(mut self) -> Result<()> {
        let thread = self.thread.take().context("its thread")?;
        // The session ends with the last sender of changes.
        self.changes = mpsc::channel(1).0;
        thread
            .join()
            .map_err(|_| anyhow!("the client has panicked"))?
    }
}

impl Drop for UsbClient {
    fn drop(&mut self) {
        if let (Some(end), Some(thread)) = (self.end.take(), self.thread.take()) {
            // Errors: it has ended by itself, maybe with one.
            let _ = end.send(());
            let _ = thread.join();
        }
    }
}
