// SPDX-License-Identifier: GPL-2.0-or-later
//! SECURITY PROTOCOL IN and OUT (SPC-4 6.39, 6.40): a drive that can't encrypt
//! says so. There is protocol 00h, which lists the protocols there are, and
//! that one has nothing to send.

use crate::bytes::number;
use crate::sense::{Reply, Sense};

/// SECURITY PROTOCOL IN.
pub(crate) fn protocol_in(cdb: &[u8]) -> Reply {
    const INFORMATION: u8 = 0x00;
    const SUPPORTED_PROTOCOLS: u64 = 0x0000;
    const CERTIFICATE: u64 = 0x0001;
    let mut bytes = match (cdb[1], number(cdb, 2, 2)) {
        // Six reserved bytes, a length of two, and the list.
        (INFORMATION, SUPPORTED_PROTOCOLS) => vec![0, 0, 0, 0, 0, 0, 0, 1, INFORMATION],
        (INFORMATION, CERTIFICATE) => vec![0; 4],
        (INFORMATION, _) => return Err(Sense::cdb_field(2, Some(7))),
        _ => return Err(Sense::cdb_field(1, Some(7))),
    };
    // INC_512.
    if cdb[4] & 0x80 != 0 {
        bytes.resize(512, 0);
    }
    Ok(bytes)
}

/// SECURITY PROTOCOL OUT: no protocol takes data.
pub(crate) fn protocol_out() -> Result<(), Sense> {
    Err(Sense::cdb_field(1, Some(7)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_only_protocol_is_the_list_of_protocols() {
        let ask = |protocol, specific, bits| {
            protocol_in(&[0xa2, protocol, 0, specific, bits, 0, 0, 0, 2, 0, 0, 0])
        };
        assert_eq!(ask(0, 0, 0).unwrap(), [0, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(ask(0, 1, 0).unwrap(), [0; 4]);
        assert_eq!(ask(0, 0, 0x80).unwrap().len(), 512);
        assert_eq!(ask(0, 2, 0), Err(Sense::cdb_field(2, Some(7))));
        // Tape data encryption.
        assert_eq!(ask(0x20, 0, 0), Err(Sense::cdb_field(1, Some(7))));
        assert_eq!(protocol_out(), Err(Sense::cdb_field(1, Some(7))));
    }

    proptest! {
        #[test]
        fn nothing_panics(cdb in prop::array::uniform12(any::<u8>())) {
            let _ = protocol_in(&cdb);
        }
    }
}
