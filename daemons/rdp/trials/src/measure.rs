// SPDX-License-Identifier: GPL-2.0-or-later
//! How fast pictures come to a client, at what price: annex-rdp beside QEMU's VNC server, with
//! the same guest and the same code that looks.
//!
//! The guest shows the next picture when the client has shown the one before, every pixel of it,
//! compared with the guest's own: no picture is left out, so that bytes and times are of the same
//! work, and nothing is lossy. No picture comes twice. What it takes to draw one isn't counted.

use std::fs;
use std::time::{Duration, Instant};

use annex_qtest::files::Dir;
use anyhow::{ensure, Context, Result};
use ironrdp_pdu::input::fast_path::{FastPathInputEvent, KeyboardFlags};
use serde_json::{json, Value};

use crate::client::Client;
use crate::gallery::{Display, Gallery, Scene, HEIGHT, WIDTH};
use crate::machine::{Server, LIMIT, LOGIN};
use crate::vnc::{Encoding, Vnc};

/// Bytes of a pixel: red, green, blue, 255.
const BYTES: usize = 4;
/// A key that the guest doesn't ask about: A.
const SCANCODE: u8 = 0x1e;
const KEYSYM: u32 = 0x61;

/// Who shows the guest's screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// annex-rdp, with the best that this client negotiates.
    Rdp,
    /// annex-rdp, with a client that draws no orders and decompresses nothing in bulk.
    PlainRdp,
    /// QEMU's VNC server.
    Vnc(Encoding),
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Pictures, or keys.
    pub count: usize,
    /// All of them, without what is between them.
    pub time: Duration,
    /// Bytes that the client was sent; without what TLS adds.
    pub bytes: usize,
    /// CPU time of QEMU, and of annex-rdp.
    pub cpu: Duration,
    /// Each one's, sorted.
    pub times: Vec<Duration>,
}

impl Figures {
    fn none(count: usize) -> Self {
        Self {
            count,
            time: Duration::ZERO,
            bytes: 0,
            cpu: Duration::ZERO,
            times: Vec::new(),
        }
    }

    fn add(&mut self, time: Duration, bytes: usize, cpu: Duration) {
        self.time += time;
        self.bytes += bytes;
        self.cpu += cpu;
        self.times.push(time);
        self.times.sort();
    }

    /// As JSON: times in ms. There must be one.
    pub fn json(&self) -> Value {
        let at = |part: usize| {
            let index = (self.times.len() - 1) * part / 100;
            self.times[index].as_secs_f64() * 1e3
        };
        json!({
            "count": self.count,
            "seconds": self.time.as_secs_f64(),
            "bytes": self.bytes,
            "cpu_seconds": self.cpu.as_secs_f64(),
            "median_ms": at(50),
            "centile99_ms": at(99),
        })
    }
}

enum Viewer {
    Rdp(Box<Client>, Server),
    Vnc(Box<Vnc>),
}

/// A guest, and a client that looks at it.
pub struct Rig {
    gallery: Gallery,
    viewer: Viewer,
}

impl Rig {
    /// Starts both.
    pub fn start(dir: &Dir, way: Way) -> Result<Self> {
        match way {
            Way::Rdp | Way::PlainRdp => {
                let qmp = dir.file("rdp.qmp");
                let gallery = Gallery::start(dir, "rdp.qemu", Display::Dbus(&qmp))?;
                let server = Server::start(dir, &qmp)?;
                let log_in = match way {
                    Way::PlainRdp => Client::plain,
                    _ => Client::connect,
                };
                let client = log_in(server.address, LOGIN.0, LOGIN.1)?;
                let viewer = Viewer::Rdp(Box::new(client), server);
                Ok(Self { gallery, viewer })
            }
            Way::Vnc(encoding) => {
                let socket = dir.file("vnc");
                let gallery = Gallery::start(dir, "vnc.qemu", Display::Vnc(&socket))?;
                let client = Vnc::connect(&socket, encoding)?;
                let viewer = Viewer::Vnc(Box::new(client));
                Ok(Self { gallery, viewer })
            }
        }
    }

    /// How many orders the client has drawn: by VNC, none.
    pub fn orders(&self) -> usize {
        match &self.viewer {
            Viewer::Rdp(client, _) => client.orders(),
            Viewer::Vnc(_) => 0,
        }
    }

    /// Shows `count` pictures of a scene, one after another.
    pub fn pictures(&mut self, scene: Scene, count: usize) -> Result<Figures> {
        // The first one isn't counted: it is where the others begin.
        let pictures = (0..=count).map(|_| self.gallery.draw(scene));
        let pictures = pictures.collect::<Result<Vec<_>>>()?;
        let mut figures = Figures::none(count);
        for (number, picture) in pictures.iter().enumerate() {
            let before = (self.received(), self.cpu()?, Instant::now());
            self.gallery.show()?;
            self.shown(picture)?;
            if number > 0 {
                figures.add(
                    before.2.elapsed(),
                    self.received() - before.0,
                    self.cpu()? - before.1,
                );
            }
        }
        let dump = self.gallery.dump()?.pixels;
        let (width, _, shown) = self.picture();
        let rows = shown.chunks_exact(width * BYTES);
        let shown = rows.flat_map(|row| row[..WIDTH * BYTES].chunks_exact(BYTES));
        ensure!(
            shown.flat_map(|pixel| &pixel[..3]).eq(&dump),
            "the last picture isn't QEMU's"
        );
        Ok(figures)
    }

    /// Presses `count` keys, and waits each time until the square at the top left has another
    /// colour.
    pub fn keys(&mut self, count: usize) -> Result<Figures> {
        let picture = self.gallery.draw(Scene::Fill)?;
        self.gallery.show()?;
        self.shown(&picture)?;
        let colour = |bytes: &[u8]| [bytes[0], bytes[1], bytes[2]];
        let mut figures = Figures::none(count);
        for number in 0..count {
            let until = Instant::now() + pause(number);
            while self.step(until)? {}
            let shown = colour(self.picture().2);
            let before = (self.received(), self.cpu()?, Instant::now());
            self.key(true)?;
            self.until(|_, _, pixels| (colour(pixels) != shown).then_some(()))?;
            figures.add(
                before.2.elapsed(),
                self.received() - before.0,
                self.cpu()? - before.1,
            );
            self.key(false)?;
        }
        Ok(figures)
    }

    /// Waits until the client shows this. What was compared isn't again: nothing draws there.
    fn shown(&mut self, expected: &[u8]) -> Result<()> {
        let row = WIDTH * BYTES;
        let mut same = 0;
        self.until(|columns, rows, pixels| {
            if columns < WIDTH || rows < HEIGHT {
                return None;
            }
            let expected = expected.chunks_exact(row).skip(same);
            let shown = pixels.chunks_exact(columns * BYTES).skip(same);
            same += expected
                .zip(shown)
                .take_while(|(expected, shown)| *expected == &shown[..row])
                .count();
            (same == HEIGHT).then_some(())
        })
    }

    fn until(&mut self, mut look: impl FnMut(usize, usize, &[u8]) -> Option<()>) -> Result<()> {
        let until = Instant::now() + LIMIT;
        loop {
            let (width, height, pixels) = self.picture();
            if look(width, height, pixels).is_some() {
                return Ok(());
            }
            ensure!(self.step(until)?, "the client doesn't show it");
        }
    }

    fn picture(&self) -> (usize, usize, &[u8]) {
        match &self.viewer {
            Viewer::Rdp(client, _) => client.shown(),
            Viewer::Vnc(client) => client.picture(),
        }
    }

    fn received(&self) -> usize {
        match &self.viewer {
            Viewer::Rdp(client, _) => client.received,
            Viewer::Vnc(client) => client.received,
        }
    }

    fn step(&mut self, until: Instant) -> Result<bool> {
        match &mut self.viewer {
            Viewer::Rdp(client, _) => client.step(until),
            Viewer::Vnc(client) => client.step(until),
        }
    }

    fn key(&mut self, down: bool) -> Result<()> {
        match &mut self.viewer {
            Viewer::Rdp(client, _) => {
                let flags = match down {
                    true => KeyboardFlags::empty(),
                    false => KeyboardFlags::RELEASE,
                };
                client.input(&[FastPathInputEvent::KeyboardEvent(flags, SCANCODE)])
            }
            Viewer::Vnc(client) => client.key(KEYSYM, down),
        }
    }

    /// What QEMU and annex-rdp have used so far.
    fn cpu(&self) -> Result<Duration> {
        let mut all = cpu_of(self.gallery.process.0.id())?;
        if let Viewer::Rdp(_, server) = &self.viewer {
            all += cpu_of(server.process.0.id())?;
        }
        Ok(all)
    }
}

/// Between two keys, so that they don't fall into step with QEMU's refresh, which is every 30 ms.
fn pause(number: usize) -> Duration {
    Duration::from_millis(40 + (number * 7 % 30) as u64)
}

/// CPU time of a process's threads (proc(5), schedstat: ns).
fn cpu_of(pid: u32) -> Result<Duration> {
    let mut all = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        let ns = stat.split(' ').next().context("schedstat")?;
        all += ns.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(all))
}
