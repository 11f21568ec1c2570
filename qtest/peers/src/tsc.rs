// SPDX-License-Identifier: GPL-2.0-or-later
//! This host's counter.
#![allow(unsafe_code)]

/// x86's time stamp counter, in no order with what is around it: system calls
/// are what the instants here lie between. None on other hosts.
pub fn read() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86-64 has it, and it touches no memory.
        Some(unsafe { std::arch::x86_64::_rdtsc() })
    }
    #[cfg(not(target_arch = "x86_64"))]
    None
}
