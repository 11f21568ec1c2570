// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest that moves while it writes a tape; a guest and its tape that come
//! back from a snapshot.

use std::path::Path;
use std::time::Duration;

use annex_qtest::files::{self, Dir};
use annex_qtest::migrate;
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};

use crate::archives::{digest, make_tree, sha256};
use crate::drive::{Tape, LIMIT};
use crate::rig::{boot, config, drive, node, plugged, TAPE};
use crate::simh;

inventory::submit! { Family(|add| {
    add("tape/migration/live".into(), Box::new(live));
    add("tape/migration/there-and-back".into(), Box::new(there_and_back));
    add("tape/migration/snapshot-on-demand".into(), Box::new(snapshot_on_demand));
    add("tape/migration/savevm".into(), Box::new(savevm));
}) }

/// A machine with the image in its drive, as it is where a guest arrives.
fn machine(image: &Path) -> Result<Config> {
    Ok(config()?.with(drive(&node(image, "raw"), "").iter().map(String::as_str)))
}

/// The same, where a guest starts out.
fn source(image: &Path, format: &str, name: &str, dir: &Dir) -> Result<Vm> {
    plugged(&drive(&node(image, format), ""), name, dir)
}

fn blank(dir: &Dir) -> Result<std::path::PathBuf> {
    let image = dir.file("tape.tap");
    std::fs::File::create(&image)?;
    Ok(image)
}

/// In the middle of a tar the guest goes on elsewhere, with the same image.
fn live(dir: &Dir) -> Result<()> {
    let image = blank(dir)?;
    let config = machine(&image)?;
    let vm = source(&image, "raw", "source", dir)?;
    let tape = Tape::find(&vm, dir, TAPE)?;
    begin_tars(&tape)?;
    let there = migrate::live(&vm, &config, "destination", dir)?;
    vm.quit()?;
    let tape = Tape::find(&there, dir, TAPE)?;
    check_tars(&tape, &image)?;
    there.quit()
}

/// Twice, the second time into a new machine on the first one's host.
fn there_and_back(dir: &Dir) -> Result<()> {
    let image = blank(dir)?;
    let config = machine(&image)?;
    let first = source(&image, "raw", "first", dir)?;
    let tape = Tape::find(&first, dir, TAPE)?;
    tape.mt("setblk 1024")?;
    begin_tars(&tape)?;
    let second = migrate::live(&first, &config, "second", dir)?;
    drop(first);
    let third = migrate::live(&second, &config, "third", dir)?;
    drop(second);
    let tape = Tape::find(&third, dir, TAPE)?;
    check_tars(&tape, &image)?;
    let status = tape.mt("status")?;
    ensure!(status.contains("Tape block size 1024 bytes"), "{status}");
    third.quit()
}

/// How many archives follow one another.
const TARS: usize = 6;

/// Begins to write archives in the background; the first one is under way.
fn begin_tars(tape: &Tape) -> Result<()> {
    make_tree(tape, 3)?;
    tape.sh(&format!(
        "(for n in $(seq {TARS}); do tar -C /data -cf $T tree || echo no $n; done; echo done) \
         > /data/said 2>&1 &"
    ))?;
    let image = tape.dir.file("tape.tap");
    wait::until("the tape to be written", LIMIT, || {
        Ok((image.metadata()?.len() > 1 << 20).then_some(()))
    })
}

/// Waits for them, and reads them from the guest and from the host.
fn check_tars(tape: &Tape, image: &Path) -> Result<()> {
    let said = wait::until("the tars to end", Duration::from_secs(300), || {
        std::thread::sleep(Duration::from_millis(200));
        let said = tape.vm.agent.sh("cat /data/said")?;
        Ok(said.ends_with("done").then_some(said))
    })?;
    ensure!(said == "done", "tar said {said}");
    tape.sh("mt -f $T asf 0; tar -df $T -C /data")?;
    tape.sh(&format!(
        "mt -f $T asf {}; tar -xf $T -C /data/restored",
        TARS - 1
    ))?;
    let (found, wanted) = (digest(tape, "restored/tree")?, digest(tape, "tree")?);
    ensure!(found == wanted, "restored {found}, not {wanted}");
    let archive = tape.sh("tar -C /data -cf - tree | sha256sum | cut -c 1-64")?;
    let files = simh::files(image)?;
    ensure!(files.len() == TARS, "{} archives on the tape", files.len());
    for (number, file) in files.iter().enumerate() {
        ensure!(
            sha256(file) == archive,
            "archive {number} isn't what tar makes of the tree"
        );
    }
    Ok(())
}

/// The tape in a snapshot is where it was, and the annex's other feature
/// brings the guest back.
fn snapshot_on_demand(dir: &Dir) -> Result<()> {
    let config = machine(&blank(dir)?)?;
    let vm = boot(&config, "source", dir)?;
    let tape = Tape::find(&vm, dir, TAPE)?;
    tape.does(&[
        ("s:1", ""),
        ("w:3000:9", "9 27000"),
        ("weof", "ok"),
        ("w:100", "1 100"),
        ("seek:4", "ok"),
    ])?;
    tape.mt("setblk 3000")?;
    // Held open, with half of it read.
    tape.start("s:1 seek:0 r:12000 x:/data/go r:9000 tell")?;
    tape.answers(2)?;
    let path = dir.file("snapshot");
    snapshot::save(&vm, &path)?;
    vm.quit()?;
    let restored = snapshot::load_whole(&config, "restored", dir, &path, Mode::OnDemand)?;
    let tape = Tape::find(&restored, dir, TAPE)?;
    tape.sh("touch /data/go")?;
    let said = tape.ended()?;
    ensure!(said.contains("r:9000: 1 9000\ntell: 7\n"), "{said}");
    tape.mt("setblk 0")?;
    tape.does(&[
        ("rewind", "ok"),
        ("s:1", ""),
        ("r:4096:9", "9 27000"),
        ("R:4096", "1 0"),
        ("R:4096", "1 100"),
    ])?;
    restored.quit()
}

/// With an image that can do it, a tape goes back in time with its guest.
fn savevm(dir: &Dir) -> Result<()> {
    let image = dir.file("tape.qcow2");
    files::make_qcow2(&image, &["-o", "size=64M"])?;
    let vm = source(&image, "qcow2", "vm", dir)?;
    let tape = Tape::find(&vm, dir, TAPE)?;
    tape.does(&[
        ("s:1", ""),
        ("w:5000:5", "5 25000"),
        ("weof", "ok"),
        ("seek:3", "ok"),
    ])?;
    let said = vm.qmp.human("savevm then")?;
    ensure!(said.is_empty(), "savevm: {said}");
    tape.does(&[
        ("seek:1", "ok"),
        ("s:2", ""),
        ("w:777:40", "40 31080"),
        ("weof:2", "ok"),
    ])?;
    let said = vm.qmp.human("loadvm then")?;
    ensure!(said.is_empty(), "loadvm: {said}");
    vm.wait_run_state("running", LIMIT)?;
    tape.does(&[
        ("tell", "3"),
        ("R:8192", "1 5000"),
        ("rewind", "ok"),
        ("s:1", ""),
        ("r:8192:5", "5 25000"),
        ("R:8192", "1 0"),
        ("tell", "6"),
    ])?;
    vm.quit()
}
