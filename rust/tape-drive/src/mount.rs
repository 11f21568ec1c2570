// SPDX-License-Identifier: GPL-2.0-or-later
//! Reading a cartridge, and going from one of its partitions to another.

use tape_image::container::Operation as Change;
use tape_image::{Operation, Outcome};

use crate::cartridge::Standing;
use crate::core::Core;
use crate::sense::{asc, Key, Sense};

impl Core {
    /// Sees to it that the cartridge has been read, and the position is where it
    /// was, or at the beginning.
    pub(crate) async fn ready(&mut self) -> Result<(), Sense> {
        let Some(slot) = &self.slot else {
            return Err(Sense::NO_MEDIUM);
        };
        slot.present()?;
        if slot.loaded {
            return Ok(());
        }
        let loaded = self.load(slot.resume).await;
        if loaded.is_err() && !self.slot().loaded {
            // It is tried again by the next command.
            self.progress.partly = Some(0);
            self.forget();
        }
        loaded
    }

    async fn load(&mut self, (partition, object): (usize, u64)) -> Result<(), Sense> {
        self.change(Change::Load).await?;
        let there = partition < self.slot().partitions();
        self.slot().mount(if there { partition } else { 0 });
        let _: Outcome = self.tape(Operation::Load).await?;
        let arrived = match object {
            0 => Outcome::Done,
            object => self.tape(Operation::Locate(object)).await?,
        };
        self.loaded();
        let short = matches!(arrived, Outcome::Moved { left: 1.., .. });
        if short || !there {
            self.progress.partly = Some(0);
            // It isn't the tape that it was. Said once.
            return Err(Sense::new(Key::MediumError, asc::BLOCK_SEQUENCE_ERROR));
        }
        Ok(())
    }

    /// At the beginning of partition 0 of a cartridge that has changed.
    pub(crate) async fn begin_anew(&mut self) -> Result<(), Sense> {
        self.change(Change::Load).await?;
        self.slot().mount(0);
        let _: Outcome = self.tape(Operation::Load).await?;
        self.loaded();
        Ok(())
    }

    /// Leaves the current partition for the beginning of another.
    pub(crate) async fn change_partition(&mut self, partition: usize) -> Result<(), Sense> {
        let before = self.slot().partition;
        if before == partition {
            return Ok(());
        }
        let _: Outcome = self.tape(Operation::Sync).await?;
        let known = self.slot().is_mounted(partition);
        self.slot().mount(partition);
        if known {
            return self.tape(Operation::Rewind).await.map(drop);
        }
        let loaded = self.tape(Operation::Load).await;
        if loaded.is_err() {
            self.slot().dismount();
            self.slot().mount(before);
        }
        loaded.map(drop)
    }

    /// Makes all partitions known: what a command tells of each doesn't depend on
    /// where the tape has been. One that can't be read stays unknown.
    pub(crate) async fn load_partitions(&mut self) -> Result<(), Sense> {
        let (before, count) = (self.slot().partition, self.slot().partitions());
        if (0..count).all(|partition| self.slot().is_mounted(partition)) {
            return Ok(());
        }
        let _: Outcome = self.tape(Operation::Sync).await?;
        for partition in 0..count {
            if self.slot().is_mounted(partition) {
                continue;
            }
            self.slot().mount(partition);
            if self.tape(Operation::Load).await.is_err() {
                self.slot().dismount();
            }
        }
        self.slot().mount(before);
        Ok(())
    }

    /// Leaves every partition synced and its index saved.
    pub(crate) async fn flush_partitions(&mut self) -> Result<(), Sense> {
        let Some(slot) = self.slot.as_ref().filter(|slot| slot.loaded) else {
            return Ok(());
        };
        let (before, count) = (slot.partition, slot.partitions());
        // The current one first: it may have something that isn't synced.
        let others = (0..count).filter(|&partition| partition != before);
        for partition in std::iter::once(before).chain(others) {
            if !self.slot().is_mounted(partition) {
                continue;
            }
            self.slot().mount(partition);
            let unloaded = self.tape(Operation::Unload).await;
            self.slot().mount(before);
            let _: Outcome = unloaded?;
        }
        Ok(())
    }

    /// From wherever an interrupted command was, back to where it began, or to a
    /// cartridge that isn't read and will be at `resume`.
    pub(crate) async fn go_back(
        &mut self,
        from: Option<(usize, u64)>,
        resume: (usize, u64),
    ) -> Result<(), Sense> {
        let Some((partition, object)) = from else {
            self.forget();
            if let Some(slot) = &mut self.slot {
                slot.resume = resume;
            }
            return Ok(());
        };
        if self.slot().partition != partition {
            self.slot().dismount();
            self.slot().mount(partition);
        }
        self.tape(Operation::Locate(object)).await.map(drop)
    }

    /// Brings a cartridge back that an UNLOAD has parked.
    pub(crate) fn unpark(&mut self) {
        if self.standing() == Some(Standing::Parked) {
            self.stand(Standing::Loaded);
        }
    }
}
