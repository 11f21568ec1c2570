// SPDX-License-Identifier: GPL-2.0-or-later
//! The drive on each HBA that QEMU emulates: each has its own way to announce,
//! transfer and cut short.

use annex_qtest::files::Dir;
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::archives::{digest, make_tree};
use crate::drive::Tape;
use crate::rig::{self, with_blank, with_machine, Machine};
use crate::transfers::transfers;

/// A drive's id, which names its HBA, and the devices it hangs on. On SAS,
/// Linux wants a name that is known world-wide, and megasas' logical drives
/// are disks.
const HBAS: [(&str, &[&str]); 11] = [
    ("lsi53c895a", &["lsi53c895a,id=lsi", "scsi-tape,bus=lsi.0"]),
    (
        "megasas",
        &["megasas,id=mega,use_jbod=on", "scsi-tape,bus=mega.0"],
    ),
    (
        "megasas-gen2",
        &["megasas-gen2,id=mega2,use_jbod=on", "scsi-tape,bus=mega2.0"],
    ),
    (
        "mptsas1068",
        &[
            "mptsas1068,id=mpt",
            "scsi-tape,bus=mpt.0,wwn=0x5000c50015ea71ad",
        ],
    ),
    ("pvscsi", &["pvscsi,id=pv", "scsi-tape,bus=pv.0"]),
    ("am53c974", &["am53c974,id=esp"]),
    (
        "usb-uas",
        &[
            "qemu-xhci,id=usb",
            "usb-uas,id=uas,bus=usb.0",
            "scsi-tape,bus=uas.0",
        ],
    ),
    (
        "usb-bot",
        &["usb-bot,id=bot,bus=usb.0", "scsi-tape,bus=bot.0"],
    ),
    ("virtio", &["virtio-scsi-pci,id=vio", "scsi-tape,bus=vio.0"]),
    (
        "iothread",
        &["virtio-scsi-pci,id=io,iothread=one", "scsi-tape,bus=io.0"],
    ),
    (
        "iothreads",
        &[
            r#"{"driver":"virtio-scsi-pci","id":"ios","num_queues":2,"iothread-vq-mapping":[{"iothread":"one"},{"iothread":"two"}]}"#,
            // Devices in JSON are made after all others.
            r#"{"driver":"scsi-tape","bus":"ios.0","id":"iothreads","product":"iothreads"}"#,
        ],
    ),
];

inventory::submit! { Family(|add| {
    for (id, _) in HBAS {
        let mut trial = |name: &str, body: fn(&Tape) -> Result<()>| {
            add(format!("tape/on/{id}/{name}"), Box::new(move |dir: &Dir| {
                with_machine(Machine::Hbas, dir, |vm| with_blank(&Tape::find(vm, dir, id)?, body))
            }));
        };
        trial("tar", tar);
        trial("motion", motion);
        trial("short-reads", short_reads);
        trial("blocks", blocks);
        trial("transfers", transfers);
    }
}) }

/// Puts in the drive that has to wait: SeaBIOS never gets past an am53c974
/// with a device on it, whatever it is and whichever QEMU.
pub fn complete(vm: &Vm) -> Result<()> {
    let drive = json!({
        "driver": "scsi-tape", "bus": "esp.0", "id": "am53c974", "product": "am53c974",
    });
    vm.qmp.execute("device_add", drive)?;
    // In the background: the other drives needn't wait for this one.
    let scan = "cd /sys/class/scsi_host; for host in *; do \
                case $(readlink $host/device/../driver) in \
                *am53c974) (echo - - - > $host/scan) & esac; done";
    vm.agent.sh(scan).map(drop)
}

/// All of them in one machine, but one drive.
pub fn config() -> Result<Config> {
    let mut config = rig::config()?;
    for thread in ["iothread,id=one", "iothread,id=two"] {
        config = config.with(["-object", thread]);
    }
    for (id, devices) in HBAS {
        for device in devices {
            let tape = format!("{device},id={id},product={id}");
            let device = if device.starts_with("scsi-tape") {
                &tape
            } else {
                *device
            };
            config = config.with(["-device", device]);
        }
    }
    Ok(config)
}

fn tar(tape: &Tape) -> Result<()> {
    make_tree(tape, 3)?;
    tape.sh("cd /data && tar -b 64 -cf $T tree && tar -cf $T tree")?;
    tape.mt("rewind")?;
    tape.sh("tar -b 64 -df $T -C /data && mt -f $T asf 1 && tar -xf $T -C /data/restored")?;
    ensure!(
        digest(tape, "restored/tree")? == digest(tape, "tree")?,
        "restored something else"
    );
    tape.sh("rm -rf /data/restored/*").map(drop)
}

fn motion(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("s:1", ""),
        ("w:1000:3", "3 3000"),
        ("weof", "ok"),
        ("s:2", ""),
        ("w:2000:2", "2 4000"),
        ("weof", "ok"),
        ("rewind", "ok"),
        ("fsf:1", "ok"),
        ("tell", "4"),
        ("s:2", ""),
        ("r:4096", "1 2000"),
        ("bsf:1", "ok"),
        ("tell", "3"),
        ("bsr:2", "ok"),
        ("tell", "1"),
        ("seek:5", "ok"),
        ("tell", "5"),
        ("R:4096", "1 2000"),
        ("R:4096", "1 0"),
        ("R:4096", "1 0"),
        ("R:4096", "0 0 EIO"),
        ("bsf:5", "EIO"),
        ("tell", "0"),
        ("fsf:5", "EIO"),
        ("tell", "7"),
    ])
}

/// The residual is exact, and the sense data says why.
fn short_reads(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("w:100", "1 100"),
        ("w:513", "1 513"),
        ("w:65535", "1 65535"),
        ("w:2000", "1 2000"),
        ("weof", "ok"),
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:101", "1 100"),
        ("r:4096", "1 513"),
        ("r:131072", "1 65535"),
        ("R:1999", "0 0 ENOMEM"),
        ("R:512", "1 0"),
        ("tell", "5"),
    ])?;
    // A fixed read that a mark cuts short.
    tape.does(&[
        ("rewind", "ok"),
        ("setblk:512", "ok"),
        ("s:0", ""),
        ("w:5120", "1 5120"),
        ("weof", "ok"),
    ])?;
    tape.does(&[
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:4096", "1 4096"),
        ("r:4096", "1 1024"),
        ("R:4096", "1 0"),
        ("setblk:0", "ok"),
    ])
}

fn blocks(tape: &Tape) -> Result<()> {
    // Linux's megaraid_sas sends no longer commands.
    let most = if tape.id.starts_with("megasas") {
        131_072
    } else {
        262_144
    };
    for size in [1, 2, 511, 512, 4095, 10_240, 65_536, 131_071, most] {
        let (one, five) = (format!("w:{size}:5"), format!("r:{size}:5"));
        let answer = format!("5 {}", 5 * size);
        tape.does(&[
            ("rewind", "ok"),
            ("s:3", ""),
            (&one, &answer),
            ("weof", "ok"),
        ])?;
        tape.does(&[
            ("rewind", "ok"),
            ("s:3", ""),
            (&five, &answer),
            ("R:512", "1 0"),
        ])?;
    }
    Ok(())
}
