// SPDX-License-Identifier: GPL-2.0-or-later
//! The channels as IronRDP wants them, and what a session is told to send.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ironrdp_core::impl_as_any;
use ironrdp_dvc::{
    encode_dvc_messages, DrdynvcServer, DvcMessage, DvcProcessor, DvcServerProcessor,
};
use ironrdp_pdu::{encode_err, PduResult};
use ironrdp_rdpeusb::CHANNEL_NAME;
use ironrdp_svc::{ChannelFlags, SvcMessage};
use tokio::sync::{mpsc, Notify};

use crate::hub::{ChannelId, Config, Hub, Interest, Output, SessionId};
use crate::link::Link;

/// The `usb-redir`s of a virtual machine, and the sessions that have devices for them, side by
/// side: how many there are is the caller's to bound. It outlives sessions. Clones are the same.
#[derive(Clone)]
pub struct Usb(Arc<Mutex<State>>);

struct State {
    hub: Hub,
    /// The last session that was prepared.
    last: SessionId,
    /// Where messages go, for each session that stands.
    sessions: BTreeMap<SessionId, mpsc::UnboundedSender<ToSession>>,
    /// For each link.
    wakers: Vec<Waker>,
}

struct Waker {
    notify: Arc<Notify>,
    last: Interest,
}

/// What a session is to send, in order. What waits here is bounded by [`Config::limits`] for each
/// `usb-redir`: when a session is slow, QEMU isn't read.
pub type Messages = mpsc::UnboundedReceiver<ToSession>;

/// What a session is to do; [`ToSession::apply`] does it.
pub enum ToSession {
    /// Open a channel for a device.
    Open(Channel),
    /// Send messages on a channel.
    Send {
        /// The channel's id.
        channel: u32,
        /// What is sent.
        messages: Vec<DvcMessage>,
    },
    /// Close a channel.
    Close {
        /// The channel's id.
        channel: u32,
    },
}

impl ToSession {
    /// Makes messages of the static channel `drdynvc` of it, which are to be sent as they are.
    /// None for a channel that has been closed meanwhile.
    ///
    /// # Errors
    ///
    /// One of them can't be encoded.
    pub fn apply(self, drdynvc: &mut DrdynvcServer) -> PduResult<Vec<SvcMessage>> {
        match self {
            ToSession::Open(channel) => Ok(vec![drdynvc.create_channel(channel)?]),
            ToSession::Send { channel, messages } if drdynvc.is_channel_opened(channel) => {
                encode_dvc_messages(channel, messages, ChannelFlags::SHOW_PROTOCOL)
                    .map_err(|error| encode_err!(error))
            }
            ToSession::Send { .. } => Ok(vec![]),
            ToSession::Close { channel } => {
                Ok(drdynvc.close_channel(channel).into_iter().collect())
            }
        }
    }
}

impl Usb {
    /// No `usb-redir`s, and no session.
    pub fn new(config: Config) -> Usb {
        Usb(Arc::new(Mutex::new(State {
            hub: Hub::new(config),
            last: 0,
            sessions: BTreeMap::new(),
            wakers: Vec::new(),
        })))
    }

    /// Adds a `usb-redir`, with a name for logs. [`Link::run`] connects it.
    pub fn add(&self, name: &str) -> Link {
        let wake = Arc::new(Notify::new());
        let id = self.with(|state| {
            state.wakers.push(Waker {
                notify: wake.clone(),
                last: Interest::default(),
            });
            state.hub.add_link(name)
        });
        Link::new(self.clone(), id, wake)
    }

    /// Says whether all `usb-redir`s have been added, as they are if nothing else is said. While
    /// more may be, devices for which none is free wait; then clients are told that they aren't
    /// wanted.
    pub fn set_complete(&self, complete: bool) {
        self.hub(|hub| hub.set_complete(complete, Instant::now()));
    }

    /// A session's control channel, which is to be added to its `drdynvc`, and what it is to
    /// send. The session begins when a client has opened that channel, and ends when the channel is
    /// dropped: its devices are unplugged then, and no other session's.
    pub fn session(&self) -> (Channel, Messages) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let session = self.with(|state| {
            state.last += 1;
            state.last
        });
        (self.channel(session, Role::Control(sender)), receiver)
    }

    /// Begins a session, on a channel that has been opened.
    fn begin(&self, session: SessionId, sender: mpsc::UnboundedSender<ToSession>, number: u32) {
        self.with(|state| {
            state.sessions.insert(session, sender);
            state.hub.control_opened(ChannelId { session, number });
        });
    }

    /// Ends a session, if it has begun.
    fn end(&self, session: SessionId) {
        // What waits for it may be channels: dropped when nothing is locked.
        let _waiting = self.with(|state| {
            state.hub.session_ended(session, Instant::now());
            state.sessions.remove(&session)
        });
    }

    fn channel(&self, session: SessionId, role: Role) -> Channel {
        Channel {
            usb: self.clone(),
            session,
            role,
            opened: false,
        }
    }

    pub(crate) fn hub<R>(&self, act: impl FnOnce(&mut Hub) -> R) -> R {
        self.with(|state| act(&mut state.hub))
    }

    /// Does something; what comes of it goes to the sessions and the links.
    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.0.lock().expect("no panic while it is held");
        let result = act(&mut state);
        let mut refused = Vec::new();
        while let Some(output) = state.hub.poll_output() {
            let session = output.session();
            let message = match output {
                Output::Open(_) => ToSession::Open(self.channel(session, Role::Device)),
                Output::Send(to, messages) => ToSession::Send {
                    channel: to.number,
                    messages,
                },
                Output::Close(it) => ToSession::Close { channel: it.number },
            };
            match state.sessions.get(&session) {
                Some(sender) => refused.extend(sender.send(message).err().map(|error| error.0)),
                None => refused.push(message),
            }
        }
        state.wake();
        // A channel among them wants the lock when it is dropped.
        drop(state);
        drop(refused);
        result
    }
}

impl State {
    /// Wakes the links that can do what they couldn't, or needn't what they had to.
    fn wake(&mut self) {
        for (link, waker) in self.wakers.iter_mut().enumerate() {
            let now = self.hub.interest(link);
            if now != waker.last {
                waker.last = now;
                waker.notify.notify_one();
            }
        }
    }
}

enum Role {
    /// With where the session's messages go.
    Control(mpsc::UnboundedSender<ToSession>),
    Device,
}

/// A dynamic channel "URBDRC". Nothing that a client sends on it is an error of the session.
pub struct Channel {
    usb: Usb,
    session: SessionId,
    role: Role,
    opened: bool,
}

impl Channel {
    /// Does something to the hub, unless the session has ended.
    fn hub(&self, act: impl FnOnce(&mut Hub)) {
        self.usb.with(|state| {
            if state.sessions.contains_key(&self.session) {
                act(&mut state.hub);
            }
        });
    }

    fn id(&self, number: u32) -> ChannelId {
        ChannelId {
            session: self.session,
            number,
        }
    }
}

impl DvcProcessor for Channel {
    fn channel_name(&self) -> &str {
        CHANNEL_NAME
    }

    // All that is sent goes through Messages, so that it stays in order.

    fn start(&mut self, channel: u32) -> PduResult<Vec<DvcMessage>> {
        self.opened = true;
        match &self.role {
            Role::Control(sender) => self.usb.begin(self.session, sender.clone(), channel),
            Role::Device => self.hub(|hub| hub.device_opened(self.id(channel))),
        }
        Ok(vec![])
    }

    fn process(&mut self, channel: u32, message: &[u8]) -> PduResult<Vec<DvcMessage>> {
        self.hub(|hub| hub.message(self.id(channel), message, Instant::now()));
        Ok(vec![])
    }

    fn close(&mut self, channel: u32) {
        self.hub(|hub| hub.closed(self.id(channel), Instant::now()));
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        match self.role {
            Role::Control(_) => self.usb.end(self.session),
            Role::Device if !self.opened => self.hub(|hub| hub.device_not_opened(self.session)),
            Role::Device => (),
        }
    }
}

impl_as_any!(Channel);

impl DvcServerProcessor for Channel {}
