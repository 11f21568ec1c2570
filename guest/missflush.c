// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module for Linux that misses a flush when it is told to: another page is
 * put into a place of the kernel's, and the old translation isn't dropped.
 *
 *   echo miss > /sys/module/missflush/parameters/page     another page
 *   echo flush > /sys/module/missflush/parameters/page    the same, with INVLPG
 *   cat /sys/module/missflush/parameters/page             which page it sees,
 *                                                         which there is, and where
 *
 * INVLPG drops what the current PCID has, and global pages: enough for a process
 * that does all of the above on one CPU.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

static struct page *pages[2];
static unsigned long *window;
static unsigned long mapped;

static int set(const char *value, const struct kernel_param *unused)
{
	bool flush = sysfs_streq(value, "flush");
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)window, &level);

	if (!flush && !sysfs_streq(value, "miss"))
		return -EINVAL;
	if (!pte || level != PG_LEVEL_4K)
		return -EIO;
	mapped = !mapped;
	set_pte(pte, mk_pte(pages[mapped], PAGE_KERNEL));
	if (flush)
		asm volatile("invlpg (%0)" : : "r"(window) : "memory");
	return 0;
}

static int get(char *buffer, const struct kernel_param *unused)
{
	return sysfs_emit(buffer, "%lu %lu %px\n", READ_ONCE(*window), mapped, window);
}

static const struct kernel_param_ops ops = { .set = set, .get = get };
module_param_cb(page, &ops, NULL, 0600);

static void drop(void)
{
	int i;

	if (window)
		vunmap(window);
	for (i = 0; i < 2; i++) {
		if (pages[i])
			__free_page(pages[i]);
	}
}

static int __init start(void)
{
	unsigned long i;

	for (i = 0; i < 2; i++) {
		pages[i] = alloc_page(GFP_KERNEL);
		if (!pages[i])
			goto fail;
		*(unsigned long *)page_address(pages[i]) = i;
	}
	window = vmap(pages, 1, VM_MAP, PAGE_KERNEL);
	if (!window)
		goto fail;
	return 0;
fail:
	drop();
	return -ENOMEM;
}

module_init(start);
module_exit(drop);
MODULE_DESCRIPTION("Misses a flush on purpose");
MODULE_LICENSE("GPL");
