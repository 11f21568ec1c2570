/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The annex and other Rust code in one program: each has a runtime of its
 * own, and panics and errors work in both.
 */

#include <string.h>
#include "qemu-annex.h"
#include "tap.h"

bool other_rust_catches(int number);

static int panics;

static void on_record(void *opaque, AnnexLogLevel level, const char *target,
                      const char *message)
{
    (void)opaque, (void)level, (void)target;
    panics += !!strstr(message, "panic");
}

int main(void)
{
    AnnexError *err = NULL;

    tap_ok(annex_log_init(on_record, NULL, NULL, ANNEX_LOG_LEVEL_TRACE, NULL),
           "the annex works");
    tap_ok(other_rust_catches(7), "the other code's panics unwind");
    tap_ok(panics == 0, "and aren't the annex's");
    tap_ok(!annex_log_init(on_record, NULL, NULL, 1, &err) && err,
           "the annex still works");
    annex_error_free(err);
    return tap_done();
}
