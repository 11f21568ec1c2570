// SPDX-License-Identifier: GPL-2.0-or-later
//! Where each motion leaves the tape, through mt, and what is read there.

use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

use crate::drive::Tape;
use crate::rig::{on_blank, TAPE};

inventory::submit! { Family(|add| {
    let mut trial = |name: &str, body: fn(&Tape) -> Result<()>| {
        add(format!("tape/motion/{name}"), on_blank(TAPE, body));
    };
    trial("forward", forward);
    trial("backward", backward);
    trial("past-the-ends", past_the_ends);
    trial("setmarks", setmarks);
    trial("rewind-and-end", rewind_and_end);
    trial("seek", seek);
    trial("seek-scsi2", seek_scsi2);
    trial("numbers", numbers);
}) }

/// Three files of 3, 2 and 4 records of 1000, 2000 and 500 bytes. Their marks
/// are blocks 3, 6 and 11; the data ends before block 12.
fn three_files(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("s:1", ""),
        ("w:1000:3", "3 3000"),
        ("weof", "ok"),
        ("s:2", ""),
        ("w:2000:2", "2 4000"),
        ("weof", "ok"),
        ("s:3", ""),
        ("w:500:4", "4 2000"),
        ("weof", "ok"),
        ("rewind", "ok"),
    ])
}

/// Runs mt from block 0 or from where `seek` leads, and checks where it ends.
fn leads(tape: &Tape, from: u64, operation: &str, to: u64) -> Result<()> {
    tape.mt(&format!("seek {from}"))?;
    tape.mt(operation)?;
    tape.ensure_at(to, &format!("{operation} from block {from}"))
}

fn forward(tape: &Tape) -> Result<()> {
    three_files(tape)?;
    for (operation, to) in [
        ("fsf 1", 4),
        ("fsf 2", 7),
        ("fsf 3", 12),
        ("fsfm 1", 3),
        ("fsfm 2", 6),
        ("fsr 2", 2),
        ("fsr 3", 3),
        ("asf 2", 7),
        ("asf 0", 0),
    ] {
        leads(tape, 0, operation, to)?;
    }
    leads(tape, 8, "asf 1", 4)?;
    leads(tape, 4, "fsr 1", 5)?;
    // What is there, not only what is said.
    tape.mt("asf 1")?;
    tape.does(&[
        ("s:2", ""),
        ("r:4096", "1 2000"),
        ("fsf:1", "ok"),
        ("s:3", ""),
        ("r:500:4", "4 2000"),
    ])
}

fn backward(tape: &Tape) -> Result<()> {
    three_files(tape)?;
    for (from, operation, to) in [
        (5, "bsf 1", 3),
        (12, "bsf 1", 11),
        (12, "bsf 3", 3),
        (5, "bsfm 1", 4),
        (9, "bsfm 2", 4),
        (10, "bsr 3", 7),
        (2, "bsr 2", 0),
    ] {
        leads(tape, from, operation, to)?;
    }
    // Before the mark: the next read meets it, and the one after it the data.
    tape.mt("seek 5")?;
    tape.mt("bsf")?;
    tape.does(&[("R:4096", "1 0"), ("s:2", ""), ("r:4096", "1 2000")])?;
    tape.mt("seek 9")?;
    tape.mt("bsr 2")?;
    tape.does(&[("s:3", ""), ("r:500:4", "4 2000")])
}

/// Motions that meet a mark, an end of the tape or of the data stop there and
/// say so.
fn past_the_ends(tape: &Tape) -> Result<()> {
    three_files(tape)?;
    for (from, operation, to) in [
        (0, "fsr 5", 4),  // behind the mark
        (0, "fsf 4", 12), // at the end of data
        (12, "fsf 1", 12),
        (5, "bsr 3", 3), // before the mark
        (2, "bsf 1", 0), // at the beginning
        (1, "bsr 2", 0),
    ] {
        tape.mt(&format!("seek {from}"))?;
        tape.sh_fails(&format!("mt -f $T {operation}"))?;
        tape.ensure_at(to, &format!("{operation} from block {from}"))?;
    }
    tape.mt("rewind")?;
    tape.does(&[("s:1", ""), ("r:1000", "1 1000")])
}

/// Setmarks are of another age: refused, and the tape stays where it is.
fn setmarks(tape: &Tape) -> Result<()> {
    three_files(tape)?;
    tape.mt("seek 4")?;
    for operation in ["fss 1", "bss 1", "wset 1"] {
        tape.sh_fails(&format!("mt -f $T {operation}"))?;
        tape.ensure_at(4, operation)?;
    }
    tape.does(&[("s:2", ""), ("r:2000:2", "2 4000")])
}

fn rewind_and_end(tape: &Tape) -> Result<()> {
    three_files(tape)?;
    for operation in ["eod", "seod"] {
        leads(tape, 1, operation, 12)?;
    }
    leads(tape, 9, "rewind", 0)?;
    leads(tape, 9, "retension", 0)?;
    // The node that rewinds does when it is closed.
    tape.mt("seek 2")?;
    tape.sh("dd if=${T%nst*}st${T#*nst} of=/dev/null bs=4k count=1 2>&1")?;
    tape.ensure_at(0, "closing the rewinding node")?;
    // Data goes on at its end.
    tape.mt("eod")?;
    tape.does(&[
        ("s:4", ""),
        ("w:100", "1 100"),
        ("weof", "ok"),
        ("tell", "14"),
    ])?;
    tape.mt("asf 3")?;
    tape.does(&[
        ("s:4", ""),
        ("r:4096", "1 100"),
        ("R:4096", "1 0"),
        ("R:4096", "1 0"),
        ("R:4096", "0 0 EIO"),
    ])
}

fn seek(tape: &Tape) -> Result<()> {
    three_files(tape)?;
    for block in [0, 1, 3, 4, 6, 9, 11, 12, 5, 0] {
        leads(tape, 12 - block, &format!("seek {block}"), block)?;
    }
    tape.sh_fails("mt -f $T seek 13")?;
    tape.ensure_at(12, "seek past the end of data")?;
    // In a tape long enough for more than a look around.
    tape.does(&[
        ("rewind", "ok"),
        ("s:5", ""),
        ("w:64:3000", "3000 192000"),
        ("seek:1234", "ok"),
        ("tell", "1234"),
        ("seek:2999", "ok"),
        ("R:64", "1 64"),
        ("R:64", "1 0"),
    ])?;
    tape.mt("seek 2000")?;
    let found = tape.sh("dd if=$T bs=64 count=1 2>/dev/null | sha256sum | cut -c 1-64")?;
    let data = annex_qtest::stream::bytes(5, 2000 * 64, 64);
    ensure!(
        found == crate::archives::sha256(&data),
        "block 2000 has another one's data"
    );
    Ok(())
}

/// st's other way to ask and to go there.
fn seek_scsi2(tape: &Tape) -> Result<()> {
    three_files(tape)?;
    tape.mt("stsetoptions scsi2logical")?;
    for block in [7, 4, 11, 0] {
        leads(tape, 12, &format!("seek {block}"), block)?;
    }
    tape.mt("stclearoptions scsi2logical").map(drop)
}

/// st counts files and blocks by what the drive tells of its motions.
fn numbers(tape: &Tape) -> Result<()> {
    three_files(tape)?;
    tape.does(&[
        ("fsf:1", "ok"),
        ("fileno", "1"),
        ("blkno", "0"),
        ("fsr:1", "ok"),
        ("blkno", "1"),
        ("bsr:1", "ok"),
        ("blkno", "0"),
        ("fsf:1", "ok"),
        ("fileno", "2"),
        ("eod", "ok"),
        ("fileno", "3"),
        ("tell", "12"),
        ("rewind", "ok"),
        ("fileno", "0"),
        ("blkno", "0"),
    ])?;
    let status = tape.mt("status")?;
    ensure!(
        status.contains("File number=0, block number=0, partition=0"),
        "{status}"
    );
    ensure!(
        status.contains("BOT") && status.contains("ONLINE"),
        "{status}"
    );
    tape.mt("fsf 1")?;
    let status = tape.mt("status")?;
    ensure!(
        status.contains("File number=1, block number=0") && status.contains("EOF"),
        "{status}"
    );
    tape.mt("eod")?;
    let status = tape.mt("status")?;
    ensure!(
        status.contains("File number=3") && status.contains("EOD"),
        "{status}"
    );
    Ok(())
}
