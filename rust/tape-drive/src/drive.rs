// SPDX-License-Identifier: GPL-2.0-or-later
//! The drive as its owner sees it.

use tape_image::{Completion, Error};

use crate::call::{Call, Overwrite};
use crate::command::{self, Entry};
use crate::deck::Deck;
use crate::dispatch;
use crate::done::{Action, Attention, Done, Task};
use crate::io::Out;
use crate::medium::Slot;
use crate::parameter::Parameters;
use crate::reserve::{self, Refusal};
use crate::run::{Interrupt, Running, Waiting};
use crate::state::Standing;
use crate::{asc, Config, ConfigError, Key, Medium, Sense, Transfer};

/// The longest transfer of a command, in bytes.
pub const TRANSFER_MAX: u64 = 64 << 20;

/// A tape drive: the sans-I/O core.
///
/// # Calling order
///
/// 1. [`start`](Self::start) a command, with a data buffer of
///    [`buffer_length`](Self::buffer_length) bytes that begins with the data
///    out and stays until the command ends.
/// 2. [`poll`](Self::poll) until it gives `None`, and carry the actions out:
///    copies at once, requests in any order and as many at a time as it gives.
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
    pub(crate) config: Config,
    pub(crate) parameters: Parameters,
    pub(crate) slot: Option<Slot>,
    /// Until the first command: where the cartridge was in the drive whose state
    /// this has.
    pub(crate) restored: Option<Place>,
    /// Initiators that prevent removal.
    pub(crate) preventing: Vec<u32>,
    /// To be reported by the next command.
    pub(crate) deferred: Option<Sense>,
    /// What ALLOW OVERWRITE allows the next command.
    pub(crate) overwrite: Overwrite,
    /// Of the record before the position, only so many bytes were read; 0: it
    /// was all of it. Fixed reads that join records go on there.
    pub(crate) partly: u32,
    pub(crate) failure: Option<Error>,
    pub(crate) attentions: Vec<Attention>,
    pub(crate) running: Option<Running>,
    pub(crate) done: Option<Done>,
    pub(crate) out: Vec<Out>,
    pub(crate) next_id: u64,
}

/// Where a cartridge is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) standing: Standing,
    /// Partition and object at the position.
    pub(crate) resume: (usize, u64),
}

impl Drive {
    /// A drive without a cartridge.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            parameters: Parameters::new(&config),
            config,
            slot: None,
            restored: None,
            preventing: Vec::new(),
            deferred: None,
            overwrite: Overwrite::No,
            partly: 0,
            failure: None,
            attentions: Vec::new(),
            running: None,
            done: None,
            out: Vec::new(),
            next_id: 0,
        })
    }

    /// What it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// An image was put in. It is read by the first command that needs it.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn insert(&mut self, medium: Medium) {
        let (restored, partly) = (self.restored, self.partly);
        self.remove();
        if restored.is_some() {
            (self.restored, self.partly) = (restored, partly);
        }
        self.slot = Some(Slot::new(&self.config, medium));
        self.stand_as_restored();
    }

    /// Where the cartridge is, and the tape's position.
    pub(crate) fn place(&self) -> Option<Place> {
        let slot = self.slot.as_ref()?;
        let here = || (slot.partition, slot.tape_state().position.object);
        Some(Place {
            standing: slot.standing,
            resume: if slot.loaded { here() } else { slot.resume },
        })
    }

    /// The cartridge is where it was in the drive whose state this has.
    pub(crate) fn stand_as_restored(&mut self) {
        let Some(slot) = &mut self.slot else { return };
        slot.forget();
        slot.resume = (0, 0);
        if let Some(place) = self.restored {
            slot.standing = place.standing;
            slot.resume = place.resume;
            // Where it comes from has counted it.
            slot.counted = place.standing == Standing::Loaded;
        }
        self.forget_requests(|_| true);
    }

    /// Takes the cartridge out. What wasn't synced is lost: [`Task::Unload`]
    /// comes before. Completions of its requests are still taken.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn remove(&mut self) {
        self.idle();
        self.slot = None;
        self.restored = None;
        self.overwrite = Overwrite::No;
        self.partly = 0;
        self.forget_requests(|_| true);
    }

    /// There is a cartridge, and LOAD UNLOAD hasn't pushed it out.
    pub fn has_medium(&self) -> bool {
        let slot = self.slot.as_ref();
        slot.is_some_and(|slot| slot.standing != Standing::Unloaded)
    }

    /// PREVENT ALLOW MEDIUM REMOVAL is in force.
    pub fn removal_prevented(&self) -> bool {
        !self.preventing.is_empty()
    }

    /// Lifts the prevention, whoever asked for it: somebody pulls.
    pub fn allow_removal(&mut self) {
        self.preventing.clear();
    }

    /// The block length that fixed transfers count in, in bytes; 0: variable.
    pub fn block_length(&self) -> u32 {
        self.parameters.modes.block_length()
    }

    /// D_SENSE of the control mode page.
    pub fn descriptor_sense(&self) -> bool {
        self.parameters.modes.descriptor_sense()
    }

    /// Something acknowledged is not on stable storage.
    pub fn is_dirty(&self) -> bool {
        self.slot.as_ref().is_some_and(Slot::is_dirty)
    }

    /// The last failure of the image, which the sense data only hints at: of
    /// the command or task under way, or the last one.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// A logical unit reset: mode pages as at power on, RESERVE released
    /// (persistent reservations stay), removal allowed, deferred errors
    /// forgotten, a parked cartridge loaded. Position and unsynced data stay.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn reset(&mut self) {
        self.idle();
        self.preventing.clear();
        self.deferred = None;
        self.parameters.reset();
        if let Some(slot) = &mut self.slot {
            if slot.standing == Standing::Parked {
                slot.standing = Standing::Loaded;
            }
        }
    }

    /// What the CDB announces.
    pub fn transfer(&self, cdb: &[u8]) -> Transfer {
        command::find(cdb).map_or(Transfer::None, |entry| {
            command::transfer(entry, cdb, self.parameters.modes.block_length())
        })
    }

    /// Bytes of the data buffer that [`start`](Self::start) needs: those of
    /// the transfer, and behind them room for the drive's own use. 0 for a
    /// transfer beyond [`TRANSFER_MAX`], which `start` refuses.
    pub fn buffer_length(&self, cdb: &[u8]) -> usize {
        let bytes = self.transfer(cdb).bytes();
        if bytes > TRANSFER_MAX {
            return 0;
        }
        let scratch = command::find(cdb).map_or(0, |entry| {
            command::scratch(entry, cdb, self.parameters.modes.block_length())
        });
        (bytes + scratch) as usize
    }

    /// Begins a command. `initiator` names the I_T nexus. `data_length`: bytes
    /// of data out that were received, or room for data in.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn start(&mut self, cdb: &[u8], initiator: u32, data_length: usize) {
        self.idle();
        self.failure = None;
        self.restored = None;
        match self.admit(cdb, initiator, data_length) {
            Ok(call) => {
                let deck = Deck::default();
                let procedure = dispatch::command(deck.clone(), call);
                self.run(Some(call), data_length, deck, procedure);
            }
            Err(refused) => self.finish(Err(refused)),
        }
    }

    /// Begins something for the drive's owner. If it fails, that is also
    /// reported by the next command, as a deferred error.
    ///
    /// # Panics
    /// While a command or task is under way.
    pub fn start_task(&mut self, task: Task) {
        self.idle();
        self.failure = None;
        let deck = Deck::default();
        let procedure = dispatch::task(deck.clone(), task);
        self.run(None, 0, deck, procedure);
    }

    pub(crate) fn idle(&self) {
        assert!(!self.is_busy(), "a command is under way");
    }

    /// A command or task is under way, or its result hasn't been taken.
    pub fn is_busy(&self) -> bool {
        self.running.is_some() || self.done.is_some()
    }

    /// Asks a command that only reads or moves to end early, at the next
    /// occasion, with [`Done::interrupted`]. One that writes goes on.
    pub fn interrupt(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        let changes = running.call.is_none_or(|call| call.changes());
        if changes || running.interrupt != Interrupt::No {
            return;
        }
        running.interrupt = Interrupt::Asked;
        if let (Waiting::Tape { .. }, Some(slot)) = (&running.waiting, &mut self.slot) {
            slot.tape_mut()
                .into_iter()
                .for_each(|tape| tape.interrupt());
        }
    }

    /// The next thing to do. `None` until [`start`](Self::start) or
    /// [`handle`](Self::handle) is called again.
    pub fn poll(&mut self) -> Option<Action<'_>> {
        self.end_put();
        if let Some(request) = self.next_request() {
            return Some(Action::Io(request));
        }
        self.next_put()
    }

    /// Takes the result of a request.
    ///
    /// # Panics
    /// If it isn't out.
    pub fn handle(&mut self, completion: Completion) {
        let slot = self.out.iter().position(|out| out.id == completion.id);
        let out = self
            .out
            .swap_remove(slot.expect("the completion of a request that is out"));
        self.completed(out, completion);
    }

    /// The end of a command or task, once.
    pub fn poll_done(&mut self) -> Option<Done> {
        self.done.take()
    }

    /// Everything that has to be right before a command begins.
    fn admit(&mut self, cdb: &[u8], initiator: u32, data: usize) -> Result<Call, Refusal> {
        let entry = command::find(cdb)?;
        command::check_bits(entry, cdb)?;
        let access = reserve::access(entry, cdb);
        let reservations = &self.parameters.reservations;
        reservations
            .check(initiator, access)
            .map_err(|_| Refusal::Conflict)?;
        // INQUIRY, REPORT LUNS; REQUEST SENSE reports it itself.
        if !matches!(entry.opcode, 0x03 | 0x12 | 0xa0) {
            if let Some(deferred) = self.deferred.take() {
                return Err(deferred.into());
            }
        }
        let transfer = self.transfer(cdb);
        let bytes = transfer.bytes();
        if bytes > TRANSFER_MAX {
            return Err(Sense::cdb_field(entry.length_field(), None).into());
        }
        if matches!(transfer, Transfer::Out(_)) && (data as u64) < bytes {
            // Part of a command is not what was asked for.
            return Err(Sense::new(Key::AbortedCommand, asc::DATA_PHASE_ERROR).into());
        }
        Ok(self.call(entry, cdb, initiator, transfer))
    }

    fn call(
        &mut self,
        entry: &'static Entry,
        cdb: &[u8],
        initiator: u32,
        transfer: Transfer,
    ) -> Call {
        let read_only = self.slot.as_ref().is_some_and(|s| s.medium.read_only);
        let mut call = Call::new(entry, cdb, initiator);
        call.transfer = transfer;
        call.block_length = self.parameters.modes.block_length();
        call.buffered = self.parameters.modes.buffered();
        call.write_protected = read_only || self.parameters.modes.software_write_protected();
        call.worm = self.config.worm;
        call.append_only = self.parameters.modes.append_only();
        call.programmable = self.parameters.modes.early_warning_size();
        call.join = self.config.join_records;
        call.autoload = self.config.autoload_after_unload;
        call.partly = self.partly;
        if call.moves() || call.writes() {
            call.overwrite = std::mem::take(&mut self.overwrite);
        }
        call
    }
}
