// SPDX-License-Identifier: GPL-2.0-or-later
//! What can't be had together with a load on demand is refused, by name.

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
