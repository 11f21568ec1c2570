// SPDX-License-Identifier: GPL-2.0-or-later
//! Clients come and go. All of them are the same user's, so they have their sessions side by side:
//! one shows the screen, say, and another brings USB devices. Who logs in when there is no place
//! left takes that of the session which has lasted longest.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{watch, Semaphore};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::session::{Common, Session, Stop};

/// Connections at a time, most of which haven't logged in.
const CONNECTIONS: usize = 16;
/// Sessions at a time. Each is sent the screen for itself.
pub const SESSIONS: usize = 4;
/// How long sessions may take to end: longer than a session that can't tell its client.
const END: Duration = Duration::from_secs(4);
/// After an error of accept(): there are no descriptors left, say, and soon there may be.
const PAUSE: Duration = Duration::from_millis(100);

/// The sessions that nobody has ended, the earliest first: what ends them.
#[derive(Default)]
struct Sessions(RefCell<VecDeque<watch::Sender<Stop>>>);

impl Sessions {
    /// A session begins, which ends when this says so. The earliest one has to, if there are too
    /// many.
    fn begin(&self) -> watch::Receiver<Stop> {
        let (end, ended) = watch::channel(Stop::No);
        let mut ends = self.0.borrow_mut();
        // Those that have ended by themselves.
        ends.retain(|end| !end.is_closed());
        ends.push_back(end);
        if ends.len() > SESSIONS {
            if let Some(earliest) = ends.pop_front() {
                log::info!("there are {SESSIONS} sessions: the earliest one is ended");
                earliest.send_replace(Stop::Displaced);
            }
        }
        ended
    }

    fn end_all(&self) {
        for end in self.0.borrow_mut().drain(..) {
            end.send_replace(Stop::Server);
        }
    }
}

struct Server {
    common: Common,
    sessions: Sessions,
    /// A place for each session that stands.
    places: Semaphore,
    stop: watch::Receiver<bool>,
}

/// Serves clients until `stop` becomes true, and ends their sessions. Within a LocalSet.
pub async fn serve(listener: TcpListener, common: Common, mut stop: watch::Receiver<bool>) {
    let places = std::sync::Arc::new(Semaphore::new(CONNECTIONS));
    let server = Rc::new(Server {
        common,
        sessions: Sessions::default(),
        places: Semaphore::new(SESSIONS),
        stop: stop.clone(),
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                log::warn!("accept a connection: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            log::warn!("{peer}: turned away, there are {CONNECTIONS} connections");
            continue;
        };
        let server = server.clone();
        spawn_local(async move {
            if let Err(error) = server.client(stream, peer).await {
                log::warn!("{peer}: {error:#}");
            }
            drop(place);
        });
    }
    server.sessions.end_all();
    // An error: a session hangs, and dies with this process.
    let _ = timeout(END, places.acquire_many(CONNECTIONS as u32)).await;
}

impl Server {
    async fn client(&self, stream: TcpStream, peer: SocketAddr) -> anyhow::Result<()> {
        log::info!("{peer}: connected");
        let mut stop = self.stop.clone();
        let session = tokio::select! {
            session = Session::accept(stream, peer, self.common.clone()) => session?,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        log::info!("{peer}: logged in");
        let ended = self.sessions.begin();
        if *self.stop.borrow() {
            self.sessions.end_all();
        }
        let place = self.places.acquire().await?;
        let result = session.run(ended).await;
        drop(place);
        log::info!("{peer}: left");
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_session_makes_room() {
        let sessions = Sessions::default();
        let mut all: Vec<_> = (0..SESSIONS).map(|_| sessions.begin()).collect();
        let stops = |all: &[watch::Receiver<Stop>]| -> Vec<Stop> {
            all.iter().map(|stop| *stop.borrow()).collect()
        };
        assert_eq!(stops(&all), [Stop::No; SESSIONS]);
        // One that has ended by itself is in nobody's way.
        drop(all.remove(1));
        all.push(sessions.begin());
        assert_eq!(stops(&all), [Stop::No; SESSIONS]);
        all.push(sessions.begin());
        let mut expected = vec![Stop::Displaced];
        expected.resize(SESSIONS + 1, Stop::No);
        assert_eq!(stops(&all), expected);
        sessions.end_all();
        expected[1..].fill(Stop::Server);
        assert_eq!(stops(&all), expected);
    }
}
