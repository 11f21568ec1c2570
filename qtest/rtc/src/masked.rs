// SPDX-License-Identifier: GPL-2.0-or-later
//! Between QEMU and a daemon: a back-end that has fewer of the protocol's features
//! than the daemon behind it.

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use annex_peers::vhost_user::wire::{packet, Code, Wire, VERSION};
use anyhow::Result;

/// Listens on `socket`, and hands all messages on to the daemon on `to`; of its
/// protocol features those in `without` aren't told.
pub fn start(socket: &Path, to: &Path, without: u64) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    let to: PathBuf = to.into();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that ends is the trial's end.
            let _ = serve(stream, &to, without);
        }
    });
    Ok(())
}

fn serve(stream: UnixStream, to: &Path, without: u64) -> Result<()> {
    let (mut qemu, mut daemon) = (Wire::over(stream), Wire::over(UnixStream::connect(to)?));
    while let Some(message) = qemu.take()? {
        let fds: Vec<_> = message.fds.iter().map(AsFd::as_fd).collect();
        daemon.raw(&message.packet(), &fds)?;
        if !message.has_answer() {
            continue;
        }
        let Some(answer) = daemon.take()? else {
            break;
        };
        let mut bytes = answer.packet();
        if answer.code == Code::GET_PROTOCOL_FEATURES {
            let features = answer.u64(0) & !without;
            // The head is as it was.
            let payload = packet(0, VERSION, &features.to_le_bytes());
            bytes[12..].copy_from_slice(&payload[12..]);
        }
        let fds: Vec<_> = answer.fds.iter().map(AsFd::as_fd).collect();
        qemu.raw(&bytes, &fds)?;
    }
    Ok(())
}
