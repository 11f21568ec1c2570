/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A CPU that reads a PCI device's registers while another one changes the
 * memory map.
 *
 *   remap READ TURN COUNT
 *
 * READ and TURN are devices' directories in sysfs. The first register of READ
 * never changes; TURN's memory is turned off and on COUNT times. Prints how
 * often the register was read; ends with 1 if it ever was another.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define COMMAND 4 /* the register, and its bit for memory */
#define MEMORY 2

static atomic_bool over;

struct work {
    int config; /* the configuration space of TURN */
    long count;
};

static int open_in(const char *directory, const char *name)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_RDWR | O_SYNC);
    if (fd < 0) {
        perror(path);
        exit(2);
    }
    return fd;
}

static void stay_on(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static void *turn(void *opaque)
{
    struct work *work = opaque;
    uint16_t on, off;

    stay_on(0);
    if (pread(work->config, &on, sizeof(on), COMMAND) != sizeof(on)) {
        perror("config");
        exit(2);
    }
    on |= MEMORY;
    off = on & ~MEMORY;
    while (work->count-- > 0) {
        if (pwrite(work->config, &off, sizeof(off), COMMAND) != sizeof(off) ||
            pwrite(work->config, &on, sizeof(on), COMMAND) != sizeof(on)) {
            perror("config");
            exit(2);
        }
    }
    over = true;
    return NULL;
}

int main(int argc, char **argv)
{
    struct work work;
    volatile uint32_t *registers;
    uint32_t first, now;
    unsigned long reads = 0;
    pthread_t thread;

    if (argc != 4) {
        fprintf(stderr, "usage: remap READ TURN COUNT\n");
        return 2;
    }
    registers = mmap(NULL, 4096, PROT_READ, MAP_SHARED,
                     open_in(argv[1], "resource0"), 0);
    if (registers == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    work.config = open_in(argv[2], "config");
    work.count = atol(argv[3]);
    stay_on(1);
    first = registers[0];
    if (pthread_create(&thread, NULL, turn, &work)) {
        return 2;
    }
    do {
        now = registers[0];
        reads++;
        if (now != first) {
            printf("read %" PRIx32 ", not %" PRIx32 "\n", now, first);
            return 1;
        }
    } while (!over);
    printf("%lu\n", reads);
    return 0;
}
