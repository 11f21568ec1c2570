// SPDX-License-Identifier: GPL-2.0-or-later
//! A stick with a file system, used by a Linux guest as sticks are: mounted, written to, synced,
//! unmounted, and pulled. What is on it is read at the client's side, by other code.

use std::io::{self, Cursor, Read, Write};

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};
use fatfs::{format_volume, FormatVolumeOptions, FsOptions};

use crate::machine::Server;
use crate::usb_client::{Shared, UsbClient};
use crate::usb_guest::{boot, content, digest, disks, none};

inventory::submit! { Family(|add| {
    add("rdp/usb/mounted".into(), Box::new(mounted));
}) }

/// Bytes of a file.
const FILE: usize = 600_000;

type FileSystem<'a> = fatfs::FileSystem<Cursor<&'a mut [u8]>>;

/// The file system on a stick with these bytes.
fn on(blocks: &mut [u8]) -> io::Result<FileSystem<'_>> {
    FileSystem::new(Cursor::new(blocks), FsOptions::new())
}

/// A stick's bytes: FAT, with one file.
fn formatted(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    // What was on it before.
    let mut blocks = content(15);
    format_volume(Cursor::new(&mut blocks[..]), FormatVolumeOptions::new())?;
    let volume = on(&mut blocks)?;
    volume.root_dir().create_file(name)?.write_all(bytes)?;
    volume.unmount()?;
    Ok(blocks)
}

/// SHA-256 of a file that is on a stick, as its own side reads it.
fn on_stick(stick: &Shared, name: &str) -> Result<String> {
    let mut blocks = stick.blocks();
    let volume = on(&mut blocks)?;
    let mut file = volume
        .root_dir()
        .open_file(name)
        .with_context(|| format!("the stick's {name}"))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(digest(&bytes))
}

/// Names of what is in a stick's root directory.
fn names(stick: &Shared) -> Result<Vec<String>> {
    let mut blocks = stick.blocks();
    let volume = on(&mut blocks)?;
    let entries = volume.root_dir().iter().map(|entry| Ok(entry?.file_name()));
    entries.collect()
}

fn mounted(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let vm = boot(dir, "vm", &socket)?;
    let server = Server::start(dir, &socket)?;
    let mut client = UsbClient::connect(server.address)?;
    let sh = |command: &str| vm.agent.sh(command);
    let mount = || {
        let disk = disks(&vm, 1)?.remove(0);
        sh(&format!(
            "mkdir -p /data/stick && mount -t vfat /dev/{disk} /data/stick"
        ))
    };
    let in_guest = |name: &str| {
        let said = sh(&format!("sha256sum </data/stick/'{name}'"))?;
        anyhow::Ok(said.split(' ').next().unwrap_or_default().to_owned())
    };

    let first = &content(16)[..FILE];
    let stick = Shared::new(formatted("from the client.bin", first)?);
    let id = client.plug(&stick)?;
    mount()?;
    ensure!(
        in_guest("from the client.bin")? == digest(first),
        "the guest reads another file than the client has put there"
    );

    // What is synced is on the stick, though it is mounted.
    sh("mkdir '/data/stick/a folder'")?;
    let written = "a folder/from the guest.bin";
    sh(&format!(
        "head -c {FILE} /dev/urandom >/data/stick/'{written}' && sync"
    ))?;
    let expected = in_guest(written)?;
    ensure!(
        on_stick(&stick, written)? == expected,
        "what was synced isn't on the stick"
    );

    // What is unmounted is, as well.
    sh("mv '/data/stick/from the client.bin' /data/stick/moved.bin")?;
    sh(&format!(
        "cp /data/stick/'{written}' /data/stick/copied.bin && umount /data/stick"
    ))?;
    ensure!(
        on_stick(&stick, "copied.bin")? == expected,
        "what was unmounted isn't on the stick"
    );
    ensure!(
        on_stick(&stick, "moved.bin")? == digest(first),
        "a file that was moved isn't what it was"
    );
    let mut names = names(&stick)?;
    names.sort();
    ensure!(
        names == ["a folder", "copied.bin", "moved.bin"],
        "the stick has {names:?}"
    );

    // Pulled, and plugged in again.
    client.unplug(id)?;
    none(&vm)?;
    client.plug(&stick)?;
    mount()?;
    for name in [written, "copied.bin"] {
        ensure!(
            in_guest(name)? == expected,
            "{name} isn't what it was before the stick was pulled"
        );
    }
    sh("umount /data/stick")?;
    client.leave()?;
    none(&vm)?;
    vm.quit()
}
