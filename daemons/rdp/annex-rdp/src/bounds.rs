// SPDX-License-Identifier: GPL-2.0-or-later
//! What a client may announce on a virtual channel. IronRDP collects what is announced, up to
//! 4 GiB, and more of what says that it is compressed; so it is looked at before.

use crate::clipboard::text::MAX_UTF16;

/// Bytes of a message on a static channel, but of a text: the dynamic channels' are smaller
/// (MS-RDPEDYC 2.2.3: up to 1,600), and the clipboard's are lists of formats.
pub const MAX_STATIC: u32 = 64 * 1024;
/// Bytes of a message on a dynamic channel, which has several static ones: a USB transfer.
pub const MAX_DYNAMIC: u32 = 4 * 1024 * 1024;

/// Bytes of a message with a text.
pub const MAX_TEXT: u32 = MAX_UTF16 as u32 + 64;
/// CB_FORMAT_DATA_RESPONSE (MS-RDPECLIP 2.2.1), the message with a text.
const TEXT: [u8; 2] = [0x05, 0x00];

/// DYNVC_DATA_FIRST and DYNVC_DATA_FIRST_COMPRESSED (MS-RDPEDYC 2.2.3).
const DATA_FIRST: [u8; 2] = [0x02, 0x06];
/// CHANNEL_PDU_HEADER (MS-RDPBCGR 2.2.6.1.1): length and flags.
const HEADER: usize = 8;

/// In CHANNEL_PDU_HEADER's flags.
const FLAG_FIRST: u32 = 1;
const FLAG_LAST: u32 = 2;
/// CHANNEL_PACKET_COMPRESSED. Clients are told not to (VCCAPS_NO_COMPR).
const COMPRESSED: u32 = 0x0020_0000;

/// A chunk's length of the message, its flags and its data.
fn parts(chunk: &[u8]) -> Option<(u32, u32, &[u8])> {
    let (header, data) = chunk.split_first_chunk::<HEADER>()?;
    let [length, flags] = [0, 4]
        .map(|at| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]));
    (flags & COMPRESSED == 0).then_some((length, flags, data))
}

/// Looks at the chunks of drdynvc, in order.
#[derive(Debug, Default)]
pub struct Bounds {
    /// A message has begun and not ended.
    within: bool,
}

impl Bounds {
    /// Whether a chunk announces no more than is allowed. After one that does, the client is
    /// to be left.
    pub fn allow(&mut self, chunk: &[u8]) -> bool {
        let Some((length, flags, data)) = parts(chunk) else {
            return false;
        };
        let begins = !self.within || flags & FLAG_FIRST != 0;
        self.within = (self.within || flags & FLAG_FIRST != 0) && flags & FLAG_LAST == 0;
        length <= MAX_STATIC && (!begins || message(data))
    }
}

/// Looks at the chunks of cliprdr, in order. What is too long there is left out, and the client
/// stays: its user has copied a long text.
#[derive(Debug, Default)]
pub struct ClipboardBounds {
    /// The end of a message that is left out hasn't come yet.
    leaving_out: bool,
}

/// What is to be done with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// It is taken.
    Take,
    /// It isn't.
    LeaveOut,
    /// It isn't, and with it begins a text that is too long.
    TooLong,
}

impl ClipboardBounds {
    /// What is to be done with the next chunk.
    pub fn look(&mut self, chunk: &[u8]) -> Chunk {
        let Some((length, flags, data)) = parts(chunk) else {
            return Chunk::LeaveOut;
        };
        let ends = flags & FLAG_LAST != 0;
        if self.leaving_out && flags & FLAG_FIRST == 0 {
            self.leaving_out = !ends;
            return Chunk::LeaveOut;
        }
        let is_text = data.starts_with(&TEXT);
        let within = flags & FLAG_FIRST == 0;
        if length <= MAX_STATIC || (length <= MAX_TEXT && (is_text || within)) {
            self.leaving_out = false;
            return Chunk::Take;
        }
        self.leaving_out = !ends;
        match is_text && !within {
            true => Chunk::TooLong,
            false => Chunk::LeaveOut,
        }
    }
}

/// Whether a message that begins like this announces no more than is allowed, or nothing.
fn message(data: &[u8]) -> bool {
    let [header, fields @ ..] = data else {
        return true;
    };
    if !DATA_FIRST.contains(&(header >> 4)) {
        return true;
    }
    let identifier = 1 << (header & 3).min(2);
    let field = fields.get(identifier..).unwrap_or_default();
    let announced = match (header >> 2) & 3 {
        0 => field.first().map(|&byte| u32::from(byte)),
        1 => field
            .first_chunk()
            .map(|&bytes| u32::from(u16::from_le_bytes(bytes))),
        _ => field.first_chunk().map(|&bytes| u32::from_le_bytes(bytes)),
    };
    // One that is cut before its length could announce anything in the next chunk.
    announced.is_some_and(|announced| announced <= MAX_DYNAMIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: u32 = FLAG_FIRST | FLAG_LAST;
    const DATA: u8 = 0x30;

    fn chunk(length: u32, flags: u32, data: &[u8]) -> Vec<u8> {
        [&length.to_le_bytes()[..], &flags.to_le_bytes(), data].concat()
    }

    fn whole(length: u32, data: &[u8]) -> bool {
        Bounds::default().allow(&chunk(length, WHOLE, data))
    }

    #[test]
    fn announcements_up_to_the_bounds() {
        assert!(whole(MAX_STATIC, &[DATA, 1]));
        assert!(!whole(MAX_STATIC + 1, &[DATA, 1]));
        assert!(!Bounds::default().allow(&[1, 2, 3]));
        assert!(!Bounds::default().allow(&chunk(9, WHOLE | COMPRESSED, &[DATA, 1])));
        assert!(whole(0, &[]));
        for command in [0x20, 0x60] {
            for (channel, bytes) in [(0, 1), (1, 2), (2, 4)] {
                let first = |announced: u32| {
                    let field = announced.to_le_bytes();
                    whole(
                        99,
                        &[&[command | 2 << 2 | channel], &[7; 4][..bytes], &field].concat(),
                    )
                };
                assert!(first(MAX_DYNAMIC), "{command:#x} {channel}");
                assert!(!first(MAX_DYNAMIC + 1), "{command:#x} {channel}");
                assert!(!first(u32::MAX), "{command:#x} {channel}");
            }
            assert!(whole(9, &[command | 1 << 2, 7, 0xff, 0xff]));
            assert!(whole(9, &[command, 7, 0xff]));
            assert!(!whole(9, &[command | 2 << 2, 7, 0xff]));
        }
    }

    #[test]
    fn a_long_text_is_left_out_and_nothing_else() {
        use Chunk::{LeaveOut, Take, TooLong};
        const LIST: [u8; 2] = [2, 0];
        let mut bounds = ClipboardBounds::default();
        let mut look = |length, flags, data: &[u8]| bounds.look(&chunk(length, flags, data));
        assert_eq!(look(MAX_TEXT, FLAG_FIRST, &TEXT), Take);
        assert_eq!(look(MAX_TEXT, 0, &LIST), Take);
        assert_eq!(look(MAX_TEXT, FLAG_LAST, &LIST), Take);
        assert_eq!(look(MAX_TEXT + 1, FLAG_FIRST, &TEXT), TooLong);
        assert_eq!(look(MAX_TEXT + 1, 0, &TEXT), LeaveOut);
        assert_eq!(look(1, 0, &TEXT), LeaveOut);
        assert_eq!(look(MAX_TEXT + 1, FLAG_LAST, &TEXT), LeaveOut);
        assert_eq!(look(MAX_STATIC, WHOLE, &LIST), Take);
        assert_eq!(look(MAX_STATIC + 1, FLAG_FIRST, &LIST), LeaveOut);
        // One that never ended.
        assert_eq!(look(MAX_STATIC, WHOLE, &LIST), Take);
        assert_eq!(look(u32::MAX, WHOLE, &TEXT), TooLong);
        assert_eq!(look(u32::MAX, WHOLE, &LIST), LeaveOut);
        assert_eq!(look(u32::MAX, 0, &LIST), LeaveOut);
        assert_eq!(look(9, FLAG_LAST, &LIST), LeaveOut);
        assert_eq!(look(9, WHOLE | COMPRESSED, &LIST), LeaveOut);
        assert_eq!(look(9, WHOLE, &LIST), Take);
        assert_eq!(ClipboardBounds::default().look(&[1, 2, 3]), LeaveOut);
    }

    #[test]
    fn only_a_message_that_begins_is_looked_at() {
        let large = [0x28, 7, 0xff, 0xff, 0xff, 0xff];
        let mut bounds = Bounds::default();
        assert!(bounds.allow(&chunk(99, FLAG_FIRST, &[DATA])));
        assert!(
            bounds.allow(&chunk(99, 0, &large)),
            "data that looks like it"
        );
        assert!(bounds.allow(&chunk(99, FLAG_LAST, &large)));
        for flags in [0, FLAG_FIRST, FLAG_LAST, WHOLE] {
            assert!(
                !Bounds::default().allow(&chunk(99, flags, &large)),
                "{flags}"
            );
        }
        assert!(bounds.allow(&chunk(99, FLAG_FIRST, &[DATA])));
        assert!(
            !bounds.allow(&chunk(99, FLAG_FIRST, &large)),
            "another begins"
        );
    }
}
