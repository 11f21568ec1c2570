// SPDX-License-Identifier: GPL-2.0-or-later
//! A file that is written to while it is loaded.

use std::os::unix::fs::FileExt;
use std::thread;

use super::*;

fn rig() -> Rig {
    let rig = Rig::new(vec![anonymous(full(2048))], Options::held());
    rig.load.start().unwrap();
    rig
}

/// Writes zeros over a page that is still to come.
fn overwrite(rig: &Rig) {
    // Timestamps move in steps of the kernel's clock.
    thread::sleep(Duration::from_millis(20));
    let file = &rig.snapshot.file;
    file.write_all_at(&[0; PAGE as usize], rig.file_offset(0, 2047))
        .unwrap();
}

#[test]
fn is_told_once_and_the_load_goes_on() {
    let rig = rig();
    rig.load.run().unwrap();
    overwrite(&rig);
    rig.release();
    let difference = lock(&rig.changed).recv_timeout(PATIENCE).unwrap();
    assert_eq!(difference, "it was written to");
    rig.await_finish();
    rig.assert_accounts();
    assert!(lock(&rig.changed).try_recv().is_err(), "once");
}

#[test]
fn fails_the_load_before_the_machine_runs() {
    let rig = rig();
    overwrite(&rig);
    let error = rig.load.run().unwrap_err().to_string();
    assert!(error.contains("it was written to"), "{error}");
}

#[test]
fn a_file_that_is_only_read_has_not_changed() {
    let rig = rig();
    rig.release();
    rig.load.run().unwrap();
    rig.await_finish();
    assert!(lock(&rig.changed).try_recv().is_err());
}
