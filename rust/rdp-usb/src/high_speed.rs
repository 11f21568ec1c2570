// SPDX-License-Identifier: GPL-2.0-or-later
//! Descriptors of a SuperSpeed device as they would be if it had found a high-speed port (USB 3.2,
//! section 9.6): that is what a guest has, since MS-RDPEUSB tells no higher speed. Guests look at
//! sizes, and refuse a device with those of another speed.

use crate::descriptor::{CONFIGURATION, DEVICE, ENDPOINT};

/// bMaxPacketSize0 of a SuperSpeed device: an exponent. No other device has it.
const SUPER_SPEED: u8 = 9;
/// What such devices say of themselves at a high-speed port: bcdUSB and bMaxPacketSize0.
const USB_2_1: [u8; 2] = [0x10, 0x02];
const HIGH_SPEED: u8 = 64;
/// The largest packet of a bulk endpoint.
const BULK: u16 = 512;
/// bDescriptorType of what follows a SuperSpeed endpoint.
const COMPANION: u8 = 0x30;
/// The type of an endpoint, in bmAttributes.
const TYPE: u8 = 3;
const IS_BULK: u8 = 2;

/// Whether a device descriptor is a SuperSpeed device's.
pub fn is_super_speed(device: &[u8]) -> bool {
    device.get(7) == Some(&SUPER_SPEED)
}

/// Makes a device's or a configuration's descriptor one of a high-speed device. It may be cut off.
/// Others are left as they are.
pub fn show(bytes: &mut [u8]) {
    match bytes.get(1) {
        Some(&DEVICE) => {
            if let Some(version) = bytes.get_mut(2..4) {
                version.copy_from_slice(&USB_2_1);
            }
            if let Some(size) = bytes.get_mut(7) {
                *size = HIGH_SPEED;
            }
        }
        Some(&CONFIGURATION) => show_endpoints(bytes),
        _ => (),
    }
}

fn show_endpoints(bytes: &mut [u8]) {
    let mut rest = bytes;
    while let &mut [size, kind, ..] = rest {
        // One that is cut off has all that there is, so that what comes of two lengths agrees.
        let end = usize::from(size.max(2)).min(rest.len());
        let (one, next) = rest.split_at_mut(end);
        // bMaxBurst: packets beside the first.
        let burst = match next {
            &mut [_, COMPANION, burst, ..] => burst,
            _ => 0,
        };
        show_endpoint(kind, one, burst);
        rest = next;
    }
}

fn show_endpoint(kind: u8, bytes: &mut [u8], burst: u8) {
    let (ENDPOINT, &mut [_, _, _, attributes, ref mut low, ref mut high, ..]) = (kind, bytes)
    else {
        return;
    };
    let size = u16::from_le_bytes([*low, *high]);
    let shown = if attributes & TYPE == IS_BULK {
        size.min(BULK)
    } else {
        // Bits 11 and 12: packets beside the first in a microframe, of which there are three.
        size & 0x7ff | u16::from(burst.min(2)) << 11
    };
    [*low, *high] = shown.to_le_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stick, a camera's isochronous endpoint and a hub's interrupt endpoint.
    const FAST: [u8; 57] = [
        9, 2, 57, 0, 1, 1, 0, 0x80, 50, // configuration
        9, 4, 0, 0, 3, 8, 6, 80, 0, // interface
        7, 5, 0x81, 2, 0, 4, 0, // bulk, 1024 bytes
        6, 0x30, 15, 0, 0, 0, //
        7, 5, 0x82, 5, 0, 4, 1, // isochronous, 1024 bytes
        6, 0x30, 11, 0, 0, 0x30, //
        7, 5, 0x83, 3, 2, 0, 8, // interrupt, 2 bytes
        6, 0x30, 0, 0, 2, 0, //
    ];

    #[test]
    fn sizes_are_those_of_high_speed() {
        let mut shown = FAST;
        show(&mut shown);
        let mut expected = FAST;
        expected[22..24].copy_from_slice(&[0, 2]);
        // 3 times 1024.
        expected[35..37].copy_from_slice(&[0, 0x14]);
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_device_is_one_of_high_speed() {
        let mut device = [18, 1, 0, 3, 0, 0, 0, 9, 0xf4, 0x46, 1, 0, 0, 0, 1, 2, 3, 1];
        assert!(is_super_speed(&device));
        show(&mut device);
        assert!(!is_super_speed(&device));
        assert_eq!(device[..8], [18, 1, 0x10, 2, 0, 0, 0, 64]);
        // The first eight bytes are what a guest asks for first.
        let mut first = [18, 1, 0, 3, 0, 0, 0, 9];
        show(&mut first);
        assert_eq!(first, device[..8]);
    }

    #[test]
    fn what_is_cut_off_or_none_of_these_is_no_panic() {
        for end in 0..FAST.len() {
            let mut shown = FAST[..end].to_vec();
            show(&mut shown);
        }
        let mut text = *b"\x06\x03a\0b\0";
        show(&mut text);
        assert_eq!(&text, b"\x06\x03a\0b\0");
        let mut no_length = [9, 2, 11, 0, 1, 1, 0, 0x80, 50, 0, 5];
        show(&mut no_length);
    }
}
