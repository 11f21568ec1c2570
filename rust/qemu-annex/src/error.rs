// SPDX-License-Identifier: GPL-2.0-or-later
//! `AnnexError`: a Rust error on its way to a C caller.

use std::error::Error;
use std::ffi::{c_char, CString};

/// Any error a body under [`guard::fallible`](crate::guard::fallible) may
/// return; `?` makes one from every error type.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What went wrong, in words. Belongs to whoever received it,
/// until annex_error_free(). May be read from any thread.
#[derive(Debug)]
pub struct AnnexError {
    message: CString,
}

impl AnnexError {
    /// An error that says `message`.
    pub fn new(message: &str) -> Self {
        // A NUL inside would cut the message short for C.
        let message = CString::new(message.replace('\0', "\u{fffd}"))
            .expect("NULs were replaced on the line before");
        Self { message }
    }

    /// Writes `self` to `*out` if `out` isn't null, else drops it.
    ///
    /// # Safety
    /// `out` is null or valid for writing a pointer.
    pub unsafe fn store(self, out: *mut *mut Self) {
        if !out.is_null() {
            // SAFETY: not null, so valid for writing, says the caller.
            unsafe { out.write(Box::into_raw(Box::new(self))) };
        }
    }
}

impl From<BoxError> for AnnexError {
    /// Takes the message of the whole chain: "what: why: root".
    fn from(error: BoxError) -> Self {
        let top: &(dyn Error + 'static) = error.as_ref();
        let chain = std::iter::successors(Some(top), |&error| error.source());
        let words: Vec<_> = chain.map(ToString::to_string).collect();
        Self::new(&words.join(": "))
    }
}

/// The error's message with its causes, "what: why: root". Lives as long as
/// the error does.
///
/// # Safety
/// `err` came from this library and wasn't freed.
#[no_mangle]
pub unsafe extern "C" fn annex_error_message(err: *const AnnexError) -> *const c_char {
    // SAFETY: a live error, says the caller.
    unsafe { &*err }.message.as_ptr()
}

/// Frees an error; NULL is allowed and does nothing.
///
/// # Safety
/// `err` is NULL, or came from this library and wasn't freed.
#[no_mangle]
pub unsafe extern "C" fn annex_error_free(err: *mut AnnexError) {
    if !err.is_null() {
        // SAFETY: it was boxed in `store`, and the caller hands it back.
        drop(unsafe { Box::from_raw(err) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;
    use std::{io, ptr};

    #[derive(Debug, thiserror::Error)]
    enum Load {
        #[error("block 'pc.ram'")]
        Block(#[source] Read),
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read 4096 bytes at 1 MiB")]
    struct Read(#[source] io::Error);

    fn message(err: &AnnexError) -> &str {
        // SAFETY: `err` is a live error.
        unsafe { CStr::from_ptr(annex_error_message(err)) }
            .to_str()
            .unwrap()
    }

    #[test]
    fn a_message_has_the_whole_chain() {
        let root = io::Error::from_raw_os_error(5);
        let err = AnnexError::from(BoxError::from(Load::Block(Read(root))));
        assert_eq!(
            message(&err),
            "block 'pc.ram': cannot read 4096 bytes at 1 MiB: Input/output error (os error 5)"
        );
    }

    #[test]
    fn nul_does_not_cut_a_message() {
        assert_eq!(message(&AnnexError::new("a\0b")), "a\u{fffd}b");
    }

    #[test]
    fn stored_errors_are_freed_by_the_receiver() {
        let mut out = ptr::null_mut();
        // SAFETY: `out` is a local, null is allowed, and `out` is freed once.
        unsafe {
            AnnexError::new("kept").store(&mut out);
            AnnexError::new("dropped").store(ptr::null_mut());
            assert_eq!(message(&*out), "kept");
            annex_error_free(out);
            annex_error_free(ptr::null_mut());
        }
    }
}
