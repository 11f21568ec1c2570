// SPDX-License-Identifier: GPL-2.0-or-later
//! Numbers in CDBs and parameter data: big-endian.

/// A big-endian number of up to 8 bytes.
pub(crate) fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len]
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// A big-endian number in two's complement.
pub(crate) fn signed(bytes: &[u8], at: usize, len: usize) -> i64 {
    let unused = 64 - 8 * len as u32;
    (number(bytes, at, len) << unused) as i64 >> unused
}

/// Has the field of `size` bytes at `at` say how many bytes follow it.
pub(crate) fn set_length(data: &mut [u8], at: usize, size: usize) {
    let length = (data.len() - at - size) as u64;
    data[at..at + size].copy_from_slice(&length.to_be_bytes()[8 - size..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_numbers() {
        assert_eq!(signed(&[0xff, 0xff, 0xfe], 0, 3), -2);
        assert_eq!(signed(&[0x7f, 0xff, 0xff], 0, 3), 0x7f_ffff);
        assert_eq!(signed(&[0xff; 8], 0, 8), -1);
    }

    #[test]
    fn lengths_count_what_follows_them() {
        let mut data = [9; 300];
        set_length(&mut data, 2, 2);
        assert_eq!(data[..5], [9, 9, 1, 40, 9]);
        set_length(&mut data, 1, 4);
        assert_eq!(data[..6], [9, 0, 0, 1, 39, 9]);
    }
}
