// SPDX-License-Identifier: GPL-2.0-or-later
//! Images that others made, and others that read ours.

use annex_qtest::stream;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

use crate::archives::{digest, make_tree};
use crate::drive::{Tape, WriteProtect};
use crate::rig::{boot, config, on_blank, TAPE};
use crate::simh::{self, Object};

inventory::submit! { Family(|add| {
    let mut trial = |name: &str, body: fn(&Tape) -> Result<()>| {
        add(format!("tape/exchange/{name}"), on_blank(TAPE, body));
    };
    trial("simh", simh_image);
    trial("simh-without-an-end", simh_without_an_end);
    trial("simh-with-bad-records", simh_with_bad_records);
    trial("simh-what-others-left-stays", others_objects_stay);
    trial("e11", e11);
    trial("aws", aws);
    trial("no-tape", no_tape);
    trial("another-qemu", another_qemu);
}) }

fn record(seed: u64, length: usize) -> Object {
    Object::Record(stream::bytes(seed, 0, length))
}

/// Two files, records of odd lengths, and everything that a reader skips.
fn with_gaps() -> Vec<Object> {
    vec![
        Object::Gap,
        record(1, 80),
        Object::Gap,
        Object::Gap,
        record(2, 81),
        Object::Other(2, b"somebody's private record".to_vec()),
        Object::Marker(0x7123_4567),
        Object::Mark,
        Object::Other(0xe, b"a description".to_vec()),
        record(3, 1),
        Object::Gap,
        Object::Mark,
        Object::Mark,
    ]
}

/// Has the guest read what [`with_gaps`] holds, both ways.
fn reads_with_gaps(tape: &Tape) -> Result<()> {
    tape.mt("rewind")?;
    tape.does(&[
        ("s:1", ""),
        ("r:512", "1 80"),
        ("s:2", ""),
        ("r:512", "1 81"),
        ("R:512", "1 0"),
        ("s:3", ""),
        ("r:512", "1 1"),
        ("R:512", "1 0"),
        ("R:512", "1 0"),
        ("R:512", "1 0"),
        ("R:512", "0 0 EIO"),
        ("tell", "6"),
        ("bsf:2", "ok"),
        ("bsr:1", "ok"),
        ("tell", "3"),
        ("s:3", ""),
        ("r:512", "1 1"),
        ("seek:1", "ok"),
        ("s:2", ""),
        ("r:512", "1 81"),
        ("bsr:2", "ok"),
        ("s:1", ""),
        ("r:512", "1 80"),
        ("rewind", "ok"),
        ("fsf:1", "ok"),
        ("tell", "3"),
    ])
}

fn put(tape: &Tape, image: &[u8]) -> Result<()> {
    let path = tape.dir.file("others.tap");
    tape.remove()?;
    std::fs::write(&path, image)?;
    tape.insert(&path, WriteProtect::Off)
}

fn simh_image(tape: &Tape) -> Result<()> {
    let mut image = simh::image(&with_gaps());
    image.extend([0xff; 4]);
    // What follows the end of medium isn't on the tape.
    image.extend(simh::image(&[record(9, 100)]));
    put(tape, &image)?;
    reads_with_gaps(tape)
}

fn simh_without_an_end(tape: &Tape) -> Result<()> {
    put(tape, &simh::image(&with_gaps()))?;
    reads_with_gaps(tape)
}

/// A record that its writer couldn't read is no good data here either.
fn simh_with_bad_records(tape: &Tape) -> Result<()> {
    let bad = Object::Other(8, stream::bytes(7, 0, 100));
    put(
        tape,
        &simh::image(&[record(1, 100), bad, record(2, 200), Object::Mark]),
    )?;
    tape.mt("rewind")?;
    tape.does(&[
        ("s:1", ""),
        ("r:512", "1 100"),
        ("R:512", "0 0 EIO"),
        ("seek:2", "ok"),
        ("s:2", ""),
        ("r:512", "1 200"),
    ])
}

/// Appending changes nothing of what lies before.
fn others_objects_stay(tape: &Tape) -> Result<()> {
    let mut objects = with_gaps();
    put(tape, &simh::image(&objects))?;
    tape.mt("eod")?;
    tape.does(&[("s:4", ""), ("w:4000", "1 4000"), ("weof", "ok")])?;
    tape.remove()?;
    let found = simh::read(&std::fs::read(tape.dir.file("others.tap"))?)?;
    objects.extend([record(4, 4000), Object::Mark]);
    ensure!(
        found.starts_with(&objects),
        "{found:?} doesn't begin with {objects:?}"
    );
    Ok(())
}

/// Checks that the image in the drive can't be written to.
fn stays_as_it_is(tape: &Tape, image: &[u8]) -> Result<()> {
    for motion in ["rewind", "eod"] {
        tape.mt(motion)?;
        tape.sh_fails("dd if=/dev/zero of=$T count=1 2>&1")?;
    }
    tape.remove()?;
    ensure!(
        std::fs::read(tape.dir.file("others.tap"))? == image,
        "the image was changed"
    );
    Ok(())
}

/// As SIMH, but records of odd length have no pad byte.
fn e11(tape: &Tape) -> Result<()> {
    let mut image = Vec::new();
    let lengths = [81_usize, 513, 80, 1];
    for (seed, length) in lengths.iter().enumerate() {
        image.extend((*length as u32).to_le_bytes());
        image.extend(stream::bytes(seed as u64, 0, *length));
        image.extend((*length as u32).to_le_bytes());
    }
    image.extend([0; 8]);
    put(tape, &image)?;
    tape.mt("rewind")?;
    tape.does(&[
        ("s:0", ""),
        ("r:1024", "1 81"),
        ("s:1", ""),
        ("r:1024", "1 513"),
        ("s:2", ""),
        ("r:1024", "1 80"),
        ("s:3", ""),
        ("r:1024", "1 1"),
        ("R:1024", "1 0"),
        ("R:1024", "1 0"),
        ("bsf:2", "ok"),
        ("bsr:3", "ok"),
        ("s:1", ""),
        ("r:1024", "1 513"),
    ])?;
    stays_as_it_is(tape, &image)
}

/// Hercules' format: a header before each block tells its length and that of
/// the one before.
fn aws(tape: &Tape) -> Result<()> {
    let mut image = Vec::new();
    let mut before = 0;
    let mut block = |data: &[u8], flags: u8| {
        image.extend((data.len() as u16).to_le_bytes());
        image.extend((before as u16).to_le_bytes());
        image.extend([flags, 0]);
        image.extend(data);
        before = data.len();
    };
    block(&stream::bytes(1, 0, 80), 0xa0);
    block(&stream::bytes(2, 0, 32_001), 0xa0);
    block(&[], 0x40);
    block(&stream::bytes(3, 0, 7), 0xa0);
    block(&[], 0x40);
    block(&[], 0x40);
    put(tape, &image)?;
    tape.mt("rewind")?;
    tape.does(&[
        ("s:1", ""),
        ("r:65536", "1 80"),
        ("s:2", ""),
        ("r:65536", "1 32001"),
        ("R:65536", "1 0"),
        ("s:3", ""),
        ("r:65536", "1 7"),
        ("R:65536", "1 0"),
        ("bsf:2", "ok"),
        ("bsr:1", "ok"),
        ("s:2", ""),
        ("r:65536", "1 32001"),
    ])?;
    stays_as_it_is(tape, &image)
}

/// A file that holds no tape is refused, says why, and stays as it is.
fn no_tape(tape: &Tape) -> Result<()> {
    let image = stream::bytes(99, 0, 100_000);
    put(tape, &image)?;
    tape.sh_fails("dd if=$T of=/dev/null bs=64k count=1 2>&1")?;
    tape.run("dd if=/dev/zero of=$T bs=64k count=1 2>&1")?;
    tape.remove()?;
    ensure!(
        std::fs::read(tape.dir.file("others.tap"))? == image,
        "the file was changed"
    );
    Ok(())
}

/// An archive of one QEMU's is restored by another, which has it in the drive
/// from the start.
fn another_qemu(tape: &Tape) -> Result<()> {
    make_tree(tape, 4)?;
    tape.sh("cd /data && tar -b 128 -cf $T tree && tar -cf $T tree/small")?;
    let wanted = digest(tape, "tree")?;
    let image = tape.dir.file("blank.tap");
    tape.remove()?;
    let image = image.to_str().expect("a path that Rust has printed before");
    let drive = format!("if=none,id=d0,format=raw,file={image}");
    let other = config()?
        .with(["-drive", &drive, "-device", "virtio-scsi-pci"])
        .with(["-device", "scsi-tape,id=tape,product=tape,drive=d0"]);
    let vm = boot(&other, "other", tape.dir)?;
    let there = Tape::find(&vm, tape.dir, TAPE)?;
    there.sh("mkdir -p /data/restored && tar -b 128 -xf $T -C /data/restored")?;
    let found = digest(&there, "restored/tree")?;
    ensure!(found == wanted, "restored {found}, not {wanted}");
    there.sh("mt -f $T asf 1 && tar -df $T -C /data/restored")?;
    vm.quit()
}
