/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The C interface of QEMU Annex.
 *
 * Made from rust/qemu-annex by `make header`; don't edit it by hand.
 */

#ifndef QEMU_ANNEX_TAPE_H
#define QEMU_ANNEX_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "qemu-annex/error.h"

/**
 * Bytes of the longest sense data.
 */
#define ANNEX_TAPE_SENSE_MAX 96

/**
 * Bytes of the longest transfer that a command may announce.
 */
#define ANNEX_TAPE_TRANSFER_MAX (64 << 20)

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
 * A drive. Calls for one drive must not overlap; they may come from different
 * threads.
 */
typedef struct AnnexTape AnnexTape;

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
     * Bytes before its end from which writes are warned of; 0: a sixteenth, at
     * most 256 MiB.
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
    /**
     * Reads of fixed blocks cut them from the data of consecutive records.
     */
    bool join_records;
    /**
     * EOM goes with every end of data.
     */
    bool eom_at_eod;
    /**
     * Unloading while removal is prevented keeps the cartridge, for the next
     * command.
     */
    bool autoload_after_unload;
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
 * An I/O request. Its memory is the drive's, or in the command's buffer, and
 * stays until annex_tape_complete(). Requests that are out together don't
 * overlap and may be carried out in any order.
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
     * Not carried out, and nothing has changed, for annex_tape_interrupt() was
     * called.
     */
    bool interrupted;
    /**
     * What is wrong with the image, for the log; else NULL. Valid until the
     * next call.
     */
    const char *message;
} AnnexTapeDone;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a drive. Copies `config`. NULL on failure; else freed with
 * annex_tape_free().
 *
 * `config` points to a valid structure whose strings are NULL or end in NUL;
 * `err` is NULL or valid for writing a pointer.
 */
AnnexTape *annex_tape_new(const AnnexTapeConfig *config,
                          AnnexError **err);

/**
 * Frees a drive; NULL is allowed and does nothing. What isn't synced is lost.
 *
 * `tape` came from annex_tape_new() and wasn't freed; no I/O of it is under
 * way.
 */
void annex_tape_free(AnnexTape *tape);

/**
 * Puts a cartridge in, instead of the one that may be there. Not while the
 * drive is busy.
 *
 * `tape` is alive; `medium` points to a valid structure.
 */
void annex_tape_insert(AnnexTape *tape,
                       const AnnexTapeMedium *medium);

/**
 * Takes the cartridge out. Not while the drive is busy. What isn't synced is
 * lost.
 *
 * `tape` is alive.
 */
void annex_tape_remove(AnnexTape *tape);

/**
 * Whether PREVENT ALLOW MEDIUM REMOVAL is in force.
 *
 * `tape` is alive.
 */
bool annex_tape_is_removal_prevented(AnnexTape *tape);

/**
 * Lifts the prevention of removal.
 *
 * `tape` is alive.
 */
void annex_tape_allow_removal(AnnexTape *tape);

/**
 * Whether something was acknowledged that is not on stable storage. A drive
 * that an internal error has broken may always have something.
 *
 * `tape` is alive.
 */
bool annex_tape_is_dirty(AnnexTape *tape);

/**
 * Whether a command or task is under way. I/O may be, all the same, if not.
 *
 * `tape` is alive.
 */
bool annex_tape_is_busy(AnnexTape *tape);

/**
 * Logical unit reset. Not while the drive is busy. The position stays.
 *
 * `tape` is alive.
 */
void annex_tape_reset(AnnexTape *tape);

/**
 * The block length that fixed transfers count in, in bytes.
 *
 * `tape` is alive.
 */
uint32_t annex_tape_block_length(AnnexTape *tape);

/**
 * Bytes of the data buffer that the command wants, which may be more than it
 * transfers; 0 for none.
 *
 * `tape` is alive; `cdb` has `cdb_len` bytes.
 */
size_t annex_tape_buffer_length(AnnexTape *tape,
                                const uint8_t *cdb,
                                size_t cdb_len);

/**
 * Begins a command; the drive isn't busy. `data_len`: bytes of data out, which
 * are at the beginning of `data`, or room for data in.
 *
 * `tape` is alive; `cdb` has `cdb_len` bytes; `data` is valid for as many
 * bytes as annex_tape_buffer_length() says, and nobody else's, until the
 * command has ended.
 */
void annex_tape_start(AnnexTape *tape,
                      const uint8_t *cdb,
                      size_t cdb_len,
                      uint8_t *data,
                      size_t data_len);

/**
 * Begins a task; the drive isn't busy.
 *
 * `tape` is alive.
 */
void annex_tape_start_task(AnnexTape *tape, int task);

/**
 * Asks a command that hasn't changed anything to end without being carried
 * out.
 *
 * `tape` is alive.
 */
void annex_tape_interrupt(AnnexTape *tape);

/**
 * Writes the next I/O request to `*io`. False: there is none before the next
 * complete or start.
 *
 * `tape` is alive; `io` is valid for writing.
 */
bool annex_tape_poll(AnnexTape *tape,
                     AnnexTapeIo *io);

/**
 * An I/O request has ended: `result` is a negative errno, or for a read the
 * bytes that the image had there, fewer than asked for at its end only, else
 * 0.
 *
 * `tape` is alive; `id` came from annex_tape_poll() and wasn't completed.
 */
void annex_tape_complete(AnnexTape *tape,
                         uint64_t id,
                         int result);

/**
 * Writes a command's or task's end to `*done`, once. False: it hasn't ended.
 *
 * `tape` is alive; `done` is valid for writing.
 */
bool annex_tape_poll_done(AnnexTape *tape,
                          AnnexTapeDone *done);

/**
 * The drive's state, for annex_tape_restore() on another machine; its length
 * in bytes goes to `*length`. Freed with annex_tape_free_state(). The drive is
 * neither busy nor dirty.
 *
 * `tape` is alive; `length` is valid for writing.
 */
uint8_t *annex_tape_save(AnnexTape *tape,
                         size_t *length);

/**
 * Frees what annex_tape_save() gave.
 *
 * `state` and `length` came from annex_tape_save().
 */
void annex_tape_free_state(uint8_t *state, size_t length);

/**
 * Takes the state of another drive over, before the first command. Anybody's
 * bytes are safe.
 *
 * `tape` is alive; `state` has `length` bytes, or `length` is 0; `err` is NULL
 * or valid for writing a pointer.
 */
bool annex_tape_restore(AnnexTape *tape,
                        const uint8_t *state,
                        size_t length,
                        AnnexError **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QEMU_ANNEX_TAPE_H */
