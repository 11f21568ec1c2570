// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices that are plugged into a machine without a guest while it runs, and
//! whose back-ends come and go.

use std::path::Path;

use annex_qtest::wait;
use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};

use super::{Bare, DEVICE_SLOT, NEEDS_RESET, SOON};
use crate::backend::{chardev, Backend};

impl Bare {
    /// Connects the chardev "backend", and does so again whenever the back-end
    /// is lost.
    pub fn connect(&self, socket: &Path) -> Result<()> {
        self.vm
            .qmp
            .execute_within(SOON, "chardev-add", chardev(socket, 20))?;
        self.wait_connected(true)
    }

    /// Waits until QEMU is connected to a back-end, or knows that it isn't.
    pub fn wait_connected(&self, wanted: bool) -> Result<()> {
        let what = if wanted {
            "QEMU to connect"
        } else {
            "QEMU to see its back-end gone"
        };
        wait::until(what, SOON, || {
            let all = self
                .vm
                .qmp
                .execute_within(SOON, "query-chardev", json!({}))?;
            let mut all = all.as_array().context("a list of chardevs")?.iter();
            let found = all
                .find(|chardev| chardev["label"] == "backend")
                .context("no chardev")?;
            let file = found["filename"].as_str().context("a filename")?;
            Ok((file.starts_with("disconnected") != wanted).then_some(()))
        })
    }

    /// Plugs in the device "isolated", where [`Bare::start`] has it.
    pub fn plug(&mut self, driver: &str, options: &[(&str, Value)]) -> Result<()> {
        let slot = DEVICE_SLOT.to_string();
        let mut device = json!({ "driver": driver, "id": "isolated", "addr": slot });
        for (name, value) in options {
            device[*name] = value.clone();
        }
        self.vm.qmp.execute_within(SOON, "device_add", device)?;
        self.place()
    }

    /// Takes it out; the guest agrees, as ACPI has it.
    pub fn unplug(&mut self) -> Result<()> {
        const EJECT: u64 = 0xae08;
        let from = self.vm.qmp.now();
        self.vm
            .qmp
            .execute("device_del", json!({ "id": "isolated" }))?;
        self.ask(&format!("outl {EJECT:#x} {:#x}", 1 << DEVICE_SLOT))?;
        self.vm
            .qmp
            .wait(from, "the device to be gone", SOON, |name, event| {
                (name == "DEVICE_DELETED" && event.data["device"] == "isolated").then_some(())
            })
    }

    /// Waits until a back-end has said a line that begins with `start`, as
    /// long as QEMU lives.
    pub fn wait_told(&self, backend: &Backend, start: &str) -> Result<()> {
        wait::until(&format!("the back-end to say \"{start}\""), SOON, || {
            self.check_alive()?;
            Ok(backend
                .said()?
                .lines()
                .any(|line| line.starts_with(start))
                .then_some(()))
        })
    }

    /// Waits until a back-end has a queue.
    pub fn wait_served(&self, backend: &Backend) -> Result<()> {
        self.wait_told(backend, "message SET_VRING_KICK")
    }

    /// Checks that QEMU's main loop runs.
    pub fn check_alive(&self) -> Result<()> {
        self.vm
            .qmp
            .execute_within(SOON, "query-status", json!({}))
            .map(drop)
    }

    /// Checks that the device isn't broken.
    pub fn check_device(&mut self) -> Result<()> {
        let status = self.status()?;
        ensure!(
            status & NEEDS_RESET == 0,
            "the device needs a reset: {status:#x}"
        );
        self.check_alive()
    }
}
