// SPDX-License-Identifier: GPL-2.0-or-later
//! The drive as its owner sees it.

use std::sync::Arc;

use tape_image::{Completion, Error, Machine, Port, Request};

use crate::cartridge::{Slot, Standing};
use crate::command::{Call, Transfer, CHANGES, QUIET};
use crate::config::{Config, ConfigError, Medium};
use crate::core::{Core, Overwrite};
use crate::done::{Done, Task};
use crate::run::Job;
use crate::sense::{asc, Key, Refusal, Sense};
use crate::table::{self, TABLE};

/// The longest transfer of a command, in bytes.
pub const TRANSFER_MAX: u64 = 64 << 20;

/// A tape drive: the sans-I/O core.
///
/// # Calling order
///
/// 1. [`start`](Self::start) a command, with a data buffer of
///    [`buffer_length`](Self::buffer_length) bytes that begins with the data
///    out and stays until the command ends.
/// 2. [`poll`](Self::poll) until it gives `None`, and carry the requests out, in
///    any order and as many at a time as it gives.
/// 3. [`handle`](Self::handle) each request's completion, and poll again.
/// 4. [`poll_done`](Self::poll_done) gives the result once.
///
/// Requests may be out when a command has ended: writes behind, whose data is
/// the drive's own. They are completed like others.
///
/// Nothing here blocks, keeps time or starts threads; a `Drive` may move
/// between threads. The data buffer is never touched: it may be where a device
/// does DMA. Dropping a drive that [`is_dirty`](Self::is_dirty) loses data.
pub struct Drive {
    config: Arc<Config>,
    machine: Machine<Core>,
    /// How things are, or were when the command under way began.
    seen: Seen,
    /// The command under way may be interrupted.
    interruptible: bool,
    /// [`allow_removal`](Self::allow_removal) was called while a command ran.
    allow_removal: bool,
}

/// What the owner asks, a command being under way or not.
#[derive(Clone, Copy, Default)]
struct Seen {
    has_medium: bool,
    prevented: bool,
    block_length: u32,
    descriptor_sense: bool,
}

impl Drive {
    /// A drive without a cartridge.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let (config, port) = (Arc::new(config), Port::default());
        Ok(Self {
            machine: Machine::over(port.clone(), Core::new(config.clone(), port)),
            config,
            seen: Seen::default(),
            interruptible: false,
            allow_removal: false,
        })
    }

    /// What it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The core, no command being under way.
    pub(crate) fn idle_mut(&mut self) -> &mut Core {
        assert!(!self.machine.is_busy(), "a command is under way");
        self.machine.core_mut()
    }

    fn seen(&self) -> Seen {
        let Some(core) = self.machine.core() else {
            return self.seen;
        };
        let standing = core.standing();
        Seen {
            has_medium: standing.is_some_and(|standing| standing != Standing::Unloaded),
            prevented: core.prevented,
            block_length: core.modes.block_length(),
            descriptor_sense: core.modes.descriptor_sense(),
        }
    }

    /// An image was put in. It is read by the first command that needs it.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn insert(&mut self, medium: Medium) {
        let core = self.idle_mut();
        if core.restored.is_none() {
            core.partly = 0;
        }
        core.overwrite = Overwrite::No;
        core.slot = Some(Slot::new(&core.config, medium));
        core.stand_as_restored();
    }

    /// Takes the cartridge out. What wasn't synced is lost: [`Task::Unload`]
    /// comes before. Completions of its requests are still taken.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn remove(&mut self) {
        let core = self.idle_mut();
        core.slot = None;
        core.restored = None;
        core.overwrite = Overwrite::No;
        core.partly = 0;
        core.port.forget();
    }

    /// There is a cartridge, and LOAD UNLOAD hasn't pushed it out. While a command is
    /// under way: there was, when it began. The same goes for what follows.
    pub fn has_medium(&self) -> bool {
        self.seen().has_medium
    }

    /// PREVENT ALLOW MEDIUM REMOVAL is in force.
    pub fn removal_prevented(&self) -> bool {
        self.seen().prevented && !self.allow_removal
    }

    /// Lifts the prevention: somebody pulls.
    pub fn allow_removal(&mut self) {
        self.allow_removal = true;
        self.lift_prevention();
    }

    /// If somebody has pulled, and no command is under way.
    fn lift_prevention(&mut self) {
        if self.machine.core().is_some() {
            let lifted = std::mem::take(&mut self.allow_removal);
            self.machine.core_mut().prevented &= !lifted;
        }
    }

    /// The block length that fixed transfers count in, in bytes; 0: variable.
    pub fn block_length(&self) -> u32 {
        self.seen().block_length
    }

    /// D_SENSE of the control mode page.
    pub fn descriptor_sense(&self) -> bool {
        self.seen().descriptor_sense
    }

    /// Something acknowledged is not on stable storage: now, whatever is under way.
    pub fn is_dirty(&self) -> bool {
        self.machine.is_dirty()
    }

    /// The last failure of the image, which the sense data only hints at: of the
    /// last command or task. `None` while one is under way.
    pub fn failure(&self) -> Option<&Error> {
        self.machine.core()?.failure.as_ref()
    }

    /// A logical unit reset: mode pages as at power on, RESERVE released
    /// (persistent reservations stay), removal allowed, deferred errors
    /// forgotten, a parked cartridge loaded. Position and unsynced data stay.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn reset(&mut self) {
        let core = self.idle_mut();
        core.prevented = false;
        core.deferred = None;
        core.modes.reset();
        core.reservations.reset();
        if let Some(slot) = &mut core.slot {
            if slot.standing == Standing::Parked {
                slot.standing = Standing::Loaded;
            }
        }
    }

    /// What the CDB announces.
    pub fn transfer(&self, cdb: &[u8]) -> Transfer {
        let entry = table::find(cdb);
        entry.map_or(Transfer::None, |entry| {
            entry.transfer(cdb, self.block_length())
        })
    }

    /// Bytes of the data buffer that [`start`](Self::start) needs: those of
    /// the transfer, and behind them room for the drive's own use. 0 for a
    /// transfer beyond [`TRANSFER_MAX`], which `start` refuses.
    pub fn buffer_length(&self, cdb: &[u8]) -> usize {
        let Ok(entry) = table::find(cdb) else {
            return 0;
        };
        let block_length = self.block_length();
        match entry.transfer(cdb, block_length).bytes() {
            bytes @ ..=TRANSFER_MAX => (bytes + entry.scratch(cdb, block_length)) as usize,
            _ => 0,
        }
    }

    /// Begins a command. `data_length`: bytes of data out that were received, or
    /// room for data in.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn start(&mut self, cdb: &[u8], data_length: usize) {
        let core = self.idle_mut();
        core.failure = None;
        core.restored = None;
        match admit(core, cdb, data_length) {
            Ok(call) => self.begin(!call.entry.has(CHANGES), Job::Command(call)),
            Err(refused) => self.begin(false, Job::Refused(refused)),
        }
    }

    /// Begins something for the drive's owner. If it fails, that is also
    /// reported by the next command, as a deferred error.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn start_task(&mut self, task: Task) {
        self.idle_mut().failure = None;
        self.begin(false, Job::Task(task));
    }

    fn begin(&mut self, interruptible: bool, job: Job) {
        self.interruptible = interruptible;
        self.seen = self.seen();
        self.machine.start(job);
    }

    /// A command or task is under way, or its result hasn't been taken.
    pub fn is_busy(&self) -> bool {
        self.machine.is_busy()
    }

    /// Asks a command that only reads or moves to end early, at the next
    /// occasion, with [`Done::interrupted`]. One that writes goes on.
    pub fn interrupt(&mut self) {
        if self.machine.core().is_none() && self.interruptible {
            self.machine.interrupt();
        }
    }

    /// The next request to carry out; its `data` is in the command's data buffer.
    /// `None` until [`start`](Self::start) or [`handle`](Self::handle) is called again.
    pub fn poll(&mut self) -> Option<Request> {
        self.machine.poll_request()
    }

    /// Takes the result of a request.
    ///
    /// # Panics
    /// If it isn't out.
    pub fn handle(&mut self, completion: Completion) {
        self.machine.handle(completion);
    }

    /// The end of a command or task, once.
    pub fn poll_done(&mut self) -> Option<Done> {
        self.lift_prevention();
        self.machine.poll_outcome()
    }
}

/// Everything that has to be right before a command begins.
fn admit(core: &mut Core, cdb: &[u8], data: usize) -> Result<Call, Refusal> {
    let entry = table::find(cdb)?;
    entry.check_bits(cdb)?;
    if !entry.has(QUIET) {
        if let Some(deferred) = core.deferred.take() {
            return Err(deferred.into());
        }
    }
    let transfer = entry.transfer(cdb, core.modes.block_length());
    let bytes = transfer.bytes();
    if bytes > TRANSFER_MAX {
        return Err(Sense::cdb_field(entry.length_field(), None).into());
    }
    if matches!(transfer, Transfer::Out(_)) && (data as u64) < bytes {
        // Part of a command is not what was asked for.
        return Err(Sense::new(Key::AbortedCommand, asc::DATA_PHASE_ERROR).into());
    }
    Ok(Call::new(TABLE, entry, cdb, transfer, data))
}
