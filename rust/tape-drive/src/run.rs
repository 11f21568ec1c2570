// SPDX-License-Identifier: GPL-2.0-or-later
//! A command or task from its beginning to its end. Its future owns the core
//! while it runs, and gives it back.

use tape_image::{Operate, Operation, Outcome, Port};

use crate::cartridge::Slot;
use crate::command::{Call, Length, Run, Transfer, LOADS, LOADS_ALL, MOVES, UNPARKS, WRITES};
use crate::core::{Core, Progress};
use crate::done::{Done, Status, Task};
use crate::sense::{Key, Refusal, Sense};

/// What is to be run.
pub(crate) enum Job {
    Command(Call),
    /// A command that something is wrong with.
    Refused(Refusal),
    Task(Task),
}

impl Operate for Core {
    type Operation = Job;
    type Outcome = Done;

    /// The port is the core's own, which procedures use.
    async fn operate(&mut self, _: &Port, job: Job) -> Done {
        run(self, job).await
    }
}

async fn run(core: &mut Core, job: Job) -> Done {
    core.progress = Progress::default();
    let slot = core.slot.as_ref();
    let from = slot.and_then(Slot::address);
    let from_byte = slot.and_then(Slot::byte);
    let resume = slot.map_or((0, 0), |slot| slot.resume);
    let mut result = match &job {
        Job::Command(call) => command(core, call).await,
        Job::Refused(refusal) => return end(core, Err(*refusal)),
        Job::Task(task) => self::task(core, *task).await.map_err(Refusal::from),
    };
    let stopped = core.progress.stopped;
    if stopped {
        core.port.resume();
        result = core.go_back(from, resume).await.map_err(Refusal::from);
    }
    core.count_passes(from_byte);
    let mut data_in = 0;
    match &job {
        Job::Command(call) => {
            if matches!(call.transfer, Transfer::In(_)) {
                data_in = core.progress.data_in.min(call.room);
            }
            if matches!(call.entry.length, Length::Read(_)) {
                core.counters.count_sent(data_in);
            }
            if !stopped {
                note_partly(core, call, &result);
            }
        }
        // Whoever began the task isn't whose data is lost.
        Job::Task(_) => match result {
            Err(Refusal::Sense(sense)) if sense.deferred => core.deferred = Some(sense),
            _ => {}
        },
        Job::Refused(_) => {}
    }
    let mut done = end(core, result);
    done.data_in = data_in;
    done.tray = core.progress.tray;
    done.interrupted = stopped && done.status == Status::Good;
    done
}

fn end(core: &mut Core, result: Result<(), Refusal>) -> Done {
    let (status, cause) = match result {
        Ok(()) => (Status::Good, None),
        Err(Refusal::Conflict) => (Status::ReservationConflict, None),
        Err(Refusal::Sense(sense)) => {
            core.alert(&sense);
            (Status::CheckCondition, Some(sense))
        }
    };
    let descriptor = core.modes.descriptor_sense();
    Done {
        status,
        sense: cause.map_or_else(Vec::new, |sense| sense.to_bytes(descriptor)),
        cause,
        data_in: 0,
        tray: None,
        interrupted: false,
    }
}

async fn command(core: &mut Core, call: &Call) -> Result<(), Refusal> {
    let entry = call.entry;
    if entry.has(MOVES | WRITES) {
        core.progress.overwrite = std::mem::take(&mut core.overwrite);
    }
    if core.config.autoload_after_unload && entry.has(UNPARKS) {
        core.unpark();
    }
    let reply = match entry.run {
        Run::Tape(procedure) => return Ok(procedure(core, call).await?),
        Run::Reply(reply) => reply,
    };
    let data = match call.transfer {
        Transfer::Out(bytes) => core.copy(0..bytes as usize).await?,
        _ => Vec::new(),
    };
    if entry.has(LOADS) && core.ready().await.is_ok() && entry.effects & LOADS_ALL == LOADS_ALL {
        core.load_partitions().await?;
    }
    if core.progress.stopped {
        return Ok(());
    }
    let reply = reply(core, call, &data)?;
    if let Transfer::In(bytes) = call.transfer {
        core.send(reply, bytes).await;
    }
    Ok(())
}

async fn task(core: &mut Core, task: Task) -> Result<(), Sense> {
    let loaded = core.slot.as_ref().is_some_and(|slot| slot.loaded);
    match task {
        Task::Unload => {
            core.flush_partitions().await?;
            core.note_unload().await
        }
        Task::Sync if loaded => {
            let _: Outcome = core.tape(Operation::Sync).await?;
            Ok(())
        }
        Task::Sync => Ok(()),
    }
}

/// After a command that has moved the tape, or tried to, the position is
/// between records, unless the command says otherwise.
fn note_partly(core: &mut Core, call: &Call, result: &Result<(), Refusal>) {
    let refused = matches!(result, Err(Refusal::Sense(sense))
        if matches!(sense.key, Key::IllegalRequest | Key::NotReady));
    if let Some(partly) = core.progress.partly {
        core.partly = partly;
    } else if call.entry.has(MOVES | WRITES) && !refused {
        core.partly = 0;
    }
}
