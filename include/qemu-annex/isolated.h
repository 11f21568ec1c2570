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
 * What became of a request that was to be lent.
 */
typedef enum {
    /**
     * The queue has it, until it comes out of reap or reset.
     */
    ANNEX_ISOLATED_LEND_LENT,
    /**
     * It is still the caller's, and there is room for it once others have come
     * back: keep it, lend no other before it, and try again when reap has
     * given something.
     */
    ANNEX_ISOLATED_LEND_FULL,
    /**
     * It is still the caller's, and never will be lent. The error says why.
     */
    ANNEX_ISOLATED_LEND_REFUSED,
    /**
     * It is still the caller's, and there never will be room for it: it is
     * larger than the queue's part of the area, or takes more descriptors than
     * the back-end allows. Later ones may be lent.
     */
    ANNEX_ISOLATED_LEND_TOO_LARGE,
} AnnexIsolatedLend;

/**
 * A device's memory area: a sealed memfd that is mapped here. All its
 * functions may be called from any thread.
 */
typedef struct AnnexIsolatedArea AnnexIsolatedArea;

/**
 * A queue. Calls for one queue must not overlap, but those of
 * annex_isolated_queue_stats(); they may come from different threads. After an
 * internal error (a panic) in one of its functions it is broken for good: lend
 * and reap say so, pending says that there is something, and requests that
 * were in flight are never given back, nor touched.
 */
typedef struct AnnexIsolatedQueue AnnexIsolatedQueue;

/**
 * What a queue's back-end was told, and what it puts up with.
 */
typedef struct {
    /**
     * Entries of the ring: a power of two, no more than the area was made for.
     */
    uint16_t entries;
    /**
     * Index at which the ring begins, avail and used: 0, or for a back-end
     * that has had a ring before where that ended, which it may remember.
     */
    uint16_t base;
    /**
     * Descriptors of a request at most, 2 and more; 0: no limit but the ring's
     * entries.
     */
    uint16_t chain_max;
    /**
     * Bytes of a descriptor at most; 0: no limit.
     */
    uint32_t descriptor_max;
    /**
     * VIRTIO_RING_F_EVENT_IDX was negotiated with the back-end.
     */
    bool event_idx;
    /**
     * VIRTIO_RING_F_INDIRECT_DESC was negotiated with the back-end.
     */
    bool indirect;
    /**
     * The back-end says that it wrote nothing though it did: copy everything
     * writable back. The guest gets zeros where nothing was written.
     */
    bool copy_all;
} AnnexIsolatedOptions;

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
} AnnexIsolatedStats;

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

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Takes the area's queue `index`, empty; its ring begins at `options->base`.
 * Copies `options`. NULL on failure; else freed with
 * annex_isolated_queue_free(). The area may be freed before.
 *
 * `area` is alive; `options` points to a valid structure; `err` is NULL or
 * valid for writing a pointer.
 */
AnnexIsolatedQueue *annex_isolated_queue_new(const AnnexIsolatedArea *area,
                                             size_t index,
                                             const AnnexIsolatedOptions *options,
                                             AnnexError **err);

/**
 * Frees a queue, and zeroes its part of the area; NULL is allowed and does
 * nothing. Requests in flight are forgotten: to have them back, reset it
 * before.
 *
 * `queue` is NULL, or came from this library and wasn't freed.
 */
void annex_isolated_queue_free(AnnexIsolatedQueue *queue);

/**
 * Copies what the device may read of a request into the area, and puts the
 * request in the ring, where the back-end sees it after
 * annex_isolated_queue_publish(). `request`, not NULL, is what reap and reset
 * give back; `out` is what the device may read, `into` what it may write, each
 * in any number of pieces, of which empty ones don't count. An error is stored
 * when it never will be lent: it is too large, it is empty, it isn't the one
 * that is due after a suspension, or the queue is broken.
 *
 * After annex_isolated_queue_suspend(), the requests that it gave come first,
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
 * request's memory, `*request` what was lent, and `*written` how many bytes it
 * says it wrote, no more than it could. True with `*request` NULL: there is
 * none now. False: the back-end broke the rules, now or before, or there was
 * an internal error; nothing was copied, and nothing more will be until
 * annex_isolated_queue_reset().
 *
 * `queue` is alive; `request` and `written` are valid for writing; `err` is
 * NULL or valid for writing a pointer.
 */
bool annex_isolated_queue_reap(AnnexIsolatedQueue *queue,
                               void **request,
                               uint32_t *written,
                               AnnexError **err);

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
bool annex_isolated_queue_want_calls(AnnexIsolatedQueue *queue);

/**
 * Asks the back-end not to call. It may call all the same.
 *
 * `queue` is alive.
 */
void annex_isolated_queue_mind_no_calls(AnnexIsolatedQueue *queue);

/**
 * Zeroes the memory of requests that came back, and makes it free; lend does
 * the same when it finds no room. To be called when the guest has been told of
 * them: it needn't wait for this.
 *
 * `queue` is alive.
 */
void annex_isolated_queue_clean(AnnexIsolatedQueue *queue);

/**
 * Requests in flight: lent, and not come back, or suspended.
 *
 * `queue` is alive.
 */
uint16_t annex_isolated_queue_lent(const AnnexIsolatedQueue *queue);

/**
 * Takes requests in flight back, and leaves their copies with the back-end.
 * Each call gives one, in the order in which they were lent; then NULL. Call
 * nothing else between the first and the NULL. To go on, lend them again;
 * until all of them are there, reap has nothing, and the back-end may do with
 * its copies what it does. To end it, reset or free.
 *
 * `queue` is alive.
 */
void *annex_isolated_queue_suspend(AnnexIsolatedQueue *queue);

/**
 * How many of the requests that a suspension gave have to be lent again.
 *
 * `queue` is alive.
 */
uint16_t annex_isolated_queue_suspended(const AnnexIsolatedQueue *queue);

/**
 * Ends everything, whatever the state. Each call gives a request that was in
 * flight, unanswered, in the order in which they were lent; then NULL. After
 * that the queue is empty and usable, its ring and memory as they were when it
 * was new, unless it was an internal error that broke it. Call nothing else
 * between the first and the NULL.
 *
 * So requests go on when a back-end is lost: reap what it has used, reset, and
 * lend what that gives to a queue of a new area, for the lost back-end may
 * have the old one mapped still.
 *
 * `queue` is alive.
 */
void *annex_isolated_queue_reset(AnnexIsolatedQueue *queue);

/**
 * Writes what the queue has done so far to `*out`. Any thread may call this at
 * any time between new and free.
 *
 * `queue` is alive; `out` is valid for writing.
 */
void annex_isolated_queue_stats(const AnnexIsolatedQueue *queue,
                                AnnexIsolatedStats *out);

/**
 * Makes an area for queues whose rings have up to rings[0], ... rings[n - 1]
 * entries, each a power of two. `len`: bytes of the whole area, rounded up to
 * 2 MiB, of which every queue gets a part in proportion to its ring; 0: 64 KiB
 * for each entry of a ring, 4 MiB for each queue at least. Memory is allocated
 * as it is used. NULL on failure, such as a `len` that is too small (the error
 * says what would do); else freed with annex_isolated_area_free().
 *
 * `rings` has `n` elements, or `n` is 0; `err` is NULL or valid for writing a
 * pointer.
 */
AnnexIsolatedArea *annex_isolated_area_new(const uint16_t *rings,
                                           size_t n,
                                           uint64_t len,
                                           AnnexError **err);

/**
 * Frees an area; NULL is allowed and does nothing. Queues that are in it keep
 * its memory.
 *
 * `area` is NULL, or came from this library and wasn't freed.
 */
void annex_isolated_area_free(AnnexIsolatedArea *area);

/**
 * The file to send to the back-end, which maps it from offset 0. Borrowed: it
 * is closed with the area, once no queue is in that any more.
 *
 * `area` is alive.
 */
int annex_isolated_area_fd(const AnnexIsolatedArea *area);

/**
 * Bytes of the area, a multiple of 2 MiB.
 *
 * `area` is alive.
 */
uint64_t annex_isolated_area_len(const AnnexIsolatedArea *area);

/**
 * Writes the addresses of a queue's ring, as the back-end is to be told them,
 * to `*out`; zeros if the area has no queue of that index.
 *
 * `area` is alive; `out` is valid for writing.
 */
void annex_isolated_area_vring(const AnnexIsolatedArea *area,
                               size_t queue,
                               AnnexIsolatedVring *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QEMU_ANNEX_ISOLATED_H */
