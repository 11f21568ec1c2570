// SPDX-License-Identifier: GPL-2.0-or-later
//! A packet as virtio-net has it: the device's header, Ethernet's, IPv4's, UDP's.

use std::ops::Range;

/// virtio's, since version 1.
const VIRTIO: usize = 12;
/// In virtio's: how many buffers a received packet takes, of two bytes.
const BUFFERS: usize = 10;
const ETHERNET: usize = VIRTIO;
const IP: usize = ETHERNET + 14;
const UDP: usize = IP + 20;

/// What is asked for, by its UDP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Port 7.
    Echo,
    /// Port 9.
    Discard,
}

/// One with room for more.
pub struct Packet {
    bytes: [u8; Self::MOST],
    len: usize,
}

impl Packet {
    /// Bytes of all headers.
    pub const HEADERS: usize = UDP + 8;
    /// Bytes of the longest: 1500 of IP's.
    pub const MOST: usize = IP + 1500;

    /// None of it yet.
    pub fn new() -> Self {
        Self {
            bytes: [0; Self::MOST],
            len: 0,
        }
    }

    /// More of it, no more than [`Packet::MOST`] in all.
    pub fn extend(&mut self, more: &[u8]) {
        self.bytes[self.len..self.len + more.len()].copy_from_slice(more);
        self.len += more.len();
    }

    /// What there is of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The service it is sent to, if it is UDP's and there is one. It needs to
    /// have its headers.
    pub fn service(&self) -> Option<Service> {
        // IPv4 without options, and its protocol 17.
        let is_udp = self.len >= Self::HEADERS
            && self.bytes[IP - 2..IP + 1] == [0x08, 0x00, 0x45]
            && self.bytes[IP + 9] == 17;
        match self.bytes[UDP + 2..UDP + 4] {
            [0, 7] if is_udp => Some(Service::Echo),
            [0, 9] if is_udp => Some(Service::Discard),
            _ => None,
        }
    }

    /// Makes it the same packet on its way back. Checksums stay as they are,
    /// being sums.
    pub fn answer(&mut self) {
        self.bytes[..VIRTIO].fill(0);
        self.bytes[BUFFERS] = 1;
        self.swap(ETHERNET..ETHERNET + 6);
        self.swap(IP + 12..IP + 16);
        self.swap(UDP..UDP + 2);
    }

    /// Swaps a sender's address with the receiver's behind it.
    fn swap(&mut self, first: Range<usize>) {
        let (one, other) = self.bytes[first.start..].split_at_mut(first.len());
        one.swap_with_slice(&mut other[..first.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent to `port`; all fields that are swapped differ.
    fn sent_to(port: u8) -> Vec<u8> {
        let mut sent = vec![9; VIRTIO];
        sent.extend([[1; 6], [2; 6]].concat());
        sent.extend([0x08, 0x00, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0xcc, 0xcc]);
        sent.extend([[3; 4], [4; 4]].concat());
        sent.extend([5, 6, 0, port, 0, 12, 0xdd, 0xdd]);
        sent.extend(*b"data");
        sent
    }

    fn packet(sent: &[u8]) -> Packet {
        let mut packet = Packet::new();
        let (headers, data) = sent.split_at(sent.len().min(Packet::HEADERS));
        packet.extend(headers);
        packet.extend(data);
        packet
    }

    #[test]
    fn services_have_ports() {
        assert_eq!(packet(&sent_to(7)).service(), Some(Service::Echo));
        assert_eq!(packet(&sent_to(9)).service(), Some(Service::Discard));
        assert_eq!(packet(&sent_to(8)).service(), None);
        assert_eq!(packet(&sent_to(7)[..Packet::HEADERS - 1]).service(), None);
        let mut tcp = sent_to(7);
        tcp[IP + 9] = 6;
        assert_eq!(packet(&tcp).service(), None);
    }

    #[test]
    fn answers_go_back() {
        let mut packet = packet(&sent_to(7));
        packet.answer();
        let mut expected = vec![0; VIRTIO];
        expected[BUFFERS] = 1;
        expected.extend([[2; 6], [1; 6]].concat());
        expected.extend([0x08, 0x00, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0xcc, 0xcc]);
        expected.extend([[4; 4], [3; 4]].concat());
        expected.extend([0, 7, 5, 6, 0, 12, 0xdd, 0xdd]);
        expected.extend(*b"data");
        assert_eq!(packet.bytes(), expected);
    }
}
