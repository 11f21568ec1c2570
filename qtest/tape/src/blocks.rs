// SPDX-License-Identifier: GPL-2.0-or-later
//! Blocks of every length, variable and fixed, and reads of another length
//! than the record's: what st makes of the residual and the sense data.

use annex_qtest::stream;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

use crate::archives::sha256;
use crate::drive::Tape;
use crate::rig::{on_blank, TAPE};
use crate::simh::{self, Object};

/// The longest block that READ BLOCK LIMITS allows.
const LONGEST: usize = (1 << 24) - 1;

inventory::submit! { Family(|add| {
    for (size, count) in [
        (1, 50),
        (511, 40),
        (512, 40),
        (513, 40),
        (10_240, 30),
        (65_535, 20),
        (65_536, 20),
        (262_144, 8),
        ((1 << 20) + 1, 4),
    ] {
        add(format!("tape/blocks/variable-{size}"), on_size(move |tape| variable(tape, size, count)));
    }
    for (block, transfer) in [(1, 1), (511, 5110), (512, 512), (512, 10_240), (4096, 65_536), (65_536, 262_144)] {
        add(
            format!("tape/blocks/fixed-{block}-by-{transfer}"),
            on_size(move |tape| fixed(tape, block, transfer)),
        );
    }
    let mut trial = |name: &str, body: fn(&Tape) -> Result<()>| {
        add(format!("tape/blocks/{name}"), on_blank(TAPE, body));
    };
    trial("longest", longest);
    trial("short-reads", short_reads);
    trial("too-long-records", too_long_records);
    trial("fixed-reads", fixed_reads);
    trial("other-lengths-in-fixed-mode", other_lengths_in_fixed_mode);
}) }

fn on_size(body: impl Fn(&Tape) -> Result<()> + Send + 'static) -> annex_qtest::trial::Body {
    Box::new(move |dir| {
        crate::rig::with_machine(crate::rig::Machine::Virtio, dir, |vm| {
            crate::rig::with_blank(&Tape::find(vm, dir, TAPE)?, body)
        })
    })
}

/// What dd wrote is the stream, in `count` records of `size` bytes and a mark.
fn check_image(tape: &Tape, size: usize, count: usize) -> Result<()> {
    let found = simh::tape(&tape.dir.file("blank.tap"))?;
    ensure!(
        found.len() == count + 1 && found[count] == Object::Mark,
        "{} objects",
        found.len()
    );
    for (index, object) in found[..count].iter().enumerate() {
        let data = stream::bytes(1, (index * size) as u64, size);
        ensure!(
            *object == Object::Record(data),
            "record {index}: {object:?}"
        );
    }
    Ok(())
}

/// Has the stream in the guest's file, at least `bytes` of it.
fn source(tape: &Tape, bytes: usize) -> Result<()> {
    tape.vm.agent.fill(1, bytes.div_ceil(1 << 20) as u64)
}

fn reads_back(tape: &Tape, transfer: usize, bytes: usize) -> Result<()> {
    let found = tape.sh(&format!(
        "dd if=$T bs={transfer} 2>/dev/null | sha256sum | cut -c 1-64"
    ))?;
    ensure!(
        found == sha256(&stream::bytes(1, 0, bytes)),
        "the data read isn't what was written"
    );
    Ok(())
}

fn variable(tape: &Tape, size: usize, count: usize) -> Result<()> {
    source(tape, size * count)?;
    tape.sh(&format!(
        "dd if=/data/fill of=$T bs={size} count={count} 2>&1"
    ))?;
    tape.ensure_at(count as u64 + 1, "dd")?;
    check_image(tape, size, count)?;
    tape.mt("rewind")?;
    reads_back(tape, size, size * count)
}

fn fixed(tape: &Tape, block: usize, transfer: usize) -> Result<()> {
    const TRANSFERS: usize = 6;
    let bytes = TRANSFERS * transfer;
    source(tape, bytes)?;
    tape.mt(&format!("setblk {block}"))?;
    tape.sh(&format!(
        "dd if=/data/fill of=$T bs={transfer} count={TRANSFERS} 2>&1"
    ))?;
    tape.ensure_at((bytes / block) as u64 + 1, "dd")?;
    check_image(tape, block, bytes / block)?;
    tape.mt("rewind")?;
    // More than one transfer holds; the last comes short.
    reads_back(tape, block * (transfer / block + 1), bytes)?;
    tape.mt("setblk 0").map(drop)
}

fn longest(tape: &Tape) -> Result<()> {
    let limits = tape.sh("sg_raw -r 6 $SG 05 00 00 00 00 00 2>&1")?;
    ensure!(
        limits.contains("00 ff ff ff 00 01"),
        "READ BLOCK LIMITS: {limits}"
    );
    variable(tape, LONGEST, 2)?;
    tape.sh_fails("dd if=/dev/zero of=$T bs=16777216 count=1 2>&1")
        .map(drop)
}

/// A read may ask for more than there is: it gets the record.
fn short_reads(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("w:100", "1 100"),
        ("w:1000", "1 1000"),
        ("w:65535", "1 65535"),
        ("w:1", "1 1"),
        ("weof", "ok"),
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:101", "1 100"),
        ("r:262144", "1 1000"),
        ("r:65536", "1 65535"),
        ("r:65536", "1 1"),
        ("R:65536", "1 0"),
        ("R:65536", "1 0"),
        ("R:65536", "0 0 EIO"),
        ("tell", "5"),
    ])
}

/// A read that asks for less than the record has: ENOMEM, no data, and the
/// next read is of the next record.
fn too_long_records(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("w:1000", "1 1000"),
        ("w:2000", "1 2000"),
        ("w:300", "1 300"),
        ("rewind", "ok"),
        ("R:999", "0 0 ENOMEM"),
        ("tell", "1"),
        ("R:1", "0 0 ENOMEM"),
        ("tell", "2"),
        ("R:300", "1 300"),
        ("seek:1", "ok"),
        ("s:0", ""),
        ("rewind", "ok"),
        ("r:1000", "1 1000"),
        ("r:2000", "1 2000"),
        ("r:300", "1 300"),
    ])
}

/// In fixed mode a read that meets a mark gets what came before it.
fn fixed_reads(tape: &Tape) -> Result<()> {
    tape.mt("setblk 512")?;
    tape.does(&[
        ("w:5120", "1 5120"),
        ("weof", "ok"),
        ("w:1536", "1 1536"),
        ("weof", "ok"),
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:4096", "1 4096"),
        ("r:4096", "1 1024"),
        ("R:4096", "1 0"),
        ("r:512", "1 512"),
        ("r:4096", "1 1024"),
        ("R:4096", "1 0"),
        // The first blank check after a mark is one more end of file to st.
        ("R:4096", "1 0"),
        ("R:4096", "0 0 EIO"),
        ("seek:3", "ok"),
        ("R:3584", "1 3584"),
        ("tell", "10"),
    ])?;
    tape.mt("setblk 0").map(drop)
}

/// Records that aren't of the fixed length are an error, whichever way they
/// differ, and st stays before them.
fn other_lengths_in_fixed_mode(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("w:512:2", "2 1024"),
        ("w:100", "1 100"),
        ("w:512", "1 512"),
        ("w:700", "1 700"),
        ("weof", "ok"),
    ])?;
    tape.mt("setblk 512")?;
    tape.does(&[
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:512:2", "2 1024"),
        ("R:512", "0 0 EIO"),
        ("tell", "2"),
        ("fsr:1", "ok"),
        ("R:512", "1 512"),
        ("R:512", "0 0 EIO"),
        ("tell", "4"),
    ])?;
    tape.mt("setblk 0")?;
    tape.does(&[("R:4096", "1 700"), ("R:4096", "1 0")])
}
