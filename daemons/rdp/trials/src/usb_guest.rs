// SPDX-License-Identifier: GPL-2.0-or-later
//! A Linux guest that sticks are plugged into: how it is started, and what it has then.

use std::path::Path;
use std::time::Duration;

use annex_qtest::files::{Dir, Guest};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::wait;
use anyhow::{ensure, Result};
use rdp_usb::testing::BLOCK;
use sha2::{Digest, Sha256};

use crate::machine::LIMIT;

/// Blocks of a stick.
pub const BLOCKS: usize = 4096;
/// What the guest's `dd` moves at once, in bytes.
pub const PIECE: usize = 1 << 16;
/// Between two looks at what the guest has.
pub const LOOK: Duration = Duration::from_millis(200);

/// A Linux guest with two usb-redirs, whose second monitor listens on `qmp`.
pub fn boot(dir: &Dir, name: &str, qmp: &Path) -> Result<Vm> {
    machine(qmp)?.boot(name, dir)
}

/// The machine of [`boot`].
pub fn machine(qmp: &Path) -> Result<Config> {
    // An earlier machine of the test has left it.
    let _ = std::fs::remove_file(qmp);
    let qmp = qmp.display().to_string().replace(',', ",,");
    let monitor = format!("unix:{qmp},server=on,wait=off");
    let mut args = vec!["-display", "dbus,p2p=yes", "-qmp", &monitor];
    args.extend(["-device", "qemu-xhci"]);
    for (chardev, device) in [
        ("dbus,name=org.qemu.usbredir,id=u0", "usb-redir,chardev=u0"),
        ("dbus,name=org.qemu.usbredir,id=u1", "usb-redir,chardev=u1"),
    ] {
        args.extend(["-chardev", chardev, "-device", device]);
    }
    Ok(Config::new(256)?
        .booting(Guest::with_tapes()?)
        .with_kernel_options("usb-storage.delay_use=0")
        .with(args))
}

/// Bytes that don't repeat.
pub fn content(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        // Xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..BLOCKS * BLOCK / 8).flat_map(|_| next()).collect()
}

/// SHA-256 in hexadecimal digits, as sha256sum(1) prints it.
pub fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits until the guest has so many disks, all of them ready; their names.
pub fn disks(vm: &Vm, count: usize) -> Result<Vec<String>> {
    wait::until(&format!("{count} disks in the guest"), LIMIT, || {
        std::thread::sleep(LOOK);
        let sizes =
            "cd /sys/block; for d in sd*; do [ ! -s $d/size ] || echo $d $(cat $d/size); done";
        let ready = format!(" {BLOCKS}");
        let all = vm.agent.sh(sizes)?;
        let names: Option<Vec<String>> = all
            .lines()
            .map(|line| Some(line.strip_suffix(&ready)?.to_owned()))
            .collect();
        Ok(names.filter(|names| names.len() == count))
    })
}

/// Waits until the guest has no USB device, not even one that doesn't work.
pub fn none(vm: &Vm) -> Result<()> {
    wait::until("the guest to have no USB device", LIMIT, || {
        std::thread::sleep(LOOK);
        // Hubs of the controller are called usb1, usb2.
        let all = vm.agent.sh("ls /sys/bus/usb/devices /sys/block")?;
        let is_there = |name: &str| {
            name.starts_with("sd")
                || name
                    .split_once('-')
                    .is_some_and(|(_, port)| !port.starts_with('0'))
        };
        Ok((!all.lines().any(is_there)).then_some(()))
    })
}

/// The SHA-256 of a disk, as the guest reads it.
pub fn read(vm: &Vm, disk: &str) -> Result<String> {
    let read = format!("dd if=/dev/{disk} bs={PIECE} iflag=direct 2>/dev/null | sha256sum");
    Ok(vm
        .agent
        .sh(&read)?
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// Has the guest write to a part of a disk: that is in `blocks` then, there and nowhere else, and it
/// reads so. What is in `blocks` afterwards.
pub fn overwrite(vm: &Vm, disk: &str, blocks: impl Fn() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let before = blocks()?;
    let (at, count) = (3, 16);
    let written = vm.agent.sh(&format!(
        "dd if=/dev/urandom of=/data/new bs={PIECE} count={count} 2>/dev/null && \
         dd if=/data/new of=/dev/{disk} bs={PIECE} seek={at} oflag=direct 2>/dev/null && \
         sha256sum </data/new"
    ))?;
    let after = blocks()?;
    let range = at * PIECE..(at + count) * PIECE;
    ensure!(
        written.starts_with(&digest(&after[range.clone()])),
        "the stick has something else"
    );
    ensure!(
        after[..range.start] == before[..range.start],
        "what is before was overwritten"
    );
    ensure!(
        after[range.end..] == before[range.end..],
        "what is behind was overwritten"
    );
    ensure!(
        read(vm, disk)? == digest(&after),
        "it reads as something else than was written"
    );
    Ok(after)
}
