// SPDX-License-Identifier: GPL-2.0-or-later
use super::super::{annex_isolated_area_free, annex_isolated_area_new};
use super::*;
use crate::error::{annex_error_free, annex_error_message};
use std::ffi::CStr;

/// The error's message; frees it.
fn message(err: *mut AnnexError) -> String {
    // SAFETY: a live error, which nobody uses after this.
    unsafe {
        let message = CStr::from_ptr(annex_error_message(err)).to_str();
        let message = message.expect("UTF-8").to_owned();
        annex_error_free(err);
        message
    }
}

#[test]
fn a_panic_breaks_the_queue_for_good() {
    let options = AnnexIsolatedOptions {
        entries: 8,
        device: 2,
        base: 0,
        chain_max: 0,
        descriptor_max: 0,
        event_idx: false,
        indirect: false,
    };
    let mut byte = 7u8;
    let iovec = iovec {
        iov_base: ptr::from_mut(&mut byte).cast(),
        iov_len: 1,
    };
    let (mut err, mut done) = (ptr::null_mut(), AnnexIsolatedDone::default());
    // SAFETY: everything pointed to is a local that outlives the queue, which is used by this
    // thread alone and freed once, like the area.
    unsafe {
        let area = annex_isolated_area_new(&8, 1, 0, &mut err);
        let queue = annex_isolated_queue_new(area, 0, &options, &mut err);
        annex_isolated_area_free(area);
        let mut lend = |err: &mut *mut AnnexError| {
            let request = ptr::from_mut(&mut byte).cast();
            annex_isolated_queue_lend(queue, request, &iovec, 1, ptr::null(), 0, err)
        };
        assert_eq!(lend(&mut err), AnnexIsolatedLend::Lent);

        assert!(call("test", queue, true, |_| panic!("in the middle")));

        assert!(annex_isolated_queue_pending(queue));
        assert!(!annex_isolated_queue_reap(queue, &mut done, &mut err));
        assert!(message(err).contains("internal error"));
        assert_eq!(lend(&mut err), AnnexIsolatedLend::Refused);
        assert!(message(err).contains("internal error"));
        assert!(!annex_isolated_queue_publish(queue));
        assert!(annex_isolated_queue_reset(queue).is_null());
        assert!(annex_isolated_queue_want_calls(queue), "it stays broken");
        annex_isolated_queue_free(queue);
    }
}
