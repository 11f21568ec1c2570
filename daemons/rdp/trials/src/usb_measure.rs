// SPDX-License-Identifier: GPL-2.0-or-later
//! How fast a guest has what it asks of a stick: through annex-usb's session and annex-rdp, beside
//! another stick that its `usb-redir` is connected to by a socket, with nothing in between.
//!
//! Both sticks are the same code, and are in the same guest, on the same controller. The guest
//! measures (guest/usbload.c): it asks for one thing after another, and compares what it reads.

use std::fs;
use std::os::unix::net::UnixStream;
use std::thread;

use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use anyhow::{bail, Result};
use rdp_usb::testing::{Redirected, Stick};
use serde_json::{json, Value};

use crate::machine::Server;
use crate::usb_client::{Shared, UsbClient};
use crate::usb_guest::{content, disks, machine, BLOCKS, PIECE};

/// The way between the stick and `usb-redir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A Unix socket.
    Socket,
    /// MS-RDPEUSB over TLS on loopback, and what annex-rdp makes of it.
    Rdp,
}

impl Way {
    /// What Linux calls the stick there: the bus, and the port of its `usb-redir`.
    fn device(self) -> &'static str {
        match self {
            Self::Socket => "1-4",
            Self::Rdp => "1-1",
        }
    }
}

/// What is asked of a stick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A control transfer that brings a byte.
    Control,
    /// 64 KiB, with a command before and a status behind them.
    Read,
    /// Likewise.
    Write,
}

impl Work {
    /// All.
    pub const ALL: [Self; 3] = [Self::Control, Self::Read, Self::Write];

    /// As guest/usbload.c calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// Bytes of data that it moves.
    fn bytes(self) -> usize {
        match self {
            Self::Control => 1,
            Self::Read | Self::Write => PIECE,
        }
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// How often something was asked for.
    pub count: usize,
    /// Bytes of data that were moved by that.
    pub bytes: usize,
    /// How long it took together.
    pub seconds: f64,
    /// Half took at most so many ms.
    pub median_ms: f64,
    /// And 99 of 100 so many.
    pub centile99_ms: f64,
}

impl Figures {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "count": self.count,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "median_ms": self.median_ms,
            "centile99_ms": self.centile99_ms,
        })
    }
}

/// A guest with both sticks.
pub struct Rig {
    _client: UsbClient,
    _server: Server,
    vm: Vm,
}

impl Rig {
    /// Boots the guest and plugs the sticks in.
    pub fn start(dir: &Dir) -> Result<Self> {
        let (qmp, socket) = (dir.file("usb.qmp"), dir.file("usb.socket"));
        // An earlier guest has left it.
        let _ = fs::remove_file(&socket);
        let path = socket.display().to_string().replace(',', ",,");
        let chardev = format!("socket,id=plain,path={path},server=on,wait=off");
        let vm = machine(&qmp)?
            .with(["-chardev", &chardev])
            .with(["-device", "usb-redir,chardev=plain,port=4"])
            .boot("usb", dir)?;
        serve(UnixStream::connect(&socket)?)?;
        disks(&vm, 1)?;
        let server = Server::start(dir, &qmp)?;
        let mut client = UsbClient::connect(server.address)?;
        client.plug(&Shared::new(content(1)))?;
        disks(&vm, 2)?;
        Ok(Self {
            _client: client,
            _server: server,
            vm,
        })
    }

    /// Has the guest ask for something so often.
    pub fn run(&self, way: Way, work: Work, count: usize) -> Result<Figures> {
        let command = format!("usbload {} {} {count}", way.device(), work.name());
        let said = self.vm.agent.sh(&command)?;
        let numbers: Vec<f64> = said.split(' ').flat_map(str::parse).collect();
        let [seconds, median, centile99] = numbers[..] else {
            bail!("usbload said {said:?}");
        };
        Ok(Figures {
            count,
            bytes: count * work.bytes(),
            seconds,
            median_ms: median / 1e6,
            centile99_ms: centile99 / 1e6,
        })
    }
}

/// Plugs a stick in at a usb-redir's socket, until QEMU ends.
fn serve(stream: UnixStream) -> Result<()> {
    let mut stick = Stick::new(BLOCKS);
    stick.blocks = content(2);
    let mut redirected = Redirected::new(stick, stream)?;
    // If it fails, the guest finds the stick gone, and says so.
    thread::spawn(move || while matches!(redirected.turn(), Ok(true)) {});
    Ok(())
}
