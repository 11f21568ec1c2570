/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tape drive as a C program sees it, with an image in memory.
 */

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "qemu-annex.h"
#include "tap.h"

#define IMAGE_MAX 65536

static uint8_t image[IMAGE_MAX];
static size_t image_length;
static unsigned flushes, truncations;
/* To fail the next I/O of this kind with EIO; -1: none. */
static int fail_kind = -1;

static int carry_out(const AnnexTapeIo *io)
{
    uint64_t offset = io->offset;

    if ((int)io->kind == fail_kind) {
        fail_kind = -1;
        return -EIO;
    }
    switch (io->kind) {
    case ANNEX_TAPE_IO_KIND_READ:
    case ANNEX_TAPE_IO_KIND_WRITE:
        for (int i = 0; i < 2; i++) {
            size_t len = io->data[i].len;

            if (offset + len > IMAGE_MAX) {
                return -ENOSPC;
            }
            if (len && io->kind == ANNEX_TAPE_IO_KIND_READ) {
                memcpy(io->data[i].base, image + offset, len);
            } else if (len) {
                memcpy(image + offset, io->data[i].base, len);
            }
            offset += len;
        }
        if (io->kind == ANNEX_TAPE_IO_KIND_READ) {
            size_t end = offset < image_length ? offset : image_length;

            return end > io->offset ? end - io->offset : 0;
        }
        image_length = offset > image_length ? offset : image_length;
        return 0;
    case ANNEX_TAPE_IO_KIND_FLUSH:
        flushes++;
        return 0;
    case ANNEX_TAPE_IO_KIND_TRUNCATE:
        truncations++;
        memset(image + offset, 0, IMAGE_MAX - offset);
        image_length = offset;
        return 0;
    }
    return -EINVAL;
}

static AnnexTapeDone finish(AnnexTape *tape)
{
    AnnexTapeDone done;
    AnnexTapeIo io;

    while (true) {
        while (annex_tape_poll(tape, &io)) {
            annex_tape_complete(tape, io.id, carry_out(&io));
        }
        if (annex_tape_poll_done(tape, &done)) {
            return done;
        }
    }
}

/* A 6-byte command. */
static AnnexTapeDone six(AnnexTape *tape, uint8_t opcode, uint8_t flags,
                         uint32_t length, uint8_t *data, size_t data_len)
{
    uint8_t cdb[6] = {
        opcode, flags, length >> 16, length >> 8, length, 0,
    };

    annex_tape_start(tape, cdb, sizeof(cdb), data, data_len);
    return finish(tape);
}

static void insert(AnnexTape *tape)
{
    AnnexTapeMedium medium = {
        .length = image_length, .truncation = ANNEX_TAPE_TRUNCATION_EXACT,
    };

    annex_tape_insert(tape, &medium);
}

int main(void)
{
    static const uint8_t read_6[6] = { 0x08, 0, 0, 2, 0, 0 };
    static const uint8_t written[] = {
        5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o', 0, 5, 0, 0, 0, 0, 0, 0, 0,
        0xff, 0xff, 0xff, 0xff,
    };
    AnnexTapeConfig config = { .vendor = "QEMU", .index = false };
    AnnexError *err = NULL;
    uint8_t data[512] = "hello";
    AnnexTapeDone done;
    AnnexTape *tape, *other;
    size_t state_len;
    uint8_t *state;

    annex_tape_free(NULL);
    config.format = "cassette";
    tap_ok(!annex_tape_new(&config, &err)
           && strstr(annex_error_message(err), "'cassette'"),
           "an unknown format is refused by name");
    annex_error_free(err);
    err = NULL;
    config.format = NULL;
    config.vendor = "too long for it";
    tap_ok(!annex_tape_new(&config, NULL), "and so is a long vendor");
    config.vendor = "QEMU";

    tape = annex_tape_new(&config, &err);
    tap_ok(tape && !err, "a drive is made");
    done = six(tape, 0x00, 0, 0, NULL, 0);
    tap_ok(done.status == 0x02 && done.sense_key == 0x2 && done.asc == 0x3a
           && done.sense_len == 18 && done.sense[12] == 0x3a
           && !done.descriptor_sense, "it is empty");

    insert(tape);
    tap_ok(annex_tape_buffer_length(tape, read_6, 6) >= 512,
           "a command says what buffer it needs");
    tap_ok(six(tape, 0x0a, 0, 5, data, 5).status == 0
           && annex_tape_is_dirty(tape) && !annex_tape_is_busy(tape),
           "a record is written, behind");
    flushes = 0;
    tap_ok(six(tape, 0x10, 0, 1, NULL, 0).status == 0
           && !annex_tape_is_dirty(tape) && flushes > 0,
           "a filemark brings it to the medium");
    tap_ok(image_length == sizeof(written)
           && !memcmp(image, written, sizeof(written)),
           "as SIMH would have it");

    six(tape, 0x01, 0, 0, NULL, 0);
    memset(data, 0, sizeof(data));
    done = six(tape, 0x08, 0, 512, data, 512);
    tap_ok(done.status == 0x02 && done.sense[2] == 0x20
           && done.data_in == 5 && !memcmp(data, "hello", 5),
           "it is read back, with the length that it has");

    six(tape, 0x01, 0, 0, NULL, 0);
    fail_kind = ANNEX_TAPE_IO_KIND_READ;
    done = six(tape, 0x08, 0, 512, data, 512);
    tap_ok(fail_kind != -1 || (done.sense_key == 0x3 && done.message),
           "an I/O error is one of the medium, with words for the log");
    fail_kind = -1;

    tap_ok(six(tape, 0x1e, 0, 1, NULL, 0).status == 0
           && annex_tape_is_removal_prevented(tape), "removal is prevented");
    done = six(tape, 0x1b, 0, 0, NULL, 0);
    tap_ok(done.status == 0x02 && done.asc == 0x53, "so it isn't unloaded");
    annex_tape_allow_removal(tape);
    tap_ok(!annex_tape_is_removal_prevented(tape), "but by force");
    six(tape, 0x1e, 0, 1, NULL, 0);
    annex_tape_reset(tape);
    tap_ok(!annex_tape_is_removal_prevented(tape), "or after a reset");

    /* To stand behind the record. */
    six(tape, 0x01, 0, 0, NULL, 0);
    six(tape, 0x08, 2, 512, data, 512);
    state = annex_tape_save(tape, &state_len);
    other = annex_tape_new(&config, NULL);
    tap_ok(state && annex_tape_restore(other, state, state_len, &err) && !err,
           "another drive takes the state over");
    insert(other);
    done = six(other, 0x08, 0, 512, data, 512);
    tap_ok(done.status == 0x02 && done.sense[2] == 0x80,
           "and goes on where the first was");
    tap_ok(!annex_tape_restore(other, state, state_len - 1, &err)
           && annex_error_message(err), "a state cut short is refused");
    annex_error_free(err);
    annex_tape_free_state(state, state_len);
    annex_tape_free(other);

    annex_tape_start(tape, (const uint8_t[6]) { 0x01 }, 6, NULL, 0);
    tap_ok(annex_tape_is_busy(tape), "a command is under way");
    annex_tape_interrupt(tape);
    finish(tape);
    tap_ok(annex_tape_block_length(tape) == 0, "blocks are variable");

    annex_tape_start_task(tape, ANNEX_TAPE_TASK_SYNC);
    tap_ok(finish(tape).status == 0, "a task of the owner's");
    done = six(tape, 0x1b, 0, 0, NULL, 0);
    tap_ok(done.status == 0 && done.tray == ANNEX_TAPE_TRAY_OPENED,
           "unloading opens the tray");
    annex_tape_remove(tape);
    annex_tape_free(tape);
    return tap_done();
}
