// SPDX-License-Identifier: GPL-2.0-or-later
//! What else mt can do, and its effect: marks, erasing, modes, the door,
//! partitions, and the options that st keeps itself.

use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};

use crate::drive::Tape;
use crate::rig::{on_blank, TAPE};
use crate::simh::{self, Object};

inventory::submit! { Family(|add| {
    let mut trial = |name: &str, body: fn(&Tape) -> Result<()>| {
        add(format!("tape/mt/{name}"), on_blank(TAPE, body));
    };
    trial("weof", weof);
    trial("erase", erase);
    trial("overwrite", overwrite);
    trial("setblk", setblk);
    trial("density", density);
    trial("compression", compression);
    trial("drvbuffer", drvbuffer);
    trial("offline-and-load", offline_and_load);
    trial("lock", lock);
    trial("partitions", partitions);
    trial("options", options);
    trial("defaults", defaults);
    trial("timeouts", timeouts);
}) }

fn weof(tape: &Tape) -> Result<()> {
    tape.mt("weof 3")?;
    tape.ensure_at(3, "weof 3")?;
    tape.does(&[("w:10", "1 10"), ("weofi:2", "ok"), ("tell", "6")])?;
    tape.mt("eof")?;
    tape.ensure_at(7, "eof")?;
    // A mark that was waited for is in the image.
    let found = simh::tape(&tape.dir.file("blank.tap"))?;
    let mut wanted = vec![Object::Mark; 7];
    wanted[3] = Object::Record(annex_qtest::stream::bytes(0, 0, 10));
    ensure!(found == wanted, "{found:?}, not {wanted:?}");
    Ok(())
}

/// All behind the position goes, and the image gets shorter.
fn erase(tape: &Tape) -> Result<()> {
    let image = tape.dir.file("blank.tap");
    tape.does(&[
        ("w:30000:50", "50 1500000"),
        ("weof", "ok"),
        ("w:100:5", "5 500"),
        ("weof:2", "ok"),
    ])?;
    tape.mt("seek 10")?;
    tape.mt("erase")?;
    tape.does(&[
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:30000:11", "10 300000 EIO"),
    ])?;
    ensure!(
        simh::tape(&image)?.len() == 10,
        "after an erasure: {:?}",
        simh::tape(&image)?
    );
    let length = image.metadata()?.len();
    ensure!(
        length < 400_000,
        "erased, the image still takes {length} bytes"
    );
    // The short form.
    tape.mt("seek 4")?;
    tape.mt("erase 0")?;
    tape.does(&[("rewind", "ok"), ("s:0", ""), ("r:30000:5", "4 120000 EIO")])?;
    tape.mt("rewind")?;
    tape.mt("erase")?;
    tape.does(&[("R:100", "0 0 EIO"), ("w:9", "1 9")])
}

/// What is written in mid-tape ends it there.
fn overwrite(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("w:1000:9", "9 9000"),
        ("weof:2", "ok"),
        ("seek:3", "ok"),
        ("s:7", ""),
        ("w:4000", "1 4000"),
    ])?;
    tape.does(&[
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:4096:3", "3 3000"),
        ("s:7", ""),
        ("r:4096", "1 4000"),
        ("R:4096", "1 0"),
        ("R:4096", "1 0"),
    ])?;
    let found = simh::tape(&tape.dir.file("blank.tap"))?;
    ensure!(found.len() == 5 && found[4] == Object::Mark, "{found:?}");
    Ok(())
}

fn setblk(tape: &Tape) -> Result<()> {
    for (size, said) in [(512, "512"), (10240, "10240"), (1, "1"), (0, "0")] {
        tape.mt(&format!("setblk {size}"))?;
        let status = tape.mt("status")?;
        ensure!(
            status.contains(&format!("Tape block size {said} bytes")),
            "{status}"
        );
    }
    tape.mt("setblk 4096")?;
    let status = tape.mt("status")?;
    ensure!(status.contains("Tape block size 4096 bytes"), "{status}");
    tape.does(&[
        ("w:8192", "1 8192"),
        ("w:5000", "0 0 EINVAL"),
        ("weof", "ok"),
    ])?;
    tape.mt("setblk 0")?;
    let sizes: Vec<usize> = simh::tape(&tape.dir.file("blank.tap"))?
        .iter()
        .map(|object| {
            if let Object::Record(data) = object {
                data.len()
            } else {
                0
            }
        })
        .collect();
    ensure!(sizes == [4096, 4096, 0], "records of {sizes:?}");
    Ok(())
}

fn density(tape: &Tape) -> Result<()> {
    let status = tape.mt("status")?;
    ensure!(status.contains("Density code 0x58 (LTO-5)"), "{status}");
    tape.mt("setdensity 0x58")?;
    // None that the drive has.
    tape.sh_fails("mt -f $T setdensity 0x13")?;
    let status = tape.mt("status")?;
    ensure!(status.contains("Density code 0x58 (LTO-5)"), "{status}");
    let list = tape.mt("densities")?;
    ensure!(
        list.contains("0x58") && list.contains("LTO-5"),
        "mt's own list: {list}"
    );
    Ok(())
}

/// A mode page's bytes, the header and block descriptor left off.
fn page(tape: &Tape, page: u8) -> Result<Vec<u8>> {
    let dump = tape.sh(&format!(
        "sg_modes -6 --dbd -r -p {page:#x} $SG | od -An -v -tx1"
    ))?;
    let bytes: Result<Vec<u8>, _> = dump
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect();
    Ok(bytes
        .with_context(|| format!("a dump of page {page:#x}: {dump}"))?
        .split_off(4))
}

fn compression(tape: &Tape) -> Result<()> {
    for (wanted, argument) in [(false, "0"), (true, "1")] {
        tape.mt(&format!("compression {argument}"))?;
        let page = page(tape, 0x0f)?;
        ensure!(page[0] & 0x3f == 0x0f, "page {page:02x?}");
        ensure!(
            (page[2] & 0x80 != 0) == wanted,
            "compression {argument}: page {page:02x?}"
        );
        // Whatever it says, the data stays plain.
        tape.does(&[
            ("rewind", "ok"),
            ("w:70000", "1 70000"),
            ("rewind", "ok"),
            ("s:0", ""),
            ("r:70000", "1 70000"),
        ])?;
        let data = Object::Record(annex_qtest::stream::bytes(0, 0, 70_000));
        ensure!(simh::tape(&tape.dir.file("blank.tap"))?[0] == data);
    }
    Ok(())
}

/// Unbuffered, a record is in the image when write(2) returns.
fn drvbuffer(tape: &Tape) -> Result<()> {
    let buffered = |tape: &Tape| -> Result<bool> {
        let header = tape.sh("sg_modes -6 -r -p 0 $SG | od -An -v -tx1 -N4")?;
        let byte = header.split_whitespace().nth(2).context("a mode header")?;
        Ok(u8::from_str_radix(byte, 16)? & 0x70 == 0x10)
    };
    ensure!(buffered(tape)?, "a drive buffers unless told not to");
    tape.mt("drvbuffer 0")?;
    ensure!(!buffered(tape)?, "drvbuffer 0 changed nothing");
    tape.start("w:3000 x:/data/go")?;
    tape.answers(1)?;
    let found = simh::tape(&tape.dir.file("blank.tap"))?;
    ensure!(
        found == [Object::Record(annex_qtest::stream::bytes(0, 0, 3000))],
        "{found:?}"
    );
    tape.sh("touch /data/go")?;
    tape.ended()?;
    tape.mt("drvbuffer 1")?;
    ensure!(buffered(tape)?, "drvbuffer 1 changed nothing");
    Ok(())
}

fn offline_and_load(tape: &Tape) -> Result<()> {
    for (out, into) in [("offline", "load"), ("eject", "load"), ("rewoffl", "load")] {
        tape.does(&[("w:100:3", "3 300"), ("weof", "ok")])?;
        let from = tape.vm.qmp.now();
        tape.mt(out)?;
        let event = tape
            .vm
            .qmp
            .wait_event(from, "DEVICE_TRAY_MOVED", crate::drive::LIMIT)?;
        ensure!(event.data["tray-open"] == true, "{out}: {}", event.data);
        ensure!(
            tape.block_info()?["tray_open"] == true,
            "{}",
            tape.block_info()?
        );
        let status = tape.mt("status")?;
        ensure!(status.contains("DR_OPEN"), "after {out}: {status}");
        tape.sh_fails("dd if=$T of=/dev/null iflag=nonblock count=1 2>&1")?;

        let from = tape.vm.qmp.now();
        tape.mt(into)?;
        let event = tape
            .vm
            .qmp
            .wait_event(from, "DEVICE_TRAY_MOVED", crate::drive::LIMIT)?;
        ensure!(event.data["tray-open"] == false, "{into}: {}", event.data);
        tape.ensure_at(0, into)?;
        tape.does(&[("s:0", ""), ("r:100:3", "3 300"), ("rewind", "ok")])?;
    }
    Ok(())
}

fn lock(tape: &Tape) -> Result<()> {
    tape.mt("lock")?;
    ensure!(
        tape.block_info()?["locked"] == true,
        "{}",
        tape.block_info()?
    );
    tape.mt("unlock")?;
    ensure!(
        tape.block_info()?["locked"] == false,
        "{}",
        tape.block_info()?
    );
    // By itself while the tape is open, if told to.
    tape.mt("stsetoptions auto-lock")?;
    tape.start("w:300 x:/data/go")?;
    tape.answers(1)?;
    ensure!(
        tape.block_info()?["locked"] == true,
        "{}",
        tape.block_info()?
    );
    tape.sh("touch /data/go")?;
    tape.ended()?;
    ensure!(
        tape.block_info()?["locked"] == false,
        "{}",
        tape.block_info()?
    );
    tape.mt("stclearoptions auto-lock").map(drop)
}

/// Two partitions, each with its own data.
fn partitions(tape: &Tape) -> Result<()> {
    tape.mt("stsetoptions can-partitions")?;
    tape.mt("mkpartition 1000")?;
    tape.mt("rewind")?;
    tape.does(&[("s:10", ""), ("w:1000:5", "5 5000"), ("weof", "ok")])?;
    tape.mt("setpartition 1")?;
    tape.does(&[("s:11", ""), ("w:2000:3", "3 6000"), ("weof", "ok")])?;
    let status = tape.mt("status")?;
    ensure!(status.contains("partition=1"), "{status}");

    tape.mt("partseek 0 2")?;
    ensure!(
        tape.mt("status")?.contains("partition=0"),
        "partseek stayed in partition 1"
    );
    tape.ensure_at(2, "partseek 0 2")?;
    tape.does(&[
        ("R:4096", "1 1000"),
        ("rewind", "ok"),
        ("s:10", ""),
        ("r:4096:5", "5 5000"),
    ])?;
    tape.mt("setpartition 1")?;
    tape.does(&[
        ("rewind", "ok"),
        ("s:11", ""),
        ("r:4096:3", "3 6000"),
        ("R:4096", "1 0"),
    ])?;
    tape.sh_fails("mt -f $T setpartition 2")?;

    // The cartridge keeps them.
    tape.insert(&tape.dir.file("blank.tap"), crate::drive::WriteProtect::Off)?;
    tape.mt("partseek 1 1")?;
    tape.does(&[
        ("R:4096", "1 2000"),
        ("rewind", "ok"),
        ("s:11", ""),
        ("r:4096:3", "3 6000"),
    ])?;
    tape.mt("setpartition 0")?;
    tape.does(&[("rewind", "ok"), ("s:10", ""), ("r:4096:5", "5 5000")])?;
    // And back to one.
    tape.mt("mkpartition 0")?;
    tape.sh_fails("mt -f $T setpartition 1")?;
    tape.mt("stclearoptions can-partitions").map(drop)
}

/// Options are st's own: what they do to the drive is in other tests.
fn options(tape: &Tape) -> Result<()> {
    let flags = |tape: &Tape| -> Result<u32> {
        let text = tape.sh("cat $SYS/options")?;
        Ok(u32::from_str_radix(text.trim_start_matches("0x"), 16)?)
    };
    let before = flags(tape)?;
    tape.mt("stsetoptions debug two-fms")?;
    let shown = tape.mt("stshowoptions")?;
    ensure!(shown.contains("two-fms"), "{shown}");
    // Two marks end what is written, and the tape stays between them.
    tape.does(&[("w:100", "1 100")])?;
    tape.ensure_at(2, "closing with two marks")?;
    let found = simh::tape(&tape.dir.file("blank.tap"))?;
    ensure!(found[1..] == [Object::Mark, Object::Mark], "{found:?}");
    tape.mt("stclearoptions debug two-fms")?;
    ensure!(
        flags(tape)? == before,
        "options {:x}, not {before:x}",
        flags(tape)?
    );
    // All at once, by number.
    tape.mt("stoptions 1")?;
    tape.mt(&format!("stoptions {before}"))?;
    ensure!(
        flags(tape)? == before,
        "options {:x}, not {before:x}",
        flags(tape)?
    );
    tape.mt("stwrthreshold 16")?;
    tape.mt("stsetcln 0")?;
    tape.does(&[("s:2", ""), ("w:100", "1 100")])
}

/// What st asks of the drive when a new cartridge is there.
fn defaults(tape: &Tape) -> Result<()> {
    for (operation, file, wanted) in [
        ("defblksize 2048", "default_blksize", "2048"),
        ("defdensity 0x58", "default_density", "0x58"),
        ("defcompression 0", "default_compression", "0"),
        ("defdrvbuffer 1", "defaults", ""),
    ] {
        tape.mt(operation)?;
        if !wanted.is_empty() {
            let found = tape.sh(&format!("cat $SYS/{file}"))?;
            ensure!(found == wanted, "{operation}: {file} is {found}");
        }
    }
    tape.insert(&tape.blank("other.tap")?, crate::drive::WriteProtect::Off)?;
    let status = tape.mt("status")?;
    ensure!(status.contains("Tape block size 2048 bytes"), "{status}");
    ensure!(page(tape, 0x0f)?[2] & 0x80 == 0, "compression is still on");
    for operation in ["defblksize", "defdensity", "defcompression", "defdrvbuffer"] {
        tape.mt(&format!("{operation} -1"))?;
    }
    tape.mt("compression 1")?;
    tape.mt("setblk 0").map(drop)
}

fn timeouts(tape: &Tape) -> Result<()> {
    tape.mt("sttimeout 900")?;
    tape.mt("stlongtimeout 14000")?;
    tape.does(&[
        ("w:1000", "1 1000"),
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:1000", "1 1000"),
    ])
}
