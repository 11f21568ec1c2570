/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeps a disk busy, and tells how much it did.
 *
 *   diskload DEVICE read|write|verify BYTES DEPTH QUEUES SECONDS
 *
 * QUEUES threads, each on a CPU of its own so that it has a queue of its own,
 * keep DEPTH requests of BYTES in flight each, past the page cache: of 1 MiB
 * and more in order, smaller ones anywhere. Whoever says verify reads a disk each
 * of whose sectors begins with its number, and fails where that isn't in memory
 * afterwards. Prints the requests that were done,
 * the seconds they took, and half of them's latency in ns at most:
 * "31415 1.003 27182".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MIB (1ul << 20)
#define HUGE_PAGE (2 * MIB)
#define MOST_DEPTH 256
#define MOST_QUEUES 16
#define MOST_LATENCIES (1ul << 20)

struct queue {
    pthread_t thread;
    int index;
    uint64_t done;
    uint32_t *latencies; /* of the first MOST_LATENCIES */
    uint64_t random;
    uint64_t next; /* block, when in order */
};

#define SECTOR 512ul

static int disk, opcode;
static bool verify;
static size_t bytes, depth, queues;
static uint64_t blocks, end;

static void die(const char *what)
{
    fprintf(stderr, "diskload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static uint64_t next_block(struct queue *q)
{
    if (bytes >= MIB) {
        return q->next++ % blocks;
    }
    /* Knuth's MMIX. */
    q->random = q->random * 6364136223846793005ull + 1442695040888963407ull;
    return (q->random >> 33) % blocks;
}

/* The word that the sector at this offset of a request begins with */
static volatile uint64_t *first_word(const struct iocb *io, size_t at)
{
    return (volatile uint64_t *)(uintptr_t)(io->aio_buf + at);
}

static void submit(aio_context_t context, struct queue *q, struct iocb *io)
{
    for (size_t at = 0; verify && at < bytes; at += SECTOR) {
        *first_word(io, at) = UINT64_MAX;
    }
    io->aio_offset = next_block(q) * bytes;
    io->aio_data = now();
    if (syscall(SYS_io_submit, context, 1, &io) != 1) {
        die("io_submit");
    }
}

static void reaped(struct queue *q, const struct io_event *event)
{
    if (event->res != (int64_t)bytes) {
        errno = event->res < 0 ? -event->res : EIO;
        die("a request");
    }
    for (size_t at = 0; verify && at < bytes; at += SECTOR) {
        const struct iocb *io = (const struct iocb *)(uintptr_t)event->obj;
        uint64_t sector = (io->aio_offset + at) / SECTOR;

        if (*first_word(io, at) != sector) {
            fprintf(stderr, "diskload: sector %" PRIu64 " reads as %" PRIx64 "\n",
                    sector, *first_word(io, at));
            exit(1);
        }
    }
    if (q->done < MOST_LATENCIES) {
        q->latencies[q->done] = now() - event->data;
    }
    q->done++;
}

static void *keep_busy(void *arg)
{
    static struct iocb ios[MOST_QUEUES][MOST_DEPTH];
    struct io_event events[MOST_DEPTH];
    struct queue *q = arg;
    size_t len = (bytes * depth + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    size_t in_flight, i;
    aio_context_t context = 0;
    cpu_set_t cpus;
    char *data;

    CPU_ZERO(&cpus);
    CPU_SET(q->index, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus)) {
        die("sched_setaffinity");
    }
    /* Huge pages make large requests one segment, if there are any. */
    data = aligned_alloc(HUGE_PAGE, len);
    if (!data || syscall(SYS_io_setup, depth, &context)) {
        die("io_setup");
    }
    madvise(data, len, MADV_HUGEPAGE);
    memset(data, 0x5a, len);
    for (i = 0; i < depth; i++) {
        ios[q->index][i] = (struct iocb) {
            .aio_fildes = disk,
            .aio_lio_opcode = opcode,
            .aio_buf = (uintptr_t)(data + i * bytes),
            .aio_nbytes = bytes,
        };
        submit(context, q, &ios[q->index][i]);
    }
    for (in_flight = depth; in_flight;) {
        long got = syscall(SYS_io_getevents, context, 1, depth, events, NULL);

        if (got < 0 && errno != EINTR) {
            die("io_getevents");
        }
        for (i = 0; (long)i < got; i++) {
            reaped(q, &events[i]);
            if (now() < end) {
                submit(context, q, (struct iocb *)(uintptr_t)events[i].obj);
            } else {
                in_flight--;
            }
        }
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static struct queue all[MOST_QUEUES];
    uint64_t start, took, done = 0;
    size_t i, kept = 0;
    uint32_t *latencies;
    off_t len;

    if (argc != 7) {
        fprintf(stderr, "usage: diskload DEVICE read|write|verify BYTES DEPTH QUEUES SECONDS\n");
        return 1;
    }
    opcode = strcmp(argv[2], "write") ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
    verify = !strcmp(argv[2], "verify");
    bytes = strtoul(argv[3], NULL, 0);
    depth = strtoul(argv[4], NULL, 0);
    queues = strtoul(argv[5], NULL, 0);
    disk = open(argv[1], O_RDWR | O_DIRECT);
    len = disk < 0 ? 0 : lseek(disk, 0, SEEK_END);
    blocks = bytes ? len / bytes : 0;
    if (!blocks || !depth || depth > MOST_DEPTH || !queues ||
        queues > MOST_QUEUES) {
        die(argv[1]);
    }
    start = now();
    end = start + (uint64_t)(atof(argv[6]) * 1e9);
    for (i = 0; i < queues; i++) {
        all[i].index = i;
        all[i].random = i;
        all[i].next = blocks / queues * i;
        all[i].latencies = calloc(MOST_LATENCIES, sizeof(uint32_t));
        errno = all[i].latencies ? pthread_create(&all[i].thread, NULL,
                                                  keep_busy, &all[i]) : ENOMEM;
        if (errno) {
            die("a thread");
        }
    }
    for (i = 0; i < queues; i++) {
        pthread_join(all[i].thread, NULL);
        done += all[i].done;
    }
    took = now() - start;
    latencies = calloc(queues * MOST_LATENCIES, sizeof(uint32_t));
    for (i = 0; latencies && i < queues; i++) {
        size_t count = all[i].done < MOST_LATENCIES ? all[i].done
                                                    : MOST_LATENCIES;

        memcpy(latencies + kept, all[i].latencies, count * sizeof(uint32_t));
        kept += count;
    }
    if (!kept) {
        die("nothing was done");
    }
    qsort(latencies, kept, sizeof(uint32_t), by_value);
    printf("%" PRIu64 " %.6f %" PRIu32 "\n", done, took / 1e9,
           latencies[kept / 2]);
    return 0;
}
