/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The C interface of QEMU Annex.
 *
 * Made from rust/qemu-annex by `make header`; don't edit it by hand.
 */

#ifndef QEMU_ANNEX_H
#define QEMU_ANNEX_H

#include "qemu-annex/error.h"
#include "qemu-annex/isolated.h"
#include "qemu-annex/log.h"
#include "qemu-annex/mapped-ram.h"
#include "qemu-annex/tape.h"

#endif  /* QEMU_ANNEX_H */
