/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A TCG plugin that checks where each access of a guest program has gone: the
 * physical address that QEMU tells a plugin must hold what was read or written.
 *
 * For programs of one CPU, and addresses from `from=` on. At its end it says on
 * QEMU's log how many accesses it has looked at, and how many were elsewhere.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static uint64_t from, looked_at, elsewhere;
static GByteArray *there;

static void say(char *text)
{
    qemu_plugin_outs(text);
    g_free(text);
}

static void accessed(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr,
                     void *opaque)
{
    struct qemu_plugin_hwaddr *where;
    qemu_plugin_mem_value value;
    size_t size = 1 << qemu_plugin_mem_size_shift(info);
    uint64_t paddr;

    (void)vcpu;
    (void)opaque;
    /* What crosses a page has two physical addresses, of which QEMU tells one. */
    if (vaddr < from || size > 8 || (vaddr & 4095) + size > 4096) {
        return;
    }
    where = qemu_plugin_get_hwaddr(info, vaddr);
    if (where && qemu_plugin_hwaddr_is_io(where)) {
        return;
    }
    looked_at++;
    value = qemu_plugin_mem_get_value(info);
    paddr = where ? qemu_plugin_hwaddr_phys_addr(where) : 0;
    /* x86 has the least byte first, and so must be the host. */
    if (!where ||
        qemu_plugin_read_memory_hwaddr(paddr, there, size) !=
            QEMU_PLUGIN_HWADDR_OPERATION_OK ||
        memcmp(there->data, &value.data, size)) {
        elsewhere++;
        say(g_strdup_printf("where: 0x%" PRIx64 " isn't at 0x%" PRIx64 "\n", vaddr,
                            paddr));
    }
}

/*
 * Whether an instruction reads and writes at once: what it has read isn't there any
 * more, and of an atomic addition QEMU tells what was added.
 */
static bool is_exchange(const struct qemu_plugin_insn *insn)
{
    uint8_t code = 0;

    qemu_plugin_insn_data(insn, &code, 1);
    return code == 0xf0 || code == 0x86 || code == 0x87;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        if (!is_exchange(insn)) {
            qemu_plugin_register_vcpu_mem_cb(insn, accessed, QEMU_PLUGIN_CB_NO_REGS,
                                             QEMU_PLUGIN_MEM_RW, NULL);
        }
    }
}

static void ended(qemu_plugin_id_t id, void *opaque)
{
    (void)id;
    (void)opaque;
    say(g_strdup_printf("where: %" PRIu64 " accesses, %" PRIu64 " elsewhere\n",
                        looked_at, elsewhere));
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
                                           int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!g_str_has_prefix(argv[i], "from=")) {
            return -1;
        }
        from = strtoull(argv[i] + strlen("from="), NULL, 0);
    }
    there = g_byte_array_new();
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
