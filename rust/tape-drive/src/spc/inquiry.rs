// SPDX-License-Identifier: GPL-2.0-or-later
//! INQUIRY: standard data (SPC-4 6.4.2) and the vital product data pages
//! (SPC-4 7.8, SSC-3 8.5).

use crate::alert;
use crate::bytes::set_length;
use crate::config::Config;
use crate::density::padded;
use crate::sense::{Reply, Sense};

/// Peripheral qualifier 0, peripheral device type 01h: sequential access.
const DEVICE_TYPE: u8 = 0x01;

/// A page's code, and its contents from byte 4 on; none: not supported by a
/// drive that is configured so.
type Page = (u8, fn(&Config) -> Option<Vec<u8>>);

/// Ascending.
const PAGES: [Page; 7] = [
    (0x00, supported_pages),
    (0x80, serial),
    (0x83, designators),
    (0x86, extended),
    (0xb0, sequential_access),
    (0xb1, serial),
    (0xb2, alerts),
];

/// Answers INQUIRY; never fails for want of a cartridge.
pub(crate) fn inquiry(config: &Config, cdb: &[u8]) -> Reply {
    let code = cdb[2];
    match cdb[1] & 1 != 0 {
        false if code == 0 => Ok(standard(config)),
        false => Err(Sense::cdb_field(2, Some(7))),
        true => PAGES
            .iter()
            .find(|page| page.0 == code)
            .and_then(|page| page.1(config))
            .map(|contents| page(code, &contents))
            .ok_or(Sense::cdb_field(2, Some(7))),
    }
}

fn page(code: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = [&[DEVICE_TYPE, code, 0, 0], contents].concat();
    set_length(&mut bytes, 2, 2);
    bytes
}

fn standard(config: &Config) -> Vec<u8> {
    const REMOVABLE: u8 = 0x80;
    const SPC_4: u8 = 0x06;
    const HISUP_FORMAT_2: u8 = 0x12;
    const CMDQUE: u8 = 0x02;
    /// SAM-4, SPC-4 and SSC-3, no version claimed.
    const STANDARDS: [u16; 3] = [0x0080, 0x0460, 0x0400];

    let mut bytes = vec![DEVICE_TYPE, REMOVABLE, SPC_4, HISUP_FORMAT_2];
    let queuing = if config.command_queuing { CMDQUE } else { 0 };
    bytes.extend([96 - 5, 0, 0, queuing]);
    padded(&mut bytes, &config.vendor, 8);
    padded(&mut bytes, &config.product, 16);
    padded(&mut bytes, &config.revision, 4);
    bytes.resize(58, 0);
    bytes.extend(STANDARDS.iter().flat_map(|code| code.to_be_bytes()));
    bytes.resize(96, 0);
    bytes
}

/// 00h.
fn supported_pages(config: &Config) -> Option<Vec<u8>> {
    let codes = PAGES
        .iter()
        // Itself needn't be asked, and would ask without end.
        .filter(|page| page.0 == 0 || page.1(config).is_some())
        .map(|page| page.0);
    Some(codes.collect())
}

/// 80h, unit serial number, and B1h, manufacturer-assigned serial number.
fn serial(config: &Config) -> Option<Vec<u8>> {
    config.serial.as_ref().map(|text| text.clone().into_bytes())
}

/// 83h, device identification. A T10 designator without a serial number
/// wouldn't be unique, so there is none then.
fn designators(config: &Config) -> Option<Vec<u8>> {
    const BINARY: u8 = 1;
    const ASCII: u8 = 2;
    const T10_VENDOR: u8 = 1;
    const NAA: u8 = 3;
    const TARGET_PORT: u8 = 1 << 4;
    const RELATIVE_PORT: u8 = 4;

    let mut bytes = Vec::new();
    let mut designator = |code_set: u8, kind: u8, value: &[u8]| {
        bytes.extend([code_set, kind, 0, value.len() as u8]);
        bytes.extend(value);
    };
    if let Some(serial) = &config.serial {
        let mut value = Vec::new();
        padded(&mut value, &config.vendor, 8);
        padded(&mut value, &config.product, 16);
        value.extend(serial.bytes());
        designator(ASCII, T10_VENDOR, &value);
    }
    if config.wwn != 0 {
        designator(BINARY, NAA, &config.wwn.to_be_bytes());
    }
    designator(BINARY, TARGET_PORT | RELATIVE_PORT, &[0, 0, 0, 1]);
    Some(bytes)
}

/// 86h, extended INQUIRY data. Commands are carried out in the order of their
/// arrival, and written data may be in a volatile buffer.
fn extended(_: &Config) -> Option<Vec<u8>> {
    const ORDSUP_SIMPSUP: u8 = 0x03;
    const V_SUP: u8 = 0x01;
    let mut bytes = vec![0; 60];
    bytes[1] = ORDSUP_SIMPSUP;
    bytes[2] = V_SUP;
    Some(bytes)
}

/// B0h, sequential-access device capabilities: WORM.
fn sequential_access(config: &Config) -> Option<Vec<u8>> {
    Some(vec![u8::from(config.worm), 0])
}

/// B2h, the TapeAlert flags that may be raised.
fn alerts(_: &Config) -> Option<Vec<u8>> {
    Some(alert::raised().to_be_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named() -> Config {
        Config {
            serial: Some("T-1".into()),
            wwn: 0x5000_c500_1234_5678,
            worm: true,
            ..Config::default()
        }
    }

    fn vpd(config: &Config, page: u8) -> Reply {
        inquiry(config, &[0x12, 1, page, 0, 255, 0])
    }

    #[test]
    fn standard_data() {
        let bytes = inquiry(&named(), &[0x12, 0, 0, 0, 96, 0]).unwrap();
        assert_eq!(bytes.len(), 96);
        assert_eq!(bytes[..8], [0x01, 0x80, 6, 0x12, 91, 0, 0, 2]);
        assert_eq!(&bytes[8..36], b"QEMU    QEMU TAPE       0001");
        assert_eq!(bytes[58..64], [0, 0x80, 4, 0x60, 4, 0]);
        let config = Config {
            command_queuing: false,
            ..named()
        };
        let bytes = inquiry(&config, &[0x12, 0, 0, 0, 96, 0]).unwrap();
        assert_eq!(bytes[7], 0);
    }

    #[test]
    fn pages_are_those_that_are_listed() {
        for (config, pages) in [
            (named(), &[0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2][..]),
            (Config::default(), &[0x00, 0x83, 0x86, 0xb0, 0xb2]),
        ] {
            assert_eq!(vpd(&config, 0).unwrap()[4..], *pages);
            for code in 0..=0xff {
                match vpd(&config, code) {
                    Ok(bytes) => {
                        assert!(pages.contains(&code), "{code:02x}");
                        assert_eq!(bytes[..2], [0x01, code]);
                        let length = u16::from_be_bytes([bytes[2], bytes[3]]);
                        assert_eq!(usize::from(length), bytes.len() - 4);
                    }
                    Err(sense) => {
                        assert!(!pages.contains(&code), "{code:02x}");
                        assert_eq!(sense, Sense::cdb_field(2, Some(7)));
                    }
                }
            }
        }
    }

    #[test]
    fn a_page_needs_evpd() {
        let sense = inquiry(&named(), &[0x12, 0, 0x80, 0, 255, 0]).unwrap_err();
        assert_eq!(sense, Sense::cdb_field(2, Some(7)));
    }

    #[test]
    fn designators_name_unit_and_port() {
        let bytes = vpd(&named(), 0x83).unwrap();
        assert_eq!(bytes[4..8], [2, 1, 0, 27]);
        assert_eq!(&bytes[8..35], b"QEMU    QEMU TAPE       T-1");
        assert_eq!(bytes[35..39], [1, 3, 0, 8]);
        assert_eq!(bytes[39..47], 0x5000_c500_1234_5678u64.to_be_bytes());
        assert_eq!(bytes[47..], [1, 0x14, 0, 4, 0, 0, 0, 1]);
    }

    #[test]
    fn serial_numbers_and_capabilities() {
        assert_eq!(&vpd(&named(), 0x80).unwrap()[4..], b"T-1");
        assert_eq!(&vpd(&named(), 0xb1).unwrap()[4..], b"T-1");
        assert_eq!(vpd(&named(), 0xb0).unwrap(), [1, 0xb0, 0, 2, 1, 0]);
        let flags = [0x2c, 0xd0, 0, 0, 0, 0, 0, 0x10];
        assert_eq!(vpd(&named(), 0xb2).unwrap()[4..], flags);
        assert_eq!(vpd(&named(), 0x86).unwrap().len(), 64);
    }

    proptest! {
        #[test]
        fn nothing_panics(cdb in prop::array::uniform6(any::<u8>())) {
            let _ = inquiry(&named(), &cdb);
        }
    }
}
