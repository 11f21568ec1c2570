// SPDX-License-Identifier: GPL-2.0-or-later
//! What a client sees is what QEMU draws, and what it types is what the guest reads.

use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use ironrdp_pdu::input::fast_path::{FastPathInputEvent, KeyboardFlags};
use ironrdp_pdu::input::mouse::PointerFlags;
use ironrdp_pdu::input::MousePdu;

use crate::client::Client;
use crate::machine::{Machine, Server, LIMIT, LOGIN};
use crate::picture::Picture;

inventory::submit! { Family(|add| {
    add("rdp/screen/pictures-and-keys".into(), Box::new(pictures_and_keys));
    add("rdp/screen/size-of-the-window".into(), Box::new(size_of_the_window));
    add("rdp/login/refused".into(), Box::new(refused));
}) }

/// Scancodes of set 1.
pub const A: u8 = 0x1e;
pub const G: u8 = 0x22;
pub const T: u8 = 0x14;

/// Between two looks of a client at what comes.
pub const LOOK: Duration = Duration::from_millis(50);

/// A key, pressed and let go.
pub fn press(code: u8) -> [FastPathInputEvent; 2] {
    [KeyboardFlags::empty(), KeyboardFlags::RELEASE]
        .map(|flags| FastPathInputEvent::KeyboardEvent(flags, code))
}

/// Waits until a client's picture is QEMU's, byte by byte; the picture. Beside it there is
/// nothing but black. If it doesn't become so, the two are left to be looked at.
pub fn same(dir: &Dir, machine: &Machine, client: &mut Client) -> Result<Picture> {
    same_as(dir, || machine.dump(), client)
}

/// Likewise, for a QEMU whose screen `dump` takes.
pub fn same_as(
    dir: &Dir,
    dump: impl Fn() -> Result<Picture>,
    client: &mut Client,
) -> Result<Picture> {
    let mut last = None;
    let seen = wait::until("the client's picture to be QEMU's", LIMIT, || {
        client.look(LOOK)?;
        let (dump, shown) = (dump()?, client.picture());
        let part = shown.top_left(dump.width, dump.height);
        let difference = part.differs(&dump);
        let same = difference.is_none().then(|| dump.clone());
        last = Some((dump, shown, difference));
        Ok(same)
    });
    if seen.is_err() {
        let (dump, shown, difference) = last.context("it was never compared")?;
        dump.write_ppm(&dir.file("qemu.ppm"))?;
        shown.write_ppm(&dir.file("client.ppm"))?;
        return seen.context(difference.unwrap_or_default());
    }
    seen
}

fn pictures_and_keys(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let machine = Machine::start(dir, &socket)?;
    let server = Server::start(dir, &socket)?;
    machine.booted()?;
    let mut client = Client::connect(server.address, LOGIN.0, LOGIN.1)?;
    let text = same(dir, &machine, &mut client)?;

    client.input(&press(A))?;
    machine.typed("a")?;
    let typed = same(dir, &machine, &mut client)?;
    ensure!(
        typed.differs(&text).is_some(),
        "nothing was drawn for a key"
    );

    // A picture of another size, with all the colours of its palette.
    client.input(&press(G))?;
    machine.typed("ag")?;
    let graphics = wait::until("a picture with many colours", LIMIT, || {
        let picture = same(dir, &machine, &mut client)?;
        Ok((picture.colours() > 200).then_some(picture))
    })?;
    ensure!(
        graphics.width != text.width,
        "{graphics:?} is as wide as text"
    );
    dir.log(format!(
        "text is {text:?}, graphics {graphics:?}, {} bytes",
        client.received
    ));
    graphics.write_ppm(&dir.file("graphics.ppm"))?;

    client.input(&press(T))?;
    machine.typed("agt")?;
    wait::until("the size of text", LIMIT, || {
        let picture = same(dir, &machine, &mut client)?;
        Ok((picture.width == text.width).then_some(()))
    })?;

    // The mouse, which the guest doesn't look at, reaches QEMU's devices: a PS/2 mouse, which
    // tells distances, since nobody has begun to use the tablet.
    let mouse = |flags, x_position, y_position| {
        FastPathInputEvent::MouseEvent(MousePdu {
            flags,
            number_of_wheel_rotation_units: 0,
            x_position,
            y_position,
        })
    };
    let click = PointerFlags::LEFT_BUTTON | PointerFlags::DOWN;
    client.input(&[mouse(PointerFlags::MOVE, 100, 100), mouse(click, 112, 95)])?;
    wait::until("the click in QEMU's trace", LIMIT, || {
        let log = std::fs::read_to_string(dir.file("vm.qemu.log"))?;
        let traced = [
            "axis x, value 12",
            "axis y, value -5",
            "button left, down 1",
        ];
        Ok(traced.iter().all(|words| log.contains(words)).then_some(()))
    })
}

/// The guest's display is told the client's size, and tells its driver: virtio-gpu has an event
/// for it (VIRTIO 1.3, 5.7.4). There is no driver here that would read the size.
fn size_of_the_window(dir: &Dir) -> Result<()> {
    let socket = dir.file("qmp");
    let machine = Machine::with_vga(dir, &socket, "virtio")?;
    let server = Server::start(dir, &socket)?;
    machine.booted()?;
    let events = || {
        // The device's own configuration follows 0x2000 bytes of others' in BAR 2.
        let pci = machine.qmp.human("info pci")?;
        let bar = pci.split("BAR2: 64 bit prefetchable memory at 0x").nth(1);
        let bar = bar
            .and_then(|rest| rest.split_whitespace().next())
            .context("a BAR")?;
        let address = u64::from_str_radix(bar, 16)? + 0x2000;
        let word = machine.qmp.human(&format!("xp /1wx {address:#x}"))?;
        let word = word.trim().rsplit("0x").next().context("a word")?;
        anyhow::Ok(u32::from_str_radix(word, 16)?)
    };
    ensure!(events()? == 0, "an event before anything was asked for");
    let mut client = Client::connect(server.address, LOGIN.0, LOGIN.1)?;
    client.ask_for(1360, 760)?;
    wait::until("the display's event", LIMIT, || {
        client.look(LOOK)?;
        Ok((events()? == 1).then_some(()))
    })?;
    same(dir, &machine, &mut client)?;
    Ok(())
}

fn refused(dir: &Dir) -> Result<()> {
    let server = Server::start(dir, &dir.file("no-qemu"))?;
    for (user, password) in [
        (LOGIN.0, "open barley"),
        ("somebody", LOGIN.1),
        (LOGIN.0, ""),
    ] {
        let error = Client::connect(server.address, user, password).err();
        dir.log(format!("{user}, {password}: {error:?}"));
        ensure!(error.is_some(), "{user} with {password:?} was let in");
    }
    // Who may, can: though QEMU isn't there yet.
    let mut client = Client::connect(server.address, LOGIN.0, LOGIN.1)?;
    client.look(LOOK)?;
    ensure!(
        client.picture().colours() == 1,
        "a screen without QEMU isn't black"
    );
    Ok(())
}
