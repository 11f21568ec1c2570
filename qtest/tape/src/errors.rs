// SPDX-License-Identifier: GPL-2.0-or-later
//! Errors under the image: the VM stops and nothing is lost, or the guest is
//! told.

use std::path::Path;
use std::process::Command;

use annex_qtest::error::Skip;
use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::{json, Value};

use crate::drive::{Tape, LIMIT};
use crate::rig::{drive, node, plugged, TAPE};
use crate::simh;

inventory::submit! { Family(|add| {
    add("tape/error/write-stops".into(), Box::new(write_stops));
    add("tape/error/read-stops".into(), Box::new(read_stops));
    add("tape/error/reported".into(), Box::new(reported));
    add("tape/error/full-file-system".into(), Box::new(full_file_system));
    add("tape/error/full-and-reported".into(), Box::new(full_and_reported));
}) }

/// A machine whose tape has its image behind these rules of blkdebug's.
fn with_rules(dir: &Dir, rules: &Value, policy: &str) -> Result<Vm> {
    let image = dir.file("tape.tap");
    std::fs::File::create(&image)?;
    let node = json!({
        "node-name": "d0", "driver": "raw",
        "file": {
            "driver": "blkdebug", "inject-error": rules,
            "image": { "driver": "file", "filename": image },
        },
    });
    plugged(&drive(&node, &format!(",{policy}")), "vm", dir)
}

/// Waits until I/O has failed and stopped the VM.
fn wait_stopped(vm: &Vm, from: usize, operation: &str) -> Result<()> {
    let event = vm.qmp.wait_event(from, "BLOCK_IO_ERROR", LIMIT)?;
    ensure!(
        event.data["action"] == "stop" && event.data["operation"] == operation,
        "{}",
        event.data
    );
    vm.wait_run_state("io-error", LIMIT)
}

/// `cont` tries again, and the guest never knows.
fn write_stops(dir: &Dir) -> Result<()> {
    let rules = json!([
        { "event": "write_aio", "sector": 1000, "errno": 5, "once": true },
        { "event": "write_aio", "sector": 4000, "errno": 28, "once": true },
        { "event": "flush_to_disk", "errno": 5, "once": true },
    ]);
    let vm = with_rules(dir, &rules, "werror=stop,rerror=stop")?;
    let tape = Tape::find(&vm, dir, TAPE)?;
    let mut from = vm.qmp.now();
    tape.start("s:1 w:30000:100 weof tell")?;
    for _ in 0..3 {
        wait_stopped(&vm, from, "write")?;
        from = vm.qmp.now();
        vm.qmp.execute("cont", json!({}))?;
    }
    let said = tape.ended()?;
    ensure!(
        said == "w:30000:100: 100 3000000\nweof: ok\ntell: 101\nclose: ok",
        "{said}"
    );
    tape.does(&[
        ("rewind", "ok"),
        ("s:1", ""),
        ("r:30000:100", "100 3000000"),
        ("R:512", "1 0"),
    ])?;
    ensure!(simh::tape(&dir.file("tape.tap"))?.len() == 101);
    vm.quit()
}

fn read_stops(dir: &Dir) -> Result<()> {
    let rules = json!([{ "event": "read_aio", "sector": 1000, "errno": 5, "once": true }]);
    let vm = with_rules(dir, &rules, "werror=stop,rerror=stop")?;
    let tape = Tape::find(&vm, dir, TAPE)?;
    tape.does(&[
        ("s:1", ""),
        ("w:30000:100", "100 3000000"),
        ("weof", "ok"),
        ("rewind", "ok"),
    ])?;
    let from = vm.qmp.now();
    tape.start("s:1 r:30000:100 R:512")?;
    wait_stopped(&vm, from, "read")?;
    vm.qmp.execute("cont", json!({}))?;
    let said = tape.ended()?;
    ensure!(
        said.starts_with("r:30000:100: 100 3000000\nR:512: 1 0\n"),
        "{said}"
    );
    vm.quit()
}

/// With werror=report the guest gets an error, sooner or later: the drive has
/// acknowledged what it gathered. What a mark had confirmed stays.
fn reported(dir: &Dir) -> Result<()> {
    let rules = json!([
        { "event": "write_aio", "sector": 3000, "errno": 5, "once": true },
        { "event": "read_aio", "sector": 200, "errno": 5 },
    ]);
    let vm = with_rules(dir, &rules, "werror=report,rerror=report")?;
    let tape = Tape::find(&vm, dir, TAPE)?;
    tape.does(&[("s:1", ""), ("w:30000:30", "30 900000"), ("weof", "ok")])?;
    let said = tape.ops("s:2 w:30000:100 weof")?;
    ensure!(
        said.iter().any(|answer| answer.contains("EIO")),
        "no error was reported: {said:?}"
    );
    ensure!(vm.run_state()? == "running", "{}", vm.run_state()?);
    // A bad place costs the one record that it is in.
    tape.mt("rewind")?;
    tape.does(&[
        ("s:1", ""),
        ("r:30000:3", "3 90000"),
        ("R:30000", "0 0 EIO"),
        ("seek:4", "ok"),
        ("R:30000:26", "26 780000"),
        ("R:30000", "1 0"),
    ])?;
    vm.quit()
}

/// A mounted tmpfs, unmounted on drop.
struct SmallFileSystem<'a>(&'a Path);

impl<'a> SmallFileSystem<'a> {
    fn mount(path: &'a Path) -> Result<Self> {
        std::fs::create_dir(path)?;
        if !rustix::process::geteuid().is_root() {
            return Err(Skip("only root can mount a small file system".into()).into());
        }
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=3M", "tmpfs"])
            .arg(path)
            .status()?;
        ensure!(
            status.success(),
            Skip(format!("mounting a small tmpfs: {status}"))
        );
        Ok(Self(path))
    }

    fn grow(&self) -> Result<()> {
        let status = Command::new("mount")
            .args(["-o", "remount,size=30M"])
            .arg(self.0)
            .status()?;
        ensure!(status.success(), "mount: {status}");
        Ok(())
    }
}

impl Drop for SmallFileSystem<'_> {
    fn drop(&mut self) {
        // Lazily: QEMU may not be gone yet.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// A machine whose tape is the file `image`.
fn with_image(dir: &Dir, image: &Path, policy: &str) -> Result<Vm> {
    std::fs::File::create(image)?;
    plugged(&drive(&node(image, "raw"), policy), "vm", dir)
}

/// By default a full host stops the VM; when there is room again it goes on.
fn full_file_system(dir: &Dir) -> Result<()> {
    let place = dir.file("small");
    let file_system = SmallFileSystem::mount(&place)?;
    let image = place.join("tape.tap");
    let vm = with_image(dir, &image, "")?;
    let tape = Tape::find(&vm, dir, TAPE)?;
    let from = vm.qmp.now();
    tape.start("s:1 w:65536:100 weof tell")?;
    wait_stopped(&vm, from, "write")?;
    // Nothing has changed: it stops again.
    let from = vm.qmp.now();
    vm.qmp.execute("cont", json!({}))?;
    wait_stopped(&vm, from, "write")?;
    file_system.grow()?;
    vm.qmp.execute("cont", json!({}))?;
    let said = tape.ended()?;
    ensure!(
        said == "w:65536:100: 100 6553600\nweof: ok\ntell: 101\nclose: ok",
        "{said}"
    );
    tape.does(&[
        ("rewind", "ok"),
        ("s:1", ""),
        ("r:65536:100", "100 6553600"),
        ("R:512", "1 0"),
    ])?;
    ensure!(simh::tape(&image)?.len() == 101);
    vm.quit()
}

/// With werror=report the tape holds what it took of a full host, but for what was
/// in the buffer. Since that is lost it isn't the end of the tape, behind which a
/// program would go on with the next one.
fn full_and_reported(dir: &Dir) -> Result<()> {
    let place = dir.file("small");
    let _file_system = SmallFileSystem::mount(&place)?;
    let image = place.join("tape.tap");
    let vm = with_image(dir, &image, ",werror=report")?;
    let tape = Tape::find(&vm, dir, TAPE)?;
    let said = tape.ops("s:1 w:10000:1000")?;
    ensure!(said[0].ends_with("EIO"), "{said:?}");
    tape.mt("rewind")?;
    tape.mt("eod")?;
    // The close has put a mark behind them.
    let kept = tape.tell()? - 1;
    ensure!((200..315).contains(&kept), "{kept} records of 3 MiB");
    tape.mt("rewind")?;
    let (read, records) = (
        format!("r:10000:{kept}"),
        format!("{kept} {}", kept * 10_000),
    );
    tape.does(&[("s:1", ""), (&read, &records), ("R:512", "1 0")])?;
    vm.quit()?;
    let found = simh::tape(&image)?;
    ensure!(found.len() as u64 == kept + 1, "{} objects", found.len());
    Ok(())
}
