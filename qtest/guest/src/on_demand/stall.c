/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Storage that stalls, for LD_PRELOAD: while the file $STALL exists, no
 * pread(2) comes back. Long ones are slow all the time, so that a load takes
 * its time.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define LONG (64 << 10)

ssize_t pread64(int fd, void *buf, size_t len, off64_t offset)
{
    const char *stall = getenv("STALL");

    if (len >= LONG) {
        usleep(3000);
    }
    while (stall && !access(stall, F_OK)) {
        usleep(10000);
    }
    return syscall(SYS_pread64, fd, buf, len, offset);
}
