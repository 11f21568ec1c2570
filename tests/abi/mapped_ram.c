/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A snapshot of one block, loaded on demand from C.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "qemu-annex.h"
#include "tap.h"

#define PAGE 4096
#define PAGES 600
#define LENGTH ((size_t)PAGE * PAGES)
#define BITMAP_OFFSET 64
#define PAGES_OFFSET (1 << 20)

/* What the callbacks saw. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int begun, ended, faults, batches, failures, asked, changes, finished;
static int running = 1;
static bool failure_good;

static void note(int *counter)
{
    pthread_mutex_lock(&lock);
    ++*counter;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* Waits until something was noted; the test's time limit is the limit. */
static void await(int *counter)
{
    pthread_mutex_lock(&lock);
    while (!*counter) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void on_begin(void *opaque, const char *block, uint64_t ram_offset,
                     void *host, uint32_t tid)
{
    (void)ram_offset, (void)host, (void)tid;
    if (opaque == &lock && !strcmp(block, "pc.ram")) {
        note(&begun);
    }
}

static void on_end(void *opaque, void *host)
{
    (void)opaque, (void)host;
    note(&ended);
}

static void on_failed(void *opaque, const AnnexRamLoadFailure *failure)
{
    (void)opaque;
    failure_good = !strcmp(failure->block, "pc.ram") && failure->error == EIO
                   && failure->file_offset == PAGES_OFFSET + failure->ram_offset
                   && strstr(failure->message, "the file ends before");
    note(&failures);
}

static void on_still_failed(void *opaque)
{
    (void)opaque;
    note(&asked);
}

static void on_file_changed(void *opaque, const char *difference)
{
    (void)opaque;
    if (strstr(difference, "its length was")) {
        note(&changes);
    }
}

static void on_finished(void *opaque)
{
    (void)opaque;
    note(&finished);
}

static void on_fault(void *opaque, const char *block, uint64_t ram_offset,
                     uint32_t tid, uint64_t latency_ns,
                     AnnexRamFaultKind kind)
{
    (void)opaque, (void)block, (void)ram_offset, (void)tid, (void)latency_ns;
    if (kind <= ANNEX_RAM_FAULT_KIND_ALREADY_THERE) {
        note(&faults);
    }
}

static void on_batch(void *opaque, const char *block, uint64_t ram_offset,
                     uint64_t length, uint64_t duration_ns)
{
    (void)opaque, (void)block, (void)ram_offset, (void)length,
    (void)duration_ns;
    note(&batches);
    /* A test can hold the background up after its first batch. */
    await(&running);
}

static void put_be(uint8_t *at, int bytes, uint64_t value)
{
    while (bytes--) {
        at[bytes] = value;
        value >>= 8;
    }
}

static uint8_t byte_of(int page)
{
    return page % 251 + 1;
}

/* Writes pages from `first` on; every third isn't in the file. */
static void write_pages(int fd, int first)
{
    uint8_t page[PAGE];

    for (int i = first; i < PAGES; i++) {
        memset(page, i % 3 ? byte_of(i) : 0xee, PAGE);
        if (pwrite(fd, page, PAGE, PAGES_OFFSET + (off_t)i * PAGE) != PAGE) {
            abort();
        }
    }
}

static int make_snapshot(uint8_t header[28])
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    unsigned long bitmap[(PAGES + 63) / 64] = { 0 };

    for (int i = 0; i < PAGES; i++) {
        if (i % 3) {
            bitmap[i / 64] |= 1UL << i % 64;
        }
    }
    put_be(header, 4, 1);
    put_be(header + 4, 8, PAGE);
    put_be(header + 12, 8, BITMAP_OFFSET);
    put_be(header + 20, 8, PAGES_OFFSET);
    if (pwrite(fd, bitmap, sizeof(bitmap), BITMAP_OFFSET) != sizeof(bitmap)) {
        abort();
    }
    write_pages(fd, 0);
    return fd;
}

static bool loaded(const volatile uint8_t *ram)
{
    for (int i = 0; i < PAGES; i++) {
        uint8_t want = i % 3 ? byte_of(i) : 0;

        if (ram[(size_t)i * PAGE] != want
            || ram[(size_t)i * PAGE + PAGE - 1] != want) {
            return false;
        }
    }
    return true;
}

static void *touch_last_page(void *ram)
{
    ((volatile uint8_t *)ram)[LENGTH - 1];
    return NULL;
}

static void *map(void)
{
    return mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void on_advise(void *opaque, void *host, uint64_t length)
{
    *(uint64_t *)opaque += length;
}

/* Mapped from a sealed memfd, and detached; from any other file it is refused. */
static void test_map(void)
{
    uint8_t header[28];
    int unsealed = make_snapshot(header), fd;
    AnnexRamBlock block = {
        .idstr = "pc.ram", .host = map(), .length = LENGTH, .page_size = PAGE,
        .shared = true,
    };
    AnnexRamMapStats stats;
    AnnexRamMap *snapshot;
    AnnexRamDetach *detach = NULL;
    AnnexError *err = NULL;
    uint64_t next, advised = 0;

    annex_ram_map_free(NULL);
    tap_ok(!annex_ram_map_new(unsealed, PAGE, &err)
           && strstr(annex_error_message(err), "sealed"),
           "a file that may shrink isn't mapped");
    annex_error_free(err);
    err = NULL;
    fd = make_snapshot(header);
    close(unsealed);
    tap_ok(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE)
           && (snapshot = annex_ram_map_new(fd, PAGE, &err)) && !err,
           "one that is sealed is");
    close(fd);
    tap_ok(!annex_ram_map_add_block(snapshot, &block, header, 28, &next, &err)
           && strstr(annex_error_message(err), "'pc.ram'"),
           "shared memory is refused by name");
    annex_error_free(err);
    err = NULL;
    block.shared = false;
    tap_ok(annex_ram_map_add_block(snapshot, &block, header, 28, &next, &err)
           && next == PAGES_OFFSET + LENGTH
           && (detach = annex_ram_map_place(snapshot, &stats, &err)) && !err,
           "private memory is mapped");
    annex_ram_map_free(snapshot);
    tap_ok(loaded(block.host) && stats.mappings == PAGES / 3
           && stats.bytes_mapped == PAGES / 3 * 2 * PAGE && !stats.bytes_copied
           && stats.bytes_zero == PAGES / 3 * PAGE,
           "every page is the snapshot's, and the figures add up");
    annex_ram_detach_forget(detach, (char *)block.host + 3 * PAGE, 3 * PAGE);
    tap_ok(annex_ram_detach_left(detach) == stats.bytes_mapped - 2 * PAGE,
           "a run can be left alone");
    while (annex_ram_detach_left(detach) > 0
           && annex_ram_detach_prepare(detach, PAGE, on_advise, &advised, &err)
           && annex_ram_detach_step(detach, 0, &err)) {
    }
    tap_ok(!err && !annex_ram_detach_left(detach) && loaded(block.host)
           && advised == stats.bytes_mapped - 2 * PAGE,
           "the rest becomes private, and is as it was");
    annex_ram_detach_free(detach);
    annex_ram_detach_free(NULL);
    munmap(block.host, LENGTH);
}

int main(void)
{
    uint8_t header[28];
    int fd = make_snapshot(header);
    AnnexRamLoadConfig config = {
        .fault_threads = 1, .background_threads = 2,
        .target_page_size = PAGE, .track_faults = true,
    };
    AnnexRamLoadOps ops = {
        .opaque = &lock, .fault_begin = on_begin, .fault_end = on_end,
        .failed = on_failed, .still_failed = on_still_failed,
        .file_changed = on_file_changed, .finished = on_finished,
        .trace_fault = on_fault, .trace_batch = on_batch,
    };
    AnnexRamLoadOps no_ops = { 0 };
    AnnexRamBlock block = {
        .idstr = "pc.ram", .host = map(), .length = LENGTH, .page_size = PAGE,
    };
    AnnexRamLoadPace pace = { 0 };
    AnnexRamLoadStats stats;
    AnnexRamLoad *load;
    AnnexError *err = NULL;
    char folder[] = "/tmp/annex-abi-XXXXXX", set[64] = "";
    pthread_t waiter;
    uint64_t next;
    int set_fd;

    test_map();
    annex_ram_load_free(NULL);
    tap_ok(!annex_ram_load_new(-1, &config, &ops, &err) && err,
           "a load needs a file");
    annex_error_free(err);
    err = NULL;

    /* A file system without it */
    config.direct_io = true;
    set_fd = open("/proc/self/maps", O_RDONLY);
    tap_ok(!annex_ram_load_new(set_fd, &config, &ops, &err) &&
           strstr(annex_error_message(err), "direct-io: "),
           "direct-io is refused where it can't be");
    annex_error_free(err);
    err = NULL;
    close(set_fd);
    config.direct_io = false;

    load = annex_ram_load_new(fd, &config, &ops, &err);
    tap_ok(load && !err, "a load is made");
    header[3] = 2;
    tap_ok(!annex_ram_load_add_block(load, &block, header, 28, &next, &err),
           "a header that lies is refused");
    tap_ok(strstr(annex_error_message(err), "'pc.ram': header version 2"),
           "and the message says what is wrong");
    annex_error_free(err);
    err = NULL;
    header[3] = 1;
    tap_ok(annex_ram_load_add_block(load, &block, header, 28, &next, &err)
           && next == PAGES_OFFSET + LENGTH,
           "a true one is taken, and tells where the stream goes on");
    tap_ok(!annex_ram_load_run(load, NULL), "it can't run before the start");

    pace.background = ANNEX_RAM_LOAD_LINEAR + 1;
    tap_ok(!annex_ram_load_set_pace(load, &pace, &err)
           && strstr(annex_error_message(err), "no background 4"),
           "a background that there isn't is refused");
    annex_error_free(err);
    err = NULL;
    pace.background = ANNEX_RAM_LOAD_FULL;
    tap_ok(annex_ram_load_set_pace(load, &pace, &err) && !err,
           "the pace can be set before the start");

    tap_ok(!annex_ram_load_use_working_set(load, -1, &err)
           && strstr(annex_error_message(err), "no file descriptor"),
           "a working set needs a file");
    annex_error_free(err);
    err = NULL;
    tap_ok(!annex_ram_load_use_working_set(load, fd, &err)
           && strstr(annex_error_message(err), "it is no working set"),
           "what is none is refused");
    annex_error_free(err);
    err = NULL;
    tap_ok(!annex_ram_load_record(load, "/nowhere/set", &err)
           && strstr(annex_error_message(err), "'/nowhere/set'"),
           "a recording needs a place");
    annex_error_free(err);
    err = NULL;
    tap_ok(mkdtemp(folder) && snprintf(set, sizeof(set), "%s/set", folder) > 0,
           "there is a folder for it");
    tap_ok(annex_ram_load_record(load, set, &err) && !err, "and is given one");
    tap_ok(annex_ram_load_start(load, &err) && !err, "it starts");
    tap_ok(annex_ram_load_run(load, &err) && !err, "it runs");
    tap_ok(loaded(block.host), "every page is the snapshot's");
    await(&finished);
    annex_ram_load_stats(load, &stats);
    tap_ok(stats.pages_total == PAGES && stats.bytes_total == LENGTH
           && stats.pages_zero == PAGES / 3 && stats.pages_data == PAGES / 3 * 2
           && stats.pages_demand + stats.pages_background == stats.pages_data
           && stats.bytes_demand + stats.bytes_background == stats.bytes_data,
           "the figures add up");
    tap_ok(annex_ram_load_end_recording(load, 10000, &err) && !err
           && stats.bytes_recorded == stats.pages_recorded * PAGE
           && stats.pages_working_set == 0, "the recording ends");
    annex_ram_load_free(load);
    set_fd = open(set, O_RDONLY);
    load = annex_ram_load_new(fd, &config, &ops, NULL);
    tap_ok(annex_ram_load_add_block(load, &block, header, 28, &next, NULL)
           && annex_ram_load_use_working_set(load, set_fd, &err) && !err,
           "what was recorded is a working set of the same snapshot");
    annex_ram_load_free(load);
    close(set_fd);
    unlink(set);
    rmdir(folder);
    tap_ok(finished == 1 && !failures && !asked && !changes && batches > 0 && faults <= (int)stats.faults
           && ended <= begun, "the callbacks were called");
    munmap(block.host, LENGTH);

    /* Truncated while it runs, so that the second batch fails. */
    config.background_threads = 1;
    running = finished = 0;
    block.host = map();
    load = annex_ram_load_new(fd, &config, &ops, NULL);
    tap_ok(annex_ram_load_add_block(load, &block, header, 28, &next, NULL)
           && annex_ram_load_start(load, NULL) && annex_ram_load_run(load, NULL)
           && !ftruncate(fd, PAGES_OFFSET + (PAGES - 1) * PAGE),
           "a file is cut off while it is loaded");
    note(&running);
    await(&failures);
    await(&changes);
    tap_ok(!annex_ram_load_is_stuck(load, 0), "nobody waits for a page");
    pthread_create(&waiter, NULL, touch_last_page, block.host);
    await(&asked);
    annex_ram_load_acknowledge(load);
    while (!annex_ram_load_is_stuck(load, 0)) {
        usleep(10000);
    }
    tap_ok(failure_good && !annex_ram_load_is_stuck(load, getpid())
           && !annex_ram_load_retry(load, 10000, &err)
           && strstr(annex_error_message(err), "the file ends before"),
           "the failure is reported, and trying again fails as well");
    annex_error_free(err);
    write_pages(fd, PAGES - 1);
    tap_ok(annex_ram_load_retry(load, 10000, NULL) && loaded(block.host)
           && !pthread_join(waiter, NULL) && changes == 1,
           "once the file is back all is loaded");
    await(&finished);
    annex_ram_load_free(load);
    munmap(block.host, LENGTH);

    /* Freed in the middle, and with no callbacks. */
    block.host = map();
    load = annex_ram_load_new(fd, &config, &no_ops, NULL);
    annex_ram_load_add_block(load, &block, header, 28, &next, NULL);
    annex_ram_load_start(load, NULL);
    annex_ram_load_free(load);
    ((volatile uint8_t *)block.host)[LENGTH - 1] = 1;
    tap_ok(true, "a load that is freed leaves ordinary memory");
    return tap_done();
}
