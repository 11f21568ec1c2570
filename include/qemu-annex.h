/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The C interface of QEMU Annex.
 *
 * Made from rust/qemu-annex by `make header`; don't edit it by hand.
 */

#ifndef QEMU_ANNEX_H
#define QEMU_ANNEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/**
 * Where an area begins in the addresses that a back-end is told: the guest address and the user
 * address of its one memory region.
 */
#define ANNEX_ISOLATED_ADDRESS 4294967296

/**
 * Bytes of the longest transfer that a command may announce.
 */
#define ANNEX_TAPE_TRANSFER_MAX (64 << 20)

/**
 * Bytes of the longest sense data.
 */
#define ANNEX_TAPE_SENSE_MAX 96

/**
 * What became of a request that was to be lent.
 */
typedef enum {
    /**
     * The queue has it, until it comes out of reap or reset.
     */
    ANNEX_ISOLATED_LEND_LENT,
    /**
     * It is the caller's still, and there is room for it once others have come back: keep it,
     * lend no other before it, and try again when reap has given something.
     */
    ANNEX_ISOLATED_LEND_FULL,
    /**
     * It is the caller's still, and never will be lent. The error says why.
     */
    ANNEX_ISOLATED_LEND_REFUSED,
    /**
     * It is the caller's still, and there never will be room for it: it is larger than the
     * queue's part of the area, or takes more descriptors than the back-end allows. Later ones
     * may be lent.
     */
    ANNEX_ISOLATED_LEND_TOO_LARGE,
} AnnexIsolatedLend;

/**
 * How grave a log record is, gravest first.
 */
typedef enum {
    /**
     * Something failed; the user should know.
     */
    ANNEX_LOG_LEVEL_ERROR = 1,
    /**
     * Something is not as it should be, and work goes on.
     */
    ANNEX_LOG_LEVEL_WARN = 2,
    /**
     * A milestone.
     */
    ANNEX_LOG_LEVEL_INFO = 3,
    /**
     * A step that a developer wants to follow.
     */
    ANNEX_LOG_LEVEL_DEBUG = 4,
    /**
     * Every single fault, batch or command.
     */
    ANNEX_LOG_LEVEL_TRACE = 5,
} AnnexLogLevel;

/**
 * How a fault was answered.
 */
typedef enum {
    /**
     * From the file.
     */
    ANNEX_RAM_FAULT_KIND_DATA,
    /**
     * With zeros: the page isn't in the file.
     */
    ANNEX_RAM_FAULT_KIND_ZERO,
    /**
     * Someone else had brought the page, or is about to.
     */
    ANNEX_RAM_FAULT_KIND_ALREADY_THERE,
} AnnexRamFaultKind;

/**
 * What is to be done to the image.
 */
typedef enum {
    /**
     * Read into `data`.
     */
    ANNEX_TAPE_IO_KIND_READ,
    /**
     * Write `data`.
     */
    ANNEX_TAPE_IO_KIND_WRITE,
    /**
     * Bring everything completed so far to stable storage.
     */
    ANNEX_TAPE_IO_KIND_FLUSH,
    /**
     * Make the image `offset` bytes long.
     */
    ANNEX_TAPE_IO_KIND_TRUNCATE,
} AnnexTapeIoKind;

/**
 * Where a command has moved the tray.
 */
typedef enum {
    /**
     * Nowhere.
     */
    ANNEX_TAPE_TRAY_UNMOVED,
    /**
     * Out.
     */
    ANNEX_TAPE_TRAY_OPENED,
    /**
     * In.
     */
    ANNEX_TAPE_TRAY_CLOSED,
} AnnexTapeTray;

/**
 * How an image can be cut.
 */
typedef enum {
    /**
     * To the byte.
     */
    ANNEX_TAPE_TRUNCATION_EXACT,
    /**
     * To sectors of 512 bytes.
     */
    ANNEX_TAPE_TRUNCATION_SECTORS,
    /**
     * Not at all.
     */
    ANNEX_TAPE_TRUNCATION_NEVER,
} AnnexTapeTruncation;

/**
 * What a drive does for its owner.
 */
typedef enum {
    /**
     * Bring everything acknowledged to stable storage.
     */
    ANNEX_TAPE_TASK_SYNC,
    /**
     * That, and the index.
     */
    ANNEX_TAPE_TASK_UNLOAD,
} AnnexTapeTask;

/**
 * What went wrong, in words and as an errno. Belongs to whoever received it,
 * until annex_error_free(). May be read from any thread.
 */
typedef struct AnnexError AnnexError;

/**
 * A device's memory area: a sealed memfd that is mapped here. All its functions may be called
 * from any thread.
 */
typedef struct AnnexIsolatedArea AnnexIsolatedArea;

/**
 * A queue. Calls for one queue must not overlap, but those of annex_isolated_queue_stats(); they
 * may come from different threads. After an internal error (a panic) in one of its functions it
 * is broken for good: lend and reap say so, pending says that there is something, and requests
 * that were in flight are never given back, nor touched.
 */
typedef struct AnnexIsolatedQueue AnnexIsolatedQueue;

/**
 * A snapshot that is being loaded. All functions may be called from any
 * thread but those that call `AnnexRamLoadOps`.
 */
typedef struct AnnexRamLoad AnnexRamLoad;

/**
 * A drive. Calls for one drive must not overlap; they may come from different threads.
 */
typedef struct AnnexTape AnnexTape;

/**
 * The parts of a ring, as addresses in the one memory region that a back-end is told.
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
 * What a queue's back-end was told, and what it puts up with.
 */
typedef struct {
    /**
     * Entries of the ring: a power of two, no more than the area was made for.
     */
    uint16_t entries;
    /**
     * Index at which the ring begins, avail and used: 0, or for a back-end that has had a ring
     * before where that ended, which it may remember.
     */
    uint16_t base;
    /**
     * Descriptors of a request at most, 2 and more; 0: no limit but the ring's entries.
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
     * The back-end says that it wrote nothing though it did: copy everything writable back. The
     * guest gets zeros where nothing was written.
     */
    bool copy_all;
} AnnexIsolatedOptions;

/**
 * What a queue has done. Each number is right by itself; together they may be a moment apart.
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
 * Receives a record. `target` names the module it comes from, `message` is
 * one line or more without a newline at the end; both are valid until the
 * function returns. Called from any thread, several at a time, with locks of
 * the library held: it must not call back into the library.
 */
typedef void (*AnnexLogFn)(void *opaque,
                           AnnexLogLevel level,
                           const char *target,
                           const char *message);

/**
 * Says whether records of this level are wanted right now, so that others
 * aren't even formatted. NULL wants all. Called from any thread, several at a
 * time.
 */
typedef bool (*AnnexLogWantedFn)(void *opaque, AnnexLogLevel level);

/**
 * How to load.
 */
typedef struct {
    /**
     * Threads that only answer page faults, at least 1.
     */
    uint32_t fault_threads;
    /**
     * Threads that load what nobody waits for, at least 1.
     */
    uint32_t background_threads;
    /**
     * TARGET_PAGE_SIZE, in bytes.
     */
    uint64_t target_page_size;
    /**
     * Whether to call fault_begin and fault_end.
     */
    bool track_faults;
} AnnexRamLoadConfig;

/**
 * Pages that couldn't be brought. They stay missing, and whoever waits for
 * them stays blocked.
 */
typedef struct {
    /**
     * The block's name.
     */
    const char *block;
    /**
     * Where in the block, in bytes.
     */
    uint64_t ram_offset;
    /**
     * Where in the file, in bytes.
     */
    uint64_t file_offset;
    /**
     * A positive errno; EIO when the file ends too early.
     */
    int32_t error;
    /**
     * The whole story, naming block and offsets.
     */
    const char *message;
    /**
     * For annex_ram_load_acknowledge(); 1 for the first failure, 2 for the
     * next.
     */
    uint64_t sequence;
} AnnexRamLoadFailure;

/**
 * What to call when something happens; NULL for what isn't wanted. Called
 * from any thread of the load, with no lock held, until annex_ram_load_free()
 * returns. Strings are valid during the call. A callback must not touch
 * memory that is being loaded, must not wait for a thread that does (a lock
 * that a vCPU may hold while it touches RAM counts), and must not call
 * annex_ram_load_free().
 */
typedef struct {
    /**
     * Passed to every callback.
     */
    void *opaque;
    /**
     * Thread `tid` (0 if unknown) waits for the page at `host`.
     */
    void (*fault_begin)(void *opaque,
                        const char *block,
                        uint64_t ram_offset,
                        void *host,
                        uint32_t tid);
    /**
     * The page at `host` is there: all who waited for it go on.
     */
    void (*fault_end)(void *opaque, void *host);
    /**
     * Pages couldn't be brought while the machine runs. Once for each page
     * that is waited for and for each background batch.
     */
    void (*failed)(void *opaque, const AnnexRamLoadFailure *failure);
    /**
     * Everything is loaded, and the memory is ordinary memory again. Once,
     * after annex_ram_load_run().
     */
    void (*finished)(void *opaque);
    /**
     * A fault was answered.
     */
    void (*trace_fault)(void *opaque,
                        const char *block,
                        uint64_t ram_offset,
                        uint32_t tid,
                        uint64_t latency_ns,
                        AnnexRamFaultKind kind);
    /**
     * A batch was loaded in the background.
     */
    void (*trace_batch)(void *opaque,
                        const char *block,
                        uint64_t ram_offset,
                        uint64_t length,
                        uint64_t duration_ns);
} AnnexRamLoadOps;

/**
 * A RAM block's memory. It must stay mapped until annex_ram_load_free(), and
 * have been discarded before annex_ram_load_start().
 */
typedef struct {
    /**
     * The block's name in the migration stream. Copied.
     */
    const char *idstr;
    /**
     * Where it is mapped.
     */
    void *host;
    /**
     * Its used length in bytes.
     */
    uint64_t length;
    /**
     * Bytes of a page of its memory: the host's, or hugetlbfs's.
     */
    uint64_t page_size;
    /**
     * Whether it is shared memory.
     */
    bool shared;
    /**
     * Whether to make all of it resident once it is loaded.
     */
    bool populate;
} AnnexRamBlock;

/**
 * What a load has done so far. Pages are target pages. Always
 * total = zero + data; once finished, data = demand + background.
 */
typedef struct {
    /**
     * Pages of all blocks.
     */
    uint64_t pages_total;
    /**
     * Bytes of all blocks.
     */
    uint64_t bytes_total;
    /**
     * Pages that aren't in the file and read as zero.
     */
    uint64_t pages_zero;
    /**
     * Bytes of these.
     */
    uint64_t bytes_zero;
    /**
     * Pages in the file.
     */
    uint64_t pages_data;
    /**
     * Bytes of these.
     */
    uint64_t bytes_data;
    /**
     * Pages brought because someone waited for them.
     */
    uint64_t pages_demand;
    /**
     * Bytes of these.
     */
    uint64_t bytes_demand;
    /**
     * Pages brought in the background.
     */
    uint64_t pages_background;
    /**
     * Bytes of these.
     */
    uint64_t bytes_background;
    /**
     * Page faults met, of data and of zero pages.
     */
    uint64_t faults;
    /**
     * Median time from reading a fault to its page, from the file, being in
     * place, in nanoseconds; 0 if there was none. Doesn't have the time that
     * the fault waited to be read.
     */
    uint64_t fault_latency_median_ns;
    /**
     * Its 99th centile.
     */
    uint64_t fault_latency_p99_ns;
    /**
     * Its maximum.
     */
    uint64_t fault_latency_max_ns;
    /**
     * Nanoseconds from annex_ram_load_start() to everything being in place;
     * 0 before that.
     */
    uint64_t finish_ns;
} AnnexRamLoadStats;

/**
 * The properties of a drive. NULL or 0 stand for the default.
 */
typedef struct {
    /**
     * T10 vendor identification, up to 8 characters of ASCII.
     */
    const char *vendor;
    /**
     * Product identification, up to 16.
     */
    const char *product;
    /**
     * Product revision level, up to 4.
     */
    const char *revision;
    /**
     * Unit serial number, up to 36; NULL: none.
     */
    const char *serial;
    /**
     * Image format: "auto", "simh", "e11" or "aws"; NULL is "auto".
     */
    const char *format;
    /**
     * NAA identifier; 0: none.
     */
    uint64_t wwn;
    /**
     * Bytes of a cartridge; 0: that of the density's cartridges.
     */
    uint64_t capacity;
    /**
     * Bytes before its end from which writes are warned of; 0: a sixteenth, at most 256 MiB.
     */
    uint64_t early_warning;
    /**
     * Block length at power on in bytes; 0: variable.
     */
    uint32_t block_length;
    /**
     * Density code; 0: LTO-5's.
     */
    uint8_t density;
    /**
     * Cartridges are write once, read many.
     */
    bool worm;
    /**
     * The bus can queue commands.
     */
    bool command_queuing;
    /**
     * What the data compression page says at power on.
     */
    bool compression;
    /**
     * Keep an index in the image.
     */
    bool index;
} AnnexTapeConfig;

/**
 * An image.
 */
typedef struct {
    /**
     * In bytes, exactly.
     */
    uint64_t length;
    /**
     * An AnnexTapeTruncation.
     */
    int truncation;
    /**
     * Write-protected.
     */
    bool read_only;
} AnnexTapeMedium;

/**
 * Memory, part of an I/O request.
 */
typedef struct {
    /**
     * Its first byte; anything if `len` is 0.
     */
    uint8_t *base;
    /**
     * In bytes.
     */
    size_t len;
} AnnexTapeData;

/**
 * An I/O request. Its memory is the drive's, or in the command's buffer, and stays until
 * annex_tape_complete(). Requests that are out together don't overlap and may be carried out in
 * any order.
 */
typedef struct {
    /**
     * For annex_tape_complete().
     */
    uint64_t id;
    /**
     * What to do.
     */
    AnnexTapeIoKind kind;
    /**
     * In the image, in bytes.
     */
    uint64_t offset;
    /**
     * One after the other at `offset`.
     */
    AnnexTapeData data[2];
} AnnexTapeIo;

/**
 * A command's end.
 */
typedef struct {
    /**
     * SAM-5's status code.
     */
    uint8_t status;
    /**
     * Sense key, with CHECK CONDITION.
     */
    uint8_t sense_key;
    /**
     * Additional sense code.
     */
    uint8_t asc;
    /**
     * Its qualifier.
     */
    uint8_t ascq;
    /**
     * Bytes of `sense`; 0 unless CHECK CONDITION.
     */
    uint8_t sense_len;
    /**
     * Sense data, in the format that D_SENSE asks for.
     */
    uint8_t sense[ANNEX_TAPE_SENSE_MAX];
    /**
     * D_SENSE of the control mode page as it is now.
     */
    bool descriptor_sense;
    /**
     * Bytes of data in, at the beginning of the buffer.
     */
    size_t data_in;
    /**
     * What became of the tray.
     */
    AnnexTapeTray tray;
    /**
     * A unit attention for the initiator with number 0 that the command gave rise to: code and
     * qualifier; 0: none.
     */
    uint16_t attention;
    /**
     * Not carried out, and nothing has changed, for annex_tape_interrupt() was called.
     */
    bool interrupted;
    /**
     * What is wrong with the image, for the log; else NULL. Valid until the next call.
     */
    const char *message;
} AnnexTapeDone;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version, such as "0.1.0". The string is static; any thread
 * may call this.
 */
const char *annex_version(void);

/**
 * The error's message with its causes, "what: why: root". Lives as long as
 * the error does.
 *
 * # Safety
 * `err` came from this library and wasn't freed.
 */
const char *annex_error_message(const AnnexError *err);

/**
 * The positive errno of the system call that failed, or 0 if it wasn't one.
 *
 * # Safety
 * `err` came from this library and wasn't freed.
 */
int annex_error_errno(const AnnexError *err);

/**
 * Frees an error; NULL is allowed and does nothing.
 *
 * # Safety
 * `err` is NULL, or came from this library and wasn't freed.
 */
void annex_error_free(AnnexError *err);

/**
 * Makes an area for queues whose rings have up to rings[0], ... rings[n - 1] entries, each a
 * power of two. `len`: bytes of the whole area, rounded up to 2 MiB, of which every queue gets a
 * part in proportion to its ring; 0: 64 KiB for each entry of a ring, 4 MiB for each queue at
 * least. Memory is allocated as it is used. NULL on failure, such as a `len` that is too small
 * (the error says what would do); else freed with annex_isolated_area_free().
 *
 * # Safety
 * `rings` has `n` elements, or `n` is 0; `err` is NULL or valid for writing a pointer.
 */
AnnexIsolatedArea *annex_isolated_area_new(const uint16_t *rings,
                                           size_t n,
                                           uint64_t len,
                                           AnnexError **err);

/**
 * Frees an area; NULL is allowed and does nothing. Queues that are in it keep its memory.
 *
 * # Safety
 * `area` is NULL, or came from this library and wasn't freed.
 */
void annex_isolated_area_free(AnnexIsolatedArea *area);

/**
 * The file to send to the back-end, which maps it from offset 0. Borrowed: it is closed with the
 * area, once no queue is in that any more.
 *
 * # Safety
 * `area` is alive.
 */
int annex_isolated_area_fd(const AnnexIsolatedArea *area);

/**
 * Bytes of the area, a multiple of 2 MiB.
 *
 * # Safety
 * `area` is alive.
 */
uint64_t annex_isolated_area_len(const AnnexIsolatedArea *area);

/**
 * Writes the addresses of a queue's ring, as the back-end is to be told them, to `*out`; zeros
 * if the area has no queue of that index.
 *
 * # Safety
 * `area` is alive; `out` is valid for writing.
 */
void annex_isolated_area_vring(const AnnexIsolatedArea *area,
                               size_t queue,
                               AnnexIsolatedVring *out);

/**
 * Takes the area's queue `index`, empty; its ring begins at `options->base`. Copies `options`.
 * NULL on failure; else freed with annex_isolated_queue_free(). The area may be freed before.
 *
 * # Safety
 * `area` is alive; `options` points to a valid structure; `err` is NULL or valid for writing a
 * pointer.
 */
AnnexIsolatedQueue *annex_isolated_queue_new(const AnnexIsolatedArea *area,
                                             size_t index,
                                             const AnnexIsolatedOptions *options,
                                             AnnexError **err);

/**
 * Frees a queue, and zeroes its part of the area; NULL is allowed and does nothing. Requests in
 * flight are forgotten: to have them back, reset it before.
 *
 * # Safety
 * `queue` is NULL, or came from this library and wasn't freed.
 */
void annex_isolated_queue_free(AnnexIsolatedQueue *queue);

/**
 * Copies what the device may read of a request into the area, and puts the request in the ring,
 * where the back-end sees it after annex_isolated_queue_publish(). `request`, not NULL, is what
 * reap and reset give back; `out` is what the device may read, `into` what it may write, each in
 * any number of pieces, of which empty ones don't count. An error is stored when it never will be
 * lent: it is too large, it is empty, it isn't the one that is due after a suspension, or the
 * queue is broken.
 *
 * After annex_isolated_queue_suspend(), the requests that it gave come first, in their order:
 * they are in flight again, with the copies that the back-end has of them.
 *
 * # Safety
 * `queue` is alive; `out` has `out_num` elements, or that is 0, and `into` likewise. If the
 * request is lent, they stay as they are, and what they point to mapped (its bytes may change),
 * until the request comes back or the queue is freed. `err` is NULL or valid for writing a
 * pointer.
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
 * # Safety
 * `queue` is alive.
 */
bool annex_isolated_queue_publish(AnnexIsolatedQueue *queue);

/**
 * Takes the next request that the back-end has used: what it wrote is in the request's memory,
 * `*request` what was lent, and `*written` how many bytes it says it wrote, no more than it
 * could. True with `*request` NULL: there is none now. False: the back-end broke the rules, now
 * or before, or there was an internal error; nothing was copied, and nothing more will be until
 * annex_isolated_queue_reset().
 *
 * # Safety
 * `queue` is alive; `request` and `written` are valid for writing; `err` is NULL or valid for
 * writing a pointer.
 */
bool annex_isolated_queue_reap(AnnexIsolatedQueue *queue,
                               void **request,
                               uint32_t *written,
                               AnnexError **err);

/**
 * Whether annex_isolated_queue_reap() has something to say: a request, or that the queue is
 * broken. For polling.
 *
 * # Safety
 * `queue` is alive.
 */
bool annex_isolated_queue_pending(AnnexIsolatedQueue *queue);

/**
 * Asks the back-end to call when it has used a request. If this is true, reap at once: it may
 * have been before the back-end knew, or the queue is broken.
 *
 * # Safety
 * `queue` is alive.
 */
bool annex_isolated_queue_want_calls(AnnexIsolatedQueue *queue);

/**
 * Asks the back-end not to call. It may call all the same.
 *
 * # Safety
 * `queue` is alive.
 */
void annex_isolated_queue_mind_no_calls(AnnexIsolatedQueue *queue);

/**
 * Zeroes the memory of requests that came back, and makes it free; lend does the same when it
 * finds no room. To be called when the guest has been told of them: it needn't wait for this.
 *
 * # Safety
 * `queue` is alive.
 */
void annex_isolated_queue_clean(AnnexIsolatedQueue *queue);

/**
 * Requests in flight: lent, and not come back, or suspended.
 *
 * # Safety
 * `queue` is alive.
 */
uint16_t annex_isolated_queue_lent(const AnnexIsolatedQueue *queue);

/**
 * Takes requests in flight back, and leaves their copies with the back-end. Each call gives one,
 * in the order in which they were lent; then NULL. Call nothing else between the first and the
 * NULL. To go on, lend them again; until all of them are there, reap has nothing, and the
 * back-end may do with its copies what it does. To end it, reset or free.
 *
 * # Safety
 * `queue` is alive.
 */
void *annex_isolated_queue_suspend(AnnexIsolatedQueue *queue);

/**
 * How many of the requests that a suspension gave have to be lent again.
 *
 * # Safety
 * `queue` is alive.
 */
uint16_t annex_isolated_queue_suspended(const AnnexIsolatedQueue *queue);

/**
 * Ends everything, whatever the state. Each call gives a request that was in flight, unanswered,
 * in the order in which they were lent; then NULL. After that the queue is empty and usable, its
 * ring and memory as they were when it was new, unless it was an internal error that broke it.
 * Call nothing else between the first and the NULL.
 *
 * So requests go on when a back-end is lost: reap what it has used, reset, and lend what that
 * gives to a queue of a new area, for the lost back-end may have the old one mapped still.
 *
 * # Safety
 * `queue` is alive.
 */
void *annex_isolated_queue_reset(AnnexIsolatedQueue *queue);

/**
 * Writes what the queue has done so far to `*out`. Any thread may call this at any time between
 * new and free.
 *
 * # Safety
 * `queue` is alive; `out` is valid for writing.
 */
void annex_isolated_queue_stats(const AnnexIsolatedQueue *queue,
                                AnnexIsolatedStats *out);

/**
 * Hands the library's log records, and its panics, to `write`.
 *
 * `max_level` is an AnnexLogLevel, or 0 for none; graver records and those of
 * that level are handed over if `wanted` wants them.
 * `opaque` is passed to both and is never freed. To be called once; a second
 * call is an error, as is an unknown level, and changes nothing.
 *
 * # Safety
 * Both functions may be called with `opaque` from any thread until the
 * process ends. `err` is NULL or valid for writing.
 */
bool annex_log_init(AnnexLogFn write,
                    AnnexLogWantedFn wanted,
                    void *opaque,
                    uint32_t max_level,
                    AnnexError **err);

/**
 * Begins a load from the file `fd`, open for reading and able to seek.
 * Duplicates `fd`, and never writes to it. Copies `config` and `ops`. NULL on
 * failure; else freed with annex_ram_load_free().
 *
 * # Safety
 * `fd` is open; `config` and `ops` point to valid structures, and the
 * callbacks of `ops` work from any thread until the load is freed; `err` is
 * NULL or valid for writing a pointer.
 */
AnnexRamLoad *annex_ram_load_new(int fd,
                                 const AnnexRamLoadConfig *config,
                                 const AnnexRamLoadOps *ops,
                                 AnnexError **err);

/**
 * Adds a block with its `header_len` bytes of `header` from the stream; reads
 * and checks its page bitmap. Writes to `*next_offset` where in the file the
 * stream goes on.
 *
 * # Safety
 * `load` is alive; `block` points to a valid structure whose string ends in
 * NUL; `header` has `header_len` bytes; `next_offset` is valid for writing;
 * `err` is NULL or valid for writing a pointer.
 */
bool annex_ram_load_add_block(AnnexRamLoad *load,
                              const AnnexRamBlock *block,
                              const uint8_t *header,
                              size_t header_len,
                              uint64_t *next_offset,
                              AnnexError **err);

/**
 * Watches the memory of all blocks, which must be empty, and starts the
 * threads. From now on the memory may be touched.
 *
 * # Safety
 * `load` is alive, the memory of its blocks is mapped until it is freed, and
 * nothing else fills that memory; `err` is NULL or valid for writing a
 * pointer.
 */
bool annex_ram_load_start(AnnexRamLoad *load,
                          AnnexError **err);

/**
 * The device state is loaded and the machine is about to run. Fails if a page
 * couldn't be brought until now: then the load has been given up, memory that
 * wasn't loaded reads as zero, and the machine must not run. From now on such
 * a page is reported through `failed`, and waited for.
 *
 * # Safety
 * `load` is alive; `err` is NULL or valid for writing a pointer.
 */
bool annex_ram_load_run(AnnexRamLoad *load,
                        AnnexError **err);

/**
 * Tries all failed pages again, in the calling thread. If all are there then,
 * loading goes on. If not, all stays as it was, and the error names block and
 * offsets.
 *
 * # Safety
 * `load` is alive; `err` is NULL or valid for writing a pointer.
 */
bool annex_ram_load_retry(AnnexRamLoad *load,
                          AnnexError **err);

/**
 * The caller knows of the failures up to `sequence` and will call
 * annex_ram_load_retry(). Others are tried again by themselves each second.
 *
 * # Safety
 * `load` is alive.
 */
void annex_ram_load_acknowledge(AnnexRamLoad *load, uint64_t sequence);

/**
 * Whether some page is failed now.
 *
 * # Safety
 * `load` is alive.
 */
bool annex_ram_load_is_failed(const AnnexRamLoad *load);

/**
 * Brings the page at `ram_offset` of a block for someone whose faults don't
 * come here, such as a vhost-user back-end, and returns when it is there.
 *
 * # Safety
 * `load` is alive; `block` is a string that ends in NUL; `err` is NULL or
 * valid for writing a pointer.
 */
bool annex_ram_load_request(AnnexRamLoad *load,
                            const char *block,
                            uint64_t ram_offset,
                            AnnexError **err);

/**
 * Writes to `*stats` what the load has done so far; all zeros before
 * annex_ram_load_start().
 *
 * # Safety
 * `load` is alive; `stats` is valid for writing.
 */
void annex_ram_load_stats(const AnnexRamLoad *load,
                          AnnexRamLoadStats *stats);

/**
 * Ends a load wherever it is, waits for its threads, and frees it. Memory
 * that wasn't loaded reads as zero from now on: a machine that needs it must
 * not run. NULL is allowed and does nothing.
 *
 * # Safety
 * `load` is NULL, or alive and used by no other thread.
 */
void annex_ram_load_free(AnnexRamLoad *load);

/**
 * Makes a drive. Copies `config`. NULL on failure; else freed with annex_tape_free().
 *
 * # Safety
 * `config` points to a valid structure whose strings are NULL or end in NUL; `err` is NULL or
 * valid for writing a pointer.
 */
AnnexTape *annex_tape_new(const AnnexTapeConfig *config,
                          AnnexError **err);

/**
 * Frees a drive; NULL is allowed and does nothing. What isn't synced is lost.
 *
 * # Safety
 * `tape` came from annex_tape_new() and wasn't freed; no I/O of it is under way.
 */
void annex_tape_free(AnnexTape *tape);

/**
 * Puts a cartridge in, instead of the one that may be there. Not while the drive is busy.
 *
 * # Safety
 * `tape` is alive; `medium` points to a valid structure.
 */
void annex_tape_insert(AnnexTape *tape,
                       const AnnexTapeMedium *medium);

/**
 * Takes the cartridge out. Not while the drive is busy. What isn't synced is lost.
 *
 * # Safety
 * `tape` is alive.
 */
void annex_tape_remove(AnnexTape *tape);

/**
 * Whether PREVENT ALLOW MEDIUM REMOVAL is in force.
 *
 * # Safety
 * `tape` is alive.
 */
bool annex_tape_is_removal_prevented(AnnexTape *tape);

/**
 * Lifts the prevention of removal.
 *
 * # Safety
 * `tape` is alive.
 */
void annex_tape_allow_removal(AnnexTape *tape);

/**
 * Whether something was acknowledged that is not on stable storage.
 *
 * # Safety
 * `tape` is alive.
 */
bool annex_tape_is_dirty(AnnexTape *tape);

/**
 * Whether a command or task is under way. I/O may be, all the same, if not.
 *
 * # Safety
 * `tape` is alive.
 */
bool annex_tape_is_busy(AnnexTape *tape);

/**
 * Logical unit reset. Not while the drive is busy. The position stays.
 *
 * # Safety
 * `tape` is alive.
 */
void annex_tape_reset(AnnexTape *tape);

/**
 * The block length that fixed transfers count in, in bytes.
 *
 * # Safety
 * `tape` is alive.
 */
uint32_t annex_tape_block_length(AnnexTape *tape);

/**
 * Bytes of the data buffer that the command wants, which may be more than it transfers; 0 for
 * none.
 *
 * # Safety
 * `tape` is alive; `cdb` has `cdb_len` bytes.
 */
size_t annex_tape_buffer_length(AnnexTape *tape,
                                const uint8_t *cdb,
                                size_t cdb_len);

/**
 * Begins a command; the drive isn't busy. `data_len`: bytes of data out, which are at the
 * beginning of `data`, or room for data in.
 *
 * # Safety
 * `tape` is alive; `cdb` has `cdb_len` bytes; `data` is valid for as many bytes as
 * annex_tape_buffer_length() says, and nobody else's, until the command has ended.
 */
void annex_tape_start(AnnexTape *tape,
                      const uint8_t *cdb,
                      size_t cdb_len,
                      uint32_t initiator,
                      uint8_t *data,
                      size_t data_len);

/**
 * Begins a task; the drive isn't busy.
 *
 * # Safety
 * `tape` is alive.
 */
void annex_tape_start_task(AnnexTape *tape, int task);

/**
 * Asks a command that hasn't changed anything to end without being carried out.
 *
 * # Safety
 * `tape` is alive.
 */
void annex_tape_interrupt(AnnexTape *tape);

/**
 * Writes the next I/O request to `*io`. False: there is none before the next complete or start.
 *
 * # Safety
 * `tape` is alive; `io` is valid for writing.
 */
bool annex_tape_poll(AnnexTape *tape,
                     AnnexTapeIo *io);

/**
 * An I/O request has ended: `result` is a negative errno, or for a read the bytes that the image
 * had there, fewer than asked for at its end only, else 0.
 *
 * # Safety
 * `tape` is alive; `id` came from annex_tape_poll() and wasn't completed.
 */
void annex_tape_complete(AnnexTape *tape,
                         uint64_t id,
                         int result);

/**
 * Writes a command's or task's end to `*done`, once. False: it hasn't ended.
 *
 * # Safety
 * `tape` is alive; `done` is valid for writing.
 */
bool annex_tape_poll_done(AnnexTape *tape,
                          AnnexTapeDone *done);

/**
 * The drive's state, for annex_tape_restore() on another machine; its length in bytes goes to
 * `*length`. Freed with annex_tape_free_state(). The drive is neither busy nor dirty.
 *
 * # Safety
 * `tape` is alive; `length` is valid for writing.
 */
uint8_t *annex_tape_save(AnnexTape *tape,
                         size_t *length);

/**
 * Frees what annex_tape_save() gave.
 *
 * # Safety
 * `state` and `length` came from annex_tape_save().
 */
void annex_tape_free_state(uint8_t *state, size_t length);

/**
 * Takes the state of another drive over, before the first command. Anybody's bytes are safe.
 *
 * # Safety
 * `tape` is alive; `state` has `length` bytes, or `length` is 0; `err` is NULL or valid for
 * writing a pointer.
 */
bool annex_tape_restore(AnnexTape *tape,
                        const uint8_t *state,
                        size_t length,
                        AnnexError **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QEMU_ANNEX_H */
