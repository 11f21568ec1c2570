/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Errors and the log, from C.
 */

#include <string.h>
#include "qemu-annex.h"
#include "tap.h"

static int records;

static void on_record(void *opaque, AnnexLogLevel level, const char *target,
                      const char *message)
{
    (void)opaque, (void)level, (void)target, (void)message;
    records++;
}

static bool wanted(void *opaque, AnnexLogLevel level)
{
    (void)opaque;
    return level <= ANNEX_LOG_LEVEL_INFO;
}

int main(void)
{
    AnnexError *err = NULL;

    tap_ok(!annex_log_init(on_record, wanted, NULL, 6, &err) && err,
           "an unknown level is an error");
    tap_ok(strstr(annex_error_message(err), "level 6"), "which names the level");
    annex_error_free(err);
    annex_error_free(NULL);

    err = NULL;
    tap_ok(annex_log_init(on_record, wanted, NULL, ANNEX_LOG_LEVEL_TRACE, &err)
           && !err, "the log is set up");
    tap_ok(!annex_log_init(on_record, NULL, NULL, ANNEX_LOG_LEVEL_INFO, &err)
           && err, "but not twice");
    tap_ok(!annex_log_init(on_record, NULL, NULL, ANNEX_LOG_LEVEL_INFO, NULL),
           "nor by a caller who doesn't care why");
    annex_error_free(err);
    tap_ok(records == 0, "errors that are returned aren't logged as well");
    return tap_done();
}
