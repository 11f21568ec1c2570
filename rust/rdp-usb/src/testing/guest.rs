// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest's side of usbredir, as QEMU's `usb-redir` is one.

use std::collections::{BTreeMap, BTreeSet};

use usbredir::{Caps, Connection, Endpoint, Interface, Limits, Packet, Role, ENDPOINTS};

/// A guest. Answers are kept by the ids of what they answer.
#[derive(Debug)]
pub struct Guest {
    /// The connection to the slot.
    pub connection: Connection,
    /// The device that it sees: vendor and product.
    pub device: Option<(u16, u16)>,
    /// The interfaces that were told last.
    pub interfaces: Vec<Interface>,
    /// The endpoints that were told last.
    pub endpoints: Box<[Endpoint; ENDPOINTS]>,
    /// Ids that haven't been answered.
    pub waiting: BTreeSet<u64>,
    /// Answers that haven't been looked at.
    pub answers: BTreeMap<u64, Packet>,
    /// Packets that answer nothing: those of streams.
    pub others: Vec<Packet>,
    next: u64,
}

impl Default for Guest {
    fn default() -> Guest {
        Guest::new()
    }
}

impl Guest {
    /// A guest that knows all of the protocol, and acknowledges disconnections.
    pub fn new() -> Guest {
        Guest {
            connection: Connection::new(Role::Guest, "guest", Caps::ALL, Limits::default()),
            device: None,
            interfaces: Vec::new(),
            endpoints: Box::new([Endpoint::ABSENT; ENDPOINTS]),
            waiting: BTreeSet::new(),
            answers: BTreeMap::new(),
            others: Vec::new(),
            next: 1,
        }
    }

    /// Sends a packet that is answered, and returns its id.
    ///
    /// # Panics
    ///
    /// It can't be sent.
    pub fn ask(&mut self, packet: Packet) -> u64 {
        let id = self.next;
        self.next += 1;
        self.waiting.insert(id);
        self.connection
            .send(id, &packet)
            .expect("a packet of a guest");
        id
    }

    /// Sends a packet that isn't answered, or a cancellation of this id.
    ///
    /// # Panics
    ///
    /// It can't be sent.
    pub fn tell(&mut self, id: u64, packet: Packet) {
        self.connection
            .send(id, &packet)
            .expect("a packet of a guest");
    }

    /// Takes bytes of the slot.
    ///
    /// # Panics
    ///
    /// They are refused, or answer what wasn't asked.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        while let Some(received) = self.connection.receive(&mut bytes) {
            let received = received.expect("a good packet");
            match received.packet {
                Packet::Hello { .. } => (),
                Packet::DeviceConnect {
                    vendor, product, ..
                } => {
                    assert_eq!(self.device, None);
                    self.device = Some((vendor, product));
                }
                Packet::DeviceDisconnect {} => {
                    assert!(self.device.take().is_some());
                    self.tell(0, Packet::DeviceDisconnectAck {});
                }
                Packet::InterfaceInfo { interfaces } => self.interfaces = interfaces,
                Packet::EpInfo { endpoints } => self.endpoints = endpoints,
                packet if received.id == 0 => self.others.push(packet),
                packet => {
                    assert!(
                        self.waiting.remove(&received.id),
                        "an answer to nothing: {packet:?}"
                    );
                    self.answers.insert(received.id, packet);
                }
            }
        }
    }
}
