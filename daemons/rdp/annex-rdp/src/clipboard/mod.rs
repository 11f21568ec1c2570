// SPDX-License-Identifier: GPL-2.0-or-later
//! Text that is copied in the guest and pasted at a client, and the other way.
//!
//! ```text
//!   guest's agent --- QEMU --- D-Bus --- qemu --> hub <-- channel --- cliprdr --- client
//! ```
//!
//! [`hub`] decides and [`text`] converts, without I/O. Whatever is wrong with a clipboard, on
//! either side, costs the clipboard and neither the session nor QEMU's time.

mod channel;
pub mod hub;
pub mod qemu;
pub mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

pub use channel::{Channel, Outbox};
pub use hub::Directions;
use hub::{Hub, SessionId};

/// The clipboard of a guest and its clients. It outlives sessions. Clones are the same.
#[derive(Clone, Debug)]
pub struct Clipboard {
    state: Arc<Mutex<State>>,
    /// There is something to do at QEMU.
    qemu: Arc<Notify>,
    directions: Directions,
}

#[derive(Debug)]
struct State {
    hub: Hub,
    /// The last session that was prepared.
    last: SessionId,
    /// There is something for a session.
    sessions: BTreeMap<SessionId, Arc<Notify>>,
}

impl Clipboard {
    /// An empty one, without QEMU and sessions.
    pub fn new(directions: Directions) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                hub: Hub::new(directions),
                last: 0,
                sessions: BTreeMap::new(),
            })),
            qemu: Arc::default(),
            directions,
        }
    }

    /// A session's channel, and what it is to send on it beside answers. None: texts go neither
    /// way. The session has a clipboard from when the channel is started, which it is if the client
    /// wants it, until it is dropped.
    pub fn session(&self) -> Option<(Channel, Outbox)> {
        if self.directions == Directions::Off {
            return None;
        }
        let wake = Arc::<Notify>::default();
        let id = self.with_state(|state| {
            state.last += 1;
            state.sessions.insert(state.last, wake.clone());
            state.last
        });
        let channel = Channel::new(self.clone(), id);
        Some((channel, Outbox::new(self.clone(), id, wake)))
    }

    fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // Each change is done when it panics, or never begins.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut state)
    }

    /// Does something with the hub, and wakes who has something to do then.
    fn hub<T>(&self, work: impl FnOnce(&mut Hub) -> T) -> T {
        self.with_state(|state| {
            let result = work(&mut state.hub);
            for (id, wake) in &state.sessions {
                if state.hub.has_for(*id) {
                    wake.notify_one();
                }
            }
            if state.hub.has_todo() {
                self.qemu.notify_one();
            }
            result
        })
    }

    fn leave(&self, id: SessionId) {
        self.hub(|hub| hub.leave(id));
        self.with_state(|state| state.sessions.remove(&id));
    }
}
