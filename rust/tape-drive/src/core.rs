// SPDX-License-Identifier: GPL-2.0-or-later
//! What commands may touch: the drive's parameters, the cartridge in it, and the
//! port to the image. A command's future owns it while it runs.

use std::ops::Range;
use std::sync::Arc;

use tape_image::container::Operation as Change;
use tape_image::{Error, Operate, Operation, Outcome, Port};

use crate::alert;
use crate::cartridge::{Place, Slot, Standing, TapeState};
use crate::config::Config;
use crate::counters::{Counters, Transfers};
use crate::density;
use crate::failure::sense_of;
use crate::sense::{asc, Key, Sense};
use crate::spc::attribute::life::{self, Event};
use crate::spc::diagnostic::Buffers;
use crate::spc::mode::ModePages;
use crate::spc::reserve::Reservations;
use crate::spc::timestamp::Timestamp;
use crate::view;

/// Where a LOAD UNLOAD command has brought the cartridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tray {
    /// To the tape heads.
    Loaded,
    /// Out, as far as the drive can push it.
    Unloaded,
}

/// What ALLOW OVERWRITE allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overwrite {
    #[default]
    No,
    /// Writing in this partition in front of this object.
    At(usize, u64),
    /// Formatting.
    Format,
}

/// What the command under way has come to so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes of the data buffer that go to the initiator.
    pub(crate) data_in: usize,
    pub(crate) tray: Option<Tray>,
    /// What it says of the record before the position, see [`Core::partly`].
    pub(crate) partly: Option<u32>,
    /// What ALLOW OVERWRITE allows it.
    pub(crate) overwrite: Overwrite,
    /// The tape has stopped early, as it was asked to.
    pub(crate) stopped: bool,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Core {
    pub(crate) config: Arc<Config>,
    pub(crate) port: Port,
    pub(crate) modes: ModePages,
    pub(crate) reservations: Reservations,
    pub(crate) counters: Counters,
    pub(crate) buffers: Buffers,
    pub(crate) timestamp: Timestamp,
    pub(crate) slot: Option<Slot>,
    /// Until the first command: where the cartridge was in the drive whose state
    /// this has.
    pub(crate) restored: Option<Place>,
    /// PREVENT ALLOW MEDIUM REMOVAL prevents removal.
    pub(crate) prevented: bool,
    /// To be reported by the next command.
    pub(crate) deferred: Option<Sense>,
    /// What ALLOW OVERWRITE allows the next command.
    pub(crate) overwrite: Overwrite,
    /// Of the record before the position, only so many bytes were read; 0: it
    /// was all of it. Fixed reads that join records go on there.
    pub(crate) partly: u32,
    /// The last failure of the image.
    pub(crate) failure: Option<Error>,
    pub(crate) progress: Progress,
}

impl Core {
    pub(crate) fn new(config: Arc<Config>, port: Port) -> Self {
        Self {
            modes: ModePages::new(&config),
            config,
            port,
            ..Self::default()
        }
    }

    /// The cartridge. There is one: the command has found it ready.
    pub(crate) fn slot(&mut self) -> &mut Slot {
        self.slot.as_mut().expect("a cartridge that was ready")
    }

    /// The state of the current partition; zero unless it is loaded.
    pub(crate) fn tape_state(&self) -> TapeState {
        let slot = self.slot.as_ref();
        slot.map_or_else(TapeState::default, |slot| slot.tape_state(&self.config))
    }

    /// What parameter data may tell of the tape.
    pub(crate) fn view(&self) -> Option<view::Tape> {
        self.slot.as_ref()?.view(&self.config)
    }

    /// Where the cartridge is.
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.slot.as_ref().map(|slot| slot.standing)
    }

    /// Writes are refused.
    pub(crate) fn write_protected(&self) -> bool {
        let read_only = self.slot.as_ref().is_some_and(|s| s.medium.read_only);
        read_only || self.modes.software_write_protected()
    }

    /// The cartridge is where it was in the drive whose state this has.
    pub(crate) fn stand_as_restored(&mut self) {
        self.port.forget();
        let Some(slot) = &mut self.slot else { return };
        slot.forget();
        slot.resume = (0, 0);
        if let Some(place) = self.restored {
            slot.standing = place.standing;
            slot.resume = place.resume;
            // Where it comes from has counted it.
            slot.counted = place.standing == Standing::Loaded;
        }
    }

    /// An operation of the current partition's tape, whose data begins at `at`
    /// in the data buffer.
    pub(crate) async fn tape_at(
        &mut self,
        operation: Operation,
        at: usize,
    ) -> Result<Outcome, Error> {
        let Some(tape) = self.slot.as_mut().and_then(Slot::tape_mut) else {
            return Err(Error::NotLoaded);
        };
        let outcome = tape.operate_at(&self.port, operation, at).await;
        self.counters.count_tape(operation, &outcome);
        if let Err(error) = outcome {
            self.progress.stopped |= error == Error::Interrupted;
            self.failure = Some(error);
        }
        outcome
    }

    /// A tape's operation, by a command that writes nothing itself.
    pub(crate) async fn tape(&mut self, operation: Operation) -> Result<Outcome, Sense> {
        let outcome = self.tape_at(operation, 0).await;
        outcome.map_err(|error| sense_of(&error))
    }

    /// An operation of the cartridge, no tape having one.
    async fn cartridge(&mut self, change: Change) -> Result<(), Error> {
        let slot = self.slot.as_mut().ok_or(Error::NotLoaded)?;
        slot.note_length();
        let changed = slot.cartridge.operate(&self.port, change).await;
        self.failure = changed.err().or(self.failure);
        changed
    }

    /// Something is done to the cartridge, no tape being dirty.
    pub(crate) async fn change(&mut self, change: Change) -> Result<(), Sense> {
        let load = change == Change::Load;
        let changed = self.cartridge(change).await;
        if changed.is_err() && !load {
            // It may be one thing or the other.
            let _ = self.cartridge(Change::Load).await;
        }
        changed.map_err(|error| sense_of(&error))
    }

    /// Keeps with the tape that something happened to it, if it has a place for
    /// that. No tape is dirty.
    pub(crate) async fn note(&mut self, event: Event) -> Result<(), Sense> {
        let slot = self.slot();
        slot.changed |= !matches!(event, Event::Unload(_));
        if slot.medium.read_only || !slot.cartridge.has_header() {
            return Ok(());
        }
        let attributes = life::note(slot.cartridge.attributes(0), event);
        let partition = 0;
        let kept = self.cartridge(Change::SetAttributes {
            partition,
            attributes,
        });
        match kept.await {
            Ok(()) | Err(Error::AttributesFull { .. }) => Ok(()),
            Err(error) => {
                let _ = self.cartridge(Change::Load).await;
                Err(sense_of(&error))
            }
        }
    }

    /// Keeps with a tape that is loaded what was done since it was.
    pub(crate) async fn note_unload(&mut self) -> Result<(), Sense> {
        let slot = self.slot.as_ref();
        match slot.is_some_and(|slot| slot.loaded && slot.standing == Standing::Loaded) {
            true => self.note(Event::Unload(*self.counters.mount())).await,
            false => Ok(()),
        }
    }

    /// Bytes of the data buffer.
    pub(crate) async fn copy(&mut self, range: Range<usize>) -> Result<Vec<u8>, Sense> {
        let buf = Vec::with_capacity(range.len());
        let copied = self.port.copy(range, buf).await;
        copied.map_err(|_| Sense::new(Key::AbortedCommand, asc::DATA_PHASE_ERROR))
    }

    /// Bytes into the data buffer.
    pub(crate) async fn put(&mut self, at: usize, buf: Vec<u8>) {
        let len = buf.len();
        self.port.put(at, buf, 0, len).await;
    }

    /// What the tape has of the record that was just read, into the data buffer.
    pub(crate) async fn put_buffered(&mut self, at: usize) {
        if let Some(tape) = self.slot.as_mut().and_then(Slot::tape_mut) {
            tape.put_buffered(&self.port, at).await;
        }
    }

    /// Parameter data for the initiator, as much as it has asked for.
    pub(crate) async fn send(&mut self, mut data: Vec<u8>, room: u64) {
        data.truncate(room as usize);
        self.progress.data_in = data.len();
        self.put(0, data).await;
    }

    /// Forgets what is known of the cartridge, which is to be read again.
    pub(crate) fn forget(&mut self) {
        self.port.forget();
        if let Some(slot) = &mut self.slot {
            slot.forget();
        }
    }

    /// Moves the cartridge.
    pub(crate) fn stand(&mut self, standing: Standing) {
        let Some(slot) = &mut self.slot else { return };
        if standing == Standing::Parked {
            self.prevented = false;
        }
        if slot.standing != standing {
            self.progress.tray = match standing {
                Standing::Loaded => Some(Tray::Loaded),
                Standing::Unloaded => Some(Tray::Unloaded),
                Standing::Held | Standing::Parked => None,
            };
        }
        slot.standing = standing;
        self.count_load();
    }

    /// The cartridge is found to be good.
    pub(crate) fn loaded(&mut self) {
        let slot = self.slot();
        slot.loaded = true;
        slot.resume = (0, 0);
        self.count_load();
    }

    /// The log counts a load once it is known to be good.
    fn count_load(&mut self) {
        let Some(slot) = &mut self.slot else { return };
        let there = slot.loaded && slot.standing == Standing::Loaded;
        if there && !slot.counted {
            slot.changed = false;
            self.counters.loaded();
        }
        slot.counted = there;
    }

    /// Counts a motion from one byte of the cartridge to where the tape is now.
    pub(crate) fn count_passes(&mut self, from: Option<u64>) {
        let to = self.slot.as_ref().and_then(Slot::byte);
        if let (Some(from), Some(to)) = (from, to) {
            let middle = density::usual_capacity(&self.config) / 2;
            self.counters.count(Transfers {
                beginning_passes: (from != 0 && to == 0).into(),
                middle_passes: ((from < middle) != (to < middle)).into(),
                ..Transfers::default()
            });
        }
    }

    /// Raises the TapeAlert flags that go with an error.
    pub(crate) fn alert(&mut self, sense: &Sense) {
        let flags: &[u8] = match (&self.failure, sense.asc) {
            (Some(Error::Read { .. } | Error::Damaged { .. }), _) => {
                &[alert::HARD_ERROR, alert::READ_FAILURE]
            }
            (Some(Error::Write { .. }), _) => &[alert::HARD_ERROR, alert::WRITE_FAILURE],
            (Some(Error::NotATape { .. }), _) => &[alert::UNSUPPORTED_FORMAT],
            (_, asc::WRITE_PROTECTED) => &[alert::WRITE_PROTECT],
            (_, asc::WORM_OVERWRITE) => &[alert::WORM_OVERWRITE],
            (_, asc::REMOVAL_PREVENTED) => &[alert::NO_REMOVAL],
            _ => &[],
        };
        flags.iter().for_each(|&flag| self.counters.raise(flag));
    }
}
