// SPDX-License-Identifier: GPL-2.0-or-later
//! SeaBIOS boots from a stick that is redirected: its driver of xHCI and its driver of USB storage
//! are the guest.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use annex_qtest::files::{self, Dir};
use annex_qtest::spawn;
use annex_qtest::trial::Family;
use anyhow::{bail, ensure, Context, Result};
use rdp_usb::testing::{Redirected, Stick, BLOCK};
use rdp_usb::Event;

inventory::submit! { Family(|add| {
    for controller in ["qemu-xhci", "usb-ehci"] {
        add(
            format!("rdp/firmware/stick/{controller}"),
            Box::new(move |dir| boots_from_a_stick(dir, controller)),
        );
    }
}) }

/// Firmware is there in a second or two; under TCG on a busy host it takes longer.
const LIMIT: Duration = Duration::from_secs(120);

/// Between two looks at what the firmware said.
const LOOK: Duration = Duration::from_millis(10);

/// What the stick's second block says.
const TEXT: &[u8] = b"read from a redirected stick\n";

/// A boot sector: prints the text of block 1 (LBA) on the serial port, writes that block to block
/// 4, and prints a dot.
const BOOT: &[u8] = &[
    0x31, 0xc0, //             xor ax, ax
    0x8e, 0xd8, //             mov ds, ax
    0x8e, 0xc0, //             mov es, ax
    0x88, 0x16, 0x00, 0x05, // mov [0x500], dl      the drive
    0xb8, 0x01, 0x02, //       mov ax, 0x0201       read a block
    0xbb, 0x00, 0x80, //       mov bx, 0x8000
    0xb9, 0x02, 0x00, //       mov cx, 2            sector 2 of cylinder 0
    0x30, 0xf6, //             xor dh, dh
    0xcd, 0x13, //             int 0x13
    0x72, 0x25, //             jc end
    0xbe, 0x00, 0x80, //       mov si, 0x8000
    0xba, 0xf8, 0x03, //       mov dx, 0x3f8
    0xac, //             next: lodsb
    0x84, 0xc0, //             test al, al
    0x74, 0x03, //             jz write
    0xee, //                   out dx, al
    0xeb, 0xf8, //             jmp next
    0xb8, 0x01, 0x03, // write: mov ax, 0x0301      write a block
    0xb9, 0x05, 0x00, //       mov cx, 5            sector 5
    0x8a, 0x16, 0x00, 0x05, // mov dl, [0x500]
    0x30, 0xf6, //             xor dh, dh
    0xcd, 0x13, //             int 0x13
    0x72, 0x06, //             jc end
    0xba, 0xf8, 0x03, //       mov dx, 0x3f8
    0xb0, 0x2e, //             mov al, '.'
    0xee, //                   out dx, al
    0xf4, //              end: hlt
    0xeb, 0xfd, //             jmp end
];

/// QEMU, killed when it goes out of scope.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(dir: &Dir, controller: &str, serial: &Path, socket: UnixStream) -> Result<Running> {
    let log = File::create(dir.file("vm.qemu.log"))?;
    let serial = serial.to_str().context("a path that options can hold")?;
    let serial = format!("file,id=serial,path={}", serial.replace(',', ",,"));
    let mut command = Command::new(files::qemu()?);
    command.args([
        "-nodefaults",
        "-display",
        "none",
        "-accel",
        "tcg",
        "-m",
        "64",
    ]);
    command.args([
        "-run-with",
        "exit-with-parent=on",
        "-boot",
        "reboot-timeout=1000",
    ]);
    command.args(["-chardev", &serial, "-serial", "chardev:serial"]);
    let log_of_firmware = dir.file("firmware.log");
    let path = log_of_firmware
        .to_str()
        .context("a path that options can hold")?;
    command.args([
        "-chardev",
        &format!("file,id=debug,path={}", path.replace(',', ",,")),
    ]);
    command.args(["-device", "isa-debugcon,iobase=0x402,chardev=debug"]);
    // The socket is its standard input.
    command.args(["-chardev", "socket,id=usb,fd=0", "-device"]);
    command.args([&format!("{controller},id=hc"), "-device"]);
    command.arg("usb-redir,id=redir,bus=hc.0,chardev=usb,bootindex=0");
    dir.log(format!("{command:?}"));
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    command.stdout(log.try_clone()?).stderr(log);
    Ok(Running(spawn::spawn(command)?))
}

fn boots_from_a_stick(dir: &Dir, controller: &str) -> Result<()> {
    let serial = dir.file("vm.console.log");
    let (socket, ours) = UnixStream::pair()?;
    let qemu = start(dir, controller, &serial, socket)?;
    let mut stick = Stick::new(4096);
    stick.blocks[..BOOT.len()].copy_from_slice(BOOT);
    stick.blocks[BLOCK - 2..BLOCK].copy_from_slice(&[0x55, 0xaa]);
    stick.blocks[BLOCK..BLOCK + TEXT.len()].copy_from_slice(TEXT);
    ours.set_read_timeout(Some(LOOK))?;
    let mut client = Redirected::new(stick, ours)?;
    let expected = [TEXT, b"."].concat();
    let begun = Instant::now();
    loop {
        ensure!(client.turn()?, "QEMU has closed its usb-redir");
        let said = fs::read(&serial).unwrap_or_default();
        if said.windows(expected.len()).any(|part| part == expected) {
            break;
        }
        if begun.elapsed() > LIMIT {
            bail!(
                "the firmware said {:?}; {:?}",
                String::from_utf8_lossy(&said),
                client.events
            );
        }
    }
    let blocks = &client.device.blocks;
    ensure!(
        blocks[4 * BLOCK..5 * BLOCK] == blocks[BLOCK..2 * BLOCK],
        "block 4 wasn't written"
    );
    let plugged = Event::Plugged {
        vendor: 0x46f4,
        product: 1,
    };
    ensure!(client.events == [plugged], "{:?}", client.events);
    drop(qemu);
    Ok(())
}
