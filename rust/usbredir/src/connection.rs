// SPDX-License-Identifier: GPL-2.0-or-later
//! Packets in a stream of bytes.

use crate::codec::allowed_from;
use crate::fields::Reader;
use crate::{Caps, Packet, Refusal};

/// The longest head: type, length, and an id of 64 bits.
const MAX_HEAD: usize = 16;

/// Which side one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The side that has the device.
    Host,
    /// The side that has the virtual machine.
    Guest,
}

impl Role {
    /// The other side.
    pub fn peer(self) -> Role {
        match self {
            Role::Host => Role::Guest,
            Role::Guest => Role::Host,
        }
    }
}

/// How much memory a connection may use, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Header and data of a packet that is received.
    pub packet: usize,
    /// What may wait to be sent; beyond it [`Connection::send`] refuses. One packet more may wait.
    pub unsent: usize,
}

impl Default for Limits {
    /// 2 MiB for a packet, since QEMU combines up to 1 MiB of bulk transfers into one; 8 MiB of
    /// unsent ones.
    fn default() -> Limits {
        Limits {
            packet: 2 << 20,
            unsent: 8 << 20,
        }
    }
}

/// A packet that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The id of the request, or of that which is answered; 0 where there is none.
    pub id: u64,
    /// The packet.
    pub packet: Packet,
}

/// One side of a connection.
///
/// Bytes that the peer has sent go to [`Connection::receive`] until it takes no more of them; what
/// [`Connection::unsent`] has goes to the peer, and [`Connection::sent`] says how much of it.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    limits: Limits,
    ours: Caps,
    peer: Option<Caps>,
    /// The head of the packet that is coming, as far as it has come.
    head: Vec<u8>,
    /// Its header and data, as far as they have come.
    body: Vec<u8>,
    /// Bytes to be skipped of a packet that was refused.
    skip: u32,
    unsent: Vec<u8>,
    /// How much at the beginning of `unsent` has been sent.
    sent: usize,
}

impl Connection {
    /// One side, with its hello to be sent: a name and version for the peer's log, and what it
    /// can do.
    pub fn new(role: Role, version: &str, caps: Caps, limits: Limits) -> Connection {
        let ours = Caps::from_bits(caps.bits());
        let mut connection = Connection {
            role,
            limits,
            ours,
            peer: None,
            head: Vec::with_capacity(MAX_HEAD),
            body: Vec::new(),
            skip: 0,
            unsent: Vec::new(),
            sent: 0,
        };
        connection.push(
            0,
            &Packet::Hello {
                version: version.to_owned(),
                caps: ours,
            },
        );
        connection
    }

    /// What both sides can do; nothing before the peer's hello.
    pub fn common(&self) -> Caps {
        self.ours.common(self.peer.unwrap_or_default())
    }

    /// What the peer can do, if its hello has come.
    pub fn peer(&self) -> Option<Caps> {
        self.peer
    }

    /// Takes bytes off the front of `bytes`, to the end of a packet or of the bytes.
    ///
    /// Returns the packet, or why it was refused; either way the next call goes on behind it.
    /// `None`: all bytes are taken, and no packet is complete.
    pub fn receive(&mut self, bytes: &mut &[u8]) -> Option<Result<Received, Refusal>> {
        let skipped = bytes.len().min(self.skip as usize);
        *bytes = &bytes[skipped..];
        self.skip -= skipped as u32;
        if self.skip > 0 {
            return None;
        }
        let size = self.head_length();
        if self.head.len() < size {
            fill(&mut self.head, size, bytes)?;
            let (number, length) = self.packet_head();
            if let Err(refusal) = self.check_head(number, length) {
                self.head.clear();
                self.skip = length;
                return Some(Err(refusal));
            }
        }
        let (number, length) = self.packet_head();
        fill(&mut self.body, length as usize, bytes)?;
        let id = self.packet_id(number);
        let packet = Packet::read(number, self.common(), &self.body).and_then(|packet| {
            packet.check(self.role.peer(), self.ours, self.common())?;
            Ok(packet)
        });
        self.head.clear();
        self.body.clear();
        // Memory for the largest packet isn't kept for small ones.
        self.body.shrink_to(1 << 16);
        if let Ok(Packet::Hello { caps, .. }) = &packet {
            self.peer = Some(*caps);
        }
        Some(packet.map(|packet| Received { id, packet }))
    }

    /// How much memory packets that come have, for tests.
    #[cfg(feature = "testing")]
    pub(crate) fn received_capacity(&self) -> usize {
        self.head.capacity() + self.body.capacity()
    }

    fn head_length(&self) -> usize {
        if self.common().has(Caps::IDS_64BIT) {
            16
        } else {
            12
        }
    }

    /// Type and length of the head that has come.
    fn packet_head(&self) -> (u32, u32) {
        let mut from = Reader(&self.head);
        (
            from.u32().unwrap_or_default(),
            from.u32().unwrap_or_default(),
        )
    }

    fn packet_id(&self, number: u32) -> u64 {
        if !Packet::has_id(number) {
            return 0;
        }
        let mut id = [0; 8];
        let bytes = &self.head[8..];
        id[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(id)
    }

    fn check_head(&self, number: u32, length: u32) -> Result<(), Refusal> {
        allowed_from(number, self.role.peer())?;
        match (number, self.peer) {
            (0, Some(_)) => return Err(Refusal::SecondHello),
            (1.., None) => return Err(Refusal::NoHello(number)),
            _ => (),
        }
        let header = Packet::header_length(number, self.common());
        if length as usize > self.limits.packet {
            let limit = self.limits.packet as u64;
            return Err(Refusal::TooLong {
                number,
                length: length.into(),
                limit,
            });
        }
        let fits = match Packet::has_data(number) {
            true => length as usize >= header,
            false => length as usize == header,
        };
        if fits {
            Ok(())
        } else {
            Err(Refusal::Length { number, length })
        }
    }

    /// Queues a packet. An id where there is none is ignored. It is cut off to 32 bits if one side knows no longer ones; a guest
    /// that chose it knows that.
    ///
    /// # Errors
    ///
    /// The packet isn't one that this side can send to the peer as it is, or too much waits.
    pub fn send(&mut self, id: u64, packet: &Packet) -> Result<(), Refusal> {
        let number = packet.number();
        let Some(peer) = self.peer else {
            return Err(Refusal::NoHello(number));
        };
        if let Packet::Hello { .. } = packet {
            return Err(Refusal::SecondHello);
        }
        packet.check(self.role, peer, self.common())?;
        if self.unsent().len() >= self.limits.unsent {
            return Err(Refusal::Full);
        }
        self.push(id, packet);
        Ok(())
    }

    fn push(&mut self, id: u64, packet: &Packet) {
        // Not each time: what is left has to be moved.
        if self.sent > self.unsent.len() / 2 {
            self.unsent.drain(..self.sent);
            self.sent = 0;
        }
        let id = if Packet::has_id(packet.number()) {
            id
        } else {
            0
        };
        let head = self.unsent.len();
        self.unsent.extend(packet.number().to_le_bytes());
        self.unsent.extend([0; 4]);
        self.unsent
            .extend(&id.to_le_bytes()[..self.head_length() - 8]);
        let body = self.unsent.len();
        packet.write(self.common(), &mut self.unsent);
        let length = (self.unsent.len() - body) as u32;
        self.unsent[head + 4..head + 8].copy_from_slice(&length.to_le_bytes());
    }

    /// What waits to be sent.
    pub fn unsent(&self) -> &[u8] {
        &self.unsent[self.sent..]
    }

    /// Says how many bytes at the beginning of [`Connection::unsent`] have been sent.
    ///
    /// # Panics
    ///
    /// There aren't as many.
    pub fn sent(&mut self, count: usize) {
        assert!(count <= self.unsent().len(), "more was sent than there is");
        self.sent += count;
        if self.sent == self.unsent.len() {
            self.unsent.clear();
            self.unsent.shrink_to(1 << 16);
            self.sent = 0;
        }
    }
}

/// Moves bytes until there are `size`. `None`: there weren't enough.
fn fill(to: &mut Vec<u8>, size: usize, bytes: &mut &[u8]) -> Option<()> {
    let count = bytes.len().min(size - to.len());
    to.extend(&bytes[..count]);
    *bytes = &bytes[count..];
    (to.len() == size).then_some(())
}
