// SPDX-License-Identifier: GPL-2.0-or-later
//! A Linux guest whose USB devices QEMU emulates, and who is a client: of annex-rdp on the host, which
//! is 10.0.2.2 to it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use annex_qtest::error::Skip;
use annex_qtest::files::{Dir, Guest};
use annex_qtest::qemu::{Config, Vm, BOOT_LIMIT};
use annex_qtest::wait;
use anyhow::{ensure, Result};
use serde_json::json;

use crate::cpio::{libraries, Archive};
use crate::machine::{program, LIMIT, LOGIN};
use crate::usb_guest::LOOK;

/// Vendors and products of what QEMU emulates: a stick, and a keyboard.
pub const STICK: &str = "46f4:0001";
/// See [`STICK`].
pub const KEYBOARD: &str = "0627:0001";

/// A stick that QEMU emulates, whose serial number is 0123456789AB.
pub struct Stick {
    file: PathBuf,
    node: String,
    /// What `-device` takes to plug it in.
    pub device: String,
}

impl Stick {
    /// One with these blocks, in a file.
    pub fn make(dir: &Dir, blocks: &[u8]) -> Result<Self> {
        let file = dir.file("stick.img");
        fs::write(&file, blocks)?;
        let node = json!({
            "node-name": "image", "driver": "raw",
            "file": {"driver": "file", "filename": file},
        });
        Ok(Self {
            file,
            node: node.to_string(),
            device: "usb-storage,bus=xhci.0,id=stick,drive=image,serial=0123456789AB".into(),
        })
    }

    /// QEMU's options for the file.
    pub fn image(&self) -> [&str; 2] {
        ["-blockdev", &self.node]
    }

    /// QEMU's options for a machine that it is plugged into.
    pub fn args(&self) -> [&str; 4] {
        ["-blockdev", &self.node, "-device", &self.device]
    }

    /// What is in the file.
    pub fn blocks(&self) -> Result<Vec<u8>> {
        Ok(fs::read(&self.file)?)
    }
}

/// The guest.
pub struct ClientGuest {
    /// Its machine.
    pub vm: Vm,
    /// Where annex-rdp is.
    server: SocketAddr,
}

/// A machine with a network, a USB controller, and what is in `archive`.
pub fn machine(dir: &Dir, mib: u64, archive: Archive) -> Result<Config> {
    let Guest { kernel, initramfs } = Guest::with_tapes()?;
    let file = dir.file("client.cpio");
    archive.append_to(&initramfs, &file)?;
    let guest = Guest {
        kernel,
        initramfs: file,
    };
    let args =
        "-netdev user,id=n -device virtio-net-pci,netdev=n,romfile= -device qemu-xhci,id=xhci";
    Ok(Config::new(mib)?
        .booting(guest)
        .with_kernel_options("usb-storage.delay_use=0")
        .with(args.split(' ')))
}

/// annex-usb, without what is for debuggers.
pub fn annex_usb(dir: &Dir) -> Result<Archive> {
    let built = program("ANNEX_USB", "annex-usb")?;
    let stripped = dir.file("annex-usb");
    let status = Command::new("strip")
        .arg("-o")
        .args([&stripped, &built])
        .status()?;
    ensure!(status.success(), "strip ends with {status}");
    let mut archive = Archive::default();
    archive.add("tools/annex-usb", &fs::read(&stripped)?);
    archive.add_libraries(&stripped)?;
    Ok(archive)
}

/// Adds udev's daemon: `ANNEX_UDEVD`, else the one of this machine. Without one the test is skipped.
pub fn add_udev(archive: &mut Archive) -> Result<()> {
    let usual = [
        "/usr/lib/systemd/systemd-udevd",
        "/lib/systemd/systemd-udevd",
    ];
    let daemon = std::env::var_os("ANNEX_UDEVD")
        .map(PathBuf::from)
        .or_else(|| usual.map(PathBuf::from).into_iter().find(|it| it.exists()))
        .ok_or_else(|| Skip("udev isn't installed".into()))?;
    archive.add("tools/systemd-udevd", &fs::read(&daemon)?);
    archive.add_folder("run");
    archive.add_libraries(&daemon)
}

/// FreeRDP's client, an X server without a screen, and what they load while they run.
pub fn freerdp(client: &Path, x_server: &Path) -> Result<Archive> {
    let keyboards = Path::new("/usr/share/X11/xkb");
    let compiler = Path::new("/usr/bin/xkbcomp");
    let mut archive = Archive::default();
    archive.add("tools/xfreerdp", &fs::read(client)?);
    archive.add("tools/Xvfb", &fs::read(x_server)?);
    archive.add_file(compiler)?;
    archive.add_tree(keyboards)?;
    for folder in ["tmp", "var", "var/lib", "var/lib/xkb"] {
        archive.add_folder(folder);
    }
    for program in [client, x_server, compiler] {
        archive.add_libraries(program)?;
    }
    // OpenSSL's old ciphers, which NLA's NTLM takes: beside the other libraries.
    for library in libraries(client)? {
        let legacy = library.with_file_name("ossl-modules/legacy.so");
        // ldd names the folder that /lib was before it became a link to /usr/lib.
        if legacy.exists() {
            let content = fs::read(&legacy)?;
            archive.add_file(&legacy)?;
            archive.add(&format!("usr{}", legacy.display()), &content);
            break;
        }
    }
    Ok(archive)
}

impl ClientGuest {
    /// One that has been started, with its network.
    pub fn up(vm: Vm, server: SocketAddr) -> Result<Self> {
        vm.console.wait_ready(0, BOOT_LIMIT)?;
        vm.agent
            .sh("ip link set lo up && ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")?;
        Ok(Self { vm, server })
    }

    /// Shares these devices, until annex-usb ends. Its words are on the console, too.
    pub fn share(&self, what: &str) -> Result<()> {
        let (user, password) = LOGIN;
        let url = format!("rdp://10.0.2.2:{}", self.server.port());
        self.vm.agent.sh(&format!(
            "echo '{password}' >/data/password; rm -f /data/status; \
             (annex-usb share --user {user} --password-file /data/password {what} {url} 2>&1; \
             echo $? >/data/status) </dev/null 2>&1 | tee -a /data/said >/dev/ttyS0 &"
        ))?;
        Ok(())
    }

    /// Starts udev's daemon.
    pub fn start_udev(&self) -> Result<()> {
        self.vm.agent.sh("systemd-udevd --daemon >/dev/null 2>&1")?;
        wait::until("udev's socket", LIMIT, || {
            std::thread::sleep(LOOK);
            Ok((self.vm.agent.run("[ -S /run/udev/control ]")?.0 == 0).then_some(()))
        })
    }

    /// Starts an X server without a screen.
    pub fn start_x(&self) -> Result<()> {
        self.vm.agent.sh(
            "Xvfb -displayfd 1 -screen 0 1024x768x24 -nolisten tcp >/data/display 2>/dev/null &",
        )?;
        wait::until("the X server", LIMIT, || {
            std::thread::sleep(LOOK);
            Ok((self.vm.agent.run("[ -s /data/display ]")?.0 == 0).then_some(()))
        })
    }

    /// Shares the stick by FreeRDP, until that ends. Its words are on the console, too.
    pub fn share_by_freerdp(&self) -> Result<()> {
        let (user, password) = LOGIN;
        let port = self.server.port();
        self.vm.agent.sh(&format!(
            "rm -f /data/status; (HOME=/data DISPLAY=:$(cat /data/display) xfreerdp \
             /v:10.0.2.2:{port} /u:{user} '/p:{password}' /cert:ignore /usb:id:{STICK} 2>&1; \
             echo $? >/data/status) </dev/null 2>&1 | tee -a /data/said >/dev/ttyS0 &"
        ))?;
        Ok(())
    }

    /// Pulls the stick, which has been plugged in.
    pub fn unplug_stick(&self) -> Result<()> {
        let from = self.vm.qmp.now();
        self.vm.qmp.execute("device_del", json!({"id": "stick"}))?;
        self.vm.qmp.wait_event(from, "DEVICE_DELETED", LIMIT)?;
        Ok(())
    }

    /// Waits until annex-usb has said this.
    pub fn says(&self, words: &str) -> Result<()> {
        wait::until(&format!("annex-usb to say {words:?}"), LIMIT, || {
            std::thread::sleep(LOOK);
            let said = self.vm.agent.sh("cat /data/said 2>/dev/null || true")?;
            Ok(said.contains(words).then_some(()))
        })
    }

    /// Sends annex-usb or FreeRDP a signal.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.vm
            .agent
            .sh(&format!("kill -{name} $(pidof annex-usb xfreerdp)"))?;
        Ok(())
    }

    /// Waits until it has ended; its exit status.
    pub fn ended(&self) -> Result<String> {
        wait::until("the end of annex-usb", LIMIT, || {
            std::thread::sleep(LOOK);
            let status = self.vm.agent.sh("cat /data/status 2>/dev/null || true")?;
            Ok((!status.is_empty()).then_some(status))
        })
    }

    /// Which driver of the kernel has the first interface of a device, by vendor and product.
    fn driver(&self, device: &str) -> Result<String> {
        self.vm.agent.sh(&format!(
            "cd /sys/bus/usb/devices; for d in *-*:1.0; do \
             [ \"$(cat ${{d%:*}}/idVendor ${{d%:*}}/idProduct 2>/dev/null | tr '\\n' :)\" != {device}: ] || \
             basename \"$(readlink $d/driver)\"; done"
        ))
    }

    /// Waits until it has this one, or none.
    pub fn has_driver(&self, device: &str, driver: &str) -> Result<()> {
        wait::until(
            &format!("{device}'s driver to be {driver:?}"),
            LIMIT,
            || {
                std::thread::sleep(LOOK);
                Ok((self.driver(device)? == driver).then_some(()))
            },
        )
    }

    /// The same without waiting.
    pub fn has_driver_now(&self, device: &str, driver: &str) -> Result<()> {
        let has = self.driver(device)?;
        ensure!(
            has == driver,
            "{device} has the driver {has:?}, not {driver:?}"
        );
        Ok(())
    }
}
