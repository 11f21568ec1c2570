// SPDX-License-Identifier: GPL-2.0-or-later
//! A SCSI tape drive: [`tape_drive::Drive`] for C.
//!
//! Order of calls: new; insert; then for each command start, and after it and after every
//! complete: poll until it gives nothing more, poll_done. One caller at a time for each drive.

use std::ffi::{c_int, CString};
use std::ptr;
use std::slice;

use tape_drive::{Completion, Done, Drive, Error, IoError, Medium, RequestId, Task, Truncation};

use crate::error::AnnexError;
use crate::guard::{fallible, infallible, Guarded};

mod io;
pub mod types;

use types::{
    broken, describe, AnnexTapeConfig, AnnexTapeDone, AnnexTapeIo, AnnexTapeMedium, AnnexTapeTask,
    AnnexTapeTruncation,
};

/// Bytes of the longest transfer that a command may announce.
pub const ANNEX_TAPE_TRANSFER_MAX: usize = 64 << 20;
const _: () = assert!(ANNEX_TAPE_TRANSFER_MAX as u64 == tape_drive::TRANSFER_MAX);

/// A drive. Calls for one drive must not overlap; they may come from different threads.
pub struct AnnexTape {
    /// After an internal error every command ends with HARDWARE ERROR, and the image isn't
    /// touched any more.
    state: Guarded<State>,
    /// A command or task was begun, and its end not yet told.
    busy: bool,
}

struct State {
    drive: Drive,
    /// The command's data buffer; the caller's until the command has ended.
    data: *mut u8,
    /// I/O that is out: what is lent to it must stay where it is.
    out: Vec<Out>,
    message: Option<CString>,
}

struct Out {
    id: RequestId,
    /// Bytes asked for; 0 for what has no data.
    length: usize,
    buf: Vec<u8>,
}

/// Makes a drive. Copies `config`. NULL on failure; else freed with annex_tape_free().
///
/// # Safety
/// `config` points to a valid structure whose strings are NULL or end in NUL; `err` is NULL or
/// valid for writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_new(
    config: *const AnnexTapeConfig,
    err: *mut *mut AnnexError,
) -> *mut AnnexTape {
    let body = || {
        // SAFETY: valid, says the caller.
        let drive = Drive::new(unsafe { (*config).to_rust() }?)?;
        let state = State {
            drive,
            data: ptr::null_mut(),
            out: Vec::new(),
            message: None,
        };
        Ok(Box::into_raw(Box::new(AnnexTape {
            state: Guarded::new("the tape drive", state),
            busy: false,
        })))
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, ptr::null_mut(), body) }
}

/// Frees a drive; NULL is allowed and does nothing. What isn't synced is lost.
///
/// # Safety
/// `tape` came from annex_tape_new() and wasn't freed; no I/O of it is under way.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_free(tape: *mut AnnexTape) {
    infallible("annex_tape_free", (), || {
        if !tape.is_null() {
            // SAFETY: ours, and given back, says the caller.
            drop(unsafe { Box::from_raw(tape) });
        }
    });
}

/// Runs `body` on the drive; if that is broken, or breaks, gives `default`.
///
/// # Safety
/// `tape` is alive, and nobody else's during the call.
unsafe fn call<T>(
    name: &str,
    tape: *mut AnnexTape,
    default: T,
    body: impl FnOnce(&mut State) -> T,
) -> T {
    // SAFETY: as the caller says.
    let state = unsafe { &mut (*tape).state };
    infallible(name, None, || state.run(body).ok()).unwrap_or(default)
}

/// Puts a cartridge in, instead of the one that may be there. Not while the drive is busy.
///
/// # Safety
/// `tape` is alive; `medium` points to a valid structure.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_insert(tape: *mut AnnexTape, medium: *const AnnexTapeMedium) {
    // SAFETY: valid, says the caller.
    let medium = unsafe { &*medium };
    // SAFETY: alive, says the caller.
    unsafe {
        call("annex_tape_insert", tape, (), |tape| {
            use Truncation::{Exact, Never, Sectors};
            let truncation = match medium.truncation {
                t if t == AnnexTapeTruncation::Exact as c_int => Exact,
                t if t == AnnexTapeTruncation::Sectors as c_int => Sectors,
                _ => Never,
            };
            tape.drive.insert(Medium {
                length: medium.length,
                truncation,
                read_only: medium.read_only,
            });
        })
    };
}

/// Takes the cartridge out. Not while the drive is busy. What isn't synced is lost.
///
/// # Safety
/// `tape` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_remove(tape: *mut AnnexTape) {
    // SAFETY: alive, says the caller.
    unsafe { call("annex_tape_remove", tape, (), |tape| tape.drive.remove()) };
}

/// Whether PREVENT ALLOW MEDIUM REMOVAL is in force.
///
/// # Safety
/// `tape` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_is_removal_prevented(tape: *mut AnnexTape) -> bool {
    // SAFETY: alive, says the caller.
    unsafe {
        call("annex_tape_is_removal_prevented", tape, false, |tape| {
            tape.drive.removal_prevented()
        })
    }
}

/// Lifts the prevention of removal.
///
/// # Safety
/// `tape` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_allow_removal(tape: *mut AnnexTape) {
    // SAFETY: alive, says the caller.
    unsafe {
        call("annex_tape_allow_removal", tape, (), |tape| {
            tape.drive.allow_removal()
        })
    };
}

/// Whether something was acknowledged that is not on stable storage. A drive that an internal
/// error has broken may always have something.
///
/// # Safety
/// `tape` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_is_dirty(tape: *mut AnnexTape) -> bool {
    // SAFETY: alive, says the caller.
    unsafe {
        call("annex_tape_is_dirty", tape, true, |tape| {
            tape.drive.is_dirty()
        })
    }
}

/// Whether a command or task is under way. I/O may be, all the same, if not.
///
/// # Safety
/// `tape` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_is_busy(tape: *mut AnnexTape) -> bool {
    // SAFETY: alive, says the caller.
    unsafe { (*tape).busy }
}

/// Logical unit reset. Not while the drive is busy. The position stays.
///
/// # Safety
/// `tape` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_reset(tape: *mut AnnexTape) {
    // SAFETY: alive, says the caller.
    unsafe { call("annex_tape_reset", tape, (), |tape| tape.drive.reset()) };
}

/// The block length that fixed transfers count in, in bytes.
///
/// # Safety
/// `tape` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_block_length(tape: *mut AnnexTape) -> u32 {
    // SAFETY: alive, says the caller.
    unsafe {
        call("annex_tape_block_length", tape, 0, |tape| {
            tape.drive.block_length()
        })
    }
}

/// Bytes of the data buffer that the command wants, which may be more than it transfers; 0 for
/// none.
///
/// # Safety
/// `tape` is alive; `cdb` has `cdb_len` bytes.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_buffer_length(
    tape: *mut AnnexTape,
    cdb: *const u8,
    cdb_len: usize,
) -> usize {
    // SAFETY: as long as that, says the caller.
    let cdb = unsafe { slice::from_raw_parts(cdb, cdb_len) };
    // SAFETY: alive, says the caller.
    unsafe {
        call("annex_tape_buffer_length", tape, 0, |tape| {
            tape.drive.buffer_length(cdb)
        })
    }
}

/// Begins a command; the drive isn't busy. `data_len`: bytes of data out, which are at the
/// beginning of `data`, or room for data in.
///
/// # Safety
/// `tape` is alive; `cdb` has `cdb_len` bytes; `data` is valid for as many bytes as
/// annex_tape_buffer_length() says, and nobody else's, until the command has ended.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_start(
    tape: *mut AnnexTape,
    cdb: *const u8,
    cdb_len: usize,
    data: *mut u8,
    data_len: usize,
) {
    // SAFETY: as long as that, says the caller.
    let cdb = unsafe { slice::from_raw_parts(cdb, cdb_len) };
    // SAFETY: alive, says the caller.
    unsafe {
        (*tape).busy = true;
        call("annex_tape_start", tape, (), |tape| {
            tape.data = data;
            tape.message = None;
            tape.drive.start(cdb, data_len);
        })
    };
}

/// Begins a task; the drive isn't busy.
///
/// # Safety
/// `tape` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_start_task(tape: *mut AnnexTape, task: c_int) {
    // SAFETY: alive, says the caller.
    unsafe {
        (*tape).busy = true;
        call("annex_tape_start_task", tape, (), |tape| {
            tape.data = ptr::null_mut();
            tape.drive
                .start_task(if task == AnnexTapeTask::Unload as c_int {
                    Task::Unload
                } else {
                    Task::Sync
                });
        })
    };
}

/// Asks a command that hasn't changed anything to end without being carried out.
///
/// # Safety
/// `tape` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_interrupt(tape: *mut AnnexTape) {
    // SAFETY: alive, says the caller.
    unsafe {
        call("annex_tape_interrupt", tape, (), |tape| {
            tape.drive.interrupt()
        })
    };
}

/// Writes the next I/O request to `*io`. False: there is none before the next complete or start.
///
/// # Safety
/// `tape` is alive; `io` is valid for writing.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_poll(tape: *mut AnnexTape, io: *mut AnnexTapeIo) -> bool {
    // SAFETY: alive, says the caller.
    let request = unsafe { call("annex_tape_poll", tape, None, State::poll) };
    let Some(request) = request else { return false };
    // SAFETY: valid for writing, says the caller.
    unsafe { io.write(request) };
    true
}

/// An I/O request has ended: `result` is a negative errno, or for a read the bytes that the image
/// had there, fewer than asked for at its end only, else 0.
///
/// # Safety
/// `tape` is alive; `id` came from annex_tape_poll() and wasn't completed.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_complete(tape: *mut AnnexTape, id: u64, result: c_int) {
    // SAFETY: alive, says the caller.
    unsafe {
        call("annex_tape_complete", tape, (), |tape| {
            let slot = tape.out.iter().position(|out| out.id.number() == id);
            let out = tape.out.swap_remove(slot.expect("an id that is out"));
            tape.drive.handle(Completion {
                id: out.id,
                result: if result < 0 {
                    Err(IoError(-result))
                } else {
                    Ok(out.length.min(result as usize))
                },
                buf: out.buf,
            });
        })
    };
}

/// Writes a command's or task's end to `*done`, once. False: it hasn't ended.
///
/// # Safety
/// `tape` is alive; `done` is valid for writing.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_poll_done(
    tape: *mut AnnexTape,
    done: *mut AnnexTapeDone,
) -> bool {
    // SAFETY: alive, says the caller.
    let ended = unsafe {
        call("annex_tape_poll_done", tape, None, |tape| {
            let ended = tape.drive.poll_done()?;
            tape.data = ptr::null_mut();
            Some(tape.report(ended))
        })
    };
    // SAFETY: alive, says the caller.
    let tape = unsafe { &mut *tape };
    let ended = match ended {
        None if tape.state.is_broken() && tape.busy => broken(),
        None => return false,
        Some(ended) => ended,
    };
    tape.busy = false;
    // SAFETY: valid for writing, says the caller.
    unsafe { done.write(ended) };
    true
}

impl State {
    fn report(&mut self, done: Done) -> AnnexTapeDone {
        self.message = match self.drive.failure() {
            // What the guest may do at any time is nothing for the log.
            None | Some(Error::ReadOnly | Error::FormatReadOnly | Error::Interrupted) => None,
            Some(error) => CString::new(error.to_string()).ok(),
        };
        AnnexTapeDone {
            descriptor_sense: self.drive.descriptor_sense(),
            message: self.message.as_ref().map_or(ptr::null(), |m| m.as_ptr()),
            ..describe(&done)
        }
    }
}

/// The drive's state, for annex_tape_restore() on another machine; its length in bytes goes to
/// `*length`. Freed with annex_tape_free_state(). The drive is neither busy nor dirty.
///
/// # Safety
/// `tape` is alive; `length` is valid for writing.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_save(tape: *mut AnnexTape, length: *mut usize) -> *mut u8 {
    // SAFETY: alive, says the caller.
    let state = unsafe {
        call("annex_tape_save", tape, Vec::new(), |tape| {
            tape.drive.save()
        })
    };
    let state = state.into_boxed_slice();
    // SAFETY: valid for writing, says the caller.
    unsafe { length.write(state.len()) };
    Box::into_raw(state).cast()
}

/// Frees what annex_tape_save() gave.
///
/// # Safety
/// `state` and `length` came from annex_tape_save().
#[no_mangle]
pub unsafe extern "C" fn annex_tape_free_state(state: *mut u8, length: usize) {
    infallible("annex_tape_free_state", (), || {
        if !state.is_null() {
            // SAFETY: a boxed slice of that length, says the caller.
            drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(state, length)) });
        }
    });
}

/// Takes the state of another drive over, before the first command. Anybody's bytes are safe.
///
/// # Safety
/// `tape` is alive; `state` has `length` bytes, or `length` is 0; `err` is NULL or valid for
/// writing a pointer.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_restore(
    tape: *mut AnnexTape,
    state: *const u8,
    length: usize,
    err: *mut *mut AnnexError,
) -> bool {
    let body = || {
        let state = if length == 0 {
            &[]
        } else {
            // SAFETY: as long as that, says the caller.
            unsafe { slice::from_raw_parts(state, length) }
        };
        // SAFETY: alive, says the caller.
        let drive = unsafe { &mut (*tape).state };
        drive.run(|tape| tape.drive.restore(state))??;
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{annex_error_free, annex_error_message};
    use std::ffi::CStr;

    /// A drive of the defaults.
    fn new() -> *mut AnnexTape {
        // SAFETY: NULL and 0 are allowed for every member.
        let config: AnnexTapeConfig = unsafe { std::mem::zeroed() };
        // SAFETY: a valid structure, and no error is asked for.
        let tape = unsafe { annex_tape_new(&config, ptr::null_mut()) };
        assert!(!tape.is_null());
        tape
    }

    #[test]
    fn a_broken_drive_refuses_a_state_and_may_be_dirty() {
        let (tape, other) = (new(), new());
        // SAFETY: both are alive until they are freed at the end; what is lent to them outlives
        // the calls, and what they give is freed once.
        unsafe {
            let mut length = 0;
            let state = annex_tape_save(other, &mut length);
            assert!(!annex_tape_is_dirty(tape));
            assert!(annex_tape_restore(tape, state, length, ptr::null_mut()));

            // The completion of what was never asked for is an internal error.
            annex_tape_complete(tape, 7, 0);
            assert!(annex_tape_is_dirty(tape), "stop has to wait for it");
            let mut err = ptr::null_mut();
            assert!(!annex_tape_restore(tape, state, length, &mut err));
            let message = CStr::from_ptr(annex_error_message(err)).to_str().unwrap();
            let broken = "the tape drive is broken: there was an internal error";
            assert_eq!(message, broken);
            annex_error_free(err);

            // What stop does then comes to an end.
            annex_tape_start_task(tape, AnnexTapeTask::Sync as c_int);
            let mut done = std::mem::MaybeUninit::uninit();
            assert!(annex_tape_poll_done(tape, done.as_mut_ptr()));
            assert_eq!(done.assume_init().sense_key, 4);
            assert!(!annex_tape_is_busy(tape));

            annex_tape_free_state(state, length);
            annex_tape_free(other);
            annex_tape_free(tape);
        }
    }
}
