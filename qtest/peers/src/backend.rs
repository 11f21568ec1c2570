// SPDX-License-Identifier: GPL-2.0-or-later
//! Back-ends: processes at the other end of a socket.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use annex_qtest::files::{self, Dir};
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::{json, Value};

/// How long a back-end may take to do what it does.
const LIMIT: Duration = Duration::from_secs(60);

/// A running back-end; killed when dropped.
pub struct Backend {
    /// Where QEMU finds it.
    pub socket: PathBuf,
    child: Child,
    log: PathBuf,
}

/// A socket's path in a test's directory. Such a path has to be short.
pub fn socket(dir: &Dir, name: &str) -> Result<PathBuf> {
    const MOST: usize = 107;
    let path = dir.file(&format!("{name}.sock"));
    let length = path.as_os_str().len();
    ensure!(
        length <= MOST,
        "{} is too long for a socket: check out elsewhere",
        path.display()
    );
    Ok(path)
}

/// Whether somebody listens on a socket, which is there a little earlier. (To
/// connect would be to be its first front-end.)
fn listens(socket: &Path) -> Result<bool> {
    /// SO_ACCEPTCON, among the flags.
    const LISTENS: &str = "00010000";
    let sockets = fs::read_to_string("/proc/net/unix")?;
    let socket = socket.to_str().context("a path of text")?;
    Ok(sockets.lines().any(|line| {
        let line = line.strip_suffix(socket);
        line.is_some_and(|rest| rest.split_whitespace().nth(3) == Some(LISTENS))
    }))
}

impl Backend {
    /// qemu-storage-daemon with a raw image.
    pub fn storage_daemon(dir: &Dir, name: &str, image: &Path, options: &str) -> Result<Self> {
        Self::storage_daemon_at(dir, name, image, options, socket(dir, name)?)
    }

    /// The same, on another's socket.
    pub fn storage_daemon_at(
        dir: &Dir,
        name: &str,
        image: &Path,
        options: &str,
        socket: PathBuf,
    ) -> Result<Self> {
        let mut command = Command::new(files::storage_daemon()?);
        // Two serve one image while a guest moves.
        let file = format!(
            "driver=file,node-name=disk,locking=off,filename={}",
            image.display()
        );
        let export = format!(
            "type=vhost-user-blk,id=export,node-name=disk,writable=on,addr.type=unix,\
             addr.path={}{options}",
            socket.display()
        );
        command.args(["--blockdev", &file, "--export", &export]);
        Self::start(command, dir, name, socket)
    }

    /// Starts a program that listens on `socket`, and waits until it does.
    pub fn start(mut command: Command, dir: &Dir, name: &str, socket: PathBuf) -> Result<Self> {
        let _ = fs::remove_file(&socket);
        let log = dir.file(&format!("{name}.log"));
        let out = File::create(&log)?;
        dir.log(format!("{name}: {command:?}"));
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let program = command.get_program().to_owned();
        let child = command
            .spawn()
            .with_context(|| format!("{}", Path::new(&program).display()))?;
        let mut backend = Self { socket, child, log };
        let what = format!("{name} to listen");
        wait::until(&what, LIMIT, || {
            let ended = backend.child.try_wait()?;
            ensure!(ended.is_none(), "{name} ended: {}", backend.said()?);
            Ok(listens(&backend.socket)?.then_some(()))
        })?;
        Ok(backend)
    }

    /// All that it has written so far.
    pub fn said(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// The rests of its lines that begin with `keyword`.
    pub fn facts(&self, keyword: &str) -> Result<Vec<String>> {
        let said = self.said()?;
        let rest = |line: &str| {
            line.strip_prefix(keyword)?
                .strip_prefix(' ')
                .map(str::to_owned)
        };
        Ok(said.lines().filter_map(rest).collect())
    }

    /// Waits until it has written a whole line that begins with `start`.
    pub fn wait_for(&self, start: &str) -> Result<()> {
        wait::until(&format!("the back-end to say \"{start}\""), LIMIT, || {
            let said = self.said()?;
            Ok(said
                .lines()
                .any(|line| line.starts_with(start))
                .then_some(()))
        })
    }

    /// What the hostile one found in the memory after its last request.
    pub fn idle(&self) -> Result<Vec<String>> {
        // It looks when nothing happened for a sixth of that.
        std::thread::sleep(Duration::from_secs(1));
        let found = self.facts("idle")?;
        ensure!(!found.is_empty(), "it never looked");
        Ok(found)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it do nothing while `body` runs.
    pub fn frozen<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP)?;
        let result = body();
        kill_process(pid, Signal::CONT)?;
        result
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes an image of `mib` MiB of zeros.
pub fn image(dir: &Dir, mib: u64) -> Result<PathBuf> {
    let path = dir.file("disk.img");
    File::create(&path)?.set_len(mib << 20)?;
    Ok(path)
}

/// What adds the chardev "backend", which connects to `socket` again so many
/// milliseconds after a back-end is lost.
pub fn chardev(socket: &Path, reconnect_ms: u32) -> Value {
    json!({
        "id": "backend",
        "backend": { "type": "socket", "data": {
            "addr": { "type": "unix", "data": { "path": socket } },
            "server": false,
            "reconnect-ms": reconnect_ms,
        } },
    })
}
