// SPDX-License-Identifier: GPL-2.0-or-later
//! A tape drive in a running guest, from both sides.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use annex_qtest::files::Dir;
use annex_qtest::qemu::Vm;
use annex_qtest::wait;
use anyhow::{bail, ensure, Context, Result};
use serde_json::{json, Value};

/// Loading, rewinding and the like take no time here but the guest's.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A guest that is up sees its drives soon.
const FOUND_LIMIT: Duration = Duration::from_secs(120);

/// A drive.
pub struct Tape<'a> {
    /// The machine it is in.
    pub vm: &'a Vm,
    /// The test's directory.
    pub dir: &'a Dir,
    /// Its device id in QEMU.
    pub id: String,
    /// The commands' environment in the guest: $T is its node that doesn't
    /// rewind, $SG its generic one, $SYS its directory in sysfs.
    environment: String,
}

/// A cartridge's tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteProtect {
    /// Writable.
    Off,
    /// Read only.
    On,
}

impl<'a> Tape<'a> {
    /// The drive `id` of `vm`, which has its id as its product name. One that was
    /// just plugged in gets its nodes one after the other.
    pub fn find(vm: &'a Vm, dir: &'a Dir, id: &str) -> Result<Self> {
        let found = wait::until(&format!("the guest to see drive {id}"), FOUND_LIMIT, || {
            let command = format!(
                "cd /sys/class/scsi_tape; for n in nst*[0-9]; do \
                 read model < $n/device/model && [ \"$model\" = {id} ] && \
                 sg=$(ls $n/device/scsi_generic) && [ -c /dev/$n -a -c /dev/$sg ] && \
                 echo $n $sg; done 2> /dev/null; true"
            );
            let text = vm.agent.sh(&command)?;
            std::thread::sleep(Duration::from_millis(if text.is_empty() { 200 } else { 0 }));
            Ok(text
                .split_once(' ')
                .map(|(node, sg)| (node.to_owned(), sg.to_owned())))
        })?;
        let (node, sg) = found;
        let environment = format!("T=/dev/{node} SG=/dev/{sg} SYS=/sys/class/scsi_tape/{node}");
        Ok(Self {
            vm,
            dir,
            id: id.into(),
            environment,
        })
    }

    /// Has the guest's shell run a command; its status and what it wrote.
    pub fn run(&self, command: &str) -> Result<(i32, String)> {
        let (status, text) = self
            .vm
            .agent
            .run(&format!("{}; {command}", self.environment))?;
        self.dir.log(format!(
            "{}: {command}\n         [{status}] {}",
            self.vm.name,
            text.trim_end()
        ));
        Ok((status, text.trim_end().to_owned()))
    }

    /// The same for a command that has to succeed; what it wrote.
    pub fn sh(&self, command: &str) -> Result<String> {
        let (status, text) = self.run(command)?;
        ensure!(
            status == 0,
            "in the guest, \"{command}\" ended with {status}: {text}"
        );
        Ok(text)
    }

    /// The same for one that has to fail.
    pub fn sh_fails(&self, command: &str) -> Result<String> {
        let (status, text) = self.run(command)?;
        ensure!(status != 0, "in the guest, \"{command}\" succeeded: {text}");
        Ok(text)
    }

    /// Runs mt; what it wrote.
    pub fn mt(&self, operation: &str) -> Result<String> {
        self.sh(&format!("mt -f $T {operation}"))
    }

    /// The block number that `mt tell` tells.
    pub fn tell(&self) -> Result<u64> {
        let text = self.mt("tell")?;
        let number = text.strip_prefix("At block ").and_then(|rest| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        });
        number.with_context(|| format!("no block in {text:?}"))
    }

    /// Checks where the tape is.
    pub fn ensure_at(&self, block: u64, after: &str) -> Result<()> {
        let found = self.tell()?;
        ensure!(
            found == block,
            "after {after} the tape is at block {found}, not {block}"
        );
        Ok(())
    }

    /// Has the guest's `tape` (guest/tape.c) do operations with the tape held
    /// open, and compares what each answers.
    pub fn does(&self, steps: &[(&str, &str)]) -> Result<()> {
        let operations: Vec<&str> = steps.iter().map(|(operation, _)| *operation).collect();
        let answers = self.ops(&operations.join(" "))?;
        let expected: Vec<String> = steps
            .iter()
            .filter(|(operation, _)| {
                !operation.starts_with(['s', 'x']) || !operation[1..].starts_with(':')
            })
            .map(|(operation, answer)| format!("{operation}: {answer}"))
            .collect();
        for (found, expected) in answers.iter().zip(&expected) {
            ensure!(
                found == expected,
                "\"{found}\", not \"{expected}\"\nin {answers:#?}"
            );
        }
        ensure!(
            answers.len() >= expected.len(),
            "answers are missing in {answers:#?}"
        );
        Ok(())
    }

    /// The answers of the guest's `tape`, the closing included.
    pub fn ops(&self, operations: &str) -> Result<Vec<String>> {
        Ok(self
            .sh(&format!("tape $T {operations}"))?
            .lines()
            .map(str::to_owned)
            .collect())
    }

    /// Starts the guest's `tape` in the background; /data/go, which it may be
    /// told to wait for, isn't there.
    pub fn start(&self, operations: &str) -> Result<()> {
        let command =
            format!("rm -f /data/out /data/go; (tape $T {operations} > /data/out 2>&1) &");
        self.sh(&command).map(drop)
    }

    /// Waits until what [`Self::start`] started has given `count` answers; all
    /// there are.
    pub fn answers(&self, count: usize) -> Result<Vec<String>> {
        let command = format!(
            "until [ $(wc -l < /data/out) -ge {count} ]; do sleep 0.05; done; cat /data/out"
        );
        Ok(self.sh(&command)?.lines().map(str::to_owned).collect())
    }

    /// What it said, when it has ended.
    pub fn ended(&self) -> Result<String> {
        self.sh("until grep -q close /data/out; do sleep 0.05; done; cat /data/out")
    }

    /// Makes an image of no length in the test's directory.
    pub fn blank(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.file(name);
        File::create(&path)?;
        Ok(path)
    }

    /// Puts a cartridge in; what was in the drive goes.
    pub fn insert(&self, image: &Path, write_protect: WriteProtect) -> Result<()> {
        let mode = match write_protect {
            WriteProtect::Off => "read-write",
            WriteProtect::On => "read-only",
        };
        self.dir.log(format!(
            "{}: insert {} (write protection {write_protect:?})",
            self.vm.name,
            image.display()
        ));
        let arguments = json!({
            "id": self.id, "filename": image, "format": "raw", "read-only-mode": mode,
        });
        self.vm
            .qmp
            .execute("blockdev-change-medium", arguments)
            .map(drop)
    }

    /// Takes the cartridge out, locked or not.
    pub fn remove(&self) -> Result<()> {
        self.vm
            .qmp
            .execute("eject", json!({ "id": self.id, "force": true }))
            .map(drop)
    }

    /// What query-block knows of the drive.
    pub fn block_info(&self) -> Result<Value> {
        let info = self.vm.qmp.execute("query-block", json!({}))?;
        for drive in info.as_array().context("query-block answers with a list")? {
            let name = drive["qdev"].as_str().unwrap_or_default();
            if name == self.id || name.ends_with(&format!("/{}", self.id)) {
                return Ok(drive.clone());
            }
        }
        bail!("no {} in {info}", self.id)
    }
}
