// SPDX-License-Identifier: GPL-2.0-or-later
//! The ends of data and of the tape, as st shows them to a program.

use annex_qtest::trial::Family;
use anyhow::{ensure, Context, Result};

use crate::drive::Tape;
use crate::rig::{on_blank, SMALL, SMALL_CAPACITY, SMALL_WARNING, TAPE};
use crate::simh::{self, Object};

inventory::submit! { Family(|add| {
    let mut trial = |name: &str, id, body: fn(&Tape) -> Result<()>| {
        add(format!("tape/end/{name}"), on_blank(id, body));
    };
    trial("blank", TAPE, blank);
    trial("of-data", TAPE, of_data);
    trial("of-file", TAPE, of_file);
    trial("early-warning", SMALL, early_warning);
    trial("of-medium", SMALL, of_medium);
    trial("of-medium-fixed", SMALL, of_medium_fixed);
    trial("marks-past-the-warning", SMALL, marks_past_the_warning);
}) }

/// Nothing is there, and motions say so.
fn blank(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("R:512", "0 0 EIO"),
        ("fsf", "EIO"),
        ("fsr", "EIO"),
        ("rewind", "ok"),
        ("eod", "ok"),
        ("tell", "0"),
    ])
}

/// After the last mark: nothing once more, then an error.
fn of_data(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("w:100:2", "2 200"),
        ("weof", "ok"),
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:512:2", "2 200"),
        ("R:512", "1 0"),
        ("R:512", "1 0"),
        ("R:512", "0 0 EIO"),
        ("R:512", "0 0 EIO"),
        ("tell", "3"),
        ("bsr:2", "EIO"),
        ("tell", "2"),
    ])?;
    // Data that ends without a mark.
    tape.does(&[
        ("eod", "ok"),
        ("w:100", "1 100"),
        ("weof", "ok"),
        ("bsf", "ok"),
        ("erase", "ok"),
    ])?;
    tape.does(&[("seek:3", "ok"), ("R:512", "1 100"), ("R:512", "0 0 EIO")])
}

/// A mark ends a read once; the one after it goes on.
fn of_file(tape: &Tape) -> Result<()> {
    tape.does(&[
        ("w:100", "1 100"),
        ("weof", "ok"),
        ("s:1", ""),
        ("w:200", "1 200"),
        ("weof:2", "ok"),
        ("s:2", ""),
        ("w:300", "1 300"),
        ("rewind", "ok"),
        ("s:0", ""),
        ("r:512", "1 100"),
        ("R:512", "1 0"),
        ("s:1", ""),
        ("r:512", "1 200"),
        ("R:512", "1 0"),
        ("R:512", "1 0"),
        ("s:2", ""),
        ("r:512", "1 300"),
    ])
}

/// "OP: DONE BYTES [WHY]" of the guest's `tape`.
fn transferred(answer: &str) -> Result<(u64, u64, &str)> {
    let mut words = answer.split(' ').skip(1);
    let mut number = || words.next().and_then(|word| word.parse().ok());
    let counts = number().zip(number());
    let (records, bytes) = counts.with_context(|| format!("no transfer: {answer}"))?;
    Ok((records, bytes, words.next().unwrap_or("")))
}

/// The record that reaches early warning is written. The next write is told
/// so (ENOSPC) and writes nothing; the one after it writes a trailer, and so
/// on in turn, until the tape is full.
fn early_warning(tape: &Tape) -> Result<()> {
    const RECORD: u64 = 32 << 10;
    let trailers = "w:32768 ".repeat(80);
    let answers = tape.ops(&format!("w:32768:1000 {trailers}"))?;
    let (records, bytes, why) = transferred(&answers[0])?;
    ensure!(why == "ENOSPC", "{}", answers[0]);
    let warned = SMALL_CAPACITY - SMALL_WARNING;
    ensure!(
        (warned - 2 * RECORD..=warned + 2 * RECORD).contains(&bytes),
        "the warning came after {bytes} bytes, not about {warned}"
    );

    let mut written = records;
    let mut last_ok = 0;
    for (index, answer) in answers[1..=80].iter().enumerate() {
        match transferred(answer)? {
            (1, RECORD, "") => {
                written += 1;
                last_ok = index;
            }
            (0, 0, "ENOSPC") => {}
            other => anyhow::bail!("write {index} after the warning: {other:?}"),
        }
    }
    let trailing = (written - records) * RECORD;
    ensure!(
        trailing > SMALL_WARNING / 2,
        "only {trailing} bytes fit behind the warning"
    );
    ensure!(
        written * (RECORD + 8) <= SMALL_CAPACITY,
        "{written} records don't fit"
    );
    for (index, answer) in answers[1..=last_ok].iter().enumerate() {
        let turn = if answers[1].ends_with("ENOSPC") { 0 } else { 1 };
        let refused = answer.ends_with("ENOSPC");
        ensure!(
            refused == (index % 2 == turn),
            "out of turn: write {index} of {answers:#?}"
        );
    }

    // Every record that a write(2) returned for is there, and no other.
    tape.does(&[("rewind", "ok"), ("s:0", "")])?;
    let answers = tape.ops("rewind s:0 R:32768:100000")?;
    let (read, ..) = transferred(answers.last_chunk::<2>().context("two answers")?[0].as_str())?;
    let records = simh::tape(&tape.dir.file("blank.tap"))?
        .iter()
        .filter(|object| matches!(object, Object::Record(_)))
        .count() as u64;
    ensure!(
        records == written,
        "{records} records on the tape, {written} written"
    );
    ensure!(read >= written, "{read} reads, {written} records");
    Ok(())
}

/// A full tape takes nothing more, and keeps what it has.
fn of_medium(tape: &Tape) -> Result<()> {
    const RECORD: u64 = 128 << 10;
    let mut written = 0;
    for answer in &tape.ops(&"w:131072:50 ".repeat(12))?[..12] {
        written += transferred(answer)?.0;
    }
    let most = SMALL_CAPACITY / RECORD;
    ensure!(
        (most - 2..=most).contains(&written),
        "{written} records of 128 KiB written"
    );
    let answers = tape.ops("w:131072 w:131072 w:131072 w:131072")?;
    for answer in &answers[..4] {
        ensure!(
            transferred(answer)? == (0, 0, "ENOSPC"),
            "a full tape: {answers:?}"
        );
    }
    let read = format!("r:131072:{written}");
    let all = format!("{written} {}", written * RECORD);
    tape.does(&[("rewind", "ok"), ("s:0", ""), (&read, &all)])?;
    let found = simh::tape(&tape.dir.file("blank.tap"))?;
    let records = found
        .iter()
        .filter(|object| **object != Object::Mark)
        .count() as u64;
    ensure!(
        records == written,
        "{records} records on the tape, {written} written"
    );
    Ok(())
}

/// In fixed mode the residue tells how many blocks of a transfer fit.
fn of_medium_fixed(tape: &Tape) -> Result<()> {
    tape.mt("setblk 10240")?;
    let mut bytes = 0;
    for _ in 0..4 {
        let answers = tape.ops(&"w:102400:20 ".repeat(30))?;
        for answer in &answers[..30] {
            bytes += transferred(answer)?.1;
        }
    }
    let on_tape: Vec<Object> = simh::tape(&tape.dir.file("blank.tap"))?;
    let data: u64 = on_tape
        .iter()
        .map(|object| {
            if let Object::Record(data) = object {
                data.len() as u64
            } else {
                0
            }
        })
        .sum();
    ensure!(
        data == bytes,
        "{data} bytes on the tape, {bytes} acknowledged"
    );
    ensure!(
        data + 3 * 10_240 > SMALL_CAPACITY - SMALL_WARNING,
        "only {data} bytes fit"
    );
    ensure!(data <= SMALL_CAPACITY, "{data} bytes fit");
    tape.mt("setblk 0").map(drop)
}

/// A mark past the warning is written, and closing the tape writes one.
fn marks_past_the_warning(tape: &Tape) -> Result<()> {
    let answers = tape.ops("w:65536:1000 weof weof w:65536")?;
    ensure!(transferred(&answers[0])?.2 == "ENOSPC", "{answers:?}");
    let marks = simh::tape(&tape.dir.file("blank.tap"))?
        .iter()
        .filter(|object| **object == Object::Mark)
        .count();
    ensure!(marks >= 2, "{marks} marks behind the warning: {answers:?}");
    ensure!(
        answers[1] == "weof: ok" || answers[1] == "weof: ENOSPC",
        "{answers:?}"
    );
    Ok(())
}
