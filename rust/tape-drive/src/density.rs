// SPDX-License-Identifier: GPL-2.0-or-later
//! Densities, and REPORT DENSITY SUPPORT (SSC-3 7.8).

use crate::bytes::set_length;
use crate::config::Config;
use crate::sense::{Reply, Sense};
use crate::view::{Tape, View};

/// What is known of a density code. The numbers are the LTO format's.
#[derive(Debug)]
pub(crate) struct Density {
    pub(crate) code: u8,
    bits_per_mm: u32,
    tracks: u16,
    /// Nominal, in 10^6 bytes.
    megabytes: u32,
    organisation: &'static str,
    name: &'static str,
    description: &'static str,
    /// MEDIUM TYPE of a data and of a WORM cartridge.
    medium_types: [u8; 2],
}

const fn lto(
    code: u8,
    [bits_per_mm, tracks, megabytes]: [u32; 3],
    name: &'static str,
    description: &'static str,
    medium_types: [u8; 2],
) -> Density {
    Density {
        code,
        bits_per_mm,
        tracks: tracks as u16,
        megabytes,
        organisation: "LTO-CVE",
        name,
        description,
        medium_types,
    }
}

impl Density {
    fn bytes(&self) -> u64 {
        u64::from(self.megabytes) * 1_000_000
    }
}

/// Media width in tenths of a millimetre: half an inch.
pub(crate) const WIDTH: u16 = 127;

#[rustfmt::skip]
static DENSITIES: [Density; 9] = [
    lto(0x40, [4880, 384, 100_000], "U-18", "Ultrium 1/8T", [0x18; 2]),
    lto(0x42, [7398, 512, 200_000], "U-28", "Ultrium 2/8T", [0x28; 2]),
    lto(0x44, [9638, 704, 400_000], "U-316", "Ultrium 3/16T", [0x38, 0x3c]),
    lto(0x46, [12725, 896, 800_000], "U-416", "Ultrium 4/16T", [0x48, 0x4c]),
    lto(0x58, [15142, 1280, 1_500_000], "U-516", "Ultrium 5/16T", [0x58, 0x5c]),
    lto(0x5a, [15142, 2176, 2_500_000], "U-616", "Ultrium 6/16T", [0x68, 0x6c]),
    lto(0x5c, [19107, 3584, 6_000_000], "U-732", "Ultrium 7/32T", [0x78, 0x7c]),
    lto(0x5e, [20669, 6656, 12_000_000], "U-832", "Ultrium 8/32T", [0x88, 0x8c]),
    lto(0x60, [21456, 8960, 18_000_000], "U-932", "Ultrium 9/32T", [0x98, 0x9c]),
];

/// A code that the table doesn't have.
static OTHER: Density = Density {
    organisation: "",
    ..lto(0, [0, 0, u32::MAX], "", "", [0; 2])
};

fn find(code: u8) -> &'static Density {
    DENSITIES
        .iter()
        .find(|density| density.code == code)
        .unwrap_or(&OTHER)
}

/// MEDIUM TYPE of the mode parameter header, which says WORM too; 0 if the
/// density's cartridges have no name there.
pub(crate) fn medium_type(code: u8, worm: bool) -> u8 {
    find(code).medium_types[usize::from(worm)]
}

/// Who assigned the density code; empty if that isn't known.
pub(crate) fn organisation(code: u8) -> &'static str {
    find(code).organisation
}

/// The capacity of a cartridge, in units of 10^6 bytes: the configured
/// capacity, or the nominal one if there is no bound.
pub(crate) fn megabytes(config: &Config) -> u32 {
    match config.capacity {
        u64::MAX => find(config.density).megabytes,
        bytes => u32::try_from(bytes / 1_000_000).unwrap_or(u32::MAX),
    }
}

/// Bytes of a cartridge of this density; `None` if the table doesn't have it.
pub fn nominal_capacity(code: u8) -> Option<u64> {
    let known = DENSITIES.iter().find(|density| density.code == code);
    known.map(Density::bytes)
}

/// Bytes of a cartridge for those who reckon with shares of it: the configured
/// capacity; without a bound, that of the density's cartridges; without a known
/// density, the most that REPORT DENSITY SUPPORT can tell.
pub(crate) fn usual_capacity(config: &Config) -> u64 {
    match config.capacity {
        u64::MAX => find(config.density).bytes(),
        bytes => bytes,
    }
}

/// The share of early warning that a partition of so many bytes has: as large
/// as its share of the cartridge, so that a small one isn't all of it behind
/// its early warning.
pub(crate) fn early_warning_in(config: &Config, partition: u64) -> u64 {
    let whole = usual_capacity(config);
    let share = u128::from(partition.min(whole)) * u128::from(config.early_warning);
    (share / u128::from(whole)) as u64
}

/// REPORT DENSITY SUPPORT: the one density, or (MEDIUM TYPE) the one kind of
/// cartridge. MEDIA asks about the cartridge that is loaded.
pub(crate) fn report(config: &Config, view: View<'_>, cdb: &[u8]) -> Reply {
    let (media, medium_type) = (cdb[1] & 1 != 0, cdb[1] & 2 != 0);
    if media && view.is_none() {
        return Err(Sense::NO_MEDIUM);
    }
    let tape = view.filter(|_| media);
    let descriptor = if medium_type {
        medium_type_descriptor(config, tape)
    } else {
        density_descriptor(config)
    };
    let mut reply = vec![0; 4];
    reply.extend(descriptor);
    set_length(&mut reply, 0, 2);
    Ok(reply)
}

/// 7.8.3, 52 bytes.
fn density_descriptor(config: &Config) -> Vec<u8> {
    const WRTOK_DEFLT: u8 = 0xa0;
    let density = find(config.density);
    let mut bytes = vec![config.density, config.density, WRTOK_DEFLT, 0, 0];
    bytes.extend(&density.bits_per_mm.to_be_bytes()[1..]);
    bytes.extend(WIDTH.to_be_bytes());
    bytes.extend(density.tracks.to_be_bytes());
    bytes.extend(megabytes(config).to_be_bytes());
    padded(&mut bytes, density.organisation, 8);
    padded(&mut bytes, density.name, 8);
    padded(&mut bytes, density.description, 20);
    bytes
}

/// 7.8.4, 56 bytes. MEDIUM LENGTH 0: not known.
fn medium_type_descriptor(config: &Config, tape: Option<&Tape>) -> Vec<u8> {
    let density = find(config.density);
    let worm = tape.map_or(config.worm, |tape| tape.worm);
    let mut bytes = vec![density.medium_types[usize::from(worm)], 0, 0, 52];
    // NUMBER OF DENSITY CODES, and room for nine.
    bytes.extend([1, config.density, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(WIDTH.to_be_bytes());
    bytes.extend([0; 4]);
    padded(&mut bytes, density.organisation, 8);
    padded(&mut bytes, if worm { "WORM" } else { "Data" }, 8);
    padded(&mut bytes, density.description, 20);
    bytes
}

/// Appends `text` in a field of `length`, filled with spaces.
pub(crate) fn padded(bytes: &mut Vec<u8>, text: &str, length: usize) {
    let text = text.bytes().chain(std::iter::repeat(b' '));
    bytes.extend(text.take(length));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sense::Key;
    use proptest::prelude::*;

    fn ask(config: &Config, view: View<'_>, bits: u8) -> Reply {
        report(config, view, &[0x44, bits, 0, 0, 0, 0, 0, 2, 0, 0])
    }

    #[test]
    fn the_density_of_an_lto5_drive() {
        let bytes = ask(&Config::default(), None, 0).unwrap();
        assert_eq!(bytes[..4], [0, 54, 0, 0]);
        let descriptor = &bytes[4..];
        assert_eq!(descriptor.len(), 52);
        assert_eq!(descriptor[..5], [0x58, 0x58, 0xa0, 0, 0]);
        assert_eq!(descriptor[5..12], [0, 0x3b, 0x26, 0, 127, 5, 0]);
        assert_eq!(descriptor[12..16], 1_500_000u32.to_be_bytes());
        assert_eq!(&descriptor[16..], b"LTO-CVE U-516   Ultrium 5/16T       ");
    }

    #[test]
    fn capacity_is_the_configured_one() {
        let config = Config {
            capacity: 64_000_000,
            density: 0x11,
            ..Config::default()
        };
        let bytes = ask(&config, None, 0).unwrap();
        assert_eq!(bytes[4], 0x11);
        assert_eq!(bytes[16..20], [0, 0, 0, 64]);
        assert_eq!(bytes[20..], [b' '; 36]);
    }

    #[test]
    fn every_density_has_its_own_capacity() {
        // LTO-9's is beyond 2^44.
        assert_eq!(nominal_capacity(0x60), Some(18_000_000_000_000));
        assert_eq!(nominal_capacity(0x40), Some(100_000_000_000));
        assert_eq!(nominal_capacity(0x11), None);
        for density in &DENSITIES {
            let config = Config {
                density: density.code,
                ..Config::default()
            };
            let nominal = nominal_capacity(density.code).unwrap();
            assert_eq!(usual_capacity(&config), nominal);
            assert_eq!(u64::from(megabytes(&config)) * 1_000_000, nominal);
        }
    }

    #[test]
    fn early_warning_is_shared_out() {
        let config = Config {
            early_warning: 1 << 30,
            ..Config::default()
        };
        let whole = nominal_capacity(config.density).unwrap();
        assert_eq!(early_warning_in(&config, whole), 1 << 30);
        assert_eq!(early_warning_in(&config, u64::MAX), 1 << 30);
        assert_eq!(early_warning_in(&config, whole / 2), 1 << 29);
    }

    #[test]
    fn medium_types() {
        let bytes = ask(&Config::default(), None, 2).unwrap();
        assert_eq!(bytes[..2], [0, 58]);
        assert_eq!(bytes[4..10], [0x58, 0, 0, 52, 1, 0x58]);
        assert_eq!(&bytes[24..40], b"LTO-CVE Data    ");
        let worm = Tape {
            worm: true,
            ..Tape::default()
        };
        let bytes = ask(&Config::default(), Some(&worm), 3).unwrap();
        assert_eq!(bytes[4], 0x5c);
        assert_eq!(&bytes[32..40], b"WORM    ");
    }

    #[test]
    fn what_is_loaded_needs_a_cartridge() {
        for bits in [1, 3] {
            let sense = ask(&Config::default(), None, bits).unwrap_err();
            assert_eq!((sense.key, sense.asc), (Key::NotReady, 0x3a00));
        }
        assert!(ask(&Config::default(), Some(&Tape::default()), 1).is_ok());
    }

    #[test]
    fn the_table_ascends() {
        assert!(DENSITIES.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    proptest! {
        #[test]
        fn nothing_panics(cdb in prop::array::uniform10(any::<u8>())) {
            let _ = report(&Config::default(), Some(&Tape::default()), &cdb);
            let _ = report(&Config::default(), None, &cdb);
        }
    }
}
