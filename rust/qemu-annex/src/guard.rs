// SPDX-License-Identifier: GPL-2.0-or-later
//! The wall that panics don't pass. Every exported function whose body could
//! panic runs it under one of the two functions here.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::error::{AnnexError, BoxError};

/// Runs `body`; an error or a panic is stored in `*err`, and `failed` returned.
///
/// State that `body` shares with later calls must stay usable after a panic in
/// it: take locks that poison, or leave nothing half done.
///
/// # Safety
/// `err` is null or valid for writing a pointer.
pub unsafe fn fallible<T>(
    err: *mut *mut AnnexError,
    failed: T,
    body: impl FnOnce() -> Result<T, BoxError>,
) -> T {
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => return value,
        Ok(Err(error)) => AnnexError::from(error),
        Err(panic) => AnnexError::new(&format!("internal error: panic: {}", words(&*panic))),
    };
    // SAFETY: passed on from the caller.
    unsafe { error.store(err) };
    failed
}

/// Runs `body`; a panic is logged as an error in function `name`, and
/// `panicked` returned. For functions that have no way to return an error.
pub fn infallible<T>(name: &str, panicked: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(panic) => {
            log::error!("{name}: internal error: panic: {}", words(&*panic));
            panicked
        }
    }
}

/// A value that a panic, in the midst of what is done to it, breaks for good.
pub struct Guarded<T> {
    what: &'static str,
    value: T,
    broken: bool,
}

impl<T> Guarded<T> {
    /// Guards `value`, which errors call `what`: "the queue".
    pub fn new(what: &'static str, value: T) -> Self {
        Self {
            what,
            value,
            broken: false,
        }
    }

    /// Whether a panic has broken it.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The value, unless it is broken.
    pub fn into_sound(self) -> Option<T> {
        (!self.broken).then_some(self.value)
    }

    /// The value, broken or not: for what a half-done change can't harm.
    pub fn as_is(&self) -> &T {
        &self.value
    }

    /// Runs `body` on the value; an error if it is broken.
    pub fn run<R>(&mut self, body: impl FnOnce(&mut T) -> R) -> Result<R, BoxError> {
        if self.broken {
            return Err(format!("{} is broken: there was an internal error", self.what).into());
        }
        // A panic leaves it so.
        self.broken = true;
        let result = body(&mut self.value);
        self.broken = false;
        Ok(result)
    }
}

/// What a panic said.
pub(crate) fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{annex_error_free, annex_error_message};
    use std::ffi::CStr;
    use std::ptr;

    /// Runs `body` as a C caller would and gives back its result and message.
    fn call(body: impl FnOnce() -> Result<bool, BoxError>) -> (bool, Option<String>) {
        let mut err = ptr::null_mut();
        // SAFETY: `err` is a local; a stored error is read, then freed once.
        unsafe {
            let ok = fallible(&mut err, false, body);
            if err.is_null() {
                return (ok, None);
            }
            let message = CStr::from_ptr(annex_error_message(err));
            let message = message.to_str().unwrap().to_owned();
            annex_error_free(err);
            (ok, Some(message))
        }
    }

    #[test]
    fn success_stores_nothing() {
        assert_eq!(call(|| Ok(true)), (true, None));
    }

    #[test]
    fn an_error_is_stored() {
        assert_eq!(call(|| Err("no".into())), (false, Some("no".into())));
    }

    #[test]
    fn a_panic_is_stored() {
        let page = 7;
        let (ok, message) = call(|| panic!("page {page}"));
        assert!(!ok);
        assert_eq!(message.unwrap(), "internal error: panic: page 7");
    }

    #[test]
    fn a_caller_without_err_gets_the_return_value() {
        // SAFETY: null is allowed.
        let value = unsafe { fallible(ptr::null_mut(), -1, || panic!("static")) };
        assert_eq!(value, -1);
    }

    #[test]
    fn a_panic_breaks_what_is_guarded() {
        let mut list = Guarded::new("the list", vec![1]);
        assert_eq!(call(|| list.run(|list| list.is_empty())), (false, None));
        let (_, message) = call(|| {
            list.run(|list| {
                list.clear();
                panic!("half done")
            })
        });
        assert_eq!(message.unwrap(), "internal error: panic: half done");
        let (_, message) = call(|| list.run(|list| list.is_empty()));
        let broken = "the list is broken: there was an internal error";
        assert_eq!(message.unwrap(), broken);
    }

    #[test]
    fn infallible_returns_the_named_value() {
        assert_eq!(infallible("f", 3, || 4), 4);
        assert_eq!(infallible("f", 3, || std::panic::panic_any(9_u8)), 3);
    }
}
