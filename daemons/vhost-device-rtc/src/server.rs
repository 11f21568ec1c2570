// SPDX-License-Identifier: GPL-2.0-or-later
//! The socket, and the front-ends that come to it, one after another, until a signal comes.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use log::{debug, info, warn};
use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags};
use rustix::net::sockopt::{socket_acceptconn, socket_domain};
use rustix::net::AddressFamily;
use thiserror::Error;
use vhost::vhost_user::{Error as VhostUserError, Listener};
use vhost_user_backend::{Error as DaemonError, ShutdownHandle, VhostUserDaemon};
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};

use crate::backend::Rtc;
use crate::sys;
use crate::vhost_user::{Backend, Shared};

/// The first descriptor that systemd hands over (sd_listen_fds(3)).
const LISTEN_FDS_START: RawFd = 3;
const SIGNALS: [libc::c_int; 2] = [libc::SIGTERM, libc::SIGINT];

/// Why the daemon can't serve.
#[derive(Debug, Error)]
pub enum ServerError {
    /// No socket is named.
    #[error("say --socket-path or --socket-fd, or start it by systemd's socket")]
    NoSocket,
    /// The socket can't be made.
    #[error("the socket {0}: {1}")]
    Bind(PathBuf, io::Error),
    /// What has this name isn't a socket, or somebody listens on it.
    #[error("{0} is there, and {1}")]
    Taken(PathBuf, &'static str),
    /// Descriptors from systemd other than one.
    #[error("systemd hands over {0} sockets instead of one")]
    Activation(String),
    /// A descriptor isn't a listening Unix socket.
    #[error("descriptor {0} isn't a Unix socket that listens")]
    Descriptor(RawFd),
    /// Anything else.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
    /// The library can't serve a connection.
    #[error("{0}")]
    Daemon(DaemonError),
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> ServerError {
    move |error| ServerError::Io(what, error)
}

/// A socket that front-ends connect to. Its file, if it was made here, is removed with it.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: Option<PathBuf>,
}

impl Socket {
    /// By the command line, or else by systemd's environment.
    pub fn open(path: Option<&Path>, fd: Option<RawFd>) -> Result<Socket, ServerError> {
        match (path, fd) {
            (Some(path), _) => Socket::bind(path),
            (None, Some(fd)) => Socket::inherited(fd),
            (None, None) => Socket::inherited(activated()?),
        }
    }

    fn bind(path: &Path) -> Result<Socket, ServerError> {
        match std::fs::symlink_metadata(path) {
            Ok(file) if !file.file_type().is_socket() => {
                return Err(ServerError::Taken(path.into(), "isn't a socket"))
            }
            Ok(_) if UnixStream::connect(path).is_ok() => {
                return Err(ServerError::Taken(path.into(), "somebody listens on it"))
            }
            // Left by a daemon that was killed.
            Ok(_) => {
                std::fs::remove_file(path).map_err(|error| ServerError::Bind(path.into(), error))?
            }
            Err(_) => {}
        }
        let listener =
            UnixListener::bind(path).map_err(|error| ServerError::Bind(path.into(), error))?;
        Ok(Socket {
            listener,
            path: Some(path.into()),
        })
    }

    fn inherited(number: RawFd) -> Result<Socket, ServerError> {
        let fd: OwnedFd = sys::adopt(number).map_err(|_| ServerError::Descriptor(number))?;
        let listens =
            socket_domain(&fd) == Ok(AddressFamily::UNIX) && socket_acceptconn(&fd) == Ok(true);
        if !listens {
            return Err(ServerError::Descriptor(number));
        }
        let listener = UnixListener::from(fd);
        listener
            .set_nonblocking(false)
            .map_err(io_error("the socket"))?;
        Ok(Socket {
            listener,
            path: None,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The descriptor that systemd hands over, by the variables of sd_listen_fds(3).
fn activated() -> Result<RawFd, ServerError> {
    let own = std::process::id().to_string();
    let number = match (std::env::var("LISTEN_PID"), std::env::var("LISTEN_FDS")) {
        (Ok(pid), Ok(number)) if pid == own => number,
        _ => return Err(ServerError::NoSocket),
    };
    if number == "1" {
        Ok(LISTEN_FDS_START)
    } else {
        Err(ServerError::Activation(number))
    }
}

/// What ends the daemon: shared with the thread that waits for signals.
#[derive(Default)]
struct Stop {
    asked: bool,
    connection: Option<ShutdownHandle>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Have SIGTERM and SIGINT wait for [`serve`]. To be called before any thread is started.
pub fn block_signals() -> Result<(), ServerError> {
    for signal in SIGNALS {
        vmm_sys_util::signal::block_signal(signal)
            .map_err(|error| ServerError::Io("signals", io::Error::other(error.to_string())))?;
    }
    Ok(())
}

/// Serve front-ends until SIGTERM or SIGINT.
pub fn serve(socket: &Socket, rtc: Rtc) -> Result<(), ServerError> {
    let woken = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
        .map_err(|error| ServerError::Io("an eventfd", error.into()))?;
    let woken = Arc::new(woken);
    let wake = woken.clone();
    let stop = Arc::new(Mutex::new(Stop::default()));
    let told = stop.clone();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let signal = sys::wait_for_signal(&SIGNALS);
            info!("ends by signal {signal:?}");
            let mut stop = lock(&told);
            stop.asked = true;
            if let Some(connection) = &stop.connection {
                connection.shutdown();
            }
            let _ = rustix::io::write(&wake, &1u64.to_ne_bytes());
        })
        .map_err(io_error("a thread"))?;

    let listener = socket
        .listener
        .try_clone()
        .map_err(io_error("the socket"))?;
    let mut listener = Listener::from(listener);
    let rtc = Shared::new(Backend::new(rtc));
    while wait(socket, &woken)? {
        connection(&mut listener, &rtc, &stop)?;
    }
    Ok(())
}

/// Wait for a front-end; false if the daemon is to end.
fn wait(socket: &Socket, woken: &OwnedFd) -> Result<bool, ServerError> {
    loop {
        let mut fds = [
            PollFd::new(&socket.listener, PollFlags::IN),
            PollFd::new(woken, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(ServerError::Io("poll", error.into())),
            Ok(_) => return Ok(fds[1].revents().is_empty()),
        }
    }
}

/// Serve the front-end that has come, until it goes.
fn connection(
    listener: &mut Listener,
    rtc: &Shared,
    stop: &Mutex<Stop>,
) -> Result<(), ServerError> {
    let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
    let mut daemon = VhostUserDaemon::new("vhost-device-rtc".into(), rtc.clone(), memory)
        .map_err(ServerError::Daemon)?;
    rtc.lock()
        .connect(&daemon.get_epoll_handlers())
        .map_err(io_error("a timer"))?;
    daemon.start(listener).map_err(ServerError::Daemon)?;
    debug!("a front-end has connected");
    {
        let mut stop = lock(stop);
        stop.connection = daemon.shutdown_handle();
        if stop.asked {
            daemon.request_shutdown();
        }
    }
    let result = daemon.wait();
    lock(stop).connection = None;
    // Its thread ends before what it polls is closed.
    drop(daemon);
    rtc.close_exit_event();
    match result {
        Ok(()) | Err(DaemonError::HandleRequest(VhostUserError::Disconnected)) => {
            debug!("the front-end has gone")
        }
        Err(error) => warn!("the front-end is left: {error}"),
    }
    Ok(())
}
