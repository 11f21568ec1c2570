// SPDX-License-Identifier: GPL-2.0-or-later
//! Which procedure a command has.

use tape_image::{Operation, Outcome};

use crate::call::Call;
use crate::command::Transfer as T;
use crate::deck::{Deck, Occasion, Procedure};
use crate::done::Task;
use crate::medium::{go, note, ready};
use crate::motion::{flush_partitions, load_unload, locate, rewind, space, unpark};
use crate::position::read_position;
use crate::reserve::Refusal;
use crate::state::Standing;
use crate::Sense;
use crate::{format, read, write};

/// A command, whose opcode is in the table.
pub(crate) fn command(deck: Deck, call: Call) -> Procedure {
    Box::pin(async move {
        let (deck, call) = (&deck, &call);
        if call.unparks() {
            unpark(deck).await;
        }
        match call.opcode() {
            0x00 => ready(deck).await?,
            0x01 => rewind(deck).await?,
            0x04 => format::format(deck, call).await?,
            0x08 | 0x88 => read::read(deck, call).await?,
            0x0a | 0x8a => write::write(deck, call).await?,
            0x0b => format::set_capacity(deck, call).await?,
            0x0f | 0x81 => read::reverse(deck, call).await?,
            0x10 | 0x80 => write::filemarks(deck, call).await?,
            0x11 | 0x91 => space(deck, call).await?,
            0x13 | 0x8f => read::verify(deck, call).await?,
            0x14 => read::recover(deck, call).await?,
            0x19 | 0x93 => write::erase(deck, call).await?,
            0x1b => load_unload(deck, call).await?,
            0x2b | 0x92 => locate(deck, call).await?,
            0x82 => format::allow_overwrite(deck, call).await?,
            0x34 => read_position(deck, call).await?,
            0x8d => format::write_attribute(deck, call).await?,
            _ => return parameters(deck, call).await,
        }
        Ok(())
    })
}

/// A command about the drive: parameters in or out.
async fn parameters(deck: &Deck, call: &Call) -> Result<(), Refusal> {
    let data = match call.transfer {
        T::Out(bytes) => deck.copy(0..bytes as usize).await,
        _ => Vec::new(),
    };
    if call.looks_at_tape() {
        // What is in the drive changes the answer, but not whether there is one.
        let loaded = ready(deck).await;
        if loaded.is_ok() && call.looks_at_partitions() {
            load_partitions(deck).await?;
        }
    }
    let mut reply = deck.reply(data).await?;
    if let T::In(bytes) = call.transfer {
        reply.truncate(bytes as usize);
        deck.transferred(reply.len());
        deck.put(0, reply).await;
    }
    Ok(())
}

/// Makes all partitions known: what a command tells of each doesn't depend on
/// where the tape has been. One that can't be read stays unknown.
async fn load_partitions(deck: &Deck) -> Result<(), Sense> {
    let state = deck.state().await;
    let unknown = |&partition: &usize| state.mounted & 1 << partition == 0;
    let mut unknown = (0..state.partitions).filter(unknown).peekable();
    if unknown.peek().is_none() {
        return Ok(());
    }
    let _: Outcome = go(deck, Operation::Sync).await?;
    for partition in unknown {
        deck.mount(partition).await;
        if go(deck, Operation::Load).await.is_err() {
            deck.dismount().await;
        }
    }
    deck.mount(state.partition).await;
    Ok(())
}

/// Something for the drive's owner.
pub(crate) fn task(deck: Deck, task: Task) -> Procedure {
    Box::pin(async move {
        match task {
            Task::Unload => {
                flush_partitions(&deck).await?;
                let state = deck.state().await;
                if state.loaded && state.standing == Some(Standing::Loaded) {
                    note(&deck, Occasion::Unload).await?;
                }
            }
            Task::Sync if deck.state().await.loaded => {
                let _: Outcome = go(&deck, Operation::Sync).await?;
            }
            Task::Sync => {}
        }
        Ok(())
    })
}

/// From wherever an interrupted command was, back to where it began.
pub(crate) fn restore_position(deck: Deck, from: Option<(usize, u64)>) -> Procedure {
    Box::pin(async move {
        let Some((partition, object)) = from else {
            deck.forget().await;
            return Ok(());
        };
        if deck.state().await.partition != partition {
            deck.dismount().await;
            deck.mount(partition).await;
        }
        let _: Outcome = go(&deck, Operation::Locate(object)).await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use crate::command::COMMANDS;
    use crate::driver::Runner;
    use crate::{asc, Key};

    #[test]
    fn every_command_of_the_table_is_known_here() {
        for entry in COMMANDS {
            let mut drive = Runner::blank();
            let mut cdb = vec![0; entry.usage.len()];
            cdb[0] = entry.opcode;
            cdb[1] = entry.action.unwrap_or(0);
            let cause = drive.command(&cdb, &[]).done.cause;
            let unknown = cause.is_some_and(|sense| sense.asc == asc::INVALID_OPCODE);
            assert!(!unknown, "{}", entry.name);
            let failed = cause.is_some_and(|sense| sense.key == Key::HardwareError);
            assert!(!failed, "{}", entry.name);
        }
    }
}
