// SPDX-License-Identifier: GPL-2.0-or-later
//! Clients come and go. One sees the screen: the one that logged in last.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{watch, Mutex, Semaphore};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::session::{Common, Session};

/// Connections at a time, most of which haven't logged in.
const CONNECTIONS: usize = 16;
/// How long sessions may take to end: longer than a session that can't tell its client.
const END: Duration = Duration::from_secs(4);
/// After an error of accept(): there are no descriptors left, say, and soon there may be.
const PAUSE: Duration = Duration::from_millis(100);

struct Server {
    common: Common,
    /// Ends the session that there is.
    current: RefCell<Option<watch::Sender<bool>>>,
    /// Whoever shows the screen holds it.
    turn: Mutex<()>,
    stop: watch::Receiver<bool>,
}

/// Serves clients until `stop` becomes true, and ends their sessions. Within a LocalSet.
pub async fn serve(listener: TcpListener, common: Common, mut stop: watch::Receiver<bool>) {
    let places = std::sync::Arc::new(Semaphore::new(CONNECTIONS));
    let server = Rc::new(Server {
        common,
        current: RefCell::default(),
        turn: Mutex::default(),
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
    if let Some(end) = server.current.take() {
        end.send_replace(true);
    }
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
        let (end, ended) = watch::channel(*self.stop.borrow());
        if let Some(other) = self.current.replace(Some(end)) {
            other.send_replace(true);
        }
        let turn = self.turn.lock().await;
        let result = session.run(ended).await;
        drop(turn);
        log::info!("{peer}: left");
        result
    }
}
