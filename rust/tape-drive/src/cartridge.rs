// SPDX-License-Identifier: GPL-2.0-or-later
//! The cartridge in the drive: where it is, its partitions, and what is known
//! of it.

use tape_image::container::CartridgeCore;
use tape_image::index::Kind;
use tape_image::{Format, Position, TapeCore};

use crate::config::{Config, Medium};
use crate::density;
use crate::sense::{asc, Key, Sense};
use crate::view;

/// Where a cartridge is that is in the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// At the heads.
    Loaded,
    /// At the hold point: LOAD brings it back.
    Held,
    /// Pushed out, and not taken away. LOAD brings it back too.
    Unloaded,
    /// Unloaded while removal was prevented, with `autoload_after_unload`: the
    /// next command that needs it brings it back.
    Parked,
}

/// Where a cartridge is, and where its tape is or will be after loading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) standing: Standing,
    /// Partition and object at the position.
    pub(crate) resume: (usize, u64),
}

/// What a command can know of the current partition.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TapeState {
    pub(crate) partition: usize,
    pub(crate) position: Position,
    /// The end of data, if it is known.
    pub(crate) end: Option<Position>,
    /// Bytes up to the position.
    pub(crate) used: u64,
    /// Bytes it may hold.
    capacity: Option<u64>,
    /// Bytes before its end from which writes are answered with EOM.
    early_warning: u64,
    /// EOM goes with the end of data, wherever that is.
    eom_at_eod: bool,
    /// Objects in the drive's buffer, and their bytes.
    pub(crate) unsynced: (u64, u64),
    /// There is a filemark right before the position.
    pub(crate) behind_mark: bool,
}

impl TapeState {
    /// The position is past early warning, where writes are answered with EOM.
    pub(crate) fn past_early_warning(&self) -> bool {
        self.past(self.early_warning)
    }

    /// The position is past programmable early warning, which comes so many
    /// bytes before the other; 0: there is none.
    pub(crate) fn past_programmable(&self, bytes: u64) -> bool {
        bytes != 0 && self.past(self.early_warning.saturating_add(bytes))
    }

    /// EOM of sense data that tells of the end of data.
    pub(crate) fn eom_at_end(&self) -> bool {
        self.eom_at_eod || self.past_early_warning()
    }

    /// The position is less than so many bytes before the end of the partition.
    fn past(&self, bytes: u64) -> bool {
        self.capacity
            .is_some_and(|capacity| self.used > capacity.saturating_sub(bytes))
    }
}

/// The cartridge in the drive.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) medium: Medium,
    pub(crate) standing: Standing,
    /// The cartridge has been read.
    pub(crate) loaded: bool,
    /// The log has it.
    pub(crate) counted: bool,
    /// The cartridge was written to since it was loaded.
    pub(crate) changed: bool,
    /// Partition and object to begin at, until it is loaded.
    pub(crate) resume: (usize, u64),
    pub(crate) cartridge: CartridgeCore,
    pub(crate) partition: usize,
    /// Each partition's, from its first use on.
    pub(crate) tapes: Vec<Option<TapeCore>>,
}

impl Slot {
    pub(crate) fn new(config: &Config, medium: Medium) -> Self {
        Self {
            medium,
            standing: Standing::Loaded,
            loaded: false,
            counted: false,
            changed: false,
            resume: (0, 0),
            cartridge: CartridgeCore::new(tape_image::Config {
                truncation: medium.truncation,
                format: config.format,
                read_only: medium.read_only,
                capacity: (config.capacity != u64::MAX).then_some(config.capacity),
                save_index: config.index,
                ..tape_image::Config::new(medium.length)
            }),
            partition: 0,
            tapes: Vec::new(),
        }
    }

    /// How many partitions there are.
    pub(crate) fn partitions(&self) -> usize {
        self.cartridge.partitions().len()
    }

    /// The partition was used since the cartridge was put in.
    pub(crate) fn is_mounted(&self, partition: usize) -> bool {
        self.tapes.get(partition).is_some_and(Option::is_some)
    }

    /// Makes a partition that there is the current one, and a tape for it if it
    /// has none.
    pub(crate) fn mount(&mut self, partition: usize) {
        let Self {
            tapes, cartridge, ..
        } = self;
        tapes.resize_with(cartridge.partitions().len(), || None);
        if let Some(tape) = tapes.get_mut(partition) {
            tape.get_or_insert_with(|| TapeCore::new(cartridge.tape_config(partition)));
            self.partition = partition;
        }
    }

    /// Forgets the current partition's tape.
    pub(crate) fn dismount(&mut self) {
        self.note_length();
        if let Some(tape) = self.tapes.get_mut(self.partition) {
            *tape = None;
        }
    }

    /// Forgets all tapes: the cartridge is to be read again.
    pub(crate) fn forget(&mut self) {
        self.note_length();
        self.tapes.clear();
        self.partition = 0;
        self.loaded = false;
    }

    /// The last partition's tape grows and cuts the image.
    pub(crate) fn note_length(&mut self) {
        if let Some(Some(tape)) = self.tapes.last() {
            self.cartridge.set_length(tape.length());
        }
    }

    /// The current partition's tape.
    pub(crate) fn tape(&self) -> Option<&TapeCore> {
        self.tapes.get(self.partition)?.as_ref()
    }

    pub(crate) fn tape_mut(&mut self) -> Option<&mut TapeCore> {
        self.tapes.get_mut(self.partition)?.as_mut()
    }

    /// Partition and object at the position; `None`: it isn't loaded.
    pub(crate) fn address(&self) -> Option<(usize, u64)> {
        let tape = self.tape().filter(|_| self.loaded)?;
        Some((self.partition, tape.position().object))
    }

    pub(crate) fn place(&self) -> Place {
        let object = self.tape().map_or(0, |tape| tape.position().object);
        Place {
            standing: self.standing,
            resume: match self.loaded {
                true => (self.partition, object),
                false => self.resume,
            },
        }
    }

    /// The byte of the cartridge that the tape is at; `None`: it isn't loaded.
    pub(crate) fn byte(&self) -> Option<u64> {
        let tape = self.tape().filter(|_| self.loaded)?;
        let capacity = |number| self.cartridge.tape_config(number).capacity.unwrap_or(0);
        let before = (0..self.partition).map(capacity);
        Some(before.fold(tape.used(), u64::saturating_add))
    }

    /// The cartridge is at the heads, or it isn't ready.
    pub(crate) fn present(&self) -> Result<(), Sense> {
        match self.standing {
            Standing::Loaded => Ok(()),
            Standing::Held | Standing::Parked => Err(Sense::new(
                Key::NotReady,
                asc::INITIALIZING_COMMAND_REQUIRED,
            )),
            Standing::Unloaded => Err(Sense::NO_MEDIUM),
        }
    }

    /// The state of the current partition; zero unless it is loaded.
    pub(crate) fn tape_state(&self, config: &Config) -> TapeState {
        let Some(tape) = self.tape() else {
            return TapeState::default();
        };
        let position = tape.position();
        let before = position.object.checked_sub(1);
        let before = before.and_then(|object| tape.index().find(object));
        let early_warning = |capacity| density::early_warning_in(config, capacity);
        TapeState {
            partition: self.partition,
            position,
            end: tape.end().map(|(position, _)| position),
            used: tape.used(),
            capacity: tape.capacity(),
            early_warning: tape.capacity().map_or(0, early_warning),
            eom_at_eod: config.eom_at_eod,
            unsynced: tape.unsynced(),
            behind_mark: before.is_some_and(|found| found.kind == Kind::Mark),
        }
    }

    /// What parameter data may tell of it, once it is loaded.
    pub(crate) fn view(&self, config: &Config) -> Option<view::Tape> {
        if !self.loaded || self.standing != Standing::Loaded {
            return None;
        }
        let simh = |tape: &TapeCore| tape.format() == Format::Simh;
        let partition = |number| {
            let tape = self.tapes.get(number).and_then(Option::as_ref);
            let end = |tape: &TapeCore| tape.end().map_or(tape.used(), |(_, bytes)| bytes);
            let capacity = self.cartridge.tape_config(number).capacity;
            view::Partition {
                capacity: capacity.unwrap_or(u64::MAX),
                used: tape.map_or(0, end),
            }
        };
        let writable = !self.medium.read_only && self.tape().is_none_or(simh);
        Some(view::Tape {
            write_protected: !writable,
            worm: config.worm,
            partitions: (0..self.partitions()).map(partition).collect(),
            partition: self.partition,
            position: self.tape().map_or(0, TapeCore::used),
        })
    }
}
