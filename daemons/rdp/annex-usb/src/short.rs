// SPDX-License-Identifier: GPL-2.0-or-later
//! What a server may send that ironrdp-rdpeusb 0.2 reads beyond its end, which would be a panic.

/// Offsets in a message of the server's on a device's channel (MS-RDPEUSB 2.2.1, 2.2.6.6, 2.2.9.1):
/// its function, the length that its URB says it has, and the URB's function.
const FUNCTION: usize = 8;
const URB_SIZE: usize = 16;
const URB_FUNCTION: usize = 18;

const TRANSFER_IN_REQUEST: u32 = 0x105;
const URB_FUNCTION_SELECT_CONFIGURATION: u16 = 0;
/// Bytes of TS_URB_HEADER.
const URB_HEADER: u16 = 8;

/// Whether this is a TS_URB_SELECT_CONFIGURATION (2.2.9.2) that ends with its header: its first
/// field is read unseen.
pub fn is_cut(message: &[u8]) -> bool {
    let word = |at: usize| {
        Some(u16::from_le_bytes(
            message.get(at..at + 2)?.try_into().ok()?,
        ))
    };
    let function = message
        .get(FUNCTION..FUNCTION + 4)
        .and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
    function == Some(TRANSFER_IN_REQUEST)
        && word(URB_FUNCTION) == Some(URB_FUNCTION_SELECT_CONFIGURATION)
        && word(URB_SIZE) == Some(URB_HEADER)
}

#[cfg(test)]
mod tests {
    use ironrdp_core::decode;
    use ironrdp_rdpeusb::pdu::UrbdrcServerDevicePdu;

    use super::*;

    /// Every length of it is either seen to be cut, or can be decoded without a panic.
    #[test]
    fn a_configuration_without_its_first_field_is_seen() {
        let mut message = vec![0; 16];
        // A request, on the device's interface.
        message[..4].copy_from_slice(&0x4000_0004_u32.to_le_bytes());
        message[8..12].copy_from_slice(&TRANSFER_IN_REQUEST.to_le_bytes());
        let mut cut = 0;
        for more in 0..16 {
            let mut urb = vec![0; usize::from(URB_HEADER) + more];
            let size = urb.len() as u16;
            urb[..2].copy_from_slice(&size.to_le_bytes());
            urb[4] = 1; // the request
            let mut whole = message.clone();
            whole[12..16].copy_from_slice(&u32::from(size).to_le_bytes());
            whole.extend(urb);
            whole.extend([0; 4]);
            if is_cut(&whole) {
                cut += 1;
                assert_eq!(more, 0);
                continue;
            }
            let decoded = decode::<UrbdrcServerDevicePdu>(&whole);
            assert_eq!(decoded.is_ok(), more >= 8, "{more}");
        }
        assert_eq!(cut, 1);
    }
}
