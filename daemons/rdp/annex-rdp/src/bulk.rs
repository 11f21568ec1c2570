// SPDX-License-Identifier: GPL-2.0-or-later
//! Bulk compression (MS-RDPBCGR 3.1.8, MS-RDPEGDI 3.1.8): what a client has been sent lately is a
//! history that later updates refer to. It loses nothing.
//!
//! A session's histories take 7 MB, whatever the client does.

use ironrdp_bulk::{flags, BulkCompressor};
use ironrdp_pdu::rdp::client_info::CompressionType;
use ironrdp_pdu::rdp::headers::CompressionFlags;

/// A session's compressor: every update that it was given is to be sent, in order.
pub struct Bulk {
    kind: CompressionType,
    compressor: BulkCompressor,
}

/// What goes into an update's header.
pub type Header = (CompressionFlags, CompressionType);

impl Bulk {
    /// For a client that decompresses `kind` and what came before it (MS-RDPBCGR 2.2.1.11.1.1). None
    /// for RDP 4's, of which a history of 8 KB is all: updates are larger.
    ///
    /// NCRUSH is the best there is. XCRUSH has a longer history, which shows in text that scrolls,
    /// but codes nothing by its frequency: all else takes a sixth to a third more bytes.
    pub fn new(kind: CompressionType) -> Option<Self> {
        use ironrdp_bulk::CompressionType::{Rdp5, Rdp6};
        let (kind, level) = match kind {
            CompressionType::K8 => return None,
            CompressionType::K64 => (kind, Rdp5),
            CompressionType::Rdp6 | CompressionType::Rdp61 => (CompressionType::Rdp6, Rdp6),
        };
        let compressor = BulkCompressor::new(level);
        Some(Self { kind, compressor })
    }

    /// An update's data as they are to be sent, and what the header says of them: nothing if they
    /// have no part in the history.
    pub fn compress<'a>(&'a mut self, data: &'a [u8]) -> (Option<Header>, &'a [u8]) {
        let (size, bits) = match self.compressor.compress(data) {
            Ok(compressed) => compressed,
            // What a guest draws can be too much for a table of the compressor's.
            Err(error) => {
                log::debug!("an update isn't compressed: {error}");
                return (Some(self.start_anew()), data);
            }
        };
        // Data that don't become smaller may still have reset the history: that has to be said.
        let header = match CompressionFlags::from_bits_truncate(bits as u8) {
            flags if flags.is_empty() => None,
            flags => Some((flags, self.kind)),
        };
        match bits & flags::PACKET_COMPRESSED {
            0 => (header, data),
            _ => (header, self.compressor.compressed_data(size)),
        }
    }

    /// Forgets the history; the header by which an update that isn't compressed has the client
    /// forget it as well.
    fn start_anew(&mut self) -> Header {
        let level = self.compressor.compression_level();
        self.compressor = BulkCompressor::new(level);
        (CompressionFlags::FLUSHED, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [CompressionType; 2] = [CompressionType::K64, CompressionType::Rdp6];

    /// What a client makes of what it is sent.
    fn decompressed(client: &mut BulkCompressor, header: Option<Header>, data: &[u8]) -> Vec<u8> {
        match header {
            Some((flags, kind)) => {
                let flags = u32::from(flags.bits() | kind.as_u8());
                client.decompress(data, flags).unwrap().to_vec()
            }
            None => data.to_vec(),
        }
    }

    /// Bytes of one of four sorts: noise, two values, a pattern, and what was sent before.
    fn bytes(length: usize, seed: u64, sort: u8, before: &[u8]) -> Vec<u8> {
        let mut state = seed | 1;
        let byte = |at: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let noise = (state >> 56) as u8;
            match sort {
                0 => noise,
                1 => noise & 1,
                2 => (at % 97) as u8,
                _ => before.get(at).copied().unwrap_or(noise & 0x11),
            }
        };
        (0..length).map(byte).collect()
    }

    /// Sends these, and has each one come out as it was.
    fn check(kind: CompressionType, parts: impl IntoIterator<Item = (usize, u64, u8)>) {
        let mut bulk = Bulk::new(kind).unwrap();
        let mut client = BulkCompressor::new(ironrdp_bulk::CompressionType::Rdp61);
        let mut before: Vec<u8> = Vec::new();
        for (number, (length, seed, sort)) in parts.into_iter().enumerate() {
            let data = bytes(length, seed, sort, &before);
            let (header, sent) = bulk.compress(&data);
            assert!(sent.len() <= data.len(), "{kind:?}, part {number}");
            let shown = decompressed(&mut client, header, sent);
            assert!(shown == data, "{kind:?}, part {number} is another");
            before = data;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn nothing_is_lost(
            kind in 0..KINDS.len(),
            parts in proptest::collection::vec((0_usize..16_374, any::<u64>(), 0_u8..4), 1..40),
        ) {
            check(KINDS[kind], parts);
        }
    }

    #[test]
    fn an_update_has_to_fit_into_the_history() {
        assert!(Bulk::new(CompressionType::K8).is_none());
    }

    #[test]
    fn a_client_of_rdp_6_1_is_sent_what_rdp_6_0_has() {
        let bulk = Bulk::new(CompressionType::Rdp61).unwrap();
        assert_eq!(bulk.kind, CompressionType::Rdp6);
    }

    /// Each history has 65,536 bytes.
    #[test]
    fn a_full_history_begins_anew() {
        for kind in KINDS {
            check(
                kind,
                (0..40).map(|part| (16_374, part / 2, [0, 3, 1, 3, 2][part as usize % 5])),
            );
        }
    }

    /// As after a fault of the compressor, wherever in its history.
    #[test]
    fn whoever_starts_anew_says_so() {
        for kind in KINDS {
            let mut bulk = Bulk::new(kind).unwrap();
            let mut client = BulkCompressor::new(ironrdp_bulk::CompressionType::Rdp61);
            for part in 0..40 {
                let data = bytes(5000, part / 8, [0, 2, 1][part as usize % 3], &[]);
                if part % 7 == 6 {
                    let header = bulk.start_anew();
                    assert!(decompressed(&mut client, Some(header), &data) == data);
                }
                let (header, sent) = bulk.compress(&data);
                let shown = decompressed(&mut client, header, sent);
                assert!(shown == data, "{kind:?}, part {part} is another");
            }
        }
    }

    #[test]
    fn what_was_sent_before_costs_little() {
        for kind in KINDS {
            let mut bulk = Bulk::new(kind).unwrap();
            let mut state = 1_u32;
            let data: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .take(4000)
            .collect();
            bulk.compress(&data);
            // Of data that don't become smaller some keep nothing; then the third time counts.
            bulk.compress(&[&data[..], &data].concat());
            let (header, sent) = bulk.compress(&data);
            assert!(
                header.is_some() && sent.len() < 1000,
                "{kind:?}: {}",
                sent.len()
            );
        }
    }
}
