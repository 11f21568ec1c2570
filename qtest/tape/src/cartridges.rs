// SPDX-License-Identifier: GPL-2.0-or-later
//! Cartridges that are changed, locked in, write-protected, or not there.

use annex_qtest::error::refusal;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::drive::{Tape, WriteProtect, LIMIT};
use crate::rig::{on_blank, SMALL, SMALL_NAME, TAPE};
use crate::simh;

inventory::submit! { Family(|add| {
    let mut trial = |name: &str, body: fn(&Tape) -> Result<()>| {
        add(format!("tape/cartridge/{name}"), on_blank(TAPE, body));
    };
    trial("empty-drive", empty_drive);
    trial("changed-while-open", changed_while_open);
    trial("taken-out-while-open", taken_out_while_open);
    trial("taken-out-in-a-transfer", taken_out_in_a_transfer);
    trial("locked", locked);
    trial("step-by-step", step_by_step);
    trial("write-protected", write_protected);
    trial("host-adds-to-it", host_adds_to_it);
    add("tape/cartridge/human-monitor".into(), on_blank(SMALL, human_monitor));
}) }

fn empty_drive(tape: &Tape) -> Result<()> {
    tape.remove()?;
    let status = tape.mt("status")?;
    ensure!(status.contains("DR_OPEN"), "{status}");
    // st waits two minutes for a cartridge unless told not to.
    let said = tape.sh_fails("dd if=$T of=/dev/null iflag=nonblock count=1 2>&1")?;
    ensure!(said.contains("No medium found"), "{said}");
    // Its identity needs no cartridge.
    ensure!(tape.sh("sg_inq $SG")?.contains("tape"));
    let (status, text) = tape.run("sg_turs -v $SG 2>&1")?;
    ensure!(
        status == 2 && text.contains("Medium not present"),
        "{status}: {text}"
    );
    tape.insert(&tape.dir.file("blank.tap"), WriteProtect::Off)?;
    tape.does(&[
        ("w:100", "1 100"),
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:100", "1 100"),
    ])
}

/// The guest learns that the cartridge is another one, and writes nothing to
/// it before it has looked.
fn changed_while_open(tape: &Tape) -> Result<()> {
    tape.start("w:5000:3 x:/data/go w:5000 w:5000 rewind s:1 w:700 weof")?;
    tape.answers(1)?;
    tape.insert(&tape.blank("second.tap")?, WriteProtect::Off)?;
    let first = simh::tape(&tape.dir.file("blank.tap"))?;
    ensure!(
        first.len() == 3,
        "taken out, the first cartridge has {first:?}"
    );
    tape.sh("touch /data/go")?;
    let said = tape.answers(6)?;
    ensure!(
        said[1] == "w:5000: 0 0 EIO",
        "a write to another cartridge: {said:?}"
    );
    let second = simh::tape(&tape.dir.file("second.tap"))?;
    let stray = simh::Object::Record(annex_qtest::stream::bytes(0, 15_000, 5000));
    ensure!(
        !second.contains(&stray),
        "what was meant for the first is on the second"
    );
    // Opened anew, the tape is at its beginning and can be used.
    tape.mt("rewind")?;
    tape.does(&[
        ("s:3", ""),
        ("w:100", "1 100"),
        ("rewind", "ok"),
        ("s:3", ""),
        ("r:100", "1 100"),
    ])
}

fn taken_out_while_open(tape: &Tape) -> Result<()> {
    tape.start("w:5000:3 x:/data/go w:5000 w:5000")?;
    tape.answers(1)?;
    tape.remove()?;
    tape.sh("touch /data/go")?;
    let said = tape.answers(4)?;
    ensure!(
        said[1].starts_with("w:5000: 0 0 E"),
        "a write without a cartridge: {said:?}"
    );
    // All that was acknowledged is on it.
    let found = simh::tape(&tape.dir.file("blank.tap"))?;
    ensure!(found.len() >= 3, "{found:?}");
    for (index, record) in found[..3].iter().enumerate() {
        let data = annex_qtest::stream::bytes(0, index as u64 * 5000, 5000);
        ensure!(
            *record == simh::Object::Record(data),
            "record {index} isn't what was written"
        );
    }
    tape.insert(&tape.dir.file("blank.tap"), WriteProtect::Off)?;
    tape.mt("rewind")?;
    tape.does(&[("s:0", ""), ("r:5000:3", "3 15000")])
}

/// The host takes the cartridge away from a guest that is writing.
fn taken_out_in_a_transfer(tape: &Tape) -> Result<()> {
    let image = tape.dir.file("blank.tap");
    for round in 0..3 {
        tape.insert(&image, WriteProtect::Off)?;
        tape.mt("rewind")?;
        tape.start("s:8 w:60000:100000")?;
        annex_qtest::wait::until("the image to grow", LIMIT, || {
            Ok((image.metadata()?.len() > 3_000_000).then_some(()))
        })?;
        tape.remove()?;
        let said = tape.answers(2)?;
        ensure!(said[0].contains(" E"), "round {round}: {said:?}");
        let written: usize = said[0].split(' ').nth(1).unwrap_or("").parse()?;
        let found = simh::tape(&image)?;
        let records = found
            .iter()
            .filter(|object| **object != simh::Object::Mark)
            .count();
        ensure!(
            records >= written,
            "round {round}: {records} records, {written} acknowledged"
        );
        for (index, record) in found[..written].iter().enumerate() {
            let data = annex_qtest::stream::bytes(8, index as u64 * 60_000, 60_000);
            ensure!(
                *record == simh::Object::Record(data),
                "round {round}: record {index}"
            );
        }
        std::fs::File::create(&image)?;
    }
    Ok(())
}

/// PREVENT ALLOW MEDIUM REMOVAL holds until the host insists.
fn locked(tape: &Tape) -> Result<()> {
    tape.does(&[("w:100:2", "2 200"), ("weof", "ok"), ("lock", "ok")])?;
    let open = json!({ "id": tape.id });
    // This one only asks the guest.
    tape.vm.qmp.execute("blockdev-open-tray", open.clone())?;
    let said = refusal(tape.vm.qmp.execute("eject", open.clone()))?;
    ensure!(said.contains("locked"), "{said}");
    ensure!(
        tape.block_info()?["tray_open"] == false,
        "{}",
        tape.block_info()?
    );
    tape.does(&[("tell", "3")])?;

    let from = tape.vm.qmp.now();
    tape.vm.qmp.execute(
        "blockdev-open-tray",
        json!({ "id": tape.id, "force": true }),
    )?;
    let event = tape.vm.qmp.wait_event(from, "DEVICE_TRAY_MOVED", LIMIT)?;
    ensure!(event.data["tray-open"] == true, "{}", event.data);
    let from = tape.vm.qmp.now();
    tape.vm.qmp.execute("blockdev-close-tray", open)?;
    let event = tape.vm.qmp.wait_event(from, "DEVICE_TRAY_MOVED", LIMIT)?;
    ensure!(event.data["tray-open"] == false, "{}", event.data);
    ensure!(
        tape.block_info()?["locked"] == false,
        "{}",
        tape.block_info()?
    );
    tape.mt("rewind")?;
    tape.does(&[("s:0", ""), ("r:100:2", "2 200")])
}

/// The commands that a change is made of.
fn step_by_step(tape: &Tape) -> Result<()> {
    let qmp = &tape.vm.qmp;
    tape.does(&[("w:100:2", "2 200"), ("weof", "ok")])?;
    let id = json!({ "id": tape.id });
    qmp.execute("blockdev-open-tray", id.clone())?;
    qmp.execute("blockdev-remove-medium", id.clone())?;
    let second = tape.blank("second.tap")?;
    let node = json!({
        "node-name": "second", "driver": "raw",
        "file": { "driver": "file", "filename": second },
    });
    qmp.execute("blockdev-add", node)?;
    qmp.execute(
        "blockdev-insert-medium",
        json!({ "id": tape.id, "node-name": "second" }),
    )?;
    // Not in yet.
    tape.sh_fails("dd if=$T of=/dev/null iflag=nonblock count=1 2>&1")?;
    qmp.execute("blockdev-close-tray", id.clone())?;
    tape.mt("rewind")?;
    tape.does(&[
        ("R:512", "0 0 EIO"),
        ("s:1", ""),
        ("w:300", "1 300"),
        ("weof", "ok"),
    ])?;
    qmp.execute("blockdev-open-tray", id.clone())?;
    qmp.execute("blockdev-remove-medium", id)?;
    qmp.execute("blockdev-del", json!({ "node-name": "second" }))?;
    let found = simh::tape(&second)?;
    ensure!(found.len() == 2, "{found:?}");
    tape.insert(&tape.dir.file("blank.tap"), WriteProtect::Off)?;
    tape.does(&[("s:0", ""), ("r:512:2", "2 200"), ("R:512", "1 0")])
}

fn human_monitor(tape: &Tape) -> Result<()> {
    tape.does(&[("w:100:2", "2 200"), ("weof", "ok")])?;
    let info = tape.vm.qmp.human("info block")?;
    tape.dir.log(&info);
    let own: Vec<&str> = info.split("\n\r\n").collect();
    ensure!(info.contains("t1") && info.contains("blank.tap"), "{own:?}");
    let second = tape.blank("second.tap")?;
    for (line, wanted) in [
        (format!("eject {SMALL_NAME}"), ""),
        (format!("change {SMALL_NAME} {} raw", second.display()), ""),
    ] {
        let said = tape.vm.qmp.human(&line)?;
        ensure!(said.trim() == wanted, "{line}: {said}");
    }
    tape.mt("rewind")?;
    tape.does(&[("R:512", "0 0 EIO"), ("w:300", "1 300"), ("weof", "ok")])?;
    let info = tape.vm.qmp.human("info block")?;
    ensure!(
        info.contains("second.tap") && !info.contains("blank.tap"),
        "{info}"
    );
    Ok(())
}

/// It can be read, and nothing else.
fn write_protected(tape: &Tape) -> Result<()> {
    let image = tape.dir.file("blank.tap");
    tape.does(&[("w:1000:3", "3 3000"), ("weof", "ok")])?;
    tape.remove()?;
    let before = std::fs::read(&image)?;
    tape.insert(&image, WriteProtect::On)?;
    let status = tape.mt("status")?;
    ensure!(status.contains("WR_PROT"), "{status}");
    let said = tape.sh_fails("dd if=/dev/zero of=$T count=1 2>&1")?;
    ensure!(
        said.contains("Read-only file system") || said.contains("Permission denied"),
        "{said}"
    );
    for operation in ["weof", "erase"] {
        tape.sh_fails(&format!("mt -f $T {operation} 2>&1"))?;
    }
    // Past st, which knows: DATA PROTECT.
    let (status, text) = tape.run("sg_raw -s 10 -i /etc/modules $SG 0a 00 00 00 0a 00 2>&1")?;
    ensure!(
        status == 7 && text.to_lowercase().contains("write protected"),
        "{status}: {text}"
    );
    tape.does(&[
        ("s:0", ""),
        ("r:4096:3", "3 3000"),
        ("R:512", "1 0"),
        ("R:512", "1 0"),
    ])?;
    tape.remove()?;
    ensure!(
        std::fs::read(&image)? == before,
        "a write-protected cartridge was written to"
    );
    // And the other way round.
    tape.insert(&image, WriteProtect::Off)?;
    let status = tape.mt("status")?;
    ensure!(!status.contains("WR_PROT"), "{status}");
    tape.does(&[("eod", "ok"), ("w:10", "1 10"), ("tell", "5")])
}

/// What another program has changed while the cartridge was out is seen: the
/// index that was kept is of another tape.
fn host_adds_to_it(tape: &Tape) -> Result<()> {
    let image = tape.dir.file("blank.tap");
    tape.does(&[("w:1000:200", "200 200000"), ("weof", "ok")])?;
    tape.remove()?;
    let mut objects = simh::tape(&image)?;
    ensure!(objects.len() == 201, "{} objects", objects.len());
    objects[7] = simh::Object::Record(annex_qtest::stream::bytes(5, 0, 333));
    objects.push(simh::Object::Record(annex_qtest::stream::bytes(6, 0, 444)));
    std::fs::write(&image, simh::image(&objects))?;
    tape.insert(&image, WriteProtect::Off)?;
    tape.does(&[
        ("seek:7", "ok"),
        ("s:5", ""),
        ("r:512", "1 333"),
        ("eod", "ok"),
        ("tell", "202"),
        ("bsr:1", "ok"),
        ("s:6", ""),
        ("r:512", "1 444"),
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:1000:7", "7 7000"),
    ])
}
