// SPDX-License-Identifier: GPL-2.0-or-later
//! The medium partition page, SSC-3 8.3.4. MODE SENSE shows the partitions of
//! the cartridge that is loaded; MODE SELECT says what FORMAT MEDIUM will make
//! of it (POFM).
//!
//! ```text
//!  byte 2  maximum additional partitions      4  FDP SDP IDP PSUM POFM
//!       3  additional partitions defined      6  partition units
//!       8  partition sizes, 2 bytes each, in 10^units bytes (PSUM 3)
//! ```

use super::page::{from_default, Page};
pub(super) use tape_image::container::PARTITIONS_MAX;

use crate::bytes::number;
use crate::sense::{asc, Key, Sense};
use crate::state::State;
use crate::view::Partition;

pub(super) const CODE: u8 = 0x11;
const MAX_ADDITIONAL: u8 = PARTITIONS_MAX as u8 - 1;

const FDP: u8 = 0x80;
const SDP: u8 = 0x40;
const IDP: u8 = 0x20;
const PSUM: u8 = 0x18;
const POFM: u8 = 0x04;
/// Medium format recognition: format and partitions.
const RECOGNITION: u8 = 0x03;
/// A partition's size: what the others leave.
const REST: u16 = 0xffff;
/// Below this many bytes, a size asks for the smallest partition there is:
/// what file systems that use a second partition do.
const SIZE_MIN: u64 = 1_000_000;
/// The smallest partition, as a part of the cartridge.
const SMALLEST: u64 = 40;
/// The smallest partition of a cartridge without bound: LTO-5's, in bytes.
const SMALLEST_UNBOUNDED: u64 = 37_500_000_000;

/// What a MODE SELECT asked FORMAT MEDIUM for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing: one partition.
    #[default]
    Single,
    /// So many partitions, of sizes that the drive chooses (FDP, SDP).
    Equal(usize),
    /// Bytes of each (IDP); `None`: what the others leave, once at most.
    Sizes(Vec<Option<u64>>),
}

/// The page with no cartridge loaded.
pub(super) fn default_page() -> Page {
    let default = page(&[Partition {
        capacity: u64::MAX,
        used: 0,
    }]);
    let mask = changeable(default.len());
    from_default(CODE, 0, default, mask)
}

/// The current page, for a cartridge with these partitions. It always has room
/// for a second size: hosts change the page they got, and send it back.
pub(super) fn page(partitions: &[Partition]) -> Vec<u8> {
    let known = partitions.iter().map(|p| p.capacity);
    let largest = known.filter(|&c| c != u64::MAX).max().unwrap_or(0);
    let units = (0..15)
        .find(|&units| largest.div_ceil(10u64.pow(units)) < u64::from(REST))
        .unwrap_or(15);
    let defined = partitions.len().clamp(1, PARTITIONS_MAX);
    let descriptors = defined.max(2);
    let mut bytes = vec![
        CODE,
        6 + 2 * descriptors as u8,
        MAX_ADDITIONAL,
        defined as u8 - 1,
        PSUM | POFM,
        RECOGNITION,
        units as u8,
        0,
    ];
    for partition in partitions.iter().take(defined) {
        let size = match partition.capacity {
            u64::MAX => REST,
            capacity => capacity.div_ceil(10u64.pow(units)) as u16,
        };
        bytes.extend(size.to_be_bytes());
    }
    bytes.resize(8 + 2 * descriptors, 0);
    bytes
}

/// The changeable bits of a page of `length` bytes.
pub(super) fn changeable(length: usize) -> Vec<u8> {
    let mut bytes = vec![0xff; length];
    bytes[..8].copy_from_slice(&[
        CODE,
        length as u8 - 2,
        0,
        0xff,
        FDP | SDP | IDP | PSUM,
        0,
        0x0f,
        0,
    ]);
    bytes
}

/// What a selected page asks for; `None`: nothing new. The unchangeable bits
/// have been checked. Errors count bytes from the page's beginning.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Plan>, Sense> {
    let (additional, flags) = (bytes[3], bytes[4]);
    if additional > MAX_ADDITIONAL {
        return Err(Sense::list_field(3, Some(7)));
    }
    let partitions = usize::from(additional) + 1;
    match flags & (FDP | SDP | IDP) {
        0 => Ok(None),
        FDP | SDP => Ok(Some(Plan::Equal(partitions))),
        IDP => sizes(bytes, partitions).map(|sizes| Some(Plan::Sizes(sizes))),
        _ => Err(Sense::list_field(4, Some(7))),
    }
}

fn sizes(bytes: &[u8], partitions: usize) -> Result<Vec<Option<u64>>, Sense> {
    let exponent = match (bytes[4] & PSUM) >> 3 {
        // Bytes, 10^3, 10^6.
        psum @ 0..=2 => 3 * u32::from(psum),
        _ => u32::from(bytes[6] & 0x0f),
    };
    if bytes.len() < 8 + 2 * partitions {
        // Fewer sizes than partitions.
        return Err(Sense::list_field(3, Some(7)));
    }
    let mut sizes = Vec::with_capacity(partitions);
    for partition in 0..partitions {
        let at = 8 + 2 * partition;
        let size = match number(bytes, at, 2) {
            size if size == u64::from(REST) => None,
            0 => return Err(Sense::list_field(at, None)),
            size => Some(
                size.checked_mul(10u64.pow(exponent))
                    .ok_or(Sense::list_field(at, None))?,
            ),
        };
        if size.is_none() && sizes.contains(&None) {
            return Err(Sense::list_field(at, None));
        }
        sizes.push(size);
    }
    Ok(sizes)
}

impl Plan {
    /// Bytes of each partition of a cartridge of `capacity` bytes (`u64::MAX`:
    /// without bound), or PARAMETER VALUE INVALID if they don't fit.
    pub(super) fn carry_out(&self, capacity: u64) -> Result<Vec<u64>, Sense> {
        let bounded = capacity != u64::MAX;
        match self {
            Plan::Single => Ok(vec![capacity]),
            Plan::Equal(partitions) if bounded => {
                Ok(vec![capacity / *partitions as u64; *partitions])
            }
            Plan::Equal(partitions) => Ok(vec![u64::MAX; *partitions]),
            Plan::Sizes(sizes) => {
                let smallest = match bounded {
                    true => capacity / SMALLEST,
                    false => SMALLEST_UNBOUNDED,
                };
                let fixed = |size: u64| match size {
                    ..SIZE_MIN => smallest.max(size),
                    size => size,
                };
                let sum = sizes
                    .iter()
                    .flatten()
                    .try_fold(0u64, |sum, &size| sum.checked_add(fixed(size)))
                    .filter(|&sum| sum <= capacity)
                    .ok_or(INVALID)?;
                let rest = if bounded { capacity - sum } else { u64::MAX };
                let sizes: Vec<u64> = sizes.iter().map(|s| s.map_or(rest, fixed)).collect();
                if sizes.contains(&0) {
                    return Err(INVALID);
                }
                Ok(sizes)
            }
        }
    }

    /// Its state for migration. A size of 0 stands for the rest.
    pub(super) fn state(&mut self, state: &mut State<'_>) -> Option<()> {
        let (kind, mut sizes) = match self {
            Plan::Single => (0, Vec::new()),
            Plan::Equal(partitions) => (1, vec![None; *partitions]),
            Plan::Sizes(sizes) => (2, sizes.clone()),
        };
        let kind = state.u8(kind)?;
        if kind != 0 {
            let partitions = usize::from(state.u8(sizes.len() as u8)?);
            if !(1..=PARTITIONS_MAX).contains(&partitions) {
                return None;
            }
            sizes.resize(partitions, None);
        }
        if kind == 2 {
            for size in &mut sizes {
                *size = Some(state.u64(size.unwrap_or(0))?).filter(|&size| size != 0);
            }
        }
        let rests = sizes.iter().filter(|size| size.is_none()).count();
        *self = match kind {
            0 => Plan::Single,
            1 => Plan::Equal(sizes.len()),
            2 if rests <= 1 => Plan::Sizes(sizes),
            _ => return None,
        };
        Some(())
    }
}

const INVALID: Sense = Sense::new(Key::IllegalRequest, asc::PARAMETER_VALUE_INVALID);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::part;

    fn partition(capacity: u64) -> Partition {
        Partition { capacity, used: 0 }
    }

    /// A page with these flags, units, and sizes.
    fn asking(flags: u8, units: u8, sizes: &[u16]) -> Vec<u8> {
        let mut bytes = vec![CODE, 6 + 2 * sizes.len() as u8, 15];
        bytes.extend([sizes.len() as u8 - 1, flags | POFM, 3, units, 0]);
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes
    }

    #[test]
    fn the_page_of_a_cartridge() {
        assert_eq!(
            page(&[partition(u64::MAX)]),
            [0x11, 10, 15, 0, 0x1c, 3, 0, 0, 0xff, 0xff, 0, 0]
        );
        assert_eq!(
            page(&[partition(1_462_500_000_000), partition(37_500_000_000)]),
            [0x11, 10, 15, 1, 0x1c, 3, 8, 0, 0x39, 0x21, 0x01, 0x77]
        );
        let sixteen = page(&[partition(64_000); 16]);
        assert_eq!(sixteen.len(), 40);
        assert_eq!(sixteen[6], 0);
        assert_eq!(sixteen[8..10], 64_000u16.to_be_bytes());
        // As large as it gets.
        assert_eq!(page(&[partition(u64::MAX - 1)])[6], 15);
    }

    #[test]
    fn plans() {
        let capacity = 64_000_000;
        for (page, expected) in [
            (asking(0, 0, &[1, 2]), None),
            (asking(SDP, 0, &[0; 4]), Some(vec![16_000_000; 4])),
            (asking(FDP, 0, &[0]), Some(vec![64_000_000])),
            (
                asking(IDP | 0x10, 0, &[REST, 10]),
                Some(vec![54_000_000, 10_000_000]),
            ),
            (
                asking(IDP | 0x08, 0, &[5000, REST]),
                Some(vec![5_000_000, 59_000_000]),
            ),
            (
                asking(IDP | PSUM, 7, &[1, 2, 3]),
                Some(vec![10_000_000, 20_000_000, 30_000_000]),
            ),
            // The least there is.
            (
                asking(IDP | PSUM, 0, &[1, REST]),
                Some(vec![1_600_000, 62_400_000]),
            ),
        ] {
            let plan = parse(&page).unwrap();
            let sizes = plan.map(|plan| plan.carry_out(capacity).unwrap());
            assert_eq!(sizes, expected, "{page:02x?}");
        }
    }

    #[test]
    fn cartridges_without_bound() {
        let plan = |page: &[u8]| parse(page).unwrap().unwrap().carry_out(u64::MAX);
        assert_eq!(plan(&asking(SDP, 0, &[0, 0])), Ok(vec![u64::MAX; 2]));
        assert_eq!(
            plan(&asking(IDP | PSUM, 0, &[1, REST])),
            Ok(vec![SMALLEST_UNBOUNDED, u64::MAX])
        );
        // Each is a number, their sum isn't.
        let sum = asking(IDP | PSUM, 15, &[18_000, 18_000]);
        assert_eq!(plan(&sum), Err(INVALID));
    }

    #[test]
    fn what_cannot_be() {
        for (page, byte) in [
            (asking(IDP | SDP, 0, &[1]), 4),
            (asking(IDP, 0, &[1; 17]), 3),
            (asking(IDP, 0, &[1, 0]), 10),
            (asking(IDP, 0, &[REST, 1, REST]), 12),
            (asking(IDP, 0, &[1, 1])[..10].to_vec(), 3),
            (asking(IDP | PSUM, 15, &[1, 65_534]), 10),
        ] {
            let sense = parse(&page).unwrap_err();
            assert_eq!(sense.field.map(|f| f.1), Some(byte), "{page:02x?}");
        }
        let all = parse(&asking(IDP | PSUM, 6, &[64, REST])).unwrap().unwrap();
        assert_eq!(all.carry_out(64_000_000), Err(INVALID), "no rest");
        assert_eq!(all.carry_out(63_000_000), Err(INVALID), "too large");
    }

    #[test]
    fn plans_are_saved_and_restored() {
        for plan in [
            Plan::Single,
            Plan::Equal(16),
            Plan::Sizes(vec![Some(1), None, Some(u64::MAX)]),
        ] {
            let bytes = part::save(&plan, Plan::state);
            assert_eq!(part::restore(Plan::Single, Plan::state, &bytes), Some(plan));
        }
        for hostile in [
            &[1, 0][..],
            &[1, 17],
            &[3, 1, 0, 0, 0, 0, 0, 0, 0, 1],
            &[2, 2],
        ] {
            assert_eq!(part::restore(Plan::Single, Plan::state, hostile), None);
        }
    }
}
