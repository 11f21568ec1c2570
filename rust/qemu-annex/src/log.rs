// SPDX-License-Identifier: GPL-2.0-or-later
//! The `log` crate's records, handed to a function of the C side.

use std::ffi::{c_char, c_void, CString};
use std::panic;
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::error::{AnnexError, BoxError};
use crate::guard;

/// How grave a log record is, gravest first.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnexLogLevel {
    /// Something failed; the user should know.
    Error = 1,
    /// Something is not as it should be, and work goes on.
    Warn = 2,
    /// A milestone.
    Info = 3,
    /// A step that a developer wants to follow.
    Debug = 4,
    /// Every single fault, batch or command.
    Trace = 5,
}

impl From<Level> for AnnexLogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }
}

/// Receives a record. `target` names the module it comes from, `message` is
/// one line or more without a newline at the end; both are valid until the
/// function returns. Called from any thread, several at a time, with locks of
/// the library held: it must not call back into the library.
pub type AnnexLogFn = unsafe extern "C" fn(
    opaque: *mut c_void,
    level: AnnexLogLevel,
    target: *const c_char,
    message: *const c_char,
);

/// Says whether records of this level are wanted right now, so that others
/// aren't even formatted. NULL wants all. Called from any thread, several at a
/// time.
pub type AnnexLogWantedFn =
    Option<unsafe extern "C" fn(opaque: *mut c_void, level: AnnexLogLevel) -> bool>;

struct CLogger {
    write: AnnexLogFn,
    wanted: AnnexLogWantedFn,
    opaque: *mut c_void,
}

// SAFETY: annex_log_init() demands functions and an `opaque` that any thread
// may use at any time.
unsafe impl Send for CLogger {}
// SAFETY: as above.
unsafe impl Sync for CLogger {}

impl Log for CLogger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        let level = metadata.level().into();
        // SAFETY: annex_log_init()'s caller vouches for the function.
        self.wanted
            .is_none_or(|wanted| unsafe { wanted(self.opaque, level) })
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = |s: String| CString::new(s.replace('\0', "\u{fffd}")).unwrap_or_default();
        let target = text(record.target().to_owned());
        let message = text(record.args().to_string());
        // SAFETY: annex_log_init()'s caller vouches for the function; the
        // strings outlive the call.
        unsafe {
            (self.write)(
                self.opaque,
                record.level().into(),
                target.as_ptr(),
                message.as_ptr(),
            );
        }
    }

    fn flush(&self) {}
}

/// Hands the library's log records, and its panics, to `write`.
///
/// `max_level` is an AnnexLogLevel, or 0 for none; graver records and those of
/// that level are handed over if `wanted` wants them.
/// `opaque` is passed to both and is never freed. To be called once; a second
/// call is an error, as is an unknown level, and changes nothing.
///
/// # Safety
/// Both functions may be called with `opaque` from any thread until the
/// process ends. `err` is NULL or valid for writing.
#[no_mangle]
pub unsafe extern "C" fn annex_log_init(
    write: AnnexLogFn,
    wanted: AnnexLogWantedFn,
    opaque: *mut c_void,
    max_level: u32,
    err: *mut *mut AnnexError,
) -> bool {
    let logger = CLogger {
        write,
        wanted,
        opaque,
    };
    // SAFETY: passed on from the caller.
    unsafe { guard::fallible(err, false, || init(logger, max_level).map(|()| true)) }
}

fn init(logger: CLogger, max_level: u32) -> Result<(), BoxError> {
    static LOGGER: OnceLock<CLogger> = OnceLock::new();

    let filter = LevelFilter::iter()
        .find(|filter| *filter as u32 == max_level)
        .ok_or_else(|| format!("log level {max_level} is not between 0 and 5"))?;
    let mut logger = Some(logger);
    let installed = LOGGER.get_or_init(|| logger.take().expect("taken once"));
    if logger.is_some() {
        return Err("logging was set up before".into());
    }
    log::set_logger(installed)?;
    log::set_max_level(filter);
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let words = guard::words(info.payload());
        log::error!("panic at {place}: {words}");
    }));
    Ok(())
}
