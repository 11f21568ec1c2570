// SPDX-License-Identifier: GPL-2.0-or-later
//! The command, as it is run.

use std::io::Write;
use std::process::{Command, Output, Stdio};

const DUMP: &str = "CPU 0:
   0x00000001 0x00: eax=0x00060fb1 ebx=0x00000800 ecx=0x00020001 edx=0x00000010
   0x00000003 0x00: eax=0x00000000 ebx=0x00000000 ecx=0x00000000 edx=0x00000001
CPU 1:
   0x00000001 0x00: eax=0x00060fb1 ebx=0x01000800 ecx=0x00000001 edx=0x00000010
";

fn run(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_annex-cpuid"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command line that is refused reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_dump_is_decoded() {
    let out = run(&[], DUMP);
    assert!(out.status.success());
    assert_eq!(
        said(&out.stdout),
        "\
CPU 0
leaf 1, subleaf 0: CPU FMS (Family/Model/Stepping) + standard feature flags
    EAX[3:0] stepping = 1 (0x1): Stepping ID
    EAX[7:4] base_model = 11 (0xb): Base CPU model ID
    EAX[11:8] base_family_id = 15 (0xf): Base CPU family ID
    EAX[19:16] ext_model = 6 (0x6): Extended CPU model ID
    EBX[15:8] clflush_size = 8 (0x8): CLFLUSH instruction cache line size
    ECX[0] pni = 1: Streaming SIMD Extensions 3 (SSE3)
    ECX[17] pcid = 1: Process-context identifiers
    EDX[4] tsc = 1: Time Stamp Counter
leaf 3, subleaf 0: not in the table
    EDX 0x00000001: set, and not in the table
CPU 1
leaf 1, subleaf 0: CPU FMS (Family/Model/Stepping) + standard feature flags
    EAX[3:0] stepping = 1 (0x1): Stepping ID
    EAX[7:4] base_model = 11 (0xb): Base CPU model ID
    EAX[11:8] base_family_id = 15 (0xf): Base CPU family ID
    EAX[19:16] ext_model = 6 (0x6): Extended CPU model ID
    EBX[15:8] clflush_size = 8 (0x8): CLFLUSH instruction cache line size
    EBX[31:24] local_apic_id = 1 (0x1): Initial local APIC physical ID
    ECX[0] pni = 1: Streaming SIMD Extensions 3 (SSE3)
    EDX[4] tsc = 1: Time Stamp Counter
"
    );
}

#[test]
fn what_a_cpu_lacks_is_the_exit_status() {
    let out = run(&["--has", "pcid,tsc"], DUMP);
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(said(&out.stdout), "CPU 1: no CPUID.1.0:ECX[17] pcid\n");
    let out = run(&["--has", "pni,tsc"], DUMP);
    assert_eq!(
        (out.status.code(), said(&out.stdout)),
        (Some(0), String::new())
    );
    // A leaf that isn't there has nothing.
    assert_eq!(run(&["--has", "invpcid"], DUMP).status.code(), Some(1));
}

#[test]
fn clear_flags_and_other_leaves_are_shown_on_request() {
    let out = said(&run(&["--all", "--leaf", "1"], DUMP).stdout);
    assert!(
        out.contains("ECX[17] pcid = 0: ") && !out.contains("leaf 3"),
        "{out}"
    );
}

#[test]
fn faults_are_told_with_file_and_line() {
    let out = run(&[], "0 0 1 2 3 4\n1 0 1 2\n");
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(
        said(&out.stderr),
        "annex-cpuid: standard input: line 2: this isn't a leaf's answer in any format that is \
         known: \"1 0 1 2\"\n"
    );
    for (input, fault) in [
        ("", "no leaf"),
        ("[]", "no leaf"),
        ("{", "line 1"),
        ("\u{0}", "line 1"),
    ] {
        let out = run(&["-"], input);
        assert_eq!(out.status.code(), Some(2), "{input:?}");
        assert!(
            said(&out.stderr).contains(fault),
            "{input:?}: {}",
            said(&out.stderr)
        );
    }
    let out = run(&["/nonexistent"], "");
    assert!(said(&out.stderr).starts_with("annex-cpuid: /nonexistent: "));
    let long = "#".repeat((16 << 20) + 1);
    assert!(said(&run(&[], &long).stderr).contains("longer than 16 MiB"));
}

#[test]
fn every_field_is_listed() {
    let out = said(&run(&["--list"], "").stdout);
    assert_eq!(out.lines().count(), cpuid_data::fields().count());
    assert!(out.contains("CPUID.7.0:EBX[10] invpcid: "), "{out}");
}
