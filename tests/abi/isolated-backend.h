/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A back-end of isolated memory, for the test of that: it has the area's file
 * and nothing else. To be included after defining _GNU_SOURCE, for memmem().
 */

#ifndef ISOLATED_BACKEND_H
#define ISOLATED_BACKEND_H

#include <endian.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "qemu-annex.h"

#define ENTRIES 8

/* The device's side of queue 0. */
typedef struct {
    uint8_t *map;
    size_t len;
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    uint16_t next;
} Backend;

/* A request in the area. */
typedef struct {
    uint16_t head;
    bool indirect;
    unsigned outs, ins;
    uint8_t *out[ENTRIES], *in[ENTRIES];
    uint32_t out_len[ENTRIES], in_len[ENTRIES];
} Chain;

static void *at(const Backend *backend, uint64_t address)
{
    return backend->map + (address - ANNEX_ISOLATED_ADDRESS);
}

static Backend connect_to(const AnnexIsolatedDevice *device)
{
    Backend backend = { .len = annex_isolated_device_len(device) };
    AnnexIsolatedVring vring;

    annex_isolated_device_vring(device, 0, &vring);
    backend.map = mmap(NULL, backend.len, PROT_READ | PROT_WRITE, MAP_SHARED,
                       annex_isolated_device_fd(device), 0);
    backend.desc = at(&backend, vring.desc);
    backend.avail = at(&backend, vring.avail);
    backend.used = at(&backend, vring.used);
    return backend;
}

static void disconnect(Backend *backend)
{
    munmap(backend->map, backend->len);
}

/* How many requests it hasn't fetched. */
static unsigned waiting(const Backend *backend)
{
    return (uint16_t)(le16toh(backend->avail->idx) - backend->next);
}

static Chain fetch(Backend *backend)
{
    uint16_t head = le16toh(backend->avail->ring[backend->next++ % ENTRIES]);
    struct vring_desc *table = backend->desc, *desc = &table[head];
    Chain chain = { .head = head };

    if (le16toh(desc->flags) & VRING_DESC_F_INDIRECT) {
        chain.indirect = true;
        desc = table = at(backend, le64toh(desc->addr));
    }
    while (chain.ins + chain.outs < ENTRIES) {
        uint16_t flags = le16toh(desc->flags);
        uint8_t *bytes = at(backend, le64toh(desc->addr));

        if (flags & VRING_DESC_F_WRITE) {
            chain.in_len[chain.ins] = le32toh(desc->len);
            chain.in[chain.ins++] = bytes;
        } else {
            chain.out_len[chain.outs] = le32toh(desc->len);
            chain.out[chain.outs++] = bytes;
        }
        if (!(flags & VRING_DESC_F_NEXT)) {
            break;
        }
        desc = &table[le16toh(desc->next)];
    }
    return chain;
}

static void use(Backend *backend, uint32_t id, uint32_t len)
{
    uint16_t idx = le16toh(backend->used->idx);
    struct vring_used_elem *elem = &backend->used->ring[idx % ENTRIES];

    elem->id = htole32(id);
    elem->len = htole32(len);
    backend->used->idx = htole16(idx + 1);
}

static bool has(const Backend *backend, const char *text)
{
    return memmem(backend->map, backend->len, text, strlen(text));
}

#endif
