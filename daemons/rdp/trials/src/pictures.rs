// SPDX-License-Identifier: GPL-2.0-or-later
//! Pictures that fill the screen are shown as they are, whatever is in them; by the code with
//! which they are measured.

use annex_qtest::error::Skip;
use annex_qtest::files::{self, Dir};
use annex_qtest::trial::Family;
use anyhow::{ensure, Result};
use rdp_trials::gallery::Scene;
use rdp_trials::measure::{Rig, Way};
use rdp_trials::vnc::Encoding;

inventory::submit! { Family(|add| {
    add("rdp/pictures/rdp".into(), Box::new(|dir| shown(dir, Way::Rdp)));
    add("rdp/pictures/rdp-plain".into(), Box::new(|dir| shown(dir, Way::PlainRdp)));
    for encoding in [Encoding::Raw, Encoding::Zrle, Encoding::Tight] {
        let name = format!("rdp/pictures/vnc-{encoding:?}").to_lowercase();
        add(name, Box::new(move |dir| with_vnc(dir, encoding)));
    }
}) }

/// Of each scene.
const PICTURES: usize = 2;

fn with_vnc(dir: &Dir, encoding: Encoding) -> Result<()> {
    let help = std::process::Command::new(files::qemu()?)
        .arg("-help")
        .output()?;
    if !String::from_utf8_lossy(&help.stdout).contains("-vnc ") {
        return Err(Skip("this QEMU has no VNC server; that of make bench-rdp has".into()).into());
    }
    shown(dir, Way::Vnc(encoding))
}

fn shown(dir: &Dir, way: Way) -> Result<()> {
    let mut rig = Rig::start(dir, way)?;
    for scene in Scene::ALL {
        let before = rig.orders();
        let figures = rig.pictures(scene, PICTURES)?;
        let orders = rig.orders() - before;
        dir.log(format!("{scene:?}: {orders} orders, {}", figures.json()));
        ensure!(figures.bytes > 0, "a picture came without a byte");
        // Of a photograph nothing can be drawn by an order.
        let drawn = way == Way::Rdp && scene != Scene::Photo;
        ensure!(drawn == (orders > 0), "{orders} orders");
        // What text takes without being cut into letters is more, too.
        let most = match scene {
            Scene::Fill => 200,
            Scene::Text => 48_000,
            Scene::Scroll => 10_000,
            Scene::Desktop | Scene::Photo => usize::MAX,
        };
        let each = figures.bytes / PICTURES;
        ensure!(way != Way::Rdp || each < most, "{each} bytes a picture");
    }
    let figures = rig.keys(4)?;
    dir.log(format!("keys: {}", figures.json()));
    Ok(())
}
