// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest's agent for the clipboard (spice/vd_agent.h) without a guest: QEMU's chardev for it is on
//! the first serial port, a 16550A, which the test reads and writes by QEMU's qtest.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use annex_qtest::error::Skip;
use annex_qtest::files::{self, Dir};
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};

use crate::machine::{Running, LIMIT};

/// The port's registers: data, and the state of the line.
const DATA: u16 = 0x3f8;
const LINE: u16 = 0x3fd;
/// In the state of the line: there is a byte.
const READY: u8 = 1;

/// VDP_CLIENT_PORT and VD_AGENT_PROTOCOL.
const PORT: u32 = 1;
const PROTOCOL: u32 = 1;
/// VD_AGENT_CAP_CLIPBOARD_BY_DEMAND, _SELECTION and _GRAB_SERIAL.
const CAPABILITIES: u32 = 1 << 5 | 1 << 6 | 1 << 17;
const UTF8_TEXT: u32 = 1;
/// Bytes before a message's data.
const HEADER: usize = 20;

/// Types of messages.
const CLIPBOARD: u32 = 4;
const ANNOUNCE_CAPABILITIES: u32 = 6;
const GRAB: u32 = 7;
const REQUEST: u32 = 8;
const RELEASE: u32 = 9;

/// What QEMU tells an agent of the selection that is copied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It can do something with this end.
    Capabilities,
    /// There is a text, with this number.
    Grab(u32),
    /// What is the guest's text?
    Request,
    /// There is no text any more.
    Release,
    /// The text that was asked for.
    Text(Vec<u8>),
}

/// The agent, and its QEMU.
pub struct Agent {
    _qemu: Running,
    requests: UnixStream,
    answers: BufReader<UnixStream>,
    unread: Vec<u8>,
}

impl Agent {
    /// Starts a QEMU whose monitor listens on `qmp` in the folder.
    pub fn start(dir: &Dir) -> Result<Self> {
        let qemu = files::qemu()?;
        let known = Command::new(&qemu).args(["-chardev", "help"]).output()?;
        if !String::from_utf8_lossy(&known.stdout).contains("qemu-vdagent") {
            let words = "QEMU was built without spice-protocol, and has no qemu-vdagent";
            return Err(Skip(words.into()).into());
        }
        let socket = dir.file("qtest");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        let mut command = Command::new(qemu);
        command.args("-nodefaults -machine pc,accel=qtest -m 64 -vga std".split(' '));
        command.args("-display dbus,p2p=yes -run-with exit-with-parent=on".split(' '));
        command.args("-chardev qemu-vdagent,id=agent,mouse=off,clipboard=on".split(' '));
        command.args("-serial chardev:agent".split(' '));
        let path = |name: &str| dir.file(name).display().to_string().replace(',', ",,");
        command.args(["-qtest", &format!("unix:{}", path("qtest"))]);
        command.args(["-qtest-log", "none"]);
        command.args(["-qmp", &format!("unix:{},server=on,wait=off", path("qmp"))]);
        command.stdin(Stdio::null());
        let mut process = Running::start(dir, "vm.qemu", command)?;
        listener.set_nonblocking(true)?;
        let requests = wait::until("QEMU's qtest", LIMIT, || {
            ensure!(process.0.try_wait()?.is_none(), "QEMU has ended");
            Ok(listener.accept().ok())
        })?
        .0;
        requests.set_nonblocking(false)?;
        let mut agent = Self {
            _qemu: process,
            answers: BufReader::new(requests.try_clone()?),
            requests,
            unread: Vec::new(),
        };
        // What it said before the port was reset isn't whole. It goes on with that when the port is read.
        agent.read(DATA)?;
        while agent.byte()?.is_some() {}
        Ok(agent)
    }

    /// Begins.
    pub fn announce(&mut self) -> Result<()> {
        self.tell(ANNOUNCE_CAPABILITIES, &[1, CAPABILITIES], &[])?;
        self.expect(&Told::Capabilities)
    }

    /// The guest has copied a text.
    pub fn grab(&mut self, serial: u32) -> Result<()> {
        self.tell(GRAB, &[0, serial, UTF8_TEXT], &[])
    }

    /// It has none any more.
    pub fn release(&mut self) -> Result<()> {
        self.tell(RELEASE, &[0], &[])
    }

    /// The guest pastes.
    pub fn request(&mut self) -> Result<()> {
        self.tell(REQUEST, &[0, UTF8_TEXT], &[])
    }

    /// The text that was asked for.
    pub fn answer(&mut self, text: &[u8]) -> Result<()> {
        self.tell(CLIPBOARD, &[0, UTF8_TEXT], text)
    }

    /// Takes what QEMU has said, if it has.
    pub fn hear(&mut self) -> Result<Option<Told>> {
        while let Some(byte) = self.byte()? {
            self.unread.push(byte);
        }
        self.message()
    }

    /// Waits until QEMU says this. It may say other things before.
    pub fn expect(&mut self, wanted: &Told) -> Result<()> {
        wait::until(&format!("{wanted:?} at the agent"), LIMIT, || {
            Ok(self.hear()?.filter(|told| told == wanted).map(|_| ()))
        })
    }

    /// The first message of what is unread. Each is in chunks with a header of 8 bytes.
    fn message(&mut self) -> Result<Option<Told>> {
        let (mut message, mut at) = (Vec::new(), 0);
        loop {
            if message.len() >= HEADER && message.len() == HEADER + word(&message, 16)? as usize {
                break;
            }
            let Ok(size) = word(&self.unread, at + 4) else {
                return Ok(None);
            };
            ensure!(word(&self.unread, at)? == PORT, "another port");
            let end = at + 8 + size as usize;
            let Some(chunk) = self.unread.get(at + 8..end) else {
                return Ok(None);
            };
            message.extend_from_slice(chunk);
            at = end;
        }
        self.unread.drain(..at);
        ensure!(word(&message, 0)? == PROTOCOL, "another protocol");
        let data = &message[HEADER..];
        Ok(Some(match word(&message, 4)? {
            ANNOUNCE_CAPABILITIES => Told::Capabilities,
            GRAB => Told::Grab(word(data, 4)?),
            REQUEST => Told::Request,
            RELEASE => Told::Release,
            CLIPBOARD => Told::Text(data.get(8..).context("a text")?.to_vec()),
            other => anyhow::bail!("a message of the type {other}"),
        }))
    }

    fn tell(&mut self, kind: u32, words: &[u32], more: &[u8]) -> Result<()> {
        let size = 4 * words.len() + more.len();
        let header = [
            PORT,
            (HEADER + size) as u32,
            PROTOCOL,
            kind,
            0,
            0,
            size as u32,
        ];
        let numbers = header.iter().chain(words);
        let mut bytes: Vec<u8> = numbers.flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend_from_slice(more);
        let commands: String = bytes
            .iter()
            .map(|byte| format!("outb {DATA:#x} {byte:#x}\n"))
            .collect();
        self.requests.write_all(commands.as_bytes())?;
        for _ in bytes {
            self.answered()?;
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<Option<u8>> {
        if self.read(LINE)? & READY == 0 {
            return Ok(None);
        }
        self.read(DATA).map(Some)
    }

    fn read(&mut self, port: u16) -> Result<u8> {
        writeln!(self.requests, "inb {port:#x}")?;
        let answer = self.answered()?;
        let value = answer.strip_prefix("0x").context("a number")?;
        Ok(u8::try_from(u64::from_str_radix(value, 16)?)?)
    }

    /// What follows OK.
    fn answered(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let value = line.trim_end().strip_prefix("OK");
        Ok(value
            .with_context(|| format!("qtest: {line:?}"))?
            .trim()
            .into())
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let bytes = bytes.get(at..at + 4).context("a message that is cut")?;
    Ok(u32::from_le_bytes(bytes.try_into()?))
}
