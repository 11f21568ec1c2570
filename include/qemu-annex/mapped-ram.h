/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The C interface of QEMU Annex.
 *
 * Made from rust/qemu-annex by `make header`; don't edit it by hand.
 */

#ifndef QEMU_ANNEX_MAPPED_RAM_H
#define QEMU_ANNEX_MAPPED_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "qemu-annex/error.h"

/**
 * The background gives way to page faults.
 */
#define ANNEX_RAM_LOAD_ADAPTIVE 0

/**
 * There is none: pages come when they are touched.
 */
#define ANNEX_RAM_LOAD_OFF 1

/**
 * The background is as fast as it can; page faults stand in line with it.
 */
#define ANNEX_RAM_LOAD_FULL 2

/**
 * One page after the other, and nothing brought along with a page that is
 * waited for, as QEMU's later releases load.
 */
#define ANNEX_RAM_LOAD_LINEAR 3

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
 * Memory that is mapped from a snapshot. One thread at a time may use it.
 */
typedef struct AnnexRamDetach AnnexRamDetach;

/**
 * A snapshot that is being loaded. All functions may be called from any thread
 * but those that call `AnnexRamLoadOps`.
 */
typedef struct AnnexRamLoad AnnexRamLoad;

/**
 * A snapshot that is about to be mapped, copy on write. One thread at a time
 * may use it.
 */
typedef struct AnnexRamMap AnnexRamMap;

/**
 * Tells of new memory, at `host`, `length` bytes long, that RAM is about to be
 * copied to, so that the kernel can be told what is to hold for it.
 */
typedef void (*AnnexRamAdvise)(void *opaque, void *host, uint64_t length);

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
 * What was mapped.
 */
typedef struct {
    /**
     * Bytes that are mapped from the file.
     */
    uint64_t bytes_mapped;
    /**
     * Bytes that are in the file and were copied, as the process may not have
     * a mapping for each run of pages.
     */
    uint64_t bytes_copied;
    /**
     * Bytes that aren't in the file and read as zero.
     */
    uint64_t bytes_zero;
    /**
     * Mappings of the file.
     */
    uint64_t mappings;
} AnnexRamMapStats;

/**
 * What is wanted of the background.
 */
typedef struct {
    /**
     * ANNEX_RAM_LOAD_ADAPTIVE, _OFF, _FULL or _LINEAR.
     */
    uint32_t background;
    /**
     * The most bytes per second that it reads, or 0: as many as it can.
     */
    uint64_t max_bandwidth;
} AnnexRamLoadPace;

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
    /**
     * Whether to read pages past the page cache (O_DIRECT). It is tried at
     * once, and refused where it can't be.
     */
    bool direct_io;
    /**
     * What is wanted of the background at first.
     */
    AnnexRamLoadPace pace;
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
     * What happened and why, naming block and offsets.
     */
    const char *message;
} AnnexRamLoadFailure;

/**
 * What to call when something happens; NULL for what isn't wanted. Called from
 * any thread of the load, with no lock held, until annex_ram_load_free()
 * returns. Strings are valid during the call. A callback must not touch memory
 * that is being loaded, must not wait for a thread that does (a lock that a
 * vCPU may hold while it touches RAM counts), and must not call
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
     * Some pages are still missing: answer with annex_ram_load_acknowledge().
     * Once a second.
     */
    void (*still_failed)(void *opaque);
    /**
     * The file isn't what it was when its first header was read, so that the
     * pages may not belong together; `difference` says what was seen. Once,
     * while the machine runs.
     */
    void (*file_changed)(void *opaque, const char *difference);
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
 * What a load has done so far. Pages are target pages. Always total = zero +
 * data; once finished, data = demand + background.
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
     * Pages of these that came first, as they are in the working set or in
     * small gaps of it.
     */
    uint64_t pages_working_set;
    /**
     * Bytes of these.
     */
    uint64_t bytes_working_set;
    /**
     * Pages that were recorded for a new working set; one may count more than
     * once.
     */
    uint64_t pages_recorded;
    /**
     * Bytes of these.
     */
    uint64_t bytes_recorded;
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
} AnnexRamLoadStats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Bytes that are still mapped from the snapshot.
 *
 * `detach` is alive.
 */
uint64_t annex_ram_detach_left(const AnnexRamDetach *detach);

/**
 * Gets new memory ready for the next `length` bytes or a little more, unless
 * as much is ready. Calls `advise` with `opaque` for it. Fails if the kernel
 * has no memory or no mapping left.
 *
 * `detach` is alive, and used by no other thread; `advise` works; `err` is
 * NULL or valid for writing a pointer.
 */
bool annex_ram_detach_prepare(AnnexRamDetach *detach,
                              uint64_t length,
                              AnnexRamAdvise advise,
                              void *opaque,
                              AnnexError **err);

/**
 * Copies mapped memory, and puts the copy in its place, for `budget_ns`, and
 * at least a piece of 2 MiB, as far as memory is ready. Nobody may write to
 * the memory meanwhile: vCPUs are stopped, disks are drained, and no page is
 * pinned; reading is allowed. Fails if the kernel has no mapping left: then
 * what was done stays, and it can be tried again.
 *
 * `detach` is alive, and used by no other thread; the memory may be replaced,
 * and isn't written to; `err` is NULL or valid for writing a pointer.
 */
bool annex_ram_detach_step(AnnexRamDetach *detach,
                           uint64_t budget_ns,
                           AnnexError **err);

/**
 * `length` bytes of memory at `host` are RAM no more: they are left alone from
 * now on.
 *
 * `detach` is alive, and used by no other thread.
 */
void annex_ram_detach_forget(AnnexRamDetach *detach,
                             const void *host,
                             uint64_t length);

/**
 * Frees it; what is mapped stays so. NULL is allowed and does nothing.
 *
 * `detach` is NULL, or alive and used by no other thread.
 */
void annex_ram_detach_free(AnnexRamDetach *detach);

/**
 * Begins to map the snapshot in `fd`, a memfd open for reading that is sealed
 * against shrinking and writing. Duplicates `fd`. `target_page_size` is
 * TARGET_PAGE_SIZE, in bytes. NULL on failure, and if it isn't sealed; else
 * freed with annex_ram_map_free().
 *
 * `fd` is open; `err` is NULL or valid for writing a pointer.
 */
AnnexRamMap *annex_ram_map_new(int fd,
                               uint64_t target_page_size,
                               AnnexError **err);

/**
 * Adds a block with its `header_len` bytes of `header` from the stream; reads
 * and checks its page bitmap. Writes to `*next_offset` where in the file the
 * stream goes on. Fails, and names the block, if its memory isn't private
 * anonymous memory in base pages, or is to be populated, or follows a NUMA
 * policy.
 *
 * `map` is alive; `block` points to a valid structure whose string ends in
 * NUL; `header` has `header_len` bytes; `next_offset` is valid for writing;
 * `err` is NULL or valid for writing a pointer.
 */
bool annex_ram_map_add_block(AnnexRamMap *map,
                             const AnnexRamBlock *block,
                             const uint8_t *header,
                             size_t header_len,
                             uint64_t *next_offset,
                             AnnexError **err);

/**
 * Makes the memory of all blocks the snapshot's, and writes to `*stats` how.
 * Replaces mappings: what was advised about the memory must be advised again.
 * Returns what ends this again, freed with annex_ram_detach_free(). NULL on
 * failure: the memory is neither what it was nor the snapshot's then.
 *
 * `map` is alive; the memory of its blocks is private and anonymous, reads as
 * zero, and may be replaced; `stats` is valid for writing; `err` is NULL or
 * valid for writing a pointer.
 */
AnnexRamDetach *annex_ram_map_place(AnnexRamMap *map,
                                    AnnexRamMapStats *stats,
                                    AnnexError **err);

/**
 * Frees it; what was mapped stays so. NULL is allowed and does nothing.
 *
 * `map` is NULL, or alive and used by no other thread.
 */
void annex_ram_map_free(AnnexRamMap *map);

/**
 * Begins a load from the file `fd`, open for reading and able to seek.
 * Duplicates `fd`, and never writes to it. Copies `config` and `ops`. NULL on
 * failure; else freed with annex_ram_load_free().
 *
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
 * From the start on, the pages of the working set in the file `fd`, open for
 * reading, are to come before all else. All blocks have been added. Reads all
 * of the file, and doesn't keep it. Fails, and says why, if it isn't a working
 * set of this snapshot, or if the background is linear.
 *
 * `load` is alive; `fd` is open; `err` is NULL or valid for writing a pointer.
 */
bool annex_ram_load_use_working_set(AnnexRamLoad *load,
                                    int fd,
                                    AnnexError **err);

/**
 * From the start on, what is touched is recorded, and when the load ends, or
 * with annex_ram_load_end_recording(), written to `path` as a working set,
 * merged with the one that is used, which must be given before, and with one
 * that is at `path`. All blocks have been added. Copies `path`. Fails, and
 * says why, if something else is at `path`, or if nothing can be written
 * there.
 *
 * `load` is alive; `path` is a string that ends in NUL; `err` is NULL or valid
 * for writing a pointer.
 */
bool annex_ram_load_record(AnnexRamLoad *load,
                           const char *path,
                           AnnexError **err);

/**
 * Ends the recording, if there is one, and writes it. Waits for that at most
 * `patience_ms`; if it takes longer it is still written. If it fails the
 * recording goes on, and it can be tried again. The load has been started.
 *
 * `load` is alive; `err` is NULL or valid for writing a pointer.
 */
bool annex_ram_load_end_recording(AnnexRamLoad *load,
                                  uint32_t patience_ms,
                                  AnnexError **err);

/**
 * Watches the memory of all blocks, which must be empty, and starts the
 * threads. From now on the memory may be touched.
 *
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
 * `load` is alive; `err` is NULL or valid for writing a pointer.
 */
bool annex_ram_load_run(AnnexRamLoad *load,
                        AnnexError **err);

/**
 * From now on this is wanted of the background, before the load's start as
 * well as after it. Copies `pace`. Fails only for a background that there
 * isn't.
 *
 * `load` is alive; `pace` points to a valid structure; `err` is NULL or valid
 * for writing a pointer.
 */
bool annex_ram_load_set_pace(AnnexRamLoad *load,
                             const AnnexRamLoadPace *pace,
                             AnnexError **err);

/**
 * Tries all failed pages again, and waits for that at most `patience_ms`. If
 * all are there then, loading goes on. If not, all stays as it was, and the
 * error names block and offsets, or says that the storage doesn't answer.
 *
 * `load` is alive; `err` is NULL or valid for writing a pointer.
 */
bool annex_ram_load_retry(AnnexRamLoad *load,
                          uint32_t patience_ms,
                          AnnexError **err);

/**
 * A sign of life while pages are failed. If the caller gives none within a
 * second of `failed` or `still_failed` the pages are tried again by
 * themselves, as it may be the caller who waits for them.
 *
 * `load` is alive.
 */
void annex_ram_load_acknowledge(AnnexRamLoad *load);

/**
 * Whether thread `tid`, or with 0 any thread, has waited for a page for a
 * second or more, because it is failed or the storage stalls.
 *
 * `load` is alive.
 */
bool annex_ram_load_is_stuck(const AnnexRamLoad *load, uint32_t tid);

/**
 * Writes to `*stats` what the load has done so far; all zeros before
 * annex_ram_load_start().
 *
 * `load` is alive; `stats` is valid for writing.
 */
void annex_ram_load_stats(const AnnexRamLoad *load,
                          AnnexRamLoadStats *stats);

/**
 * Ends a load wherever it is, waits for its threads, and frees it. Memory that
 * wasn't loaded reads as zero from now on: a machine that needs it must not
 * run. NULL is allowed and does nothing.
 *
 * `load` is NULL, or alive and used by no other thread.
 */
void annex_ram_load_free(AnnexRamLoad *load);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QEMU_ANNEX_MAPPED_RAM_H */
