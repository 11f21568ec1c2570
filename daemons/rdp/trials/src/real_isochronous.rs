// SPDX-License-Identifier: GPL-2.0-or-later
//! annex-usb with isochronous endpoints as Linux has them: a sound card that QEMU emulates, and a
//! device in software that sends packets as well.
//!
//! Packets may be lost: a busy host doesn't come in time. What arrives is in order, and whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use annex_qtest::files::{Dir, Guest};
use annex_qtest::qemu::{Config, Vm};
use annex_qtest::trial::Family;
use annex_qtest::wait;
use anyhow::{ensure, Context, Result};

use crate::client_guest::{annex_usb, ClientGuest};
use crate::cpio::Archive;
use crate::machine::LIMIT;
use crate::packets::{packet, Plugged, PACKETS, STATUS};
use crate::real::Pair;
use crate::usb_guest::{self, none, LOOK};

inventory::submit! { Family(|add| {
    add("rdp/usb/real/sound".into(), Box::new(sound));
    add("rdp/usb/real/packets".into(), Box::new(packets));
}) }

/// QEMU's sound card: vendor and product.
const CARD: &str = "46f4:0002";
/// Where Linux has it.
const PLAYBACK: &str = "/dev/snd/pcmC0D0p";
/// Frames that are played: three seconds.
const FRAMES: u32 = 144_000;

/// The server's guest, with a program of trials/guest.
fn server(dir: &Dir, program: &str) -> Result<Config> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("guest/{program}.c"));
    let built = dir.file(program);
    let gcc = Command::new("gcc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o"])
        .args([&built, &source])
        .status()
        .context("gcc")?;
    ensure!(gcc.success(), "{program} can't be compiled: {gcc}");
    let mut archive = Archive::default();
    archive.add(&format!("tools/{program}"), &fs::read(&built)?);
    let Guest { kernel, initramfs } = Guest::with_tapes()?;
    let file = dir.file("server.cpio");
    archive.append_to(&initramfs, &file)?;
    let initramfs = file;
    Ok(usb_guest::machine(&dir.file("qmp"))?.booting(Guest { kernel, initramfs }))
}

/// Waits until a test of the guest's shell is true.
fn until(vm: &Vm, test: &str) -> Result<()> {
    wait::until(&format!("{test} in the guest"), LIMIT, || {
        std::thread::sleep(LOOK);
        Ok((vm.agent.run(test)?.0 == 0).then_some(()))
    })
}

/// Ends annex-usb, which gives devices back to the driver that they had.
fn given_back(server: &Vm, client: &ClientGuest, device: &str, driver: &str) -> Result<()> {
    client.signal("TERM")?;
    ensure!(client.ended()? == "0", "annex-usb ends with an error");
    none(server)?;
    client.has_driver_now(device, driver)
}

/// Descriptors that annex-usb has.
fn descriptors(client: &ClientGuest) -> Result<String> {
    client.vm.agent.sh("ls /proc/$(pidof annex-usb)/fd | wc -l")
}

/// The frames that a file of QEMU's has, without silence.
fn heard(file: &Path) -> Result<Vec<u32>> {
    let played = fs::read(file)?;
    // Behind a header, which isn't written at once.
    let samples = played.get(44..).unwrap_or_default();
    let frames = samples.chunks_exact(4);
    let frames = frames.map(|it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]));
    Ok(frames.filter(|it| *it != 0).collect())
}

/// A sound card at the client, on which the server's guest plays: packets to the device. Twice, of
/// which the first is ended in the middle; and once more, when annex-usb is ended in the middle.
fn sound(dir: &Dir) -> Result<()> {
    let file = dir.file("sound.wav");
    let path = file.display().to_string().replace(',', ",,");
    let audio =
        format!("wav,id=sound,path={path},out.frequency=48000,out.channels=2,out.format=s16");
    // Room for all that is played: the card drops what comes too early.
    let card = "usb-audio,bus=xhci.0,id=card,audiodev=sound,buffer=7680000";
    let devices = ["-audiodev", &audio, "-device", card];
    let pair = Pair::between(dir, annex_usb(dir)?, &devices, &server(dir, "play")?)?;
    let Pair { server, client, .. } = &pair;
    client.has_driver(CARD, "snd-usb-audio")?;
    client.share(CARD)?;
    until(server, &format!("[ -e {PLAYBACK} ]"))?;
    client.has_driver_now(CARD, "usbfs")?;

    // Without an end, until something was heard.
    let plays = |from: usize| {
        server
            .agent
            .sh("(play 1000000000; touch /data/ended) >/dev/null 2>&1 &")?;
        wait::until("something to be heard", LIMIT, || {
            std::thread::sleep(LOOK);
            Ok((heard(&file)?.len() > from + 4800).then_some(()))
        })
    };
    plays(0)?;
    server.agent.sh("kill $(pidof play)")?;
    until(server, "[ -e /data/ended ]")?;
    let underruns = server.agent.sh(&format!("play {FRAMES}"))?;
    let all = heard(&file)?;
    // Numbers begin anew, once.
    let again = all.windows(2).position(|it| it[0] > it[1]);
    let second = all
        .split_at(again.context("the second one is heard")? + 1)
        .1;
    dir.log(format!(
        "{} of {FRAMES} frames, {underruns} underruns in the guest",
        second.len()
    ));
    ensure!(
        second.last() <= Some(&FRAMES) && second.is_sorted_by(|one, other| one < other),
        "frames aren't those that were played, or not in order"
    );
    let third = FRAMES / 3;
    for part in [0, third, 2 * third] {
        ensure!(
            second.iter().any(|it| (part..part + third).contains(it)),
            "nothing was heard of the second behind {part}"
        );
    }

    plays(all.len())?;
    given_back(server, client, CARD, "snd-usb-audio")?;
    until(&client.vm, &format!("[ -e {PLAYBACK} ]"))?;
    pair.quit()
}

/// Packets from a device and to it; it is unplugged while they come, and plugged in again; and
/// annex-usb is ended while they do.
fn packets(dir: &Dir) -> Result<()> {
    let socket = dir.file("packets");
    let path = socket.display().to_string().replace(',', ",,");
    let chardev = format!("socket,id=packets,path={path},server=on,wait=off");
    let devices = [
        "-chardev",
        &chardev,
        "-device",
        "usb-redir,bus=xhci.0,chardev=packets",
    ];
    let pair = Pair::between(dir, annex_usb(dir)?, &devices, &server(dir, "packets")?)?;
    let Pair { server, client, .. } = &pair;
    client.share(PACKETS)?;
    client.says("it is shared when it comes")?;
    let mut held = BTreeSet::new();
    for _ in 0..3 {
        let device = Plugged::at(&socket)?;
        let name = place(server)?;
        client.has_driver_now(PACKETS, "usbfs")?;
        came(&server.agent.sh(&format!("packets {name} in 300"))?)?;

        streams(server, &name, "out")?;
        let sent = wait::until("packets at the device", LIMIT, || {
            std::thread::sleep(LOOK);
            let sent = device.came();
            Ok((sent.len() >= 4 * 500).then_some(sent))
        })?;
        server.agent.sh("kill $(pidof packets)")?;
        until(server, "[ -e /data/ended ]")?;
        let sent = sent.chunks_exact(4);
        let sent = sent.map(|it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]));
        ensure!(
            sent.is_sorted_by(|one, other| one < other),
            "packets have come out of order"
        );

        streams(server, &name, "in")?;
        until(server, "[ -s /data/came ]")?;
        device.unplug()?;
        until(server, "[ -e /data/ended ]")?;
        none(server)?;
        held.insert(descriptors(client)?);
    }
    ensure!(held.len() == 1, "annex-usb has these descriptors: {held:?}");

    // Another kind of endpoint at the same interface; and a request without an answer, for which
    // annex-usb waits some seconds, and the guest a minute.
    let device = Plugged::at(&socket)?;
    let name = place(server)?;
    let status = server.agent.sh(&format!("packets {name} status 1"))?;
    ensure!(status.as_bytes() == STATUS, "its status is {status}");
    let (_, error) = server
        .agent
        .run(&format!("packets {name} request 1 2>&1"))?;
    ensure!(
        error.contains("the request: "),
        "a request ends with {error}"
    );
    dir.log(format!("without an answer: {error}"));
    came(&server.agent.sh(&format!("packets {name} in 100"))?)?;
    streams(server, &name, "in")?;
    until(server, "[ -s /data/came ]")?;
    given_back(server, client, PACKETS, "")?;
    until(server, "[ -e /data/ended ]")?;
    device.unplug()?;
    pair.quit()
}

/// Waits for the device in the server's guest; its place.
fn place(server: &Vm) -> Result<String> {
    wait::until("the guest to have the device", LIMIT, || {
        std::thread::sleep(LOOK);
        let found = "grep -l 1209 /sys/bus/usb/devices/*/idVendor || true";
        let found = server.agent.sh(found)?;
        Ok(found.split('/').nth(5).map(str::to_owned))
    })
}

/// Has packets come, or go, without an end.
fn streams(server: &Vm, name: &str, direction: &str) -> Result<()> {
    server.agent.sh(&format!(
        "rm -f /data/ended /data/came; (packets {name} {direction} 1000000000; touch /data/ended) \
         >/data/came 2>/dev/null &"
    ))?;
    Ok(())
}

/// Whether lines are packets of the device, in order.
fn came(lines: &str) -> Result<()> {
    let mut last = None;
    for line in lines.lines() {
        let number = line
            .get(..8)
            .and_then(|it| u32::from_str_radix(it, 16).ok());
        let number = number.context("a packet without a number")?.swap_bytes();
        let hex: String = packet(number)
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect();
        ensure!(line == hex, "packet {number} is {line}");
        ensure!(last < Some(number), "packet {number} comes behind {last:?}");
        last = Some(number);
    }
    Ok(())
}
