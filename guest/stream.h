/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The data that guests are filled with, and tapes written with.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdint.h>

/*
 * Word @i of stream(@seed): splitmix64, which can be entered anywhere and
 * doesn't compress. The host computes the same one (qtest/stream).
 */
static inline uint64_t stream(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

#endif
