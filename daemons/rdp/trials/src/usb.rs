// SPDX-License-Identifier: GPL-2.0-or-later
//! A stick in software, through annex-usb, annex-rdp and QEMU's usb-redir, in a Linux guest: read
//! and written, and gone whoever of them goes.

use std::path::Path;
use std::time::Duration;

use annex_qtest::files::{Dir, Guest};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use annex_usb::client::Event;
use anyhow::{ensure, Result};
use rdp_usb::testing::BLOCK;
use rustix::process::Signal;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::machine::{Server, LIMIT};
use crate::picture::Picture;
use crate::usb_client::{Shared, UsbClient};

inventory::submit! { Family(|add| {
    add("rdp/usb/stick".into(), Box::new(stick));
    add("rdp/usb/sizes-of-the-screen".into(), Box::new(sizes_of_the_screen));
    add("rdp/usb/whoever-goes".into(), Box::new(whoever_goes));
}) }

/// Blocks of a stick.
const BLOCKS: usize = 4096;
/// What the guest's `dd` moves at once, in bytes.
const PIECE: usize = 1 << 16;
/// How often the screen's size changes.
const SIZES: usize = 20;
/// Between two looks at what the guest has.
const LOOK: Duration = Duration::from_millis(200);

/// A Linux guest with two usb-redirs, whose second monitor listens on `qmp`.
fn boot(dir: &Dir, name: &str, qmp: &Path) -> Result<Vm> {
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
    Config::new(256)?
        .booting(Guest::with_tapes()?)
        .with_kernel_options("usb-storage.delay_use=0")
        .with(args)
        .boot(name, dir)
}

/// Bytes that don't repeat.
fn content(seed: u64) -> Vec<u8> {
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

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits until the guest has so many disks, all of them ready; their names.
fn disks(vm: &Vm, count: usize) -> Result<Vec<String>> {
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
fn none(vm: &Vm) -> Result<()> {
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
fn read(vm: &Vm, disk: &str) -> Result<String> {
    let read = format!("dd if=/dev/{disk} bs={PIECE} iflag=direct 2>/dev/null | sha256sum");
    Ok(vm
        .agent
        .sh(&read)?
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// Has the guest read, from a stick that doesn't answer; returns when the transfer is out.
fn begin_to_read(vm: &Vm, disk: &str, stick: &Shared) -> Result<()> {
    stick.hold();
    let read = format!("dd if=/dev/{disk} of=/dev/null bs={PIECE} iflag=direct");
    vm.agent.sh(&format!(
        "rm -f /data/ended; ({read}; echo $? >/data/ended) >/dev/null 2>&1 &"
    ))?;
    wait::until("a transfer of the stick", LIMIT, || {
        Ok(stick.is_awaited().then_some(()))
    })
}

/// Waits until that has ended, with an error.
fn has_failed(vm: &Vm) -> Result<()> {
    let status = wait::until("the end of dd in the guest", LIMIT, || {
        std::thread::sleep(LOOK);
        let (_, text) = vm.agent.run("cat /data/ended 2>/dev/null")?;
        Ok((!text.trim().is_empty()).then_some(text))
    })?;
    ensure!(
        status.trim() != "0",
        "dd has read from a stick that was gone"
    );
    Ok(())
}

fn stick(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let vm = boot(dir, "vm", &socket)?;
    let server = Server::start(dir, &socket)?;
    let mut client = UsbClient::connect(server.address)?;
    none(&vm)?;

    let one = Shared::new(content(1));
    let first = client.plug(&one)?;
    let disk = disks(&vm, 1)?.remove(0);
    let model = vm
        .agent
        .sh(&format!("cat /sys/block/{disk}/device/model"))?;
    ensure!(model.trim() == "STICK", "the guest's disk is a {model:?}");
    ensure!(
        read(&vm, &disk)? == digest(&one.blocks()),
        "the guest reads something else"
    );

    // What the guest writes is on the stick, there and nowhere else.
    let before = one.blocks();
    let (at, count) = (3, 16);
    let written = vm.agent.sh(&format!(
        "dd if=/dev/urandom of=/data/new bs={PIECE} count={count} 2>/dev/null && \
         dd if=/data/new of=/dev/{disk} bs={PIECE} seek={at} oflag=direct 2>/dev/null && \
         sha256sum </data/new"
    ))?;
    let after = one.blocks();
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
        read(&vm, &disk)? == digest(&after),
        "it reads as something else than was written"
    );

    // Two at once, and no usb-redir for a third.
    let two = Shared::new(content(2));
    client.plug(&two)?;
    let names = disks(&vm, 2)?;
    let second = names
        .iter()
        .find(|name| **name != disk)
        .expect("another name");
    let third = client.plug(&Shared::new(content(3)))?;
    wait::until("the third to be refused", LIMIT, || {
        Ok(client.has_seen(&Event::Refused(third)).then_some(()))
    })?;
    ensure!(
        read(&vm, second)? == digest(&two.blocks()),
        "the second stick is another one"
    );

    // Unplugged while a transfer is out; the other goes on. And plugged in again.
    begin_to_read(&vm, &disk, &one)?;
    client.unplug(first)?;
    has_failed(&vm)?;
    ensure!(
        disks(&vm, 1)? == [second.clone()],
        "the wrong stick is gone"
    );
    ensure!(
        read(&vm, second)? == digest(&two.blocks()),
        "the second stick has changed"
    );
    client.plug(&one)?;
    let names = disks(&vm, 2)?;
    let again = names
        .iter()
        .find(|name| *name != second)
        .expect("another name");
    ensure!(
        read(&vm, again)? == digest(&after),
        "the stick has lost what was written"
    );

    client.leave()?;
    none(&vm)?;
    vm.quit()
}

/// A new size of the screen takes the session's share away, and nothing of what a stick sends.
fn sizes_of_the_screen(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let vm = boot(dir, "vm", &socket)?;
    let server = Server::start(dir, &socket)?;
    let mut client = UsbClient::connect(server.address)?;
    let stick = Shared::new(content(5));
    client.plug(&stick)?;
    let disk = disks(&vm, 1)?.remove(0);

    let read = format!("dd if=/dev/{disk} bs={PIECE} iflag=direct 2>/dev/null | sha256sum");
    let reading = format!("while [ ! -e /data/stop ]; do {read}; done");
    vm.agent.sh(&format!(
        "({reading}; touch /data/ended) >/data/digests 2>&1 &"
    ))?;
    // The registers of QEMU's VGA (docs/specs/standard-vga), in its third BAR.
    let bar = vm.agent.sh("for d in /sys/bus/pci/devices/*; do \
         [ $(cat $d/vendor) != 0x1234 ] || sed -n '3s/ .*//p' $d/resource; done")?;
    for turn in 0..SIZES {
        let (width, height) = [(800, 600), (1024, 768)][turn % 2];
        let registers = [(4, 0), (1, width), (2, height), (3, 32), (4, 0x41)];
        let commands = registers
            .map(|(index, value)| format!("devmem $(({bar} + {})) 16 {value}", 0x500 + 2 * index));
        vm.agent.sh(&commands.join(" && "))?;
        let dump = dir.file("dump.ppm");
        vm.qmp.execute("screendump", json!({"filename": dump}))?;
        ensure!(
            Picture::read_ppm(&dump)?.width == width,
            "the screen has kept its size"
        );
    }
    vm.agent.sh("touch /data/stop")?;
    let digests = wait::until("the end of reading", LIMIT, || {
        std::thread::sleep(LOOK);
        let (status, text) = vm.agent.run("[ -e /data/ended ] && cat /data/digests")?;
        Ok((status == 0).then_some(text))
    })?;
    let expected = digest(&stick.blocks());
    dir.log(format!("read {} times", digests.lines().count()));
    ensure!(
        digests.lines().all(|line| line.starts_with(&expected)),
        "read: {digests}"
    );
    // What is lost is asked for again, after 30 s and a reset.
    let resets = vm.agent.sh("dmesg | grep -c 'reset high-speed' || true")?;
    ensure!(
        resets == "0",
        "the guest has reset the stick {resets} times"
    );
    client.leave()?;
    vm.quit()
}

fn whoever_goes(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let vm = boot(dir, "vm", &socket)?;
    let mut server = Server::start(dir, &socket)?;
    let stick = Shared::new(content(4));
    let expected = digest(&stick.blocks());
    let plugged = |server: &Server, vm: &Vm| {
        let mut client = UsbClient::connect(server.address)?;
        client.plug(&stick)?;
        let disk = disks(vm, 1)?.remove(0);
        ensure!(
            read(vm, &disk)? == expected,
            "the guest reads something else"
        );
        anyhow::Ok((client, disk))
    };

    // The client, in the middle of a transfer.
    let (client, disk) = plugged(&server, &vm)?;
    begin_to_read(&vm, &disk, &stick)?;
    drop(client);
    has_failed(&vm)?;
    none(&vm)?;

    // annex-rdp, likewise.
    let (client, disk) = plugged(&server, &vm)?;
    begin_to_read(&vm, &disk, &stick)?;
    server.process.signal(Signal::KILL)?;
    server.process.ended("annex-rdp")?;
    has_failed(&vm)?;
    none(&vm)?;
    drop(client);
    let mut server = Server::start(dir, &socket)?;
    let (client, _) = plugged(&server, &vm)?;

    // QEMU: the same session has the stick in the next one.
    vm.kill()?;
    let vm = boot(dir, "vm2", &socket)?;
    let disk = disks(&vm, 1)?.remove(0);
    ensure!(
        read(&vm, &disk)? == expected,
        "the guest reads something else"
    );

    // annex-rdp, asked to end.
    server.process.signal(Signal::TERM)?;
    let status = server.process.ended("annex-rdp")?;
    ensure!(status.success(), "annex-rdp ends with {status}");
    none(&vm)?;
    drop(client);
    vm.quit()
}
