// SPDX-License-Identifier: GPL-2.0-or-later
//! The command, as it is run.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use mapped_ram::mapping::Mapping;
use mapped_ram::snapshot::Snapshot;
use mapped_ram::source::FileSource;
use mapped_ram::testing::{write_stream, WHOLE};
use mapped_ram::working_set::{read, write, Run, WorkingSet};

fn run(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_annex-snapshot"))
        .current_dir(dir)
        .args(args)
        .output()
        .unwrap()
}

/// What it prints, having succeeded.
fn said(dir: &Path, args: &[&str]) -> String {
    let out = run(dir, args);
    assert_eq!(out.status.code(), Some(0), "{args:?}: {out:?}");
    String::from_utf8(out.stdout).unwrap()
}

/// Its error, having failed.
fn refused(dir: &Path, args: &[&str]) -> String {
    let out = run(dir, args);
    assert_eq!(out.status.code(), Some(2), "{args:?}: {out:?}");
    String::from_utf8(out.stderr).unwrap()
}

/// A folder with snapshots, and with sets of the first of them.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, start, end: &[u8]| {
        let file = File::create_new(dir.path().join(name)).unwrap();
        write_stream(&file, start, end);
    };
    make("whole", 0, WHOLE);
    make("later", 8192, WHOLE);
    make("cut", 0, &WHOLE[..9]);
    make("shorter", 0, b"");

    let file = File::open(dir.path().join("whole")).unwrap();
    let source = FileSource::new(file.as_fd()).unwrap();
    let snapshot = Snapshot::read(&source, 0).unwrap();
    let run = |block, page, pages, loads, along| Run {
        block,
        page,
        pages,
        loads,
        along,
    };
    let mut set = WorkingSet {
        identity: snapshot.identity(&source).unwrap(),
        page_size: 4096,
        loads: 2,
        blocks: snapshot.set_blocks(),
        runs: vec![run(1, 20, 3, 2, false), run(0, 24, 2, 1, true)],
    };
    write(&dir.path().join("a.ws"), &set).unwrap();
    set.runs = vec![run(0, 22, 1, 1, false), run(1, 21, 1, 2, false)];
    write(&dir.path().join("b.ws"), &set).unwrap();
    dir
}

#[test]
fn a_snapshot_is_shown() {
    let dir = folder();
    let out = said(dir.path(), &["show", "whole"]);
    let (head, table) = out.split_once("\n\n").unwrap();
    let (identity, rest) = head.split_once('\n').unwrap();
    assert!(
        identity.starts_with("identity      ") && identity.len() == 30,
        "{identity}"
    );
    assert_eq!(
        rest,
        "\
machine type  pc-q35-9
file          4.2 MiB
device state  22 bytes
whole         yes"
    );
    assert_eq!(
        table,
        "         MiB   page   data pages   zero pages  RAM block
       1.172   4096            7          293  pc.ram
       1.172   4096            7          293  pc.rom
       2.344                  14          586  in all
"
    );
    let out = said(dir.path(), &["show", "later", "--offset", "8K"]);
    assert!(out.contains("whole         yes"), "{out}");
}

#[test]
fn the_exit_status_says_whether_a_snapshot_is_whole() {
    let dir = folder();
    for (name, words) in [
        ("cut", "whole         unknown"),
        ("shorter", "whole         no"),
    ] {
        let out = run(dir.path(), &["show", name]);
        assert_eq!(out.status.code(), Some(1), "{name}");
        assert!(
            String::from_utf8_lossy(&out.stdout).contains(words),
            "{name}"
        );
    }
    let out = refused(dir.path(), &["show", "later"]);
    assert!(
        out.starts_with("annex-snapshot: later: at 0x4: magic number 0x0"),
        "{out}"
    );
    assert!(refused(dir.path(), &["show", "none"]).contains("No such file"));
    assert!(refused(dir.path(), &["show", "a.ws"]).contains("magic number"));
    assert!(refused(dir.path(), &["show"]).contains("Usage"));
}

#[test]
fn a_working_set_is_shown_and_held_against_snapshots() {
    let dir = folder();
    let out = said(
        dir.path(),
        &[
            "working-set",
            "show",
            "a.ws",
            "--pages",
            "--snapshot",
            "whole",
        ],
    );
    let (_, rest) = out.split_once('\n').unwrap();
    assert_eq!(
        rest,
        "\
loads         2
page size     4096
pages         5, 0.0 MiB, in 2 runs
came along    2

       pages           of  RAM block
           2          300  pc.ram
           3          300  pc.rom

  first page    pages loads       RAM block
          20        3     2       pc.rom
          24        2     1 along pc.ram

It belongs to whole.
"
    );
    let foreign = ["working-set", "show", "a.ws", "--snapshot", "cut"];
    let out = refused(dir.path(), &foreign);
    assert!(
        out.contains("a.ws: it belongs to another snapshot"),
        "{out}"
    );
    let out = refused(dir.path(), &["working-set", "show", "whole"]);
    assert_eq!(out, "annex-snapshot: whole: it is no working set\n");
}

#[test]
fn working_sets_are_merged_and_trimmed() {
    let dir = folder();
    let load = |name: &str| read(&File::open(dir.path().join(name)).unwrap()).unwrap();
    let flat = |set: &WorkingSet| -> Vec<_> {
        set.runs
            .iter()
            .map(|run| (run.block, run.page, run.pages, run.loads, run.along))
            .collect()
    };
    said(
        dir.path(),
        &["working-set", "merge", "-o", "both.ws", "a.ws", "b.ws"],
    );
    let both = load("both.ws");
    assert_eq!(both.loads, 4);
    let expected = [
        (1, 20, 1, 2, false),
        (0, 22, 1, 1, false),
        (1, 21, 1, 4, false),
        (1, 22, 1, 2, false),
        (0, 24, 2, 1, true),
    ];
    assert_eq!(flat(&both), expected);

    let trim = |args: &[&str]| {
        said(
            dir.path(),
            &[
                &["working-set", "trim", "both.ws", "-o", "less.ws"][..],
                args,
            ]
            .concat(),
        );
        flat(&load("less.ws"))
    };
    assert_eq!(trim(&[]), expected);
    assert_eq!(trim(&["--bytes", "12K"]), expected[..3]);
    assert_eq!(trim(&["--touched"]), expected[..4]);
    assert_eq!(trim(&["--loads", "3"]), [expected[2]]);
    let in_place = [
        "working-set",
        "trim",
        "-o",
        "both.ws",
        "both.ws",
        "--loads",
        "3",
    ];
    said(dir.path(), &in_place);
    assert_eq!(flat(&load("both.ws")), [expected[2]]);

    let mut other = load("a.ws");
    other.identity.0[0] ^= 1;
    write(&dir.path().join("other.ws"), &other).unwrap();
    let out = refused(
        dir.path(),
        &["working-set", "merge", "-o", "x", "a.ws", "other.ws"],
    );
    assert_eq!(
        out,
        "annex-snapshot: working set 2 belongs to another snapshot than the first\n"
    );
    assert!(!fs::exists(dir.path().join("x")).unwrap());
    let out = refused(
        dir.path(),
        &["working-set", "merge", "-o", "/nowhere/x", "a.ws"],
    );
    assert!(
        out.contains("/nowhere/x: can't create a file beside it"),
        "{out}"
    );
}

#[test]
fn a_snapshot_is_held_where_it_says_until_it_is_killed() {
    let dir = folder();
    let mut holder = Command::new(env!("CARGO_BIN_EXE_annex-snapshot"))
        .current_dir(dir.path())
        .args(["hold", "whole"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let held = File::open(line.trim()).unwrap();
    assert_eq!(
        fs::read(line.trim()).unwrap(),
        fs::read(dir.path().join("whole")).unwrap()
    );
    Mapping::new(held.as_fd(), 4096).expect("it can be mapped");
    holder.kill().unwrap();
    holder.wait().unwrap();
    Mapping::new(held.as_fd(), 4096).expect("and still is there for who has it");

    let error = refused(dir.path(), &["hold", "cut"]);
    assert!(error.contains("isn't known to be whole"), "{error}");
}
