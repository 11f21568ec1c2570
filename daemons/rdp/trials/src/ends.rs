// SPDX-License-Identifier: GPL-2.0-or-later
//! Whoever goes, the others go on; and nothing is left of sessions that have ended.

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};
use ironrdp_pdu::input::fast_path::{FastPathInputEvent, KeyboardFlags};
use ironrdp_pdu::rdp::server_error_info::{ErrorInfo, ProtocolIndependentCode};
use rustix::process::Signal;

use crate::client::Client;
use crate::machine::{Machine, Server, LIMIT, LOGIN};
use crate::screen::{press, same, A, LOOK};

inventory::submit! { Family(|add| {
    add("rdp/ends/everybody".into(), Box::new(everybody));
    add("rdp/ends/twenty-sessions".into(), Box::new(twenty_sessions));
}) }

/// Sessions that annex-rdp has side by side (docs/rdp.md).
const SESSIONS: usize = 4;
/// Left Shift.
const SHIFT: u8 = 0x2a;

fn everybody(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let mut machine = Machine::start(dir, &socket)?;
    let mut server = Server::start(dir, &socket)?;
    machine.booted()?;
    let log_in = |server: &Server| Client::connect(server.address, LOGIN.0, LOGIN.1);

    // A client that vanishes with a key held: the guest's key is let go.
    let mut client = log_in(&server)?;
    same(dir, &machine, &mut client)?;
    let shift = FastPathInputEvent::KeyboardEvent(KeyboardFlags::empty(), SHIFT);
    client.input(&[shift])?;
    client.input(&press(A))?;
    machine.typed("A")?;
    drop(client);
    let mut client = log_in(&server)?;
    client.input(&press(A))?;
    machine.typed("Aa")?;

    // Another session beside it: both show the screen, and both type.
    let mut second = log_in(&server)?;
    same(dir, &machine, &mut second)?;
    second.input(&press(A))?;
    machine.typed("Aaa")?;
    client.input(&press(A))?;
    machine.typed("Aaaa")?;
    same(dir, &machine, &mut client)?;
    same(dir, &machine, &mut second)?;

    // When there are too many, the earliest one is ended, and told why.
    let others = (2..=SESSIONS).map(|_| log_in(&server));
    let others = others.collect::<Result<Vec<Client>>>()?;
    client.closed()?;
    let displaced = ProtocolIndependentCode::DisconnectedByOtherconnection;
    let displaced = ErrorInfo::ProtocolIndependentCode(displaced).description();
    let said = client.reason();
    ensure!(said == Some(&*displaced), "it is told {said:?}");
    same(dir, &machine, &mut second)?;
    drop(others);

    // QEMU killed, and started again: the same session shows the new one.
    machine.process.signal(Signal::KILL)?;
    machine.process.ended("QEMU")?;
    wait::until("a black screen", LIMIT, || {
        second.look(LOOK)?;
        Ok((second.picture().colours() == 1).then_some(()))
    })?;
    let mut machine = Machine::start(dir, &socket)?;
    machine.booted()?;
    same(dir, &machine, &mut second)?;
    second.input(&press(A))?;
    // The guest may still be about to change its screen's size, which the client has to follow.
    wait::until("the key in the guest", LIMIT, || {
        second.look(LOOK)?;
        Ok(machine.serial()?.ends_with(b"a").then_some(()))
    })?;

    // The server killed: QEMU goes on, and another server joins it.
    server.process.signal(Signal::KILL)?;
    server.process.ended("annex-rdp")?;
    second.closed()?;
    let mut server = Server::start(dir, &socket)?;
    let mut client = log_in(&server)?;
    client.input(&press(A))?;
    machine.typed("aa")?;
    same(dir, &machine, &mut client)?;

    // The server asked to end: it tells its client, and succeeds.
    server.process.signal(Signal::TERM)?;
    client.closed()?;
    let status = server.process.ended("annex-rdp")?;
    ensure!(status.success(), "annex-rdp ends with {status}");
    machine.process.signal(Signal::TERM)?;
    let status = machine.process.ended("QEMU")?;
    ensure!(status.success(), "QEMU ends with {status}");
    Ok(())
}

fn twenty_sessions(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let machine = Machine::start(dir, &socket)?;
    let server = Server::start(dir, &socket)?;
    machine.booted()?;
    let session = || {
        let mut client = Client::connect(server.address, LOGIN.0, LOGIN.1)?;
        same(dir, &machine, &mut client)?;
        drop(client);
        anyhow::Ok(())
    };
    // The first ones make what is kept: threads, a heap's arenas.
    for _ in 0..5 {
        session()?;
    }
    let settled = |wanted: (usize, usize)| {
        wait::until(
            &format!("{wanted:?} descriptors and threads"),
            LIMIT,
            || {
                let holds = server.holds()?;
                Ok((holds.0 <= wanted.0 && holds.1 <= wanted.1).then_some(()))
            },
        )
    };
    let idle = wait::until("the end of the first sessions", LIMIT, || {
        let log = std::fs::read_to_string(dir.file("annex-rdp.log"))?;
        Ok((log.matches(": left").count() == 5).then_some(()))
    });
    idle?;
    let (before, memory) = (server.holds()?, server.memory()?);
    for _ in 0..20 {
        session()?;
    }
    settled(before)?;
    let after = server.memory()?;
    dir.log(format!(
        "{before:?}, {memory} KiB before, {after} KiB after"
    ));
    // A screen is 1.1 MB, a session's buffers some hundred KB: twenty of either would show.
    ensure!(after < memory + 4096, "{memory} KiB became {after} KiB");
    Ok(())
}
