// SPDX-License-Identifier: GPL-2.0-or-later
//! What sg3-utils get out of the drive: identity, pages, opcodes, attributes,
//! resets, reservations.
//!
//! Each HBA of QEMU's is one initiator, and a drive is on one HBA: who may do
//! what while another holds the reservation is tested in rust/tape-drive.

use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};

use crate::drive::{Tape, WriteProtect};
use crate::rig::{on_blank, SERIAL, TAPE};

inventory::submit! { Family(|add| {
    let mut trial = |name: &str, body: fn(&Tape) -> Result<()>| {
        add(format!("tape/sg/{name}"), on_blank(TAPE, body));
    };
    trial("inquiry", inquiry);
    trial("vpd", vpd);
    trial("logs", logs);
    trial("counters", counters);
    trial("modes", modes);
    trial("opcodes", opcodes);
    trial("attributes", attributes);
    trial("reset", reset);
    trial("reset-in-a-transfer", reset_in_a_transfer);
    trial("reserve-and-release", reserve_and_release);
    trial("persistent-reservations", persistent_reservations);
    trial("density-support", density_support);
    trial("refused", refused);
}) }

/// Checks that every one of these is in the text, whatever its case.
fn has(text: &str, wanted: &[&str]) -> Result<()> {
    let lower = text.to_lowercase();
    for wanted in wanted {
        ensure!(
            lower.contains(&wanted.to_lowercase()),
            "no \"{wanted}\" in:\n{text}"
        );
    }
    Ok(())
}

fn inquiry(tape: &Tape) -> Result<()> {
    has(
        &tape.sh("sg_inq $SG")?,
        &[
            "Peripheral device type: tape",
            "RMB=1",
            "Vendor identification: QEMU",
            "Product identification: tape",
        ],
    )?;
    has(&tape.sh("sg_inq -s $SG")?, &[SERIAL])?;
    tape.sh("sg_turs $SG").map(drop)
}

fn vpd(tape: &Tape) -> Result<()> {
    let dump = tape.sh("sg_vpd -r -p 0 $SG | od -An -v -tx1")?;
    let pages: Vec<&str> = dump.split_whitespace().skip(4).collect();
    for wanted in ["00", "80", "83", "86", "b0", "b1"] {
        ensure!(pages.contains(&wanted), "no VPD page {wanted} in {pages:?}");
    }
    for page in pages {
        let text = tape.sh(&format!("sg_vpd -p 0x{page} $SG"))?;
        let wanted: &[&str] = match page {
            "80" => &[SERIAL],
            "83" => &["Device Identification", "QEMU"],
            "86" => &["Extended INQUIRY"],
            "b0" => &["WORM"],
            _ => &[],
        };
        has(&text, wanted)?;
    }
    tape.sh_fails("sg_vpd -p 0xb5 $SG 2>&1").map(drop)
}

fn logs(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("w:10000:10", "10 100000"),
        ("weof", "ok"),
        ("rewind", "ok"),
        ("R:10000:10", "10 100000"),
    ])?;
    let list = tape.sh("sg_logs -r -p 0 $SG | od -An -v -tx1")?;
    let pages: Vec<&str> = list.split_whitespace().skip(4).collect();
    for wanted in ["00", "02", "03", "0c", "17", "1b", "2e", "30", "31"] {
        ensure!(pages.contains(&wanted), "no log page {wanted} in {pages:?}");
    }
    for page in &pages {
        tape.sh(&format!("sg_logs -p 0x{page} $SG 2>&1"))?;
    }
    let all = tape.sh("sg_logs -a $SG 2>&1")?;
    has(
        &all,
        &[
            "Write error counter",
            "Read error counter",
            "Sequential",
            "Tape alert",
            "Volume statistics",
        ],
    )?;
    tape.sh_fails("sg_logs -p 0x3a $SG 2>&1").map(drop)
}

/// The number after `name` in the text.
fn number_after(text: &str, name: &str) -> Result<u64> {
    let rest = text
        .split_once(name)
        .with_context(|| format!("no \"{name}\" in:\n{text}"))?
        .1;
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits
        .parse()
        .with_context(|| format!("no number after \"{name}\""))
}

/// A parameter of a log page.
fn log_parameter(tape: &Tape, page: &str, code: u16) -> Result<u64> {
    let dump = tape.sh(&format!("sg_logs -r -p {page} $SG | od -An -v -tx1"))?;
    let bytes: Result<Vec<u8>, _> = dump
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect();
    let bytes = bytes?;
    let mut rest = bytes.get(4..).context("a page's header")?;
    while let [high, low, _, length, more @ ..] = rest {
        let (value, others) = more
            .split_at_checked(usize::from(*length))
            .context("a value")?;
        if u16::from_be_bytes([*high, *low]) == code {
            return Ok(value
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)));
        }
        rest = others;
    }
    anyhow::bail!("no parameter {code:04x} in page {page}: {dump}")
}

/// The counters count what went over the bus, and what was moved for it.
fn counters(tape: &Tape) -> Result<()> {
    let count = |tape: &Tape| -> Result<Vec<u64>> {
        (0..4)
            .map(|code| log_parameter(tape, "0xc", code))
            .collect()
    };
    let before = count(tape)?;
    tape.does(&[
        ("w:100000:60", "60 6000000"),
        ("weof", "ok"),
        ("rewind", "ok"),
        ("R:100000:30", "30 3000000"),
    ])?;
    let after = count(tape)?;
    let grown: Vec<u64> = after
        .iter()
        .zip(&before)
        .map(|(after, before)| after - before)
        .collect();
    ensure!(grown[0] == 6_000_000, "{grown:?}: bytes received");
    ensure!(grown[3] == 3_000_000, "{grown:?}: bytes returned");
    ensure!(
        grown[1] >= 6_000_000 && grown[2] >= 3_000_000,
        "{grown:?}: on the tape"
    );
    Ok(())
}

fn modes(tape: &Tape) -> Result<()> {
    for form in ["-6", "-10"] {
        let all = tape.sh(&format!(
            "sg_modes {} -a $SG 2>&1",
            if form == "-6" { form } else { "" }
        ))?;
        has(
            &all,
            &[
                "Data compression",
                "Device configuration",
                "Control",
                "Disconnect",
                "Informational exceptions",
            ],
        )?;
    }
    for page in [
        "0x01",
        "0x02",
        "0x0a",
        "0x0f",
        "0x10",
        "0x10,0x01",
        "0x11",
        "0x1a",
        "0x1c",
        "0x1d",
    ] {
        for control in 0..4 {
            tape.sh(&format!("sg_modes -c {control} -p {page} $SG 2>&1"))?;
        }
    }
    tape.sh_fails("sg_modes -p 0x0e $SG 2>&1").map(drop)
}

fn opcodes(tape: &Tape) -> Result<()> {
    let list = tape.sh("sg_opcodes -n $SG 2>&1")?;
    for (opcode, name) in [
        ("00", "Test Unit Ready"),
        ("01", "Rewind"),
        ("05", "Read Block Limits"),
        ("08", "Read(6)"),
        ("0a", "Write(6)"),
        ("0f", "Read reverse"),
        ("10", "Write filemarks(6)"),
        ("11", "Space(6)"),
        ("13", "Verify(6)"),
        ("14", "Recover buffered data"),
        ("19", "Erase"),
        ("2b", "Locate(10)"),
        ("34", "Read position"),
        ("44", "Report density support"),
        ("80", "Write filemarks(16)"),
        ("91", "Space(16)"),
        ("92", "Locate(16)"),
    ] {
        let found = list.lines().any(|line| {
            line.trim_start().starts_with(opcode)
                && line.to_lowercase().contains(
                    &name
                        .to_lowercase()
                        .replace("(6)", "")
                        .replace("(10)", "")
                        .replace("(16)", ""),
                )
        });
        ensure!(found, "no {opcode} {name} in:\n{list}");
    }
    has(&tape.sh("sg_opcodes -o 0x11 $SG 2>&1")?, &["11"])?;
    Ok(())
}

/// Attributes stay with the cartridge.
fn attributes(tape: &Tape) -> Result<()> {
    has(
        &tape.sh("sg_read_attr $SG 2>&1")?,
        &[
            "Remaining capacity in partition",
            "Maximum capacity in partition",
            "Load count",
        ],
    )?;
    // User medium text label (0803), 160 bytes of text.
    let label = format!("{:<160}", "written in the guest");
    tape.sh(&format!(
        "{{ printf '\\000\\000\\000\\245\\010\\003\\002\\000\\240'; printf '%s' '{label}'; }} > /data/attribute; \
         sg_raw -s 169 -i /data/attribute $SG 8d 00 00 00 00 00 00 00 00 00 00 00 00 a9 00 00 2>&1"
    ))?;
    let read = "sg_read_attr -f 0x803 $SG 2>&1";
    has(&tape.sh(read)?, &["written in the guest"])?;
    tape.does(&[("w:100", "1 100"), ("weof", "ok")])?;
    let image = tape.dir.file("blank.tap");
    tape.remove()?;
    tape.insert(&image, WriteProtect::Off)?;
    // Takes the unit attention.
    tape.mt("rewind")?;
    has(&tape.sh(read)?, &["written in the guest"])?;
    tape.does(&[("s:0", ""), ("r:512", "1 100"), ("R:512", "1 0")])?;
    // It lies where other readers don't look.
    let found = crate::simh::tape(&image)?;
    ensure!(found.len() == 2, "{found:?}");
    // Another cartridge doesn't have it.
    tape.insert(&tape.blank("other.tap")?, WriteProtect::Off)?;
    tape.mt("rewind")?;
    let other = tape.run(read)?.1;
    ensure!(!other.contains("written in the guest"), "{other}");
    Ok(())
}

/// Modes and position go, data stays.
fn reset(tape: &Tape) -> Result<()> {
    tape.does(&[("s:4", ""), ("w:3000:20", "20 60000"), ("weof", "ok")])?;
    tape.mt("setblk 1024")?;
    tape.sh("sg_reset -d $SG 2>&1")?;
    // st only learns of it with the next sense data, here of a short read, and
    // then wants the tape rewound.
    tape.mt("rewind")?;
    tape.run("dd if=$T of=/dev/null bs=10k count=1 2>&1")?;
    tape.mt("rewind")?;
    // As the drive's property has it.
    let status = tape.mt("status")?;
    ensure!(
        status.contains("Tape block size 0 bytes"),
        "after a reset: {status}"
    );
    tape.does(&[("s:4", ""), ("r:4096:20", "20 60000"), ("R:4096", "1 0")])
}

/// Records that were acknowledged are there, whatever has become of the one
/// under way.
fn reset_in_a_transfer(tape: &Tape) -> Result<()> {
    for round in 0..4 {
        tape.mt("rewind")?;
        // Amid them, however fast the machine is.
        let after = 20 + 150 * round;
        let said = tape.sh(&format!(
            "read n <$SYS/stats/write_cnt; goal=$((n + {after})); \
             tape $T s:6 w:60000:3000 >/data/out 2>&1 & \
             until read n <$SYS/stats/write_cnt; [ $n -ge $goal ]; do :; done; \
             sg_reset -d $SG 2>&1 || exit; wait; cat /data/out; rm /data/out"
        ))?;
        let written = number_after(&said, "w:60000:3000:")?;
        tape.mt("rewind")?;
        let answers = tape.ops(&format!("s:6 r:60000:{written}"))?;
        let wanted = format!("r:60000:{written}: {written} {}", written * 60_000);
        ensure!(
            answers[0] == wanted,
            "round {round}: {answers:?}, not {wanted}; writing: {said}"
        );
    }
    Ok(())
}

fn reserve_and_release(tape: &Tape) -> Result<()> {
    let (reserve, release) = (
        "sg_raw $SG 16 00 00 00 00 00 2>&1",
        "sg_raw $SG 17 00 00 00 00 00 2>&1",
    );
    tape.sh(reserve)?;
    // Again by the same initiator: nothing changes.
    tape.sh(reserve)?;
    tape.does(&[
        ("w:100", "1 100"),
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:100", "1 100"),
    ])?;
    tape.sh(release)?;
    tape.sh(release)?;
    for command in ["56", "57"] {
        tape.sh(&format!(
            "sg_raw $SG {command} 00 00 00 00 00 00 00 00 00 2>&1"
        ))?;
    }
    Ok(())
}

fn persistent_reservations(tape: &Tape) -> Result<()> {
    let conflict = |command: &str| -> Result<()> {
        let (status, text) = tape.run(command)?;
        ensure!(
            status == 24,
            "{command}: {status}, not a reservation conflict: {text}"
        );
        Ok(())
    };
    has(
        &tape.sh("sg_persist -n -i -k $SG 2>&1")?,
        &["no registered reservation keys"],
    )?;
    has(&tape.sh("sg_persist -n -i -c $SG 2>&1")?, &["Exclusive"])?;
    // None may reserve who hasn't registered.
    conflict("sg_persist -n -o --reserve --param-rk=0xa1 --prout-type=3 $SG 2>&1")?;
    tape.sh("sg_persist -n -o --register --param-sark=0xa1 $SG 2>&1")?;
    has(&tape.sh("sg_persist -n -i -k $SG 2>&1")?, &["0xa1"])?;
    conflict("sg_persist -n -o --reserve --param-rk=0xbad --prout-type=3 $SG 2>&1")?;
    tape.sh("sg_persist -n -o --reserve --param-rk=0xa1 --prout-type=3 $SG 2>&1")?;
    has(
        &tape.sh("sg_persist -n -i -r $SG 2>&1")?,
        &["0xa1", "Exclusive Access"],
    )?;
    has(&tape.sh("sg_persist -n -i -s $SG 2>&1")?, &["0xa1"])?;
    tape.does(&[("w:100", "1 100"), ("weof", "ok")])?;
    // The other kind of reservation gets its holder GOOD, and changes nothing
    // (SPC-3 5.6.3).
    tape.sh("sg_raw $SG 16 00 00 00 00 00 2>&1; sg_raw $SG 17 00 00 00 00 00 2>&1")?;
    has(
        &tape.sh("sg_persist -n -i -r $SG 2>&1")?,
        &["0xa1", "Exclusive Access"],
    )?;
    // A reset leaves it.
    tape.sh("sg_reset -d $SG 2>&1; mt -f $T rewind")?;
    has(&tape.sh("sg_persist -n -i -r $SG 2>&1")?, &["0xa1"])?;
    tape.sh("sg_persist -n -o --register --param-rk=0xa1 --param-sark=0xa2 $SG 2>&1")?;
    tape.sh("sg_persist -n -o --release --param-rk=0xa2 --prout-type=3 $SG 2>&1")?;
    has(
        &tape.sh("sg_persist -n -i -r $SG 2>&1")?,
        &["NO reservation held"],
    )?;
    tape.sh("sg_persist -n -o --clear --param-rk=0xa2 $SG 2>&1")?;
    has(
        &tape.sh("sg_persist -n -i -k $SG 2>&1")?,
        &["no registered reservation keys"],
    )?;
    tape.sh("sg_raw $SG 16 00 00 00 00 00 2>&1; sg_raw $SG 17 00 00 00 00 00 2>&1")
        .map(drop)
}

fn density_support(tape: &Tape) -> Result<()> {
    // Of the drive, and of the cartridge.
    for which in ["00", "01"] {
        let command = format!("44 {which} 00 00 00 00 00 02 00 00");
        let text = tape.sh(&format!(
            "sg_raw -b -r 512 $SG {command} 2>/dev/null | strings"
        ))?;
        has(&text, &["U-516", "Ultrium 5"])?;
    }
    Ok(())
}

/// What the drive hasn't got is an illegal request, and harms nothing.
fn refused(tape: &Tape) -> Result<()> {
    for command in [
        "28 00 00 00 00 00 00 00 01 00", // READ(10), a disk's
        "c0 00 00 00 00 00",             // a vendor's
        "08 03 00 00 01 00",             // READ, SILI with FIXED
        "92 28 00 00 00 00 00 00 00 00 00 00 00 00 00 00", // LOCATE, a reserved type
        "11 07 00 00 01 00",             // SPACE, a reserved code
    ] {
        let (status, text) = tape.run(&format!("sg_raw -r 512 $SG {command} 2>&1"))?;
        ensure!(
            status == 5 || status == 9,
            "{command}: {status}, not an illegal request: {text}"
        );
    }
    tape.does(&[
        ("w:100", "1 100"),
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:100", "1 100"),
    ])
}
