// SPDX-License-Identifier: GPL-2.0-or-later
//! A SCSI tape drive: [`tape_drive::Drive`] for C.
//!
//! Order of calls: new; insert; then for each command start, and after it and after every
//! complete: poll until it gives nothing more, poll_done. One caller at a time for each drive.

use std::ffi::{c_char, c_int, CStr, CString};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr;
use std::slice;

use tape_drive::{
    asc, Action, Completion, Config, Done, Drive, Error, Format, IoError, Key, Medium, Request,
    RequestId, Sense, Status, Task, Tray, Truncation,
};

use crate::error::{AnnexError, BoxError};
use crate::guard::{fallible, infallible};

/// Bytes of the longest transfer that a command may announce.
pub const ANNEX_TAPE_TRANSFER_MAX: usize = 64 << 20;
const _: () = assert!(ANNEX_TAPE_TRANSFER_MAX as u64 == tape_drive::TRANSFER_MAX);

/// Bytes of the longest sense data.
pub const ANNEX_TAPE_SENSE_MAX: usize = 96;

/// A drive. Calls for one drive must not overlap; they may come from different threads.
pub struct AnnexTape {
    drive: Drive,
    /// The command's data buffer; the caller's until the command has ended.
    data: *mut u8,
    /// I/O that is out: what is lent to it must stay where it is.
    out: Vec<Out>,
    next_id: u64,
    message: Option<CString>,
    /// A command or task was begun, and its end not yet told.
    busy: bool,
    /// A panic left the drive in the middle of something: every command ends with HARDWARE ERROR
    /// from now on, and the image isn't touched any more.
    broken: bool,
}

struct Out {
    id: u64,
    request: RequestId,
    /// Bytes asked for; 0 for what has no data.
    length: usize,
    buf: Vec<u8>,
}

/// The properties of a drive. NULL or 0 stand for the default.
#[repr(C)]
pub struct AnnexTapeConfig {
    /// T10 vendor identification, up to 8 characters of ASCII.
    pub vendor: *const c_char,
    /// Product identification, up to 16.
    pub product: *const c_char,
    /// Product revision level, up to 4.
    pub revision: *const c_char,
    /// Unit serial number, up to 36; NULL: none.
    pub serial: *const c_char,
    /// Image format: "auto", "simh", "e11" or "aws"; NULL is "auto".
    pub format: *const c_char,
    /// NAA identifier; 0: none.
    pub wwn: u64,
    /// Bytes of a cartridge; 0: that of the density's cartridges.
    pub capacity: u64,
    /// Bytes before its end from which writes are warned of; 0: a sixteenth, at most 256 MiB.
    pub early_warning: u64,
    /// Block length at power on in bytes; 0: variable.
    pub block_length: u32,
    /// Density code; 0: LTO-5's.
    pub density: u8,
    /// Cartridges are write once, read many.
    pub worm: bool,
    /// The bus can queue commands.
    pub command_queuing: bool,
    /// What the data compression page says at power on.
    pub compression: bool,
    /// Keep an index in the image.
    pub index: bool,
}

/// How an image can be cut.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexTapeTruncation {
    /// To the byte.
    Exact,
    /// To sectors of 512 bytes.
    Sectors,
    /// Not at all.
    Never,
}

/// An image.
#[repr(C)]
pub struct AnnexTapeMedium {
    /// In bytes, exactly.
    pub length: u64,
    /// An AnnexTapeTruncation.
    pub truncation: c_int,
    /// Write-protected.
    pub read_only: bool,
}

/// What is to be done to the image.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexTapeIoKind {
    /// Read into `data`.
    Read,
    /// Write `data`.
    Write,
    /// Bring everything completed so far to stable storage.
    Flush,
    /// Make the image `offset` bytes long.
    Truncate,
}

/// Memory, part of an I/O request.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AnnexTapeData {
    /// Its first byte; anything if `len` is 0.
    pub base: *mut u8,
    /// In bytes.
    pub len: usize,
}

/// An I/O request. Its memory is the drive's, or in the command's buffer, and stays until
/// annex_tape_complete(). Requests that are out together don't overlap and may be carried out in
/// any order.
#[repr(C)]
pub struct AnnexTapeIo {
    /// For annex_tape_complete().
    pub id: u64,
    /// What to do.
    pub kind: AnnexTapeIoKind,
    /// In the image, in bytes.
    pub offset: u64,
    /// One after the other at `offset`.
    pub data: [AnnexTapeData; 2],
}

/// What a drive does for its owner.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexTapeTask {
    /// Bring everything acknowledged to stable storage.
    Sync,
    /// That, and the index.
    Unload,
}

/// Where a command has moved the tray.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexTapeTray {
    /// Nowhere.
    Unmoved,
    /// Out.
    Opened,
    /// In.
    Closed,
}

/// A command's end.
#[repr(C)]
pub struct AnnexTapeDone {
    /// SAM-5's status code.
    pub status: u8,
    /// Sense key, with CHECK CONDITION.
    pub sense_key: u8,
    /// Additional sense code.
    pub asc: u8,
    /// Its qualifier.
    pub ascq: u8,
    /// Bytes of `sense`; 0 unless CHECK CONDITION.
    pub sense_len: u8,
    /// Sense data, in the format that D_SENSE asks for.
    pub sense: [u8; ANNEX_TAPE_SENSE_MAX],
    /// D_SENSE of the control mode page as it is now.
    pub descriptor_sense: bool,
    /// Bytes of data in, at the beginning of the buffer.
    pub data_in: usize,
    /// What became of the tray.
    pub tray: AnnexTapeTray,
    /// A unit attention for the initiator with number 0 that the command gave rise to: code and
    /// qualifier; 0: none.
    pub attention: u16,
    /// Not carried out, and nothing has changed, for annex_tape_interrupt() was called.
    pub interrupted: bool,
    /// What is wrong with the image, for the log; else NULL. Valid until the next call.
    pub message: *const c_char,
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
        Ok(Box::into_raw(Box::new(AnnexTape {
            drive,
            data: ptr::null_mut(),
            out: Vec::new(),
            next_id: 0,
            message: None,
            busy: false,
            broken: false,
        })))
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, ptr::null_mut(), body) }
}

impl AnnexTapeConfig {
    /// # Safety
    /// The strings are NULL or end in NUL.
    unsafe fn to_rust(&self) -> Result<Config, BoxError> {
        let string = |pointer: *const c_char, name: &str| -> Result<Option<String>, BoxError> {
            if pointer.is_null() {
                return Ok(None);
            }
            // SAFETY: ends in NUL, says the caller.
            let string = unsafe { CStr::from_ptr(pointer) }.to_str();
            let string = string.map_err(|_| format!("{name} isn't UTF-8"))?;
            Ok(Some(string.to_owned()))
        };
        let default = Config::default();
        let format = match string(self.format, "format")?.as_deref() {
            None | Some("auto") => None,
            Some("simh") => Some(Format::Simh),
            Some("e11") => Some(Format::E11),
            Some("aws") => Some(Format::Aws),
            Some(other) => {
                return Err(format!("format '{other}' is none of auto, simh, e11 and aws").into())
            }
        };
        let or = |value, default| if value == 0 { default } else { value };
        let density = match self.density {
            0 => default.density,
            code => code,
        };
        let capacity = or(self.capacity, tape_drive::nominal_capacity(density));
        Ok(Config {
            vendor: string(self.vendor, "vendor")?.unwrap_or(default.vendor),
            product: string(self.product, "product")?.unwrap_or(default.product),
            revision: string(self.revision, "ver")?.unwrap_or(default.revision),
            serial: string(self.serial, "serial")?,
            wwn: self.wwn,
            capacity,
            early_warning: or(self.early_warning, (capacity / 16).min(256 << 20)),
            block_length: self.block_length,
            density,
            worm: self.worm,
            command_queuing: self.command_queuing,
            compression: self.compression,
            format,
            index: self.index,
        })
    }
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
    body: impl FnOnce(&mut AnnexTape) -> T,
) -> T {
    // SAFETY: as the caller says.
    let tape = unsafe { &mut *tape };
    if tape.broken {
        return default;
    }
    infallible(name, default, || {
        match catch_unwind(AssertUnwindSafe(|| body(tape))) {
            Ok(value) => value,
            Err(panic) => {
                tape.broken = true;
                resume_unwind(panic)
            }
        }
    })
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

/// Whether something was acknowledged that is not on stable storage.
///
/// # Safety
/// `tape` is alive.
#[no_mangle]
pub unsafe extern "C" fn annex_tape_is_dirty(tape: *mut AnnexTape) -> bool {
    // SAFETY: alive, says the caller.
    unsafe {
        call("annex_tape_is_dirty", tape, false, |tape| {
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
    initiator: u32,
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
            tape.drive.start(cdb, initiator, data_len);
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
    let request = unsafe { call("annex_tape_poll", tape, None, AnnexTape::poll) };
    let Some(request) = request else { return false };
    // SAFETY: valid for writing, says the caller.
    unsafe { io.write(request) };
    true
}

impl AnnexTape {
    fn poll(&mut self) -> Option<AnnexTapeIo> {
        loop {
            let request = match self.drive.poll()? {
                Action::Io(request) => request,
                Action::Put { at, bytes } => {
                    // SAFETY: the drive keeps within the buffer, which is the command's own, and
                    // no I/O that is out touches this part of it.
                    unsafe {
                        ptr::copy_nonoverlapping(bytes.as_ptr(), self.data.add(at), bytes.len());
                    }
                    continue;
                }
            };
            if let Request::Copy { id, data, mut buf } = request {
                // SAFETY: the drive keeps within the buffer, and nothing is being read into it.
                let bytes = unsafe { slice::from_raw_parts(self.data.add(data.start), data.len()) };
                buf.extend_from_slice(bytes);
                self.drive.handle(Completion {
                    id,
                    result: Ok(bytes.len()),
                    buf,
                });
                continue;
            }
            return Some(self.io(request));
        }
    }

    fn io(&mut self, request: Request) -> AnnexTapeIo {
        let id = self.next_id;
        self.next_id += 1;
        let of = |data: *mut u8, range: &std::ops::Range<usize>| AnnexTapeData {
            base: data.wrapping_add(range.start),
            len: range.len(),
        };
        let none = AnnexTapeData {
            base: ptr::null_mut(),
            len: 0,
        };
        let (request, kind, offset, data, buf) = match request {
            Request::Read {
                id,
                offset,
                data,
                mut buf,
                skip,
            } => {
                // The vector's memory stays where it is when the vector moves.
                let part = &mut buf[skip..];
                let second = AnnexTapeData {
                    base: part.as_mut_ptr(),
                    len: part.len(),
                };
                let data = [of(self.data, &data), second];
                (id, AnnexTapeIoKind::Read, offset, data, buf)
            }
            Request::Write {
                id,
                offset,
                mut head,
                data,
            } => {
                let first = AnnexTapeData {
                    base: head.as_mut_ptr(),
                    len: head.len(),
                };
                let data = [first, of(self.data, &data)];
                (id, AnnexTapeIoKind::Write, offset, data, head)
            }
            Request::Flush { id } => (id, AnnexTapeIoKind::Flush, 0, [none; 2], Vec::new()),
            Request::Truncate { id, length } => {
                (id, AnnexTapeIoKind::Truncate, length, [none; 2], Vec::new())
            }
            Request::Copy { .. } => unreachable!("carried out by the caller"),
        };
        self.out.push(Out {
            id,
            request,
            length: data[0].len + data[1].len,
            buf,
        });
        AnnexTapeIo {
            id,
            kind,
            offset,
            data,
        }
    }
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
            let slot = tape.out.iter().position(|out| out.id == id);
            let out = tape.out.swap_remove(slot.expect("an id that is out"));
            tape.drive.handle(Completion {
                id: out.request,
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
            Some(tape.report(ended))
        })
    };
    // SAFETY: alive, says the caller.
    let tape = unsafe { &mut *tape };
    let ended = match ended {
        None if tape.broken && tape.busy => broken(),
        None => return false,
        Some(ended) => ended,
    };
    tape.busy = false;
    tape.data = ptr::null_mut();
    // SAFETY: valid for writing, says the caller.
    unsafe { done.write(ended) };
    true
}

/// How every command of a broken drive ends.
fn broken() -> AnnexTapeDone {
    let cause = Sense::new(Key::HardwareError, asc::INTERNAL_FAILURE);
    describe(&Done {
        status: Status::CheckCondition,
        sense: cause.to_bytes(false),
        cause: Some(cause),
        data_in: 0,
        tray: None,
        attentions: Vec::new(),
        interrupted: false,
    })
}

/// `done` for C, without what only the drive knows.
fn describe(done: &Done) -> AnnexTapeDone {
    let mut sense = [0; ANNEX_TAPE_SENSE_MAX];
    let sense_len = done.sense.len().min(sense.len());
    sense[..sense_len].copy_from_slice(&done.sense[..sense_len]);
    let [asc, ascq] = done.cause.map_or(0, |cause| cause.asc).to_be_bytes();
    AnnexTapeDone {
        status: done.status as u8,
        sense_key: done.cause.map_or(0, |cause| cause.key as u8),
        asc,
        ascq,
        sense_len: sense_len as u8,
        sense,
        descriptor_sense: false,
        data_in: done.data_in,
        tray: match done.tray {
            None => AnnexTapeTray::Unmoved,
            Some(Tray::Unloaded) => AnnexTapeTray::Opened,
            Some(Tray::Loaded) => AnnexTapeTray::Closed,
        },
        attention: done
            .attentions
            .iter()
            .find(|attention| attention.initiator == Some(0))
            .map_or(0, |attention| attention.asc),
        interrupted: done.interrupted,
        message: ptr::null(),
    }
}

impl AnnexTape {
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
        unsafe { &mut *tape }.drive.restore(state)?;
        Ok(true)
    };
    // SAFETY: `err` is as it must be, says the caller.
    unsafe { fallible(err, false, body) }
}
