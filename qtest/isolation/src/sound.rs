// SPDX-License-Identifier: GPL-2.0-or-later
//! An isolated sound card: vhost-device-sound, ALSA with files for a card, and
//! a driver of ours, since Debian's kernels have none.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use annex_qtest::files::{self, Dir};
use annex_qtest::trial::Family;
use annex_qtest::{stream, wait};
use anyhow::{ensure, Result};
use serde_json::json;

use crate::backend::{socket, Backend};
use crate::rig::{figures_of, SOON};
use annex_peers::bare::driver::{Driver, Part, Request};

inventory::submit! { Family(|add| {
    for (name, options) in [("main-loop", ",memory-isolation-main-loop=on"), ("iothread", ",memory-isolation-iothread=io")] {
        add(format!("isolation/snd/{name}"), Box::new(move |dir| sound(dir, options)));
    }
}) }

/// The queues.
const CONTROL: usize = 0;
const PLAY: usize = 2;
const CAPTURE: usize = 3;
const QUEUES: usize = 4;

/// Requests, and the answer to one that was carried out.
const PCM_INFO: u32 = 0x100;
const SET_PARAMS: u32 = 0x101;
const PREPARE: u32 = 0x102;
const RELEASE: u32 = 0x103;
const START: u32 = 0x104;
const STOP: u32 = 0x105;
const OK: u32 = 0x8000;

/// The streams: one each way.
const OUTPUT: u32 = 0;
const INPUT: u32 = 1;

/// Bytes of a message, and messages in a row. All fit in ALSA's buffer, since
/// files don't make room in it.
const PERIOD: usize = 2400;
const PERIODS: usize = 12;

/// What is played comes to a file, what is captured from another. The back-end
/// wants a card that can be mapped, which is what "multi" is good for.
fn card(played: &Path, captured: &Path) -> String {
    format!(
        r#"pcm.!default {{
    type asym
    playback.pcm {{
        type multi
        slaves.a {{
            pcm {{ type file slave.pcm {{ type null }} file "{}" format raw }}
            channels 1
        }}
        bindings.0 {{ slave a channel 0 }}
    }}
    capture.pcm {{
        type file slave.pcm {{ type null }} file "/dev/null" infile "{}" format raw
    }}
}}
"#,
        played.display(),
        captured.display()
    )
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A request to the card, which it has to carry out; what it answers.
fn control(driver: &mut Driver, message: &[u32], room: u32) -> Result<Vec<u8>> {
    let answer = driver.ask(CONTROL, words(message), 4 + room)?;
    ensure!(
        answer.starts_with(&words(&[OK])),
        "the answer to {message:x?}: {answer:x?}"
    );
    Ok(answer[4..].to_vec())
}

/// Makes a stream ready for one channel of 32 bits at 48 kHz.
fn prepare(driver: &mut Driver, stream: u32) -> Result<()> {
    const FORMAT: u32 = 0x07_11_01;
    let (period, buffer) = (PERIOD as u32, (PERIOD * PERIODS) as u32);
    control(driver, &[SET_PARAMS, stream, buffer, period, 0, FORMAT], 0)?;
    control(driver, &[PREPARE, stream], 0).map(drop)
}

/// Gives the card messages of a stream, all at once; their slots.
fn submit(driver: &mut Driver, queue: usize, messages: &[Request]) -> Result<Vec<usize>> {
    let mut slots = Vec::new();
    for message in messages {
        let slot = driver.room(queue, message).expect("a ring holds them all");
        driver.submit(queue, slot, message)?;
        slots.push(slot);
    }
    driver.machine.notify(queue)?;
    Ok(slots)
}

/// Waits until they have come back; what it wrote to them.
fn written(driver: &mut Driver, queue: usize, slots: &[usize]) -> Result<Vec<Vec<u8>>> {
    let mut done = Vec::new();
    wait::until("the card to have done them all", SOON, || {
        done.extend(driver.reap(queue)?);
        Ok((done.len() == slots.len()).then_some(()))
    })?;
    ensure!(
        done.iter().map(|(slot, _)| slot).eq(slots),
        "not in their order"
    );
    Ok(done.into_iter().map(|(_, written)| written).collect())
}

/// Checks what a queue has carried since the device was made ready.
fn carried(driver: &Driver, queue: usize, out: usize, into: usize) -> Result<()> {
    let figures = figures_of(&driver.machine.vm, "isolated", queue as u16)?;
    let exact = figures["bytes-out"] == out && figures["bytes-in"] == into;
    ensure!(
        exact,
        "{out} bytes out and {into} in were wanted: {figures}"
    );
    Ok(())
}

/// Plays, into the file `played`.
fn play(driver: &mut Driver, played: &Path, data: &[u8], indirect: bool) -> Result<()> {
    prepare(driver, OUTPUT)?;
    control(driver, &[START, OUTPUT], 0)?;
    let messages = data.chunks(PERIOD).map(|period| Request {
        parts: vec![
            Part::Bytes([&words(&[OUTPUT]), period].concat()),
            Part::Room(8),
        ],
        indirect,
    });
    let slots = submit(driver, PLAY, &messages.collect::<Vec<_>>())?;
    for status in written(driver, PLAY, &slots)? {
        ensure!(status.starts_with(&words(&[OK])), "played: {status:x?}");
    }
    control(driver, &[STOP, OUTPUT], 0)?;
    control(driver, &[RELEASE, OUTPUT], 0)?;
    // ALSA writes the file when the back-end lets go of it, to prepare anew. That
    // takes the header's length off each message twice.
    prepare(driver, OUTPUT)?;
    control(driver, &[RELEASE, OUTPUT], 0)?;
    let heard: Vec<u8> = data
        .chunks(PERIOD)
        .flat_map(|period| &period[..PERIOD - 4])
        .copied()
        .collect();
    ensure!(
        fs::read(played)? == heard,
        "what was played isn't what was given"
    );
    carried(driver, PLAY, data.len() + 4 * PERIODS, 8 * PERIODS)
}

/// Captures what `known` begins with, in messages that the card has while the
/// machine stops.
fn capture(driver: &mut Driver, known: &[u8], indirect: bool) -> Result<()> {
    prepare(driver, INPUT)?;
    let message = Request {
        parts: vec![
            Part::Bytes(words(&[INPUT])),
            Part::Room(PERIOD as u32),
            Part::Room(8),
        ],
        indirect,
    };
    let slots = submit(driver, CAPTURE, &vec![message; PERIODS])?;
    stop_and_cont(driver)?;
    control(driver, &[START, INPUT], 0)?;
    let got = written(driver, CAPTURE, &slots)?;
    for (got, wanted) in got.iter().zip(known.chunks(PERIOD)) {
        ensure!(
            got.starts_with(wanted),
            "what was captured isn't what there was"
        );
        let status = &got[PERIOD..];
        ensure!(status.starts_with(&words(&[OK])), "captured: {status:x?}");
    }
    control(driver, &[STOP, INPUT], 0)?;
    control(driver, &[RELEASE, INPUT], 0)?;
    carried(driver, CAPTURE, 4 * PERIODS, (PERIOD + 8) * PERIODS)
}

/// The card has until then to take what it was given, or not: both must do.
fn stop_and_cont(driver: &Driver) -> Result<()> {
    std::thread::sleep(Duration::from_millis(200));
    driver
        .machine
        .vm
        .qmp
        .execute_within(SOON, "stop", json!({}))?;
    driver
        .machine
        .vm
        .qmp
        .execute_within(SOON, "cont", json!({}))
        .map(drop)
}

/// Plays, captures while the machine stops now and then, and does it all again
/// after a reset.
fn sound(dir: &Dir, options: &str) -> Result<()> {
    let (played, captured) = (dir.file("played"), dir.file("captured"));
    let known = stream::bytes(15, 0, 1 << 20);
    fs::write(&captured, &known)?;
    let config = dir.file("asound.conf");
    fs::write(&config, card(&played, &captured))?;
    let path = socket(dir, "snd")?;
    let mut command = Command::new(files::backend("vhost-device-sound")?);
    command
        .arg("--socket")
        .arg(&path)
        .args(["--backend", "alsa"]);
    command.env("ALSA_CONFIG_PATH", &config);
    let backend = Backend::start(command, dir, "snd", path)?;
    let device = format!("vhost-user-snd-pci{options}");
    let mut driver = Driver::start(dir, &backend.socket, &device, QUEUES)?;
    for indirect in [false, true] {
        driver.reset()?;
        ensure!(driver.machine.config_word(4)? == 2, "it has two streams");
        let streams = control(&mut driver, &[PCM_INFO, 0, 2, 32], 64)?;
        ensure!(
            streams[24] == 0 && streams[56] == 1,
            "out and in: {streams:x?}"
        );
        let data = stream::bytes(16 + u64::from(indirect), 0, PERIOD * PERIODS);
        play(&mut driver, &played, &data, indirect)?;
        capture(&mut driver, &known, indirect)?;
        driver.check_ram()?;
    }
    driver.machine.vm.quit()
}
