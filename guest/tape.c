/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * System calls on a tape that is held open, and what each answered: mt, tar
 * and dd open it anew, stop at the first error or hide it.
 *
 *   tape DEVICE OP...
 *
 *   w:LENGTH[:COUNT]   write(2) COUNT records of LENGTH bytes of the stream
 *   r:LENGTH[:COUNT]   read(2), and compare what comes with the stream
 *   R:LENGTH[:COUNT]   read(2) whatever comes
 *   s:SEED             the stream begins anew (0 to begin with)
 *   x:FILE             waits until FILE is there
 *   NAME[:COUNT]       MTIOCTOP, NAME being mt's (fsf, bsf, weof, ...)
 *   tell, blkno        MTIOCPOS; the block number of MTIOCGET
 *   fileno, flags      of MTIOCGET, the latter in hex
 *   c:DIRECTION:LENGTH[/HASHED]:CDB[:DATA]
 *                      a command by SG_IO: DIRECTION is i, o or n, LENGTH the
 *                      bytes of the buffer, HASHED how many of them are hashed
 *                      afterwards, CDB hexadecimal as DATA, the first bytes of
 *                      data out (others are of the stream)
 *
 * Each prints a line "OP: RESULT": for transfers the number of whole records
 * transferred and of their bytes, and why it ended if it didn't get to COUNT:
 * "w:512:100: 37 18944 ENOSPC". A read of 0 bytes counts as a record. For
 * commands the bytes transferred, the FNV-1a hash of the buffer's first ones,
 * and GOOD, or CHECK with key, code, bits and INFORMATION:
 * "c:i:4096/9:080000100000: 513 8c1f0a22 CHECK 0/0000 ILI 3583". The exit status
 * is 0 whatever the drive says.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mtio.h>
#include <scsi/sg.h>
#include <unistd.h>

#include "stream.h"

#ifndef MTWEOFI
#define MTWEOFI 35 /* as MTWEOF, without waiting; not in every libc's header */
#endif

static uint64_t seed, position;

static const struct {
    const char *name;
    short op;
} operations[] = {
    { "fsf", MTFSF }, { "bsf", MTBSF }, { "fsr", MTFSR }, { "bsr", MTBSR },
    { "fsfm", MTFSFM }, { "bsfm", MTBSFM }, { "fss", MTFSS }, { "bss", MTBSS },
    { "weofi", MTWEOFI }, { "weof", MTWEOF }, { "wsm", MTWSM },
    { "rewind", MTREW }, { "offline", MTOFFL }, { "load", MTLOAD },
    { "unload", MTUNLOAD }, { "eod", MTEOM }, { "erase", MTERASE },
    { "seek", MTSEEK }, { "setblk", MTSETBLK }, { "nop", MTNOP },
    { "lock", MTLOCK }, { "unlock", MTUNLOCK }, { "retension", MTRETEN },
};

/* Byte @i of stream(@seed). */
static unsigned char byte(uint64_t i)
{
    return stream(seed, i / 8) >> (i % 8 * 8);
}

static void transfer(int fd, const char *op, size_t length, long count)
{
    unsigned char *buffer = malloc(length ? length : 1);
    const char *end = "";
    long done;
    uint64_t bytes = 0;

    for (done = 0; done < count && !*end; done++) {
        ssize_t n;
        size_t i;

        for (i = 0; op[0] == 'w' && i < length; i++) {
            buffer[i] = byte(position + i);
        }
        n = op[0] == 'w' ? write(fd, buffer, length) : read(fd, buffer, length);
        if (n < 0) {
            end = strerrorname_np(errno);
            break;
        }
        for (i = 0; op[0] == 'r' && i < (size_t)n; i++) {
            if (buffer[i] != byte(position + i)) {
                end = "DIFFERS";
                break;
            }
        }
        position += n;
        bytes += n;
        if (op[0] == 'w' && (size_t)n < length) {
            end = "SHORT";
            break;
        }
    }
    printf("%s: %ld %" PRIu64 "%s%s\n", op, done, bytes, *end ? " " : "", end);
    free(buffer);
}

static void move(int fd, const char *op, long count)
{
    struct mtop mtop = { .mt_count = count };
    struct mtpos pos;
    struct mtget get;
    size_t i;

    if (!strcmp(op, "tell")) {
        if (ioctl(fd, MTIOCPOS, &pos)) {
            printf("%s: %s\n", op, strerrorname_np(errno));
        } else {
            printf("%s: %ld\n", op, pos.mt_blkno);
        }
        return;
    }
    if (!strcmp(op, "blkno") || !strcmp(op, "fileno") || !strcmp(op, "flags")) {
        if (ioctl(fd, MTIOCGET, &get)) {
            printf("%s: %s\n", op, strerrorname_np(errno));
        } else if (op[0] == 'b') {
            printf("%s: %d\n", op, get.mt_blkno);
        } else if (op[1] == 'i') {
            printf("%s: %d\n", op, get.mt_fileno);
        } else {
            printf("%s: %lx\n", op, get.mt_gstat);
        }
        return;
    }
    for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        size_t length = strlen(operations[i].name);

        if (!strncmp(op, operations[i].name, length) &&
            (op[length] == ':' || !op[length])) {
            mtop.mt_op = operations[i].op;
            printf("%s: %s\n", op, ioctl(fd, MTIOCTOP, &mtop)
                                   ? strerrorname_np(errno) : "ok");
            return;
        }
    }
    printf("%s: what is that?\n", op);
    exit(2);
}

/* Hexadecimal digits up to the next colon; how many bytes they are. */
static size_t unhex(const char *text, unsigned char *bytes, size_t room)
{
    size_t n = 0;
    unsigned byte;

    while (n < room && *text && *text != ':' &&
           sscanf(text, "%2x", &byte) == 1) {
        bytes[n++] = byte;
        text += text[1] ? 2 : 1;
    }
    return n;
}

static void print_sense(const unsigned char *sense)
{
    unsigned info = (unsigned)sense[3] << 24 | sense[4] << 16 | sense[5] << 8 |
                    sense[6];

    printf(" %x/%02x%02x%s%s%s", sense[2] & 15, sense[12], sense[13],
           sense[2] & 0x80 ? " FM" : "", sense[2] & 0x40 ? " EOM" : "",
           sense[2] & 0x20 ? " ILI" : "");
    if (sense[0] & 0x80) {
        printf(" %d", (int)info);
    }
}

static void command(int fd, const char *op)
{
    unsigned char cdb[16], sense[64] = { 0 }, *buffer;
    char *rest;
    unsigned long i, length = strtoul(op + 4, &rest, 0);
    unsigned long hashed = *rest == '/' ? strtoul(rest + 1, NULL, 0) : 0;
    const char *hex = strchr(op + 4, ':');
    const char *data = hex ? strchr(hex + 1, ':') : NULL;
    uint32_t hash = 0x811c9dc5;
    struct sg_io_hdr io = {
        .interface_id = 'S',
        .dxfer_direction = op[2] == 'i' ? SG_DXFER_FROM_DEV :
                           op[2] == 'o' ? SG_DXFER_TO_DEV : SG_DXFER_NONE,
        .dxfer_len = length,
        .cmdp = cdb,
        .sbp = sense,
        .mx_sb_len = sizeof(sense),
        .timeout = 30000,
    };

    if (!hex || !(buffer = calloc(1, length ? length : 1))) {
        printf("%s: what is that?\n", op);
        exit(2);
    }
    for (i = 0; op[2] == 'o' && i < length; i++) {
        buffer[i] = byte(i);
    }
    if (data) {
        unhex(data + 1, buffer, length);
    }
    io.cmd_len = unhex(hex + 1, cdb, sizeof(cdb));
    io.dxferp = length ? buffer : NULL;
    if (ioctl(fd, SG_IO, &io)) {
        printf("%s: %s\n", op, strerrorname_np(errno));
        free(buffer);
        return;
    }
    for (i = 0; i < hashed && i < length; i++) {
        hash = (hash ^ buffer[i]) * 0x01000193;
    }
    printf("%s: %ld %08x", op, (long)length - io.resid, hash);
    if (io.host_status) {
        printf(" HOST %x", io.host_status);
    }
    if (io.status == 2) {
        printf(" CHECK");
        print_sense(sense);
    } else if (io.status) {
        printf(" STATUS %x", io.status);
    } else {
        printf(" GOOD");
    }
    putchar('\n');
    free(buffer);
}

int main(int argc, char **argv)
{
    int fd, i;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 3) {
        fprintf(stderr, "usage: tape DEVICE OP...\n");
        return 2;
    }
    fd = open(argv[1], O_RDWR);
    if (fd < 0 && (errno == EROFS || errno == EACCES)) {
        fd = open(argv[1], O_RDONLY);
    }
    if (fd < 0) {
        printf("open: %s\n", strerrorname_np(errno));
        return 0;
    }
    for (i = 2; i < argc; i++) {
        const char *op = argv[i], *number = strchr(op, ':');
        unsigned long a = number ? strtoul(number + 1, NULL, 0) : 1;
        const char *count = number ? strchr(number + 1, ':') : NULL;

        if (op[1] == ':' && strchr("wrR", op[0])) {
            transfer(fd, op, a, count ? strtol(count + 1, NULL, 0) : 1);
        } else if (op[0] == 'c' && op[1] == ':') {
            command(fd, op);
        } else if (op[0] == 's' && op[1] == ':') {
            seed = a;
            position = 0;
        } else if (op[0] == 'x' && op[1] == ':') {
            while (access(op + 2, F_OK)) {
                usleep(10000);
            }
        } else {
            move(fd, op, a);
        }
    }
    printf("close: %s\n", close(fd) ? strerrorname_np(errno) : "ok");
    return 0;
}
