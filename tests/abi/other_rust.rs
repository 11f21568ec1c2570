// SPDX-License-Identifier: GPL-2.0-or-later
//! Rust code of someone else's, which formats, panics and catches.

/// Whether a panic was caught and said what it should.
#[no_mangle]
pub extern "C" fn other_rust_catches(number: i32) -> bool {
    let caught = std::panic::catch_unwind(|| panic!("number {number}"));
    caught.is_err_and(|panic| panic.downcast_ref() == Some(&format!("number {number}")))
}
