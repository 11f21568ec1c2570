// SPDX-License-Identifier: GPL-2.0-or-later
//! A snapshot that another host has: on NBD, shown as a file by a storage daemon, with a
//! local cache. It is done as docs/fast-snapshot-load.md says.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use annex_qtest::error::Skip;
use annex_qtest::files::{self, Dir};
use annex_qtest::qemu::Vm;
use annex_qtest::snapshot::{self, Mode, LIMIT};
use annex_qtest::trial::Family;
use annex_qtest::{spawn, wait};
use anyhow::{ensure, Context, Result};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::json;

use crate::fixture::{Fixture, SEED};

inventory::submit! { Family(|add| {
    add("snapshot/elsewhere/nbd".into(), Box::new(nbd));
}) }

/// How long a read waits for the server to come back, in seconds.
const PATIENCE: u32 = 300;

/// The server is killed while a guest works whose memory is mostly there, and the guest
/// goes on when it is back: nothing is lost, and nobody is told of an error or of a file
/// that has changed.
fn nbd(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let far = dir.file("nbd.sock");
    let server = serve(dir, &fixture.path, &far)?;
    let shown = Shown::start(dir, &far, fixture.path.metadata()?.len())?;

    let vm = fixture.config.incoming().start("restored", dir)?;
    snapshot::prepare(&vm, Mode::DemandOnly)?;
    let loading = snapshot::begin(&vm, &shown.path)?;
    loading.wait_running()?;
    fixture.check_alive(&vm)?;
    drop(server);
    let server = thread::scope(|scope| {
        // Most pages of the data are still on the other side.
        let probe = scope.spawn(|| vm.agent.ask_within(&format!("probe {SEED} 5000"), LIMIT));
        // A file system's stall, in which a guest must wait.
        thread::sleep(Duration::from_secs(5));
        ensure!(!probe.is_finished(), "the guest read without a server");
        ensure!(vm.run_state()? == "running", "the VM stopped");
        let server = serve(dir, &fixture.path, &far)?;
        probe.join().expect("no panic")?;
        Ok(server)
    })?;
    snapshot::set_background(&vm, "full")?;
    loading.wait_loaded()?;
    check(fixture, &vm)?;
    vm.quit()?;
    drop(server);
    Ok(())
}

fn check(fixture: &Fixture, vm: &Vm) -> Result<()> {
    let figures = snapshot::figures(vm)?;
    ensure!(figures["file-change"].is_null(), "{figures}");
    fixture.check(vm)
}

/// A daemon that doesn't outlive its owner.
struct Daemon(Child);

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

/// Has the snapshot on the other side.
fn serve(dir: &Dir, snapshot: &Path, socket: &Path) -> Result<Daemon> {
    let _ = fs::remove_file(socket);
    let node = json!({
        "driver": "file", "node-name": "disk", "read-only": true, "filename": snapshot,
    });
    let listen = format!("addr.type=unix,addr.path={}", socket.display());
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
        Ok(socket.exists().then_some(()))
    })?;
    Ok(daemon)
}

/// The snapshot as a file here.
struct Shown {
    path: PathBuf,
    daemon: Daemon,
}

impl Shown {
    fn start(dir: &Dir, far: &Path, size: u64) -> Result<Self> {
        let program = fuse_daemon()?;
        let (cache, path) = (dir.file("cache.qcow2"), dir.file("shown"));
        files::make_qcow2(&cache, &["-o", &format!("size={size}")])?;
        File::create(&path)?;
        let remote = json!({
            "driver": "nbd", "node-name": "remote", "read-only": true, "export": "snapshot",
            "server": { "type": "unix", "path": far }, "reconnect-delay": PATIENCE,
        });
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

/// A qemu-storage-daemon with FUSE: `ANNEX_FUSE_STORAGE_DAEMON`, else the
/// distribution's. Without one, or where nothing may be mounted, the test is skipped.
fn fuse_daemon() -> Result<PathBuf> {
    let program = env::var_os("ANNEX_FUSE_STORAGE_DAEMON")
        .map_or_else(|| "qemu-storage-daemon".into(), PathBuf::from);
    let help = Command::new(&program).arg("--help").output();
    let knows = help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("fuse"));
    let name = program.display();
    ensure!(knows, Skip(format!("{name} isn't there, or has no FUSE")));
    let device = "/dev/fuse";
    ensure!(
        File::options().read(true).write(true).open(device).is_ok(),
        Skip(format!("{device} can't be opened"))
    );
    Ok(program)
}
