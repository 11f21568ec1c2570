// SPDX-License-Identifier: GPL-2.0-or-later
//! `make demo-rdp`: a guest whose screen looks like a desktop's, annex-rdp, and the line with which
//! a client connects. A key inverts the square at the screen's top left. Ctrl-C ends all of it.

use annex_qtest::files::{self, Dir};
use anyhow::Result;
use rdp_trials::gallery::{Display, Gallery, Scene};
use rdp_trials::machine::{Server, LOGIN};
use tokio::runtime::Builder;
use tokio::signal::unix::{signal, SignalKind};

fn main() -> Result<()> {
    let dir = Dir::at(files::top().join("build/demo/rdp"))?;
    let qmp = dir.file("qmp");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _within = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    let mut guest = Gallery::start(&dir, "qemu", Display::Dbus(&qmp))?;
    guest.draw(Scene::Desktop)?;
    guest.show()?;
    let server = Server::start(&dir, &qmp)?;
    let (user, password) = LOGIN;
    println!(
        "A guest's screen is served on this machine's loopback. To see it:\n\n    \
         xfreerdp /v:{} /u:{user} /p:'{password}' /cert:ignore\n\n\
         A key inverts the square at the top left. Ctrl-C ends the guest and annex-rdp; their\n\
         logs are in {}.",
        server.address,
        files::top().join("build/demo/rdp").display()
    );
    runtime.block_on(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    });
    // Those that the terminal hasn't told to end are ended as they go out of scope.
    Ok(())
}
