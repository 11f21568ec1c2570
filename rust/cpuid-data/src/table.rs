// SPDX-License-Identifier: GPL-2.0-or-later
//! Made by `cargo run -p cpuid-table` from cpuid.csv: not to be edited.

use crate::Register::{self, Eax, Ebx, Ecx, Edx};
use crate::{Field, Leaf};

const fn field(
    [leaf, first_subleaf, last_subleaf]: [u32; 3],
    register: Register,
    [high, low]: [u8; 2],
    name: &'static str,
    description: &'static str,
) -> Field {
    Field { leaf, first_subleaf, last_subleaf, register, high, low, name, description }
}

/// Every leaf, by its number.
pub static LEAVES: &[Leaf] = &[
    Leaf { number: 0x0, title: "Maximum standard leaf + CPU vendor string", fields: leaf_0::FIELDS },
    Leaf { number: 0x1, title: "CPU FMS (Family/Model/Stepping) + standard feature flags", fields: leaf_1::FIELDS },
    Leaf { number: 0x2, title: "Intel cache and TLB information one-byte descriptors", fields: leaf_2::FIELDS },
    Leaf { number: 0x4, title: "Intel deterministic cache parameters", fields: leaf_4::FIELDS },
    Leaf { number: 0x5, title: "MONITOR/MWAIT instructions", fields: leaf_5::FIELDS },
    Leaf { number: 0x6, title: "Thermal and power management", fields: leaf_6::FIELDS },
    Leaf { number: 0x7, title: "Extended CPU features", fields: leaf_7::FIELDS },
    Leaf { number: 0x9, title: "Intel DCA (Direct Cache Access)", fields: leaf_9::FIELDS },
    Leaf { number: 0xa, title: "Intel PMU (Performance Monitoring Unit)", fields: leaf_a::FIELDS },
    Leaf { number: 0xb, title: "CPU extended topology v1", fields: leaf_b::FIELDS },
    Leaf { number: 0xd, title: "CPU extended state", fields: leaf_d::FIELDS },
    Leaf { number: 0xf, title: "Intel RDT / AMD PQoS resource monitoring", fields: leaf_f::FIELDS },
    Leaf { number: 0x10, title: "Intel RDT / AMD PQoS allocation", fields: leaf_10::FIELDS },
    Leaf { number: 0x12, title: "Intel SGX (Software Guard Extensions)", fields: leaf_12::FIELDS },
    Leaf { number: 0x14, title: "Intel Processor Trace", fields: leaf_14::FIELDS },
    Leaf { number: 0x15, title: "Intel TSC (Time Stamp Counter)", fields: leaf_15::FIELDS },
    Leaf { number: 0x16, title: "Intel processor frequency", fields: leaf_16::FIELDS },
    Leaf { number: 0x17, title: "Intel SoC vendor attributes", fields: leaf_17::FIELDS },
    Leaf { number: 0x18, title: "Intel deterministic address translation (TLB) parameters", fields: leaf_18::FIELDS },
    Leaf { number: 0x19, title: "Intel key locker", fields: leaf_19::FIELDS },
    Leaf { number: 0x1a, title: "Intel hybrid CPUs identification (e.g. Atom, Core)", fields: leaf_1a::FIELDS },
    Leaf { number: 0x1b, title: "Intel PCONFIG (Platform configuration)", fields: leaf_1b::FIELDS },
    Leaf { number: 0x1c, title: "Intel LBR (Last Branch Record)", fields: leaf_1c::FIELDS },
    Leaf { number: 0x1d, title: "Intel AMX (Advanced Matrix Extensions) tile information", fields: leaf_1d::FIELDS },
    Leaf { number: 0x1e, title: "Intel TMUL (Tile-matrix Multiply)", fields: leaf_1e::FIELDS },
    Leaf { number: 0x1f, title: "Intel extended topology v2", fields: leaf_1f::FIELDS },
    Leaf { number: 0x20, title: "Intel HRESET (History Reset)", fields: leaf_20::FIELDS },
    Leaf { number: 0x21, title: "Intel TD (Trust Domain)", fields: leaf_21::FIELDS },
    Leaf { number: 0x23, title: "Intel Architectural Performance Monitoring Extended (ArchPerfmonExt)", fields: leaf_23::FIELDS },
    Leaf { number: 0x40000000, title: "Maximum hypervisor leaf + hypervisor vendor string", fields: leaf_40000000::FIELDS },
    Leaf { number: 0x80000000, title: "Maximum extended leaf + CPU vendor string", fields: leaf_80000000::FIELDS },
    Leaf { number: 0x80000001, title: "Extended CPU features", fields: leaf_80000001::FIELDS },
    Leaf { number: 0x80000002, title: "CPU brand ID string, bytes 0 - 15", fields: leaf_80000002::FIELDS },
    Leaf { number: 0x80000003, title: "CPU brand ID string, bytes 16 - 31", fields: leaf_80000003::FIELDS },
    Leaf { number: 0x80000004, title: "CPU brand ID string, bytes 32 - 47", fields: leaf_80000004::FIELDS },
    Leaf { number: 0x80000005, title: "AMD/Transmeta L1 cache and TLB", fields: leaf_80000005::FIELDS },
    Leaf { number: 0x80000006, title: "(Mostly AMD) L2/L3 cache and TLB", fields: leaf_80000006::FIELDS },
    Leaf { number: 0x80000007, title: "CPU power management (mostly AMD) and AMD RAS", fields: leaf_80000007::FIELDS },
    Leaf { number: 0x80000008, title: "CPU capacity parameters and extended feature flags (mostly AMD)", fields: leaf_80000008::FIELDS },
    Leaf { number: 0x8000000a, title: "AMD SVM (Secure Virtual Machine)", fields: leaf_8000000a::FIELDS },
    Leaf { number: 0x80000019, title: "AMD TLB characteristics for 1GB pages", fields: leaf_80000019::FIELDS },
    Leaf { number: 0x8000001a, title: "AMD instruction optimizations", fields: leaf_8000001a::FIELDS },
    Leaf { number: 0x8000001b, title: "AMD IBS (Instruction-Based Sampling)", fields: leaf_8000001b::FIELDS },
    Leaf { number: 0x8000001c, title: "AMD LWP (Lightweight Profiling)", fields: leaf_8000001c::FIELDS },
    Leaf { number: 0x8000001d, title: "AMD deterministic cache parameters", fields: leaf_8000001d::FIELDS },
    Leaf { number: 0x8000001e, title: "AMD CPU topology", fields: leaf_8000001e::FIELDS },
    Leaf { number: 0x8000001f, title: "AMD encrypted memory capabilities (SME/SEV)", fields: leaf_8000001f::FIELDS },
    Leaf { number: 0x80000020, title: "AMD PQoS (Platform QoS) extended features", fields: leaf_80000020::FIELDS },
    Leaf { number: 0x80000021, title: "AMD extended CPU features 2", fields: leaf_80000021::FIELDS },
    Leaf { number: 0x80000022, title: "AMD extended performance monitoring", fields: leaf_80000022::FIELDS },
    Leaf { number: 0x80000023, title: "AMD multi-key encrypted memory", fields: leaf_80000023::FIELDS },
    Leaf { number: 0x80000026, title: "AMD extended CPU topology", fields: leaf_80000026::FIELDS },
    Leaf { number: 0x80860000, title: "Maximum Transmeta leaf + CPU vendor string", fields: leaf_80860000::FIELDS },
    Leaf { number: 0x80860001, title: "Transmeta extended CPU features", fields: leaf_80860001::FIELDS },
    Leaf { number: 0x80860002, title: "Transmeta CMS (Code Morphing Software)", fields: leaf_80860002::FIELDS },
    Leaf { number: 0x80860003, title: "Transmeta CPU information string, bytes 0 - 15", fields: leaf_80860003::FIELDS },
    Leaf { number: 0x80860004, title: "Transmeta CPU information string, bytes 16 - 31", fields: leaf_80860004::FIELDS },
    Leaf { number: 0x80860005, title: "Transmeta CPU information string, bytes 32 - 47", fields: leaf_80860005::FIELDS },
    Leaf { number: 0x80860006, title: "Transmeta CPU information string, bytes 48 - 63", fields: leaf_80860006::FIELDS },
    Leaf { number: 0x80860007, title: "Transmeta live CPU information", fields: leaf_80860007::FIELDS },
    Leaf { number: 0xc0000000, title: "Maximum Centaur/Zhaoxin leaf", fields: leaf_c0000000::FIELDS },
    Leaf { number: 0xc0000001, title: "Centaur/Zhaoxin extended CPU features", fields: leaf_c0000001::FIELDS },
];

/// Maximum standard leaf + CPU vendor string.
pub mod leaf_0 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[MAX_STD_LEAF, CPU_VENDORID_0, CPU_VENDORID_2, CPU_VENDORID_1];
    /// Highest standard CPUID leaf.
    pub const MAX_STD_LEAF: Field = field([0x0, 0, 0], Eax, [31, 0], "max_std_leaf", "Highest standard CPUID leaf");
    /// CPU vendor ID string bytes 0 - 3.
    pub const CPU_VENDORID_0: Field = field([0x0, 0, 0], Ebx, [31, 0], "cpu_vendorid_0", "CPU vendor ID string bytes 0 - 3");
    /// CPU vendor ID string bytes 8 - 11.
    pub const CPU_VENDORID_2: Field = field([0x0, 0, 0], Ecx, [31, 0], "cpu_vendorid_2", "CPU vendor ID string bytes 8 - 11");
    /// CPU vendor ID string bytes 4 - 7.
    pub const CPU_VENDORID_1: Field = field([0x0, 0, 0], Edx, [31, 0], "cpu_vendorid_1", "CPU vendor ID string bytes 4 - 7");
}

/// CPU FMS (Family/Model/Stepping) + standard feature flags.
pub mod leaf_1 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[STEPPING, BASE_MODEL, BASE_FAMILY_ID, CPU_TYPE, EXT_MODEL, EXT_FAMILY, BRAND_ID, CLFLUSH_SIZE, N_LOGICAL_CPU, LOCAL_APIC_ID, PNI, PCLMULQDQ, DTES64, MONITOR, DS_CPL, VMX, SMX, EST, TM2, SSSE3, CID, SDBG, FMA, CX16, XTPR, PDCM, PCID, DCA, SSE4_1, SSE4_2, X2APIC, MOVBE, POPCNT, TSC_DEADLINE_TIMER, AES, XSAVE, OSXSAVE, AVX, F16C, RDRAND, GUEST_STATUS, FPU, VME, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC, SEP, MTRR, PGE, MCA, CMOV, PAT, PSE36, PN, CLFLUSH, DTS, ACPI, MMX, FXSR, SSE, SSE2, SS, HT, TM, IA64, PBE];
    /// Stepping ID.
    pub const STEPPING: Field = field([0x1, 0, 0], Eax, [3, 0], "stepping", "Stepping ID");
    /// Base CPU model ID.
    pub const BASE_MODEL: Field = field([0x1, 0, 0], Eax, [7, 4], "base_model", "Base CPU model ID");
    /// Base CPU family ID.
    pub const BASE_FAMILY_ID: Field = field([0x1, 0, 0], Eax, [11, 8], "base_family_id", "Base CPU family ID");
    /// CPU type.
    pub const CPU_TYPE: Field = field([0x1, 0, 0], Eax, [13, 12], "cpu_type", "CPU type");
    /// Extended CPU model ID.
    pub const EXT_MODEL: Field = field([0x1, 0, 0], Eax, [19, 16], "ext_model", "Extended CPU model ID");
    /// Extended CPU family ID.
    pub const EXT_FAMILY: Field = field([0x1, 0, 0], Eax, [27, 20], "ext_family", "Extended CPU family ID");
    /// Brand index.
    pub const BRAND_ID: Field = field([0x1, 0, 0], Ebx, [7, 0], "brand_id", "Brand index");
    /// CLFLUSH instruction cache line size.
    pub const CLFLUSH_SIZE: Field = field([0x1, 0, 0], Ebx, [15, 8], "clflush_size", "CLFLUSH instruction cache line size");
    /// Logical CPU count.
    pub const N_LOGICAL_CPU: Field = field([0x1, 0, 0], Ebx, [23, 16], "n_logical_cpu", "Logical CPU count");
    /// Initial local APIC physical ID.
    pub const LOCAL_APIC_ID: Field = field([0x1, 0, 0], Ebx, [31, 24], "local_apic_id", "Initial local APIC physical ID");
    /// Streaming SIMD Extensions 3 (SSE3).
    pub const PNI: Field = field([0x1, 0, 0], Ecx, [0, 0], "pni", "Streaming SIMD Extensions 3 (SSE3)");
    /// PCLMULQDQ instruction support.
    pub const PCLMULQDQ: Field = field([0x1, 0, 0], Ecx, [1, 1], "pclmulqdq", "PCLMULQDQ instruction support");
    /// 64-bit DS save area.
    pub const DTES64: Field = field([0x1, 0, 0], Ecx, [2, 2], "dtes64", "64-bit DS save area");
    /// MONITOR/MWAIT support.
    pub const MONITOR: Field = field([0x1, 0, 0], Ecx, [3, 3], "monitor", "MONITOR/MWAIT support");
    /// CPL Qualified Debug Store.
    pub const DS_CPL: Field = field([0x1, 0, 0], Ecx, [4, 4], "ds_cpl", "CPL Qualified Debug Store");
    /// Virtual Machine Extensions.
    pub const VMX: Field = field([0x1, 0, 0], Ecx, [5, 5], "vmx", "Virtual Machine Extensions");
    /// Safer Mode Extensions.
    pub const SMX: Field = field([0x1, 0, 0], Ecx, [6, 6], "smx", "Safer Mode Extensions");
    /// Enhanced Intel SpeedStep.
    pub const EST: Field = field([0x1, 0, 0], Ecx, [7, 7], "est", "Enhanced Intel SpeedStep");
    /// Thermal Monitor 2.
    pub const TM2: Field = field([0x1, 0, 0], Ecx, [8, 8], "tm2", "Thermal Monitor 2");
    /// Supplemental SSE3.
    pub const SSSE3: Field = field([0x1, 0, 0], Ecx, [9, 9], "ssse3", "Supplemental SSE3");
    /// L1 Context ID.
    pub const CID: Field = field([0x1, 0, 0], Ecx, [10, 10], "cid", "L1 Context ID");
    /// Silicon Debug.
    pub const SDBG: Field = field([0x1, 0, 0], Ecx, [11, 11], "sdbg", "Silicon Debug");
    /// FMA extensions using YMM state.
    pub const FMA: Field = field([0x1, 0, 0], Ecx, [12, 12], "fma", "FMA extensions using YMM state");
    /// CMPXCHG16B instruction support.
    pub const CX16: Field = field([0x1, 0, 0], Ecx, [13, 13], "cx16", "CMPXCHG16B instruction support");
    /// xTPR Update Control.
    pub const XTPR: Field = field([0x1, 0, 0], Ecx, [14, 14], "xtpr", "xTPR Update Control");
    /// Perfmon and Debug Capability.
    pub const PDCM: Field = field([0x1, 0, 0], Ecx, [15, 15], "pdcm", "Perfmon and Debug Capability");
    /// Process-context identifiers.
    pub const PCID: Field = field([0x1, 0, 0], Ecx, [17, 17], "pcid", "Process-context identifiers");
    /// Direct Cache Access.
    pub const DCA: Field = field([0x1, 0, 0], Ecx, [18, 18], "dca", "Direct Cache Access");
    /// SSE4.1.
    pub const SSE4_1: Field = field([0x1, 0, 0], Ecx, [19, 19], "sse4_1", "SSE4.1");
    /// SSE4.2.
    pub const SSE4_2: Field = field([0x1, 0, 0], Ecx, [20, 20], "sse4_2", "SSE4.2");
    /// X2APIC support.
    pub const X2APIC: Field = field([0x1, 0, 0], Ecx, [21, 21], "x2apic", "X2APIC support");
    /// MOVBE instruction support.
    pub const MOVBE: Field = field([0x1, 0, 0], Ecx, [22, 22], "movbe", "MOVBE instruction support");
    /// POPCNT instruction support.
    pub const POPCNT: Field = field([0x1, 0, 0], Ecx, [23, 23], "popcnt", "POPCNT instruction support");
    /// APIC timer one-shot operation.
    pub const TSC_DEADLINE_TIMER: Field = field([0x1, 0, 0], Ecx, [24, 24], "tsc_deadline_timer", "APIC timer one-shot operation");
    /// AES instructions.
    pub const AES: Field = field([0x1, 0, 0], Ecx, [25, 25], "aes", "AES instructions");
    /// XSAVE (and related instructions) support.
    pub const XSAVE: Field = field([0x1, 0, 0], Ecx, [26, 26], "xsave", "XSAVE (and related instructions) support");
    /// XSAVE (and related instructions) are enabled by OS.
    pub const OSXSAVE: Field = field([0x1, 0, 0], Ecx, [27, 27], "osxsave", "XSAVE (and related instructions) are enabled by OS");
    /// AVX instructions support.
    pub const AVX: Field = field([0x1, 0, 0], Ecx, [28, 28], "avx", "AVX instructions support");
    /// Half-precision floating-point conversion support.
    pub const F16C: Field = field([0x1, 0, 0], Ecx, [29, 29], "f16c", "Half-precision floating-point conversion support");
    /// RDRAND instruction support.
    pub const RDRAND: Field = field([0x1, 0, 0], Ecx, [30, 30], "rdrand", "RDRAND instruction support");
    /// System is running as guest; (para-)virtualized system.
    pub const GUEST_STATUS: Field = field([0x1, 0, 0], Ecx, [31, 31], "guest_status", "System is running as guest; (para-)virtualized system");
    /// Floating-Point Unit on-chip (x87).
    pub const FPU: Field = field([0x1, 0, 0], Edx, [0, 0], "fpu", "Floating-Point Unit on-chip (x87)");
    /// Virtual-8086 Mode Extensions.
    pub const VME: Field = field([0x1, 0, 0], Edx, [1, 1], "vme", "Virtual-8086 Mode Extensions");
    /// Debugging Extensions.
    pub const DE: Field = field([0x1, 0, 0], Edx, [2, 2], "de", "Debugging Extensions");
    /// Page Size Extension.
    pub const PSE: Field = field([0x1, 0, 0], Edx, [3, 3], "pse", "Page Size Extension");
    /// Time Stamp Counter.
    pub const TSC: Field = field([0x1, 0, 0], Edx, [4, 4], "tsc", "Time Stamp Counter");
    /// Model-Specific Registers (RDMSR and WRMSR support).
    pub const MSR: Field = field([0x1, 0, 0], Edx, [5, 5], "msr", "Model-Specific Registers (RDMSR and WRMSR support)");
    /// Physical Address Extensions.
    pub const PAE: Field = field([0x1, 0, 0], Edx, [6, 6], "pae", "Physical Address Extensions");
    /// Machine Check Exception.
    pub const MCE: Field = field([0x1, 0, 0], Edx, [7, 7], "mce", "Machine Check Exception");
    /// CMPXCHG8B instruction.
    pub const CX8: Field = field([0x1, 0, 0], Edx, [8, 8], "cx8", "CMPXCHG8B instruction");
    /// APIC on-chip.
    pub const APIC: Field = field([0x1, 0, 0], Edx, [9, 9], "apic", "APIC on-chip");
    /// SYSENTER, SYSEXIT, and associated MSRs.
    pub const SEP: Field = field([0x1, 0, 0], Edx, [11, 11], "sep", "SYSENTER, SYSEXIT, and associated MSRs");
    /// Memory Type Range Registers.
    pub const MTRR: Field = field([0x1, 0, 0], Edx, [12, 12], "mtrr", "Memory Type Range Registers");
    /// Page Global Extensions.
    pub const PGE: Field = field([0x1, 0, 0], Edx, [13, 13], "pge", "Page Global Extensions");
    /// Machine Check Architecture.
    pub const MCA: Field = field([0x1, 0, 0], Edx, [14, 14], "mca", "Machine Check Architecture");
    /// Conditional Move Instruction.
    pub const CMOV: Field = field([0x1, 0, 0], Edx, [15, 15], "cmov", "Conditional Move Instruction");
    /// Page Attribute Table.
    pub const PAT: Field = field([0x1, 0, 0], Edx, [16, 16], "pat", "Page Attribute Table");
    /// Page Size Extension (36-bit).
    pub const PSE36: Field = field([0x1, 0, 0], Edx, [17, 17], "pse36", "Page Size Extension (36-bit)");
    /// Processor Serial Number.
    pub const PN: Field = field([0x1, 0, 0], Edx, [18, 18], "pn", "Processor Serial Number");
    /// CLFLUSH instruction.
    pub const CLFLUSH: Field = field([0x1, 0, 0], Edx, [19, 19], "clflush", "CLFLUSH instruction");
    /// Debug Store.
    pub const DTS: Field = field([0x1, 0, 0], Edx, [21, 21], "dts", "Debug Store");
    /// Thermal monitor and clock control.
    pub const ACPI: Field = field([0x1, 0, 0], Edx, [22, 22], "acpi", "Thermal monitor and clock control");
    /// MMX instructions.
    pub const MMX: Field = field([0x1, 0, 0], Edx, [23, 23], "mmx", "MMX instructions");
    /// FXSAVE and FXRSTOR instructions.
    pub const FXSR: Field = field([0x1, 0, 0], Edx, [24, 24], "fxsr", "FXSAVE and FXRSTOR instructions");
    /// SSE instructions.
    pub const SSE: Field = field([0x1, 0, 0], Edx, [25, 25], "sse", "SSE instructions");
    /// SSE2 instructions.
    pub const SSE2: Field = field([0x1, 0, 0], Edx, [26, 26], "sse2", "SSE2 instructions");
    /// Self Snoop.
    pub const SS: Field = field([0x1, 0, 0], Edx, [27, 27], "ss", "Self Snoop");
    /// Hyper-threading.
    pub const HT: Field = field([0x1, 0, 0], Edx, [28, 28], "ht", "Hyper-threading");
    /// Thermal Monitor.
    pub const TM: Field = field([0x1, 0, 0], Edx, [29, 29], "tm", "Thermal Monitor");
    /// Legacy IA-64 (Itanium) support bit, now reserved.
    pub const IA64: Field = field([0x1, 0, 0], Edx, [30, 30], "ia64", "Legacy IA-64 (Itanium) support bit, now reserved");
    /// Pending Break Enable.
    pub const PBE: Field = field([0x1, 0, 0], Edx, [31, 31], "pbe", "Pending Break Enable");
}

/// Intel cache and TLB information one-byte descriptors.
pub mod leaf_2 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[ITERATION_COUNT, DESC1, DESC2, DESC3, EAX_INVALID, DESC4, DESC5, DESC6, DESC7, EBX_INVALID, DESC8, DESC9, DESC10, DESC11, ECX_INVALID, DESC12, DESC13, DESC14, DESC15, EDX_INVALID];
    /// Number of times this leaf must be queried.
    pub const ITERATION_COUNT: Field = field([0x2, 0, 0], Eax, [7, 0], "iteration_count", "Number of times this leaf must be queried");
    /// Descriptor #1.
    pub const DESC1: Field = field([0x2, 0, 0], Eax, [15, 8], "desc1", "Descriptor #1");
    /// Descriptor #2.
    pub const DESC2: Field = field([0x2, 0, 0], Eax, [23, 16], "desc2", "Descriptor #2");
    /// Descriptor #3.
    pub const DESC3: Field = field([0x2, 0, 0], Eax, [30, 24], "desc3", "Descriptor #3");
    /// Descriptors 1-3 are invalid if set.
    pub const EAX_INVALID: Field = field([0x2, 0, 0], Eax, [31, 31], "eax_invalid", "Descriptors 1-3 are invalid if set");
    /// Descriptor #4.
    pub const DESC4: Field = field([0x2, 0, 0], Ebx, [7, 0], "desc4", "Descriptor #4");
    /// Descriptor #5.
    pub const DESC5: Field = field([0x2, 0, 0], Ebx, [15, 8], "desc5", "Descriptor #5");
    /// Descriptor #6.
    pub const DESC6: Field = field([0x2, 0, 0], Ebx, [23, 16], "desc6", "Descriptor #6");
    /// Descriptor #7.
    pub const DESC7: Field = field([0x2, 0, 0], Ebx, [30, 24], "desc7", "Descriptor #7");
    /// Descriptors 4-7 are invalid if set.
    pub const EBX_INVALID: Field = field([0x2, 0, 0], Ebx, [31, 31], "ebx_invalid", "Descriptors 4-7 are invalid if set");
    /// Descriptor #8.
    pub const DESC8: Field = field([0x2, 0, 0], Ecx, [7, 0], "desc8", "Descriptor #8");
    /// Descriptor #9.
    pub const DESC9: Field = field([0x2, 0, 0], Ecx, [15, 8], "desc9", "Descriptor #9");
    /// Descriptor #10.
    pub const DESC10: Field = field([0x2, 0, 0], Ecx, [23, 16], "desc10", "Descriptor #10");
    /// Descriptor #11.
    pub const DESC11: Field = field([0x2, 0, 0], Ecx, [30, 24], "desc11", "Descriptor #11");
    /// Descriptors 8-11 are invalid if set.
    pub const ECX_INVALID: Field = field([0x2, 0, 0], Ecx, [31, 31], "ecx_invalid", "Descriptors 8-11 are invalid if set");
    /// Descriptor #12.
    pub const DESC12: Field = field([0x2, 0, 0], Edx, [7, 0], "desc12", "Descriptor #12");
    /// Descriptor #13.
    pub const DESC13: Field = field([0x2, 0, 0], Edx, [15, 8], "desc13", "Descriptor #13");
    /// Descriptor #14.
    pub const DESC14: Field = field([0x2, 0, 0], Edx, [23, 16], "desc14", "Descriptor #14");
    /// Descriptor #15.
    pub const DESC15: Field = field([0x2, 0, 0], Edx, [30, 24], "desc15", "Descriptor #15");
    /// Descriptors 12-15 are invalid if set.
    pub const EDX_INVALID: Field = field([0x2, 0, 0], Edx, [31, 31], "edx_invalid", "Descriptors 12-15 are invalid if set");
}

/// Intel deterministic cache parameters.
pub mod leaf_4 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CACHE_TYPE, CACHE_LEVEL, CACHE_SELF_INIT, FULLY_ASSOCIATIVE, NUM_THREADS_SHARING, NUM_CORES_ON_DIE, CACHE_LINESIZE, CACHE_NPARTITIONS, CACHE_NWAYS, CACHE_NSETS, WBINVD_RLL_NO_GUARANTEE, LL_INCLUSIVE, COMPLEX_INDEXING];
    /// Cache type field.
    pub const CACHE_TYPE: Field = field([0x4, 0, 31], Eax, [4, 0], "cache_type", "Cache type field");
    /// Cache level (1-based).
    pub const CACHE_LEVEL: Field = field([0x4, 0, 31], Eax, [7, 5], "cache_level", "Cache level (1-based)");
    /// Self-initializing cache level.
    pub const CACHE_SELF_INIT: Field = field([0x4, 0, 31], Eax, [8, 8], "cache_self_init", "Self-initializing cache level");
    /// Fully-associative cache.
    pub const FULLY_ASSOCIATIVE: Field = field([0x4, 0, 31], Eax, [9, 9], "fully_associative", "Fully-associative cache");
    /// Number logical CPUs sharing this cache.
    pub const NUM_THREADS_SHARING: Field = field([0x4, 0, 31], Eax, [25, 14], "num_threads_sharing", "Number logical CPUs sharing this cache");
    /// Number of cores in the physical package.
    pub const NUM_CORES_ON_DIE: Field = field([0x4, 0, 31], Eax, [31, 26], "num_cores_on_die", "Number of cores in the physical package");
    /// System coherency line size (0-based).
    pub const CACHE_LINESIZE: Field = field([0x4, 0, 31], Ebx, [11, 0], "cache_linesize", "System coherency line size (0-based)");
    /// Physical line partitions (0-based).
    pub const CACHE_NPARTITIONS: Field = field([0x4, 0, 31], Ebx, [21, 12], "cache_npartitions", "Physical line partitions (0-based)");
    /// Ways of associativity (0-based).
    pub const CACHE_NWAYS: Field = field([0x4, 0, 31], Ebx, [31, 22], "cache_nways", "Ways of associativity (0-based)");
    /// Cache number of sets (0-based).
    pub const CACHE_NSETS: Field = field([0x4, 0, 31], Ecx, [30, 0], "cache_nsets", "Cache number of sets (0-based)");
    /// WBINVD/INVD not guaranteed for Remote Lower-Level caches.
    pub const WBINVD_RLL_NO_GUARANTEE: Field = field([0x4, 0, 31], Edx, [0, 0], "wbinvd_rll_no_guarantee", "WBINVD/INVD not guaranteed for Remote Lower-Level caches");
    /// Cache is inclusive of Lower-Level caches.
    pub const LL_INCLUSIVE: Field = field([0x4, 0, 31], Edx, [1, 1], "ll_inclusive", "Cache is inclusive of Lower-Level caches");
    /// Not a direct-mapped cache (complex function).
    pub const COMPLEX_INDEXING: Field = field([0x4, 0, 31], Edx, [2, 2], "complex_indexing", "Not a direct-mapped cache (complex function)");
}

/// MONITOR/MWAIT instructions.
pub mod leaf_5 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[MIN_MON_SIZE, MAX_MON_SIZE, MWAIT_EXT, MWAIT_IRQ_BREAK, N_C0_SUBSTATES, N_C1_SUBSTATES, N_C2_SUBSTATES, N_C3_SUBSTATES, N_C4_SUBSTATES, N_C5_SUBSTATES, N_C6_SUBSTATES, N_C7_SUBSTATES];
    /// Smallest monitor-line size, in bytes.
    pub const MIN_MON_SIZE: Field = field([0x5, 0, 0], Eax, [15, 0], "min_mon_size", "Smallest monitor-line size, in bytes");
    /// Largest monitor-line size, in bytes.
    pub const MAX_MON_SIZE: Field = field([0x5, 0, 0], Ebx, [15, 0], "max_mon_size", "Largest monitor-line size, in bytes");
    /// MONITOR/MWAIT extensions.
    pub const MWAIT_EXT: Field = field([0x5, 0, 0], Ecx, [0, 0], "mwait_ext", "MONITOR/MWAIT extensions");
    /// Interrupts as a break event for MWAIT.
    pub const MWAIT_IRQ_BREAK: Field = field([0x5, 0, 0], Ecx, [1, 1], "mwait_irq_break", "Interrupts as a break event for MWAIT");
    /// Number of C0 sub C-states.
    pub const N_C0_SUBSTATES: Field = field([0x5, 0, 0], Edx, [3, 0], "n_c0_substates", "Number of C0 sub C-states");
    /// Number of C1 sub C-states.
    pub const N_C1_SUBSTATES: Field = field([0x5, 0, 0], Edx, [7, 4], "n_c1_substates", "Number of C1 sub C-states");
    /// Number of C2 sub C-states.
    pub const N_C2_SUBSTATES: Field = field([0x5, 0, 0], Edx, [11, 8], "n_c2_substates", "Number of C2 sub C-states");
    /// Number of C3 sub C-states.
    pub const N_C3_SUBSTATES: Field = field([0x5, 0, 0], Edx, [15, 12], "n_c3_substates", "Number of C3 sub C-states");
    /// Number of C4 sub C-states.
    pub const N_C4_SUBSTATES: Field = field([0x5, 0, 0], Edx, [19, 16], "n_c4_substates", "Number of C4 sub C-states");
    /// Number of C5 sub C-states.
    pub const N_C5_SUBSTATES: Field = field([0x5, 0, 0], Edx, [23, 20], "n_c5_substates", "Number of C5 sub C-states");
    /// Number of C6 sub C-states.
    pub const N_C6_SUBSTATES: Field = field([0x5, 0, 0], Edx, [27, 24], "n_c6_substates", "Number of C6 sub C-states");
    /// Number of C7 sub C-states.
    pub const N_C7_SUBSTATES: Field = field([0x5, 0, 0], Edx, [31, 28], "n_c7_substates", "Number of C7 sub C-states");
}

/// Thermal and power management.
pub mod leaf_6 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[DTHERM, TURBO_BOOST, ARAT, PLN, ECMD, PTS, HWP, HWP_NOTIFY, HWP_ACT_WINDOW, HWP_EPP, HWP_PKG_REQ, HDC_BASE_REGS, TURBO_BOOST_3_0, HWP_CAPABILITIES, HWP_PECI_OVERRIDE, HWP_FLEXIBLE, HWP_FAST, HFI, HWP_IGNORE_IDLE, HWP_CTL, THREAD_DIRECTOR, THERM_INTERRUPT_BIT25, N_THERM_THRESHOLDS, APERFMPERF, EPB, HW_FEEDBACK_NCLASSES, PERFCAP_REPORTING, ENCAP_REPORTING, FEEDBACK_SZ, THIS_LCPU_HWFDBK_IDX];
    /// Digital temperature sensor.
    pub const DTHERM: Field = field([0x6, 0, 0], Eax, [0, 0], "dtherm", "Digital temperature sensor");
    /// Intel Turbo Boost.
    pub const TURBO_BOOST: Field = field([0x6, 0, 0], Eax, [1, 1], "turbo_boost", "Intel Turbo Boost");
    /// Always-Running APIC Timer (not affected by p-state).
    pub const ARAT: Field = field([0x6, 0, 0], Eax, [2, 2], "arat", "Always-Running APIC Timer (not affected by p-state)");
    /// Power Limit Notification (PLN) event.
    pub const PLN: Field = field([0x6, 0, 0], Eax, [4, 4], "pln", "Power Limit Notification (PLN) event");
    /// Clock modulation duty cycle extension.
    pub const ECMD: Field = field([0x6, 0, 0], Eax, [5, 5], "ecmd", "Clock modulation duty cycle extension");
    /// Package thermal management.
    pub const PTS: Field = field([0x6, 0, 0], Eax, [6, 6], "pts", "Package thermal management");
    /// HWP (Hardware P-states) base registers.
    pub const HWP: Field = field([0x6, 0, 0], Eax, [7, 7], "hwp", "HWP (Hardware P-states) base registers");
    /// HWP notification (IA32_HWP_INTERRUPT MSR).
    pub const HWP_NOTIFY: Field = field([0x6, 0, 0], Eax, [8, 8], "hwp_notify", "HWP notification (IA32_HWP_INTERRUPT MSR)");
    /// HWP activity window (IA32_HWP_REQUEST\[bits 41:32\]).
    pub const HWP_ACT_WINDOW: Field = field([0x6, 0, 0], Eax, [9, 9], "hwp_act_window", "HWP activity window (IA32_HWP_REQUEST[bits 41:32])");
    /// HWP Energy Performance Preference.
    pub const HWP_EPP: Field = field([0x6, 0, 0], Eax, [10, 10], "hwp_epp", "HWP Energy Performance Preference");
    /// HWP Package Level Request.
    pub const HWP_PKG_REQ: Field = field([0x6, 0, 0], Eax, [11, 11], "hwp_pkg_req", "HWP Package Level Request");
    /// HDC base registers.
    pub const HDC_BASE_REGS: Field = field([0x6, 0, 0], Eax, [13, 13], "hdc_base_regs", "HDC base registers");
    /// Intel Turbo Boost Max 3.0.
    pub const TURBO_BOOST_3_0: Field = field([0x6, 0, 0], Eax, [14, 14], "turbo_boost_3_0", "Intel Turbo Boost Max 3.0");
    /// HWP Highest Performance change.
    pub const HWP_CAPABILITIES: Field = field([0x6, 0, 0], Eax, [15, 15], "hwp_capabilities", "HWP Highest Performance change");
    /// HWP PECI override.
    pub const HWP_PECI_OVERRIDE: Field = field([0x6, 0, 0], Eax, [16, 16], "hwp_peci_override", "HWP PECI override");
    /// Flexible HWP.
    pub const HWP_FLEXIBLE: Field = field([0x6, 0, 0], Eax, [17, 17], "hwp_flexible", "Flexible HWP");
    /// IA32_HWP_REQUEST MSR fast access mode.
    pub const HWP_FAST: Field = field([0x6, 0, 0], Eax, [18, 18], "hwp_fast", "IA32_HWP_REQUEST MSR fast access mode");
    /// HW_FEEDBACK MSRs.
    pub const HFI: Field = field([0x6, 0, 0], Eax, [19, 19], "hfi", "HW_FEEDBACK MSRs");
    /// Ignoring idle logical CPU HWP request is supported.
    pub const HWP_IGNORE_IDLE: Field = field([0x6, 0, 0], Eax, [20, 20], "hwp_ignore_idle", "Ignoring idle logical CPU HWP request is supported");
    /// IA32_HWP_CTL MSR.
    pub const HWP_CTL: Field = field([0x6, 0, 0], Eax, [22, 22], "hwp_ctl", "IA32_HWP_CTL MSR");
    /// Intel thread director.
    pub const THREAD_DIRECTOR: Field = field([0x6, 0, 0], Eax, [23, 23], "thread_director", "Intel thread director");
    /// IA32_THERM_INTERRUPT MSR bit 25.
    pub const THERM_INTERRUPT_BIT25: Field = field([0x6, 0, 0], Eax, [24, 24], "therm_interrupt_bit25", "IA32_THERM_INTERRUPT MSR bit 25");
    /// Digital thermometer thresholds.
    pub const N_THERM_THRESHOLDS: Field = field([0x6, 0, 0], Ebx, [3, 0], "n_therm_thresholds", "Digital thermometer thresholds");
    /// MPERF/APERF MSRs (effective frequency interface).
    pub const APERFMPERF: Field = field([0x6, 0, 0], Ecx, [0, 0], "aperfmperf", "MPERF/APERF MSRs (effective frequency interface)");
    /// IA32_ENERGY_PERF_BIAS MSR.
    pub const EPB: Field = field([0x6, 0, 0], Ecx, [3, 3], "epb", "IA32_ENERGY_PERF_BIAS MSR");
    /// Number of Intel Thread Director classes.
    pub const HW_FEEDBACK_NCLASSES: Field = field([0x6, 0, 0], Ecx, [15, 8], "hw_feedback_nclasses", "Number of Intel Thread Director classes");
    /// Performance capability reporting.
    pub const PERFCAP_REPORTING: Field = field([0x6, 0, 0], Edx, [0, 0], "perfcap_reporting", "Performance capability reporting");
    /// Energy efficiency capability reporting.
    pub const ENCAP_REPORTING: Field = field([0x6, 0, 0], Edx, [1, 1], "encap_reporting", "Energy efficiency capability reporting");
    /// Feedback interface structure size, in 4K pages.
    pub const FEEDBACK_SZ: Field = field([0x6, 0, 0], Edx, [11, 8], "feedback_sz", "Feedback interface structure size, in 4K pages");
    /// This logical CPU hardware feedback interface index.
    pub const THIS_LCPU_HWFDBK_IDX: Field = field([0x6, 0, 0], Edx, [31, 16], "this_lcpu_hwfdbk_idx", "This logical CPU hardware feedback interface index");
}

/// Extended CPU features.
pub mod leaf_7 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[LEAF7_N_SUBLEAVES, FSGSBASE, TSC_ADJUST, SGX, BMI1, HLE, AVX2, FDP_EXCPTN_ONLY, SMEP, BMI2, ERMS, INVPCID, RTM, CQM, ZERO_FCS_FDS, MPX, RDT_A, AVX512F, AVX512DQ, RDSEED, ADX, SMAP, AVX512IFMA, CLFLUSHOPT, CLWB, INTEL_PT, AVX512PF, AVX512ER, AVX512CD, SHA_NI, AVX512BW, AVX512VL, PREFETCHWT1, AVX512VBMI, UMIP, PKU, OSPKE, WAITPKG, AVX512_VBMI2, CET_SS, GFNI, VAES, VPCLMULQDQ, AVX512_VNNI, AVX512_BITALG, TME, AVX512_VPOPCNTDQ, LA57, MAWAU_VAL_LM, RDPID, KEY_LOCKER, BUS_LOCK_DETECT, CLDEMOTE, MOVDIRI, MOVDIR64B, ENQCMD, SGX_LC, PKS, SGX_KEYS, AVX512_4VNNIW, AVX512_4FMAPS, FSRM, UINTR, AVX512_VP2INTERSECT, SRBDS_CTRL, MD_CLEAR, RTM_ALWAYS_ABORT, TSX_FORCE_ABORT, SERIALIZE, HYBRID_CPU, TSXLDTRK, PCONFIG, ARCH_LBR, IBT, AMX_BF16, AVX512_FP16, AMX_TILE, AMX_INT8, SPEC_CTRL, INTEL_STIBP, FLUSH_L1D, ARCH_CAPABILITIES, CORE_CAPABILITIES, SPEC_CTRL_SSBD, AVX_VNNI, AVX512_BF16, LASS, CMPCCXADD, ARCH_PERFMON_EXT, FZRM, FSRS, FSRC, FRED, LKGS, WRMSRNS, NMI_SRC, AMX_FP16, HRESET, AVX_IFMA, LAM, RD_WR_MSRLIST, INTEL_PPIN, AVX_VNNI_INT8, AVX_NE_CONVERT, AMX_COMPLEX, PREFETCHIT_0_1, CET_SSS, INTEL_PSFD, IPRED_CTRL, RRSBA_CTRL, DDP_CTRL, BHI_CTRL, MCDT_NO, UCLOCK_DISABLE];
    /// Number of leaf 0x7 subleaves.
    pub const LEAF7_N_SUBLEAVES: Field = field([0x7, 0, 0], Eax, [31, 0], "leaf7_n_subleaves", "Number of leaf 0x7 subleaves");
    /// FSBASE/GSBASE read/write.
    pub const FSGSBASE: Field = field([0x7, 0, 0], Ebx, [0, 0], "fsgsbase", "FSBASE/GSBASE read/write");
    /// IA32_TSC_ADJUST MSR.
    pub const TSC_ADJUST: Field = field([0x7, 0, 0], Ebx, [1, 1], "tsc_adjust", "IA32_TSC_ADJUST MSR");
    /// Intel SGX (Software Guard Extensions).
    pub const SGX: Field = field([0x7, 0, 0], Ebx, [2, 2], "sgx", "Intel SGX (Software Guard Extensions)");
    /// Bit manipulation extensions group 1.
    pub const BMI1: Field = field([0x7, 0, 0], Ebx, [3, 3], "bmi1", "Bit manipulation extensions group 1");
    /// Hardware Lock Elision.
    pub const HLE: Field = field([0x7, 0, 0], Ebx, [4, 4], "hle", "Hardware Lock Elision");
    /// AVX2 instruction set.
    pub const AVX2: Field = field([0x7, 0, 0], Ebx, [5, 5], "avx2", "AVX2 instruction set");
    /// FPU Data Pointer updated only on x87 exceptions.
    pub const FDP_EXCPTN_ONLY: Field = field([0x7, 0, 0], Ebx, [6, 6], "fdp_excptn_only", "FPU Data Pointer updated only on x87 exceptions");
    /// Supervisor Mode Execution Protection.
    pub const SMEP: Field = field([0x7, 0, 0], Ebx, [7, 7], "smep", "Supervisor Mode Execution Protection");
    /// Bit manipulation extensions group 2.
    pub const BMI2: Field = field([0x7, 0, 0], Ebx, [8, 8], "bmi2", "Bit manipulation extensions group 2");
    /// Enhanced REP MOVSB/STOSB.
    pub const ERMS: Field = field([0x7, 0, 0], Ebx, [9, 9], "erms", "Enhanced REP MOVSB/STOSB");
    /// INVPCID instruction (Invalidate Processor Context ID).
    pub const INVPCID: Field = field([0x7, 0, 0], Ebx, [10, 10], "invpcid", "INVPCID instruction (Invalidate Processor Context ID)");
    /// Intel restricted transactional memory.
    pub const RTM: Field = field([0x7, 0, 0], Ebx, [11, 11], "rtm", "Intel restricted transactional memory");
    /// Intel RDT-CMT / AMD Platform-QoS cache monitoring.
    pub const CQM: Field = field([0x7, 0, 0], Ebx, [12, 12], "cqm", "Intel RDT-CMT / AMD Platform-QoS cache monitoring");
    /// Deprecated FPU CS/DS (stored as zero).
    pub const ZERO_FCS_FDS: Field = field([0x7, 0, 0], Ebx, [13, 13], "zero_fcs_fds", "Deprecated FPU CS/DS (stored as zero)");
    /// Intel memory protection extensions.
    pub const MPX: Field = field([0x7, 0, 0], Ebx, [14, 14], "mpx", "Intel memory protection extensions");
    /// Intel RDT / AMD Platform-QoS Enforcement.
    pub const RDT_A: Field = field([0x7, 0, 0], Ebx, [15, 15], "rdt_a", "Intel RDT / AMD Platform-QoS Enforcement");
    /// AVX-512 foundation instructions.
    pub const AVX512F: Field = field([0x7, 0, 0], Ebx, [16, 16], "avx512f", "AVX-512 foundation instructions");
    /// AVX-512 double/quadword instructions.
    pub const AVX512DQ: Field = field([0x7, 0, 0], Ebx, [17, 17], "avx512dq", "AVX-512 double/quadword instructions");
    /// RDSEED instruction.
    pub const RDSEED: Field = field([0x7, 0, 0], Ebx, [18, 18], "rdseed", "RDSEED instruction");
    /// ADCX/ADOX instructions.
    pub const ADX: Field = field([0x7, 0, 0], Ebx, [19, 19], "adx", "ADCX/ADOX instructions");
    /// Supervisor mode access prevention.
    pub const SMAP: Field = field([0x7, 0, 0], Ebx, [20, 20], "smap", "Supervisor mode access prevention");
    /// AVX-512 integer fused multiply add.
    pub const AVX512IFMA: Field = field([0x7, 0, 0], Ebx, [21, 21], "avx512ifma", "AVX-512 integer fused multiply add");
    /// CLFLUSHOPT instruction.
    pub const CLFLUSHOPT: Field = field([0x7, 0, 0], Ebx, [23, 23], "clflushopt", "CLFLUSHOPT instruction");
    /// CLWB instruction.
    pub const CLWB: Field = field([0x7, 0, 0], Ebx, [24, 24], "clwb", "CLWB instruction");
    /// Intel processor trace.
    pub const INTEL_PT: Field = field([0x7, 0, 0], Ebx, [25, 25], "intel_pt", "Intel processor trace");
    /// AVX-512 prefetch instructions.
    pub const AVX512PF: Field = field([0x7, 0, 0], Ebx, [26, 26], "avx512pf", "AVX-512 prefetch instructions");
    /// AVX-512 exponent/reciprocal instructions.
    pub const AVX512ER: Field = field([0x7, 0, 0], Ebx, [27, 27], "avx512er", "AVX-512 exponent/reciprocal instructions");
    /// AVX-512 conflict detection instructions.
    pub const AVX512CD: Field = field([0x7, 0, 0], Ebx, [28, 28], "avx512cd", "AVX-512 conflict detection instructions");
    /// SHA/SHA256 instructions.
    pub const SHA_NI: Field = field([0x7, 0, 0], Ebx, [29, 29], "sha_ni", "SHA/SHA256 instructions");
    /// AVX-512 byte/word instructions.
    pub const AVX512BW: Field = field([0x7, 0, 0], Ebx, [30, 30], "avx512bw", "AVX-512 byte/word instructions");
    /// AVX-512 VL (128/256 vector length) extensions.
    pub const AVX512VL: Field = field([0x7, 0, 0], Ebx, [31, 31], "avx512vl", "AVX-512 VL (128/256 vector length) extensions");
    /// PREFETCHWT1 (Intel Xeon Phi only).
    pub const PREFETCHWT1: Field = field([0x7, 0, 0], Ecx, [0, 0], "prefetchwt1", "PREFETCHWT1 (Intel Xeon Phi only)");
    /// AVX-512 Vector byte manipulation instructions.
    pub const AVX512VBMI: Field = field([0x7, 0, 0], Ecx, [1, 1], "avx512vbmi", "AVX-512 Vector byte manipulation instructions");
    /// User mode instruction protection.
    pub const UMIP: Field = field([0x7, 0, 0], Ecx, [2, 2], "umip", "User mode instruction protection");
    /// Protection keys for user-space.
    pub const PKU: Field = field([0x7, 0, 0], Ecx, [3, 3], "pku", "Protection keys for user-space");
    /// OS protection keys enable.
    pub const OSPKE: Field = field([0x7, 0, 0], Ecx, [4, 4], "ospke", "OS protection keys enable");
    /// WAITPKG instructions.
    pub const WAITPKG: Field = field([0x7, 0, 0], Ecx, [5, 5], "waitpkg", "WAITPKG instructions");
    /// AVX-512 vector byte manipulation instructions group 2.
    pub const AVX512_VBMI2: Field = field([0x7, 0, 0], Ecx, [6, 6], "avx512_vbmi2", "AVX-512 vector byte manipulation instructions group 2");
    /// CET shadow stack features.
    pub const CET_SS: Field = field([0x7, 0, 0], Ecx, [7, 7], "cet_ss", "CET shadow stack features");
    /// Galois field new instructions.
    pub const GFNI: Field = field([0x7, 0, 0], Ecx, [8, 8], "gfni", "Galois field new instructions");
    /// Vector AES instructions.
    pub const VAES: Field = field([0x7, 0, 0], Ecx, [9, 9], "vaes", "Vector AES instructions");
    /// VPCLMULQDQ 256-bit instruction.
    pub const VPCLMULQDQ: Field = field([0x7, 0, 0], Ecx, [10, 10], "vpclmulqdq", "VPCLMULQDQ 256-bit instruction");
    /// Vector neural network instructions.
    pub const AVX512_VNNI: Field = field([0x7, 0, 0], Ecx, [11, 11], "avx512_vnni", "Vector neural network instructions");
    /// AVX-512 bitwise algorithms.
    pub const AVX512_BITALG: Field = field([0x7, 0, 0], Ecx, [12, 12], "avx512_bitalg", "AVX-512 bitwise algorithms");
    /// Intel total memory encryption.
    pub const TME: Field = field([0x7, 0, 0], Ecx, [13, 13], "tme", "Intel total memory encryption");
    /// AVX-512: POPCNT for vectors of DWORD/QWORD.
    pub const AVX512_VPOPCNTDQ: Field = field([0x7, 0, 0], Ecx, [14, 14], "avx512_vpopcntdq", "AVX-512: POPCNT for vectors of DWORD/QWORD");
    /// 57-bit linear addresses (five-level paging).
    pub const LA57: Field = field([0x7, 0, 0], Ecx, [16, 16], "la57", "57-bit linear addresses (five-level paging)");
    /// BNDLDX/BNDSTX MAWAU value in 64-bit mode.
    pub const MAWAU_VAL_LM: Field = field([0x7, 0, 0], Ecx, [21, 17], "mawau_val_lm", "BNDLDX/BNDSTX MAWAU value in 64-bit mode");
    /// RDPID instruction.
    pub const RDPID: Field = field([0x7, 0, 0], Ecx, [22, 22], "rdpid", "RDPID instruction");
    /// Intel key locker.
    pub const KEY_LOCKER: Field = field([0x7, 0, 0], Ecx, [23, 23], "key_locker", "Intel key locker");
    /// OS bus-lock detection.
    pub const BUS_LOCK_DETECT: Field = field([0x7, 0, 0], Ecx, [24, 24], "bus_lock_detect", "OS bus-lock detection");
    /// CLDEMOTE instruction.
    pub const CLDEMOTE: Field = field([0x7, 0, 0], Ecx, [25, 25], "cldemote", "CLDEMOTE instruction");
    /// MOVDIRI instruction.
    pub const MOVDIRI: Field = field([0x7, 0, 0], Ecx, [27, 27], "movdiri", "MOVDIRI instruction");
    /// MOVDIR64B instruction.
    pub const MOVDIR64B: Field = field([0x7, 0, 0], Ecx, [28, 28], "movdir64b", "MOVDIR64B instruction");
    /// Enqueue stores (ENQCMD{,S}).
    pub const ENQCMD: Field = field([0x7, 0, 0], Ecx, [29, 29], "enqcmd", "Enqueue stores (ENQCMD{,S})");
    /// Intel SGX launch configuration.
    pub const SGX_LC: Field = field([0x7, 0, 0], Ecx, [30, 30], "sgx_lc", "Intel SGX launch configuration");
    /// Protection keys for supervisor-mode pages.
    pub const PKS: Field = field([0x7, 0, 0], Ecx, [31, 31], "pks", "Protection keys for supervisor-mode pages");
    /// Intel SGX attestation services.
    pub const SGX_KEYS: Field = field([0x7, 0, 0], Edx, [1, 1], "sgx_keys", "Intel SGX attestation services");
    /// AVX-512 neural network instructions.
    pub const AVX512_4VNNIW: Field = field([0x7, 0, 0], Edx, [2, 2], "avx512_4vnniw", "AVX-512 neural network instructions");
    /// AVX-512 multiply accumulation single precision.
    pub const AVX512_4FMAPS: Field = field([0x7, 0, 0], Edx, [3, 3], "avx512_4fmaps", "AVX-512 multiply accumulation single precision");
    /// Fast short REP MOVSB.
    pub const FSRM: Field = field([0x7, 0, 0], Edx, [4, 4], "fsrm", "Fast short REP MOVSB");
    /// User interrupts.
    pub const UINTR: Field = field([0x7, 0, 0], Edx, [5, 5], "uintr", "User interrupts");
    /// VP2INTERSECT{D,Q} instructions.
    pub const AVX512_VP2INTERSECT: Field = field([0x7, 0, 0], Edx, [8, 8], "avx512_vp2intersect", "VP2INTERSECT{D,Q} instructions");
    /// SRBDS mitigation MSR.
    pub const SRBDS_CTRL: Field = field([0x7, 0, 0], Edx, [9, 9], "srbds_ctrl", "SRBDS mitigation MSR");
    /// VERW MD_CLEAR microcode.
    pub const MD_CLEAR: Field = field([0x7, 0, 0], Edx, [10, 10], "md_clear", "VERW MD_CLEAR microcode");
    /// XBEGIN (RTM transaction) always aborts.
    pub const RTM_ALWAYS_ABORT: Field = field([0x7, 0, 0], Edx, [11, 11], "rtm_always_abort", "XBEGIN (RTM transaction) always aborts");
    /// MSR TSX_FORCE_ABORT, RTM_ABORT bit.
    pub const TSX_FORCE_ABORT: Field = field([0x7, 0, 0], Edx, [13, 13], "tsx_force_abort", "MSR TSX_FORCE_ABORT, RTM_ABORT bit");
    /// SERIALIZE instruction.
    pub const SERIALIZE: Field = field([0x7, 0, 0], Edx, [14, 14], "serialize", "SERIALIZE instruction");
    /// The CPU is identified as a 'hybrid part'.
    pub const HYBRID_CPU: Field = field([0x7, 0, 0], Edx, [15, 15], "hybrid_cpu", "The CPU is identified as a 'hybrid part'");
    /// TSX suspend/resume load address tracking.
    pub const TSXLDTRK: Field = field([0x7, 0, 0], Edx, [16, 16], "tsxldtrk", "TSX suspend/resume load address tracking");
    /// PCONFIG instruction.
    pub const PCONFIG: Field = field([0x7, 0, 0], Edx, [18, 18], "pconfig", "PCONFIG instruction");
    /// Intel architectural LBRs.
    pub const ARCH_LBR: Field = field([0x7, 0, 0], Edx, [19, 19], "arch_lbr", "Intel architectural LBRs");
    /// CET indirect branch tracking.
    pub const IBT: Field = field([0x7, 0, 0], Edx, [20, 20], "ibt", "CET indirect branch tracking");
    /// AMX-BF16: tile bfloat16.
    pub const AMX_BF16: Field = field([0x7, 0, 0], Edx, [22, 22], "amx_bf16", "AMX-BF16: tile bfloat16");
    /// AVX-512 FP16 instructions.
    pub const AVX512_FP16: Field = field([0x7, 0, 0], Edx, [23, 23], "avx512_fp16", "AVX-512 FP16 instructions");
    /// AMX-TILE: tile architecture.
    pub const AMX_TILE: Field = field([0x7, 0, 0], Edx, [24, 24], "amx_tile", "AMX-TILE: tile architecture");
    /// AMX-INT8: tile 8-bit integer.
    pub const AMX_INT8: Field = field([0x7, 0, 0], Edx, [25, 25], "amx_int8", "AMX-INT8: tile 8-bit integer");
    /// Speculation Control (IBRS/IBPB: indirect branch restrictions).
    pub const SPEC_CTRL: Field = field([0x7, 0, 0], Edx, [26, 26], "spec_ctrl", "Speculation Control (IBRS/IBPB: indirect branch restrictions)");
    /// Single thread indirect branch predictors.
    pub const INTEL_STIBP: Field = field([0x7, 0, 0], Edx, [27, 27], "intel_stibp", "Single thread indirect branch predictors");
    /// FLUSH L1D cache: IA32_FLUSH_CMD MSR.
    pub const FLUSH_L1D: Field = field([0x7, 0, 0], Edx, [28, 28], "flush_l1d", "FLUSH L1D cache: IA32_FLUSH_CMD MSR");
    /// Intel IA32_ARCH_CAPABILITIES MSR.
    pub const ARCH_CAPABILITIES: Field = field([0x7, 0, 0], Edx, [29, 29], "arch_capabilities", "Intel IA32_ARCH_CAPABILITIES MSR");
    /// IA32_CORE_CAPABILITIES MSR.
    pub const CORE_CAPABILITIES: Field = field([0x7, 0, 0], Edx, [30, 30], "core_capabilities", "IA32_CORE_CAPABILITIES MSR");
    /// Speculative store bypass disable.
    pub const SPEC_CTRL_SSBD: Field = field([0x7, 0, 0], Edx, [31, 31], "spec_ctrl_ssbd", "Speculative store bypass disable");
    /// AVX-VNNI instructions.
    pub const AVX_VNNI: Field = field([0x7, 1, 1], Eax, [4, 4], "avx_vnni", "AVX-VNNI instructions");
    /// AVX-512 bfloat16 instructions.
    pub const AVX512_BF16: Field = field([0x7, 1, 1], Eax, [5, 5], "avx512_bf16", "AVX-512 bfloat16 instructions");
    /// Linear address space separation.
    pub const LASS: Field = field([0x7, 1, 1], Eax, [6, 6], "lass", "Linear address space separation");
    /// CMPccXADD instructions.
    pub const CMPCCXADD: Field = field([0x7, 1, 1], Eax, [7, 7], "cmpccxadd", "CMPccXADD instructions");
    /// ArchPerfmonExt: leaf 0x23.
    pub const ARCH_PERFMON_EXT: Field = field([0x7, 1, 1], Eax, [8, 8], "arch_perfmon_ext", "ArchPerfmonExt: leaf 0x23");
    /// Fast zero-length REP MOVSB.
    pub const FZRM: Field = field([0x7, 1, 1], Eax, [10, 10], "fzrm", "Fast zero-length REP MOVSB");
    /// Fast short REP STOSB.
    pub const FSRS: Field = field([0x7, 1, 1], Eax, [11, 11], "fsrs", "Fast short REP STOSB");
    /// Fast Short REP CMPSB/SCASB.
    pub const FSRC: Field = field([0x7, 1, 1], Eax, [12, 12], "fsrc", "Fast Short REP CMPSB/SCASB");
    /// FRED: Flexible return and event delivery transitions.
    pub const FRED: Field = field([0x7, 1, 1], Eax, [17, 17], "fred", "FRED: Flexible return and event delivery transitions");
    /// LKGS: Load 'kernel' (userspace) GS.
    pub const LKGS: Field = field([0x7, 1, 1], Eax, [18, 18], "lkgs", "LKGS: Load 'kernel' (userspace) GS");
    /// WRMSRNS instruction (WRMSR-non-serializing).
    pub const WRMSRNS: Field = field([0x7, 1, 1], Eax, [19, 19], "wrmsrns", "WRMSRNS instruction (WRMSR-non-serializing)");
    /// NMI-source reporting with FRED event data.
    pub const NMI_SRC: Field = field([0x7, 1, 1], Eax, [20, 20], "nmi_src", "NMI-source reporting with FRED event data");
    /// AMX-FP16: FP16 tile operations.
    pub const AMX_FP16: Field = field([0x7, 1, 1], Eax, [21, 21], "amx_fp16", "AMX-FP16: FP16 tile operations");
    /// HRESET (Thread director history reset).
    pub const HRESET: Field = field([0x7, 1, 1], Eax, [22, 22], "hreset", "HRESET (Thread director history reset)");
    /// Integer fused multiply add.
    pub const AVX_IFMA: Field = field([0x7, 1, 1], Eax, [23, 23], "avx_ifma", "Integer fused multiply add");
    /// Linear address masking.
    pub const LAM: Field = field([0x7, 1, 1], Eax, [26, 26], "lam", "Linear address masking");
    /// RDMSRLIST/WRMSRLIST instructions.
    pub const RD_WR_MSRLIST: Field = field([0x7, 1, 1], Eax, [27, 27], "rd_wr_msrlist", "RDMSRLIST/WRMSRLIST instructions");
    /// Protected processor inventory number (PPIN{,_CTL} MSRs).
    pub const INTEL_PPIN: Field = field([0x7, 1, 1], Ebx, [0, 0], "intel_ppin", "Protected processor inventory number (PPIN{,_CTL} MSRs)");
    /// AVX-VNNI-INT8 instructions.
    pub const AVX_VNNI_INT8: Field = field([0x7, 1, 1], Edx, [4, 4], "avx_vnni_int8", "AVX-VNNI-INT8 instructions");
    /// AVX-NE-CONVERT instructions.
    pub const AVX_NE_CONVERT: Field = field([0x7, 1, 1], Edx, [5, 5], "avx_ne_convert", "AVX-NE-CONVERT instructions");
    /// AMX-COMPLEX instructions (starting from Granite Rapids).
    pub const AMX_COMPLEX: Field = field([0x7, 1, 1], Edx, [8, 8], "amx_complex", "AMX-COMPLEX instructions (starting from Granite Rapids)");
    /// PREFETCHIT0/1 instructions.
    pub const PREFETCHIT_0_1: Field = field([0x7, 1, 1], Edx, [14, 14], "prefetchit_0_1", "PREFETCHIT0/1 instructions");
    /// CET supervisor shadow stacks safe to use.
    pub const CET_SSS: Field = field([0x7, 1, 1], Edx, [18, 18], "cet_sss", "CET supervisor shadow stacks safe to use");
    /// Intel predictive store forward disable.
    pub const INTEL_PSFD: Field = field([0x7, 2, 2], Edx, [0, 0], "intel_psfd", "Intel predictive store forward disable");
    /// MSR bits IA32_SPEC_CTRL.IPRED_DIS_{U,S}.
    pub const IPRED_CTRL: Field = field([0x7, 2, 2], Edx, [1, 1], "ipred_ctrl", "MSR bits IA32_SPEC_CTRL.IPRED_DIS_{U,S}");
    /// MSR bits IA32_SPEC_CTRL.RRSBA_DIS_{U,S}.
    pub const RRSBA_CTRL: Field = field([0x7, 2, 2], Edx, [2, 2], "rrsba_ctrl", "MSR bits IA32_SPEC_CTRL.RRSBA_DIS_{U,S}");
    /// MSR bit IA32_SPEC_CTRL.DDPD_U.
    pub const DDP_CTRL: Field = field([0x7, 2, 2], Edx, [3, 3], "ddp_ctrl", "MSR bit IA32_SPEC_CTRL.DDPD_U");
    /// MSR bit IA32_SPEC_CTRL.BHI_DIS_S.
    pub const BHI_CTRL: Field = field([0x7, 2, 2], Edx, [4, 4], "bhi_ctrl", "MSR bit IA32_SPEC_CTRL.BHI_DIS_S");
    /// MCDT mitigation not needed.
    pub const MCDT_NO: Field = field([0x7, 2, 2], Edx, [5, 5], "mcdt_no", "MCDT mitigation not needed");
    /// UC-lock disable.
    pub const UCLOCK_DISABLE: Field = field([0x7, 2, 2], Edx, [6, 6], "uclock_disable", "UC-lock disable");
}

/// Intel DCA (Direct Cache Access).
pub mod leaf_9 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[DCA_ENABLED_IN_BIOS];
    /// DCA is enabled in BIOS.
    pub const DCA_ENABLED_IN_BIOS: Field = field([0x9, 0, 0], Eax, [0, 0], "dca_enabled_in_bios", "DCA is enabled in BIOS");
}

/// Intel PMU (Performance Monitoring Unit).
pub mod leaf_a {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[PMU_VERSION, NUM_COUNTERS_GP, BIT_WIDTH_GP, EVENTS_MASK_LEN, NO_CORE_CYCLE, NO_INSTRUCTION_RETIRED, NO_REFERENCE_CYCLES, NO_LLC_REFERENCE, NO_LLC_MISSES, NO_BR_INSN_RETIRED, NO_BR_MISSES_RETIRED, NO_TOPDOWN_SLOTS, NO_BACKEND_BOUND, NO_BAD_SPECULATION, NO_FRONTEND_BOUND, NO_RETIRING, NO_LBR_INSERTS, PMU_FCOUNTERS_BITMAP, NUM_COUNTERS_FIXED, BITWIDTH_FIXED, ANYTHREAD_DEPRECATION];
    /// Performance monitoring unit version ID.
    pub const PMU_VERSION: Field = field([0xa, 0, 0], Eax, [7, 0], "pmu_version", "Performance monitoring unit version ID");
    /// Number of general-purpose PMU counters per logical CPU.
    pub const NUM_COUNTERS_GP: Field = field([0xa, 0, 0], Eax, [15, 8], "num_counters_gp", "Number of general-purpose PMU counters per logical CPU");
    /// Bitwidth of PMU general-purpose counters.
    pub const BIT_WIDTH_GP: Field = field([0xa, 0, 0], Eax, [23, 16], "bit_width_gp", "Bitwidth of PMU general-purpose counters");
    /// Length of CPUID(0xa).EBX bit vector.
    pub const EVENTS_MASK_LEN: Field = field([0xa, 0, 0], Eax, [31, 24], "events_mask_len", "Length of CPUID(0xa).EBX bit vector");
    /// Core cycle event not available.
    pub const NO_CORE_CYCLE: Field = field([0xa, 0, 0], Ebx, [0, 0], "no_core_cycle", "Core cycle event not available");
    /// Instruction retired event not available.
    pub const NO_INSTRUCTION_RETIRED: Field = field([0xa, 0, 0], Ebx, [1, 1], "no_instruction_retired", "Instruction retired event not available");
    /// Reference cycles event not available.
    pub const NO_REFERENCE_CYCLES: Field = field([0xa, 0, 0], Ebx, [2, 2], "no_reference_cycles", "Reference cycles event not available");
    /// LLC-reference event not available.
    pub const NO_LLC_REFERENCE: Field = field([0xa, 0, 0], Ebx, [3, 3], "no_llc_reference", "LLC-reference event not available");
    /// LLC-misses event not available.
    pub const NO_LLC_MISSES: Field = field([0xa, 0, 0], Ebx, [4, 4], "no_llc_misses", "LLC-misses event not available");
    /// Branch instruction retired event not available.
    pub const NO_BR_INSN_RETIRED: Field = field([0xa, 0, 0], Ebx, [5, 5], "no_br_insn_retired", "Branch instruction retired event not available");
    /// Branch mispredict retired event not available.
    pub const NO_BR_MISSES_RETIRED: Field = field([0xa, 0, 0], Ebx, [6, 6], "no_br_misses_retired", "Branch mispredict retired event not available");
    /// Topdown slots event not available.
    pub const NO_TOPDOWN_SLOTS: Field = field([0xa, 0, 0], Ebx, [7, 7], "no_topdown_slots", "Topdown slots event not available");
    /// Topdown backend bound not available.
    pub const NO_BACKEND_BOUND: Field = field([0xa, 0, 0], Ebx, [8, 8], "no_backend_bound", "Topdown backend bound not available");
    /// Topdown bad speculation not available.
    pub const NO_BAD_SPECULATION: Field = field([0xa, 0, 0], Ebx, [9, 9], "no_bad_speculation", "Topdown bad speculation not available");
    /// Topdown frontend bound not available.
    pub const NO_FRONTEND_BOUND: Field = field([0xa, 0, 0], Ebx, [10, 10], "no_frontend_bound", "Topdown frontend bound not available");
    /// Topdown retiring not available.
    pub const NO_RETIRING: Field = field([0xa, 0, 0], Ebx, [11, 11], "no_retiring", "Topdown retiring not available");
    /// LBR inserts not available.
    pub const NO_LBR_INSERTS: Field = field([0xa, 0, 0], Ebx, [12, 12], "no_lbr_inserts", "LBR inserts not available");
    /// Fixed-function PMU counters support bitmap.
    pub const PMU_FCOUNTERS_BITMAP: Field = field([0xa, 0, 0], Ecx, [31, 0], "pmu_fcounters_bitmap", "Fixed-function PMU counters support bitmap");
    /// Number of fixed PMU counters.
    pub const NUM_COUNTERS_FIXED: Field = field([0xa, 0, 0], Edx, [4, 0], "num_counters_fixed", "Number of fixed PMU counters");
    /// Bitwidth of PMU fixed counters.
    pub const BITWIDTH_FIXED: Field = field([0xa, 0, 0], Edx, [12, 5], "bitwidth_fixed", "Bitwidth of PMU fixed counters");
    /// AnyThread mode deprecation.
    pub const ANYTHREAD_DEPRECATION: Field = field([0xa, 0, 0], Edx, [15, 15], "anythread_deprecation", "AnyThread mode deprecation");
}

/// CPU extended topology v1.
pub mod leaf_b {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[X2APIC_ID_SHIFT, DOMAIN_LCPUS_COUNT, DOMAIN_NR, DOMAIN_TYPE, X2APIC_ID];
    /// Bit width of this level (previous levels inclusive).
    pub const X2APIC_ID_SHIFT: Field = field([0xb, 0, 1], Eax, [4, 0], "x2apic_id_shift", "Bit width of this level (previous levels inclusive)");
    /// Logical CPUs count across all instances of this domain.
    pub const DOMAIN_LCPUS_COUNT: Field = field([0xb, 0, 1], Ebx, [15, 0], "domain_lcpus_count", "Logical CPUs count across all instances of this domain");
    /// This domain level (subleaf ID).
    pub const DOMAIN_NR: Field = field([0xb, 0, 1], Ecx, [7, 0], "domain_nr", "This domain level (subleaf ID)");
    /// This domain type.
    pub const DOMAIN_TYPE: Field = field([0xb, 0, 1], Ecx, [15, 8], "domain_type", "This domain type");
    /// x2APIC ID of current logical CPU.
    pub const X2APIC_ID: Field = field([0xb, 0, 1], Edx, [31, 0], "x2apic_id", "x2APIC ID of current logical CPU");
}

/// CPU extended state.
pub mod leaf_d {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[XCR0_X87, XCR0_SSE, XCR0_AVX, XCR0_MPX_BNDREGS, XCR0_MPX_BNDCSR, XCR0_AVX512_OPMASK, XCR0_AVX512_ZMM_HI256, XCR0_AVX512_HI16_ZMM, XCR0_PKRU, XCR0_CET_U, XCR0_CET_S, XCR0_TILECONFIG, XCR0_TILEDATA, XSAVE_SZ_XCR0, XSAVE_SZ_MAX, XCR0_LWP, XSAVEOPT, XSAVEC, XGETBV1, XSAVES, XFD, XSAVE_SZ_XCR0_XSS, XSS_PT, XSS_PASID, XSS_CET_U, XSS_CET_S, XSS_HDC, XSS_UINTR, XSS_LBR, XSS_HWP, XSAVE_SZ, XSAVE_OFFSET, IS_XSS_BIT, COMPACTED_XSAVE_64BYTE_ALIGNED];
    /// XCR0.X87.
    pub const XCR0_X87: Field = field([0xd, 0, 0], Eax, [0, 0], "xcr0_x87", "XCR0.X87");
    /// XCR0.SSE.
    pub const XCR0_SSE: Field = field([0xd, 0, 0], Eax, [1, 1], "xcr0_sse", "XCR0.SSE");
    /// XCR0.AVX.
    pub const XCR0_AVX: Field = field([0xd, 0, 0], Eax, [2, 2], "xcr0_avx", "XCR0.AVX");
    /// XCR0.BNDREGS: MPX BND0-BND3 registers.
    pub const XCR0_MPX_BNDREGS: Field = field([0xd, 0, 0], Eax, [3, 3], "xcr0_mpx_bndregs", "XCR0.BNDREGS: MPX BND0-BND3 registers");
    /// XCR0.BNDCSR: MPX BNDCFGU/BNDSTATUS registers.
    pub const XCR0_MPX_BNDCSR: Field = field([0xd, 0, 0], Eax, [4, 4], "xcr0_mpx_bndcsr", "XCR0.BNDCSR: MPX BNDCFGU/BNDSTATUS registers");
    /// XCR0.OPMASK: AVX-512 k0-k7 registers.
    pub const XCR0_AVX512_OPMASK: Field = field([0xd, 0, 0], Eax, [5, 5], "xcr0_avx512_opmask", "XCR0.OPMASK: AVX-512 k0-k7 registers");
    /// XCR0.ZMM_Hi256: AVX-512 ZMM0->ZMM7/15 registers.
    pub const XCR0_AVX512_ZMM_HI256: Field = field([0xd, 0, 0], Eax, [6, 6], "xcr0_avx512_zmm_hi256", "XCR0.ZMM_Hi256: AVX-512 ZMM0->ZMM7/15 registers");
    /// XCR0.HI16_ZMM: AVX-512 ZMM16->ZMM31 registers.
    pub const XCR0_AVX512_HI16_ZMM: Field = field([0xd, 0, 0], Eax, [7, 7], "xcr0_avx512_hi16_zmm", "XCR0.HI16_ZMM: AVX-512 ZMM16->ZMM31 registers");
    /// XCR0.PKRU: XSAVE PKRU registers.
    pub const XCR0_PKRU: Field = field([0xd, 0, 0], Eax, [9, 9], "xcr0_pkru", "XCR0.PKRU: XSAVE PKRU registers");
    /// XCR0.CET_U: CET user state.
    pub const XCR0_CET_U: Field = field([0xd, 0, 0], Eax, [11, 11], "xcr0_cet_u", "XCR0.CET_U: CET user state");
    /// XCR0.CET_S: CET supervisor state.
    pub const XCR0_CET_S: Field = field([0xd, 0, 0], Eax, [12, 12], "xcr0_cet_s", "XCR0.CET_S: CET supervisor state");
    /// XCR0.TILECONFIG: AMX can manage TILECONFIG.
    pub const XCR0_TILECONFIG: Field = field([0xd, 0, 0], Eax, [17, 17], "xcr0_tileconfig", "XCR0.TILECONFIG: AMX can manage TILECONFIG");
    /// XCR0.TILEDATA: AMX can manage TILEDATA.
    pub const XCR0_TILEDATA: Field = field([0xd, 0, 0], Eax, [18, 18], "xcr0_tiledata", "XCR0.TILEDATA: AMX can manage TILEDATA");
    /// XSAVE/XRSTOR area byte size, for XCR0 enabled features.
    pub const XSAVE_SZ_XCR0: Field = field([0xd, 0, 0], Ebx, [31, 0], "xsave_sz_xcr0", "XSAVE/XRSTOR area byte size, for XCR0 enabled features");
    /// XSAVE/XRSTOR area max byte size, all CPU features.
    pub const XSAVE_SZ_MAX: Field = field([0xd, 0, 0], Ecx, [31, 0], "xsave_sz_max", "XSAVE/XRSTOR area max byte size, all CPU features");
    /// AMD XCR0.LWP: Light-weight Profiling.
    pub const XCR0_LWP: Field = field([0xd, 0, 0], Edx, [30, 30], "xcr0_lwp", "AMD XCR0.LWP: Light-weight Profiling");
    /// XSAVEOPT instruction.
    pub const XSAVEOPT: Field = field([0xd, 1, 1], Eax, [0, 0], "xsaveopt", "XSAVEOPT instruction");
    /// XSAVEC instruction.
    pub const XSAVEC: Field = field([0xd, 1, 1], Eax, [1, 1], "xsavec", "XSAVEC instruction");
    /// XGETBV instruction with ECX = 1.
    pub const XGETBV1: Field = field([0xd, 1, 1], Eax, [2, 2], "xgetbv1", "XGETBV instruction with ECX = 1");
    /// XSAVES/XRSTORS instructions (and XSS MSR).
    pub const XSAVES: Field = field([0xd, 1, 1], Eax, [3, 3], "xsaves", "XSAVES/XRSTORS instructions (and XSS MSR)");
    /// Extended feature disable.
    pub const XFD: Field = field([0xd, 1, 1], Eax, [4, 4], "xfd", "Extended feature disable");
    /// XSAVES/XSAVEC area byte size, for XCR0|XSS enabled features.
    pub const XSAVE_SZ_XCR0_XSS: Field = field([0xd, 1, 1], Ebx, [31, 0], "xsave_sz_xcr0_xss", "XSAVES/XSAVEC area byte size, for XCR0|XSS enabled features");
    /// PT state.
    pub const XSS_PT: Field = field([0xd, 1, 1], Ecx, [8, 8], "xss_pt", "PT state");
    /// PASID state.
    pub const XSS_PASID: Field = field([0xd, 1, 1], Ecx, [10, 10], "xss_pasid", "PASID state");
    /// CET user state.
    pub const XSS_CET_U: Field = field([0xd, 1, 1], Ecx, [11, 11], "xss_cet_u", "CET user state");
    /// CET supervisor state.
    pub const XSS_CET_S: Field = field([0xd, 1, 1], Ecx, [12, 12], "xss_cet_s", "CET supervisor state");
    /// HDC state.
    pub const XSS_HDC: Field = field([0xd, 1, 1], Ecx, [13, 13], "xss_hdc", "HDC state");
    /// UINTR state.
    pub const XSS_UINTR: Field = field([0xd, 1, 1], Ecx, [14, 14], "xss_uintr", "UINTR state");
    /// LBR state.
    pub const XSS_LBR: Field = field([0xd, 1, 1], Ecx, [15, 15], "xss_lbr", "LBR state");
    /// HWP state.
    pub const XSS_HWP: Field = field([0xd, 1, 1], Ecx, [16, 16], "xss_hwp", "HWP state");
    /// Subleaf-N feature save area size, in bytes.
    pub const XSAVE_SZ: Field = field([0xd, 2, 63], Eax, [31, 0], "xsave_sz", "Subleaf-N feature save area size, in bytes");
    /// Subleaf-N feature save area offset, in bytes.
    pub const XSAVE_OFFSET: Field = field([0xd, 2, 63], Ebx, [31, 0], "xsave_offset", "Subleaf-N feature save area offset, in bytes");
    /// Subleaf N describes an XSS bit (otherwise XCR0).
    pub const IS_XSS_BIT: Field = field([0xd, 2, 63], Ecx, [0, 0], "is_xss_bit", "Subleaf N describes an XSS bit (otherwise XCR0)");
    /// When compacted, subleaf-N XSAVE area is 64-byte aligned.
    pub const COMPACTED_XSAVE_64BYTE_ALIGNED: Field = field([0xd, 2, 63], Ecx, [1, 1], "compacted_xsave_64byte_aligned", "When compacted, subleaf-N XSAVE area is 64-byte aligned");
}

/// Intel RDT / AMD PQoS resource monitoring.
pub mod leaf_f {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CORE_RMID_MAX, CQM_LLC, L3C_QM_BITWIDTH, L3C_QM_OVERFLOW_BIT, IO_RDT_CMT, IO_RDT_MBM, L3C_QM_CONVER_FACTOR, L3C_QM_RMID_MAX, CQM_OCCUP_LLC, CQM_MBM_TOTAL, CQM_MBM_LOCAL];
    /// RMID max within this core (0-based).
    pub const CORE_RMID_MAX: Field = field([0xf, 0, 0], Ebx, [31, 0], "core_rmid_max", "RMID max within this core (0-based)");
    /// LLC QoS-monitoring.
    pub const CQM_LLC: Field = field([0xf, 0, 0], Edx, [1, 1], "cqm_llc", "LLC QoS-monitoring");
    /// L3 QoS-monitoring counter bitwidth (24-based).
    pub const L3C_QM_BITWIDTH: Field = field([0xf, 1, 1], Eax, [7, 0], "l3c_qm_bitwidth", "L3 QoS-monitoring counter bitwidth (24-based)");
    /// QM_CTR MSR bit 61 is an overflow bit.
    pub const L3C_QM_OVERFLOW_BIT: Field = field([0xf, 1, 1], Eax, [8, 8], "l3c_qm_overflow_bit", "QM_CTR MSR bit 61 is an overflow bit");
    /// non-CPU agent supporting Intel RDT CMT present.
    pub const IO_RDT_CMT: Field = field([0xf, 1, 1], Eax, [9, 9], "io_rdt_cmt", "non-CPU agent supporting Intel RDT CMT present");
    /// non-CPU agent supporting Intel RDT MBM present.
    pub const IO_RDT_MBM: Field = field([0xf, 1, 1], Eax, [10, 10], "io_rdt_mbm", "non-CPU agent supporting Intel RDT MBM present");
    /// QM_CTR MSR conversion factor to bytes.
    pub const L3C_QM_CONVER_FACTOR: Field = field([0xf, 1, 1], Ebx, [31, 0], "l3c_qm_conver_factor", "QM_CTR MSR conversion factor to bytes");
    /// L3 QoS-monitoring max RMID.
    pub const L3C_QM_RMID_MAX: Field = field([0xf, 1, 1], Ecx, [31, 0], "l3c_qm_rmid_max", "L3 QoS-monitoring max RMID");
    /// L3 QoS occupancy monitoring.
    pub const CQM_OCCUP_LLC: Field = field([0xf, 1, 1], Edx, [0, 0], "cqm_occup_llc", "L3 QoS occupancy monitoring");
    /// L3 QoS total bandwidth monitoring.
    pub const CQM_MBM_TOTAL: Field = field([0xf, 1, 1], Edx, [1, 1], "cqm_mbm_total", "L3 QoS total bandwidth monitoring");
    /// L3 QoS local bandwidth monitoring.
    pub const CQM_MBM_LOCAL: Field = field([0xf, 1, 1], Edx, [2, 2], "cqm_mbm_local", "L3 QoS local bandwidth monitoring");
}

/// Intel RDT / AMD PQoS allocation.
pub mod leaf_10 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CAT_L3, CAT_L2, MBA, CAT_CBM_LEN, CAT_UNITS_BITMAP, L3_CAT_COS_INFREQ_UPDATES, CDP_L3, CAT_SPARSE_1S, CAT_COS_MAX, MBA_MAX_DELAY, PER_THREAD_MBA, MBA_DELAY_LINEAR, MBA_COS_MAX];
    /// L3 Cache Allocation Technology.
    pub const CAT_L3: Field = field([0x10, 0, 0], Ebx, [1, 1], "cat_l3", "L3 Cache Allocation Technology");
    /// L2 Cache Allocation Technology.
    pub const CAT_L2: Field = field([0x10, 0, 0], Ebx, [2, 2], "cat_l2", "L2 Cache Allocation Technology");
    /// Memory Bandwidth Allocation.
    pub const MBA: Field = field([0x10, 0, 0], Ebx, [3, 3], "mba", "Memory Bandwidth Allocation");
    /// L3/L2_CAT capacity bitmask length, minus-one notation.
    pub const CAT_CBM_LEN: Field = field([0x10, 1, 2], Eax, [4, 0], "cat_cbm_len", "L3/L2_CAT capacity bitmask length, minus-one notation");
    /// L3/L2_CAT allocation units bitmap.
    pub const CAT_UNITS_BITMAP: Field = field([0x10, 1, 2], Ebx, [31, 0], "cat_units_bitmap", "L3/L2_CAT allocation units bitmap");
    /// L3_CAT COS updates should be infrequent.
    pub const L3_CAT_COS_INFREQ_UPDATES: Field = field([0x10, 1, 2], Ecx, [1, 1], "l3_cat_cos_infreq_updates", "L3_CAT COS updates should be infrequent");
    /// L3/L2_CAT Code and Data Prioritization.
    pub const CDP_L3: Field = field([0x10, 1, 2], Ecx, [2, 2], "cdp_l3", "L3/L2_CAT Code and Data Prioritization");
    /// L3/L2_CAT non-contiguous 1s value.
    pub const CAT_SPARSE_1S: Field = field([0x10, 1, 2], Ecx, [3, 3], "cat_sparse_1s", "L3/L2_CAT non-contiguous 1s value");
    /// L3/L2_CAT max Class of Service.
    pub const CAT_COS_MAX: Field = field([0x10, 1, 2], Edx, [15, 0], "cat_cos_max", "L3/L2_CAT max Class of Service");
    /// Max MBA throttling value; minus-one notation.
    pub const MBA_MAX_DELAY: Field = field([0x10, 3, 3], Eax, [11, 0], "mba_max_delay", "Max MBA throttling value; minus-one notation");
    /// Per-thread MBA controls.
    pub const PER_THREAD_MBA: Field = field([0x10, 3, 3], Ecx, [0, 0], "per_thread_mba", "Per-thread MBA controls");
    /// Delay values are linear.
    pub const MBA_DELAY_LINEAR: Field = field([0x10, 3, 3], Ecx, [2, 2], "mba_delay_linear", "Delay values are linear");
    /// MBA max Class of Service.
    pub const MBA_COS_MAX: Field = field([0x10, 3, 3], Edx, [15, 0], "mba_cos_max", "MBA max Class of Service");
}

/// Intel SGX (Software Guard Extensions).
pub mod leaf_12 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[SGX1, SGX2, ENCLV_LEAVES, ENCLS_LEAVES, ENCLU_EVERIFYREPORT2, ENCLS_EUPDATESVN, SGX_EDECCSSA, MISCSELECT_EXINFO, MISCSELECT_CPINFO, MAX_ENCLAVE_SZ_NOT64, MAX_ENCLAVE_SZ_64, SECS_ATTR_INIT, SECS_ATTR_DEBUG, SECS_ATTR_MODE64BIT, SECS_ATTR_PROVISIONKEY, SECS_ATTR_EINITTOKEN_KEY, SECS_ATTR_CET, SECS_ATTR_KSS, SECS_ATTR_AEXNOTIFY, XFRM_X87, XFRM_SSE, XFRM_AVX, XFRM_MPX_BNDREGS, XFRM_MPX_BNDCSR, XFRM_AVX512_OPMASK, XFRM_AVX512_ZMM_HI256, XFRM_AVX512_HI16_ZMM, XFRM_PKRU, XFRM_TILECONFIG, XFRM_TILEDATA, SUBLEAF_TYPE, EPC_SEC_BASE_ADDR_0, EPC_SEC_BASE_ADDR_1, EPC_SEC_TYPE, EPC_SEC_SIZE_0, EPC_SEC_SIZE_1];
    /// SGX1 leaf functions.
    pub const SGX1: Field = field([0x12, 0, 0], Eax, [0, 0], "sgx1", "SGX1 leaf functions");
    /// SGX2 leaf functions.
    pub const SGX2: Field = field([0x12, 0, 0], Eax, [1, 1], "sgx2", "SGX2 leaf functions");
    /// ENCLV leaves.
    pub const ENCLV_LEAVES: Field = field([0x12, 0, 0], Eax, [5, 5], "enclv_leaves", "ENCLV leaves");
    /// ENCLS leaves.
    pub const ENCLS_LEAVES: Field = field([0x12, 0, 0], Eax, [6, 6], "encls_leaves", "ENCLS leaves");
    /// ENCLU leaf EVERIFYREPORT2.
    pub const ENCLU_EVERIFYREPORT2: Field = field([0x12, 0, 0], Eax, [7, 7], "enclu_everifyreport2", "ENCLU leaf EVERIFYREPORT2");
    /// ENCLS leaf EUPDATESVN.
    pub const ENCLS_EUPDATESVN: Field = field([0x12, 0, 0], Eax, [10, 10], "encls_eupdatesvn", "ENCLS leaf EUPDATESVN");
    /// ENCLU leaf EDECCSSA.
    pub const SGX_EDECCSSA: Field = field([0x12, 0, 0], Eax, [11, 11], "sgx_edeccssa", "ENCLU leaf EDECCSSA");
    /// SSA.MISC frame: Enclave #PF and #GP reporting.
    pub const MISCSELECT_EXINFO: Field = field([0x12, 0, 0], Ebx, [0, 0], "miscselect_exinfo", "SSA.MISC frame: Enclave #PF and #GP reporting");
    /// SSA.MISC frame: Enclave #CP reporting.
    pub const MISCSELECT_CPINFO: Field = field([0x12, 0, 0], Ebx, [1, 1], "miscselect_cpinfo", "SSA.MISC frame: Enclave #CP reporting");
    /// Maximum enclave size in non-64-bit mode (log2).
    pub const MAX_ENCLAVE_SZ_NOT64: Field = field([0x12, 0, 0], Edx, [7, 0], "max_enclave_sz_not64", "Maximum enclave size in non-64-bit mode (log2)");
    /// Maximum enclave size in 64-bit mode (log2).
    pub const MAX_ENCLAVE_SZ_64: Field = field([0x12, 0, 0], Edx, [15, 8], "max_enclave_sz_64", "Maximum enclave size in 64-bit mode (log2)");
    /// Enclave initialized by EINIT.
    pub const SECS_ATTR_INIT: Field = field([0x12, 1, 1], Eax, [0, 0], "secs_attr_init", "Enclave initialized by EINIT");
    /// Enclave permits debugger read/write.
    pub const SECS_ATTR_DEBUG: Field = field([0x12, 1, 1], Eax, [1, 1], "secs_attr_debug", "Enclave permits debugger read/write");
    /// Enclave runs in 64-bit mode.
    pub const SECS_ATTR_MODE64BIT: Field = field([0x12, 1, 1], Eax, [2, 2], "secs_attr_mode64bit", "Enclave runs in 64-bit mode");
    /// Provisioning key.
    pub const SECS_ATTR_PROVISIONKEY: Field = field([0x12, 1, 1], Eax, [4, 4], "secs_attr_provisionkey", "Provisioning key");
    /// EINIT token key.
    pub const SECS_ATTR_EINITTOKEN_KEY: Field = field([0x12, 1, 1], Eax, [5, 5], "secs_attr_einittoken_key", "EINIT token key");
    /// CET attributes.
    pub const SECS_ATTR_CET: Field = field([0x12, 1, 1], Eax, [6, 6], "secs_attr_cet", "CET attributes");
    /// Key Separation and Sharing.
    pub const SECS_ATTR_KSS: Field = field([0x12, 1, 1], Eax, [7, 7], "secs_attr_kss", "Key Separation and Sharing");
    /// Enclave threads: AEX notifications.
    pub const SECS_ATTR_AEXNOTIFY: Field = field([0x12, 1, 1], Eax, [10, 10], "secs_attr_aexnotify", "Enclave threads: AEX notifications");
    /// Enclave XFRM.X87.
    pub const XFRM_X87: Field = field([0x12, 1, 1], Ecx, [0, 0], "xfrm_x87", "Enclave XFRM.X87");
    /// Enclave XFRM.SSE.
    pub const XFRM_SSE: Field = field([0x12, 1, 1], Ecx, [1, 1], "xfrm_sse", "Enclave XFRM.SSE");
    /// Enclave XFRM.AVX.
    pub const XFRM_AVX: Field = field([0x12, 1, 1], Ecx, [2, 2], "xfrm_avx", "Enclave XFRM.AVX");
    /// Enclave XFRM.BNDREGS (MPX BND0-BND3 registers).
    pub const XFRM_MPX_BNDREGS: Field = field([0x12, 1, 1], Ecx, [3, 3], "xfrm_mpx_bndregs", "Enclave XFRM.BNDREGS (MPX BND0-BND3 registers)");
    /// Enclave XFRM.BNDCSR (MPX BNDCFGU/BNDSTATUS registers).
    pub const XFRM_MPX_BNDCSR: Field = field([0x12, 1, 1], Ecx, [4, 4], "xfrm_mpx_bndcsr", "Enclave XFRM.BNDCSR (MPX BNDCFGU/BNDSTATUS registers)");
    /// Enclave XFRM.OPMASK (AVX-512 k0-k7 registers).
    pub const XFRM_AVX512_OPMASK: Field = field([0x12, 1, 1], Ecx, [5, 5], "xfrm_avx512_opmask", "Enclave XFRM.OPMASK (AVX-512 k0-k7 registers)");
    /// Enclave XFRM.ZMM_Hi256 (AVX-512 ZMM0->ZMM7/15 registers).
    pub const XFRM_AVX512_ZMM_HI256: Field = field([0x12, 1, 1], Ecx, [6, 6], "xfrm_avx512_zmm_hi256", "Enclave XFRM.ZMM_Hi256 (AVX-512 ZMM0->ZMM7/15 registers)");
    /// Enclave XFRM.HI16_ZMM (AVX-512 ZMM16->ZMM31 registers).
    pub const XFRM_AVX512_HI16_ZMM: Field = field([0x12, 1, 1], Ecx, [7, 7], "xfrm_avx512_hi16_zmm", "Enclave XFRM.HI16_ZMM (AVX-512 ZMM16->ZMM31 registers)");
    /// Enclave XFRM.PKRU (XSAVE PKRU registers).
    pub const XFRM_PKRU: Field = field([0x12, 1, 1], Ecx, [9, 9], "xfrm_pkru", "Enclave XFRM.PKRU (XSAVE PKRU registers)");
    /// Enclave XFRM.TILECONFIG (AMX can manage TILECONFIG).
    pub const XFRM_TILECONFIG: Field = field([0x12, 1, 1], Ecx, [17, 17], "xfrm_tileconfig", "Enclave XFRM.TILECONFIG (AMX can manage TILECONFIG)");
    /// Enclave XFRM.TILEDATA (AMX can manage TILEDATA).
    pub const XFRM_TILEDATA: Field = field([0x12, 1, 1], Ecx, [18, 18], "xfrm_tiledata", "Enclave XFRM.TILEDATA (AMX can manage TILEDATA)");
    /// Subleaf type.
    pub const SUBLEAF_TYPE: Field = field([0x12, 2, 31], Eax, [3, 0], "subleaf_type", "Subleaf type");
    /// EPC section base address, bits\[12:31\].
    pub const EPC_SEC_BASE_ADDR_0: Field = field([0x12, 2, 31], Eax, [31, 12], "epc_sec_base_addr_0", "EPC section base address, bits[12:31]");
    /// EPC section base address, bits\[32:51\].
    pub const EPC_SEC_BASE_ADDR_1: Field = field([0x12, 2, 31], Ebx, [19, 0], "epc_sec_base_addr_1", "EPC section base address, bits[32:51]");
    /// EPC section type / property encoding.
    pub const EPC_SEC_TYPE: Field = field([0x12, 2, 31], Ecx, [3, 0], "epc_sec_type", "EPC section type / property encoding");
    /// EPC section size, bits\[12:31\].
    pub const EPC_SEC_SIZE_0: Field = field([0x12, 2, 31], Ecx, [31, 12], "epc_sec_size_0", "EPC section size, bits[12:31]");
    /// EPC section size, bits\[32:51\].
    pub const EPC_SEC_SIZE_1: Field = field([0x12, 2, 31], Edx, [19, 0], "epc_sec_size_1", "EPC section size, bits[32:51]");
}

/// Intel Processor Trace.
pub mod leaf_14 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[PT_MAX_SUBLEAF, CR3_FILTERING, PSB_CYC, IP_FILTERING, MTC_TIMING, PTWRITE, POWER_EVENT_TRACE, PSB_PMI_PRESERVE, EVENT_TRACE, TNT_DISABLE, TOPA_OUTPUT, TOPA_MULTIPLE_ENTRIES, SINGLE_RANGE_OUTPUT, TRACE_TRANSPORT_OUTPUT, IP_PAYLOADS_LIP, NUM_ADDRESS_RANGES, MTC_PERIODS_BMP, CYCLE_THRESHOLDS_BMP, PSB_PERIODS_BMP];
    /// Maximum leaf 0x14 subleaf.
    pub const PT_MAX_SUBLEAF: Field = field([0x14, 0, 0], Eax, [31, 0], "pt_max_subleaf", "Maximum leaf 0x14 subleaf");
    /// IA32_RTIT_CR3_MATCH is accessible.
    pub const CR3_FILTERING: Field = field([0x14, 0, 0], Ebx, [0, 0], "cr3_filtering", "IA32_RTIT_CR3_MATCH is accessible");
    /// Configurable PSB and cycle-accurate mode.
    pub const PSB_CYC: Field = field([0x14, 0, 0], Ebx, [1, 1], "psb_cyc", "Configurable PSB and cycle-accurate mode");
    /// IP/TraceStop filtering; Warm-reset PT MSRs preservation.
    pub const IP_FILTERING: Field = field([0x14, 0, 0], Ebx, [2, 2], "ip_filtering", "IP/TraceStop filtering; Warm-reset PT MSRs preservation");
    /// MTC timing packet; COFI-based packets suppression.
    pub const MTC_TIMING: Field = field([0x14, 0, 0], Ebx, [3, 3], "mtc_timing", "MTC timing packet; COFI-based packets suppression");
    /// PTWRITE instruction.
    pub const PTWRITE: Field = field([0x14, 0, 0], Ebx, [4, 4], "ptwrite", "PTWRITE instruction");
    /// Power Event Trace.
    pub const POWER_EVENT_TRACE: Field = field([0x14, 0, 0], Ebx, [5, 5], "power_event_trace", "Power Event Trace");
    /// PSB and PMI preservation.
    pub const PSB_PMI_PRESERVE: Field = field([0x14, 0, 0], Ebx, [6, 6], "psb_pmi_preserve", "PSB and PMI preservation");
    /// Event Trace packet generation.
    pub const EVENT_TRACE: Field = field([0x14, 0, 0], Ebx, [7, 7], "event_trace", "Event Trace packet generation");
    /// TNT packet generation disable.
    pub const TNT_DISABLE: Field = field([0x14, 0, 0], Ebx, [8, 8], "tnt_disable", "TNT packet generation disable");
    /// ToPA output scheme.
    pub const TOPA_OUTPUT: Field = field([0x14, 0, 0], Ecx, [0, 0], "topa_output", "ToPA output scheme");
    /// ToPA tables can hold multiple entries.
    pub const TOPA_MULTIPLE_ENTRIES: Field = field([0x14, 0, 0], Ecx, [1, 1], "topa_multiple_entries", "ToPA tables can hold multiple entries");
    /// Single-range output.
    pub const SINGLE_RANGE_OUTPUT: Field = field([0x14, 0, 0], Ecx, [2, 2], "single_range_output", "Single-range output");
    /// Trace Transport subsystem output.
    pub const TRACE_TRANSPORT_OUTPUT: Field = field([0x14, 0, 0], Ecx, [3, 3], "trace_transport_output", "Trace Transport subsystem output");
    /// IP payloads have LIP values (CS base included).
    pub const IP_PAYLOADS_LIP: Field = field([0x14, 0, 0], Ecx, [31, 31], "ip_payloads_lip", "IP payloads have LIP values (CS base included)");
    /// Number of configurable address ranges.
    pub const NUM_ADDRESS_RANGES: Field = field([0x14, 1, 1], Eax, [2, 0], "num_address_ranges", "Number of configurable address ranges");
    /// MTC period encodings bitmap.
    pub const MTC_PERIODS_BMP: Field = field([0x14, 1, 1], Eax, [31, 16], "mtc_periods_bmp", "MTC period encodings bitmap");
    /// Cycle Threshold encodings bitmap.
    pub const CYCLE_THRESHOLDS_BMP: Field = field([0x14, 1, 1], Ebx, [15, 0], "cycle_thresholds_bmp", "Cycle Threshold encodings bitmap");
    /// Configurable PSB frequency encodings bitmap.
    pub const PSB_PERIODS_BMP: Field = field([0x14, 1, 1], Ebx, [31, 16], "psb_periods_bmp", "Configurable PSB frequency encodings bitmap");
}

/// Intel TSC (Time Stamp Counter).
pub mod leaf_15 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[TSC_DENOMINATOR, TSC_NUMERATOR, CPU_CRYSTAL_HZ];
    /// Denominator of the TSC/'core crystal clock' ratio.
    pub const TSC_DENOMINATOR: Field = field([0x15, 0, 0], Eax, [31, 0], "tsc_denominator", "Denominator of the TSC/'core crystal clock' ratio");
    /// Numerator of the TSC/'core crystal clock' ratio.
    pub const TSC_NUMERATOR: Field = field([0x15, 0, 0], Ebx, [31, 0], "tsc_numerator", "Numerator of the TSC/'core crystal clock' ratio");
    /// Core crystal clock nominal frequency, in Hz.
    pub const CPU_CRYSTAL_HZ: Field = field([0x15, 0, 0], Ecx, [31, 0], "cpu_crystal_hz", "Core crystal clock nominal frequency, in Hz");
}

/// Intel processor frequency.
pub mod leaf_16 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CPU_BASE_MHZ, CPU_MAX_MHZ, BUS_MHZ];
    /// Processor base frequency, in MHz.
    pub const CPU_BASE_MHZ: Field = field([0x16, 0, 0], Eax, [15, 0], "cpu_base_mhz", "Processor base frequency, in MHz");
    /// Processor max frequency, in MHz.
    pub const CPU_MAX_MHZ: Field = field([0x16, 0, 0], Ebx, [15, 0], "cpu_max_mhz", "Processor max frequency, in MHz");
    /// Bus reference frequency, in MHz.
    pub const BUS_MHZ: Field = field([0x16, 0, 0], Ecx, [15, 0], "bus_mhz", "Bus reference frequency, in MHz");
}

/// Intel SoC vendor attributes.
pub mod leaf_17 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[SOC_MAX_SUBLEAF, SOC_VENDOR_ID, IS_VENDOR_SCHEME, SOC_PROJ_ID, SOC_STEPPING_ID, VENDOR_BRAND_A, VENDOR_BRAND_B, VENDOR_BRAND_C, VENDOR_BRAND_D];
    /// Maximum leaf 0x17 subleaf.
    pub const SOC_MAX_SUBLEAF: Field = field([0x17, 0, 0], Eax, [31, 0], "soc_max_subleaf", "Maximum leaf 0x17 subleaf");
    /// SoC vendor ID.
    pub const SOC_VENDOR_ID: Field = field([0x17, 0, 0], Ebx, [15, 0], "soc_vendor_id", "SoC vendor ID");
    /// Assigned by industry enumeration scheme (not Intel).
    pub const IS_VENDOR_SCHEME: Field = field([0x17, 0, 0], Ebx, [16, 16], "is_vendor_scheme", "Assigned by industry enumeration scheme (not Intel)");
    /// SoC project ID, assigned by vendor.
    pub const SOC_PROJ_ID: Field = field([0x17, 0, 0], Ecx, [31, 0], "soc_proj_id", "SoC project ID, assigned by vendor");
    /// SoC project stepping ID, assigned by vendor.
    pub const SOC_STEPPING_ID: Field = field([0x17, 0, 0], Edx, [31, 0], "soc_stepping_id", "SoC project stepping ID, assigned by vendor");
    /// Vendor Brand ID string, bytes subleaf_nr * (0 -> 3).
    pub const VENDOR_BRAND_A: Field = field([0x17, 1, 3], Eax, [31, 0], "vendor_brand_a", "Vendor Brand ID string, bytes subleaf_nr * (0 -> 3)");
    /// Vendor Brand ID string, bytes subleaf_nr * (4 -> 7).
    pub const VENDOR_BRAND_B: Field = field([0x17, 1, 3], Ebx, [31, 0], "vendor_brand_b", "Vendor Brand ID string, bytes subleaf_nr * (4 -> 7)");
    /// Vendor Brand ID string, bytes subleaf_nr * (8 -> 11).
    pub const VENDOR_BRAND_C: Field = field([0x17, 1, 3], Ecx, [31, 0], "vendor_brand_c", "Vendor Brand ID string, bytes subleaf_nr * (8 -> 11)");
    /// Vendor Brand ID string, bytes subleaf_nr * (12 -> 15).
    pub const VENDOR_BRAND_D: Field = field([0x17, 1, 3], Edx, [31, 0], "vendor_brand_d", "Vendor Brand ID string, bytes subleaf_nr * (12 -> 15)");
}

/// Intel deterministic address translation (TLB) parameters.
pub mod leaf_18 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[TLB_MAX_SUBLEAF, TLB_4K_PAGE, TLB_2M_PAGE, TLB_4M_PAGE, TLB_1G_PAGE, HARD_PARTITIONING, N_WAY_ASSOCIATIVE, N_SETS, TLB_TYPE, TLB_CACHE_LEVEL, IS_FULLY_ASSOCIATIVE, TLB_MAX_ADDRESSABLE_IDS];
    /// Maximum leaf 0x18 subleaf.
    pub const TLB_MAX_SUBLEAF: Field = field([0x18, 0, 31], Eax, [31, 0], "tlb_max_subleaf", "Maximum leaf 0x18 subleaf");
    /// TLB supports 4KB-page entries.
    pub const TLB_4K_PAGE: Field = field([0x18, 0, 31], Ebx, [0, 0], "tlb_4k_page", "TLB supports 4KB-page entries");
    /// TLB supports 2MB-page entries.
    pub const TLB_2M_PAGE: Field = field([0x18, 0, 31], Ebx, [1, 1], "tlb_2m_page", "TLB supports 2MB-page entries");
    /// TLB supports 4MB-page entries.
    pub const TLB_4M_PAGE: Field = field([0x18, 0, 31], Ebx, [2, 2], "tlb_4m_page", "TLB supports 4MB-page entries");
    /// TLB supports 1GB-page entries.
    pub const TLB_1G_PAGE: Field = field([0x18, 0, 31], Ebx, [3, 3], "tlb_1g_page", "TLB supports 1GB-page entries");
    /// Partitioning between logical CPUs.
    pub const HARD_PARTITIONING: Field = field([0x18, 0, 31], Ebx, [10, 8], "hard_partitioning", "Partitioning between logical CPUs");
    /// Ways of associativity.
    pub const N_WAY_ASSOCIATIVE: Field = field([0x18, 0, 31], Ebx, [31, 16], "n_way_associative", "Ways of associativity");
    /// Number of sets.
    pub const N_SETS: Field = field([0x18, 0, 31], Ecx, [31, 0], "n_sets", "Number of sets");
    /// Translation cache type (TLB type).
    pub const TLB_TYPE: Field = field([0x18, 0, 31], Edx, [4, 0], "tlb_type", "Translation cache type (TLB type)");
    /// Translation cache level (1-based).
    pub const TLB_CACHE_LEVEL: Field = field([0x18, 0, 31], Edx, [7, 5], "tlb_cache_level", "Translation cache level (1-based)");
    /// Fully-associative.
    pub const IS_FULLY_ASSOCIATIVE: Field = field([0x18, 0, 31], Edx, [8, 8], "is_fully_associative", "Fully-associative");
    /// Max number of addressable IDs - 1.
    pub const TLB_MAX_ADDRESSABLE_IDS: Field = field([0x18, 0, 31], Edx, [25, 14], "tlb_max_addressable_ids", "Max number of addressable IDs - 1");
}

/// Intel key locker.
pub mod leaf_19 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[KL_CPL0_ONLY, KL_NO_ENCRYPT, KL_NO_DECRYPT, AES_KEYLOCKER, AES_KEYLOCKER_WIDE, KL_MSR_IWKEY, LOADIWKEY_NO_BACKUP, IWKEY_RAND];
    /// CPL0-only key locker restriction.
    pub const KL_CPL0_ONLY: Field = field([0x19, 0, 0], Eax, [0, 0], "kl_cpl0_only", "CPL0-only key locker restriction");
    /// No-encrypt key locker restriction.
    pub const KL_NO_ENCRYPT: Field = field([0x19, 0, 0], Eax, [1, 1], "kl_no_encrypt", "No-encrypt key locker restriction");
    /// No-decrypt key locker restriction.
    pub const KL_NO_DECRYPT: Field = field([0x19, 0, 0], Eax, [2, 2], "kl_no_decrypt", "No-decrypt key locker restriction");
    /// AES key locker instructions.
    pub const AES_KEYLOCKER: Field = field([0x19, 0, 0], Ebx, [0, 0], "aes_keylocker", "AES key locker instructions");
    /// AES wide key locker instructions.
    pub const AES_KEYLOCKER_WIDE: Field = field([0x19, 0, 0], Ebx, [2, 2], "aes_keylocker_wide", "AES wide key locker instructions");
    /// Key locker MSRs and IWKEY backups.
    pub const KL_MSR_IWKEY: Field = field([0x19, 0, 0], Ebx, [4, 4], "kl_msr_iwkey", "Key locker MSRs and IWKEY backups");
    /// LOADIWKEY NoBackup parameter.
    pub const LOADIWKEY_NO_BACKUP: Field = field([0x19, 0, 0], Ecx, [0, 0], "loadiwkey_no_backup", "LOADIWKEY NoBackup parameter");
    /// IWKEY randomization.
    pub const IWKEY_RAND: Field = field([0x19, 0, 0], Ecx, [1, 1], "iwkey_rand", "IWKEY randomization");
}

/// Intel hybrid CPUs identification (e.g. Atom, Core).
pub mod leaf_1a {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CORE_NATIVE_MODEL, CORE_TYPE];
    /// This core's native model ID.
    pub const CORE_NATIVE_MODEL: Field = field([0x1a, 0, 0], Eax, [23, 0], "core_native_model", "This core's native model ID");
    /// This core's type.
    pub const CORE_TYPE: Field = field([0x1a, 0, 0], Eax, [31, 24], "core_type", "This core's type");
}

/// Intel PCONFIG (Platform configuration).
pub mod leaf_1b {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[PCONFIG_SUBLEAF_TYPE, PCONFIG_TARGET_ID_X, PCONFIG_TARGET_ID_Y, PCONFIG_TARGET_ID_Z];
    /// CPUID 0x1b subleaf type.
    pub const PCONFIG_SUBLEAF_TYPE: Field = field([0x1b, 0, 31], Eax, [11, 0], "pconfig_subleaf_type", "CPUID 0x1b subleaf type");
    /// A supported PCONFIG target ID.
    pub const PCONFIG_TARGET_ID_X: Field = field([0x1b, 0, 31], Ebx, [31, 0], "pconfig_target_id_x", "A supported PCONFIG target ID");
    /// A supported PCONFIG target ID.
    pub const PCONFIG_TARGET_ID_Y: Field = field([0x1b, 0, 31], Ecx, [31, 0], "pconfig_target_id_y", "A supported PCONFIG target ID");
    /// A supported PCONFIG target ID.
    pub const PCONFIG_TARGET_ID_Z: Field = field([0x1b, 0, 31], Edx, [31, 0], "pconfig_target_id_z", "A supported PCONFIG target ID");
}

/// Intel LBR (Last Branch Record).
pub mod leaf_1c {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[LBR_DEPTH_MASK, LBR_DEEP_C_RESET, LBR_IP_IS_LIP, LBR_CPL, LBR_BRANCH_FILTER, LBR_CALL_STACK, LBR_MISPREDICT, LBR_TIMED_LBR, LBR_BRANCH_TYPE, LBR_EVENTS_GPC_BMP];
    /// Max LBR stack depth bitmask.
    pub const LBR_DEPTH_MASK: Field = field([0x1c, 0, 0], Eax, [7, 0], "lbr_depth_mask", "Max LBR stack depth bitmask");
    /// LBRs may be cleared on MWAIT C-state > C1.
    pub const LBR_DEEP_C_RESET: Field = field([0x1c, 0, 0], Eax, [30, 30], "lbr_deep_c_reset", "LBRs may be cleared on MWAIT C-state > C1");
    /// LBR IP contain Last IP (otherwise effective IP).
    pub const LBR_IP_IS_LIP: Field = field([0x1c, 0, 0], Eax, [31, 31], "lbr_ip_is_lip", "LBR IP contain Last IP (otherwise effective IP)");
    /// CPL filtering.
    pub const LBR_CPL: Field = field([0x1c, 0, 0], Ebx, [0, 0], "lbr_cpl", "CPL filtering");
    /// Branch filtering.
    pub const LBR_BRANCH_FILTER: Field = field([0x1c, 0, 0], Ebx, [1, 1], "lbr_branch_filter", "Branch filtering");
    /// Call-stack mode.
    pub const LBR_CALL_STACK: Field = field([0x1c, 0, 0], Ebx, [2, 2], "lbr_call_stack", "Call-stack mode");
    /// Branch misprediction bit.
    pub const LBR_MISPREDICT: Field = field([0x1c, 0, 0], Ecx, [0, 0], "lbr_mispredict", "Branch misprediction bit");
    /// Timed LBRs (CPU cycles since last LBR entry).
    pub const LBR_TIMED_LBR: Field = field([0x1c, 0, 0], Ecx, [1, 1], "lbr_timed_lbr", "Timed LBRs (CPU cycles since last LBR entry)");
    /// Branch type field.
    pub const LBR_BRANCH_TYPE: Field = field([0x1c, 0, 0], Ecx, [2, 2], "lbr_branch_type", "Branch type field");
    /// PMU-events logging support.
    pub const LBR_EVENTS_GPC_BMP: Field = field([0x1c, 0, 0], Ecx, [19, 16], "lbr_events_gpc_bmp", "PMU-events logging support");
}

/// Intel AMX (Advanced Matrix Extensions) tile information.
pub mod leaf_1d {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[AMX_MAX_PALETTE, AMX_PALETTE_SIZE, AMX_TILE_SIZE, AMX_TILE_ROW_SIZE, AMX_PALETTE_NR_TILES, AMX_TILE_NR_ROWS];
    /// Highest palette ID / subleaf ID.
    pub const AMX_MAX_PALETTE: Field = field([0x1d, 0, 0], Eax, [31, 0], "amx_max_palette", "Highest palette ID / subleaf ID");
    /// AMX palette total tiles size, in bytes.
    pub const AMX_PALETTE_SIZE: Field = field([0x1d, 1, 1], Eax, [15, 0], "amx_palette_size", "AMX palette total tiles size, in bytes");
    /// AMX single tile's size, in bytes.
    pub const AMX_TILE_SIZE: Field = field([0x1d, 1, 1], Eax, [31, 16], "amx_tile_size", "AMX single tile's size, in bytes");
    /// AMX tile single row's size, in bytes.
    pub const AMX_TILE_ROW_SIZE: Field = field([0x1d, 1, 1], Ebx, [15, 0], "amx_tile_row_size", "AMX tile single row's size, in bytes");
    /// AMX palette number of tiles.
    pub const AMX_PALETTE_NR_TILES: Field = field([0x1d, 1, 1], Ebx, [31, 16], "amx_palette_nr_tiles", "AMX palette number of tiles");
    /// AMX tile max number of rows.
    pub const AMX_TILE_NR_ROWS: Field = field([0x1d, 1, 1], Ecx, [15, 0], "amx_tile_nr_rows", "AMX tile max number of rows");
}

/// Intel TMUL (Tile-matrix Multiply).
pub mod leaf_1e {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[TMUL_MAXK, TMUL_MAXN];
    /// TMUL unit maximum height, K (rows or columns).
    pub const TMUL_MAXK: Field = field([0x1e, 0, 0], Ebx, [7, 0], "tmul_maxk", "TMUL unit maximum height, K (rows or columns)");
    /// TMUL unit maximum SIMD dimension, N (column bytes).
    pub const TMUL_MAXN: Field = field([0x1e, 0, 0], Ebx, [23, 8], "tmul_maxn", "TMUL unit maximum SIMD dimension, N (column bytes)");
}

/// Intel extended topology v2.
pub mod leaf_1f {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[X2APIC_ID_SHIFT, DOMAIN_LCPUS_COUNT, DOMAIN_LEVEL, DOMAIN_TYPE, X2APIC_ID];
    /// Bit width of this level (previous levels inclusive).
    pub const X2APIC_ID_SHIFT: Field = field([0x1f, 0, 5], Eax, [4, 0], "x2apic_id_shift", "Bit width of this level (previous levels inclusive)");
    /// Logical CPUs count across all instances of this domain.
    pub const DOMAIN_LCPUS_COUNT: Field = field([0x1f, 0, 5], Ebx, [15, 0], "domain_lcpus_count", "Logical CPUs count across all instances of this domain");
    /// This domain level (subleaf ID).
    pub const DOMAIN_LEVEL: Field = field([0x1f, 0, 5], Ecx, [7, 0], "domain_level", "This domain level (subleaf ID)");
    /// This domain type.
    pub const DOMAIN_TYPE: Field = field([0x1f, 0, 5], Ecx, [15, 8], "domain_type", "This domain type");
    /// x2APIC ID of current logical CPU.
    pub const X2APIC_ID: Field = field([0x1f, 0, 5], Edx, [31, 0], "x2apic_id", "x2APIC ID of current logical CPU");
}

/// Intel HRESET (History Reset).
pub mod leaf_20 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[HRESET_NR_SUBLEAVES, HRESET_THREAD_DIRECTOR];
    /// CPUID 0x20 max subleaf + 1.
    pub const HRESET_NR_SUBLEAVES: Field = field([0x20, 0, 0], Eax, [31, 0], "hreset_nr_subleaves", "CPUID 0x20 max subleaf + 1");
    /// Intel thread director HRESET.
    pub const HRESET_THREAD_DIRECTOR: Field = field([0x20, 0, 0], Ebx, [0, 0], "hreset_thread_director", "Intel thread director HRESET");
}

/// Intel TD (Trust Domain).
pub mod leaf_21 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[TDX_VENDORID_0, TDX_VENDORID_2, TDX_VENDORID_1];
    /// TDX vendor ID string bytes 0 - 3.
    pub const TDX_VENDORID_0: Field = field([0x21, 0, 0], Ebx, [31, 0], "tdx_vendorid_0", "TDX vendor ID string bytes 0 - 3");
    /// TDX vendor ID string bytes 8 - 11.
    pub const TDX_VENDORID_2: Field = field([0x21, 0, 0], Ecx, [31, 0], "tdx_vendorid_2", "TDX vendor ID string bytes 8 - 11");
    /// TDX vendor ID string bytes 4 - 7.
    pub const TDX_VENDORID_1: Field = field([0x21, 0, 0], Edx, [31, 0], "tdx_vendorid_1", "TDX vendor ID string bytes 4 - 7");
}

/// Intel Architectural Performance Monitoring Extended (ArchPerfmonExt).
pub mod leaf_23 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[SUBLEAF_0, COUNTERS_SUBLEAF, ACR_SUBLEAF, EVENTS_SUBLEAF, PEBS_CAPS_SUBLEAF, PEBS_SUBLEAF, UNITMASK2, EQ, RDPMC_USER_DISABLE, GP_COUNTERS, FIXED_COUNTERS, ACR_GP_RELOAD, ACR_FIXED_RELOAD, ACR_GP_TRIGGER, ACR_FIXED_TRIGGER, CORE_CYCLES_EVT, INSN_RETIRED_EVT, REF_CYCLES_EVT, LLC_REFS_EVT, LLC_MISSES_EVT, BR_INSN_RET_EVT, BR_MISPR_EVT, TD_SLOTS_EVT, TD_BACKEND_BOUND_EVT, TD_BAD_SPEC_EVT, TD_FRONTEND_BOUND_EVT, TD_RETIRING_EVT, ALLOW_IN_RECORD, COUNTERS_GP, COUNTERS_FIXED, COUNTERS_METRICS, LBR, XER, GPR, AUX, PEBS_GP, PEBS_PDIST_GP, PEBS_FIXED, PEBS_PDIST_FIXED];
    /// Subleaf 0, this subleaf.
    pub const SUBLEAF_0: Field = field([0x23, 0, 0], Eax, [0, 0], "subleaf_0", "Subleaf 0, this subleaf");
    /// Subleaf 1, PMU counter bitmaps.
    pub const COUNTERS_SUBLEAF: Field = field([0x23, 0, 0], Eax, [1, 1], "counters_subleaf", "Subleaf 1, PMU counter bitmaps");
    /// Subleaf 2, Auto Counter Reload bitmaps.
    pub const ACR_SUBLEAF: Field = field([0x23, 0, 0], Eax, [2, 2], "acr_subleaf", "Subleaf 2, Auto Counter Reload bitmaps");
    /// Subleaf 3, PMU event bitmaps.
    pub const EVENTS_SUBLEAF: Field = field([0x23, 0, 0], Eax, [3, 3], "events_subleaf", "Subleaf 3, PMU event bitmaps");
    /// Subleaf 4, PEBS capabilities.
    pub const PEBS_CAPS_SUBLEAF: Field = field([0x23, 0, 0], Eax, [4, 4], "pebs_caps_subleaf", "Subleaf 4, PEBS capabilities");
    /// Subleaf 5, Arch PEBS bitmaps.
    pub const PEBS_SUBLEAF: Field = field([0x23, 0, 0], Eax, [5, 5], "pebs_subleaf", "Subleaf 5, Arch PEBS bitmaps");
    /// IA32_PERFEVTSELx MSRs UnitMask2 bit.
    pub const UNITMASK2: Field = field([0x23, 0, 0], Ebx, [0, 0], "unitmask2", "IA32_PERFEVTSELx MSRs UnitMask2 bit");
    /// IA32_PERFEVTSELx MSRs EQ bit.
    pub const EQ: Field = field([0x23, 0, 0], Ebx, [1, 1], "eq", "IA32_PERFEVTSELx MSRs EQ bit");
    /// RDPMC userspace disable.
    pub const RDPMC_USER_DISABLE: Field = field([0x23, 0, 0], Ebx, [2, 2], "rdpmc_user_disable", "RDPMC userspace disable");
    /// Bitmap of general-purpose PMU counters.
    pub const GP_COUNTERS: Field = field([0x23, 1, 1], Eax, [31, 0], "gp_counters", "Bitmap of general-purpose PMU counters");
    /// Bitmap of fixed PMU counters.
    pub const FIXED_COUNTERS: Field = field([0x23, 1, 1], Ebx, [31, 0], "fixed_counters", "Bitmap of fixed PMU counters");
    /// Bitmap of general-purpose counters that can be reloaded.
    pub const ACR_GP_RELOAD: Field = field([0x23, 2, 2], Eax, [31, 0], "acr_gp_reload", "Bitmap of general-purpose counters that can be reloaded");
    /// Bitmap of fixed counters that can be reloaded.
    pub const ACR_FIXED_RELOAD: Field = field([0x23, 2, 2], Ebx, [31, 0], "acr_fixed_reload", "Bitmap of fixed counters that can be reloaded");
    /// Bitmap of general-purpose counters that can trigger reloads.
    pub const ACR_GP_TRIGGER: Field = field([0x23, 2, 2], Ecx, [31, 0], "acr_gp_trigger", "Bitmap of general-purpose counters that can trigger reloads");
    /// Bitmap of fixed counters that can trigger reloads.
    pub const ACR_FIXED_TRIGGER: Field = field([0x23, 2, 2], Edx, [31, 0], "acr_fixed_trigger", "Bitmap of fixed counters that can trigger reloads");
    /// Core cycles event.
    pub const CORE_CYCLES_EVT: Field = field([0x23, 3, 3], Eax, [0, 0], "core_cycles_evt", "Core cycles event");
    /// Instructions retired event.
    pub const INSN_RETIRED_EVT: Field = field([0x23, 3, 3], Eax, [1, 1], "insn_retired_evt", "Instructions retired event");
    /// Reference cycles event.
    pub const REF_CYCLES_EVT: Field = field([0x23, 3, 3], Eax, [2, 2], "ref_cycles_evt", "Reference cycles event");
    /// Last-level cache references event.
    pub const LLC_REFS_EVT: Field = field([0x23, 3, 3], Eax, [3, 3], "llc_refs_evt", "Last-level cache references event");
    /// Last-level cache misses event.
    pub const LLC_MISSES_EVT: Field = field([0x23, 3, 3], Eax, [4, 4], "llc_misses_evt", "Last-level cache misses event");
    /// Branch instruction retired event.
    pub const BR_INSN_RET_EVT: Field = field([0x23, 3, 3], Eax, [5, 5], "br_insn_ret_evt", "Branch instruction retired event");
    /// Branch mispredict retired event.
    pub const BR_MISPR_EVT: Field = field([0x23, 3, 3], Eax, [6, 6], "br_mispr_evt", "Branch mispredict retired event");
    /// Topdown slots event.
    pub const TD_SLOTS_EVT: Field = field([0x23, 3, 3], Eax, [7, 7], "td_slots_evt", "Topdown slots event");
    /// Topdown backend bound event.
    pub const TD_BACKEND_BOUND_EVT: Field = field([0x23, 3, 3], Eax, [8, 8], "td_backend_bound_evt", "Topdown backend bound event");
    /// Topdown bad speculation event.
    pub const TD_BAD_SPEC_EVT: Field = field([0x23, 3, 3], Eax, [9, 9], "td_bad_spec_evt", "Topdown bad speculation event");
    /// Topdown frontend bound event.
    pub const TD_FRONTEND_BOUND_EVT: Field = field([0x23, 3, 3], Eax, [10, 10], "td_frontend_bound_evt", "Topdown frontend bound event");
    /// Topdown retiring event.
    pub const TD_RETIRING_EVT: Field = field([0x23, 3, 3], Eax, [11, 11], "td_retiring_evt", "Topdown retiring event");
    /// ALLOW_IN_RECORD bit in MSRs.
    pub const ALLOW_IN_RECORD: Field = field([0x23, 4, 4], Ebx, [3, 3], "allow_in_record", "ALLOW_IN_RECORD bit in MSRs");
    /// Counters group sub-group general-purpose counters.
    pub const COUNTERS_GP: Field = field([0x23, 4, 4], Ebx, [4, 4], "counters_gp", "Counters group sub-group general-purpose counters");
    /// Counters group sub-group fixed-function counters.
    pub const COUNTERS_FIXED: Field = field([0x23, 4, 4], Ebx, [5, 5], "counters_fixed", "Counters group sub-group fixed-function counters");
    /// Counters group sub-group performance metrics.
    pub const COUNTERS_METRICS: Field = field([0x23, 4, 4], Ebx, [6, 6], "counters_metrics", "Counters group sub-group performance metrics");
    /// LBR group.
    pub const LBR: Field = field([0x23, 4, 4], Ebx, [9, 8], "lbr", "LBR group");
    /// XER group.
    pub const XER: Field = field([0x23, 4, 4], Ebx, [23, 16], "xer", "XER group");
    /// GPR group.
    pub const GPR: Field = field([0x23, 4, 4], Ebx, [29, 29], "gpr", "GPR group");
    /// AUX group.
    pub const AUX: Field = field([0x23, 4, 4], Ebx, [30, 30], "aux", "AUX group");
    /// Architectural PEBS general-purpose counters.
    pub const PEBS_GP: Field = field([0x23, 5, 5], Eax, [31, 0], "pebs_gp", "Architectural PEBS general-purpose counters");
    /// Architectural PEBS PDIST general-purpose counters.
    pub const PEBS_PDIST_GP: Field = field([0x23, 5, 5], Ebx, [31, 0], "pebs_pdist_gp", "Architectural PEBS PDIST general-purpose counters");
    /// Architectural PEBS fixed counters.
    pub const PEBS_FIXED: Field = field([0x23, 5, 5], Ecx, [31, 0], "pebs_fixed", "Architectural PEBS fixed counters");
    /// Architectural PEBS PDIST fixed counters.
    pub const PEBS_PDIST_FIXED: Field = field([0x23, 5, 5], Edx, [31, 0], "pebs_pdist_fixed", "Architectural PEBS PDIST fixed counters");
}

/// Maximum hypervisor leaf + hypervisor vendor string.
pub mod leaf_40000000 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[MAX_HYP_LEAF, HYPERVISOR_ID_0, HYPERVISOR_ID_1, HYPERVISOR_ID_2];
    /// Maximum hypervisor leaf.
    pub const MAX_HYP_LEAF: Field = field([0x40000000, 0, 0], Eax, [31, 0], "max_hyp_leaf", "Maximum hypervisor leaf");
    /// Hypervisor ID string bytes 0 - 3.
    pub const HYPERVISOR_ID_0: Field = field([0x40000000, 0, 0], Ebx, [31, 0], "hypervisor_id_0", "Hypervisor ID string bytes 0 - 3");
    /// Hypervisor ID string bytes 4 - 7.
    pub const HYPERVISOR_ID_1: Field = field([0x40000000, 0, 0], Ecx, [31, 0], "hypervisor_id_1", "Hypervisor ID string bytes 4 - 7");
    /// Hypervisor ID string bytes 8 - 11.
    pub const HYPERVISOR_ID_2: Field = field([0x40000000, 0, 0], Edx, [31, 0], "hypervisor_id_2", "Hypervisor ID string bytes 8 - 11");
}

/// Maximum extended leaf + CPU vendor string.
pub mod leaf_80000000 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[MAX_EXT_LEAF, CPU_VENDORID_0, CPU_VENDORID_2, CPU_VENDORID_1];
    /// Maximum extended CPUID leaf.
    pub const MAX_EXT_LEAF: Field = field([0x80000000, 0, 0], Eax, [31, 0], "max_ext_leaf", "Maximum extended CPUID leaf");
    /// Vendor ID string bytes 0 - 3.
    pub const CPU_VENDORID_0: Field = field([0x80000000, 0, 0], Ebx, [31, 0], "cpu_vendorid_0", "Vendor ID string bytes 0 - 3");
    /// Vendor ID string bytes 8 - 11.
    pub const CPU_VENDORID_2: Field = field([0x80000000, 0, 0], Ecx, [31, 0], "cpu_vendorid_2", "Vendor ID string bytes 8 - 11");
    /// Vendor ID string bytes 4 - 7.
    pub const CPU_VENDORID_1: Field = field([0x80000000, 0, 0], Edx, [31, 0], "cpu_vendorid_1", "Vendor ID string bytes 4 - 7");
}

/// Extended CPU features.
pub mod leaf_80000001 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[E_STEPPING_ID, E_BASE_MODEL, E_BASE_FAMILY, E_BASE_TYPE, E_EXT_MODEL, E_EXT_FAMILY, BRAND_ID, PKG_TYPE, LAHF_LM, CMP_LEGACY, SVM, EXTAPIC, CR8_LEGACY, ABM, SSE4A, MISALIGNSSE, _3DNOWPREFETCH, OSVW, IBS, XOP, SKINIT, WDT, LWP, FMA4, TCE, NODEID_MSR, TBM, TOPOEXT, PERFCTR_CORE, PERFCTR_NB, BPEXT, PTSC, PERFCTR_LLC, MWAITX, ADDR_MASK_EXT, E_FPU, E_VME, E_DE, E_PSE, E_TSC, E_MSR, PAE, MCE, CX8, APIC, SYSCALL, MTRR, PGE, MCA, CMOV, PAT, PSE36, MP, NX, MMXEXT, E_MMX, E_FXSR, FXSR_OPT, PDPE1GB, RDTSCP, LM, _3DNOWEXT, _3DNOW];
    /// Stepping ID.
    pub const E_STEPPING_ID: Field = field([0x80000001, 0, 0], Eax, [3, 0], "e_stepping_id", "Stepping ID");
    /// Base processor model.
    pub const E_BASE_MODEL: Field = field([0x80000001, 0, 0], Eax, [7, 4], "e_base_model", "Base processor model");
    /// Base processor family.
    pub const E_BASE_FAMILY: Field = field([0x80000001, 0, 0], Eax, [11, 8], "e_base_family", "Base processor family");
    /// Base processor type (Transmeta).
    pub const E_BASE_TYPE: Field = field([0x80000001, 0, 0], Eax, [13, 12], "e_base_type", "Base processor type (Transmeta)");
    /// Extended processor model.
    pub const E_EXT_MODEL: Field = field([0x80000001, 0, 0], Eax, [19, 16], "e_ext_model", "Extended processor model");
    /// Extended processor family.
    pub const E_EXT_FAMILY: Field = field([0x80000001, 0, 0], Eax, [27, 20], "e_ext_family", "Extended processor family");
    /// Brand ID.
    pub const BRAND_ID: Field = field([0x80000001, 0, 0], Ebx, [15, 0], "brand_id", "Brand ID");
    /// Package type.
    pub const PKG_TYPE: Field = field([0x80000001, 0, 0], Ebx, [31, 28], "pkg_type", "Package type");
    /// LAHF and SAHF in 64-bit mode.
    pub const LAHF_LM: Field = field([0x80000001, 0, 0], Ecx, [0, 0], "lahf_lm", "LAHF and SAHF in 64-bit mode");
    /// Multi-processing legacy mode (No HT).
    pub const CMP_LEGACY: Field = field([0x80000001, 0, 0], Ecx, [1, 1], "cmp_legacy", "Multi-processing legacy mode (No HT)");
    /// Secure Virtual Machine.
    pub const SVM: Field = field([0x80000001, 0, 0], Ecx, [2, 2], "svm", "Secure Virtual Machine");
    /// Extended APIC space.
    pub const EXTAPIC: Field = field([0x80000001, 0, 0], Ecx, [3, 3], "extapic", "Extended APIC space");
    /// LOCK MOV CR0 means MOV CR8.
    pub const CR8_LEGACY: Field = field([0x80000001, 0, 0], Ecx, [4, 4], "cr8_legacy", "LOCK MOV CR0 means MOV CR8");
    /// LZCNT advanced bit manipulation.
    pub const ABM: Field = field([0x80000001, 0, 0], Ecx, [5, 5], "abm", "LZCNT advanced bit manipulation");
    /// SSE4A support.
    pub const SSE4A: Field = field([0x80000001, 0, 0], Ecx, [6, 6], "sse4a", "SSE4A support");
    /// Misaligned SSE mode.
    pub const MISALIGNSSE: Field = field([0x80000001, 0, 0], Ecx, [7, 7], "misalignsse", "Misaligned SSE mode");
    /// 3DNow PREFETCH/PREFETCHW support.
    pub const _3DNOWPREFETCH: Field = field([0x80000001, 0, 0], Ecx, [8, 8], "3dnowprefetch", "3DNow PREFETCH/PREFETCHW support");
    /// OS visible workaround.
    pub const OSVW: Field = field([0x80000001, 0, 0], Ecx, [9, 9], "osvw", "OS visible workaround");
    /// Instruction based sampling.
    pub const IBS: Field = field([0x80000001, 0, 0], Ecx, [10, 10], "ibs", "Instruction based sampling");
    /// XOP: extended operation (AVX instructions).
    pub const XOP: Field = field([0x80000001, 0, 0], Ecx, [11, 11], "xop", "XOP: extended operation (AVX instructions)");
    /// SKINIT/STGI support.
    pub const SKINIT: Field = field([0x80000001, 0, 0], Ecx, [12, 12], "skinit", "SKINIT/STGI support");
    /// Watchdog timer support.
    pub const WDT: Field = field([0x80000001, 0, 0], Ecx, [13, 13], "wdt", "Watchdog timer support");
    /// Lightweight profiling.
    pub const LWP: Field = field([0x80000001, 0, 0], Ecx, [15, 15], "lwp", "Lightweight profiling");
    /// 4-operand FMA instruction.
    pub const FMA4: Field = field([0x80000001, 0, 0], Ecx, [16, 16], "fma4", "4-operand FMA instruction");
    /// Translation cache extension.
    pub const TCE: Field = field([0x80000001, 0, 0], Ecx, [17, 17], "tce", "Translation cache extension");
    /// NodeId MSR (0xc001100c).
    pub const NODEID_MSR: Field = field([0x80000001, 0, 0], Ecx, [19, 19], "nodeid_msr", "NodeId MSR (0xc001100c)");
    /// Trailing bit manipulations.
    pub const TBM: Field = field([0x80000001, 0, 0], Ecx, [21, 21], "tbm", "Trailing bit manipulations");
    /// Topology Extensions (leaf 0x8000001d).
    pub const TOPOEXT: Field = field([0x80000001, 0, 0], Ecx, [22, 22], "topoext", "Topology Extensions (leaf 0x8000001d)");
    /// Core performance counter extensions.
    pub const PERFCTR_CORE: Field = field([0x80000001, 0, 0], Ecx, [23, 23], "perfctr_core", "Core performance counter extensions");
    /// NB/DF performance counter extensions.
    pub const PERFCTR_NB: Field = field([0x80000001, 0, 0], Ecx, [24, 24], "perfctr_nb", "NB/DF performance counter extensions");
    /// Data access breakpoint extension.
    pub const BPEXT: Field = field([0x80000001, 0, 0], Ecx, [26, 26], "bpext", "Data access breakpoint extension");
    /// Performance time-stamp counter.
    pub const PTSC: Field = field([0x80000001, 0, 0], Ecx, [27, 27], "ptsc", "Performance time-stamp counter");
    /// LLC (L3) performance counter extensions.
    pub const PERFCTR_LLC: Field = field([0x80000001, 0, 0], Ecx, [28, 28], "perfctr_llc", "LLC (L3) performance counter extensions");
    /// MWAITX/MONITORX support.
    pub const MWAITX: Field = field([0x80000001, 0, 0], Ecx, [29, 29], "mwaitx", "MWAITX/MONITORX support");
    /// Breakpoint address mask extension (to bit 31).
    pub const ADDR_MASK_EXT: Field = field([0x80000001, 0, 0], Ecx, [30, 30], "addr_mask_ext", "Breakpoint address mask extension (to bit 31)");
    /// Floating-Point Unit on-chip (x87).
    pub const E_FPU: Field = field([0x80000001, 0, 0], Edx, [0, 0], "e_fpu", "Floating-Point Unit on-chip (x87)");
    /// Virtual-8086 Mode Extensions.
    pub const E_VME: Field = field([0x80000001, 0, 0], Edx, [1, 1], "e_vme", "Virtual-8086 Mode Extensions");
    /// Debugging Extensions.
    pub const E_DE: Field = field([0x80000001, 0, 0], Edx, [2, 2], "e_de", "Debugging Extensions");
    /// Page Size Extension.
    pub const E_PSE: Field = field([0x80000001, 0, 0], Edx, [3, 3], "e_pse", "Page Size Extension");
    /// Time Stamp Counter.
    pub const E_TSC: Field = field([0x80000001, 0, 0], Edx, [4, 4], "e_tsc", "Time Stamp Counter");
    /// Model-Specific Registers (RDMSR and WRMSR support).
    pub const E_MSR: Field = field([0x80000001, 0, 0], Edx, [5, 5], "e_msr", "Model-Specific Registers (RDMSR and WRMSR support)");
    /// Physical Address Extensions.
    pub const PAE: Field = field([0x80000001, 0, 0], Edx, [6, 6], "pae", "Physical Address Extensions");
    /// Machine Check Exception.
    pub const MCE: Field = field([0x80000001, 0, 0], Edx, [7, 7], "mce", "Machine Check Exception");
    /// CMPXCHG8B instruction.
    pub const CX8: Field = field([0x80000001, 0, 0], Edx, [8, 8], "cx8", "CMPXCHG8B instruction");
    /// APIC on-chip.
    pub const APIC: Field = field([0x80000001, 0, 0], Edx, [9, 9], "apic", "APIC on-chip");
    /// SYSCALL and SYSRET instructions.
    pub const SYSCALL: Field = field([0x80000001, 0, 0], Edx, [11, 11], "syscall", "SYSCALL and SYSRET instructions");
    /// Memory Type Range Registers.
    pub const MTRR: Field = field([0x80000001, 0, 0], Edx, [12, 12], "mtrr", "Memory Type Range Registers");
    /// Page Global Extensions.
    pub const PGE: Field = field([0x80000001, 0, 0], Edx, [13, 13], "pge", "Page Global Extensions");
    /// Machine Check Architecture.
    pub const MCA: Field = field([0x80000001, 0, 0], Edx, [14, 14], "mca", "Machine Check Architecture");
    /// Conditional Move Instruction.
    pub const CMOV: Field = field([0x80000001, 0, 0], Edx, [15, 15], "cmov", "Conditional Move Instruction");
    /// Page Attribute Table.
    pub const PAT: Field = field([0x80000001, 0, 0], Edx, [16, 16], "pat", "Page Attribute Table");
    /// Page Size Extension (36-bit).
    pub const PSE36: Field = field([0x80000001, 0, 0], Edx, [17, 17], "pse36", "Page Size Extension (36-bit)");
    /// Out-of-spec AMD Multiprocessing bit.
    pub const MP: Field = field([0x80000001, 0, 0], Edx, [19, 19], "mp", "Out-of-spec AMD Multiprocessing bit");
    /// No-execute page protection.
    pub const NX: Field = field([0x80000001, 0, 0], Edx, [20, 20], "nx", "No-execute page protection");
    /// AMD MMX extensions.
    pub const MMXEXT: Field = field([0x80000001, 0, 0], Edx, [22, 22], "mmxext", "AMD MMX extensions");
    /// MMX instructions.
    pub const E_MMX: Field = field([0x80000001, 0, 0], Edx, [23, 23], "e_mmx", "MMX instructions");
    /// FXSAVE and FXRSTOR instructions.
    pub const E_FXSR: Field = field([0x80000001, 0, 0], Edx, [24, 24], "e_fxsr", "FXSAVE and FXRSTOR instructions");
    /// FXSAVE and FXRSTOR optimizations.
    pub const FXSR_OPT: Field = field([0x80000001, 0, 0], Edx, [25, 25], "fxsr_opt", "FXSAVE and FXRSTOR optimizations");
    /// 1-GB large page support.
    pub const PDPE1GB: Field = field([0x80000001, 0, 0], Edx, [26, 26], "pdpe1gb", "1-GB large page support");
    /// RDTSCP instruction.
    pub const RDTSCP: Field = field([0x80000001, 0, 0], Edx, [27, 27], "rdtscp", "RDTSCP instruction");
    /// Long mode (x86-64, 64-bit support).
    pub const LM: Field = field([0x80000001, 0, 0], Edx, [29, 29], "lm", "Long mode (x86-64, 64-bit support)");
    /// AMD 3DNow extensions.
    pub const _3DNOWEXT: Field = field([0x80000001, 0, 0], Edx, [30, 30], "3dnowext", "AMD 3DNow extensions");
    /// 3DNow instructions.
    pub const _3DNOW: Field = field([0x80000001, 0, 0], Edx, [31, 31], "3dnow", "3DNow instructions");
}

/// CPU brand ID string, bytes 0 - 15.
pub mod leaf_80000002 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CPU_BRANDID_0, CPU_BRANDID_1, CPU_BRANDID_2, CPU_BRANDID_3];
    /// CPU brand ID string, bytes 0 - 3.
    pub const CPU_BRANDID_0: Field = field([0x80000002, 0, 0], Eax, [31, 0], "cpu_brandid_0", "CPU brand ID string, bytes 0 - 3");
    /// CPU brand ID string, bytes 4 - 7.
    pub const CPU_BRANDID_1: Field = field([0x80000002, 0, 0], Ebx, [31, 0], "cpu_brandid_1", "CPU brand ID string, bytes 4 - 7");
    /// CPU brand ID string, bytes 8 - 11.
    pub const CPU_BRANDID_2: Field = field([0x80000002, 0, 0], Ecx, [31, 0], "cpu_brandid_2", "CPU brand ID string, bytes 8 - 11");
    /// CPU brand ID string, bytes 12 - 15.
    pub const CPU_BRANDID_3: Field = field([0x80000002, 0, 0], Edx, [31, 0], "cpu_brandid_3", "CPU brand ID string, bytes 12 - 15");
}

/// CPU brand ID string, bytes 16 - 31.
pub mod leaf_80000003 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CPU_BRANDID_4, CPU_BRANDID_5, CPU_BRANDID_6, CPU_BRANDID_7];
    /// CPU brand ID string bytes, 16 - 19.
    pub const CPU_BRANDID_4: Field = field([0x80000003, 0, 0], Eax, [31, 0], "cpu_brandid_4", "CPU brand ID string bytes, 16 - 19");
    /// CPU brand ID string bytes, 20 - 23.
    pub const CPU_BRANDID_5: Field = field([0x80000003, 0, 0], Ebx, [31, 0], "cpu_brandid_5", "CPU brand ID string bytes, 20 - 23");
    /// CPU brand ID string bytes, 24 - 27.
    pub const CPU_BRANDID_6: Field = field([0x80000003, 0, 0], Ecx, [31, 0], "cpu_brandid_6", "CPU brand ID string bytes, 24 - 27");
    /// CPU brand ID string bytes, 28 - 31.
    pub const CPU_BRANDID_7: Field = field([0x80000003, 0, 0], Edx, [31, 0], "cpu_brandid_7", "CPU brand ID string bytes, 28 - 31");
}

/// CPU brand ID string, bytes 32 - 47.
pub mod leaf_80000004 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CPU_BRANDID_8, CPU_BRANDID_9, CPU_BRANDID_10, CPU_BRANDID_11];
    /// CPU brand ID string, bytes 32 - 35.
    pub const CPU_BRANDID_8: Field = field([0x80000004, 0, 0], Eax, [31, 0], "cpu_brandid_8", "CPU brand ID string, bytes 32 - 35");
    /// CPU brand ID string, bytes 36 - 39.
    pub const CPU_BRANDID_9: Field = field([0x80000004, 0, 0], Ebx, [31, 0], "cpu_brandid_9", "CPU brand ID string, bytes 36 - 39");
    /// CPU brand ID string, bytes 40 - 43.
    pub const CPU_BRANDID_10: Field = field([0x80000004, 0, 0], Ecx, [31, 0], "cpu_brandid_10", "CPU brand ID string, bytes 40 - 43");
    /// CPU brand ID string, bytes 44 - 47.
    pub const CPU_BRANDID_11: Field = field([0x80000004, 0, 0], Edx, [31, 0], "cpu_brandid_11", "CPU brand ID string, bytes 44 - 47");
}

/// AMD/Transmeta L1 cache and TLB.
pub mod leaf_80000005 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[L1_ITLB_2M_4M_NENTRIES, L1_ITLB_2M_4M_ASSOC, L1_DTLB_2M_4M_NENTRIES, L1_DTLB_2M_4M_ASSOC, L1_ITLB_4K_NENTRIES, L1_ITLB_4K_ASSOC, L1_DTLB_4K_NENTRIES, L1_DTLB_4K_ASSOC, L1_DCACHE_LINE_SIZE, L1_DCACHE_NLINES, L1_DCACHE_ASSOC, L1_DCACHE_SIZE_KB, L1_ICACHE_LINE_SIZE, L1_ICACHE_NLINES, L1_ICACHE_ASSOC, L1_ICACHE_SIZE_KB];
    /// L1 ITLB #entries, 2M and 4M pages.
    pub const L1_ITLB_2M_4M_NENTRIES: Field = field([0x80000005, 0, 0], Eax, [7, 0], "l1_itlb_2m_4m_nentries", "L1 ITLB #entries, 2M and 4M pages");
    /// L1 ITLB associativity, 2M and 4M pages.
    pub const L1_ITLB_2M_4M_ASSOC: Field = field([0x80000005, 0, 0], Eax, [15, 8], "l1_itlb_2m_4m_assoc", "L1 ITLB associativity, 2M and 4M pages");
    /// L1 DTLB #entries, 2M and 4M pages.
    pub const L1_DTLB_2M_4M_NENTRIES: Field = field([0x80000005, 0, 0], Eax, [23, 16], "l1_dtlb_2m_4m_nentries", "L1 DTLB #entries, 2M and 4M pages");
    /// L1 DTLB associativity, 2M and 4M pages.
    pub const L1_DTLB_2M_4M_ASSOC: Field = field([0x80000005, 0, 0], Eax, [31, 24], "l1_dtlb_2m_4m_assoc", "L1 DTLB associativity, 2M and 4M pages");
    /// L1 ITLB #entries, 4K pages.
    pub const L1_ITLB_4K_NENTRIES: Field = field([0x80000005, 0, 0], Ebx, [7, 0], "l1_itlb_4k_nentries", "L1 ITLB #entries, 4K pages");
    /// L1 ITLB associativity, 4K pages.
    pub const L1_ITLB_4K_ASSOC: Field = field([0x80000005, 0, 0], Ebx, [15, 8], "l1_itlb_4k_assoc", "L1 ITLB associativity, 4K pages");
    /// L1 DTLB #entries, 4K pages.
    pub const L1_DTLB_4K_NENTRIES: Field = field([0x80000005, 0, 0], Ebx, [23, 16], "l1_dtlb_4k_nentries", "L1 DTLB #entries, 4K pages");
    /// L1 DTLB associativity, 4K pages.
    pub const L1_DTLB_4K_ASSOC: Field = field([0x80000005, 0, 0], Ebx, [31, 24], "l1_dtlb_4k_assoc", "L1 DTLB associativity, 4K pages");
    /// L1 dcache line size, in bytes.
    pub const L1_DCACHE_LINE_SIZE: Field = field([0x80000005, 0, 0], Ecx, [7, 0], "l1_dcache_line_size", "L1 dcache line size, in bytes");
    /// L1 dcache lines per tag.
    pub const L1_DCACHE_NLINES: Field = field([0x80000005, 0, 0], Ecx, [15, 8], "l1_dcache_nlines", "L1 dcache lines per tag");
    /// L1 dcache associativity.
    pub const L1_DCACHE_ASSOC: Field = field([0x80000005, 0, 0], Ecx, [23, 16], "l1_dcache_assoc", "L1 dcache associativity");
    /// L1 dcache size, in KB.
    pub const L1_DCACHE_SIZE_KB: Field = field([0x80000005, 0, 0], Ecx, [31, 24], "l1_dcache_size_kb", "L1 dcache size, in KB");
    /// L1 icache line size, in bytes.
    pub const L1_ICACHE_LINE_SIZE: Field = field([0x80000005, 0, 0], Edx, [7, 0], "l1_icache_line_size", "L1 icache line size, in bytes");
    /// L1 icache lines per tag.
    pub const L1_ICACHE_NLINES: Field = field([0x80000005, 0, 0], Edx, [15, 8], "l1_icache_nlines", "L1 icache lines per tag");
    /// L1 icache associativity.
    pub const L1_ICACHE_ASSOC: Field = field([0x80000005, 0, 0], Edx, [23, 16], "l1_icache_assoc", "L1 icache associativity");
    /// L1 icache size, in KB.
    pub const L1_ICACHE_SIZE_KB: Field = field([0x80000005, 0, 0], Edx, [31, 24], "l1_icache_size_kb", "L1 icache size, in KB");
}

/// (Mostly AMD) L2/L3 cache and TLB.
pub mod leaf_80000006 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[L2_ITLB_2M_4M_NENTRIES, L2_ITLB_2M_4M_ASSOC, L2_DTLB_2M_4M_NENTRIES, L2_DTLB_2M_4M_ASSOC, L2_ITLB_4K_NENTRIES, L2_ITLB_4K_ASSOC, L2_DTLB_4K_NENTRIES, L2_DTLB_4K_ASSOC, L2_LINE_SIZE, L2_NLINES, L2_ASSOC, L2_SIZE_KB, L3_LINE_SIZE, L3_NLINES, L3_ASSOC, L3_SIZE_RANGE];
    /// L2 iTLB #entries, 2M and 4M pages.
    pub const L2_ITLB_2M_4M_NENTRIES: Field = field([0x80000006, 0, 0], Eax, [11, 0], "l2_itlb_2m_4m_nentries", "L2 iTLB #entries, 2M and 4M pages");
    /// L2 iTLB associativity, 2M and 4M pages.
    pub const L2_ITLB_2M_4M_ASSOC: Field = field([0x80000006, 0, 0], Eax, [15, 12], "l2_itlb_2m_4m_assoc", "L2 iTLB associativity, 2M and 4M pages");
    /// L2 dTLB #entries, 2M and 4M pages.
    pub const L2_DTLB_2M_4M_NENTRIES: Field = field([0x80000006, 0, 0], Eax, [27, 16], "l2_dtlb_2m_4m_nentries", "L2 dTLB #entries, 2M and 4M pages");
    /// L2 dTLB associativity, 2M and 4M pages.
    pub const L2_DTLB_2M_4M_ASSOC: Field = field([0x80000006, 0, 0], Eax, [31, 28], "l2_dtlb_2m_4m_assoc", "L2 dTLB associativity, 2M and 4M pages");
    /// L2 iTLB #entries, 4K pages.
    pub const L2_ITLB_4K_NENTRIES: Field = field([0x80000006, 0, 0], Ebx, [11, 0], "l2_itlb_4k_nentries", "L2 iTLB #entries, 4K pages");
    /// L2 iTLB associativity, 4K pages.
    pub const L2_ITLB_4K_ASSOC: Field = field([0x80000006, 0, 0], Ebx, [15, 12], "l2_itlb_4k_assoc", "L2 iTLB associativity, 4K pages");
    /// L2 dTLB #entries, 4K pages.
    pub const L2_DTLB_4K_NENTRIES: Field = field([0x80000006, 0, 0], Ebx, [27, 16], "l2_dtlb_4k_nentries", "L2 dTLB #entries, 4K pages");
    /// L2 dTLB associativity, 4K pages.
    pub const L2_DTLB_4K_ASSOC: Field = field([0x80000006, 0, 0], Ebx, [31, 28], "l2_dtlb_4k_assoc", "L2 dTLB associativity, 4K pages");
    /// L2 cache line size, in bytes.
    pub const L2_LINE_SIZE: Field = field([0x80000006, 0, 0], Ecx, [7, 0], "l2_line_size", "L2 cache line size, in bytes");
    /// L2 cache number of lines per tag.
    pub const L2_NLINES: Field = field([0x80000006, 0, 0], Ecx, [11, 8], "l2_nlines", "L2 cache number of lines per tag");
    /// L2 cache associativity.
    pub const L2_ASSOC: Field = field([0x80000006, 0, 0], Ecx, [15, 12], "l2_assoc", "L2 cache associativity");
    /// L2 cache size, in KB.
    pub const L2_SIZE_KB: Field = field([0x80000006, 0, 0], Ecx, [31, 16], "l2_size_kb", "L2 cache size, in KB");
    /// L3 cache line size, in bytes.
    pub const L3_LINE_SIZE: Field = field([0x80000006, 0, 0], Edx, [7, 0], "l3_line_size", "L3 cache line size, in bytes");
    /// L3 cache number of lines per tag.
    pub const L3_NLINES: Field = field([0x80000006, 0, 0], Edx, [11, 8], "l3_nlines", "L3 cache number of lines per tag");
    /// L3 cache associativity.
    pub const L3_ASSOC: Field = field([0x80000006, 0, 0], Edx, [15, 12], "l3_assoc", "L3 cache associativity");
    /// L3 cache size range.
    pub const L3_SIZE_RANGE: Field = field([0x80000006, 0, 0], Edx, [31, 18], "l3_size_range", "L3 cache size range");
}

/// CPU power management (mostly AMD) and AMD RAS.
pub mod leaf_80000007 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[OVERFLOW_RECOV, SUCCOR, HW_ASSERT, SMCA, CPU_PWR_SAMPLE_RATIO, DIGITAL_TEMP, POWERNOW_FREQ_ID, POWERNOW_VOLT_ID, THERMAL_TRIP, HW_THERMAL_CONTROL, SW_THERMAL_CONTROL, _100MHZ_STEPS, HW_PSTATE, CONSTANT_TSC, CPB, EFF_FREQ_RO, PROC_FEEDBACK, ACC_POWER, CONNECTED_STANDBY, RAPL];
    /// MCA overflow conditions not fatal.
    pub const OVERFLOW_RECOV: Field = field([0x80000007, 0, 0], Ebx, [0, 0], "overflow_recov", "MCA overflow conditions not fatal");
    /// Software containment of uncorrectable errors.
    pub const SUCCOR: Field = field([0x80000007, 0, 0], Ebx, [1, 1], "succor", "Software containment of uncorrectable errors");
    /// Hardware assert MSRs.
    pub const HW_ASSERT: Field = field([0x80000007, 0, 0], Ebx, [2, 2], "hw_assert", "Hardware assert MSRs");
    /// Scalable MCA (MCAX MSRs).
    pub const SMCA: Field = field([0x80000007, 0, 0], Ebx, [3, 3], "smca", "Scalable MCA (MCAX MSRs)");
    /// CPU power sample time ratio.
    pub const CPU_PWR_SAMPLE_RATIO: Field = field([0x80000007, 0, 0], Ecx, [31, 0], "cpu_pwr_sample_ratio", "CPU power sample time ratio");
    /// Digital temperature sensor.
    pub const DIGITAL_TEMP: Field = field([0x80000007, 0, 0], Edx, [0, 0], "digital_temp", "Digital temperature sensor");
    /// PowerNOW! frequency scaling.
    pub const POWERNOW_FREQ_ID: Field = field([0x80000007, 0, 0], Edx, [1, 1], "powernow_freq_id", "PowerNOW! frequency scaling");
    /// PowerNOW! voltage scaling.
    pub const POWERNOW_VOLT_ID: Field = field([0x80000007, 0, 0], Edx, [2, 2], "powernow_volt_id", "PowerNOW! voltage scaling");
    /// THERMTRIP (Thermal Trip).
    pub const THERMAL_TRIP: Field = field([0x80000007, 0, 0], Edx, [3, 3], "thermal_trip", "THERMTRIP (Thermal Trip)");
    /// Hardware thermal control.
    pub const HW_THERMAL_CONTROL: Field = field([0x80000007, 0, 0], Edx, [4, 4], "hw_thermal_control", "Hardware thermal control");
    /// Software thermal control.
    pub const SW_THERMAL_CONTROL: Field = field([0x80000007, 0, 0], Edx, [5, 5], "sw_thermal_control", "Software thermal control");
    /// 100 MHz multiplier control.
    pub const _100MHZ_STEPS: Field = field([0x80000007, 0, 0], Edx, [6, 6], "100mhz_steps", "100 MHz multiplier control");
    /// Hardware P-state control.
    pub const HW_PSTATE: Field = field([0x80000007, 0, 0], Edx, [7, 7], "hw_pstate", "Hardware P-state control");
    /// TSC ticks at constant rate across all P and C states.
    pub const CONSTANT_TSC: Field = field([0x80000007, 0, 0], Edx, [8, 8], "constant_tsc", "TSC ticks at constant rate across all P and C states");
    /// Core performance boost.
    pub const CPB: Field = field([0x80000007, 0, 0], Edx, [9, 9], "cpb", "Core performance boost");
    /// Read-only effective frequency interface.
    pub const EFF_FREQ_RO: Field = field([0x80000007, 0, 0], Edx, [10, 10], "eff_freq_ro", "Read-only effective frequency interface");
    /// Processor feedback interface (deprecated).
    pub const PROC_FEEDBACK: Field = field([0x80000007, 0, 0], Edx, [11, 11], "proc_feedback", "Processor feedback interface (deprecated)");
    /// Processor power reporting interface.
    pub const ACC_POWER: Field = field([0x80000007, 0, 0], Edx, [12, 12], "acc_power", "Processor power reporting interface");
    /// CPU Connected Standby support.
    pub const CONNECTED_STANDBY: Field = field([0x80000007, 0, 0], Edx, [13, 13], "connected_standby", "CPU Connected Standby support");
    /// Runtime Average Power Limit interface.
    pub const RAPL: Field = field([0x80000007, 0, 0], Edx, [14, 14], "rapl", "Runtime Average Power Limit interface");
}

/// CPU capacity parameters and extended feature flags (mostly AMD).
pub mod leaf_80000008 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[PHYS_ADDR_BITS, VIRT_ADDR_BITS, GUEST_PHYS_ADDR_BITS, CLZERO, IRPERF, XSAVEERPTR, INVLPGB, RDPRU, MBA, MCOMMIT, WBNOINVD, AMD_IBPB, WBINVD_INT, AMD_IBRS, AMD_STIBP, IBRS_ALWAYS_ON, AMD_STIBP_ALWAYS_ON, IBRS_FAST, IBRS_SAME_MODE, NO_EFER_LMSLE, TLB_FLUSH_NESTED, AMD_PPIN, AMD_SSBD, VIRT_SSBD, AMD_SSB_NO, CPPC, AMD_PSFD, BTC_NO, IBPB_RET, BRS, CPU_NTHREADS, APICID_COREID_LEN, PERF_TSC_LEN, INVLPGB_MAX_PAGES, RDPRU_MAX_REG_ID];
    /// Max physical address bits.
    pub const PHYS_ADDR_BITS: Field = field([0x80000008, 0, 0], Eax, [7, 0], "phys_addr_bits", "Max physical address bits");
    /// Max virtual address bits.
    pub const VIRT_ADDR_BITS: Field = field([0x80000008, 0, 0], Eax, [15, 8], "virt_addr_bits", "Max virtual address bits");
    /// Max nested-paging guest physical address bits.
    pub const GUEST_PHYS_ADDR_BITS: Field = field([0x80000008, 0, 0], Eax, [23, 16], "guest_phys_addr_bits", "Max nested-paging guest physical address bits");
    /// CLZERO instruction.
    pub const CLZERO: Field = field([0x80000008, 0, 0], Ebx, [0, 0], "clzero", "CLZERO instruction");
    /// Instruction retired counter MSR.
    pub const IRPERF: Field = field([0x80000008, 0, 0], Ebx, [1, 1], "irperf", "Instruction retired counter MSR");
    /// XSAVE/XRSTOR always saves/restores FPU error pointers.
    pub const XSAVEERPTR: Field = field([0x80000008, 0, 0], Ebx, [2, 2], "xsaveerptr", "XSAVE/XRSTOR always saves/restores FPU error pointers");
    /// INVLPGB broadcasts a TLB invalidate.
    pub const INVLPGB: Field = field([0x80000008, 0, 0], Ebx, [3, 3], "invlpgb", "INVLPGB broadcasts a TLB invalidate");
    /// RDPRU (Read Processor Register at User level).
    pub const RDPRU: Field = field([0x80000008, 0, 0], Ebx, [4, 4], "rdpru", "RDPRU (Read Processor Register at User level)");
    /// Memory Bandwidth Allocation (AMD bit).
    pub const MBA: Field = field([0x80000008, 0, 0], Ebx, [6, 6], "mba", "Memory Bandwidth Allocation (AMD bit)");
    /// MCOMMIT instruction.
    pub const MCOMMIT: Field = field([0x80000008, 0, 0], Ebx, [8, 8], "mcommit", "MCOMMIT instruction");
    /// WBNOINVD instruction.
    pub const WBNOINVD: Field = field([0x80000008, 0, 0], Ebx, [9, 9], "wbnoinvd", "WBNOINVD instruction");
    /// Indirect Branch Prediction Barrier.
    pub const AMD_IBPB: Field = field([0x80000008, 0, 0], Ebx, [12, 12], "amd_ibpb", "Indirect Branch Prediction Barrier");
    /// Interruptible WBINVD/WBNOINVD.
    pub const WBINVD_INT: Field = field([0x80000008, 0, 0], Ebx, [13, 13], "wbinvd_int", "Interruptible WBINVD/WBNOINVD");
    /// Indirect Branch Restricted Speculation.
    pub const AMD_IBRS: Field = field([0x80000008, 0, 0], Ebx, [14, 14], "amd_ibrs", "Indirect Branch Restricted Speculation");
    /// Single Thread Indirect Branch Prediction mode.
    pub const AMD_STIBP: Field = field([0x80000008, 0, 0], Ebx, [15, 15], "amd_stibp", "Single Thread Indirect Branch Prediction mode");
    /// IBRS always-on preferred.
    pub const IBRS_ALWAYS_ON: Field = field([0x80000008, 0, 0], Ebx, [16, 16], "ibrs_always_on", "IBRS always-on preferred");
    /// STIBP always-on preferred.
    pub const AMD_STIBP_ALWAYS_ON: Field = field([0x80000008, 0, 0], Ebx, [17, 17], "amd_stibp_always_on", "STIBP always-on preferred");
    /// IBRS is preferred over software solution.
    pub const IBRS_FAST: Field = field([0x80000008, 0, 0], Ebx, [18, 18], "ibrs_fast", "IBRS is preferred over software solution");
    /// IBRS provides same mode protection.
    pub const IBRS_SAME_MODE: Field = field([0x80000008, 0, 0], Ebx, [19, 19], "ibrs_same_mode", "IBRS provides same mode protection");
    /// Long-Mode Segment Limit Enable unsupported.
    pub const NO_EFER_LMSLE: Field = field([0x80000008, 0, 0], Ebx, [20, 20], "no_efer_lmsle", "Long-Mode Segment Limit Enable unsupported");
    /// INVLPGB RAX\[5\] bit can be set.
    pub const TLB_FLUSH_NESTED: Field = field([0x80000008, 0, 0], Ebx, [21, 21], "tlb_flush_nested", "INVLPGB RAX[5] bit can be set");
    /// Protected Processor Inventory Number.
    pub const AMD_PPIN: Field = field([0x80000008, 0, 0], Ebx, [23, 23], "amd_ppin", "Protected Processor Inventory Number");
    /// Speculative Store Bypass Disable.
    pub const AMD_SSBD: Field = field([0x80000008, 0, 0], Ebx, [24, 24], "amd_ssbd", "Speculative Store Bypass Disable");
    /// virtualized SSBD (Speculative Store Bypass Disable).
    pub const VIRT_SSBD: Field = field([0x80000008, 0, 0], Ebx, [25, 25], "virt_ssbd", "virtualized SSBD (Speculative Store Bypass Disable)");
    /// SSBD is not needed (fixed in hardware).
    pub const AMD_SSB_NO: Field = field([0x80000008, 0, 0], Ebx, [26, 26], "amd_ssb_no", "SSBD is not needed (fixed in hardware)");
    /// Collaborative Processor Performance Control.
    pub const CPPC: Field = field([0x80000008, 0, 0], Ebx, [27, 27], "cppc", "Collaborative Processor Performance Control");
    /// Predictive Store Forward Disable.
    pub const AMD_PSFD: Field = field([0x80000008, 0, 0], Ebx, [28, 28], "amd_psfd", "Predictive Store Forward Disable");
    /// CPU not affected by Branch Type Confusion.
    pub const BTC_NO: Field = field([0x80000008, 0, 0], Ebx, [29, 29], "btc_no", "CPU not affected by Branch Type Confusion");
    /// IBPB clears RSB/RAS too.
    pub const IBPB_RET: Field = field([0x80000008, 0, 0], Ebx, [30, 30], "ibpb_ret", "IBPB clears RSB/RAS too");
    /// Branch Sampling.
    pub const BRS: Field = field([0x80000008, 0, 0], Ebx, [31, 31], "brs", "Branch Sampling");
    /// Number of physical threads - 1.
    pub const CPU_NTHREADS: Field = field([0x80000008, 0, 0], Ecx, [7, 0], "cpu_nthreads", "Number of physical threads - 1");
    /// Number of thread core ID bits (shift) in APIC ID.
    pub const APICID_COREID_LEN: Field = field([0x80000008, 0, 0], Ecx, [15, 12], "apicid_coreid_len", "Number of thread core ID bits (shift) in APIC ID");
    /// Performance time-stamp counter size.
    pub const PERF_TSC_LEN: Field = field([0x80000008, 0, 0], Ecx, [17, 16], "perf_tsc_len", "Performance time-stamp counter size");
    /// INVLPGB maximum page count.
    pub const INVLPGB_MAX_PAGES: Field = field([0x80000008, 0, 0], Edx, [15, 0], "invlpgb_max_pages", "INVLPGB maximum page count");
    /// RDPRU max register ID (ECX input).
    pub const RDPRU_MAX_REG_ID: Field = field([0x80000008, 0, 0], Edx, [31, 16], "rdpru_max_reg_id", "RDPRU max register ID (ECX input)");
}

/// AMD SVM (Secure Virtual Machine).
pub mod leaf_8000000a {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[SVM_VERSION, SVM_NASID, PML, NPT, LBRV, SVM_LOCK, NRIP_SAVE, TSC_SCALE, VMCB_CLEAN, FLUSHBYASID, DECODEASSISTS, PAUSEFILTER, PFTHRESHOLD, AVIC, V_VMSAVE_VMLOAD, VGIF, GMET, X2AVIC, SSS_CHECK, V_SPEC_CTRL, RO_GPT, H_MCE_OVERRIDE, TLBSYNC_INT, VNMI, IBS_VIRT, EXT_LVT_OFF_CHG, SVME_ADDR_CHK];
    /// SVM revision number.
    pub const SVM_VERSION: Field = field([0x8000000a, 0, 0], Eax, [7, 0], "svm_version", "SVM revision number");
    /// Number of address space identifiers (ASID).
    pub const SVM_NASID: Field = field([0x8000000a, 0, 0], Ebx, [31, 0], "svm_nasid", "Number of address space identifiers (ASID)");
    /// Page Modification Logging (PML).
    pub const PML: Field = field([0x8000000a, 0, 0], Ecx, [4, 4], "pml", "Page Modification Logging (PML)");
    /// Nested paging.
    pub const NPT: Field = field([0x8000000a, 0, 0], Edx, [0, 0], "npt", "Nested paging");
    /// LBR virtualization.
    pub const LBRV: Field = field([0x8000000a, 0, 0], Edx, [1, 1], "lbrv", "LBR virtualization");
    /// SVM lock.
    pub const SVM_LOCK: Field = field([0x8000000a, 0, 0], Edx, [2, 2], "svm_lock", "SVM lock");
    /// NRIP save support on #VMEXIT.
    pub const NRIP_SAVE: Field = field([0x8000000a, 0, 0], Edx, [3, 3], "nrip_save", "NRIP save support on #VMEXIT");
    /// MSR-based TSC rate control.
    pub const TSC_SCALE: Field = field([0x8000000a, 0, 0], Edx, [4, 4], "tsc_scale", "MSR-based TSC rate control");
    /// VMCB clean bits support.
    pub const VMCB_CLEAN: Field = field([0x8000000a, 0, 0], Edx, [5, 5], "vmcb_clean", "VMCB clean bits support");
    /// Flush by ASID + Extended VMCB TLB_Control.
    pub const FLUSHBYASID: Field = field([0x8000000a, 0, 0], Edx, [6, 6], "flushbyasid", "Flush by ASID + Extended VMCB TLB_Control");
    /// Decode Assists support.
    pub const DECODEASSISTS: Field = field([0x8000000a, 0, 0], Edx, [7, 7], "decodeassists", "Decode Assists support");
    /// Pause intercept filter.
    pub const PAUSEFILTER: Field = field([0x8000000a, 0, 0], Edx, [10, 10], "pausefilter", "Pause intercept filter");
    /// Pause filter threshold.
    pub const PFTHRESHOLD: Field = field([0x8000000a, 0, 0], Edx, [12, 12], "pfthreshold", "Pause filter threshold");
    /// Advanced virtual interrupt controller.
    pub const AVIC: Field = field([0x8000000a, 0, 0], Edx, [13, 13], "avic", "Advanced virtual interrupt controller");
    /// Virtual VMSAVE/VMLOAD (nested virtualization).
    pub const V_VMSAVE_VMLOAD: Field = field([0x8000000a, 0, 0], Edx, [15, 15], "v_vmsave_vmload", "Virtual VMSAVE/VMLOAD (nested virtualization)");
    /// Virtualize the Global Interrupt Flag.
    pub const VGIF: Field = field([0x8000000a, 0, 0], Edx, [16, 16], "vgif", "Virtualize the Global Interrupt Flag");
    /// Guest mode execution trap.
    pub const GMET: Field = field([0x8000000a, 0, 0], Edx, [17, 17], "gmet", "Guest mode execution trap");
    /// Virtual x2APIC.
    pub const X2AVIC: Field = field([0x8000000a, 0, 0], Edx, [18, 18], "x2avic", "Virtual x2APIC");
    /// Supervisor Shadow Stack restrictions.
    pub const SSS_CHECK: Field = field([0x8000000a, 0, 0], Edx, [19, 19], "sss_check", "Supervisor Shadow Stack restrictions");
    /// Virtual SPEC_CTRL.
    pub const V_SPEC_CTRL: Field = field([0x8000000a, 0, 0], Edx, [20, 20], "v_spec_ctrl", "Virtual SPEC_CTRL");
    /// Read-Only guest page table support.
    pub const RO_GPT: Field = field([0x8000000a, 0, 0], Edx, [21, 21], "ro_gpt", "Read-Only guest page table support");
    /// Host MCE override.
    pub const H_MCE_OVERRIDE: Field = field([0x8000000a, 0, 0], Edx, [23, 23], "h_mce_override", "Host MCE override");
    /// TLBSYNC intercept + INVLPGB/TLBSYNC in VMCB.
    pub const TLBSYNC_INT: Field = field([0x8000000a, 0, 0], Edx, [24, 24], "tlbsync_int", "TLBSYNC intercept + INVLPGB/TLBSYNC in VMCB");
    /// NMI virtualization.
    pub const VNMI: Field = field([0x8000000a, 0, 0], Edx, [25, 25], "vnmi", "NMI virtualization");
    /// IBS Virtualization.
    pub const IBS_VIRT: Field = field([0x8000000a, 0, 0], Edx, [26, 26], "ibs_virt", "IBS Virtualization");
    /// Extended LVT offset fault change.
    pub const EXT_LVT_OFF_CHG: Field = field([0x8000000a, 0, 0], Edx, [27, 27], "ext_lvt_off_chg", "Extended LVT offset fault change");
    /// Guest SVME address check.
    pub const SVME_ADDR_CHK: Field = field([0x8000000a, 0, 0], Edx, [28, 28], "svme_addr_chk", "Guest SVME address check");
}

/// AMD TLB characteristics for 1GB pages.
pub mod leaf_80000019 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[L1_ITLB_1G_NENTRIES, L1_ITLB_1G_ASSOC, L1_DTLB_1G_NENTRIES, L1_DTLB_1G_ASSOC, L2_ITLB_1G_NENTRIES, L2_ITLB_1G_ASSOC, L2_DTLB_1G_NENTRIES, L2_DTLB_1G_ASSOC];
    /// L1 iTLB #entries, 1G pages.
    pub const L1_ITLB_1G_NENTRIES: Field = field([0x80000019, 0, 0], Eax, [11, 0], "l1_itlb_1g_nentries", "L1 iTLB #entries, 1G pages");
    /// L1 iTLB associativity, 1G pages.
    pub const L1_ITLB_1G_ASSOC: Field = field([0x80000019, 0, 0], Eax, [15, 12], "l1_itlb_1g_assoc", "L1 iTLB associativity, 1G pages");
    /// L1 dTLB #entries, 1G pages.
    pub const L1_DTLB_1G_NENTRIES: Field = field([0x80000019, 0, 0], Eax, [27, 16], "l1_dtlb_1g_nentries", "L1 dTLB #entries, 1G pages");
    /// L1 dTLB associativity, 1G pages.
    pub const L1_DTLB_1G_ASSOC: Field = field([0x80000019, 0, 0], Eax, [31, 28], "l1_dtlb_1g_assoc", "L1 dTLB associativity, 1G pages");
    /// L2 iTLB #entries, 1G pages.
    pub const L2_ITLB_1G_NENTRIES: Field = field([0x80000019, 0, 0], Ebx, [11, 0], "l2_itlb_1g_nentries", "L2 iTLB #entries, 1G pages");
    /// L2 iTLB associativity, 1G pages.
    pub const L2_ITLB_1G_ASSOC: Field = field([0x80000019, 0, 0], Ebx, [15, 12], "l2_itlb_1g_assoc", "L2 iTLB associativity, 1G pages");
    /// L2 dTLB #entries, 1G pages.
    pub const L2_DTLB_1G_NENTRIES: Field = field([0x80000019, 0, 0], Ebx, [27, 16], "l2_dtlb_1g_nentries", "L2 dTLB #entries, 1G pages");
    /// L2 dTLB associativity, 1G pages.
    pub const L2_DTLB_1G_ASSOC: Field = field([0x80000019, 0, 0], Ebx, [31, 28], "l2_dtlb_1g_assoc", "L2 dTLB associativity, 1G pages");
}

/// AMD instruction optimizations.
pub mod leaf_8000001a {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[FP_128, MOVU_PREFERRED, FP_256];
    /// Internal FP/SIMD exec data path is 128-bits wide.
    pub const FP_128: Field = field([0x8000001a, 0, 0], Eax, [0, 0], "fp_128", "Internal FP/SIMD exec data path is 128-bits wide");
    /// SSE: MOVU* better than MOVL*/MOVH*.
    pub const MOVU_PREFERRED: Field = field([0x8000001a, 0, 0], Eax, [1, 1], "movu_preferred", "SSE: MOVU* better than MOVL*/MOVH*");
    /// Internal FP/SSE exec data path is 256-bits wide.
    pub const FP_256: Field = field([0x8000001a, 0, 0], Eax, [2, 2], "fp_256", "Internal FP/SSE exec data path is 256-bits wide");
}

/// AMD IBS (Instruction-Based Sampling).
pub mod leaf_8000001b {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[IBS_FLAGS, IBS_FETCH_SAMPLING, IBS_OP_SAMPLING, IBS_RDWR_OP_COUNTER, IBS_OP_COUNT, IBS_BRANCH_TARGET, IBS_OP_COUNTERS_EXT, IBS_RIP_INVALID_CHK, IBS_OP_BRANCH_FUSE, IBS_FETCH_CTL_EXT, IBS_OP_DATA_4, IBS_L3_MISS_FILTER];
    /// IBS feature flags.
    pub const IBS_FLAGS: Field = field([0x8000001b, 0, 0], Eax, [0, 0], "ibs_flags", "IBS feature flags");
    /// IBS fetch sampling.
    pub const IBS_FETCH_SAMPLING: Field = field([0x8000001b, 0, 0], Eax, [1, 1], "ibs_fetch_sampling", "IBS fetch sampling");
    /// IBS execution sampling.
    pub const IBS_OP_SAMPLING: Field = field([0x8000001b, 0, 0], Eax, [2, 2], "ibs_op_sampling", "IBS execution sampling");
    /// IBS read/write of op counter.
    pub const IBS_RDWR_OP_COUNTER: Field = field([0x8000001b, 0, 0], Eax, [3, 3], "ibs_rdwr_op_counter", "IBS read/write of op counter");
    /// IBS OP counting mode.
    pub const IBS_OP_COUNT: Field = field([0x8000001b, 0, 0], Eax, [4, 4], "ibs_op_count", "IBS OP counting mode");
    /// IBS branch target address reporting.
    pub const IBS_BRANCH_TARGET: Field = field([0x8000001b, 0, 0], Eax, [5, 5], "ibs_branch_target", "IBS branch target address reporting");
    /// IBS IbsOpCurCnt/IbsOpMaxCnt extend by 7 bits.
    pub const IBS_OP_COUNTERS_EXT: Field = field([0x8000001b, 0, 0], Eax, [6, 6], "ibs_op_counters_ext", "IBS IbsOpCurCnt/IbsOpMaxCnt extend by 7 bits");
    /// IBS invalid RIP indication.
    pub const IBS_RIP_INVALID_CHK: Field = field([0x8000001b, 0, 0], Eax, [7, 7], "ibs_rip_invalid_chk", "IBS invalid RIP indication");
    /// IBS fused branch micro-op indication.
    pub const IBS_OP_BRANCH_FUSE: Field = field([0x8000001b, 0, 0], Eax, [8, 8], "ibs_op_branch_fuse", "IBS fused branch micro-op indication");
    /// IBS Fetch Control Extended MSR.
    pub const IBS_FETCH_CTL_EXT: Field = field([0x8000001b, 0, 0], Eax, [9, 9], "ibs_fetch_ctl_ext", "IBS Fetch Control Extended MSR");
    /// IBS op data 4 MSR.
    pub const IBS_OP_DATA_4: Field = field([0x8000001b, 0, 0], Eax, [10, 10], "ibs_op_data_4", "IBS op data 4 MSR");
    /// IBS L3-miss filtering (Zen4+).
    pub const IBS_L3_MISS_FILTER: Field = field([0x8000001b, 0, 0], Eax, [11, 11], "ibs_l3_miss_filter", "IBS L3-miss filtering (Zen4+)");
}

/// AMD LWP (Lightweight Profiling).
pub mod leaf_8000001c {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[OS_LWP_AVAIL, OS_LWPVAL, OS_LWP_IRE, OS_LWP_BRE, OS_LWP_DME, OS_LWP_CNH, OS_LWP_RNH, OS_LWP_CONT, OS_LWP_PTSC, OS_LWP_INT, LWP_LWPCB_SZ, LWP_EVENT_SZ, LWP_MAX_EVENTS, LWP_EVENT_OFFSET, LWP_LATENCY_MAX, LWP_DATA_ADDR, LWP_LATENCY_RND, LWP_VERSION, LWP_BUF_MIN_SZ, LWP_BRANCH_PREDICT, LWP_IP_FILTERING, LWP_CACHE_LEVELS, LWP_CACHE_LATENCY, HW_LWP_AVAIL, HW_LWPVAL, HW_LWP_IRE, HW_LWP_BRE, HW_LWP_DME, HW_LWP_CNH, HW_LWP_RNH, HW_LWP_CONT, HW_LWP_PTSC, HW_LWP_INT];
    /// OS: LWP is available to application programs.
    pub const OS_LWP_AVAIL: Field = field([0x8000001c, 0, 0], Eax, [0, 0], "os_lwp_avail", "OS: LWP is available to application programs");
    /// OS: LWPVAL instruction.
    pub const OS_LWPVAL: Field = field([0x8000001c, 0, 0], Eax, [1, 1], "os_lwpval", "OS: LWPVAL instruction");
    /// OS: Instructions Retired Event.
    pub const OS_LWP_IRE: Field = field([0x8000001c, 0, 0], Eax, [2, 2], "os_lwp_ire", "OS: Instructions Retired Event");
    /// OS: Branch Retired Event.
    pub const OS_LWP_BRE: Field = field([0x8000001c, 0, 0], Eax, [3, 3], "os_lwp_bre", "OS: Branch Retired Event");
    /// OS: Dcache Miss Event.
    pub const OS_LWP_DME: Field = field([0x8000001c, 0, 0], Eax, [4, 4], "os_lwp_dme", "OS: Dcache Miss Event");
    /// OS: CPU Clocks Not Halted event.
    pub const OS_LWP_CNH: Field = field([0x8000001c, 0, 0], Eax, [5, 5], "os_lwp_cnh", "OS: CPU Clocks Not Halted event");
    /// OS: CPU Reference clocks Not Halted event.
    pub const OS_LWP_RNH: Field = field([0x8000001c, 0, 0], Eax, [6, 6], "os_lwp_rnh", "OS: CPU Reference clocks Not Halted event");
    /// OS: LWP sampling in continuous mode.
    pub const OS_LWP_CONT: Field = field([0x8000001c, 0, 0], Eax, [29, 29], "os_lwp_cont", "OS: LWP sampling in continuous mode");
    /// OS: Performance Time Stamp Counter in event records.
    pub const OS_LWP_PTSC: Field = field([0x8000001c, 0, 0], Eax, [30, 30], "os_lwp_ptsc", "OS: Performance Time Stamp Counter in event records");
    /// OS: Interrupt on threshold overflow.
    pub const OS_LWP_INT: Field = field([0x8000001c, 0, 0], Eax, [31, 31], "os_lwp_int", "OS: Interrupt on threshold overflow");
    /// Control Block size, in quadwords.
    pub const LWP_LWPCB_SZ: Field = field([0x8000001c, 0, 0], Ebx, [7, 0], "lwp_lwpcb_sz", "Control Block size, in quadwords");
    /// Event record size, in bytes.
    pub const LWP_EVENT_SZ: Field = field([0x8000001c, 0, 0], Ebx, [15, 8], "lwp_event_sz", "Event record size, in bytes");
    /// Max EventID supported.
    pub const LWP_MAX_EVENTS: Field = field([0x8000001c, 0, 0], Ebx, [23, 16], "lwp_max_events", "Max EventID supported");
    /// Control Block events area offset.
    pub const LWP_EVENT_OFFSET: Field = field([0x8000001c, 0, 0], Ebx, [31, 24], "lwp_event_offset", "Control Block events area offset");
    /// Cache latency counters number of bits.
    pub const LWP_LATENCY_MAX: Field = field([0x8000001c, 0, 0], Ecx, [4, 0], "lwp_latency_max", "Cache latency counters number of bits");
    /// Cache miss events report data cache address.
    pub const LWP_DATA_ADDR: Field = field([0x8000001c, 0, 0], Ecx, [5, 5], "lwp_data_addr", "Cache miss events report data cache address");
    /// Cache latency rounding amount.
    pub const LWP_LATENCY_RND: Field = field([0x8000001c, 0, 0], Ecx, [8, 6], "lwp_latency_rnd", "Cache latency rounding amount");
    /// LWP version.
    pub const LWP_VERSION: Field = field([0x8000001c, 0, 0], Ecx, [15, 9], "lwp_version", "LWP version");
    /// LWP event ring buffer min size, 32 event record units.
    pub const LWP_BUF_MIN_SZ: Field = field([0x8000001c, 0, 0], Ecx, [23, 16], "lwp_buf_min_sz", "LWP event ring buffer min size, 32 event record units");
    /// Branches Retired events can be filtered.
    pub const LWP_BRANCH_PREDICT: Field = field([0x8000001c, 0, 0], Ecx, [28, 28], "lwp_branch_predict", "Branches Retired events can be filtered");
    /// IP filtering (IPI, IPF, BaseIP, and LimitIP @ LWPCP).
    pub const LWP_IP_FILTERING: Field = field([0x8000001c, 0, 0], Ecx, [29, 29], "lwp_ip_filtering", "IP filtering (IPI, IPF, BaseIP, and LimitIP @ LWPCP)");
    /// Cache-related events: filter by cache level.
    pub const LWP_CACHE_LEVELS: Field = field([0x8000001c, 0, 0], Ecx, [30, 30], "lwp_cache_levels", "Cache-related events: filter by cache level");
    /// Cache-related events: filter by latency.
    pub const LWP_CACHE_LATENCY: Field = field([0x8000001c, 0, 0], Ecx, [31, 31], "lwp_cache_latency", "Cache-related events: filter by latency");
    /// HW: LWP available.
    pub const HW_LWP_AVAIL: Field = field([0x8000001c, 0, 0], Edx, [0, 0], "hw_lwp_avail", "HW: LWP available");
    /// HW: LWPVAL available.
    pub const HW_LWPVAL: Field = field([0x8000001c, 0, 0], Edx, [1, 1], "hw_lwpval", "HW: LWPVAL available");
    /// HW: Instructions Retired Event.
    pub const HW_LWP_IRE: Field = field([0x8000001c, 0, 0], Edx, [2, 2], "hw_lwp_ire", "HW: Instructions Retired Event");
    /// HW: Branch Retired Event.
    pub const HW_LWP_BRE: Field = field([0x8000001c, 0, 0], Edx, [3, 3], "hw_lwp_bre", "HW: Branch Retired Event");
    /// HW: Dcache Miss Event.
    pub const HW_LWP_DME: Field = field([0x8000001c, 0, 0], Edx, [4, 4], "hw_lwp_dme", "HW: Dcache Miss Event");
    /// HW: Clocks Not Halted event.
    pub const HW_LWP_CNH: Field = field([0x8000001c, 0, 0], Edx, [5, 5], "hw_lwp_cnh", "HW: Clocks Not Halted event");
    /// HW: Reference clocks Not Halted event.
    pub const HW_LWP_RNH: Field = field([0x8000001c, 0, 0], Edx, [6, 6], "hw_lwp_rnh", "HW: Reference clocks Not Halted event");
    /// HW: LWP sampling in continuous mode.
    pub const HW_LWP_CONT: Field = field([0x8000001c, 0, 0], Edx, [29, 29], "hw_lwp_cont", "HW: LWP sampling in continuous mode");
    /// HW: Performance Time Stamp Counter in event records.
    pub const HW_LWP_PTSC: Field = field([0x8000001c, 0, 0], Edx, [30, 30], "hw_lwp_ptsc", "HW: Performance Time Stamp Counter in event records");
    /// HW: Interrupt on threshold overflow.
    pub const HW_LWP_INT: Field = field([0x8000001c, 0, 0], Edx, [31, 31], "hw_lwp_int", "HW: Interrupt on threshold overflow");
}

/// AMD deterministic cache parameters.
pub mod leaf_8000001d {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CACHE_TYPE, CACHE_LEVEL, CACHE_SELF_INIT, FULLY_ASSOCIATIVE, NUM_THREADS_SHARING, CACHE_LINESIZE, CACHE_NPARTITIONS, CACHE_NWAYS, CACHE_NSETS, WBINVD_RLL_NO_GUARANTEE, LL_INCLUSIVE];
    /// Cache type field.
    pub const CACHE_TYPE: Field = field([0x8000001d, 0, 31], Eax, [4, 0], "cache_type", "Cache type field");
    /// Cache level (1-based).
    pub const CACHE_LEVEL: Field = field([0x8000001d, 0, 31], Eax, [7, 5], "cache_level", "Cache level (1-based)");
    /// Self-initializing cache level.
    pub const CACHE_SELF_INIT: Field = field([0x8000001d, 0, 31], Eax, [8, 8], "cache_self_init", "Self-initializing cache level");
    /// Fully-associative cache.
    pub const FULLY_ASSOCIATIVE: Field = field([0x8000001d, 0, 31], Eax, [9, 9], "fully_associative", "Fully-associative cache");
    /// Number of logical CPUs sharing cache.
    pub const NUM_THREADS_SHARING: Field = field([0x8000001d, 0, 31], Eax, [25, 14], "num_threads_sharing", "Number of logical CPUs sharing cache");
    /// System coherency line size (0-based).
    pub const CACHE_LINESIZE: Field = field([0x8000001d, 0, 31], Ebx, [11, 0], "cache_linesize", "System coherency line size (0-based)");
    /// Physical line partitions (0-based).
    pub const CACHE_NPARTITIONS: Field = field([0x8000001d, 0, 31], Ebx, [21, 12], "cache_npartitions", "Physical line partitions (0-based)");
    /// Ways of associativity (0-based).
    pub const CACHE_NWAYS: Field = field([0x8000001d, 0, 31], Ebx, [31, 22], "cache_nways", "Ways of associativity (0-based)");
    /// Cache number of sets (0-based).
    pub const CACHE_NSETS: Field = field([0x8000001d, 0, 31], Ecx, [30, 0], "cache_nsets", "Cache number of sets (0-based)");
    /// WBINVD/INVD not guaranteed for Remote Lower-Level caches.
    pub const WBINVD_RLL_NO_GUARANTEE: Field = field([0x8000001d, 0, 31], Edx, [0, 0], "wbinvd_rll_no_guarantee", "WBINVD/INVD not guaranteed for Remote Lower-Level caches");
    /// Cache is inclusive of Lower-Level caches.
    pub const LL_INCLUSIVE: Field = field([0x8000001d, 0, 31], Edx, [1, 1], "ll_inclusive", "Cache is inclusive of Lower-Level caches");
}

/// AMD CPU topology.
pub mod leaf_8000001e {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[EXT_APIC_ID, CORE_ID, CORE_NTHREADS, NODE_ID, NNODES_PER_SOCKET];
    /// Extended APIC ID.
    pub const EXT_APIC_ID: Field = field([0x8000001e, 0, 0], Eax, [31, 0], "ext_apic_id", "Extended APIC ID");
    /// Unique per-socket logical core unit ID.
    pub const CORE_ID: Field = field([0x8000001e, 0, 0], Ebx, [7, 0], "core_id", "Unique per-socket logical core unit ID");
    /// #Threads per core (zero-based).
    pub const CORE_NTHREADS: Field = field([0x8000001e, 0, 0], Ebx, [15, 8], "core_nthreads", "#Threads per core (zero-based)");
    /// Node (die) ID of invoking logical CPU.
    pub const NODE_ID: Field = field([0x8000001e, 0, 0], Ecx, [7, 0], "node_id", "Node (die) ID of invoking logical CPU");
    /// #nodes in invoking logical CPU's package/socket.
    pub const NNODES_PER_SOCKET: Field = field([0x8000001e, 0, 0], Ecx, [10, 8], "nnodes_per_socket", "#nodes in invoking logical CPU's package/socket");
}

/// AMD encrypted memory capabilities (SME/SEV).
pub mod leaf_8000001f {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[SME, SEV, VM_PAGE_FLUSH, SEV_ES, SEV_NESTED_PAGING, VM_PERMISSION_LEVELS, RPMQUERY, VMPL_SSS, SECURE_TSC, V_TSC_AUX, SME_COHERENT, REQ_64BIT_HYPERVISOR, RESTRICTED_INJECTION, ALTERNATE_INJECTION, DEBUG_SWAP, DISALLOW_HOST_IBS, VIRT_TRANSPARENT_ENC, VMGEXIT_PARAMETER, VIRT_TOM_MSR, VIRT_IBS, VMSA_REG_PROTECTION, SMT_PROTECTION, SVSM_PAGE_MSR, NESTED_VIRT_SNP_MSR, PTE_CBIT_POS, PHYS_ADDR_REDUCTION_NBITS, VMPL_COUNT, ENC_GUESTS_MAX, MIN_SEV_ASID_NO_SEV_ES];
    /// Secure Memory Encryption.
    pub const SME: Field = field([0x8000001f, 0, 0], Eax, [0, 0], "sme", "Secure Memory Encryption");
    /// Secure Encrypted Virtualization.
    pub const SEV: Field = field([0x8000001f, 0, 0], Eax, [1, 1], "sev", "Secure Encrypted Virtualization");
    /// VM Page Flush MSR.
    pub const VM_PAGE_FLUSH: Field = field([0x8000001f, 0, 0], Eax, [2, 2], "vm_page_flush", "VM Page Flush MSR");
    /// SEV Encrypted State.
    pub const SEV_ES: Field = field([0x8000001f, 0, 0], Eax, [3, 3], "sev_es", "SEV Encrypted State");
    /// SEV secure nested paging.
    pub const SEV_NESTED_PAGING: Field = field([0x8000001f, 0, 0], Eax, [4, 4], "sev_nested_paging", "SEV secure nested paging");
    /// VMPL.
    pub const VM_PERMISSION_LEVELS: Field = field([0x8000001f, 0, 0], Eax, [5, 5], "vm_permission_levels", "VMPL");
    /// RPMQUERY instruction.
    pub const RPMQUERY: Field = field([0x8000001f, 0, 0], Eax, [6, 6], "rpmquery", "RPMQUERY instruction");
    /// VMPL supervisor shadow stack.
    pub const VMPL_SSS: Field = field([0x8000001f, 0, 0], Eax, [7, 7], "vmpl_sss", "VMPL supervisor shadow stack");
    /// Secure TSC.
    pub const SECURE_TSC: Field = field([0x8000001f, 0, 0], Eax, [8, 8], "secure_tsc", "Secure TSC");
    /// Hardware virtualizes TSC_AUX.
    pub const V_TSC_AUX: Field = field([0x8000001f, 0, 0], Eax, [9, 9], "v_tsc_aux", "Hardware virtualizes TSC_AUX");
    /// Cache coherency enforcement across encryption domains.
    pub const SME_COHERENT: Field = field([0x8000001f, 0, 0], Eax, [10, 10], "sme_coherent", "Cache coherency enforcement across encryption domains");
    /// SEV guest mandates 64-bit hypervisor.
    pub const REQ_64BIT_HYPERVISOR: Field = field([0x8000001f, 0, 0], Eax, [11, 11], "req_64bit_hypervisor", "SEV guest mandates 64-bit hypervisor");
    /// Restricted Injection supported.
    pub const RESTRICTED_INJECTION: Field = field([0x8000001f, 0, 0], Eax, [12, 12], "restricted_injection", "Restricted Injection supported");
    /// Alternate Injection supported.
    pub const ALTERNATE_INJECTION: Field = field([0x8000001f, 0, 0], Eax, [13, 13], "alternate_injection", "Alternate Injection supported");
    /// SEV-ES: Full debug state swap.
    pub const DEBUG_SWAP: Field = field([0x8000001f, 0, 0], Eax, [14, 14], "debug_swap", "SEV-ES: Full debug state swap");
    /// SEV-ES: Disallowing IBS use by the host.
    pub const DISALLOW_HOST_IBS: Field = field([0x8000001f, 0, 0], Eax, [15, 15], "disallow_host_ibs", "SEV-ES: Disallowing IBS use by the host");
    /// Virtual Transparent Encryption.
    pub const VIRT_TRANSPARENT_ENC: Field = field([0x8000001f, 0, 0], Eax, [16, 16], "virt_transparent_enc", "Virtual Transparent Encryption");
    /// SEV_FEATURES: VmgexitParameter.
    pub const VMGEXIT_PARAMETER: Field = field([0x8000001f, 0, 0], Eax, [17, 17], "vmgexit_parameter", "SEV_FEATURES: VmgexitParameter");
    /// Virtual TOM MSR.
    pub const VIRT_TOM_MSR: Field = field([0x8000001f, 0, 0], Eax, [18, 18], "virt_tom_msr", "Virtual TOM MSR");
    /// SEV-ES guests: IBS state virtualization.
    pub const VIRT_IBS: Field = field([0x8000001f, 0, 0], Eax, [19, 19], "virt_ibs", "SEV-ES guests: IBS state virtualization");
    /// VMSA register protection.
    pub const VMSA_REG_PROTECTION: Field = field([0x8000001f, 0, 0], Eax, [24, 24], "vmsa_reg_protection", "VMSA register protection");
    /// SMT protection.
    pub const SMT_PROTECTION: Field = field([0x8000001f, 0, 0], Eax, [25, 25], "smt_protection", "SMT protection");
    /// SVSM communication page MSR.
    pub const SVSM_PAGE_MSR: Field = field([0x8000001f, 0, 0], Eax, [28, 28], "svsm_page_msr", "SVSM communication page MSR");
    /// VIRT_RMPUPDATE/VIRT_PSMASH MSRs.
    pub const NESTED_VIRT_SNP_MSR: Field = field([0x8000001f, 0, 0], Eax, [29, 29], "nested_virt_snp_msr", "VIRT_RMPUPDATE/VIRT_PSMASH MSRs");
    /// PTE bit number to enable memory encryption.
    pub const PTE_CBIT_POS: Field = field([0x8000001f, 0, 0], Ebx, [5, 0], "pte_cbit_pos", "PTE bit number to enable memory encryption");
    /// Reduction of phys address space in bits.
    pub const PHYS_ADDR_REDUCTION_NBITS: Field = field([0x8000001f, 0, 0], Ebx, [11, 6], "phys_addr_reduction_nbits", "Reduction of phys address space in bits");
    /// Number of VM permission levels (VMPL).
    pub const VMPL_COUNT: Field = field([0x8000001f, 0, 0], Ebx, [15, 12], "vmpl_count", "Number of VM permission levels (VMPL)");
    /// Max number of simultaneous encrypted guests.
    pub const ENC_GUESTS_MAX: Field = field([0x8000001f, 0, 0], Ecx, [31, 0], "enc_guests_max", "Max number of simultaneous encrypted guests");
    /// Minimum ASID for SEV-enabled SEV-ES-disabled guest.
    pub const MIN_SEV_ASID_NO_SEV_ES: Field = field([0x8000001f, 0, 0], Edx, [31, 0], "min_sev_asid_no_sev_es", "Minimum ASID for SEV-enabled SEV-ES-disabled guest");
}

/// AMD PQoS (Platform QoS) extended features.
pub mod leaf_80000020 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[MBA, SMBA, BMEC, L3RR, ABMC, SDCIAE, MBA_LIMIT_LEN, MBA_COS_MAX, SMBA_LIMIT_LEN, SMBA_COS_MAX, BMEC_NUM_EVENTS, BMEC_LOCAL_READS, BMEC_REMOTE_READS, BMEC_LOCAL_NONTEMP_WR, BMEC_REMOTE_NONTEMP_WR, BMEC_LOCAL_SLOW_MEM_RD, BMEC_REMOTE_SLOW_MEM_RD, BMEC_ALL_DIRTY_VICTIMS];
    /// Memory Bandwidth Allocation support.
    pub const MBA: Field = field([0x80000020, 0, 0], Ebx, [1, 1], "mba", "Memory Bandwidth Allocation support");
    /// Slow Memory Bandwidth Allocation support.
    pub const SMBA: Field = field([0x80000020, 0, 0], Ebx, [2, 2], "smba", "Slow Memory Bandwidth Allocation support");
    /// Bandwidth Monitoring Event Configuration support.
    pub const BMEC: Field = field([0x80000020, 0, 0], Ebx, [3, 3], "bmec", "Bandwidth Monitoring Event Configuration support");
    /// L3 Range Reservation support.
    pub const L3RR: Field = field([0x80000020, 0, 0], Ebx, [4, 4], "l3rr", "L3 Range Reservation support");
    /// Assignable Bandwidth Monitoring Counters.
    pub const ABMC: Field = field([0x80000020, 0, 0], Ebx, [5, 5], "abmc", "Assignable Bandwidth Monitoring Counters");
    /// Smart Data Cache Injection (SDCI) Allocation Enforcement.
    pub const SDCIAE: Field = field([0x80000020, 0, 0], Ebx, [6, 6], "sdciae", "Smart Data Cache Injection (SDCI) Allocation Enforcement");
    /// MBA enforcement limit size.
    pub const MBA_LIMIT_LEN: Field = field([0x80000020, 1, 1], Eax, [31, 0], "mba_limit_len", "MBA enforcement limit size");
    /// MBA max Class of Service number (zero-based).
    pub const MBA_COS_MAX: Field = field([0x80000020, 1, 1], Edx, [31, 0], "mba_cos_max", "MBA max Class of Service number (zero-based)");
    /// SMBA enforcement limit size.
    pub const SMBA_LIMIT_LEN: Field = field([0x80000020, 2, 2], Eax, [31, 0], "smba_limit_len", "SMBA enforcement limit size");
    /// SMBA max Class of Service number (zero-based).
    pub const SMBA_COS_MAX: Field = field([0x80000020, 2, 2], Edx, [31, 0], "smba_cos_max", "SMBA max Class of Service number (zero-based)");
    /// BMEC number of bandwidth events available.
    pub const BMEC_NUM_EVENTS: Field = field([0x80000020, 3, 3], Ebx, [7, 0], "bmec_num_events", "BMEC number of bandwidth events available");
    /// Local NUMA reads can be tracked.
    pub const BMEC_LOCAL_READS: Field = field([0x80000020, 3, 3], Ecx, [0, 0], "bmec_local_reads", "Local NUMA reads can be tracked");
    /// Remote NUMA reads can be tracked.
    pub const BMEC_REMOTE_READS: Field = field([0x80000020, 3, 3], Ecx, [1, 1], "bmec_remote_reads", "Remote NUMA reads can be tracked");
    /// Local NUMA non-temporal writes can be tracked.
    pub const BMEC_LOCAL_NONTEMP_WR: Field = field([0x80000020, 3, 3], Ecx, [2, 2], "bmec_local_nontemp_wr", "Local NUMA non-temporal writes can be tracked");
    /// Remote NUMA non-temporal writes can be tracked.
    pub const BMEC_REMOTE_NONTEMP_WR: Field = field([0x80000020, 3, 3], Ecx, [3, 3], "bmec_remote_nontemp_wr", "Remote NUMA non-temporal writes can be tracked");
    /// Local NUMA slow-memory reads can be tracked.
    pub const BMEC_LOCAL_SLOW_MEM_RD: Field = field([0x80000020, 3, 3], Ecx, [4, 4], "bmec_local_slow_mem_rd", "Local NUMA slow-memory reads can be tracked");
    /// Remote NUMA slow-memory reads can be tracked.
    pub const BMEC_REMOTE_SLOW_MEM_RD: Field = field([0x80000020, 3, 3], Ecx, [5, 5], "bmec_remote_slow_mem_rd", "Remote NUMA slow-memory reads can be tracked");
    /// Dirty QoS victims to all types of memory can be tracked.
    pub const BMEC_ALL_DIRTY_VICTIMS: Field = field([0x80000020, 3, 3], Ecx, [6, 6], "bmec_all_dirty_victims", "Dirty QoS victims to all types of memory can be tracked");
}

/// AMD extended CPU features 2.
pub mod leaf_80000021 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[NO_NESTED_DATA_BP, FSGS_NON_SERIALIZING, LFENCE_RDTSC, SMM_PAGE_CFG_LOCK, NULL_SEL_CLR_BASE, UPPER_ADDR_IGNORE, AUTOIBRS, NO_SMM_CTL_MSR, FSRS, FSRC, PREFETCH_CTL_MSR, OPCODE_RECLAIM, USER_CPUID_DISABLE, EPSF, WL_FEEDBACK, ERAPS, SBPB, IBPB_BRTYPE, SRSO_NO, SRSO_UK_NO, SRSO_MSR_FIX, MICROCODE_PATCH_SIZE, RAP_SIZE];
    /// No nested data breakpoints.
    pub const NO_NESTED_DATA_BP: Field = field([0x80000021, 0, 0], Eax, [0, 0], "no_nested_data_bp", "No nested data breakpoints");
    /// WRMSR to {FS,GS,KERNEL_GS}_BASE is non-serializing.
    pub const FSGS_NON_SERIALIZING: Field = field([0x80000021, 0, 0], Eax, [1, 1], "fsgs_non_serializing", "WRMSR to {FS,GS,KERNEL_GS}_BASE is non-serializing");
    /// LFENCE always serializing / synchronizes RDTSC.
    pub const LFENCE_RDTSC: Field = field([0x80000021, 0, 0], Eax, [2, 2], "lfence_rdtsc", "LFENCE always serializing / synchronizes RDTSC");
    /// SMM paging configuration lock.
    pub const SMM_PAGE_CFG_LOCK: Field = field([0x80000021, 0, 0], Eax, [3, 3], "smm_page_cfg_lock", "SMM paging configuration lock");
    /// Null selector clears base.
    pub const NULL_SEL_CLR_BASE: Field = field([0x80000021, 0, 0], Eax, [6, 6], "null_sel_clr_base", "Null selector clears base");
    /// EFER MSR Upper Address Ignore.
    pub const UPPER_ADDR_IGNORE: Field = field([0x80000021, 0, 0], Eax, [7, 7], "upper_addr_ignore", "EFER MSR Upper Address Ignore");
    /// EFER MSR Automatic IBRS.
    pub const AUTOIBRS: Field = field([0x80000021, 0, 0], Eax, [8, 8], "autoibrs", "EFER MSR Automatic IBRS");
    /// SMM_CTL MSR not available.
    pub const NO_SMM_CTL_MSR: Field = field([0x80000021, 0, 0], Eax, [9, 9], "no_smm_ctl_msr", "SMM_CTL MSR not available");
    /// Fast Short REP STOSB.
    pub const FSRS: Field = field([0x80000021, 0, 0], Eax, [10, 10], "fsrs", "Fast Short REP STOSB");
    /// Fast Short REP CMPSB.
    pub const FSRC: Field = field([0x80000021, 0, 0], Eax, [11, 11], "fsrc", "Fast Short REP CMPSB");
    /// Prefetch control MSR.
    pub const PREFETCH_CTL_MSR: Field = field([0x80000021, 0, 0], Eax, [13, 13], "prefetch_ctl_msr", "Prefetch control MSR");
    /// Reserves opcode space.
    pub const OPCODE_RECLAIM: Field = field([0x80000021, 0, 0], Eax, [16, 16], "opcode_reclaim", "Reserves opcode space");
    /// #GP when executing CPUID at CPL > 0.
    pub const USER_CPUID_DISABLE: Field = field([0x80000021, 0, 0], Eax, [17, 17], "user_cpuid_disable", "#GP when executing CPUID at CPL > 0");
    /// Enhanced Predictive Store Forwarding.
    pub const EPSF: Field = field([0x80000021, 0, 0], Eax, [18, 18], "epsf", "Enhanced Predictive Store Forwarding");
    /// Workload-based heuristic feedback to OS.
    pub const WL_FEEDBACK: Field = field([0x80000021, 0, 0], Eax, [22, 22], "wl_feedback", "Workload-based heuristic feedback to OS");
    /// Enhanced Return Address Predictor Security.
    pub const ERAPS: Field = field([0x80000021, 0, 0], Eax, [24, 24], "eraps", "Enhanced Return Address Predictor Security");
    /// Selective Branch Predictor Barrier.
    pub const SBPB: Field = field([0x80000021, 0, 0], Eax, [27, 27], "sbpb", "Selective Branch Predictor Barrier");
    /// Branch predictions flushed from CPU branch predictor.
    pub const IBPB_BRTYPE: Field = field([0x80000021, 0, 0], Eax, [28, 28], "ibpb_brtype", "Branch predictions flushed from CPU branch predictor");
    /// No SRSO vulnerability.
    pub const SRSO_NO: Field = field([0x80000021, 0, 0], Eax, [29, 29], "srso_no", "No SRSO vulnerability");
    /// No SRSO at user-kernel boundary.
    pub const SRSO_UK_NO: Field = field([0x80000021, 0, 0], Eax, [30, 30], "srso_uk_no", "No SRSO at user-kernel boundary");
    /// MSR BP_CFG\[BpSpecReduce\] SRSO mitigation.
    pub const SRSO_MSR_FIX: Field = field([0x80000021, 0, 0], Eax, [31, 31], "srso_msr_fix", "MSR BP_CFG[BpSpecReduce] SRSO mitigation");
    /// Microcode patch size, in 16-byte units.
    pub const MICROCODE_PATCH_SIZE: Field = field([0x80000021, 0, 0], Ebx, [15, 0], "microcode_patch_size", "Microcode patch size, in 16-byte units");
    /// Return Address Predictor size.
    pub const RAP_SIZE: Field = field([0x80000021, 0, 0], Ebx, [23, 16], "rap_size", "Return Address Predictor size");
}

/// AMD extended performance monitoring.
pub mod leaf_80000022 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[PERFMON_V2, LBR_V2, LBR_PMC_FREEZE, N_PMC_CORE, LBR_V2_STACK_SIZE, N_PMC_NORTHBRIDGE, N_PMC_UMC, ACTIVE_UMC_BITMASK];
    /// Performance monitoring v2.
    pub const PERFMON_V2: Field = field([0x80000022, 0, 0], Eax, [0, 0], "perfmon_v2", "Performance monitoring v2");
    /// Last Branch Record v2 extensions (LBR Stack).
    pub const LBR_V2: Field = field([0x80000022, 0, 0], Eax, [1, 1], "lbr_v2", "Last Branch Record v2 extensions (LBR Stack)");
    /// Freezing core performance counters / LBR Stack.
    pub const LBR_PMC_FREEZE: Field = field([0x80000022, 0, 0], Eax, [2, 2], "lbr_pmc_freeze", "Freezing core performance counters / LBR Stack");
    /// Number of core performance counters.
    pub const N_PMC_CORE: Field = field([0x80000022, 0, 0], Ebx, [3, 0], "n_pmc_core", "Number of core performance counters");
    /// Number of LBR stack entries.
    pub const LBR_V2_STACK_SIZE: Field = field([0x80000022, 0, 0], Ebx, [9, 4], "lbr_v2_stack_size", "Number of LBR stack entries");
    /// Number of northbridge performance counters.
    pub const N_PMC_NORTHBRIDGE: Field = field([0x80000022, 0, 0], Ebx, [15, 10], "n_pmc_northbridge", "Number of northbridge performance counters");
    /// Number of UMC performance counters.
    pub const N_PMC_UMC: Field = field([0x80000022, 0, 0], Ebx, [21, 16], "n_pmc_umc", "Number of UMC performance counters");
    /// Active UMCs bitmask.
    pub const ACTIVE_UMC_BITMASK: Field = field([0x80000022, 0, 0], Ecx, [31, 0], "active_umc_bitmask", "Active UMCs bitmask");
}

/// AMD multi-key encrypted memory.
pub mod leaf_80000023 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[MEM_HMK_MODE, MEM_HMK_AVAIL_KEYS];
    /// MEM-HMK encryption mode.
    pub const MEM_HMK_MODE: Field = field([0x80000023, 0, 0], Eax, [0, 0], "mem_hmk_mode", "MEM-HMK encryption mode");
    /// Total number of available encryption keys.
    pub const MEM_HMK_AVAIL_KEYS: Field = field([0x80000023, 0, 0], Ebx, [15, 0], "mem_hmk_avail_keys", "Total number of available encryption keys");
}

/// AMD extended CPU topology.
pub mod leaf_80000026 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[X2APIC_ID_SHIFT, CORE_HAS_PWREFF_RANKING, DOMAIN_HAS_HYBRID_CORES, DOMAIN_CORE_COUNT_ASYMM, DOMAIN_LCPUS_COUNT, CORE_PWREFF_RANKING, CORE_NATIVE_MODEL_ID, CORE_TYPE, DOMAIN_LEVEL, DOMAIN_TYPE, X2APIC_ID];
    /// Bit width of this level (previous levels inclusive).
    pub const X2APIC_ID_SHIFT: Field = field([0x80000026, 0, 3], Eax, [4, 0], "x2apic_id_shift", "Bit width of this level (previous levels inclusive)");
    /// This core has a power efficiency ranking.
    pub const CORE_HAS_PWREFF_RANKING: Field = field([0x80000026, 0, 3], Eax, [29, 29], "core_has_pwreff_ranking", "This core has a power efficiency ranking");
    /// This domain level has hybrid (E, P) cores.
    pub const DOMAIN_HAS_HYBRID_CORES: Field = field([0x80000026, 0, 3], Eax, [30, 30], "domain_has_hybrid_cores", "This domain level has hybrid (E, P) cores");
    /// The 'Core' domain has asymmetric cores count.
    pub const DOMAIN_CORE_COUNT_ASYMM: Field = field([0x80000026, 0, 3], Eax, [31, 31], "domain_core_count_asymm", "The 'Core' domain has asymmetric cores count");
    /// Number of logical CPUs at this domain instance.
    pub const DOMAIN_LCPUS_COUNT: Field = field([0x80000026, 0, 3], Ebx, [15, 0], "domain_lcpus_count", "Number of logical CPUs at this domain instance");
    /// This core's static power efficiency ranking.
    pub const CORE_PWREFF_RANKING: Field = field([0x80000026, 0, 3], Ebx, [23, 16], "core_pwreff_ranking", "This core's static power efficiency ranking");
    /// This core's native model ID.
    pub const CORE_NATIVE_MODEL_ID: Field = field([0x80000026, 0, 3], Ebx, [27, 24], "core_native_model_id", "This core's native model ID");
    /// This core's type.
    pub const CORE_TYPE: Field = field([0x80000026, 0, 3], Ebx, [31, 28], "core_type", "This core's type");
    /// This domain level (subleaf ID).
    pub const DOMAIN_LEVEL: Field = field([0x80000026, 0, 3], Ecx, [7, 0], "domain_level", "This domain level (subleaf ID)");
    /// This domain type.
    pub const DOMAIN_TYPE: Field = field([0x80000026, 0, 3], Ecx, [15, 8], "domain_type", "This domain type");
    /// x2APIC ID of current logical CPU.
    pub const X2APIC_ID: Field = field([0x80000026, 0, 3], Edx, [31, 0], "x2apic_id", "x2APIC ID of current logical CPU");
}

/// Maximum Transmeta leaf + CPU vendor string.
pub mod leaf_80860000 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[MAX_TRA_LEAF, CPU_VENDORID_0, CPU_VENDORID_2, CPU_VENDORID_1];
    /// Maximum Transmeta leaf.
    pub const MAX_TRA_LEAF: Field = field([0x80860000, 0, 0], Eax, [31, 0], "max_tra_leaf", "Maximum Transmeta leaf");
    /// Transmeta vendor ID string bytes 0 - 3.
    pub const CPU_VENDORID_0: Field = field([0x80860000, 0, 0], Ebx, [31, 0], "cpu_vendorid_0", "Transmeta vendor ID string bytes 0 - 3");
    /// Transmeta vendor ID string bytes 8 - 11.
    pub const CPU_VENDORID_2: Field = field([0x80860000, 0, 0], Ecx, [31, 0], "cpu_vendorid_2", "Transmeta vendor ID string bytes 8 - 11");
    /// Transmeta vendor ID string bytes 4 - 7.
    pub const CPU_VENDORID_1: Field = field([0x80860000, 0, 0], Edx, [31, 0], "cpu_vendorid_1", "Transmeta vendor ID string bytes 4 - 7");
}

/// Transmeta extended CPU features.
pub mod leaf_80860001 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[STEPPING, BASE_MODEL, BASE_FAMILY_ID, CPU_TYPE, CPU_REV_MASK_MINOR, CPU_REV_MASK_MAJOR, CPU_REV_MINOR, CPU_REV_MAJOR, CPU_BASE_MHZ, RECOVERY, LONGRUN, LRTI];
    /// Stepping ID.
    pub const STEPPING: Field = field([0x80860001, 0, 0], Eax, [3, 0], "stepping", "Stepping ID");
    /// Base CPU model ID.
    pub const BASE_MODEL: Field = field([0x80860001, 0, 0], Eax, [7, 4], "base_model", "Base CPU model ID");
    /// Base CPU family ID.
    pub const BASE_FAMILY_ID: Field = field([0x80860001, 0, 0], Eax, [11, 8], "base_family_id", "Base CPU family ID");
    /// CPU type.
    pub const CPU_TYPE: Field = field([0x80860001, 0, 0], Eax, [13, 12], "cpu_type", "CPU type");
    /// CPU revision ID, mask minor.
    pub const CPU_REV_MASK_MINOR: Field = field([0x80860001, 0, 0], Ebx, [7, 0], "cpu_rev_mask_minor", "CPU revision ID, mask minor");
    /// CPU revision ID, mask major.
    pub const CPU_REV_MASK_MAJOR: Field = field([0x80860001, 0, 0], Ebx, [15, 8], "cpu_rev_mask_major", "CPU revision ID, mask major");
    /// CPU revision ID, minor.
    pub const CPU_REV_MINOR: Field = field([0x80860001, 0, 0], Ebx, [23, 16], "cpu_rev_minor", "CPU revision ID, minor");
    /// CPU revision ID, major.
    pub const CPU_REV_MAJOR: Field = field([0x80860001, 0, 0], Ebx, [31, 24], "cpu_rev_major", "CPU revision ID, major");
    /// CPU nominal frequency, in MHz.
    pub const CPU_BASE_MHZ: Field = field([0x80860001, 0, 0], Ecx, [31, 0], "cpu_base_mhz", "CPU nominal frequency, in MHz");
    /// Recovery CMS is active (after bad flush).
    pub const RECOVERY: Field = field([0x80860001, 0, 0], Edx, [0, 0], "recovery", "Recovery CMS is active (after bad flush)");
    /// LongRun power management capabilities.
    pub const LONGRUN: Field = field([0x80860001, 0, 0], Edx, [1, 1], "longrun", "LongRun power management capabilities");
    /// LongRun Table Interface.
    pub const LRTI: Field = field([0x80860001, 0, 0], Edx, [3, 3], "lrti", "LongRun Table Interface");
}

/// Transmeta CMS (Code Morphing Software).
pub mod leaf_80860002 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CPU_REV_ID, CMS_REV_MASK_2, CMS_REV_MASK_1, CMS_REV_MINOR, CMS_REV_MAJOR, CMS_REV_MASK_3];
    /// CPU revision ID.
    pub const CPU_REV_ID: Field = field([0x80860002, 0, 0], Eax, [31, 0], "cpu_rev_id", "CPU revision ID");
    /// CMS revision ID, mask component 2.
    pub const CMS_REV_MASK_2: Field = field([0x80860002, 0, 0], Ebx, [7, 0], "cms_rev_mask_2", "CMS revision ID, mask component 2");
    /// CMS revision ID, mask component 1.
    pub const CMS_REV_MASK_1: Field = field([0x80860002, 0, 0], Ebx, [15, 8], "cms_rev_mask_1", "CMS revision ID, mask component 1");
    /// CMS revision ID, minor.
    pub const CMS_REV_MINOR: Field = field([0x80860002, 0, 0], Ebx, [23, 16], "cms_rev_minor", "CMS revision ID, minor");
    /// CMS revision ID, major.
    pub const CMS_REV_MAJOR: Field = field([0x80860002, 0, 0], Ebx, [31, 24], "cms_rev_major", "CMS revision ID, major");
    /// CMS revision ID, mask component 3.
    pub const CMS_REV_MASK_3: Field = field([0x80860002, 0, 0], Ecx, [31, 0], "cms_rev_mask_3", "CMS revision ID, mask component 3");
}

/// Transmeta CPU information string, bytes 0 - 15.
pub mod leaf_80860003 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CPU_INFO_0, CPU_INFO_1, CPU_INFO_2, CPU_INFO_3];
    /// CPU info string bytes 0 - 3.
    pub const CPU_INFO_0: Field = field([0x80860003, 0, 0], Eax, [31, 0], "cpu_info_0", "CPU info string bytes 0 - 3");
    /// CPU info string bytes 4 - 7.
    pub const CPU_INFO_1: Field = field([0x80860003, 0, 0], Ebx, [31, 0], "cpu_info_1", "CPU info string bytes 4 - 7");
    /// CPU info string bytes 8 - 11.
    pub const CPU_INFO_2: Field = field([0x80860003, 0, 0], Ecx, [31, 0], "cpu_info_2", "CPU info string bytes 8 - 11");
    /// CPU info string bytes 12 - 15.
    pub const CPU_INFO_3: Field = field([0x80860003, 0, 0], Edx, [31, 0], "cpu_info_3", "CPU info string bytes 12 - 15");
}

/// Transmeta CPU information string, bytes 16 - 31.
pub mod leaf_80860004 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CPU_INFO_4, CPU_INFO_5, CPU_INFO_6, CPU_INFO_7];
    /// CPU info string bytes 16 - 19.
    pub const CPU_INFO_4: Field = field([0x80860004, 0, 0], Eax, [31, 0], "cpu_info_4", "CPU info string bytes 16 - 19");
    /// CPU info string bytes 20 - 23.
    pub const CPU_INFO_5: Field = field([0x80860004, 0, 0], Ebx, [31, 0], "cpu_info_5", "CPU info string bytes 20 - 23");
    /// CPU info string bytes 24 - 27.
    pub const CPU_INFO_6: Field = field([0x80860004, 0, 0], Ecx, [31, 0], "cpu_info_6", "CPU info string bytes 24 - 27");
    /// CPU info string bytes 28 - 31.
    pub const CPU_INFO_7: Field = field([0x80860004, 0, 0], Edx, [31, 0], "cpu_info_7", "CPU info string bytes 28 - 31");
}

/// Transmeta CPU information string, bytes 32 - 47.
pub mod leaf_80860005 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CPU_INFO_8, CPU_INFO_9, CPU_INFO_10, CPU_INFO_11];
    /// CPU info string bytes 32 - 35.
    pub const CPU_INFO_8: Field = field([0x80860005, 0, 0], Eax, [31, 0], "cpu_info_8", "CPU info string bytes 32 - 35");
    /// CPU info string bytes 36 - 39.
    pub const CPU_INFO_9: Field = field([0x80860005, 0, 0], Ebx, [31, 0], "cpu_info_9", "CPU info string bytes 36 - 39");
    /// CPU info string bytes 40 - 43.
    pub const CPU_INFO_10: Field = field([0x80860005, 0, 0], Ecx, [31, 0], "cpu_info_10", "CPU info string bytes 40 - 43");
    /// CPU info string bytes 44 - 47.
    pub const CPU_INFO_11: Field = field([0x80860005, 0, 0], Edx, [31, 0], "cpu_info_11", "CPU info string bytes 44 - 47");
}

/// Transmeta CPU information string, bytes 48 - 63.
pub mod leaf_80860006 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CPU_INFO_12, CPU_INFO_13, CPU_INFO_14, CPU_INFO_15];
    /// CPU info string bytes 48 - 51.
    pub const CPU_INFO_12: Field = field([0x80860006, 0, 0], Eax, [31, 0], "cpu_info_12", "CPU info string bytes 48 - 51");
    /// CPU info string bytes 52 - 55.
    pub const CPU_INFO_13: Field = field([0x80860006, 0, 0], Ebx, [31, 0], "cpu_info_13", "CPU info string bytes 52 - 55");
    /// CPU info string bytes 56 - 59.
    pub const CPU_INFO_14: Field = field([0x80860006, 0, 0], Ecx, [31, 0], "cpu_info_14", "CPU info string bytes 56 - 59");
    /// CPU info string bytes 60 - 63.
    pub const CPU_INFO_15: Field = field([0x80860006, 0, 0], Edx, [31, 0], "cpu_info_15", "CPU info string bytes 60 - 63");
}

/// Transmeta live CPU information.
pub mod leaf_80860007 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CPU_CUR_MHZ, CPU_CUR_VOLTAGE, CPU_CUR_PERF_PCTG, CPU_CUR_GATE_DELAY];
    /// Current CPU frequency, in MHz.
    pub const CPU_CUR_MHZ: Field = field([0x80860007, 0, 0], Eax, [31, 0], "cpu_cur_mhz", "Current CPU frequency, in MHz");
    /// Current CPU voltage, in millivolts.
    pub const CPU_CUR_VOLTAGE: Field = field([0x80860007, 0, 0], Ebx, [31, 0], "cpu_cur_voltage", "Current CPU voltage, in millivolts");
    /// Current CPU performance percentage, 0 - 100.
    pub const CPU_CUR_PERF_PCTG: Field = field([0x80860007, 0, 0], Ecx, [31, 0], "cpu_cur_perf_pctg", "Current CPU performance percentage, 0 - 100");
    /// Current CPU gate delay, in femtoseconds.
    pub const CPU_CUR_GATE_DELAY: Field = field([0x80860007, 0, 0], Edx, [31, 0], "cpu_cur_gate_delay", "Current CPU gate delay, in femtoseconds");
}

/// Maximum Centaur/Zhaoxin leaf.
pub mod leaf_c0000000 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[MAX_CNTR_LEAF];
    /// Maximum Centaur/Zhaoxin leaf.
    pub const MAX_CNTR_LEAF: Field = field([0xc0000000, 0, 0], Eax, [31, 0], "max_cntr_leaf", "Maximum Centaur/Zhaoxin leaf");
}

/// Centaur/Zhaoxin extended CPU features.
pub mod leaf_c0000001 {
    use super::*;

    /// All of its fields.
    pub static FIELDS: &[Field] = &[CCS_SM2, CCS_SM2_EN, XSTORE, XSTORE_EN, CCS_SM3_SM4, CCS_SM3_SM4_EN, ACE, ACE_EN, ACE2, ACE2_EN, PHE, PHE_EN, PMM, PMM_EN, PARALLAX, PARALLAX_EN, TM3, TM3_EN, PHE2, PHE2_EN, RSA, RSA_EN];
    /// CCS SM2 instructions.
    pub const CCS_SM2: Field = field([0xc0000001, 0, 0], Edx, [0, 0], "ccs_sm2", "CCS SM2 instructions");
    /// CCS SM2 enabled.
    pub const CCS_SM2_EN: Field = field([0xc0000001, 0, 0], Edx, [1, 1], "ccs_sm2_en", "CCS SM2 enabled");
    /// Random Number Generator.
    pub const XSTORE: Field = field([0xc0000001, 0, 0], Edx, [2, 2], "xstore", "Random Number Generator");
    /// RNG enabled.
    pub const XSTORE_EN: Field = field([0xc0000001, 0, 0], Edx, [3, 3], "xstore_en", "RNG enabled");
    /// CCS SM3 and SM4 instructions.
    pub const CCS_SM3_SM4: Field = field([0xc0000001, 0, 0], Edx, [4, 4], "ccs_sm3_sm4", "CCS SM3 and SM4 instructions");
    /// CCS SM3/SM4 enabled.
    pub const CCS_SM3_SM4_EN: Field = field([0xc0000001, 0, 0], Edx, [5, 5], "ccs_sm3_sm4_en", "CCS SM3/SM4 enabled");
    /// Advanced Cryptography Engine.
    pub const ACE: Field = field([0xc0000001, 0, 0], Edx, [6, 6], "ace", "Advanced Cryptography Engine");
    /// ACE enabled.
    pub const ACE_EN: Field = field([0xc0000001, 0, 0], Edx, [7, 7], "ace_en", "ACE enabled");
    /// Advanced Cryptography Engine v2.
    pub const ACE2: Field = field([0xc0000001, 0, 0], Edx, [8, 8], "ace2", "Advanced Cryptography Engine v2");
    /// ACE v2 enabled.
    pub const ACE2_EN: Field = field([0xc0000001, 0, 0], Edx, [9, 9], "ace2_en", "ACE v2 enabled");
    /// PadLock Hash Engine.
    pub const PHE: Field = field([0xc0000001, 0, 0], Edx, [10, 10], "phe", "PadLock Hash Engine");
    /// PHE enabled.
    pub const PHE_EN: Field = field([0xc0000001, 0, 0], Edx, [11, 11], "phe_en", "PHE enabled");
    /// PadLock Montgomery Multiplier.
    pub const PMM: Field = field([0xc0000001, 0, 0], Edx, [12, 12], "pmm", "PadLock Montgomery Multiplier");
    /// PMM enabled.
    pub const PMM_EN: Field = field([0xc0000001, 0, 0], Edx, [13, 13], "pmm_en", "PMM enabled");
    /// Parallax auto adjust processor voltage.
    pub const PARALLAX: Field = field([0xc0000001, 0, 0], Edx, [16, 16], "parallax", "Parallax auto adjust processor voltage");
    /// Parallax enabled.
    pub const PARALLAX_EN: Field = field([0xc0000001, 0, 0], Edx, [17, 17], "parallax_en", "Parallax enabled");
    /// Thermal Monitor v3.
    pub const TM3: Field = field([0xc0000001, 0, 0], Edx, [20, 20], "tm3", "Thermal Monitor v3");
    /// TM v3 enabled.
    pub const TM3_EN: Field = field([0xc0000001, 0, 0], Edx, [21, 21], "tm3_en", "TM v3 enabled");
    /// PadLock Hash Engine v2 (SHA384/SHA512).
    pub const PHE2: Field = field([0xc0000001, 0, 0], Edx, [25, 25], "phe2", "PadLock Hash Engine v2 (SHA384/SHA512)");
    /// PHE v2 enabled.
    pub const PHE2_EN: Field = field([0xc0000001, 0, 0], Edx, [26, 26], "phe2_en", "PHE v2 enabled");
    /// RSA instructions (XMODEXP/MONTMUL2).
    pub const RSA: Field = field([0xc0000001, 0, 0], Edx, [27, 27], "rsa", "RSA instructions (XMODEXP/MONTMUL2)");
    /// RSA instructions enabled.
    pub const RSA_EN: Field = field([0xc0000001, 0, 0], Edx, [28, 28], "rsa_en", "RSA instructions enabled");
}
