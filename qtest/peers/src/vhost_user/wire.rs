// SPDX-License-Identifier: GPL-2.0-or-later
//! Messages of the vhost-user protocol, right ones and wrong ones. Libraries
//! for it send the right ones only, and keep back descriptors that they don't
//! expect: here every one is seen.

use std::fmt;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{bail, ensure, Result};
use rustix::net::{
    recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// What QEMU asks, as docs/interop/vhost-user.rst numbers it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u32);

macro_rules! codes {
    ($($name:ident = $number:literal),* $(,)?) => {
        // Most are here to have their names told.
        #[allow(missing_docs, dead_code)]
        impl Code { $(pub const $name: Self = Self($number);)* }
        impl fmt::Display for Code {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $($number => f.write_str(stringify!($name)),)*
                    other => write!(f, "UNKNOWN_{other}"),
                }
            }
        }
    };
}

codes! {
    GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, RESET_OWNER = 4, SET_MEM_TABLE = 5,
    SET_LOG_BASE = 6, SET_LOG_FD = 7, SET_VRING_NUM = 8, SET_VRING_ADDR = 9, SET_VRING_BASE = 10,
    GET_VRING_BASE = 11, SET_VRING_KICK = 12, SET_VRING_CALL = 13, SET_VRING_ERR = 14,
    GET_PROTOCOL_FEATURES = 15, SET_PROTOCOL_FEATURES = 16, GET_QUEUE_NUM = 17,
    SET_VRING_ENABLE = 18, SET_BACKEND_REQ_FD = 21, IOTLB_MSG = 22, GET_CONFIG = 24,
    SET_CONFIG = 25, POSTCOPY_ADVISE = 28, POSTCOPY_LISTEN = 29, POSTCOPY_END = 30, GET_INFLIGHT_FD = 31, SET_INFLIGHT_FD = 32,
    RESET_DEVICE = 34, GET_MAX_MEM_SLOTS = 36, ADD_MEM_REG = 37, REM_MEM_REG = 38,
    SET_STATUS = 39, GET_STATUS = 40, GET_SHARED_OBJECT = 41, SET_DEVICE_STATE_FD = 42,
    CHECK_DEVICE_STATE = 43,
}

/// What a back-end asks of QEMU.
#[allow(missing_docs)]
pub mod to_qemu {
    pub const IOTLB: u32 = 1;
    pub const CONFIG_CHANGE: u32 = 2;
    pub const HOST_NOTIFIER: u32 = 3;
    pub const OBJECT_ADD: u32 = 6;
    pub const OBJECT_REMOVE: u32 = 7;
    pub const OBJECT_LOOKUP: u32 = 8;
}

/// In a header's flags.
pub const VERSION: u32 = 1;
const REPLY: u32 = 1 << 2;
/// The sender waits for an answer.
pub const NEED_REPLY: u32 = 1 << 3;

const HEADER: usize = 12;
/// The protocol's messages are smaller.
const PAYLOAD_MAX: u32 = 4096;
/// A memory table has at most 8.
const FDS_MAX: usize = 16;

/// One from QEMU.
pub struct Message {
    /// What it asks.
    pub code: Code,
    flags: u32,
    /// What follows the header.
    pub payload: Vec<u8>,
    /// What came with it.
    pub fds: Vec<File>,
}

impl Message {
    /// The little-endian word at `at`, 0 past the end.
    pub fn u32(&self, at: usize) -> u32 {
        self.payload
            .get(at..at + 4)
            .map_or(0, |b| u32::from_le_bytes(b.try_into().expect("4")))
    }

    /// The little-endian double word at `at`, 0 past the end.
    pub fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }

    /// Whether it answers another.
    pub fn is_reply(&self) -> bool {
        self.flags & REPLY != 0
    }

    /// It as it was sent, without its descriptors.
    pub fn packet(&self) -> Vec<u8> {
        packet(self.code.0, self.flags, &self.payload)
    }

    /// Whether it is answered: because it always is, or since its sender waits.
    pub fn has_answer(&self) -> bool {
        let always = [
            Code::GET_FEATURES,
            Code::GET_PROTOCOL_FEATURES,
            Code::GET_QUEUE_NUM,
            Code::GET_VRING_BASE,
            Code::GET_CONFIG,
            Code::GET_INFLIGHT_FD,
            Code::GET_MAX_MEM_SLOTS,
            Code::GET_STATUS,
            Code::SET_DEVICE_STATE_FD,
            Code::CHECK_DEVICE_STATE,
        ];
        always.contains(&self.code) || self.wants_answer()
    }

    /// Whether QEMU waits for a word that says how it went.
    pub fn wants_answer(&self) -> bool {
        self.flags & NEED_REPLY != 0
    }
}

/// Header and payload.
pub fn packet(code: u32, flags: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER + payload.len());
    for word in [code, flags, payload.len() as u32] {
        packet.extend(word.to_le_bytes());
    }
    packet.extend(payload);
    packet
}

/// The end of a connection to QEMU: the main one, or the back-end's own.
pub struct Wire(UnixStream);

impl Wire {
    /// Over a connected socket.
    pub fn over(stream: UnixStream) -> Self {
        Self(stream)
    }

    /// The next message; none when QEMU has closed the connection.
    pub fn take(&mut self) -> Result<Option<Message>> {
        let mut header = [0; HEADER];
        let (mut got, mut fds) = self.receive(&mut header)?;
        if got == 0 {
            return Ok(None);
        }
        while got < HEADER {
            let (more, with) = self.receive(&mut header[got..])?;
            ensure!(more > 0, "the connection ended in a header");
            got += more;
            fds.extend(with);
        }
        let field = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes"));
        let (code, flags, size) = (field(0), field(4), field(8));
        if size > PAYLOAD_MAX {
            bail!("QEMU sent a message of {size} bytes");
        }
        let mut payload = vec![0; size as usize];
        self.0.read_exact(&mut payload)?;
        Ok(Some(Message {
            code: Code(code),
            flags,
            payload,
            fds,
        }))
    }

    fn receive(&self, into: &mut [u8]) -> Result<(usize, Vec<File>)> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = recvmsg(&self.0, &mut [IoSliceMut::new(into)], &mut control, flags)?;
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights.map(File::from));
            }
        }
        Ok((got.bytes, fds))
    }

    /// Answers a message.
    pub fn reply(&mut self, code: Code, payload: &[u8]) -> Result<()> {
        self.raw(&packet(code.0, VERSION | REPLY, payload), &[])
    }

    /// The same with a descriptor.
    pub fn reply_with(&mut self, code: Code, payload: &[u8], fd: impl AsFd) -> Result<()> {
        self.raw(&packet(code.0, VERSION | REPLY, payload), &[fd.as_fd()])
    }

    /// Sends bytes, and descriptors with the first of them.
    pub fn raw(&mut self, bytes: &[u8], fds: &[BorrowedFd]) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            ensure!(
                control.push(SendAncillaryMessage::ScmRights(fds)),
                "too many descriptors"
            );
        }
        let sent = sendmsg(
            &self.0,
            &[IoSlice::new(bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        Ok(self.0.write_all(&bytes[sent..])?)
    }

    /// Asks something of QEMU, over the back-end's connection, and waits for
    /// its answer: the word in it, or none if it hangs up instead.
    pub fn ask(&mut self, code: u32, payload: &[u8], fds: &[BorrowedFd]) -> Result<Option<u64>> {
        self.raw(&packet(code, VERSION | NEED_REPLY, payload), fds)?;
        self.0.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(self.take()?.map(|answer| answer.u64(0)))
    }

    /// How long the next message may take to come; for ever if there is no limit.
    pub fn set_limit(&self, limit: Option<Duration>) -> Result<()> {
        Ok(self.0.set_read_timeout(limit)?)
    }

    /// Ends it in both directions, whoever else holds it.
    pub fn hang_up(&self) -> Result<()> {
        Ok(self.0.shutdown(std::net::Shutdown::Both)?)
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Wire {
    fn from(fd: OwnedFd) -> Self {
        Self(UnixStream::from(fd))
    }
}
