// SPDX-License-Identifier: GPL-2.0-or-later
//! SIGKILL of QEMU, as far as a host that stays up can cut power.

use annex_qtest::files::Dir;
use annex_qtest::stream;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};

use crate::archives::{digest, make_tree};
use crate::drive::{Tape, WriteProtect, LIMIT};
use crate::rig::{drive, node, plugged, with_machine, Machine, TAPE};
use crate::simh::{self, Object};

inventory::submit! { Family(|add| {
    add("tape/crash/in-a-tar".into(), Box::new(in_a_tar));
    add("tape/crash/in-an-overwrite".into(), Box::new(in_an_overwrite));
}) }

/// Everything that closing the tape or `mt weof` confirmed is there, and the
/// tape can be read to its end and written on.
fn in_a_tar(dir: &Dir) -> Result<()> {
    let (image, wanted) = killed(dir, |tape| {
        make_tree(tape, 2)?;
        tape.sh("cd /data && tar -cf $T tree")?;
        tape.does(&[("s:1", ""), ("w:3000:30", "30 90000"), ("weof", "ok")])?;
        let wanted = digest(tape, "tree")?;
        tape.sh("mkdir /data/more; cp /data/fill /data/more/1; cp /data/fill /data/more/2")?;
        let grown = tape.dir.file("tape.tap").metadata()?.len() + (1 << 20);
        tape.sh("(while :; do tar -C /data -cf $T more; done) > /dev/null 2>&1 &")?;
        Ok((wanted, grown))
    })?;
    let found = simh::files(&image)?;
    // What wasn't confirmed may be there, or not.
    ensure!(found.len() >= 2, "{} files on the tape", found.len());
    ensure!(
        found[1] == stream::bytes(1, 0, 90_000),
        "the second file isn't what was written"
    );

    with_machine(Machine::Virtio, dir, |vm| {
        let tape = Tape::find(vm, dir, TAPE)?;
        tape.insert(&image, WriteProtect::Off)?;
        tape.sh("rm -rf /data/restored; mkdir /data/restored; mt -f $T asf 0; tar -xf $T -C /data/restored")?;
        let found = digest(&tape, "restored/tree")?;
        ensure!(found == wanted, "restored {found}, not {wanted}");
        tape.mt("asf 1")?;
        tape.does(&[("s:1", ""), ("r:4096:30", "30 90000"), ("R:4096", "1 0")])?;
        tape.mt("eod")?;
        let end = tape.tell()?;
        tape.does(&[("s:2", ""), ("w:500", "1 500"), ("weof", "ok")])?;
        tape.ensure_at(end + 2, "writing at the end")?;
        tape.remove()
    })
}

/// A tape that is overwritten in its middle ends there, and doesn't run on
/// into what lay behind.
fn in_an_overwrite(dir: &Dir) -> Result<()> {
    let (image, ()) = killed(dir, |tape| {
        tape.does(&[
            ("s:1", ""),
            ("w:60000:100", "100 6000000"),
            ("weof:2", "ok"),
        ])?;
        tape.does(&[
            ("seek:10", "ok"),
            ("s:2", ""),
            ("w:7000:20", "20 140000"),
            ("weof", "ok"),
        ])?;
        // Confirmed up to here: 10 old records, 20 new ones, a mark.
        tape.start("s:3 w:9000:100000")?;
        Ok(((), tape.dir.file("tape.tap").metadata()?.len() + 500_000))
    })?;
    let found = simh::tape(&image)?;
    ensure!(found.len() >= 31, "{} objects", found.len());
    for (index, object) in found.iter().enumerate() {
        let (seed, start, length) = match index {
            0..=9 => (1, 0, 60_000),
            10..=29 => (2, 10, 7000),
            30 => {
                ensure!(*object == Object::Mark, "{object:?} instead of the mark");
                continue;
            }
            _ => (3, 31, 9000),
        };
        let from = (index - start) * length;
        let data = stream::bytes(seed, from as u64, length);
        ensure!(
            *object == Object::Record(data),
            "object {index}: {object:?}"
        );
    }
    Ok(())
}

/// Starts a guest with a tape, has `work` begin something that writes on and
/// tell how long the image is to get, and kills QEMU then. The image, and
/// whatever else `work` answered.
fn killed<T>(
    dir: &Dir,
    work: impl FnOnce(&Tape) -> Result<(T, u64)>,
) -> Result<(std::path::PathBuf, T)> {
    let image = dir.file("tape.tap");
    std::fs::File::create(&image)?;
    let vm = plugged(&drive(&node(&image, "raw"), ""), "killed", dir)?;
    let (answer, length) = work(&Tape::find(&vm, dir, TAPE)?)?;
    wait::until("the image to grow", LIMIT, || {
        Ok((image.metadata()?.len() > length).then_some(()))
    })?;
    vm.kill()?;
    Ok((image, answer))
}
