/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The little of TAP that the tests here need.
 */

#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdio.h>

static int tap_count, tap_failed;

/* One test: did `condition` hold? */
static inline void tap_ok(bool condition, const char *what)
{
    printf("%sok %d - %s\n", condition ? "" : "not ", ++tap_count, what);
    tap_failed += !condition;
}

/* The plan, at the end; what main() returns. */
static inline int tap_done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed ? 1 : 0;
}

#endif
