// SPDX-License-Identifier: GPL-2.0-or-later
//! A small snapshot with the parts of QEMU's stream that stand around RAM.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{header, PAGE};
use crate::bitmap::Bitmap;
use crate::format::HEADER_SIZE;

/// What follows RAM in a snapshot that is whole.
pub const WHOLE: &[u8] = b"state\x00\x06\x00\x00\x00\x0b{\"x\":\"{}6\"}";

/// Writes a snapshot as QEMU would to `start` of an empty file: of two blocks, "pc.ram" and "pc.rom",
/// of 300 pages each, of which pages 20 to 26 are in the file. `end` follows RAM.
pub fn write_stream(file: &File, start: u64, end: &[u8]) {
    let mut bytes = b"QEVM\0\0\0\x03".to_vec();
    // The configuration, with one capability.
    bytes.extend(b"\x07\0\0\0\x08pc-q35-9\x05\x1aconfiguration/capabilities");
    bytes.extend(b"\0\0\0\x01\0\0\0\x01\x0amapped-ram");
    bytes.extend(b"\x01\0\0\0\x02\x03ram\0\0\0\0\0\0\0\x04");
    bytes.extend(((600 * PAGE) | 4).to_be_bytes());
    let mut offset = start;
    for name in ["pc.ram", "pc.rom"] {
        bytes.push(name.len() as u8);
        bytes.extend(name.as_bytes());
        bytes.extend((300 * PAGE).to_be_bytes());
        let bitmap_offset = offset + (bytes.len() + HEADER_SIZE) as u64;
        let pages_offset = (bitmap_offset + 40).next_multiple_of(1 << 20);
        bytes.extend(header(1, PAGE, bitmap_offset, pages_offset));
        file.write_all_at(&bytes, offset).expect("write the stream");
        let mut data = Bitmap::new(300);
        data.set(20..27);
        file.write_all_at(&data.to_ne_bytes(), bitmap_offset)
            .expect("write a bitmap");
        offset = pages_offset + 300 * PAGE;
        bytes.clear();
    }
    file.set_len(offset).expect("make room for pages");
    file.write_all_at(end, offset).expect("write the end");
}
