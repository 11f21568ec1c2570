// SPDX-License-Identifier: GPL-2.0-or-later
//! The C interface of QEMU Annex, and the only home of `extern "C"`.
//!
//! QEMU links this crate as `libqemu_annex.a` and includes `qemu-annex.h`, or
//! the header of a module, `qemu-annex/MODULE.h`: cbindgen writes them from what
//! is public here. The rules of the boundary:
//!
//! * Names are `annex_*` for functions, `Annex*` for types, `ANNEX_*` for
//!   constants. Nothing else is global in the library.
//! * A function that can fail takes `AnnexError **err` last, returns `false`
//!   or `NULL` then, and stores an error that the caller frees with
//!   [`annex_error_free`](error::annex_error_free). `err` may be `NULL`; what
//!   it points to is written on failure only.
//! * A panic never crosses: [`guard`] makes it an error, or, where there is no
//!   error to return, a log record and a defined return value.
//! * An enum goes out as an enum and comes in as an integer that is checked,
//!   for C may pass any number.
//! * Strings are UTF-8 and end in NUL. Who owns a pointer, how long it lives
//!   and from which threads a function may be called is said at each function.
//!
//! A feature gets a module of its own here, with its `annex_<feature>_*`
//! functions and nothing that could be tested without C: that lives in the
//! feature's crate.

#![allow(unsafe_code)]

pub mod error;
pub mod guard;
pub mod isolated;
pub mod log;
pub mod mapped_ram;
pub mod tape;
