// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU with guest/pictures.c, which shows a picture when it is told to.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use annex_qtest::files::{self, Dir};
use annex_qtest::qmp::Qmp;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::json;

use crate::machine::{Running, LIMIT};
use crate::picture::Picture;

/// Columns of the guest's screen.
pub const WIDTH: usize = 1024;
/// Rows.
pub const HEIGHT: usize = 768;
/// Where the guest has its first picture.
const FIRST: usize = 32 << 20;
/// How many it can have.
const PICTURES: usize = 64;

/// What a full-screen picture shows; the guest's number is the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// One colour.
    Fill,
    /// A page of text, another each time.
    Text,
    /// The same page, one line further.
    Scroll,
    /// Windows with text on a background that fades.
    Desktop,
    /// Colours that flow, with a sensor's noise.
    Photo,
}

impl Scene {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Fill,
        Self::Text,
        Self::Scroll,
        Self::Desktop,
        Self::Photo,
    ];
}

/// QEMU's display.
pub enum Display<'a> {
    /// On D-Bus, with a monitor at this path for annex-rdp.
    Dbus(&'a Path),
    /// VNC, on a socket at this path.
    Vnc(&'a Path),
}

/// The machine.
pub struct Gallery {
    /// QEMU.
    pub process: Running,
    serial: UnixStream,
    qmp: Qmp,
    dump: PathBuf,
    memory: PathBuf,
    /// Pictures in the guest's memory, and how many of them it has shown.
    drawn: usize,
    shown: usize,
}

impl Gallery {
    /// Starts one. `name` tells its files from another's.
    pub fn start(dir: &Dir, name: &str, display: Display<'_>) -> Result<Self> {
        let guest = compile(dir, name)?;
        let path = |path: &Path| -> Result<String> {
            let path = path.to_str().context("a path that options can hold")?;
            Ok(path.replace(',', ",,"))
        };
        let mut command = Command::new(files::qemu()?);
        command.args("-nodefaults -accel tcg -m 256 -vga std".split(' '));
        command.args("-run-with exit-with-parent=on".split(' '));
        command.arg("-kernel").arg(guest);
        let serial = dir.file(&format!("{name}.serial"));
        // QEMU waits, so that nothing that the guest says is lost.
        command.args([
            "-chardev",
            &format!("socket,id=serial,path={},server=on", path(&serial)?),
        ]);
        command.args("-serial chardev:serial".split(' '));
        command.args("-chardev socket,id=test,fd=0 -mon chardev=test,mode=control".split(' '));
        let listening = match display {
            Display::Dbus(qmp) => {
                command.args("-display dbus,p2p=yes -qmp".split(' '));
                command.arg(format!("unix:{},server=on,wait=off", path(qmp)?));
                qmp
            }
            Display::Vnc(vnc) => {
                command.args("-display none -vnc".split(' '));
                command.arg(format!("unix:{}", path(vnc)?));
                vnc
            }
        };
        for old in [&serial, listening] {
            // An earlier one may have left it.
            let _ = std::fs::remove_file(old);
        }
        let (ours, theirs) = UnixStream::pair()?;
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        let mut process = Running::start(dir, name, command)?;
        let serial = wait::until("the guest's serial port", LIMIT, || {
            let ended = process.0.try_wait()?;
            ensure!(ended.is_none(), "QEMU has ended: {ended:?}");
            Ok(UnixStream::connect(&serial).ok())
        })?;
        serial.set_read_timeout(Some(LIMIT))?;
        let mut gallery = Self {
            process,
            serial,
            qmp: Qmp::over(ours)?,
            dump: dir.file(&format!("{name}.ppm")),
            memory: dir.file(&format!("{name}.picture")),
            drawn: 0,
            shown: 0,
        };
        gallery.answer(b'R')?;
        Ok(gallery)
    }

    /// Has the guest draw another picture of a scene, one that it hasn't drawn before, behind
    /// those that it is to show before; the picture: red, green, blue and 255 of each pixel.
    pub fn draw(&mut self, scene: Scene) -> Result<Vec<u8>> {
        ensure!(self.drawn < PICTURES, "the guest's memory is full");
        self.command(0x40 + scene as u8)?;
        let size = WIDTH * HEIGHT * 4;
        let value = FIRST + size * self.drawn;
        self.drawn += 1;
        self.qmp.execute(
            "pmemsave",
            json!({"val": value, "size": size, "filename": self.memory}),
        )?;
        let memory = std::fs::read(&self.memory)?;
        ensure!(memory.len() == size, "a picture that is cut");
        let pixels = memory.chunks_exact(4);
        Ok(pixels.flat_map(|p| [p[2], p[1], p[0], u8::MAX]).collect())
    }

    /// Has the guest show the next of them, and waits until it has copied it to the display.
    pub fn show(&mut self) -> Result<()> {
        ensure!(self.shown < self.drawn, "there is no other picture");
        self.command(b'S')?;
        self.shown += 1;
        if self.shown == self.drawn {
            (self.drawn, self.shown) = (0, 0);
        }
        Ok(())
    }

    fn command(&mut self, byte: u8) -> Result<()> {
        self.serial.write_all(&[byte])?;
        self.answer(byte)
    }

    /// QEMU's own picture of the screen.
    pub fn dump(&self) -> Result<Picture> {
        self.qmp
            .execute("screendump", json!({"filename": self.dump}))?;
        Picture::read_ppm(&self.dump)
    }

    fn answer(&mut self, expected: u8) -> Result<()> {
        let mut byte = [0];
        self.serial
            .read_exact(&mut byte)
            .context("an answer of the guest")?;
        ensure!(byte == [expected], "the guest says {byte:?}");
        Ok(())
    }
}

fn compile(dir: &Dir, name: &str) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest");
    let program = dir.file(&format!("{name}.elf"));
    let mut gcc = Command::new("gcc");
    gcc.args("-m32 -O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-pie".split(' '));
    gcc.args("-fno-stack-protector -mno-sse -mno-mmx -nostdlib -static -no-pie".split(' '));
    gcc.args("-Wl,--build-id=none,-z,noexecstack,-T".split(' '));
    gcc.arg(source.join("link.ld"))
        .arg(source.join("pictures.c"));
    gcc.arg("-o").arg(&program);
    gcc.stderr(File::create(dir.file(&format!("{name}.gcc.log")))?);
    let status = gcc.status().context("run gcc")?;
    ensure!(status.success(), "the guest can't be compiled: {status}");
    Ok(program)
}
