// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest that runs dd.

use std::fs::{self, File};

use annex_qtest::files::{self, Dir};
use annex_qtest::qemu::{Config, Vm};
use anyhow::{ensure, Context, Result};

use super::cases::{Case, Device, Figures, Operation};

/// Bytes of the disk, and so at most of a run.
const DISK: u64 = 2 << 30;

/// A guest with a disk and a tape on one virtio-scsi HBA.
pub struct Guest {
    vm: Vm,
    dir: Dir,
}

impl Guest {
    /// Boots it. Both images are raw files in build/bench/tape, in QEMU's
    /// default cache mode.
    pub fn boot() -> Result<Self> {
        let dir = Dir::at(files::top().join("build/bench/tape"))?;
        let (tape, disk) = (dir.file("tape.tap"), dir.file("disk.raw"));
        File::create(&tape)?;
        File::create(&disk)?.set_len(DISK)?;
        let mut config = Config::new(512)?
            .booting(files::Guest::with_tapes()?)
            .with(["-device", "virtio-scsi-pci,id=hba"]);
        for (id, image, device) in [("d0", &tape, "scsi-tape"), ("d1", &disk, "scsi-hd")] {
            let drive = format!("if=none,id={id},format=raw,file={}", image.display());
            let device = format!("{device},bus=hba.0,drive={id}");
            config = config.with(["-drive", &drive, "-device", &device]);
        }
        let vm = config.boot("guest", &dir)?;
        vm.agent.ask("tick 10000")?;
        vm.agent.sh("mt -f /dev/nst0 setblk 0")?;
        Ok(Self { vm, dir })
    }

    /// How many blocks of that length the disk takes in about `seconds`.
    pub fn calibrate(&self, block: usize, seconds: f64) -> Result<u64> {
        const TRIAL: u64 = 200;
        let case = Case {
            operation: Operation::Write,
            block,
        };
        let taken = self.run(Device::Disk, case, TRIAL)?.seconds;
        let count = (TRIAL as f64 * seconds / taken) as u64;
        Ok(count.clamp(TRIAL, DISK / block as u64))
    }

    /// Has dd transfer `count` blocks, until they are on stable storage; a read
    /// is of what was written before.
    pub fn run(&self, device: Device, case: Case, count: u64) -> Result<Figures> {
        let Case { operation, block } = case;
        let bytes = block as u64 * count;
        // Each run begins at the beginning. The disk's page cache is passed
        // by, as st has none. A tape that is closed writes a mark and what the
        // drive has gathered; a disk is told to.
        let command = match (device, operation) {
            (Device::Tape, Operation::Write) => "of=/dev/nst0 if=/dev/zero",
            (Device::Tape, Operation::Read) => "if=/dev/nst0 of=/dev/null",
            (Device::Disk, Operation::Write) => "of=/dev/sda if=/dev/zero oflag=direct conv=fsync",
            (Device::Disk, Operation::Read) => "if=/dev/sda of=/dev/null iflag=direct",
        };
        self.vm.agent.sh("mt -f /dev/nst0 rewind")?;
        let said = self.vm.agent.sh(&format!(
            "LC_ALL=C dd {command} bs={block} count={count} 2>&1"
        ))?;
        self.dir
            .log(format!("{device} {operation} {block}: {said}"));
        ensure!(
            said.contains(&format!("{bytes} bytes")),
            "dd didn't get to the end: {said}"
        );
        Ok(Figures {
            bytes,
            seconds: seconds(&said)?,
        })
    }

    /// Ends the guest, and removes the images.
    pub fn end(self) -> Result<()> {
        self.vm.quit()?;
        for image in ["tape.tap", "disk.raw"] {
            fs::remove_file(self.dir.file(image))?;
        }
        Ok(())
    }
}

/// "N bytes (...) copied, S s, R MB/s": S.
fn seconds(said: &str) -> Result<f64> {
    let seconds = said
        .split_once("copied, ")
        .and_then(|(_, rest)| rest.split_once(" s"));
    seconds
        .and_then(|(number, _)| number.parse().ok())
        .with_context(|| format!("dd said {said}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn dd_is_understood() {
        let said = "200+0 records in\n200+0 records out\n\
                    102400 bytes (102 kB, 100 KiB) copied, 0.0253361 s, 4.0 MB/s";
        assert_eq!(super::seconds(said).unwrap(), 0.0253361);
        assert!(super::seconds("dd: no such device").is_err());
    }
}
