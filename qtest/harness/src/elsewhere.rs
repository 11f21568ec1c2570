// SPDX-License-Identifier: GPL-2.0-or-later
//! A snapshot that another host has: who has it there, and who shows it here.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::{json, Value};

use crate::error::Skip;
use crate::files::{self, Dir};
use crate::snapshot::LIMIT;
use crate::{spawn, wait};

/// How long a read waits for an NBD server to come back, in seconds.
const PATIENCE: u32 = 300;

/// A daemon that doesn't outlive its owner.
pub struct Daemon(Child);

impl Daemon {
    fn start<'a>(
        dir: &Dir,
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let log = File::create(dir.file(&format!("{name}.log")))?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        let child = spawn::spawn(command).with_context(|| program.display().to_string())?;
        Ok(Self(child))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How the snapshot is had from the other side.
pub trait Server {
    /// Begins to serve; its owner ends that, as by SIGKILL.
    fn serve(&self, dir: &Dir) -> Result<Daemon>;

    /// QEMU's block node of what is served.
    fn node(&self) -> Value;
}

/// QEMU's own NBD server.
pub struct Nbd {
    snapshot: PathBuf,
    socket: PathBuf,
}

impl Nbd {
    /// Of `snapshot`, at a socket in `dir`.
    pub fn of(snapshot: &Path, dir: &Dir) -> Self {
        Self {
            snapshot: snapshot.into(),
            socket: dir.file("nbd.sock"),
        }
    }
}

impl Server for Nbd {
    fn serve(&self, dir: &Dir) -> Result<Daemon> {
        let _ = fs::remove_file(&self.socket);
        let node = json!({
            "driver": "file", "node-name": "disk", "read-only": true, "filename": self.snapshot,
        });
        let listen = format!("addr.type=unix,addr.path={}", self.socket.display());
        let args = [
            "--blockdev",
            &node.to_string(),
            "--nbd-server",
            &listen,
            "--export",
            "nbd,id=export,node-name=disk,name=snapshot",
        ];
        let daemon = Daemon::start(dir, "server", &files::storage_daemon()?, args)?;
        wait::until("the NBD server's socket", LIMIT, || {
            Ok(self.socket.exists().then_some(()))
        })?;
        Ok(daemon)
    }

    fn node(&self) -> Value {
        nbd_at(&self.socket)
    }
}

/// QEMU's block node of what is served at `socket`.
fn nbd_at(socket: &Path) -> Value {
    json!({
        "driver": "nbd", "node-name": "remote", "read-only": true, "export": "snapshot",
        "server": { "type": "unix", "path": socket }, "reconnect-delay": PATIENCE,
    })
}

/// An NBD server whose answers come later by some time, however many are on their way.
pub struct Distant {
    nbd: Nbd,
    socket: PathBuf,
}

impl Distant {
    /// Puts `nbd` away by `delay`, for as long as this program runs.
    pub fn by(delay: Duration, nbd: Nbd, dir: &Dir) -> Result<Self> {
        let socket = dir.file("distant.sock");
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        let far = nbd.socket.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // Who is refused there is hung up on here.
                let _ = UnixStream::connect(&far).and_then(|far| join(near, far, delay));
            }
        });
        Ok(Self { nbd, socket })
    }
}

impl Server for Distant {
    fn serve(&self, dir: &Dir) -> Result<Daemon> {
        self.nbd.serve(dir)
    }

    fn node(&self) -> Value {
        nbd_at(&self.socket)
    }
}

/// Carries what either says to the other, what `far` says later by `delay`.
fn join(near: UnixStream, far: UnixStream, delay: Duration) -> io::Result<()> {
    let (mut questions, mut to_far) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut questions, &mut to_far);
        let _ = to_far.shutdown(Shutdown::Both);
    });
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(256);
    let mut answers = far;
    thread::spawn(move || {
        let mut buf = vec![0; 256 << 10];
        while let Ok(len @ 1..) = answers.read(&mut buf) {
            let due = Instant::now() + delay;
            if sender.send((due, buf[..len].to_vec())).is_err() {
                break;
            }
        }
    });
    let mut to_near = near;
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to_near.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to_near.shutdown(Shutdown::Both);
    });
    Ok(())
}

/// An HTTP server that knows ranges: busybox's.
pub struct Http {
    program: PathBuf,
    folder: PathBuf,
    name: String,
    port: u16,
}

impl Http {
    /// Of `snapshot`, at a port of this host that is free.
    pub fn of(snapshot: &Path) -> Result<Self> {
        let program = files::busybox()?;
        let name = snapshot.file_name().context("a name")?;
        Ok(Self {
            program,
            folder: snapshot.parent().context("a folder")?.into(),
            name: name.to_str().context("in UTF-8")?.into(),
            // Free now, and hardly taken by another in between.
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
        })
    }
}

impl Server for Http {
    fn serve(&self, dir: &Dir) -> Result<Daemon> {
        let address = format!("127.0.0.1:{}", self.port);
        let folder = self.folder.to_str().context("in UTF-8")?;
        let args = ["httpd", "-f", "-p", &address, "-h", folder];
        let daemon = Daemon::start(dir, "server", &self.program, args)?;
        wait::until("the HTTP server", LIMIT, || {
            Ok(TcpStream::connect(&address).ok().map(drop))
        })?;
        Ok(daemon)
    }

    fn node(&self) -> Value {
        json!({
            "driver": "http", "node-name": "remote", "read-only": true,
            "url": format!("http://127.0.0.1:{}/{}", self.port, self.name),
        })
    }
}

/// The snapshot as a file here.
pub struct Shown {
    /// The file.
    pub path: PathBuf,
    daemon: Daemon,
}

impl Shown {
    /// Skips the test where that can't be.
    pub fn start(dir: &Dir, server: &dyn Server, size: u64) -> Result<Self> {
        let program = fuse_daemon()?;
        let (cache, path) = (dir.file("cache.qcow2"), dir.file("shown"));
        files::make_qcow2(&cache, &["-o", &format!("size={size}")])?;
        File::create(&path)?;
        let remote = server.node();
        let cached = json!({
            "driver": "copy-on-read",
            "node-name": "snapshot",
            "file": {
                "driver": "qcow2",
                "file": { "driver": "file", "filename": cache },
                "backing": "remote",
            },
        });
        let export = format!(
            "fuse,id=shown,node-name=snapshot,mountpoint={}",
            path.display()
        );
        let args = [
            "--blockdev",
            &remote.to_string(),
            "--blockdev",
            &cached.to_string(),
            "--export",
            &export,
        ];
        let shown = Self {
            daemon: Daemon::start(dir, "shown", &program, args)?,
            path,
        };
        wait::until("the file of the FUSE export", LIMIT, || {
            // An image has whole sectors.
            Ok((shown.path.metadata()?.len() >= size).then_some(()))
        })?;
        Ok(shown)
    }
}

impl Drop for Shown {
    /// It takes the mount away itself, if it is asked to end.
    fn drop(&mut self) {
        let id = Pid::from_raw(self.daemon.0.id() as i32).expect("a pid");
        let _ = kill_process(id, Signal::TERM);
        let ended = wait::until("the storage daemon to end", Duration::from_secs(30), || {
            Ok(self.daemon.0.try_wait()?)
        });
        if ended.is_err() {
            let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        }
    }
}

/// qemu-storage-daemon, if it has FUSE. If it hasn't, or where nothing may be mounted, the error is a
/// [`Skip`].
pub fn fuse_daemon() -> Result<PathBuf> {
    let program = files::storage_daemon()?;
    let help = Command::new(&program).arg("--help").output();
    let knows = help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("fuse"));
    let name = program.display();
    ensure!(knows, Skip(format!("{name} has no FUSE")));
    let device = "/dev/fuse";
    ensure!(
        File::options().read(true).write(true).open(device).is_ok(),
        Skip(format!("{device} can't be opened"))
    );
    Ok(program)
}
