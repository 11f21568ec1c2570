// SPDX-License-Identifier: GPL-2.0-or-later
//! As much of a debugger as trials need: GDB's remote protocol over a socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use anyhow::{ensure, Context, Result};

/// What a guest under TCG on a busy host may take to come to a breakpoint.
const LIMIT: Duration = Duration::from_secs(60);

/// Numbers of registers in QEMU's description of x86-64.
#[derive(Clone, Copy, Debug)]
pub enum Register {
    Cr3 = 29,
    Cr4 = 30,
}

/// A debugger. The VM is stopped when one comes, and goes on when it leaves.
pub struct Gdb(UnixStream);

impl Gdb {
    /// Attaches one.
    pub fn attach(vm: &Vm, dir: &Dir) -> Result<Self> {
        let path = dir.file("gdb");
        let server = format!("gdbserver unix:{},server=on,wait=off", path.display());
        vm.qmp.human(&server)?;
        let stream = UnixStream::connect(&path)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Self(stream))
    }

    /// Runs until the instruction at an address comes next. A watchpoint would be no good: it drops
    /// what the TLB has of its page.
    pub fn run_to(&mut self, address: u64) -> Result<()> {
        self.expect(&format!("Z0,{address:x},1"), "OK")?;
        let why = self.ask("c")?;
        ensure!(why.starts_with("T05"), "it stopped: {why}");
        self.expect(&format!("z0,{address:x},1"), "OK")
    }

    /// Eight bytes at an address of the current address space.
    pub fn read(&mut self, address: u64) -> Result<u64> {
        number(&self.ask(&format!("m{address:x},8"))?)
    }

    /// Writes them.
    pub fn write(&mut self, address: u64, value: u64) -> Result<()> {
        self.expect(&format!("M{address:x},8:{}", hex(value)), "OK")
    }

    pub fn register(&mut self, register: Register) -> Result<u64> {
        number(&self.ask(&format!("p{:x}", register as u8))?)
    }

    pub fn set_register(&mut self, register: Register, value: u64) -> Result<()> {
        self.expect(&format!("P{:x}={}", register as u8, hex(value)), "OK")
    }

    /// Leaves.
    pub fn detach(mut self) -> Result<()> {
        self.expect("D", "OK")
    }

    fn expect(&mut self, packet: &str, wanted: &str) -> Result<()> {
        let reply = self.ask(packet)?;
        ensure!(reply == wanted, "{packet}: {reply:?}, not {wanted}");
        Ok(())
    }

    /// What stands between `$` and `#` of the answer.
    fn ask(&mut self, packet: &str) -> Result<String> {
        let sum = packet.bytes().fold(0, u8::wrapping_add);
        write!(self.0, "${packet}#{sum:02x}")?;
        let (mut reply, mut byte) = (String::new(), [0]);
        loop {
            self.0
                .read_exact(&mut byte)
                .context("the debugger's answer")?;
            match byte[0] {
                b'#' => break,
                b'+' | b'$' => reply.clear(),
                other => reply.push(other.into()),
            }
        }
        self.0.read_exact(&mut [0; 2])?;
        self.0.write_all(b"+")?;
        Ok(reply)
    }
}

/// Bytes in their order, two digits each.
fn hex(value: u64) -> String {
    let bytes = value.to_le_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn number(digits: &str) -> Result<u64> {
    let swapped = u64::from_str_radix(digits, 16).with_context(|| format!("it said {digits:?}"))?;
    Ok(swapped.swap_bytes())
}
