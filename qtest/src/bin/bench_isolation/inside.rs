// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests with vhost-user disks, isolated and not.

use annex_qtest::files::{self, Dir};
use annex_qtest::memory::Backing;
use annex_qtest::qemu::{Config, Vm};
use anyhow::{Context, Result};

use crate::cases::{Case, Export};
use crate::daemon::cpu_time;
use crate::results::Figures;
use crate::storage::Storage;
use crate::ways::{Isolation, EXPORTS};

/// MiB of RAM.
const RAM: u64 = 512;

/// The PCI slot of an export's disk, by which the guest finds it.
fn slot(export: Export) -> usize {
    0x10 + Export::ALL.iter().take_while(|&&other| other != export).count()
}

/// A guest with a disk for each export, of two queues, and its own back-end.
pub struct Inside {
    isolation: Isolation,
    vm: Vm,
    storage: Storage,
}

impl Inside {
    /// Boots it.
    pub fn start(isolation: Isolation) -> Result<Self> {
        let name = format!("build/bench/isolation/{isolation}");
        let dir = Dir::at(files::top().join(name))?;
        let storage = Storage::start(&dir)?;
        let (backing, property) = match isolation {
            Isolation::Off => (Backing::Memfd, ""),
            Isolation::On => (Backing::Anon, ",memory-isolation=on"),
            Isolation::Iothread => {
                (Backing::Anon, ",memory-isolation=on,memory-isolation-iothread=io0")
            }
        };
        let mut config = Config::new(RAM)?.backed_by(backing).with(["-object", "iothread,id=io0"]);
        for export in EXPORTS {
            let socket = storage.socket(export);
            let id = export.id();
            let chardev = format!("socket,id=c{id},path={}", socket.display());
            let device = format!(
                "vhost-user-blk-pci,chardev=c{id},num-queues=2,addr={:#x}{property}",
                slot(export)
            );
            config = config.with(["-chardev", &chardev, "-device", &device]);
        }
        let vm = config.boot("guest", &dir)?;
        vm.agent.ask("tick 10000")?;
        Ok(Self { isolation, vm, storage })
    }

    /// Which it is.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Runs a case for `seconds`.
    pub fn measure(&self, case: Case, seconds: f64) -> Result<Figures> {
        let Case { export, operation, shape } = case;
        let disk = format!("/sys/bus/pci/devices/0000:00:{:02x}.0/virtio*/block", slot(export));
        let command = format!(
            "diskload /dev/$(ls {disk}) {operation} {} {} {} {seconds}",
            shape.len, shape.depth, shape.queues
        );
        let (front, back) = (cpu_time(self.vm.pid())?, self.storage.cpu()?);
        let said = self.vm.agent.sh(&command)?;
        let front_cpu = (cpu_time(self.vm.pid())? - front).as_secs_f64();
        let back_cpu = (self.storage.cpu()? - back).as_secs_f64();
        let (requests, seconds, latency) = parse(&said)?;
        Ok(Figures { requests, seconds, front_cpu, back_cpu, latency: latency / 1e9 })
    }

    /// Ends it.
    pub fn end(self) -> Result<()> {
        self.vm.quit()
    }
}

/// What guest/diskload.c says: requests, seconds, nanoseconds.
fn parse(said: &str) -> Result<(u64, f64, f64)> {
    let mut numbers = said.split(' ').map(str::parse::<f64>);
    let mut number = || numbers.next()?.ok();
    let found = number().zip(number()).zip(number());
    let ((requests, seconds), latency) = found.with_context(|| format!("diskload said {said}"))?;
    Ok((requests as u64, seconds, latency))
}

#[cfg(test)]
mod tests {
    #[test]
    fn diskload_is_understood() {
        assert_eq!(super::parse("31415 1.003 27182").unwrap(), (31415, 1.003, 27182.0));
        assert!(super::parse("diskload: /dev/vda: No such file").is_err());
    }
}
