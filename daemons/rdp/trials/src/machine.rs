// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU with a guest of 512 bytes, and the annex-rdp that is joined to it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use annex_qtest::error::MachineFailure;
use annex_qtest::files::{self, Dir};
use annex_qtest::qmp::Qmp;
use annex_qtest::{spawn, wait};
use anyhow::{Context, Result};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::json;

use crate::picture::Picture;

/// Firmware is there in a second or two; under TCG on a busy host it takes longer.
pub const LIMIT: Duration = Duration::from_secs(120);

/// The user who may log in, and his password.
pub const LOGIN: (&str, &str) = ("annex", "open sesame");

/// Loopback, at a port that is free.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A boot sector. Writes what the display's EDID says of its preferred size to the serial port
/// (bytes 56 to 61), and then each key that is pressed, which it shows as well: g as a picture of
/// 256 colours, t as an empty screen of text, others as themselves.
const BOOT: &[u8] = &[
    0x31, 0xc0, //             xor ax, ax
    0x8e, 0xd8, //             mov ds, ax
    0x8e, 0xc0, //             mov es, ax
    0x8e, 0xd0, //             mov ss, ax
    0xbc, 0x00, 0x7c, //       mov sp, 0x7c00
    0xfc, //                   cld
    0xb8, 0x15, 0x4f, //       mov ax, 0x4f15       VBE/DDC: read EDID
    0xb3, 0x01, //             mov bl, 1
    0x31, 0xc9, //             xor cx, cx
    0x31, 0xd2, //             xor dx, dx
    0xbf, 0x00, 0x80, //       mov di, 0x8000
    0xcd, 0x10, //             int 0x10
    0xbe, 0x38, 0x80, //       mov si, 0x8038
    0xb9, 0x06, 0x00, //       mov cx, 6
    0xac, //             edid: lodsb
    0xe8, 0x42, 0x00, //       call put
    0xe2, 0xfa, //             loop edid
    0xb8, 0x03, 0x00, // text: mov ax, 3            text, 80 by 25
    0xcd, 0x10, //             int 0x10
    0xb4, 0x01, //             mov ah, 1            no cursor, which would blink
    0xb9, 0x00, 0x20, //       mov cx, 0x2000
    0xcd, 0x10, //             int 0x10
    0x30, 0xe4, //        key: xor ah, ah
    0xcd, 0x16, //             int 0x16
    0xe8, 0x2d, 0x00, //       call put
    0x3c, 0x74, //             cmp al, 't'
    0x74, 0xe9, //             je text
    0x3c, 0x67, //             cmp al, 'g'
    0x74, 0x09, //             je draw
    0xb4, 0x0e, //             mov ah, 0x0e         teletype
    0xbb, 0x07, 0x00, //       mov bx, 7
    0xcd, 0x10, //             int 0x10
    0xeb, 0xe8, //             jmp key
    0xb8, 0x13, 0x00, // draw: mov ax, 0x13         320 by 200, 256 colours
    0xcd, 0x10, //             int 0x10
    0xb8, 0x00, 0xa0, //       mov ax, 0xa000
    0x8e, 0xc0, //             mov es, ax
    0x31, 0xff, //             xor di, di
    0xb9, 0x00, 0xfa, //       mov cx, 64000
    0x89, 0xf8, //      pixel: mov ax, di
    0x00, 0xe0, //             add al, ah
    0xaa, //                   stosb
    0xe2, 0xf9, //             loop pixel
    0x31, 0xc0, //             xor ax, ax
    0x8e, 0xc0, //             mov es, ax
    0xeb, 0xcc, //             jmp key
    0xba, 0xf8, 0x03, //  put: mov dx, 0x3f8
    0xee, //                   out dx, al
    0xc3, //                   ret
];

/// Bytes of EDID that the guest sends first.
const EDID: usize = 6;

/// A process, killed when it goes out of scope.
pub struct Running(pub Child);

impl Running {
    /// Starts a command, with what it says in a log of the test.
    pub fn start(dir: &Dir, name: &str, command: Command) -> Result<Self> {
        let mut command = command;
        let log = File::options()
            .create(true)
            .append(true)
            .open(dir.file(&format!("{name}.log")))?;
        dir.log(format!("{command:?}"));
        command.stderr(log);
        Ok(Self(
            spawn::spawn(command).with_context(|| format!("start {name}"))?,
        ))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.0.id().try_into()?).context("a process has a number")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits for its end.
    pub fn ended(&mut self, what: &str) -> Result<ExitStatus> {
        wait::until(&format!("the end of {what}"), LIMIT, || {
            Ok(self.0.try_wait()?)
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// QEMU, with a display on D-Bus.
pub struct Machine {
    /// The process.
    pub process: Running,
    /// The test's monitor; annex-rdp has another.
    pub qmp: Qmp,
    serial: PathBuf,
    dump: PathBuf,
}

impl Machine {
    /// Starts one, whose second monitor listens on `qmp`.
    pub fn start(dir: &Dir, qmp: &Path) -> Result<Self> {
        Self::with_vga(dir, qmp, "std")
    }

    /// The same with this kind of display.
    pub fn with_vga(dir: &Dir, qmp: &Path, vga: &str) -> Result<Self> {
        Self::launch(dir, qmp, vga, "dbus,p2p=yes")
    }

    /// The first one, with its display on a bus.
    pub fn on_bus(dir: &Dir, qmp: &Path, address: &str) -> Result<Self> {
        Self::launch(dir, qmp, "std", &format!("dbus,addr={address}"))
    }

    fn launch(dir: &Dir, qmp: &Path, vga: &str, display: &str) -> Result<Self> {
        let mut image = BOOT.to_vec();
        image.resize(510, 0);
        image.extend([0x55, 0xaa]);
        image.resize(1 << 20, 0);
        fs::write(dir.file("boot.img"), image)?;
        let serial = dir.file("serial");
        // An earlier machine of the test has left them.
        for old in [&serial, qmp] {
            let _ = fs::remove_file(old);
        }
        let path = |path: &Path| -> Result<String> {
            Ok(path
                .to_str()
                .context("a path that options can hold")?
                .replace(',', ",,"))
        };
        let mut command = Command::new(files::qemu()?);
        command.args("-nodefaults -accel tcg -m 64".split(' '));
        command.args(["-display", display, "-vga", vga]);
        command.args("-device qemu-xhci -device usb-tablet".split(' '));
        command.args("-run-with exit-with-parent=on".split(' '));
        command.args("-trace input_event_btn -trace input_event_rel".split(' '));
        command.args([
            "-chardev",
            &format!("file,id=serial,path={}", path(&serial)?),
        ]);
        command.args(["-serial", "chardev:serial"]);
        let image = path(&dir.file("boot.img"))?;
        command.args(["-drive", &format!("if=ide,format=raw,file={image}")]);
        // The test's monitor is its standard input.
        command.args("-chardev socket,id=test,fd=0 -mon chardev=test,mode=control".split(' '));
        command.args(["-qmp", &format!("unix:{},server=on,wait=off", path(qmp)?)]);
        let (ours, theirs) = UnixStream::pair()?;
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        let process = Running::start(dir, "vm.qemu", command)?;
        Ok(Self {
            process,
            qmp: Qmp::over(ours)?,
            serial,
            dump: dir.file("dump.ppm"),
        })
    }

    /// What the guest has sent since it booted.
    pub fn serial(&self) -> Result<Vec<u8>> {
        Ok(fs::read(&self.serial)?)
    }

    /// Waits until the guest runs.
    pub fn booted(&self) -> Result<()> {
        wait::until("the guest's first bytes", LIMIT, || {
            Ok((self.serial()?.len() >= EDID).then_some(()))
        })
    }

    /// Waits until the guest's last keys are these.
    pub fn typed(&self, keys: &str) -> Result<()> {
        wait::until(&format!("the keys {keys:?} in the guest"), LIMIT, || {
            Ok(self.serial()?.ends_with(keys.as_bytes()).then_some(()))
        })
    }

    /// QEMU's own picture of the screen.
    pub fn dump(&self) -> Result<Picture> {
        self.qmp
            .execute("screendump", json!({"filename": self.dump}))?;
        Picture::read_ppm(&self.dump)
    }
}

/// annex-rdp.
pub struct Server {
    /// The process.
    pub process: Running,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts one, which joins the QEMU whose monitor is `qmp`, now or later.
    pub fn start(dir: &Dir, qmp: &Path) -> Result<Self> {
        Self::joining(dir, "--qmp", qmp)
    }

    /// The same, told by this option where QEMU is.
    pub fn joining(dir: &Dir, option: &str, place: impl AsRef<OsStr>) -> Result<Self> {
        Self::listening(dir, option, place, ANYWHERE, LOGIN.1, &[])
    }

    /// The first one, with these options.
    pub fn with(dir: &Dir, qmp: &Path, options: &[&str]) -> Result<Self> {
        Self::listening(dir, "--qmp", qmp, ANYWHERE, LOGIN.1, options)
    }

    /// The same, where another one has listened before.
    pub fn at(dir: &Dir, qmp: &Path, address: SocketAddr) -> Result<Self> {
        Self::with_password(dir, qmp, address, LOGIN.1)
    }

    /// The same, with this password.
    pub fn with_password(
        dir: &Dir,
        qmp: &Path,
        address: SocketAddr,
        password: &str,
    ) -> Result<Self> {
        Self::listening(dir, "--qmp", qmp, address, password, &[])
    }

    fn listening(
        dir: &Dir,
        option: &str,
        place: impl AsRef<OsStr>,
        address: SocketAddr,
        password: &str,
        options: &[&str],
    ) -> Result<Self> {
        let program = program("ANNEX_RDP", "annex-rdp")?;
        let file = dir.file("password");
        fs::write(&file, password)?;
        let mut command = Command::new(program);
        command
            .arg(option)
            .arg(place)
            .args(["--listen", &address.to_string()])
            .args(options);
        command
            .args(["--user", LOGIN.0])
            .arg("--password-file")
            .arg(file);
        command
            .env("RUST_LOG", "annex_rdp=debug,urbdrc=info,warn")
            .stdout(Stdio::piped());
        let mut process = Running::start(dir, "annex-rdp", command)?;
        let out = process.0.stdout.take().context("its output")?;
        let listening = |line: &String| line.strip_prefix("listening on ").map(str::to_owned);
        let address = BufReader::new(out)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| listening(&line))
            .context("annex-rdp doesn't say where it listens")?
            .parse()?;
        Ok(Self { process, address })
    }

    /// Descriptors and threads that it has.
    pub fn holds(&self) -> Result<(usize, usize)> {
        let of = |what: &str| {
            anyhow::Ok(fs::read_dir(format!("/proc/{}/{what}", self.process.0.id()))?.count())
        };
        Ok((of("fd")?, of("task")?))
    }

    /// KiB of memory that it has written to.
    pub fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        Ok(line
            .context("RssAnon")?
            .trim()
            .trim_end_matches(" kB")
            .parse()?)
    }
}

/// A program to test: what the environment's `variable` names, else the one that Cargo has built
/// beside this program, or in the folder above it if it is a test.
pub fn program(variable: &str, name: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let this = std::env::current_exe()?;
    let folders = this.ancestors().skip(1).take(2);
    let path = folders
        .map(|folder| folder.join(name))
        .find(|path| path.exists());
    let words = || format!("{name} is missing: `cargo build --bins` makes it");
    path.ok_or_else(|| MachineFailure(words()).into())
}
