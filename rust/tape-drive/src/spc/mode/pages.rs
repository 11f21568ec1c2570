// SPDX-License-Identifier: GPL-2.0-or-later
//! What the mode pages hold, and which of their bits an initiator may change.
//! SSC-3 8.3, SPC-4 7.5. Bytes are numbered as there, the page's header
//! included.

use super::page::{from_default, Page};
use super::partition;
use crate::config::Config;
use crate::view::View;

/// A bit or field of one byte of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) code: u8,
    pub(super) subpage: u8,
    pub(super) byte: usize,
    pub(super) mask: u8,
}

const fn field(code: u8, subpage: u8, byte: usize, mask: u8) -> Field {
    Field {
        code,
        subpage,
        byte,
        mask,
    }
}

/// Sense data in descriptor format.
pub(super) const D_SENSE: Field = field(0x0a, 0, 2, 0x04);
/// Software write protect, of the control page.
pub(super) const CONTROL_SWP: Field = field(0x0a, 0, 4, 0x08);
/// Data compression enable.
pub(super) const DCE: Field = field(0x0f, 0, 2, 0x80);
/// Software write protect, of the device configuration page.
pub(super) const SWP: Field = field(0x10, 0, 10, 0x04);
/// Select data compression algorithm: 0 none, 1 the default.
pub(super) const SDCA: Field = field(0x10, 0, 14, 0x01);
/// Write mode: 1 is append-only.
pub(super) const WRITE_MODE: Field = field(0x10, 1, 5, 0x10);
/// Programmable early warning, 2 bytes, in units of 10^6 bytes.
pub(super) const PEWS: Field = field(0x10, 1, 6, 0xff);
pub(super) const PEWS_LOW: Field = field(0x10, 1, 7, 0xff);
/// Decompression, and the algorithm, which is 0 or the default. Whether they
/// are set makes no difference: the data is plain.
const DDE: Field = field(0x0f, 0, 3, 0x80);
const ALGORITHM: Field = field(0x0f, 0, 7, 0x01);

/// The current values, with what the cartridge decides.
pub(super) fn live(page: &Page, view: View<'_>) -> Vec<u8> {
    let mut bytes = page.current.clone();
    match (page.code, view) {
        // Active partition.
        (0x10, Some(tape)) if page.subpage == 0 => bytes[3] = tape.partition as u8,
        (0x11, Some(tape)) => bytes = partition::page(&tape.partitions),
        // WORMM.
        (0x1d, Some(tape)) => bytes[2] = u8::from(tape.worm),
        _ => {}
    }
    bytes
}

/// All pages, in the order in which they are returned.
pub(super) fn pages(config: &Config) -> Vec<Page> {
    vec![
        // Read-write error recovery. What fails here is the host's I/O, which
        // has retried by itself.
        page(0x01, 0, 12, &[], &[]),
        // Disconnect-reconnect.
        page(0x02, 0, 16, &[], &[]),
        // Control. GLTSD: counters aren't kept over a power cycle.
        page(0x0a, 0, 12, &[(2, 0x02)], &[D_SENSE, CONTROL_SWP]),
        // Control extension.
        page(0x0a, 1, 32, &[], &[]),
        // Control data protection: blocks carry no check of their own.
        page(0x0a, 0xf0, 32, &[], &[]),
        // Data compression: DCE, DCC; DDE.
        page(
            0x0f,
            0,
            16,
            &[(2, 0x40 | u8::from(config.compression) << 7), (3, 0x80)],
            &[DCE, DDE, ALGORITHM],
        ),
        // Device configuration: LOIS (once BIS); EEG, SEW; a reset keeps the
        // position (REWIND ON RESET).
        page(
            0x10,
            0,
            16,
            &[
                (8, 0x40),
                (10, 0x18),
                (14, u8::from(config.compression)),
                (15, 0x10),
            ],
            &[SWP, SDCA],
        ),
        // Device configuration extension: a short erase records end of data.
        page(0x10, 1, 32, &[(5, 0x02)], &[WRITE_MODE, PEWS, PEWS_LOW]),
        partition::default_page(),
        // Power condition: there are none.
        page(0x1a, 0, 40, &[], &[]),
        // Informational exceptions: reported in the TapeAlert log page only.
        page(0x1c, 0, 12, &[(2, 0x08)], &[]),
        // Medium configuration: WORMM. On WORM media nothing is overwritten
        // but the filemarks right before the end of data, and of these not the
        // one closest to the beginning of the partition.
        page(0x1d, 0, 32, &[(2, u8::from(config.worm)), (5, 0x02)], &[]),
    ]
}

/// A page of `length` bytes that are zero but for `values`; initiators may change
/// these `fields`, which are the page's own.
fn page(code: u8, subpage: u8, length: usize, values: &[(usize, u8)], fields: &[Field]) -> Page {
    let mut default = vec![0; length];
    match subpage {
        0 => default[..2].copy_from_slice(&[code, length as u8 - 2]),
        // SPF, and a length of two bytes.
        _ => default[..4].copy_from_slice(&[0x40 | code, subpage, 0, length as u8 - 4]),
    }
    let mut changeable = default.clone();
    for &(byte, value) in values {
        default[byte] = value;
    }
    for field in fields {
        debug_assert_eq!((field.code, field.subpage), (code, subpage));
        changeable[field.byte] |= field.mask;
    }
    from_default(code, subpage, default, changeable)
}
