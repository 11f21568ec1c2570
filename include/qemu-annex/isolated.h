/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The C interface of QEMU Annex.
 *
 * Made from rust/qemu-annex by `make header`; don't edit it by hand.
 */

#ifndef QEMU_ANNEX_ISOLATED_H
#define QEMU_ANNEX_ISOLATED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "qemu-annex/error.h"

/**
 * Where an area begins in the addresses that a back-end is told: the guest
 * address and the user address of its one memory region.
 */
#define ANNEX_ISOLATED_ADDRESS 0x100000000ULL

/**
 * When what requests gave to read is zeroed in the area, once they have come
 * back. What the device may write is zeroed before it is lent again whatever
 * this says.
 */
typedef enum {
    /**
     * Before its memory is lent again.
     */
    ANNEX_ISOLATED_SCRUB_ALWAYS,
    /**
     * When annex_isolated_queue_scrub() is called.
     */
    ANNEX_ISOLATED_SCRUB_IDLE,
    /**
     * When the queue is reset.
     */
    ANNEX_ISOLATED_SCRUB_NEVER,
} AnnexIsolatedScrub;

/**
 * What became of a request that was to be lent.
 */
typedef enum {
    /**
     * The queue has it, until it comes out of reap or stop.
     */
    ANNEX_ISOLATED_LEND_LENT,
    /**
     * The caller keeps it, and there is room for it once others have come
     * back: lend no other before it, and try again when reap has given
     * something.
     */
    ANNEX_ISOLATED_LEND_FULL,
    /**
     * The caller keeps it, for it never will be lent. The error says why.
     */
    ANNEX_ISOLATED_LEND_REFUSED,
    /**
     * The caller keeps it, for there never will be room for it: it is larger
     * than the queue's part of the area. Later ones may be lent.
     */
    ANNEX_ISOLATED_LEND_TOO_LARGE,
} AnnexIsolatedLend;

/**
 * A device whose back-end is isolated: its memory area, a sealed memfd that is
 * mapped here, and what is known of its queues while they don't run. Calls for
 * one device must not overlap; those for its queues may be made meanwhile,
 * from other threads.
 */
typedef struct AnnexIsolatedDevice AnnexIsolatedDevice;

/**
 * A queue that runs. Calls for one queue must not overlap; they may come from
 * different threads. After an internal error (a panic) in one of its functions
 * it is broken for good: lend and reap say so, pending says that there is
 * something, and requests that were in flight are never given back, nor
 * touched.
 */
typedef struct AnnexIsolatedQueue AnnexIsolatedQueue;

/**
 * The parts of a ring, as addresses in the one memory region that a back-end
 * is told.
 */
typedef struct {
    /**
     * The descriptor table.
     */
    uint64_t desc;
    /**
     * The available ring.
     */
    uint64_t avail;
    /**
     * The used ring.
     */
    uint64_t used;
} AnnexIsolatedVring;

/**
 * What a queue has done. Each number is right by itself; together they may be
 * a moment apart.
 */
typedef struct {
    /**
     * Requests that the back-end has now.
     */
    uint64_t in_flight;
    /**
     * Requests that came back.
     */
    uint64_t requests;
    /**
     * Bytes copied out of the guest's memory.
     */
    uint64_t bytes_out;
    /**
     * Bytes copied into the guest's memory.
     */
    uint64_t bytes_in;
    /**
     * Times that a request had to wait for room.
     */
    uint64_t waits;
    /**
     * Lengths from the back-end that were larger than what it could write.
     */
    uint64_t clamped;
    /**
     * Blocks of 4 KiB of the queue's buffer memory that aren't free now.
     */
    uint64_t blocks;
    /**
     * Blocks that hold what requests that came back gave to read.
     */
    uint64_t stale;
} AnnexIsolatedStats;

/**
 * A request that has come back.
 */
typedef struct {
    /**
     * What was lent, or NULL.
     */
    void *request;
    /**
     * Bytes of its memory that were written, from the first that the device
     * may write on.
     */
    uint32_t written;
    /**
     * Bytes that the guest is to be told of.
     */
    uint32_t len;
} AnnexIsolatedDone;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * A device with that virtio ID. `len`: bytes of its area, rounded up to 2 MiB,
 * of which every queue gets a part in proportion to its ring; 0: 64 KiB for
 * each entry of a ring, 4 MiB for each queue at least. Memory is allocated as
 * it is used. To be freed with annex_isolated_device_free().
 */
AnnexIsolatedDevice *annex_isolated_device_new(uint16_t id,
                                               uint64_t len,
                                               AnnexIsolatedScrub scrub);

/**
 * Frees a device, none of whose queues runs; NULL is allowed and does nothing.
 *
 * `device` is NULL, or came from this library and wasn't freed.
 */
void annex_isolated_device_free(AnnexIsolatedDevice *device);

/**
 * Whether queues whose rings have up to rings[0], ... rings[n - 1] entries,
 * each a power of two, have room in the device's area. The error says what
 * would do.
 *
 * `device` is alive; `rings` has `n` elements, or `n` is 0; `err` is NULL or
 * valid for writing a pointer.
 */
bool annex_isolated_device_check(const AnnexIsolatedDevice *device,
                                 const uint16_t *rings,
                                 size_t n,
                                 AnnexError **err);

/**
 * Has an area for such queues, none of which runs. It is the last one if a
 * back-end is to go on with what it has in there, and else a new one.
 * lives[0], ... lives[n - 1] are numbers that change when the guest resets a
 * queue.
 *
 * As for annex_isolated_device_check(), and for `lives` as for `rings`.
 */
bool annex_isolated_device_prepare(AnnexIsolatedDevice *device,
                                   const uint16_t *rings,
                                   const uint32_t *lives,
                                   size_t n,
                                   AnnexError **err);

/**
 * The area's file, which the back-end maps from offset 0; -1 if none was
 * prepared. Borrowed: it is closed with the area, once no queue is in that any
 * more.
 *
 * `device` is alive.
 */
int annex_isolated_device_fd(const AnnexIsolatedDevice *device);

/**
 * Bytes of the area, a multiple of 2 MiB; 0 if none was prepared.
 *
 * `device` is alive.
 */
uint64_t annex_isolated_device_len(const AnnexIsolatedDevice *device);

/**
 * Writes the addresses of a queue's ring, as the back-end is to be told them,
 * to `*out`; zeros if the area has no queue of that index.
 *
 * `device` is alive; `out` is valid for writing.
 */
void annex_isolated_device_vring(const AnnexIsolatedDevice *device,
                                 size_t queue,
                                 AnnexIsolatedVring *out);

/**
 * There is another back-end, or one that has forgotten everything: it won't go
 * on with anything.
 *
 * `device` is alive.
 */
void annex_isolated_device_connected(AnnexIsolatedDevice *device);

/**
 * The index at which the back-end is to begin with a queue that doesn't run:
 * 0, or where it ended if it is the same and the queue has the same life. Some
 * back-ends don't look into the ring for it.
 *
 * `device` is alive.
 */
uint16_t annex_isolated_device_base(AnnexIsolatedDevice *device,
                                    size_t queue,
                                    uint32_t life);

/**
 * Starts a queue of the area that was prepared, with a ring of `entries`
 * entries (a power of two, no more than the area was made for) and these
 * virtio features of the back-end's. NULL on failure; else it goes back with
 * annex_isolated_device_stop(). If `*resumed`, its back-end has requests
 * still, which are lent first, in the order in which they came from the last
 * stop.
 *
 * `device` is alive; `resumed` is valid for writing; `err` is NULL or valid
 * for writing a pointer.
 */
AnnexIsolatedQueue *annex_isolated_device_start(AnnexIsolatedDevice *device,
                                                size_t queue,
                                                uint32_t life,
                                                uint16_t entries,
                                                uint64_t features,
                                                bool *resumed,
                                                AnnexError **err);

/**
 * Stops a queue, which is gone with this call: what it had in flight is the
 * caller's again, and comes from annex_isolated_device_returned(). `goes_on`
 * points to the index at which the back-end will go on with its copies, or is
 * NULL if it won't: it is gone, or the guest resets the device. If it won't,
 * or had nothing left, the queue's part of the area is zeroed. Reap what the
 * back-end has used before.
 *
 * `device` is alive, and `queue` was started by it; `goes_on` is NULL or valid
 * for reading.
 */
void annex_isolated_device_stop(AnnexIsolatedDevice *device,
                                AnnexIsolatedQueue *queue,
                                const uint16_t *goes_on);

/**
 * The next request of those that the queue which was stopped last had in
 * flight, in the order in which they were lent; then NULL.
 *
 * `device` is alive.
 */
void *annex_isolated_device_returned(AnnexIsolatedDevice *device);

/**
 * Writes what a queue has done since it was started, but not resumed, to
 * `*out`; false if it neither runs nor has a back-end that will go on.
 *
 * `device` is alive; `out` is valid for writing.
 */
bool annex_isolated_device_stats(const AnnexIsolatedDevice *device,
                                 size_t queue,
                                 AnnexIsolatedStats *out);

/**
 * Copies what the device may read of a request into the area, and puts the
 * request in the ring, where the back-end sees it after
 * annex_isolated_queue_publish(). `request`, not NULL, is what reap and stop
 * give back; `out` is what the device may read, `into` what it may write, each
 * in any number of pieces, of which empty ones don't count. An error is stored
 * when it never will be lent: it is too large, it is empty, it isn't the one
 * that is due after a suspension, or the queue is broken.
 *
 * If the queue was resumed, the requests that its last stop gave come first,
 * in their order: they are in flight again, with the copies that the back-end
 * has of them.
 *
 * `queue` is alive; `out` has `out_num` elements, or that is 0, and `into`
 * likewise. If the request is lent, they stay as they are, and what they point
 * to mapped (its bytes may change), until the request comes back or the queue
 * is freed. `err` is NULL or valid for writing a pointer.
 */
AnnexIsolatedLend annex_isolated_queue_lend(AnnexIsolatedQueue *queue,
                                            void *request,
                                            const struct iovec *out,
                                            size_t out_num,
                                            const struct iovec *into,
                                            size_t into_num,
                                            AnnexError **err);

/**
 * Lets the back-end see what was lent. True if it wants to be kicked for it.
 *
 * `queue` is alive.
 */
bool annex_isolated_queue_publish(AnnexIsolatedQueue *queue);

/**
 * Takes the next request that the back-end has used: what it wrote is in the
 * request's memory, and `*done` says which it is and how much that was. True
 * with a NULL request: there is none now. False: the back-end broke the rules,
 * now or before, or there was an internal error; nothing was copied, and
 * nothing more will be until the queue is stopped and started.
 *
 * `queue` is alive; `done` is valid for writing; `err` is NULL or valid for
 * writing a pointer.
 */
bool annex_isolated_queue_reap(AnnexIsolatedQueue *queue,
                               AnnexIsolatedDone *done,
                               AnnexError **err);

/**
 * Answers a request that wasn't lent, for it is too large, in the device's
 * stead: writes to its memory that it has failed. How many bytes of `into` the
 * guest is to be told of; 0 if the device's protocol has no such answer, and
 * nothing was written.
 *
 * `queue` is alive; `out` has `out_num` elements, or that is 0, and `into`
 * likewise; what they point to is mapped.
 */
uint32_t annex_isolated_queue_refuse(AnnexIsolatedQueue *queue,
                                     const struct iovec *out,
                                     size_t out_num,
                                     const struct iovec *into,
                                     size_t into_num);

/**
 * Whether annex_isolated_queue_reap() has something to say: a request, or that
 * the queue is broken. For polling.
 *
 * `queue` is alive.
 */
bool annex_isolated_queue_pending(AnnexIsolatedQueue *queue);

/**
 * Asks the back-end to call when it has used a request. If this is true, reap
 * at once: it may have been before the back-end knew, or the queue is broken.
 *
 * `queue` is alive.
 */
bool annex_isolated_queue_enable_notification(AnnexIsolatedQueue *queue);

/**
 * Asks the back-end not to call. It may call all the same.
 *
 * `queue` is alive.
 */
void annex_isolated_queue_disable_notification(AnnexIsolatedQueue *queue);

/**
 * Makes the memory of requests that came back free, and zeroes it, as far as
 * that has to be now; lend does the same when it finds no room. To be called
 * when the guest has been told of them: it needn't wait for this.
 *
 * `queue` is alive.
 */
void annex_isolated_queue_clean(AnnexIsolatedQueue *queue);

/**
 * Zeroes up to `blocks` blocks of 4 KiB that hold what requests that came back
 * gave to read; true if there are more that could be. To be called when there
 * is nothing else to do.
 *
 * `queue` is alive.
 */
bool annex_isolated_queue_scrub(AnnexIsolatedQueue *queue,
                                uint32_t blocks);

/**
 * Requests in flight: lent, and not come back, or suspended.
 *
 * `queue` is alive.
 */
uint16_t annex_isolated_queue_in_flight(const AnnexIsolatedQueue *queue);

/**
 * How many of the requests that its last stop gave have to be lent again.
 *
 * `queue` is alive.
 */
uint16_t annex_isolated_queue_suspended(const AnnexIsolatedQueue *queue);

/**
 * The virtio features that an isolated back-end gets, of those that it has
 * `offered` and the guest has accepted: it has a ring of its own.
 */
uint64_t annex_isolated_features_for_backend(uint64_t offered,
                                             uint64_t accepted);

/**
 * The virtio features that the guest of an isolated back-end gets, of those
 * that the back-end has `offered`, and those about rings that the device is
 * asked to have.
 */
uint64_t annex_isolated_features_for_guest(uint64_t offered,
                                           uint64_t wanted);

/**
 * Whether a virtio feature is between the guest and QEMU, whatever an isolated
 * back-end offers.
 */
bool annex_isolated_feature_is_served(uint32_t bit);

/**
 * The features of the vhost-user protocol that an isolated back-end gets, of
 * those that it has `offered`: none that reaches for guest memory.
 */
uint64_t annex_isolated_features_of_protocol(uint64_t offered);

/**
 * Whether back-ends of the device with that virtio ID keep what a queue lends
 * them until something happens, which may be never, so that a device that
 * stops needn't wait for it.
 */
bool annex_isolated_queue_is_held(uint16_t device,
                                  size_t queue);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QEMU_ANNEX_ISOLATED_H */
