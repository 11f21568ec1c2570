// SPDX-License-Identifier: GPL-2.0-or-later
//! A QEMU whose display is on a bus, with a dbus-daemon of the test's own.

use std::fs;
use std::process::{Command, Stdio};

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};

use crate::client::Client;
use crate::freerdp::found;
use crate::machine::{Machine, Running, Server, LIMIT, LOGIN};
use crate::screen::{press, same, A, LOOK, T};

inventory::submit! { Family(|add| {
    add("rdp/bus/screen-and-keys".into(), Box::new(screen_and_keys));
}) }

fn screen_and_keys(dir: &Dir) -> Result<()> {
    let daemon = found(&["dbus-daemon"])?;
    let socket = dir.file("bus");
    let _ = fs::remove_file(&socket);
    let address = format!("unix:path={}", socket.display());
    let mut command = Command::new(daemon);
    command.args(["--session", "--nofork", "--print-address=1"]);
    command.arg(format!("--address={address}"));
    command.stdout(Stdio::piped());
    let mut bus = Running::start(dir, "dbus-daemon", command)?;
    let mut said = String::new();
    let mut out = bus.0.stdout.take().context("its output")?;
    std::io::BufRead::read_line(&mut std::io::BufReader::new(&mut out), &mut said)?;
    ensure!(said.starts_with(&address), "the bus is at {said:?}");

    // Before QEMU is on the bus, and when another one is.
    let server = Server::joining(dir, "--dbus", &address)?;
    for _ in 0..2 {
        let machine = Machine::on_bus(dir, &dir.file("qmp"), &address)?;
        machine.booted()?;
        let mut client = Client::connect(server.address, LOGIN.0, LOGIN.1)?;
        let text = same(dir, &machine, &mut client)?;
        // Keys that come before annex-rdp has joined reach nobody, and an empty screen of text is as
        // black as one without QEMU.
        wait::until("a key in the guest", LIMIT, || {
            client.input(&press(T))?;
            client.look(LOOK)?;
            Ok(machine.serial()?.ends_with(b"t").then_some(()))
        })?;
        client.input(&press(A))?;
        wait::until("another one", LIMIT, || {
            client.look(LOOK)?;
            Ok(machine.serial()?.ends_with(b"a").then_some(()))
        })?;
        let typed = same(dir, &machine, &mut client)?;
        ensure!(
            typed.differs(&text).is_some(),
            "nothing was drawn for a key"
        );
    }
    Ok(())
}
