/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The C interface of QEMU Annex.
 *
 * Made from rust/qemu-annex by `make header`; don't edit it by hand.
 */

#ifndef QEMU_ANNEX_ERROR_H
#define QEMU_ANNEX_ERROR_H

/**
 * What went wrong, in words. Belongs to whoever received it, until
 * annex_error_free(). May be read from any thread.
 */
typedef struct AnnexError AnnexError;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The error's message with its causes, "what: why: root". Lives as long as the
 * error does.
 *
 * `err` came from this library and wasn't freed.
 */
const char *annex_error_message(const AnnexError *err);

/**
 * Frees an error; NULL is allowed and does nothing.
 *
 * `err` is NULL, or came from this library and wasn't freed.
 */
void annex_error_free(AnnexError *err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QEMU_ANNEX_ERROR_H */
