// SPDX-License-Identifier: GPL-2.0-or-later
//! Pixman's pixel formats, as far as QEMU's displays have them, turned into one: 32 bits a pixel,
//! in memory blue, green, red, and a byte that is 255 (so that it is opaque for whoever looks).

/// Bytes of a pixel here.
pub const BYTES: usize = 4;

/// A pixel format that can be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PIXMAN_x8r8g8b8, PIXMAN_a8r8g8b8: what nearly every display has.
    Bgrx,
    /// PIXMAN_b8g8r8x8, PIXMAN_b8g8r8a8.
    Xrgb,
    /// PIXMAN_x8b8g8r8, PIXMAN_a8b8g8r8.
    Rgbx,
    /// PIXMAN_r8g8b8x8, PIXMAN_r8g8b8a8.
    Xbgr,
    /// PIXMAN_r8g8b8: three bytes.
    Bgr,
    /// PIXMAN_r5g6b5.
    Rgb565,
    /// PIXMAN_x1r5g5b5, PIXMAN_a1r5g5b5.
    Rgb555,
}

impl Format {
    /// By pixman's code (pixman.h: bits, type, and the widths of a, r, g, b), on a host that is
    /// little-endian.
    pub const fn from_pixman(code: u32) -> Option<Self> {
        match code {
            0x2002_0888 | 0x2002_8888 => Some(Self::Bgrx),
            0x2008_0888 | 0x2008_8888 => Some(Self::Xrgb),
            0x2003_0888 | 0x2003_8888 => Some(Self::Rgbx),
            0x2009_0888 | 0x2009_8888 => Some(Self::Xbgr),
            0x1802_0888 => Some(Self::Bgr),
            0x1002_0565 => Some(Self::Rgb565),
            0x1002_0555 | 0x1002_1555 => Some(Self::Rgb555),
            _ => None,
        }
    }

    /// Bytes of a pixel in this format.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bgrx | Self::Xrgb | Self::Rgbx | Self::Xbgr => 4,
            Self::Bgr => 3,
            Self::Rgb565 | Self::Rgb555 => 2,
        }
    }

    /// Converts a row. As many pixels as fit in both; what is left of `to` stays.
    pub fn convert(self, from: &[u8], to: &mut [u8]) {
        let pixels = from
            .chunks_exact(self.bytes())
            .zip(to.chunks_exact_mut(BYTES));
        for (from, to) in pixels {
            let [b, g, r] = match self {
                Self::Bgrx | Self::Bgr => [from[0], from[1], from[2]],
                Self::Rgbx => [from[2], from[1], from[0]],
                Self::Xrgb => [from[3], from[2], from[1]],
                Self::Xbgr => [from[1], from[2], from[3]],
                Self::Rgb565 => {
                    let pixel = u16::from_le_bytes([from[0], from[1]]);
                    [widen(pixel, 5), widen(pixel >> 5, 6), widen(pixel >> 11, 5)]
                }
                Self::Rgb555 => {
                    let pixel = u16::from_le_bytes([from[0], from[1]]);
                    [widen(pixel, 5), widen(pixel >> 5, 5), widen(pixel >> 10, 5)]
                }
            };
            to.copy_from_slice(&[b, g, r, u8::MAX]);
        }
    }
}

/// The low `bits` (5 or 6) of a value as eight, black to black and white to white.
const fn widen(value: u16, bits: u32) -> u8 {
    let value = value & ((1 << bits) - 1);
    (value << (8 - bits) | value >> (2 * bits - 8)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(code: u32, from: &[u8]) -> [u8; 4] {
        let mut to = [0; 4];
        Format::from_pixman(code).unwrap().convert(from, &mut to);
        to
    }

    #[test]
    fn every_format_tells_the_colours_apart() {
        let expected = [3, 2, 1, 255];
        // From pixman's documentation: the name has the most significant component first, and
        // memory is little-endian.
        for (code, memory) in [
            (0x2002_0888, [3, 2, 1, 0]),
            (0x2002_8888, [3, 2, 1, 9]),
            (0x2008_0888, [0, 1, 2, 3]),
            (0x2003_0888, [1, 2, 3, 0]),
            (0x2009_0888, [0, 3, 2, 1]),
        ] {
            assert_eq!(pixel(code, &memory), expected, "{code:#x}");
        }
        assert_eq!(pixel(0x1802_0888, &[3, 2, 1]), expected);
    }

    #[test]
    fn sixteen_bits_reach_both_ends() {
        assert_eq!(pixel(0x1002_0565, &[0, 0]), [0, 0, 0, 255]);
        assert_eq!(pixel(0x1002_0565, &[0xff, 0xff]), [255, 255, 255, 255]);
        assert_eq!(
            pixel(0x1002_0565, &0x07e0_u16.to_le_bytes()),
            [0, 255, 0, 255]
        );
        assert_eq!(
            pixel(0x1002_0565, &0xf800_u16.to_le_bytes()),
            [0, 0, 255, 255]
        );
        assert_eq!(
            pixel(0x1002_0555, &0x7c00_u16.to_le_bytes()),
            [0, 0, 255, 255]
        );
        assert_eq!(
            pixel(0x1002_0555, &0x8010_u16.to_le_bytes()),
            [0x84, 0, 0, 255]
        );
    }

    #[test]
    fn nothing_is_read_or_written_beyond_either_row() {
        let mut to = [7; 8];
        Format::Bgrx.convert(&[1, 2, 3, 4, 5, 6], &mut to);
        assert_eq!(to, [1, 2, 3, 255, 7, 7, 7, 7]);
        Format::Bgr.convert(&[1; 300], &mut to[..5]);
        assert_eq!(to, [1, 1, 1, 255, 7, 7, 7, 7]);
        assert_eq!(Format::from_pixman(0x0801_0000), None);
    }
}
