// SPDX-License-Identifier: GPL-2.0-or-later
//! The byte streams to the `usb-redir`s.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::time::{interval, sleep, MissedTickBehavior};

use crate::hub::{Interest, LinkId};
use crate::session::Usb;

/// How often the hub is told the time, and a socket is tried again.
const TICK: Duration = Duration::from_secs(1);
/// What is read at once, in bytes.
const CHUNK: usize = 1 << 16;

/// A `usb-redir`: what connects it.
pub struct Link {
    usb: Usb,
    id: LinkId,
    wake: Arc<Notify>,
}

impl Link {
    pub(crate) fn new(usb: Usb, id: LinkId, wake: Arc<Notify>) -> Link {
        Link { usb, id, wake }
    }

    /// Connects it by a stream, until that ends or QEMU hasn't begun to speak after some seconds; then it may be run again with another one, but
    /// not before. A device that was in it waits for that. When this is dropped, the stream is
    /// closed.
    ///
    /// # Errors
    ///
    /// The stream failed. One that QEMU has closed is no error.
    pub async fn run(&self, stream: UnixStream) -> io::Result<()> {
        let connection = Connection::begin(self);
        connection.serve(&stream).await
    }

    /// Connects it by the Unix socket of a `-chardev socket,server=on,wait=off`, again and again.
    pub async fn run_socket(&self, path: &Path) {
        let mut said = false;
        loop {
            match UnixStream::connect(path).await {
                Ok(stream) => {
                    said = false;
                    if let Err(error) = self.run(stream).await {
                        log::warn!("{}: {error}", path.display());
                    }
                }
                Err(error) if !said => {
                    log::warn!("{}: {error}; it is tried again", path.display());
                    said = true;
                }
                Err(_) => (),
            }
            sleep(TICK).await;
        }
    }
}

/// A link while it is connected: the hub is told of its end, however it comes.
struct Connection<'a>(&'a Link);

impl<'a> Connection<'a> {
    fn begin(link: &'a Link) -> Connection<'a> {
        link.usb.hub(|hub| hub.connected(link.id, Instant::now()));
        Connection(link)
    }

    async fn serve(&self, stream: &UnixStream) -> io::Result<()> {
        let Link { usb, id, wake } = self.0;
        let id = *id;
        let mut buffer = vec![0; CHUNK];
        // What has been read and couldn't be taken yet.
        let (mut start, mut end) = (0, 0);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let Interest { read, write } = usb.hub(|hub| {
                if start < end {
                    let mut bytes = &buffer[start..end];
                    hub.receive(id, &mut bytes, Instant::now());
                    start = end - bytes.len();
                }
                hub.interest(id)
            });
            tokio::select! {
                readable = stream.readable(), if read && start == end => {
                    readable?;
                    match stream.try_read(&mut buffer) {
                        Ok(0) => return Ok(()),
                        Ok(count) => (start, end) = (0, count),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                        Err(error) => return Err(error),
                    }
                }
                writable = stream.writable(), if write => {
                    writable?;
                    usb.hub(|hub| match stream.try_write(hub.unsent(id)) {
                        Ok(count) => {
                            hub.sent(id, count, Instant::now());
                            Ok(())
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                        Err(error) => Err(error),
                    })?;
                }
                () = wake.notified() => (),
                _ = ticks.tick() => {
                    let now = Instant::now();
                    usb.hub(|hub| hub.tick(now));
                    if usb.hub(|hub| hub.is_mute(id, now)) {
                        log::debug!("a usb-redir that doesn't say hello is connected anew");
                        return Ok(());
                    }
                }
            }
        }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        let id = self.0.id;
        self.0.usb.hub(|hub| hub.disconnected(id, Instant::now()));
    }
}
