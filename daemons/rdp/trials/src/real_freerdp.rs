// SPDX-License-Identifier: GPL-2.0-or-later
//! FreeRDP as Debian has it, with a device that Linux has: in one guest, whose stick QEMU emulates,
//! it shares that with another guest.

use annex_qtest::files::Dir;
use annex_qtest::qemu::BOOT_LIMIT;
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};

use crate::client_guest::{freerdp, machine, ClientGuest, Stick, STICK};
use crate::freerdp::{found, CLIENTS};
use crate::machine::Server;
use crate::usb_guest::{self, content, digest, disks, none, overwrite, read};

inventory::submit! { Family(|add| {
    add("rdp/usb/real/freerdp".into(), Box::new(stick));
}) }

/// Read and written; unplugged with the session, and pulled in another one.
fn stick(dir: &Dir) -> Result<()> {
    let archive = freerdp(&found(&CLIENTS)?, &found(&["Xvfb"])?)?;
    let stick = Stick::make(dir, &content(30))?;
    let socket = dir.file("qmp");
    let client = machine(dir, 1024, archive)?
        .with(stick.args())
        .start("client", dir)?;
    let server = usb_guest::machine(&socket)?.start("server", dir)?;
    let rdp = Server::start(dir, &socket)?;
    let client = ClientGuest::up(client, rdp.address)?;
    server.console.wait_ready(0, BOOT_LIMIT)?;
    disks(&client.vm, 1)?;
    client.start_x()?;

    client.share_by_freerdp()?;
    let disk = disks(&server, 1)?.remove(0);
    client.has_driver(STICK, "usbfs")?;
    ensure!(
        read(&server, &disk)? == digest(&stick.blocks()?),
        "the server's guest reads something else"
    );
    let after = overwrite(&server, &disk, || stick.blocks())?;
    client.signal("TERM")?;
    client.ended()?;
    none(&server)?;

    client.share_by_freerdp()?;
    let disk = disks(&server, 1)?.remove(0);
    ensure!(
        read(&server, &disk)? == digest(&after),
        "the server's guest reads something else"
    );
    client.unplug_stick()?;
    none(&server)?;
    server.quit()?;
    client.vm.quit()
}
