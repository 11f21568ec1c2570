// SPDX-License-Identifier: GPL-2.0-or-later
//! The cartridge in the drive: where it stands, its partitions, and what is
//! known of it.

use tape_image::container::{Cartridge, Operation as Change};
use tape_image::index::Kind;
use tape_image::{Error, Format, Operation, Outcome, Tape};

use crate::deck::{Deck, Occasion, State, TapeState};
use crate::failure::sense_of;
use crate::state::Standing;
use crate::{asc, view, Config, Key, Medium, Sense};

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
    pub(crate) cartridge: Cartridge,
    pub(crate) partition: usize,
    /// Each partition's, from its first use on.
    pub(crate) tapes: Vec<Option<Tape>>,
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
            cartridge: Cartridge::new(tape_image::Config {
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

    /// Makes a partition that there is the current one, and a tape for it if it
    /// has none.
    pub(crate) fn mount(&mut self, partition: usize) {
        let Self {
            tapes, cartridge, ..
        } = self;
        tapes.resize_with(cartridge.partitions().len(), || None);
        if let Some(tape) = tapes.get_mut(partition) {
            tape.get_or_insert_with(|| Tape::new(cartridge.tape_config(partition)));
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
    pub(crate) fn tape(&self) -> Option<&Tape> {
        self.tapes.get(self.partition)?.as_ref()
    }

    pub(crate) fn tape_mut(&mut self) -> Option<&mut Tape> {
        self.tapes.get_mut(self.partition)?.as_mut()
    }

    /// The byte of the cartridge that the tape is at; `None`: it isn't loaded.
    pub(crate) fn byte(&self) -> Option<u64> {
        let tape = self.tape().filter(|_| self.loaded)?;
        let capacity = |number| self.cartridge.tape_config(number).capacity.unwrap_or(0);
        let before = (0..self.partition).map(capacity);
        Some(before.fold(tape.used(), u64::saturating_add))
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.tapes.iter().flatten().any(Tape::is_dirty)
    }

    pub(crate) fn state(&self) -> State {
        let tapes = self.tapes.iter().enumerate();
        let mounted = tapes.filter(|(_, tape)| tape.is_some());
        State {
            standing: Some(self.standing),
            loaded: self.loaded,
            prevented: false,
            resume: self.resume,
            partition: self.partition,
            partitions: self.cartridge.partitions().len(),
            header: self.cartridge.has_header(),
            changed: self.changed,
            mounted: mounted.fold(0, |bits, (number, _)| bits | 1 << number),
        }
    }

    pub(crate) fn tape_state(&self) -> TapeState {
        let Some(tape) = self.tape() else {
            return TapeState::default();
        };
        let position = tape.position();
        let before = position.object.checked_sub(1);
        let before = before.and_then(|object| tape.index().find(object));
        TapeState {
            partition: self.partition,
            position,
            end: tape.end().map(|(position, _)| position),
            used: tape.used(),
            capacity: tape.capacity(),
            early_warning: 0,
            eom_at_eod: false,
            unsynced: tape.unsynced(),
            behind_mark: before.is_some_and(|found| found.kind == Kind::Mark),
        }
    }

    /// What parameter data may tell of it, once it is loaded.
    pub(crate) fn view(&self, config: &Config) -> Option<view::Tape> {
        if !self.loaded || self.standing != Standing::Loaded {
            return None;
        }
        let simh = |tape: &Tape| tape.format() == Format::Simh;
        let partition = |number| {
            let tape = self.tapes.get(number).and_then(Option::as_ref);
            let end = |tape: &Tape| tape.end().map_or(tape.used(), |(_, bytes)| bytes);
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
            partitions: (0..self.cartridge.partitions().len())
                .map(partition)
                .collect(),
            partition: self.partition,
            position: self.tape_state().used,
            attributes_writable: writable,
        })
    }
}

/// NOT READY, unless there is a cartridge at the heads.
pub(crate) fn present(state: &State) -> Result<(), Sense> {
    match state.standing {
        Some(Standing::Loaded) => Ok(()),
        Some(Standing::Held | Standing::Parked) => Err(Sense::new(
            Key::NotReady,
            asc::INITIALIZING_COMMAND_REQUIRED,
        )),
        _ => Err(Sense::new(Key::NotReady, asc::MEDIUM_NOT_PRESENT)),
    }
}

/// Sees to it that the cartridge has been read, and the position is where it
/// was, or at the beginning.
pub(crate) async fn ready(deck: &Deck) -> Result<(), Sense> {
    let state = deck.state().await;
    present(&state)?;
    if state.loaded {
        return Ok(());
    }
    let loaded = load(deck, state.resume).await;
    if loaded.is_err() && !deck.state().await.loaded {
        // It is tried again by the next command.
        deck.partly(0).await;
        deck.forget().await;
    }
    loaded
}

async fn load(deck: &Deck, (partition, object): (usize, u64)) -> Result<(), Sense> {
    change(deck, Change::Load).await?;
    let there = partition < deck.state().await.partitions;
    deck.mount(if there { partition } else { 0 }).await;
    let _: Outcome = go(deck, Operation::Load).await?;
    let arrived = match object {
        0 => Outcome::Done,
        object => go(deck, Operation::Locate(object)).await?,
    };
    deck.loaded().await;
    let short = matches!(arrived, Outcome::Moved { left: 1.., .. });
    if short || !there {
        deck.partly(0).await;
        // It isn't the tape that it was. Said once.
        return Err(Sense::new(Key::MediumError, asc::BLOCK_SEQUENCE_ERROR));
    }
    Ok(())
}

/// A tape's operation, by a command that writes nothing itself.
pub(crate) async fn go(deck: &Deck, operation: Operation) -> Result<Outcome, Sense> {
    let outcome = deck.tape(operation).await;
    outcome.map_err(|error| sense_of(&error))
}

/// Something is done to the cartridge, no tape being dirty.
pub(crate) async fn change(deck: &Deck, change: Change) -> Result<(), Sense> {
    let load = change == Change::Load;
    let changed = deck.cartridge(change).await;
    if changed.is_err() && !load {
        // It may be one thing or the other.
        let _ = deck.cartridge(Change::Load).await;
    }
    changed.map_err(|error| sense_of(&error))
}

/// Keeps with the tape that something happened to it, if it has a place for
/// that. No tape is dirty.
pub(crate) async fn note(deck: &Deck, occasion: Occasion) -> Result<(), Sense> {
    match deck.note(occasion).await {
        Ok(()) | Err(Error::AttributesFull { .. }) => Ok(()),
        Err(error) => {
            let _ = deck.cartridge(Change::Load).await;
            Err(sense_of(&error))
        }
    }
}

/// Leaves the current partition for the beginning of another.
pub(crate) async fn change_partition(deck: &Deck, partition: usize) -> Result<(), Sense> {
    let state = deck.state().await;
    if state.partition == partition {
        return Ok(());
    }
    let _: Outcome = go(deck, Operation::Sync).await?;
    deck.mount(partition).await;
    if state.mounted & 1 << partition != 0 {
        return go(deck, Operation::Rewind).await.map(|_| ());
    }
    let loaded = go(deck, Operation::Load).await;
    if loaded.is_err() {
        deck.dismount().await;
        deck.mount(state.partition).await;
    }
    loaded.map(|_| ())
}
