// SPDX-License-Identifier: GPL-2.0-or-later
//! annex-usb's session with devices in software, in a thread of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use annex_usb::client::Event;
use annex_usb::device::{self, Description, DeviceId, Ended};
use annex_usb::devices::{Change, Devices};
use annex_usb::keep::{keep, News};
use annex_usb::reconnect::Reconnect;
use annex_usb::session::Session;
use annex_usb::testing::description;
use anyhow::{anyhow, Context, Result};
use rdp_usb::testing::{Device as _, Stick};
use rdp_usb::{Done, Operation, OperationId, UsbdStatus};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

use crate::client::server;
use crate::machine::LOGIN;

/// A stick that a test looks into, while it is plugged in and when it isn't. Clones are the same.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<State>>);

struct State {
    stick: Stick,
    /// Transfers wait.
    held: bool,
    /// Those that wait now.
    waiting: Vec<(OperationId, Operation)>,
    /// Where it is plugged in, and who is told of ends.
    plugged: Option<(DeviceId, Ended)>,
}

impl Shared {
    /// One with these blocks.
    pub fn new(blocks: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State {
            stick: with(blocks),
            held: false,
            waiting: Vec::new(),
            plugged: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it is held")
    }

    /// What is on it.
    pub fn blocks(&self) -> Vec<u8> {
        self.lock().stick.blocks.clone()
    }

    /// From now on it ends no transfer, until it is released or plugged in anew.
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// It goes on, with what waits for it.
    pub fn release(&self) {
        let mut state = self.lock();
        state.held = false;
        state.go_on();
    }

    /// Whether a transfer waits for it.
    pub fn is_awaited(&self) -> bool {
        !self.lock().waiting.is_empty()
    }
}

fn with(blocks: Vec<u8>) -> Stick {
    let mut stick = Stick::new(0);
    stick.blocks = blocks;
    stick
}

impl State {
    /// It has lost its power, or was reset.
    fn begin_anew(&mut self) {
        let blocks = std::mem::take(&mut self.stick.blocks);
        self.stick = with(blocks);
    }

    fn end(&self, operation: OperationId, done: Done) {
        if let Some((id, ended)) = &self.plugged {
            // An error: the session has ended.
            let _ = ended.send((*id, operation, done));
        }
    }

    fn begin(&mut self, id: OperationId, operation: Operation) {
        match operation {
            Operation::Cancel(wanted) => {
                let at = self.waiting.iter().position(|(id, _)| *id == wanted);
                if let Some(at) = at {
                    self.waiting.remove(at);
                    self.end(wanted, Done::with(UsbdStatus::CANCELED));
                }
            }
            Operation::Reset => {
                self.begin_anew();
                self.end(id, Done::with(UsbdStatus::SUCCESS));
            }
            operation => self.waiting.push((id, operation)),
        }
        self.go_on();
    }

    fn go_on(&mut self) {
        for (id, operation) in std::mem::take(&mut self.waiting) {
            let is_held = self.held && matches!(operation, Operation::Bulk { .. });
            let done = (!is_held).then(|| self.stick.perform(&operation)).flatten();
            match done {
                Some(done) => self.end(id, done),
                None => self.waiting.push((id, operation)),
            }
        }
    }
}

/// The stick, plugged in. When it is dropped, it is unplugged.
struct Plugged(Shared);

impl device::Device for Plugged {
    fn begin(&mut self, id: OperationId, operation: Operation) {
        self.0.lock().begin(id, operation);
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.waiting.clear();
        state.plugged = None;
    }
}

/// What a client does beside sharing devices.
#[derive(Clone, Copy)]
enum Kind {
    /// It asks for no pictures, and connects again when the connection goes, as annex-usb does.
    Kept,
    /// It asks for no pictures, for one session.
    Once,
    /// It is sent the screen as well, for one session.
    Pictures,
}

/// annex-usb, without devices at first. Dropped, it is as if it had been killed: the connection
/// ends, and nothing is said before.
pub struct UsbClient {
    changes: mpsc::Sender<Change>,
    ended: Ended,
    news: Arc<Mutex<Vec<News>>>,
    next: u32,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl UsbClient {
    /// Connects and logs in, for one session.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        Self::start(address, Kind::Once)
    }

    /// Likewise, and is sent the screen as well, as clients are that show it.
    pub fn with_pictures(address: SocketAddr) -> Result<Self> {
        Self::start(address, Kind::Pictures)
    }

    /// Connects and logs in, and again when the connection goes, as annex-usb does.
    pub fn kept(address: SocketAddr) -> Result<Self> {
        Self::start(address, Kind::Kept)
    }

    fn start(address: SocketAddr, kind: Kind) -> Result<Self> {
        let server = server(address, LOGIN.0, LOGIN.1);
        let (mut devices, changes, ended) = Devices::new();
        let (end, killed) = oneshot::channel();
        let (ready, connected) = std::sync::mpsc::channel();
        let news = Arc::new(Mutex::new(Vec::new()));
        let told = news.clone();
        let tell = move |news| {
            if matches!(news, News::Connected) {
                // An error: it isn't the first session.
                let _ = ready.send(());
            }
            told.lock().expect("no panic while it is held").push(news);
        };
        let run = move || async move {
            if let Kind::Kept = kind {
                return keep(&server, Reconnect::new(None), devices, tell).await;
            }
            let mut session = Session::connect(&server).await?;
            tell(News::Connected);
            let tell = |event| tell(News::Device(event));
            match kind {
                Kind::Pictures => session.run(&mut devices, tell).await?,
                _ => session.share(&mut devices, tell).await?,
            };
            Ok(())
        };
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::select! {
                    ran = run() => ran,
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
            news,
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
            state.begin_anew();
            state.held = false;
            state.plugged = Some((id, self.ended.clone()));
            Description {
                address: id.0 as u8,
                ports: vec![id.0 as u8],
                ..description(&state.stick)
            }
        };
        let plugged = Plugged(stick.clone());
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

    /// How often this has happened.
    pub fn has_seen(&self, is_it: impl Fn(&News) -> bool) -> usize {
        let news = self.news.lock().expect("no panic while it is held");
        news.iter().filter(|news| is_it(news)).count()
    }

    /// How often this has happened to a device.
    pub fn has_seen_event(&self, event: &Event) -> usize {
        self.has_seen(|news| matches!(news, News::Device(it) if it == event))
    }

    /// Waits for the end that it makes by itself.
    pub fn ended(mut self) -> Result<()> {
        let thread = self.thread.take().context("its thread")?;
        thread
            .join()
            .map_err(|_| anyhow!("the client has panicked"))?
    }

    /// Ends the session in order, as annex-usb does when it is interrupted.
    pub fn leave(mut self) -> Result<()> {
        // The session ends with the last sender of changes.
        self.changes = mpsc::channel(1).0;
        self.ended()
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
