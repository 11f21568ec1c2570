// SPDX-License-Identifier: GPL-2.0-or-later
//! All that a back-end gets: one region of memory, kicks and calls.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};
use serde_json::json;
use virtio_bindings::virtio_config::{
    VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_IN_ORDER, VIRTIO_F_NOTIFICATION_DATA, VIRTIO_F_RING_PACKED,
    VIRTIO_F_RING_RESET,
};

use crate::backend::{Backend, Hostile};
use crate::rig::{with_machine, Left, Machine, SOON};

inventory::submit! { Family(|add| {
    for attack in ["none", "reaching", "features-all"] {
        add(format!("isolation/contact/{attack}"), Box::new(move |dir| {
            with_machine(dir, |machine| contact(machine, dir, attack))
        }));
    }
    add("isolation/hostile/linger".into(), Box::new(|dir| {
        with_machine(dir, |machine| linger(machine, dir))
    }));
}) }

/// Features that a back-end isn't given: vhost's LOG_ALL, and those of the
/// guest's ring.
const NEVER: u64 = 1 << 26
    | 1 << VIRTIO_F_ACCESS_PLATFORM
    | 1 << VIRTIO_F_RING_PACKED
    | 1 << VIRTIO_F_IN_ORDER
    | 1 << VIRTIO_F_NOTIFICATION_DATA
    | 1 << VIRTIO_F_RING_RESET;
/// Protocol features: LOG_SHMFD, PAGEFAULT, BACKEND_SEND_FD, HOST_NOTIFIER,
/// CONFIGURE_MEM_SLOTS, SHARED_OBJECT.
const NEVER_OF_PROTOCOL: u64 = 1 << 1 | 1 << 8 | 1 << 10 | 1 << 11 | 1 << 15 | 1 << 18;
/// Messages that would tell of the guest's memory.
const NEVER_SENT: &[&str] = &[
    "SET_LOG_BASE",
    "SET_LOG_FD",
    "IOTLB_MSG",
    "ADD_MEM_REG",
    "REM_MEM_REG",
    "POSTCOPY_ADVISE",
    "GET_SHARED_OBJECT",
];
/// Where the area is, for a back-end.
const AREA: &str = "guest=0x100000000 user=0x100000000";

fn contact(machine: &Machine, dir: &Dir, attack: &str) -> Result<Left> {
    let backend = Backend::hostile(dir, "backend", attack, &[])?;
    machine.plug(&backend.socket, &[])?;
    machine.wait_disk()?;
    machine.io()?;
    // More memory for the guest is none for the back-end.
    let memory = json!({ "qom-type": "memory-backend-ram", "id": "more", "size": 128 << 20 });
    machine.vm.qmp.execute("object-add", memory)?;
    let dimm = json!({ "driver": "pc-dimm", "id": "dimm", "memdev": "more" });
    machine.vm.qmp.execute("device_add", dimm)?;
    machine.io()?;
    machine.vm.qmp.execute_within(SOON, "stop", json!({}))?;
    machine.vm.qmp.execute_within(SOON, "cont", json!({}))?;
    machine.io()?;
    check(&backend)?;
    machine.unplug()?;
    // The memory is in use.
    Ok(Left::Broken)
}

/// Checks all that the back-end has told of what it got.
pub fn check(backend: &Backend) -> Result<()> {
    let regions = backend.facts("region")?;
    ensure!(!regions.is_empty(), "no memory");
    for region in &regions {
        ensure!(
            region.starts_with(AREA) && region.contains("offset=0x0 "),
            "{region}"
        );
        let seals = region.split("seals=").nth(1).context("seals")?;
        for seal in ["seal", "shrink", "grow"] {
            ensure!(
                seals.starts_with(seal) || seals.contains(&format!("+{seal}")),
                "{region}"
            );
        }
    }
    let tables = backend.facts("regions")?;
    ensure!(
        tables.iter().all(|count| count == "1"),
        "regions: {tables:?}"
    );
    for fd in backend.facts("fd")? {
        let (message, what) = fd.split_once(' ').context("a message and a descriptor")?;
        let right = match message {
            "SET_MEM_TABLE" => what.contains("of=/memfd:"),
            "SET_VRING_KICK" | "SET_VRING_CALL" | "SET_VRING_ERR" => {
                what.contains("of=anon_inode:[eventfd]")
            }
            "SET_BACKEND_REQ_FD" => what.contains("of=socket:"),
            "SET_INFLIGHT_FD" => what.contains("inflight"),
            _ => false,
        };
        ensure!(right, "with {message} came {what}");
    }
    for (keyword, never) in [
        ("features", NEVER),
        ("protocol-features", NEVER_OF_PROTOCOL),
    ] {
        for text in backend.facts(keyword)? {
            let bits = u64::from_str_radix(text.trim_start_matches("0x"), 16)?;
            ensure!(
                bits & never == 0,
                "{keyword} {text} has {:#x}",
                bits & never
            );
        }
    }
    for message in backend.facts("message")? {
        let name = message.split(' ').next().unwrap_or_default();
        ensure!(!NEVER_SENT.contains(&name), "QEMU sent {message}");
    }
    // A ring of the area begins at 0, and goes on where it was after a stop.
    let bases = backend.facts("base")?;
    ensure!(
        bases.first().is_some_and(|base| base == "0 0"),
        "rings begin at {bases:?}"
    );
    Ok(())
}

/// What was in requests that have come back, and what never was in one, isn't
/// in the area.
fn linger(machine: &Machine, dir: &Dir) -> Result<Left> {
    const CANARY: &str = "ANNEX-CANARY-IN-GUEST-RAM";
    let backend = Backend::hostile(dir, "backend", "none", &["--canary", CANARY])?;
    machine.plug(
        &backend.socket,
        &[("memory-isolation-scrub", json!("always"))],
    )?;
    machine.wait_disk()?;
    let agent = &machine.vm.agent;
    agent.sh(&format!("yes {CANARY} | head -c 2097152 > /data/canary"))?;
    machine.io()?;
    agent.sh("dd if=/data/canary of=/dev/vda bs=32k oflag=direct")?;
    let same = "dd if=/dev/vda bs=32k count=64 iflag=direct | cmp - /data/canary";
    agent.sh(same)?;
    let lines = backend.idle()?;
    dir.log(format!("{lines:#?}"));
    for line in &lines {
        ensure!(
            line.contains(" dirty=0 ") && line.ends_with(" canary=0"),
            "left behind: {line}"
        );
    }
    agent.sh("rm /data/canary")?;
    machine.unplug()?;
    Ok(Left::Clean)
}
