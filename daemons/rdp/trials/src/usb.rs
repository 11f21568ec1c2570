// SPDX-License-Identifier: GPL-2.0-or-later
//! A stick in software, through annex-usb, annex-rdp and QEMU's usb-redir, in a Linux guest: read
//! and written, and gone whoever of them goes.

use std::process::Command;

use annex_qtest::files::{self, Dir};
use annex_qtest::migrate;
use annex_qtest::qemu::Vm;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use annex_usb::client::Event;
use annex_usb::connect::Refused;
use annex_usb::device::DeviceId;
use annex_usb::keep::News;
use anyhow::{ensure, Context, Result};
use rustix::process::Signal;
use serde_json::json;

use crate::client::Client;
use crate::machine::{Server, LIMIT, LOGIN};
use crate::picture::Picture;
use crate::screen::same_as;
use crate::usb_client::{Shared, UsbClient};
use crate::usb_guest::{boot, content, digest, disks, machine, none, overwrite, read, LOOK, PIECE};

inventory::submit! { Family(|add| {
    add("rdp/usb/stick".into(), Box::new(stick));
    add("rdp/usb/beside-a-screen".into(), Box::new(beside_a_screen));
    add("rdp/usb/twenty-sessions".into(), Box::new(twenty_sessions));
    add("rdp/usb/sizes-of-the-screen".into(), Box::new(sizes_of_the_screen));
    add("rdp/usb/whoever-goes".into(), Box::new(whoever_goes));
    add("rdp/usb/connected-again".into(), Box::new(connected_again));
    add("rdp/usb/refused".into(), Box::new(refused));
    add("rdp/usb/saved".into(), Box::new(saved));
    add("rdp/usb/moved".into(), Box::new(moved));
}) }

/// How often the screen's size changes.
const SIZES: usize = 20;
/// How many sessions end of which nothing may be left.
const SESSIONS: usize = 20;
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

/// How often the guest has lost a transfer: it asks again, after 30 s and a reset.
fn resets(vm: &Vm) -> Result<usize> {
    let count = vm.agent.sh("dmesg | grep -c 'reset high-speed' || true")?;
    Ok(count.trim().parse()?)
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

    let after = overwrite(&vm, &disk, || Ok(one.blocks()))?;

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
        Ok((client.has_seen_event(&Event::Refused(third)) == 1).then_some(()))
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

/// A guest that reads a stick again and again.
struct Reading<'a>(&'a Vm);

impl<'a> Reading<'a> {
    fn begin(vm: &'a Vm, disk: &str) -> Result<Self> {
        let read = format!("dd if=/dev/{disk} bs={PIECE} iflag=direct 2>/dev/null | sha256sum");
        let reading = format!("while [ ! -e /data/stop ]; do {read}; done");
        vm.agent.sh(&format!(
            "rm -f /data/stop /data/ended; \
             ({reading}; touch /data/ended) >/data/digests 2>&1 &"
        ))?;
        Ok(Self(vm))
    }

    /// How often it has; each time it was what is on the stick.
    fn end(self, stick: &Shared) -> Result<usize> {
        let agent = &self.0.agent;
        agent.sh("touch /data/stop")?;
        let digests = wait::until("the end of reading", LIMIT, || {
            std::thread::sleep(LOOK);
            let (status, text) = agent.run("[ -e /data/ended ] && cat /data/digests")?;
            Ok((status == 0).then_some(text))
        })?;
        let expected = digest(&stick.blocks());
        ensure!(
            digests.lines().all(|line| line.starts_with(&expected)),
            "read: {digests}"
        );
        Ok(digests.lines().count())
    }
}

/// QEMU's VGA (docs/specs/standard-vga), by its first and third BARs.
struct Vga<'a> {
    vm: &'a Vm,
    memory: String,
    registers: String,
}

impl<'a> Vga<'a> {
    fn find(vm: &'a Vm) -> Result<Self> {
        let bar = |line: u32| {
            let start = vm.agent.sh(&format!(
                "for d in /sys/bus/pci/devices/*; do \
                 [ $(cat $d/vendor) != 0x1234 ] || sed -n '{line}s/ .*//p' $d/resource; done"
            ))?;
            anyhow::Ok(start.trim().to_owned())
        };
        Ok(Self {
            vm,
            memory: bar(1)?,
            registers: bar(3)?,
        })
    }

    /// Another size, in 32 bits a pixel.
    fn resize(&self, width: usize, height: usize) -> Result<()> {
        let bar = &self.registers;
        let registers = [(4, 0), (1, width), (2, height), (3, 32), (4, 0x41)];
        let commands = registers
            .map(|(index, value)| format!("devmem $(({bar} + {})) 16 {value}", 0x500 + 2 * index));
        self.vm.agent.sh(&commands.join(" && "))?;
        Ok(())
    }

    /// Pixels of this colour, from one on, in the order of the memory.
    fn draw(&self, first: usize, count: usize, colour: u32) -> Result<()> {
        let bar = &self.memory;
        self.vm.agent.sh(&format!(
            "i={first}; while [ $i -lt {} ]; do \
             devmem $(({bar} + 4 * $i)) 32 {colour}; i=$((i + 1)); done",
            first + count
        ))?;
        Ok(())
    }
}

/// What QEMU has on its screen.
fn dump(dir: &Dir, vm: &Vm) -> Result<Picture> {
    let dump = dir.file("dump.ppm");
    vm.qmp.execute("screendump", json!({"filename": dump}))?;
    Picture::read_ppm(&dump)
}

/// One user's two sessions: one shows the screen while the other's stick is read. And a third,
/// with a stick of its own.
fn beside_a_screen(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let vm = boot(dir, "vm", &socket)?;
    let server = Server::start(dir, &socket)?;
    let mut screen = Client::connect(server.address, LOGIN.0, LOGIN.1)?;
    let mut client = UsbClient::connect(server.address)?;
    let stick = Shared::new(content(6));
    client.plug(&stick)?;
    let disk = disks(&vm, 1)?.remove(0);

    let vga = Vga::find(&vm)?;
    let reading = Reading::begin(&vm, &disk)?;
    for (turn, (width, height)) in [(800, 600), (1024, 768), (640, 480)]
        .into_iter()
        .enumerate()
    {
        vga.resize(width, height)?;
        let before = same_as(dir, || dump(dir, &vm), &mut screen)?;
        ensure!(before.width == width, "{before:?} hasn't the new size");
        vga.draw((100 + turn) * width + 50, 100, 0x0020_4060 + turn as u32)?;
        let after = same_as(dir, || dump(dir, &vm), &mut screen)?;
        ensure!(after.differs(&before).is_some(), "nothing was drawn");
    }
    let times = reading.end(&stick)?;
    ensure!(times > 0, "nothing was read");
    dir.log(format!("read {times} times"));

    let mut third = UsbClient::connect(server.address)?;
    let other = Shared::new(content(7));
    third.plug(&other)?;
    let names = disks(&vm, 2)?;
    ensure!(names.contains(&disk), "the first stick has gone");
    drop(client);
    let left = disks(&vm, 1)?.remove(0);
    ensure!(
        read(&vm, &left)? == digest(&other.blocks()),
        "it isn't the third session's stick that is left"
    );
    vga.draw(0, 100, 0x0012_3456)?;
    same_as(dir, || dump(dir, &vm), &mut screen)?;
    drop(screen);
    ensure!(disks(&vm, 1)? == [left], "a stick has gone with the screen");
    third.leave()?;
    none(&vm)?;
    vm.quit()
}

/// Of twenty sessions that end with a transfer out, nothing is left.
fn twenty_sessions(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let vm = boot(dir, "vm", &socket)?;
    let server = Server::start(dir, &socket)?;
    let stick = Shared::new(content(8));
    let session = || {
        let mut client = UsbClient::connect(server.address)?;
        client.plug(&stick)?;
        let disk = disks(&vm, 1)?.remove(0);
        begin_to_read(&vm, &disk, &stick)?;
        drop(client);
        has_failed(&vm)?;
        none(&vm)
    };
    // The first ones make what is kept: threads, a heap's arenas.
    for _ in 0..5 {
        session()?;
    }
    let (before, memory) = (server.holds()?, server.memory()?);
    for _ in 0..SESSIONS {
        session()?;
    }
    wait::until(&format!("{before:?} descriptors, threads"), LIMIT, || {
        let holds = server.holds()?;
        Ok((holds.0 <= before.0 && holds.1 <= before.1).then_some(()))
    })?;
    let after = server.memory()?;
    dir.log(format!(
        "{before:?}, {memory} KiB before, {after} KiB after"
    ));
    // What one may have in flight is 8 MiB; what these had is 64 KiB each.
    ensure!(after < memory + 1024, "{memory} KiB became {after} KiB");
    // Both usb-redirs are free.
    let mut client = UsbClient::connect(server.address)?;
    client.plug(&stick)?;
    client.plug(&Shared::new(content(9)))?;
    disks(&vm, 2)?;
    client.leave()?;
    vm.quit()
}

/// A new size of the screen takes the session's share away, and nothing of what a stick sends.
fn sizes_of_the_screen(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let vm = boot(dir, "vm", &socket)?;
    let server = Server::start(dir, &socket)?;
    let mut client = UsbClient::with_pictures(server.address)?;
    let stick = Shared::new(content(5));
    client.plug(&stick)?;
    let disk = disks(&vm, 1)?.remove(0);

    let reading = Reading::begin(&vm, &disk)?;
    let vga = Vga::find(&vm)?;
    for turn in 0..SIZES {
        let (width, height) = [(800, 600), (1024, 768)][turn % 2];
        vga.resize(width, height)?;
        ensure!(
            dump(dir, &vm)?.width == width,
            "the screen has kept its size"
        );
    }
    dir.log(format!("read {} times", reading.end(&stick)?));
    ensure!(resets(&vm)? == 0, "the guest has reset the stick");
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

/// The server killed while a transfer is out, and started again: the same client has its devices in
/// the guest once more.
fn connected_again(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let vm = boot(dir, "vm", &socket)?;
    let mut server = Server::start(dir, &socket)?;
    let mut client = UsbClient::kept(server.address)?;
    let stick = Shared::new(content(10));
    let expected = digest(&stick.blocks());
    client.plug(&stick)?;
    let mut disk = disks(&vm, 1)?.remove(0);
    for turn in 1..=2 {
        begin_to_read(&vm, &disk, &stick)?;
        server.process.signal(Signal::KILL)?;
        server.process.ended("annex-rdp")?;
        has_failed(&vm)?;
        none(&vm)?;
        // A client that has found out and tries: nobody is there.
        let lost = |news: &News| matches!(news, News::Lost(..));
        wait::until("a try to connect that fails", LIMIT, || {
            Ok((client.has_seen(lost) >= 2 * turn).then_some(()))
        })?;
        stick.release();
        server = Server::at(dir, &socket, server.address)?;
        disk = disks(&vm, 1)?.remove(0);
        ensure!(
            read(&vm, &disk)? == expected,
            "the guest reads something else"
        );
        let connected = |news: &News| matches!(news, News::Connected);
        ensure!(
            client.has_seen(connected) == turn + 1,
            "it isn't the same client's next session"
        );
    }
    // A stick that comes while there is no server is there with the next one; the other that has
    // gone meanwhile isn't.
    server.process.signal(Signal::TERM)?;
    server.process.ended("annex-rdp")?;
    none(&vm)?;
    client.unplug(DeviceId(1))?;
    let other = Shared::new(content(11));
    client.plug(&other)?;
    let _server = Server::at(dir, &socket, server.address)?;
    let disk = disks(&vm, 1)?.remove(0);
    ensure!(
        read(&vm, &disk)? == digest(&other.blocks()),
        "it isn't the other stick"
    );
    client.leave()?;
    none(&vm)?;
    vm.quit()
}

/// A password that has changed isn't tried again.
fn refused(dir: &Dir) -> Result<()> {
    let nowhere = dir.file("qmp");
    let mut server = Server::start(dir, &nowhere)?;
    let client = UsbClient::kept(server.address)?;
    server.process.signal(Signal::KILL)?;
    server.process.ended("annex-rdp")?;
    let _server = Server::with_password(dir, &nowhere, server.address, "another")?;
    let error = client.ended().err().context("a password that is refused")?;
    ensure!(
        error.downcast_ref() == Some(&Refused::Login),
        "it has ended for another reason: {error:#}"
    );
    Ok(())
}

/// A snapshot is made while a transfer is out: the guest goes on. When it is loaded, the guest finds
/// the stick unplugged, and plugged in again.
fn saved(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let disk = dir.file("snapshots.qcow2");
    let made = Command::new(files::qemu()?.with_file_name("qemu-img"))
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&disk)
        .arg("1G")
        .status()?;
    ensure!(made.success(), "qemu-img ends with {made}");
    let drive = disk.display().to_string().replace(',', ",,");
    let vm = machine(&socket)?
        .with(["-drive", &format!("if=none,id=snapshots,file={drive}")])
        .boot("vm", dir)?;
    let server = Server::start(dir, &socket)?;
    let mut client = UsbClient::connect(server.address)?;
    let stick = Shared::new(content(12));
    let expected = digest(&stick.blocks());
    client.plug(&stick)?;
    let disk = disks(&vm, 1)?.remove(0);
    let monitor = |line: &str| {
        let said = vm.qmp.human(line)?;
        let is_good = |line: &str| line.is_empty() || line.starts_with("warning: ");
        ensure!(said.lines().map(str::trim).all(is_good), "{line}: {said}");
        anyhow::Ok(())
    };

    begin_to_read(&vm, &disk, &stick)?;
    monitor("savevm one")?;
    stick.release();
    // Rings of the guest's are used from their beginning again, and so are the packets' numbers.
    for _ in 0..3 {
        ensure!(
            read(&vm, &disk)? == expected,
            "the guest reads something else"
        );
    }
    ensure!(resets(&vm)? == 0, "a transfer was lost behind a snapshot");

    // While the stick is idle, and while a transfer is out.
    for is_busy in [false, true] {
        if is_busy {
            let disk = disks(&vm, 1)?.remove(0);
            begin_to_read(&vm, &disk, &stick)?;
        }
        monitor("loadvm one")?;
        stick.release();
        has_failed(&vm)?;
        let disk = disks(&vm, 1)?.remove(0);
        ensure!(
            read(&vm, &disk)? == expected,
            "the guest reads something else"
        );
    }
    client.leave()?;
    none(&vm)?;
    vm.quit()
}

/// A guest is moved to another QEMU while a transfer is out, and annex-rdp is there already: what
/// was in the guest has gone, and what the other annex-rdp's client has is there.
fn moved(dir: &Dir) -> Result<()> {
    let (here, there) = (dir.file("qmp"), dir.file("there"));
    let vm = boot(dir, "vm", &here)?;
    let server = Server::start(dir, &here)?;
    let mut client = UsbClient::connect(server.address)?;
    let stick = Shared::new(content(13));
    client.plug(&stick)?;
    let disk = disks(&vm, 1)?.remove(0);
    begin_to_read(&vm, &disk, &stick)?;

    let joined = Server::start(dir, &there)?;
    let mut other_client = UsbClient::connect(joined.address)?;
    let other = Shared::new(content(14));
    other_client.plug(&other)?;
    let arrived = migrate::live(&vm, &machine(&there)?, "arrived", dir)?;
    vm.kill()?;
    has_failed(&arrived)?;
    let disk = disks(&arrived, 1)?.remove(0);
    ensure!(
        read(&arrived, &disk)? == digest(&other.blocks()),
        "it isn't the other client's stick"
    );
    other_client.leave()?;
    none(&arrived)?;
    arrived.quit()
}
