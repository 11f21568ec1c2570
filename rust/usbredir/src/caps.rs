// SPDX-License-Identifier: GPL-2.0-or-later
//! What each side can do, told in its hello.

/// A set of capabilities, as a bit mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps(u32);

impl Caps {
    /// No capabilities: the protocol as it was at first.
    pub const NONE: Caps = Caps(0);
    /// USB 3 bulk streams can be allocated. Needs [`Caps::EP_INFO_MAX_PACKET_SIZE`].
    pub const BULK_STREAMS: Caps = Caps(1 << 0);
    /// `device_connect` has the device's version.
    pub const CONNECT_DEVICE_VERSION: Caps = Caps(1 << 1);
    /// `filter_reject` and `filter_filter` are understood.
    pub const FILTER: Caps = Caps(1 << 2);
    /// A `device_disconnect` is acknowledged.
    pub const DEVICE_DISCONNECT_ACK: Caps = Caps(1 << 3);
    /// `ep_info` has the endpoints' maximum packet sizes.
    pub const EP_INFO_MAX_PACKET_SIZE: Caps = Caps(1 << 4);
    /// Ids have 64 bits.
    pub const IDS_64BIT: Caps = Caps(1 << 5);
    /// The length of a bulk packet has 32 bits.
    pub const BULK_LENGTH_32BIT: Caps = Caps(1 << 6);
    /// Bulk data may be sent without being asked for packet by packet.
    pub const BULK_RECEIVING: Caps = Caps(1 << 7);
    /// All that this crate knows.
    pub const ALL: Caps = Caps(0xff);

    /// The capabilities of a hello's first word. Unknown ones are dropped, and so are bulk streams
    /// without maximum packet sizes, whose `ep_info` has no layout.
    pub fn from_bits(bits: u32) -> Caps {
        let caps = Caps(bits & Caps::ALL.0);
        match caps.has(Caps::EP_INFO_MAX_PACKET_SIZE) {
            true => caps,
            false => Caps(caps.0 & !Caps::BULK_STREAMS.0),
        }
    }

    /// The mask that is sent.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` are among these.
    pub fn has(self, other: Caps) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and others.
    pub const fn with(self, other: Caps) -> Caps {
        Caps(self.0 | other.0)
    }

    /// Those that both sides have: what the layout of most packets depends on.
    pub fn common(self, other: Caps) -> Caps {
        Caps(self.0 & other.0)
    }
}
