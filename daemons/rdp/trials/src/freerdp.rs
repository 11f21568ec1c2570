// SPDX-License-Identifier: GPL-2.0-or-later
//! FreeRDP as Debian has it, on an X server without a screen: what it shows is what QEMU draws.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use annex_qtest::error::Skip;
use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::json;

use rdp_trials::gallery::{Display, Gallery, Scene};

use crate::machine::{Machine, Running, Server, LIMIT, LOGIN};
use crate::picture::Picture;

inventory::submit! { Family(|add| {
    add("rdp/freerdp/picture".into(), Box::new(picture));
    add("rdp/freerdp/pictures".into(), Box::new(pictures));
}) }

/// The client's names: FreeRDP 3 has another in Debian.
pub const CLIENTS: [&str; 2] = ["xfreerdp", "xfreerdp3"];

/// One of these programs, or the test can't be run.
pub fn found(names: &[&str]) -> Result<PathBuf> {
    let path = std::env::var("PATH")?;
    let mut all = names
        .iter()
        .flat_map(|name| path.split(':').map(move |dir| Path::new(dir).join(name)));
    let there = all.find(|it| it.exists());
    Ok(there.ok_or_else(|| Skip(format!("{} isn't installed", names[0])))?)
}

fn picture(dir: &Dir) -> Result<()> {
    let (xvfb, xfreerdp) = (found(&["Xvfb"])?, found(&CLIENTS)?);
    let socket = dir.file("qmp");
    let machine = Machine::start(dir, &socket)?;
    let server = Server::start(dir, &socket)?;
    machine.booted()?;
    // Text is black until something is typed, and so is a screen without a client.
    let key = json!({"keys": [{"type": "qcode", "data": "g"}]});
    machine.qmp.execute("send-key", key)?;
    machine.typed("g")?;

    let client = start(dir, [&xvfb, &xfreerdp], &server)?;
    let dump = || machine.dump();

    shows(dir, dump, 200)?;
    // Other sizes, and pictures that refer to what was sent before.
    for keys in ["t", "abcdefgh", "g"] {
        for key in keys.chars() {
            let key = json!({"keys": [{"type": "qcode", "data": key.to_string()}]});
            machine.qmp.execute("send-key", key)?;
        }
        machine.typed(keys)?;
        if keys != "t" {
            shows(dir, dump, if keys == "g" { 200 } else { 1 })?;
        }
    }
    drop(client);
    Ok(())
}

/// Pages, windows and photographs, drawn by orders and bitmaps.
fn pictures(dir: &Dir) -> Result<()> {
    let programs = (found(&["Xvfb"])?, found(&CLIENTS)?);
    let socket = dir.file("qmp");
    let mut gallery = Gallery::start(dir, "qemu", Display::Dbus(&socket))?;
    let server = Server::start(dir, &socket)?;
    let client = start(dir, [&programs.0, &programs.1], &server)?;
    for scene in Scene::ALL {
        for _ in 0..3 {
            gallery.draw(scene)?;
            gallery.show()?;
            shows(dir, || gallery.dump(), 0)?;
        }
    }
    drop(client);
    let log = fs::read_to_string(dir.file("annex-rdp.log"))?;
    ensure!(log.contains("orders: true"), "it was sent no orders");
    Ok(())
}

/// An X server, and FreeRDP on it.
fn start(dir: &Dir, [xvfb, xfreerdp]: [&Path; 2], server: &Server) -> Result<[Running; 2]> {
    let mut command = Command::new(xvfb);
    command.args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-fbdir"]);
    command.arg(dir.path()).stdout(Stdio::piped());
    let mut x = Running::start(dir, "xvfb", command)?;
    let mut display = String::new();
    let mut out = x.0.stdout.take().context("its output")?;
    std::io::BufRead::read_line(&mut std::io::BufReader::new(&mut out), &mut display)?;

    let mut command = Command::new(xfreerdp);
    command
        .env("DISPLAY", format!(":{}", display.trim()))
        .env("HOME", dir.path());
    command.args([
        &format!("/v:{}", server.address),
        &format!("/u:{}", LOGIN.0),
    ]);
    command.args([
        &format!("/p:{}", LOGIN.1),
        "/cert:ignore",
        "-decorations",
        "/bpp:32",
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let client = Running::start(dir, "freerdp", command)?;
    Ok([client, x])
}

/// Waits until the client shows QEMU's picture, which has more than so many colours.
fn shows(dir: &Dir, dump: impl Fn() -> Result<Picture>, colours: usize) -> Result<()> {
    let mut last = None;
    let seen = wait::until("FreeRDP's picture to be QEMU's", LIMIT, || {
        let shown = screen(&dir.file("Xvfb_screen0"))?;
        let dump = dump()?;
        let difference = shown.top_left(dump.width, dump.height).differs(&dump);
        let same = (difference.is_none() && dump.colours() > colours).then_some(());
        last = Some((shown, difference));
        Ok(same)
    });
    let (shown, difference) = last.context("it was never compared")?;
    shown.write_ppm(&dir.file("freerdp.ppm"))?;
    seen.context(difference.unwrap_or_default())
}

/// The screen of Xvfb, which it has in a file: an XWD (X11/XWDFile.h), big-endian words.
fn screen(file: &Path) -> Result<Picture> {
    let data = fs::read(file)?;
    let word = |index: usize| -> Result<usize> {
        let bytes = data.get(index * 4..index * 4 + 4).context("a header")?;
        Ok(u32::from_be_bytes(bytes.try_into()?) as usize)
    };
    let [header, width, height, bits, stride, colours] = [
        word(0)?,
        word(4)?,
        word(5)?,
        word(11)?,
        word(12)?,
        word(19)?,
    ];
    ensure!(bits == 32, "{bits} bits a pixel");
    // A colour of the map takes 12 bytes.
    let pixels = data.get(header + colours * 12..).context("a picture")?;
    Ok(Picture::from_32(pixels, width, height, stride, [2, 1, 0]))
}
