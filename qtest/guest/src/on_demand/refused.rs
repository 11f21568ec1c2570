// SPDX-License-Identifier: GPL-2.0-or-later
//! What can't be had together with a load on demand is refused, by name.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use annex_qtest::error::refusal;
use annex_qtest::files::Dir;
use annex_qtest::qmp::Qmp;
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};
use serde_json::json;

use super::broken::Held;
use crate::fixture::Fixture;

inventory::submit! { Family(|add| {
    for (name, request) in WHILE_LOADING {
        add(
            format!("snapshot/on-demand/refuses/{name}"),
            Box::new(move |dir| refused_until_loaded(dir, request)),
        );
    }
    add("snapshot/on-demand/refuses/gdb".into(), Box::new(gdb));
    add("snapshot/on-demand/refuses/multifd".into(), Box::new(multifd));
}) }

/// Asks for something; QEMU's words if it refused.
type Request = fn(&Qmp, &Dir) -> Result<String>;

const WHILE_LOADING: [(&str, Request); 5] = [
    ("migrate", |qmp, dir| {
        let uri = snapshot::uri(&dir.file("second"));
        refusal(qmp.execute("migrate", json!({ "uri": uri })))
    }),
    ("savevm", |qmp, _| qmp.human("savevm tag")),
    ("dump", |qmp, dir| {
        let protocol = snapshot::uri(&dir.file("dump"));
        refusal(qmp.execute(
            "dump-guest-memory",
            json!({ "paging": false, "protocol": protocol }),
        ))
    }),
    ("unplug", |qmp, _| {
        refusal(qmp.execute("device_del", json!({ "id": "rng" })))
    }),
    ("memory-hotplug", |qmp, _| {
        let object = json!({ "qom-type": "memory-backend-ram", "id": "more", "size": 128 << 20 });
        qmp.execute("object-add", object)?;
        let dimm = json!({ "driver": "pc-dimm", "id": "dimm", "memdev": "more" });
        refusal(qmp.execute("device_add", dimm))
    }),
];

/// Refused while pages are missing, for that reason; the load still ends well.
fn refused_until_loaded(dir: &Dir, request: Request) -> Result<()> {
    let fixture = Fixture::live()?;
    let held = Held::hold(dir, fixture)?;
    let why = request(&held.vm.qmp, dir)?;
    dir.log(&why);
    ensure!(
        why.to_lowercase().contains("load"),
        "not refused for the load: {why:?}"
    );
    held.go_on()?;
    fixture.check_alive(&held.vm)?;
    held.vm.agent.verify(crate::fixture::SEED)
}

/// A debugger that reads memory gets an error, not the main loop stuck.
fn gdb(dir: &Dir) -> Result<()> {
    let held = Held::hold(dir, Fixture::live()?)?;
    let path = dir.file("gdb");
    let said = held.vm.qmp.human(&format!(
        "gdbserver unix:{},server=on,wait=off",
        path.display()
    ))?;
    dir.log(said);
    let mut debugger = UnixStream::connect(&path)?;
    debugger.set_read_timeout(Some(Duration::from_secs(30)))?;
    let offset = held.event["offset"].as_u64().context("an offset")?;
    // By physical addresses, then by virtual ones.
    for (packet, wanted) in [
        ("Qqemu.PhyMemMode:1", "OK"),
        (&*format!("m{offset:x},4"), "E"),
        ("Qqemu.PhyMemMode:0", "OK"),
        ("m0,4", "E"),
    ] {
        let sum = packet.bytes().fold(0, u8::wrapping_add);
        write!(debugger, "${packet}#{sum:02x}")?;
        let reply = gdb_reply(&mut debugger)?;
        dir.log(format!("{packet}: {reply}"));
        ensure!(
            reply.starts_with(wanted),
            "{packet}: {reply:?}, not {wanted}"
        );
    }
    drop(debugger);
    held.go_on()?;
    Fixture::live()?.check_alive(&held.vm)
}

/// What stands between `$` and `#`.
fn gdb_reply(debugger: &mut UnixStream) -> Result<String> {
    let (mut reply, mut byte) = (String::new(), [0]);
    loop {
        debugger
            .read_exact(&mut byte)
            .context("the debugger's answer")?;
        match byte[0] {
            b'#' => break,
            b'+' | b'$' => reply.clear(),
            other => reply.push(other.into()),
        }
    }
    debugger.read_exact(&mut [0; 2])?;
    debugger.write_all(b"+")?;
    Ok(reply)
}

/// Multifd reads whole blocks before the VM runs.
fn multifd(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    let vm = fixture.config.incoming().start("restored", dir)?;
    let why = match snapshot::prepare(&vm, Mode::OnDemand)
        .and_then(|()| snapshot::enable(&vm.qmp, &["multifd"]))
    {
        Ok(()) => refusal(snapshot::begin(&vm, &fixture.path).map(drop)),
        refused => refusal(refused),
    }
    .context("multifd with a load on demand")?;
    dir.log(&why);
    ensure!(why.to_lowercase().contains("multifd"), "not named: {why:?}");
    Ok(())
}
