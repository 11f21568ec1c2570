// SPDX-License-Identifier: GPL-2.0-or-later
//! What a kernel tells the processor: CR3, CR4 and INVPCID, with their faults.

use thiserror::Error;

/// #GP(0), and why.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GeneralProtection {
    /// Bit 63 of CR3 without CR4.PCIDE.
    #[error("bit 63 of CR3 is set while CR4.PCIDE is clear")]
    KeepWithoutPcide,
    /// CR4.PCIDE can be set while CR3's PCID is 0 only.
    #[error("CR4.PCIDE is set while bits 11:0 of CR3 are not 0")]
    PcideWithPcid,
    /// INVPCID's types are 0 to 3.
    #[error("INVPCID has a type above 3")]
    Type,
    /// Of INVPCID's descriptor.
    #[error("bits 63:12 of INVPCID's descriptor are not 0")]
    Reserved,
    /// INVPCID of types 0 and 1.
    #[error("INVPCID has a PCID while CR4.PCIDE is clear")]
    PcidWithoutPcide,
    /// INVPCID of type 0.
    #[error("INVPCID has an address that isn't canonical")]
    NotCanonical,
}

/// CR3's fields. Which bits of it are a PCID depends on CR4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cr3(u64);

impl Cr3 {
    /// Bit 63 of a value that is loaded: nothing is to be dropped. It is never stored.
    pub const KEEP: u64 = 1 << 63;

    /// What is stored when `value` is loaded.
    pub(crate) fn stored(value: u64) -> Self {
        Self(value & !Self::KEEP)
    }

    /// Where the PML4 is.
    pub(crate) fn root(self) -> u64 {
        self.0 & 0x000f_ffff_ffff_f000
    }

    /// Bits 11:0.
    pub(crate) fn low(self) -> u16 {
        (self.0 & 0xfff) as u16
    }
}

/// The bits of CR4 that caches care for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cr4 {
    /// Bit 7: there are global pages.
    pub pge: bool,
    /// Bit 17: bits 11:0 of CR3 are a PCID.
    pub pcide: bool,
    /// Bit 20: supervisors don't execute users' pages.
    pub smep: bool,
}

impl Cr4 {
    /// Its bits in the register.
    pub fn bits(self) -> u64 {
        u64::from(self.pge) << 7 | u64::from(self.pcide) << 17 | u64::from(self.smep) << 20
    }
}

/// INVPCID's types, with what each takes of its descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invpcid {
    /// Type 0: an address in a PCID, unless it is global.
    Address {
        /// Bits 11:0 of the descriptor.
        pcid: u16,
        /// Its second half.
        address: u64,
    },
    /// Type 1: all of a PCID but what is global.
    Context {
        /// Bits 11:0 of the descriptor.
        pcid: u16,
    },
    /// Type 2: all of all PCIDs, with what is global.
    All,
    /// Type 3: all of all PCIDs but what is global.
    AllButGlobal,
}

impl Invpcid {
    /// What the instruction does with these operands, under this CR4.
    pub fn decode(kind: u64, descriptor: [u64; 2], cr4: Cr4) -> Result<Self, GeneralProtection> {
        let [low, address] = descriptor;
        let pcid = (low & 0xfff) as u16;
        if kind > 3 {
            return Err(GeneralProtection::Type);
        }
        if low >> 12 != 0 {
            return Err(GeneralProtection::Reserved);
        }
        if kind < 2 && pcid != 0 && !cr4.pcide {
            return Err(GeneralProtection::PcidWithoutPcide);
        }
        // Bits 63:47 are alike.
        let canonical = matches!(address >> 47, 0 | 0x1_ffff);
        match kind {
            0 if !canonical => Err(GeneralProtection::NotCanonical),
            0 => Ok(Self::Address { pcid, address }),
            1 => Ok(Self::Context { pcid }),
            2 => Ok(Self::All),
            _ => Ok(Self::AllButGlobal),
        }
    }

    /// Its operands: the type, and the descriptor.
    pub fn encode(self) -> (u64, [u64; 2]) {
        match self {
            Self::Address { pcid, address } => (0, [pcid.into(), address]),
            Self::Context { pcid } => (1, [pcid.into(), 0]),
            Self::All => (2, [0; 2]),
            Self::AllButGlobal => (3, [0; 2]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PCIDE: Cr4 = Cr4 {
        pge: true,
        pcide: true,
        smep: false,
    };

    #[test]
    fn operands_are_taken_and_given() {
        for what in [
            Invpcid::Address {
                pcid: 0xfff,
                address: 0xffff_8000_0000_1000,
            },
            Invpcid::Address {
                pcid: 0,
                address: 0x7fff_ffff_f000,
            },
            Invpcid::Context { pcid: 7 },
            Invpcid::All,
            Invpcid::AllButGlobal,
        ] {
            let (kind, descriptor) = what.encode();
            assert_eq!(Invpcid::decode(kind, descriptor, PCIDE), Ok(what));
        }
    }

    #[test]
    fn each_fault_is_told() {
        use GeneralProtection::*;
        for (kind, descriptor, cr4, fault) in [
            (4, [0, 0], PCIDE, Type),
            (1 << 32, [0, 0], PCIDE, Type),
            (2, [1 << 12, 0], PCIDE, Reserved),
            (3, [1 << 63, 0], PCIDE, Reserved),
            (0, [1, 0], Cr4::default(), PcidWithoutPcide),
            (1, [1, 0], Cr4::default(), PcidWithoutPcide),
            (0, [0, 1 << 47], PCIDE, NotCanonical),
            (0, [0, 0xffff_0000_0000_0000], PCIDE, NotCanonical),
        ] {
            assert_eq!(Invpcid::decode(kind, descriptor, cr4), Err(fault));
        }
        // Only type 0 looks at the address.
        assert!(Invpcid::decode(1, [1, 1 << 47], PCIDE).is_ok());
    }

    #[test]
    fn cr4_is_bits() {
        assert_eq!(PCIDE.bits(), 0x2_0080);
        assert_eq!(
            Cr4 {
                smep: true,
                ..Cr4::default()
            }
            .bits(),
            1 << 20
        );
    }
}
