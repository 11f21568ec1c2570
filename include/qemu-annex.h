/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The C interface of QEMU Annex.
 *
 * Made from rust/qemu-annex by `make header`; don't edit it by hand.
 */

#ifndef QEMU_ANNEX_H
#define QEMU_ANNEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
 * What went wrong, in words and as an errno. Belongs to whoever received it,
 * until annex_error_free(). May be read from any thread.
 */
typedef struct AnnexError AnnexError;

/**
 * Receives a record. `target` names the module it comes from, `message` is
 * one line or more without a newline at the end; both are valid until the
 * function returns. Called from any thread, several at a time, with locks of
 * the library held: it must not call back into the library.
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
 * The library's version, such as "0.1.0". The string is static; any thread
 * may call this.
 */
const char *annex_version(void);

/**
 * The error's message with its causes, "what: why: root". Lives as long as
 * the error does.
 *
 * # Safety
 * `err` came from this library and wasn't freed.
 */
const char *annex_error_message(const AnnexError *err);

/**
 * The positive errno of the system call that failed, or 0 if it wasn't one.
 *
 * # Safety
 * `err` came from this library and wasn't freed.
 */
int annex_error_errno(const AnnexError *err);

/**
 * Frees an error; NULL is allowed and does nothing.
 *
 * # Safety
 * `err` is NULL, or came from this library and wasn't freed.
 */
void annex_error_free(AnnexError *err);

/**
 * Hands the library's log records, and its panics, to `write`.
 *
 * `max_level` is an AnnexLogLevel, or 0 for none; graver records and those of
 * that level are handed over if `wanted` wants them.
 * `opaque` is passed to both and is never freed. To be called once; a second
 * call is an error, as is an unknown level, and changes nothing.
 *
 * # Safety
 * Both functions may be called with `opaque` from any thread until the
 * process ends. `err` is NULL or valid for writing.
 */
bool annex_log_init(AnnexLogFn write,
                    AnnexLogWantedFn wanted,
                    void *opaque,
                    uint32_t max_level,
                    AnnexError **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QEMU_ANNEX_H */
