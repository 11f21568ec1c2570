/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Asks a USB stick, one transfer after another and past its driver, and tells
 * how long it took.
 *
 *   usbload DEVICE control|read|write COUNT
 *
 * DEVICE is what /sys/bus/usb/devices calls it: 1-2. COUNT times it is asked how
 * many units it has, on its control endpoint, or reads or writes 64 KiB by a
 * SCSI command of bulk-only transport: the command, the data and the status are
 * a transfer each. All that is read is compared with what was written: the first
 * MiB of the stick is overwritten. Prints the seconds they took, and
 * the ns that half of them and 99 of 100 took at most: "1.003 981312 1204117".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

#define BLOCK 512ul
#define PIECE (64ul << 10)
#define PIECES 16ul
#define WORDS (PIECE / sizeof(uint64_t))
#define SEED 13
#define TIMEOUT_MS 30000

/* Those of rust/rdp-usb's stick in software. */
#define ENDPOINT_IN 0x81
#define ENDPOINT_OUT 0x02

/* USB Mass Storage Class, Bulk-Only Transport 1.0, 3.2, 5.1 and 5.2. */
#define GET_MAX_LUN 0xfe
#define CLASS_IN_INTERFACE 0xa1
#define COMMAND_BYTES 31
#define STATUS_BYTES 13
#define FLAG_IN 0x80

/* SCSI (SBC-3). */
#define READ_10 0x28
#define WRITE_10 0x2a

static int usb;
static uint64_t pieces[PIECES][WORDS], got[WORDS];

static void die(const char *what)
{
    fprintf(stderr, "usbload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void wrong(const char *what)
{
    fprintf(stderr, "usbload: %s\n", what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

/* A number that sysfs has of the device. */
static int number(const char *device, const char *name)
{
    char path[256];
    FILE *file;
    int value;

    snprintf(path, sizeof(path), "/sys/bus/usb/devices/%s/%s", device, name);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%d", &value) != 1) {
        die(path);
    }
    fclose(file);
    return value;
}

/* Opens it, and takes its only interface from its driver. */
static void take(const char *device)
{
    struct usbdevfs_disconnect_claim claim = { .interface = 0 };
    char path[64];

    snprintf(path, sizeof(path), "/dev/bus/usb/%03d/%03d",
             number(device, "busnum"), number(device, "devnum"));
    usb = open(path, O_RDWR);
    if (usb < 0) {
        die(path);
    }
    if (ioctl(usb, USBDEVFS_DISCONNECT_CLAIM, &claim)) {
        die("USBDEVFS_DISCONNECT_CLAIM");
    }
}

static void bulk(unsigned int endpoint, void *data, unsigned int length)
{
    struct usbdevfs_bulktransfer transfer = {
        .ep = endpoint, .len = length, .timeout = TIMEOUT_MS, .data = data,
    };
    int count = ioctl(usb, USBDEVFS_BULK, &transfer);

    if (count < 0) {
        die("USBDEVFS_BULK");
    }
    if ((unsigned int)count != length) {
        wrong("a transfer was short");
    }
}

/* Moves one piece's blocks, to the stick or from it. */
static void move_piece(uint8_t operation, size_t place, void *data)
{
    static uint32_t tag;
    uint32_t length = PIECE, block = place * (PIECE / BLOCK);
    uint8_t command[COMMAND_BYTES] = "USBC", status[STATUS_BYTES];

    tag++;
    memcpy(command + 4, &tag, sizeof(tag));
    memcpy(command + 8, &length, sizeof(length));
    command[12] = operation == READ_10 ? FLAG_IN : 0;
    command[14] = 10;
    command[15] = operation;
    command[17] = block >> 24;
    command[18] = block >> 16;
    command[19] = block >> 8;
    command[20] = block;
    command[22] = (PIECE / BLOCK) >> 8;
    command[23] = (PIECE / BLOCK) & 0xff;
    bulk(ENDPOINT_OUT, command, sizeof(command));
    bulk(operation == READ_10 ? ENDPOINT_IN : ENDPOINT_OUT, data, PIECE);
    bulk(ENDPOINT_IN, status, sizeof(status));
    if (memcmp(status, "USBS", 4) || memcmp(status + 4, &tag, sizeof(tag)) ||
        status[12]) {
        wrong("a command failed");
    }
}

/* One of these, timed. What is read is in @got. */
static uint64_t timed_move(uint8_t operation, size_t place, void *data)
{
    uint64_t begun = now();

    move_piece(operation, place, data);
    return now() - begun;
}

static uint64_t ask(void)
{
    uint8_t answer = 0xff;
    struct usbdevfs_ctrltransfer transfer = {
        .bRequestType = CLASS_IN_INTERFACE, .bRequest = GET_MAX_LUN,
        .wLength = sizeof(answer), .timeout = TIMEOUT_MS, .data = &answer,
    };
    uint64_t begun = now();
    int count = ioctl(usb, USBDEVFS_CONTROL, &transfer);
    uint64_t took = now() - begun;

    if (count < 0) {
        die("USBDEVFS_CONTROL");
    }
    if (count != sizeof(answer) || answer != 0) {
        wrong("the stick has more than one unit");
    }
    return took;
}

static void compare(const uint64_t *expected)
{
    if (memcmp(got, expected, PIECE)) {
        wrong("what was read isn't what was written");
    }
}

/* Does the @i-th. Its time in ns. */
static uint64_t do_one(const char *operation, size_t i)
{
    size_t place = i % PIECES, piece;
    uint64_t took;

    if (!strcmp(operation, "control")) {
        return ask();
    }
    if (!strcmp(operation, "read")) {
        memset(got, 0, PIECE);
        took = timed_move(READ_10, place, got);
        compare(pieces[place]);
        return took;
    }
    /* Another piece than the one that is there. */
    piece = (i + i / PIECES + 1) % PIECES;
    took = timed_move(WRITE_10, place, pieces[piece]);
    move_piece(READ_10, place, got);
    compare(pieces[piece]);
    return took;
}

static int by_time(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return (one > other) - (one < other);
}

int main(int argc, char **argv)
{
    uint64_t sum = 0, *times;
    size_t count, i;

    count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (!count || (strcmp(argv[2], "control") && strcmp(argv[2], "read") &&
                   strcmp(argv[2], "write"))) {
        fprintf(stderr, "usage: usbload DEVICE control|read|write COUNT\n");
        return 2;
    }
    times = calloc(count, sizeof(*times));
    if (!times) {
        die("calloc");
    }
    for (i = 0; i < PIECES * WORDS; i++) {
        pieces[i / WORDS][i % WORDS] = stream(SEED, i);
    }
    take(argv[1]);
    for (i = 0; i < PIECES && strcmp(argv[2], "control"); i++) {
        move_piece(WRITE_10, i, pieces[i]);
    }
    for (i = 0; i < count; i++) {
        times[i] = do_one(argv[2], i);
        sum += times[i];
    }
    qsort(times, count, sizeof(*times), by_time);
    printf("%.6f %" PRIu64 " %" PRIu64 "\n", sum / 1e9,
           times[(count - 1) / 2], times[(count - 1) * 99 / 100]);
    return 0;
}
