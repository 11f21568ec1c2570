// SPDX-License-Identifier: GPL-2.0-or-later
//! The cartridge in the drive: where it stands, its partitions, and what is
//! known of it.

use tape_image::{Operation, Outcome, Tape};

use crate::deck::{Deck, State, TapeState};
use crate::failure::sense_of;
use crate::{asc, Config, Key, Medium, Sense};

/// Where a cartridge is that is in the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// At the heads.
    Loaded,
    /// At the hold point: LOAD brings it back.
    Held,
    /// Pushed out, and not taken away. LOAD brings it back too.
    Unloaded,
}

/// The cartridge in the drive.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) medium: Medium,
    pub(crate) standing: Standing,
    /// It has been read.
    pub(crate) loaded: bool,
    /// Partition and object to begin at.
    pub(crate) resume: (usize, u64),
    pub(crate) partition: usize,
    /// Each partition's, from its first use on.
    pub(crate) tapes: Vec<Option<Tape>>,
}

impl Slot {
    pub(crate) fn new(medium: Medium) -> Self {
        Self {
            medium,
            standing: Standing::Loaded,
            loaded: false,
            resume: (0, 0),
            partition: 0,
            tapes: Vec::new(),
        }
    }

    /// Makes a partition the current one, and a tape for it if it has none.
    pub(crate) fn mount(&mut self, config: &Config, partition: usize) {
        if self.tapes.len() <= partition {
            self.tapes.resize_with(partition + 1, || None);
        }
        self.partition = partition;
        let config = tape_config(config, &self.medium);
        self.tapes[partition].get_or_insert_with(|| Tape::new(config));
    }

    /// Forgets the current partition's tape; the last one, all that is known
    /// of the cartridge.
    pub(crate) fn dismount(&mut self) {
        if let Some(tape) = self.tapes.get_mut(self.partition) {
            *tape = None;
        }
        self.loaded &= self.tapes.iter().any(Option::is_some);
    }

    /// The current partition's tape.
    pub(crate) fn tape(&self) -> Option<&Tape> {
        self.tapes.get(self.partition)?.as_ref()
    }

    pub(crate) fn tape_mut(&mut self) -> Option<&mut Tape> {
        self.tapes.get_mut(self.partition)?.as_mut()
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.tapes.iter().flatten().any(Tape::is_dirty)
    }

    pub(crate) fn state(&self) -> State {
        let used = |(number, tape): (usize, &Option<Tape>)| tape.as_ref().map(|_| number);
        State {
            standing: Some(self.standing),
            loaded: self.loaded,
            prevented: false,
            resume: self.resume,
            partition: self.partition,
            partitions: 1,
            mounted: self.tapes.iter().enumerate().filter_map(used).collect(),
        }
    }

    pub(crate) fn tape_state(&self) -> TapeState {
        let Some(tape) = self.tape() else {
            return TapeState::default();
        };
        TapeState {
            partition: self.partition,
            position: tape.position(),
            end: tape.end().map(|(position, _)| position),
            used: tape.used(),
            capacity: tape.capacity(),
            unsynced: tape.unsynced(),
        }
    }
}

fn tape_config(config: &Config, medium: &Medium) -> tape_image::Config {
    tape_image::Config {
        truncation: medium.truncation,
        format: config.format,
        read_only: medium.read_only,
        capacity: (config.capacity != u64::MAX).then_some(config.capacity),
        save_index: config.index,
        ..tape_image::Config::new(medium.length)
    }
}

/// NOT READY, unless there is a cartridge at the heads.
pub(crate) fn present(state: &State) -> Result<(), Sense> {
    match state.standing {
        Some(Standing::Loaded) => Ok(()),
        Some(Standing::Held) => Err(Sense::new(
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
    let (partition, object) = state.resume;
    deck.mount(partition).await;
    let mut result = deck.tape(Operation::Load).await;
    if result.is_ok() && object > 0 {
        result = deck.tape(Operation::Locate(object)).await;
    }
    match result {
        Ok(Outcome::Moved { left, .. }) if left > 0 => {
            // It isn't the tape that it was. Said once.
            deck.loaded().await;
            return Err(Sense::new(Key::MediumError, asc::BLOCK_SEQUENCE_ERROR));
        }
        Ok(_) => deck.loaded().await,
        Err(error) => {
            // It is tried again by the next command.
            deck.dismount().await;
            return Err(sense_of(&error));
        }
    }
    Ok(())
}

/// Leaves the current partition for the beginning of another.
pub(crate) async fn change_partition(deck: &Deck, partition: usize) -> Result<(), Sense> {
    let state = deck.state().await;
    if state.partition == partition {
        return Ok(());
    }
    let sync = deck.tape(Operation::Sync).await;
    let _: Outcome = sync.map_err(|error| sense_of(&error))?;
    deck.mount(partition).await;
    if state.mounted.contains(&partition) {
        let rewound = deck.tape(Operation::Rewind).await;
        return rewound.map(|_| ()).map_err(|error| sense_of(&error));
    }
    let loaded = deck.tape(Operation::Load).await;
    if let Err(error) = loaded {
        deck.dismount().await;
        deck.mount(state.partition).await;
        return Err(sense_of(&error));
    }
    Ok(())
}
