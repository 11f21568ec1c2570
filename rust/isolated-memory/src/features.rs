// SPDX-License-Identifier: GPL-2.0-or-later
//! Which features the guest gets, and which the back-end: each has a ring of its own, and the
//! device between them.

/// Virtio feature bits about rings and transports (Virtio 1.3, 6).
const NOTIFY_ON_EMPTY: u32 = 24;
const ANY_LAYOUT: u32 = 27;
const INDIRECT_DESC: u32 = 28;
const EVENT_IDX: u32 = 29;
const VERSION_1: u32 = 32;
const ACCESS_PLATFORM: u32 = 33;
const RING_PACKED: u32 = 34;
const IN_ORDER: u32 = 35;
/// The first bit that is a device's again.
const TRANSPORT_END: u32 = 42;

/// VIRTIO_RING_F_INDIRECT_DESC.
pub(crate) const F_INDIRECT_DESC: u64 = 1 << INDIRECT_DESC;
/// VIRTIO_RING_F_EVENT_IDX.
pub(crate) const F_EVENT_IDX: u64 = 1 << EVENT_IDX;

/// Features of the shadow ring.
const RING: u64 = F_INDIRECT_DESC | F_EVENT_IDX;

/// Features between guest and shadow, whatever the back-end has.
const SERVED: u64 = 1 << NOTIFY_ON_EMPTY
    | 1 << ANY_LAYOUT
    | RING
    | 1 << ACCESS_PLATFORM
    | 1 << RING_PACKED
    | 1 << IN_ORDER;

/// Features of devices: all but those about rings and transports.
const DEVICE: u64 = 1 << VERSION_1 | ((1 << NOTIFY_ON_EMPTY) - 1) | u64::MAX << TRANSPORT_END;

/// Protocol features of vhost-user (docs/interop/vhost-user.rst) that an isolated back-end doesn't
/// get: what maps or faults guest memory, or has it logged; the record of requests in flight, which
/// the queue keeps; and memory slots, of which one is enough, that all back-ends can have.
const REFUSED: u64 = {
    const LOG_SHMFD: u64 = 1 << 1;
    const PAGEFAULT: u64 = 1 << 8;
    const BACKEND_SEND_FD: u64 = 1 << 10;
    const HOST_NOTIFIER: u64 = 1 << 11;
    const INFLIGHT_SHMFD: u64 = 1 << 12;
    const CONFIGURE_MEM_SLOTS: u64 = 1 << 15;
    const SHARED_OBJECT: u64 = 1 << 18;
    LOG_SHMFD
        | PAGEFAULT
        | BACKEND_SEND_FD
        | HOST_NOTIFIER
        | INFLIGHT_SHMFD
        | CONFIGURE_MEM_SLOTS
        | SHARED_OBJECT
};

/// Whether a feature is between guest and shadow, whatever the back-end has.
pub fn is_served(bit: u32) -> bool {
    bit < u64::BITS && SERVED & 1 << bit != 0
}

/// What the back-end gets, of what it has `offered` and the guest has accepted.
pub fn for_backend(offered: u64, accepted: u64) -> u64 {
    (accepted & DEVICE) | (offered & RING)
}

/// What the guest is offered, of what the back-end has `offered` and the device is asked to have.
pub fn for_guest(offered: u64, wanted: u64) -> u64 {
    (offered & DEVICE) | (wanted & SERVED)
}

/// What the back-end gets of the protocol features that it has `offered`.
pub fn of_protocol(offered: u64) -> u64 {
    offered & !REFUSED
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_back_end_has_a_split_ring_and_the_devices_features() {
        let all = for_backend(u64::MAX, u64::MAX);
        for (bit, given) in [
            (0, true),
            (23, true),
            (24, false),
            (26, false),
            (27, false),
            (28, true),
            (29, true),
            (30, false),
            (32, true),
            (33, false),
            (34, false),
            (35, false),
            (38, false),
            (40, false),
            (41, false),
            (42, true),
            (63, true),
        ] {
            assert_eq!(all & 1 << bit != 0, given, "bit {bit}");
        }
        // The ring is between the back-end and us, the device between it and the guest.
        assert_eq!(for_backend(0, u64::MAX) & RING, 0);
        assert_eq!(for_backend(u64::MAX, 0), RING);
    }

    #[test]
    fn the_guest_has_any_ring() {
        assert_eq!(for_guest(0, u64::MAX), SERVED);
        assert_eq!(for_guest(u64::MAX, 0), DEVICE);
        for bit in [24, 27, 28, 29, 33, 34, 35] {
            assert!(is_served(bit), "bit {bit}");
        }
        for bit in [0, 23, 25, 26, 30, 32, 36, 38, 40, 63, 64, u32::MAX] {
            assert!(!is_served(bit), "bit {bit}");
        }
    }

    #[test]
    fn nothing_that_reaches_for_the_guests_memory() {
        let given = of_protocol(u64::MAX);
        for bit in [1, 8, 10, 11, 12, 15, 18] {
            assert_eq!(given & 1 << bit, 0, "bit {bit}");
        }
        // MQ, REPLY_ACK, BACKEND_REQ, CONFIG, RESET_DEVICE, STATUS, DEVICE_STATE.
        for bit in [0, 3, 5, 9, 13, 16, 19] {
            assert_ne!(given & 1 << bit, 0, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn nobody_gets_what_nobody_has(offered in any::<u64>(), other in any::<u64>()) {
            let backend = for_backend(offered, other);
            prop_assert_eq!(backend & !(offered | other), 0);
            prop_assert_eq!(backend & DEVICE, other & DEVICE);
            let guest = for_guest(offered, other);
            prop_assert_eq!(guest & !(offered | other), 0);
            // What the guest may accept of the device, the back-end has.
            prop_assert_eq!(for_backend(offered, guest) & !offered, 0);
        }
    }
}
