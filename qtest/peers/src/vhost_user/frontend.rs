// SPDX-License-Identifier: GPL-2.0-or-later
//! The front-end's side of a connection: what QEMU asks of a back-end, and what
//! it never would.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};

use super::wire::{packet, Code, Message, Wire, NEED_REPLY, VERSION};
use super::{Memory, Queue};

/// Bits of the protocol features.
#[allow(missing_docs)]
pub mod protocol {
    pub const MQ: u64 = 1 << 0;
    pub const LOG_SHMFD: u64 = 1 << 1;
    pub const REPLY_ACK: u64 = 1 << 3;
    pub const BACKEND_REQ: u64 = 1 << 5;
    pub const PAGEFAULT: u64 = 1 << 8;
    pub const CONFIG: u64 = 1 << 9;
    pub const CONFIGURE_MEM_SLOTS: u64 = 1 << 15;
    pub const DEVICE_STATE: u64 = 1 << 19;
}

/// In the payload of messages that may come with a descriptor, and in the answer
/// to SET_DEVICE_STATE_FD: none does.
pub const NO_FD: u64 = 1 << 8;

/// How long a back-end may take to answer on a busy host.
const LIMIT: Duration = Duration::from_secs(30);

/// A connection to a back-end, from its front-end's side.
pub struct Frontend {
    wire: Wire,
    /// Whether every message is answered.
    acks: bool,
}

impl Frontend {
    /// Connects to a socket that a back-end listens on.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| socket.display().to_string())?;
        let wire = Wire::over(stream);
        wire.set_limit(Some(LIMIT))?;
        Ok(Self { wire, acks: false })
    }

    /// The connection, for what the others can't say.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Sends a message whose answer is more than a word, and waits for that.
    pub fn ask(&mut self, code: Code, payload: &[u8], fds: &[BorrowedFd]) -> Result<Message> {
        self.wire.raw(&packet(code.0, VERSION, payload), fds)?;
        self.answer(code)
    }

    fn answer(&mut self, code: Code) -> Result<Message> {
        let answer = self.wire.take().with_context(|| format!("after {code}"))?;
        let answer = answer.with_context(|| format!("the back-end hung up after {code}"))?;
        ensure!(
            answer.is_reply() && answer.code == code,
            "{code} was answered with {}",
            answer.code
        );
        Ok(answer)
    }

    /// The number that a question without a payload is answered with.
    pub fn get(&mut self, code: Code) -> Result<u64> {
        Ok(self.ask(code, &[], &[])?.u64(0))
    }

    /// Sends a message that has no answer of its own. The word that says how it
    /// went: 0 is well, as it is before REPLY_ACK is negotiated.
    pub fn tell(&mut self, code: Code, payload: &[u8], fds: &[BorrowedFd]) -> Result<u64> {
        let flags = VERSION | if self.acks { NEED_REPLY } else { 0 };
        self.wire.raw(&packet(code.0, flags, payload), fds)?;
        match self.acks {
            true => Ok(self.answer(code)?.u64(0)),
            false => Ok(0),
        }
    }

    /// The same, which must go well.
    pub fn order(&mut self, code: Code, payload: &[u8], fds: &[BorrowedFd]) -> Result<()> {
        match self.tell(code, payload, fds)? {
            0 => Ok(()),
            word => bail!("{code} was refused: {word}"),
        }
    }

    /// Takes of the protocol's features those that are in `wanted`. What was
    /// offered.
    pub fn negotiate(&mut self, wanted: u64) -> Result<u64> {
        let offered = self.get(Code::GET_PROTOCOL_FEATURES)?;
        let taken = offered & wanted;
        self.order(Code::SET_PROTOCOL_FEATURES, &taken.to_le_bytes(), &[])?;
        self.acks = taken & protocol::REPLY_ACK != 0;
        Ok(offered)
    }

    /// Shares memory.
    pub fn share(&mut self, memory: &Memory) -> Result<()> {
        let fds: Vec<BorrowedFd> = memory.files().map(AsFd::as_fd).collect();
        self.order(Code::SET_MEM_TABLE, &memory.table(), &fds)
    }

    /// Hands over a queue that begins at `base`, and enables it.
    pub fn start(&mut self, index: u32, queue: &Queue, base: u16) -> Result<()> {
        let pair = |value: u32| [index.to_le_bytes(), value.to_le_bytes()].concat();
        self.order(Code::SET_VRING_NUM, &pair(queue.num().into()), &[])?;
        self.order(Code::SET_VRING_BASE, &pair(base.into()), &[])?;
        self.order(Code::SET_VRING_ADDR, &queue.addresses(index), &[])?;
        let number = u64::from(index).to_le_bytes();
        self.order(Code::SET_VRING_CALL, &number, &[queue.call()])?;
        self.order(Code::SET_VRING_KICK, &number, &[queue.kick_fd()])?;
        self.order(Code::SET_VRING_ENABLE, &pair(1), &[])
    }

    /// Takes a queue back. What it has come to.
    pub fn stop(&mut self, index: u32) -> Result<u16> {
        let payload = [index.to_le_bytes(), [0; 4]].concat();
        let answer = self.ask(Code::GET_VRING_BASE, &payload, &[])?;
        Ok(answer.u32(4) as u16)
    }

    /// Writes to the device's configuration. The word that says how it went.
    pub fn set_config(&mut self, offset: u32, flags: u32, bytes: &[u8]) -> Result<u64> {
        let payload = config(offset, flags, bytes);
        self.tell(Code::SET_CONFIG, &payload, &[])
    }

    /// Reads from it. Nothing if the back-end won't say.
    pub fn get_config(&mut self, offset: u32, length: usize) -> Result<Vec<u8>> {
        let payload = config(offset, 0, &vec![0; length]);
        let answer = self.ask(Code::GET_CONFIG, &payload, &[])?;
        Ok(answer.payload.get(12..).unwrap_or_default().to_vec())
    }

    /// Has the back-end write its state into `fd`, or read it from there. False
    /// if it refuses at once.
    pub fn transfer(&mut self, load: bool, fd: BorrowedFd) -> Result<bool> {
        let payload = [u32::from(load).to_le_bytes(), [0; 4]].concat();
        let word = self.ask(Code::SET_DEVICE_STATE_FD, &payload, &[fd])?.u64(0);
        // An answer with a descriptor of its own would lack the bit.
        ensure!(
            word & 0xff != 0 || word & NO_FD != 0,
            "SET_DEVICE_STATE_FD answers {word:#x}"
        );
        Ok(word & 0xff == 0)
    }

    /// Whether the transfer has gone well.
    pub fn transferred(&mut self) -> Result<bool> {
        Ok(self.get(Code::CHECK_DEVICE_STATE)? == 0)
    }
}

fn config(offset: u32, flags: u32, bytes: &[u8]) -> Vec<u8> {
    let head = [offset, bytes.len() as u32, flags].map(u32::to_le_bytes);
    [head.as_flattened(), bytes].concat()
}
