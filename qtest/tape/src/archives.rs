// SPDX-License-Identifier: GPL-2.0-or-later
//! tar and cpio: written, verified, restored, listed; over several cartridges.

use std::time::Duration;

use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use sha2::{Digest, Sha256};

use crate::drive::{Tape, WriteProtect, LIMIT};
use crate::rig::{on_blank, SMALL, SMALL_CAPACITY, TAPE};
use crate::simh;

inventory::submit! { Family(|add| {
    let mut trial = |name: &str, id, body: fn(&Tape) -> Result<()>| {
        add(format!("tape/archive/{name}"), on_blank(id, body));
    };
    trial("tar", TAPE, tar);
    trial("tar-blocking-factors", TAPE, tar_blocking_factors);
    trial("tar-append", TAPE, tar_append);
    trial("tar-fixed-blocks", TAPE, tar_fixed_blocks);
    trial("tar-multi-volume", SMALL, tar_multi_volume);
    trial("cpio", TAPE, cpio);
    trial("several-on-one-tape", TAPE, several_on_one_tape);
}) }

/// In hex.
pub fn sha256(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// Makes /data/tree: a big file of the stream, small ones, an empty one, a
/// link. Removed and made anew, so that each test has the same.
pub fn make_tree(tape: &Tape, mib: u64) -> Result<()> {
    tape.vm.agent.fill(9, mib)?;
    tape.sh(
        "rm -rf /data/tree /data/restored; mkdir -p /data/tree/small /data/restored; cd /data; \
         cp fill tree/big; for n in $(seq 12); do dd if=fill of=tree/small/$n bs=$n skip=$n \
         count=97 2>/dev/null; done; : > tree/empty; ln -s big tree/link",
    )
    .map(drop)
}

/// The digest of all there is below /data/`of`.
pub fn digest(tape: &Tape, of: &str) -> Result<String> {
    tape.sh(&format!(
        "cd /data/{of} && {{ find . | sort; find . -type f | sort | xargs cat; readlink link; }} \
         | sha256sum | cut -c 1-64"
    ))
}

/// Checks that /data/restored/tree is /data/tree.
fn check_restored(tape: &Tape) -> Result<()> {
    let (found, wanted) = (digest(tape, "restored/tree")?, digest(tape, "tree")?);
    ensure!(found == wanted, "restored {found}, not {wanted}");
    tape.sh("rm -rf /data/restored/*").map(drop)
}

fn tar(tape: &Tape) -> Result<()> {
    make_tree(tape, 4)?;
    tape.sh("cd /data && tar -cf $T tree")?;
    tape.mt("rewind")?;
    tape.sh("cd /data && tar -df $T")?;
    // tar stops before the mark or behind it; the start is what counts.
    tape.mt("rewind")?;
    let list = tape.sh("tar -tf $T | wc -l")?;
    ensure!(list == "17", "{list} members");
    tape.mt("rewind")?;
    tape.sh("tar -xf $T -C /data/restored")?;
    check_restored(tape)?;
    // tar finds a change.
    tape.sh("echo x >> /data/tree/small/7")?;
    tape.mt("rewind")?;
    let found = tape.sh_fails("cd /data && tar -df $T 2>&1")?;
    ensure!(found.contains("small/7: Size differs"), "{found}");
    // And the host, with a reader and a tar of its own.
    host_lists(tape, 0, 17)
}

/// Has the host's tar list a file of the tape.
fn host_lists(tape: &Tape, file: usize, members: usize) -> Result<()> {
    let files = simh::files(&tape.dir.file("blank.tap"))?;
    let archive = tape.dir.file("archive.tar");
    std::fs::write(&archive, files.get(file).context("a file on the tape")?)?;
    let list = std::process::Command::new("tar")
        .arg("-tf")
        .arg(&archive)
        .output()?;
    let found = String::from_utf8_lossy(&list.stdout).lines().count();
    let said = String::from_utf8_lossy(&list.stderr);
    ensure!(
        list.status.success() && found == members,
        "the host's tar: {found} members {said}"
    );
    Ok(())
}

fn tar_blocking_factors(tape: &Tape) -> Result<()> {
    make_tree(tape, 1)?;
    for factor in [1, 20, 64, 512] {
        tape.mt("rewind")?;
        tape.sh(&format!("cd /data && tar -b {factor} -cf $T tree"))?;
        let longest = simh::tape(&tape.dir.file("blank.tap"))?
            .iter()
            .map(|object| {
                if let simh::Object::Record(data) = object {
                    data.len()
                } else {
                    0
                }
            })
            .max();
        ensure!(
            longest == Some(factor * 512),
            "records of {longest:?} bytes, factor {factor}"
        );
        tape.mt("rewind")?;
        tape.sh(&format!("tar -b {factor} -xf $T -C /data/restored"))?;
        check_restored(tape)?;
    }
    Ok(())
}

/// -r and -u space back over the archive's end, and write from there.
fn tar_append(tape: &Tape) -> Result<()> {
    make_tree(tape, 1)?;
    tape.sh("cd /data && tar -cf $T tree/small")?;
    tape.mt("rewind")?;
    tape.sh("cd /data && tar -rf $T tree/big")?;
    tape.mt("rewind")?;
    tape.sh("cd /data && tar -rf $T tree/empty tree/link")?;
    tape.mt("rewind")?;
    tape.sh("tar -xf $T -C /data/restored")?;
    check_restored(tape)?;
    host_lists(tape, 0, 16)
}

fn tar_fixed_blocks(tape: &Tape) -> Result<()> {
    make_tree(tape, 2)?;
    tape.mt("setblk 512")?;
    tape.sh("cd /data && tar -cf $T tree")?;
    tape.mt("rewind")?;
    tape.sh("tar -xf $T -C /data/restored")?;
    check_restored(tape)?;
    let records = simh::tape(&tape.dir.file("blank.tap"))?;
    let others = records.iter().filter(|object| match object {
        simh::Object::Record(data) => data.len() != 512,
        _ => false,
    });
    ensure!(others.count() == 0, "records of other lengths than 512");
    tape.mt("setblk 0").map(drop)
}

/// tar asks for the next volume when the drive warns of the end; the host
/// changes the cartridge.
fn tar_multi_volume(tape: &Tape) -> Result<()> {
    const VOLUMES: usize = 3;
    make_tree(tape, (2 * SMALL_CAPACITY) >> 20)?;
    let volumes: Result<Vec<_>> = (0..VOLUMES)
        .map(|number| tape.blank(&format!("volume-{number}.tap")))
        .collect();
    let volumes = volumes?;
    // What tar runs to have the volume changed.
    tape.sh(
        "printf '#!/bin/sh\\nrm -f /data/changed; echo $TAR_VOLUME > /data/wanted.new; \
         mv /data/wanted.new /data/wanted; until [ -e /data/changed ]; do sleep 0.1; done\\n' \
         > /data/change; chmod +x /data/change",
    )?;
    for (what, command) in [
        (
            "writing",
            "cd /data && tar -c -M -F /data/change -b 64 -f $T tree",
        ),
        (
            "comparing",
            "cd /data && tar -d -M -F /data/change -b 64 -f $T",
        ),
        (
            "restoring",
            "cd /data/restored && tar -x -M -F /data/change -b 64 -f $T",
        ),
    ] {
        tape.insert(&volumes[0], WriteProtect::Off)?;
        tape.sh(&format!(
            "rm -f /data/wanted /data/done; ({command}; echo $? > /data/done) > /data/said 2>&1 &"
        ))?;
        for (number, volume) in volumes.iter().enumerate().skip(1) {
            let wanted = wait::until(&format!("tar to want a volume, {what}"), LIMIT, || {
                std::thread::sleep(Duration::from_millis(100));
                let text = tape
                    .vm
                    .agent
                    .sh("cat /data/wanted /data/done 2>/dev/null; true")?;
                Ok(Some(text).filter(|text| !text.is_empty()))
            })?;
            let said = tape.vm.agent.sh("cat /data/said")?;
            ensure!(
                wanted == format!("{}", number + 1),
                "tar wants {wanted:?}, {what}: {said}"
            );
            tape.insert(volume, WriteProtect::Off)?;
            tape.sh("rm /data/wanted; touch /data/changed")?;
        }
        let status = wait::until(&format!("tar to end, {what}"), LIMIT, || {
            std::thread::sleep(Duration::from_millis(100));
            let text = tape
                .vm
                .agent
                .sh("cat /data/wanted /data/done 2>/dev/null; true")?;
            Ok(Some(text).filter(|text| !text.is_empty()))
        })?;
        ensure!(
            status == "0",
            "{what}: {status} {}",
            tape.vm.agent.sh("cat /data/said")?
        );
    }
    check_restored(tape)?;
    for (number, volume) in volumes.iter().enumerate() {
        let length = volume.metadata()?.len();
        let limit = SMALL_CAPACITY + (64 << 10);
        ensure!(length <= limit, "volume {number} has {length} bytes");
        let full = length > SMALL_CAPACITY * 8 / 10;
        ensure!(
            full || number + 1 == VOLUMES,
            "volume {number} ended at {length} bytes"
        );
    }
    Ok(())
}

fn cpio(tape: &Tape) -> Result<()> {
    make_tree(tape, 2)?;
    for (format, options) in [("newc", "-B"), ("odc", "-C 65536"), ("newc", "-C 5130")] {
        tape.mt("rewind")?;
        tape.sh(&format!(
            "cd /data && find tree | cpio --quiet -o -H {format} {options} > $T"
        ))?;
        tape.mt("rewind")?;
        tape.sh(&format!(
            "cd /data/restored && cpio --quiet -id -H {format} {options} < $T"
        ))?;
        check_restored(tape)?;
    }
    // Through cpio's own opening of the tape.
    tape.mt("rewind")?;
    tape.sh("cd /data && find tree | cpio --quiet -o -H newc -B -O $T")?;
    tape.mt("rewind")?;
    tape.sh("cd /data/restored && cpio --quiet -id -B -I $T")?;
    check_restored(tape)
}

/// Each is found by its number, in any order.
fn several_on_one_tape(tape: &Tape) -> Result<()> {
    make_tree(tape, 1)?;
    tape.sh("cd /data && tar -cf $T tree/small && tar -cf $T tree/big && find tree | cpio --quiet -o > $T")?;
    tape.sh("mt -f $T asf 1 && tar -xf $T -C /data/restored")?;
    tape.sh("cmp /data/tree/big /data/restored/tree/big; rm -r /data/restored/*")?;
    tape.sh("mt -f $T asf 0 && tar -df $T -C /data")?;
    tape.sh("mt -f $T asf 2 && cd /data/restored && cpio --quiet -id < $T")?;
    check_restored(tape)?;
    let files = simh::files(&tape.dir.file("blank.tap"))?;
    ensure!(files.len() == 3, "{} files on the tape", files.len());
    host_lists(tape, 1, 1)
}
