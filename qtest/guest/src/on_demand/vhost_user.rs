// SPDX-License-Identifier: GPL-2.0-or-later
//! A vhost-user back-end that knows nothing of postcopy: its accesses to
//! missing pages would never be served.

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use annex_qtest::error::refusal;
use annex_qtest::files::Dir;
use annex_qtest::memory::Backing;
use annex_qtest::snapshot::{self, Mode};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Result};

use crate::fixture::Fixture;

inventory::submit! { Family(|add| {
    add("snapshot/on-demand/refuses/vhost-user".into(), Box::new(refused));
}) }

fn refused(dir: &Dir) -> Result<()> {
    let fixture = Fixture::live()?;
    // An abstract name: a path could be longer than a socket's may be.
    let name = format!("annex-vhost-user-{}", std::process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            // Ends with QEMU.
            let _ = serve(stream);
        }
    });
    let chardev = format!("socket,id=backend,path={name},abstract=on");
    let vm = fixture
        .config
        .backed_by(Backing::Memfd)
        .with([
            "-chardev",
            &chardev,
            "-netdev",
            "vhost-user,id=net,chardev=backend",
        ])
        .incoming()
        .start("restored", dir)?;
    wait::until(
        "QEMU to greet the back-end",
        Duration::from_secs(30),
        || {
            Ok(vm
                .qmp
                .human("info network")?
                .contains("vhost-user")
                .then_some(()))
        },
    )?;
    let why = match snapshot::prepare(&vm, Mode::OnDemand) {
        Ok(()) => refusal(snapshot::begin(&vm, &fixture.path).map(drop))?,
        refused => refusal(refused)?,
    };
    dir.log(&why);
    ensure!(why.contains("vhost-user"), "not named: {why:?}");
    Ok(())
}

/// Message types, flags and feature bits of QEMU's docs/interop/vhost-user.rst.
const GET_FEATURES: u32 = 1;
const GET_PROTOCOL_FEATURES: u32 = 15;
const GET_QUEUE_NUM: u32 = 17;
const VERSION: u32 = 1;
const REPLY: u32 = 1 << 2;
const NEED_REPLY: u32 = 1 << 3;
const F_VERSION_1: u64 = 1 << virtio_bindings::virtio_config::VIRTIO_F_VERSION_1;
const F_PROTOCOL_FEATURES: u64 = 1 << 30;
const PROTOCOL_F_MQ: u64 = 1;

/// The smallest back-end that QEMU takes for one, without PROTOCOL_F_PAGEFAULT.
fn serve(mut stream: UnixStream) -> std::io::Result<()> {
    loop {
        let mut header = [0; 12];
        stream.read_exact(&mut header)?;
        let field = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (request, flags, size) = (field(0), field(4), field(8));
        stream.read_exact(&mut vec![0; size as usize])?;
        let answer = match request {
            GET_FEATURES => F_VERSION_1 | F_PROTOCOL_FEATURES,
            GET_PROTOCOL_FEATURES => PROTOCOL_F_MQ,
            GET_QUEUE_NUM => 1,
            _ if flags & NEED_REPLY != 0 => 0,
            _ => continue,
        };
        let mut reply = Vec::new();
        for word in [request, VERSION | REPLY, 8] {
            reply.extend(word.to_le_bytes());
        }
        reply.extend(answer.to_le_bytes());
        stream.write_all(&reply)?;
    }
}
