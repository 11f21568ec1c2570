// SPDX-License-Identifier: GPL-2.0-or-later
//! annex-usb with devices that Linux has: a guest, whose USB devices QEMU emulates, shares them with
//! another guest.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::qemu::{Config, Vm, BOOT_LIMIT};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::json;

use crate::client_guest::{add_udev, annex_usb, machine, ClientGuest, Stick, KEYBOARD, STICK};
use crate::cpio::Archive;
use crate::machine::{Server, LIMIT};
use crate::usb_guest::{self, content, digest, disks, none, overwrite, read, LOOK, PIECE};

inventory::submit! { Family(|add| {
    add("rdp/usb/real/stick".into(), Box::new(stick));
    add("rdp/usb/real/keyboard".into(), Box::new(keyboard));
    add("rdp/usb/real/serial".into(), Box::new(serial));
    add("rdp/usb/real/unplugged".into(), Box::new(|dir| unplugged(dir, false)));
    add("rdp/usb/real/unplugged-by-udev".into(), Box::new(|dir| unplugged(dir, true)));
    add("rdp/usb/real/killed".into(), Box::new(killed));
}) }

/// Devices of the client beside the stick.
const KEYBOARD_DEVICE: [&str; 2] = ["-device", "usb-kbd,bus=xhci.0"];

/// Both guests, and annex-rdp.
pub struct Pair {
    pub server: Vm,
    pub client: ClientGuest,
    _rdp: Server,
}

impl Pair {
    /// Boots them. The client has these devices.
    fn boot(dir: &Dir, devices: &[&str]) -> Result<Self> {
        Self::with(dir, annex_usb(dir)?, devices)
    }

    /// The same, whose client has this annex-usb.
    fn with(dir: &Dir, archive: Archive, devices: &[&str]) -> Result<Self> {
        let server = usb_guest::machine(&dir.file("qmp"))?;
        Self::between(dir, archive, devices, &server)
    }

    /// The same, with another guest at the server's side, whose second monitor is at `qmp`.
    pub fn between(dir: &Dir, archive: Archive, devices: &[&str], server: &Config) -> Result<Self> {
        let socket = dir.file("qmp");
        // Both at once.
        let client = machine(dir, 384, archive)?
            .with(devices.iter().copied())
            .start("client", dir)?;
        let server = server.start("server", dir)?;
        let rdp = Server::start(dir, &socket)?;
        let client = ClientGuest::up(client, rdp.address)?;
        server.console.wait_ready(0, BOOT_LIMIT)?;
        Ok(Self {
            server,
            client,
            _rdp: rdp,
        })
    }

    /// Ends both.
    pub fn quit(self) -> Result<()> {
        self.server.quit()?;
        self.client.vm.quit()
    }
}

/// Listed, read and written, and given back in the end. Nothing else is shared.
fn stick(dir: &Dir) -> Result<()> {
    let stick = Stick::make(dir, &content(20))?;
    let pair = Pair::boot(dir, &[&stick.args()[..], &KEYBOARD_DEVICE].concat())?;
    let Pair { server, client, .. } = &pair;
    disks(&client.vm, 1)?;
    client.has_driver(STICK, "usb-storage")?;
    let list = client.vm.agent.sh("annex-usb list")?;
    let has = |start: &str, end: &str| {
        let mut lines = list.lines();
        lines.any(|line| line.starts_with(start) && line.ends_with(end))
    };
    // A stick is at the USB 3 ports, whose bus comes second.
    ensure!(
        has(
            "46f4:0001 2-1 ",
            " QEMU QEMU USB HARDDRIVE serial=0123456789AB"
        ),
        "it lists {list}"
    );
    ensure!(has(&format!("{KEYBOARD} 1-"), ""), "it lists {list}");

    client.share(STICK)?;
    let disk = disks(server, 1)?.remove(0);
    disks(&client.vm, 0)?;
    client.has_driver(STICK, "usbfs")?;
    client.has_driver(KEYBOARD, "usbhid")?;
    ensure!(
        read(server, &disk)? == digest(&stick.blocks()?),
        "the server's guest reads something else"
    );
    let after = overwrite(server, &disk, || stick.blocks())?;

    // By its serial number, and given back to the kernel each time.
    for what in ["serial=0123456789AB", "2-1"] {
        client.signal("TERM")?;
        ensure!(client.ended()? == "0", "annex-usb ends with an error");
        none(server)?;
        // At once: annex-usb has waited for it.
        client.has_driver_now(STICK, "usb-storage")?;
        let disk = disks(&client.vm, 1)?.remove(0);
        ensure!(
            read(&client.vm, &disk)? == digest(&after),
            "the client's guest reads something else"
        );
        client.share(what)?;
        let disk = disks(server, 1)?.remove(0);
        ensure!(
            read(server, &disk)? == digest(&after),
            "the server's guest reads something else"
        );
    }
    pair.quit()
}

/// Presses of keys that a guest's USB keyboard had, from now on.
struct Keys<'a>(&'a Vm);

impl<'a> Keys<'a> {
    /// Waits for the keyboard, and opens it: keys that were pressed before are lost.
    fn listen(vm: &'a Vm) -> Result<Self> {
        let device = wait::until("the guest to have a USB keyboard", LIMIT, || {
            std::thread::sleep(LOOK);
            let names = "grep -l 'QEMU USB Keyboard' /sys/class/input/event*/device/name || true";
            let found = vm.agent.sh(names)?;
            Ok(found.split('/').nth(4).map(str::to_owned))
        })?;
        vm.agent.sh(&format!(
            "rm -f /data/keys; exec 3</dev/input/{device}; cat <&3 >/data/keys 2>/dev/null &"
        ))?;
        Ok(Self(vm))
    }

    /// Waits until so many have come; their codes.
    fn come(&self, count: usize) -> Result<Vec<u16>> {
        wait::until(&format!("{count} keys in the guest"), LIMIT, || {
            std::thread::sleep(LOOK);
            let lines = "hexdump -v -e '24/1 \"%02x\" \"\\n\"' /data/keys";
            let events = self.0.agent.sh(lines)?;
            // struct input_event: a time of 16 bytes, type, code, and value.
            let presses = events.lines().filter_map(|line| {
                let field = |at: usize| u16::from_str_radix(line.get(at..at + 4)?, 16).ok();
                let [kind, code, value] = [field(32)?, field(36)?, field(40)?];
                ([kind, value] == [0x0100, 0x0100]).then_some(code.swap_bytes())
            });
            let presses: Vec<u16> = presses.collect();
            Ok((presses.len() >= count).then_some(presses))
        })
    }

    /// Has the client's keyboard send a, b and c, and sees them come.
    fn pressed(&self, client: &Vm) -> Result<()> {
        for key in ["a", "b", "c"] {
            let key = json!({"keys": [{"type": "qcode", "data": key}]});
            client.qmp.execute("send-key", key)?;
            // A keyboard tells what is pressed when it is asked, and holds 16 changes.
            std::thread::sleep(Duration::from_millis(200));
        }
        // KEY_A, KEY_B and KEY_C of Linux.
        let keys = self.come(3)?;
        ensure!(keys == [30, 48, 46], "the guest's keys are {keys:?}");
        Ok(())
    }
}

/// A keyboard beside a stick that is read: interrupt transfers. Both are given back.
fn keyboard(dir: &Dir) -> Result<()> {
    let stick = Stick::make(dir, &content(21))?;
    let pair = Pair::boot(dir, &[&stick.args()[..], &KEYBOARD_DEVICE].concat())?;
    let Pair { server, client, .. } = &pair;
    Keys::listen(&client.vm)?.pressed(&client.vm)?;

    client.share(&format!("{STICK} {KEYBOARD}"))?;
    let disk = disks(server, 1)?.remove(0);
    let keys = Keys::listen(server)?;
    client.has_driver(KEYBOARD, "usbfs")?;
    keys.pressed(&client.vm)?;
    ensure!(
        read(server, &disk)? == digest(&stick.blocks()?),
        "the server's guest reads something else"
    );
    // What it is asked for was out all the time.
    Keys::listen(server)?.pressed(&client.vm)?;

    client.signal("INT")?;
    ensure!(client.ended()? == "0", "annex-usb ends with an error");
    none(server)?;
    client.has_driver_now(STICK, "usb-storage")?;
    client.has_driver_now(KEYBOARD, "usbhid")?;
    Keys::listen(&client.vm)?.pressed(&client.vm)?;
    pair.quit()
}

/// A serial adapter: bytes both ways, more than it holds.
fn serial(dir: &Dir) -> Result<()> {
    let path = dir.file("serial");
    let chardev = format!(
        "socket,id=port,server=on,wait=off,path={}",
        path.display().to_string().replace(',', ",,")
    );
    let device = "usb-serial,bus=xhci.0,chardev=port,always-plugged=on";
    let pair = Pair::boot(dir, &["-chardev", &chardev, "-device", device])?;
    let Pair { server, client, .. } = &pair;
    let mut port = UnixStream::connect(&path)?;
    client.has_driver(SERIAL_ADAPTER, "ftdi_sio")?;
    client.share(SERIAL_ADAPTER)?;
    let exists = |test: &str| {
        std::thread::sleep(LOOK);
        let (status, _) = server.agent.run(&format!("[ {test} ]"))?;
        anyhow::Ok((status == 0).then_some(()))
    };
    wait::until("the guest to have a serial adapter", LIMIT, || {
        exists("-c /dev/ttyUSB0")
    })?;
    let there = &content(22)[..10_000];
    // A session of its own: the terminal is hung up with the session that opens it.
    server.agent.sh(
        "setsid sh -c 'exec 3<>/dev/ttyUSB0; stty raw -echo <&3; touch /data/open; \
         head -c 10000 <&3 >/data/in; sleep 10000' </dev/null >/dev/null 2>&1 &",
    )?;
    wait::until("the adapter to be open", LIMIT, || exists("-e /data/open"))?;
    port.write_all(there)?;
    wait::until("the bytes in the guest", LIMIT, || {
        exists("$(stat -c %s /data/in) = 10000")
    })?;
    let came = server.agent.sh("sha256sum </data/in")?;
    ensure!(came.starts_with(&digest(there)), "other bytes have come");

    // The same back, in another order.
    let sent = server.agent.sh(
        "(tail -c 5000 /data/in; head -c 5000 /data/in) >/data/out; \
         cat /data/out >/dev/ttyUSB0; sha256sum </data/out",
    )?;
    let mut bytes = vec![0; 10_000];
    port.set_read_timeout(Some(LIMIT))?;
    port.read_exact(&mut bytes)
        .context("what the guest has sent")?;
    ensure!(sent.starts_with(&digest(&bytes)), "other bytes have come");

    client.signal("TERM")?;
    ensure!(client.ended()? == "0", "annex-usb ends with an error");
    none(server)?;
    client.has_driver_now(SERIAL_ADAPTER, "ftdi_sio")?;
    pair.quit()
}

/// QEMU's serial adapter: vendor and product.
const SERIAL_ADAPTER: &str = "0403:6001";

/// The stick comes after annex-usb has begun; is pulled while it is read; and comes again. udev tells
/// annex-usb so, or there is none.
fn unplugged(dir: &Dir, with_udev: bool) -> Result<()> {
    let mut archive = annex_usb(dir)?;
    if with_udev {
        add_udev(&mut archive)?;
    }
    let stick = Stick::make(dir, &content(23))?;
    let devices = [&stick.image()[..], &KEYBOARD_DEVICE].concat();
    let pair = Pair::with(dir, archive, &devices)?;
    let Pair { server, client, .. } = &pair;
    if with_udev {
        client.start_udev()?;
    }
    client.share(&format!("{STICK} {KEYBOARD}"))?;
    client.says("46f4:0001 isn't there: it is shared when it comes")?;
    let keys = Keys::listen(server)?;
    for _ in 0..2 {
        client.vm.plug(["-device", &stick.device])?;
        let disk = disks(server, 1)?.remove(0);
        ensure!(
            read(server, &disk)? == digest(&stick.blocks()?),
            "the server's guest reads something else"
        );
        // Read again and again until that fails.
        let read = format!("dd if=/dev/{disk} of=/dev/null bs={PIECE} iflag=direct");
        server.agent.sh(&format!(
            "rm -f /data/turns /data/ended; (while {read}; do echo >>/data/turns; done; \
             touch /data/ended) >/dev/null 2>&1 &"
        ))?;
        let exists = |file: &str| anyhow::Ok(server.agent.run(&format!("[ -e {file} ]"))?.0 == 0);
        wait::until("the first read", LIMIT, || {
            Ok(exists("/data/turns")?.then_some(()))
        })?;
        client.unplug_stick()?;
        wait::until("an error of the read", LIMIT, || {
            std::thread::sleep(LOOK);
            Ok(exists("/data/ended")?.then_some(()))
        })?;
        disks(server, 0)?;
    }
    // The other device was there all the time.
    keys.pressed(&client.vm)?;
    client.signal("TERM")?;
    ensure!(client.ended()? == "0", "annex-usb ends with an error");
    none(server)?;
    client.has_driver_now(KEYBOARD, "usbhid")?;
    pair.quit()
}

/// annex-usb killed: Linux has its devices without a driver, until it is asked for one, or annex-usb
/// shares them again and ends by itself. Another annex-usb doesn't get what the first has.
fn killed(dir: &Dir) -> Result<()> {
    let stick = Stick::make(dir, &content(24))?;
    let pair = Pair::boot(dir, &stick.args())?;
    let Pair { server, client, .. } = &pair;
    for is_asked_for in [true, false] {
        client.share(STICK)?;
        let disk = disks(server, 1)?.remove(0);
        if is_asked_for {
            client.share(STICK)?;
            client.says("another program has interface 0")?;
        }
        ensure!(
            read(server, &disk)? == digest(&stick.blocks()?),
            "the server's guest reads something else"
        );
        client.signal("KILL")?;
        ensure!(client.ended()? == "137", "annex-usb wasn't killed");
        none(server)?;
        client.has_driver_now(STICK, "")?;
        disks(&client.vm, 0)?;
        if is_asked_for {
            let probe = "echo 2-1:1.0 >/sys/bus/usb/drivers_probe";
            client.vm.agent.sh(probe)?;
            client.has_driver_now(STICK, "usb-storage")?;
        }
    }
    client.share(STICK)?;
    disks(server, 1)?;
    client.signal("TERM")?;
    ensure!(client.ended()? == "0", "annex-usb ends with an error");
    client.has_driver_now(STICK, "usb-storage")?;
    disks(&client.vm, 1)?;
    pair.quit()
}
