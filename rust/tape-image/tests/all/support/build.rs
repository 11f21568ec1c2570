// SPDX-License-Identifier: GPL-2.0-or-later
//! Images made by hand, from the formats' specifications.

/// A SIMH record: length, data, pad, length.
pub fn simh(word: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = e11(word, data);
    if data.len() % 2 == 1 {
        bytes.insert(4 + data.len(), 0);
    }
    bytes
}

/// An E11 record: the same without the pad.
pub fn e11(word: u32, data: &[u8]) -> Vec<u8> {
    [&word.to_le_bytes(), data, &word.to_le_bytes()].concat()
}

/// An AWS segment: length, length before, flags, data.
pub fn aws(previous: u16, flags: u8, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    [
        &length.to_le_bytes()[..],
        &previous.to_le_bytes(),
        &[flags, 0],
        data,
    ]
    .concat()
}
