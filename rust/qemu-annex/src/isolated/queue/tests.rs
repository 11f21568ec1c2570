// SPDX-License-Identifier: GPL-2.0-or-later
use super::super::device::{
    annex_isolated_device_free, annex_isolated_device_new, annex_isolated_device_prepare,
    annex_isolated_device_returned, annex_isolated_device_start, annex_isolated_device_stop,
};
use super::*;
use crate::error::{annex_error_free, annex_error_message};
use crate::isolated::types::AnnexIsolatedScrub;
use std::ffi::CStr;
use std::ptr;

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
    let mut byte = 7u8;
    let iovec = iovec {
        iov_base: ptr::from_mut(&mut byte).cast(),
        iov_len: 1,
    };
    let mut resumed = true;
    let (mut err, mut done) = (ptr::null_mut(), AnnexIsolatedDone::default());
    // SAFETY: everything pointed to is a local that outlives the queue, which is used by this
    // thread alone and stopped once, like the device.
    unsafe {
        let device = annex_isolated_device_new(2, 0, AnnexIsolatedScrub::Always);
        assert!(annex_isolated_device_prepare(device, &8, &0, 1, &mut err));
        let queue = annex_isolated_device_start(device, 0, 0, 8, 0, &mut resumed, &mut err);
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
        assert!(
            annex_isolated_queue_enable_notification(queue),
            "it stays broken"
        );
        annex_isolated_device_stop(device, queue, ptr::null());
        assert!(annex_isolated_device_returned(device).is_null());
        annex_isolated_device_free(device);
    }
}
