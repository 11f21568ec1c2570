// SPDX-License-Identifier: GPL-2.0-or-later
//! Records reach C as they were written. A test binary of its own, for a
//! process has one logger.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_void, CStr};
use std::ptr;
use std::sync::Mutex;

use qemu_annex::error::{annex_error_free, annex_error_message, AnnexError};
use qemu_annex::guard;
use qemu_annex::log::{annex_log_init, AnnexLogLevel};

type Seen = Mutex<Vec<(AnnexLogLevel, String, String)>>;

unsafe extern "C" fn write(
    opaque: *mut c_void,
    level: AnnexLogLevel,
    target: *const c_char,
    message: *const c_char,
) {
    // SAFETY: `opaque` is the static below, the strings are valid for the call.
    let (seen, target, message) = unsafe {
        (
            &*opaque.cast::<Seen>(),
            CStr::from_ptr(target),
            CStr::from_ptr(message),
        )
    };
    let text = |s: &CStr| s.to_str().unwrap().to_owned();
    let record = (level, text(target), text(message));
    seen.lock().unwrap().push(record);
}

unsafe extern "C" fn wanted(_: *mut c_void, level: AnnexLogLevel) -> bool {
    level != AnnexLogLevel::Debug
}

static SEEN: Seen = Mutex::new(Vec::new());

/// Calls annex_log_init() and gives back its error's message, if any.
fn init(max_level: u32) -> Result<(), String> {
    let opaque = ptr::from_ref(&SEEN).cast_mut().cast();
    let mut err: *mut AnnexError = ptr::null_mut();
    // SAFETY: both functions may be called from any thread, SEEN is static.
    let ok = unsafe { annex_log_init(write, Some(wanted), opaque, max_level, &mut err) };
    assert_eq!(ok, err.is_null());
    if ok {
        return Ok(());
    }
    // SAFETY: a live error, freed once.
    unsafe {
        let message = CStr::from_ptr(annex_error_message(err));
        let message = message.to_str().unwrap().to_owned();
        annex_error_free(err);
        Err(message)
    }
}

#[test]
fn records_and_panics_reach_c() {
    let error = init(6).unwrap_err();
    assert_eq!(error, "log level 6 is not between 0 and 5");
    init(AnnexLogLevel::Debug as u32).unwrap();
    let error = init(AnnexLogLevel::Debug as u32).unwrap_err();
    assert_eq!(error, "logging was set up before");

    log::warn!(target: "load", "block {} is empty", "pc.ram");
    log::trace!("above the maximum");
    log::debug!("not wanted");
    std::thread::spawn(|| log::info!(target: "thread", "a\0b"))
        .join()
        .unwrap();
    assert_eq!(guard::infallible("annex_f", 3, || panic!("late")), 3);

    let seen = SEEN.lock().unwrap();
    let [warn, info, hook, guard] = &seen[..] else {
        panic!("four records expected: {seen:?}");
    };
    let record = |level, target: &str, message: &str| (level, target.into(), message.into());
    assert_eq!(
        *warn,
        record(AnnexLogLevel::Warn, "load", "block pc.ram is empty")
    );
    assert_eq!(*info, record(AnnexLogLevel::Info, "thread", "a\u{fffd}b"));
    assert_eq!(hook.0, AnnexLogLevel::Error);
    assert!(
        hook.2.starts_with("panic at ") && hook.2.ends_with(": late"),
        "{hook:?}"
    );
    assert_eq!(guard.0, AnnexLogLevel::Error);
    assert_eq!(guard.2, "annex_f: internal error: panic: late");
}
