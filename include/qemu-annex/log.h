/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The C interface of QEMU Annex.
 *
 * Made from rust/qemu-annex by `make header`; don't edit it by hand.
 */

#ifndef QEMU_ANNEX_LOG_H
#define QEMU_ANNEX_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include "qemu-annex/error.h"

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
 * Receives a record. `target` names the module it comes from, `message` is one
 * line or more without a newline at the end; both are valid until the function
 * returns. Called from any thread, several at a time, with locks of the
 * library held: it must not call back into the library.
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

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Hands the library's log records, and its panics, to `write`.
 *
 * `max_level` is an AnnexLogLevel, or 0 for none; graver records and those of
 * that level are handed over if `wanted` wants them. `opaque` is passed to
 * both and is never freed. To be called once; a second call is an error, as is
 * an unknown level, and changes nothing.
 *
 * Both functions may be called with `opaque` from any thread until the process
 * ends. `err` is NULL or valid for writing.
 */
bool annex_log_init(AnnexLogFn write,
                    AnnexLogWantedFn wanted,
                    void *opaque,
                    uint32_t max_level,
                    AnnexError **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QEMU_ANNEX_LOG_H */
