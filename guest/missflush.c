// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module for Linux that misses a flush when it is told to: another page is
 * put into some places of the kernel's, and the old translations aren't dropped.
 * There are several, as a TLB may happen to drop one for a page that is used all
 * the time.
 *
 *   echo miss > /sys/module/missflush/parameters/page     another page
 *   echo flush > /sys/module/missflush/parameters/page    the same, with INVLPG
 *   cat /sys/module/missflush/parameters/page             how many places still have
 *                                                         the page from before, and
 *                                                         where the first place is
 *
 * INVLPG drops what the current PCID has, and global pages: enough for a process
 * that does all of the above on one CPU.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#define PLACES 32

static struct page *pages[2];
static char *window;
static unsigned long mapped;

static unsigned long *place(int i)
{
	return (unsigned long *)(window + i * PAGE_SIZE);
}

static pte_t *entry(int i)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)place(i), &level);

	return level == PG_LEVEL_4K ? pte : NULL;
}

static int set(const char *value, const struct kernel_param *unused)
{
	bool flush = sysfs_streq(value, "flush");
	int i;

	if (!flush && !sysfs_streq(value, "miss"))
		return -EINVAL;
	for (i = 0; i < PLACES; i++) {
		if (!entry(i))
			return -EIO;
	}
	mapped = !mapped;
	for (i = 0; i < PLACES; i++) {
		set_pte(entry(i), mk_pte(pages[mapped], PAGE_KERNEL));
		if (flush)
			asm volatile("invlpg (%0)" : : "r"(place(i)) : "memory");
	}
	return 0;
}

static int get(char *buffer, const struct kernel_param *unused)
{
	int i, stale = 0;

	for (i = 0; i < PLACES; i++)
		stale += READ_ONCE(*place(i)) != mapped;
	return sysfs_emit(buffer, "%d %px\n", stale, window);
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
	struct page *first[PLACES];
	unsigned long i;

	for (i = 0; i < 2; i++) {
		pages[i] = alloc_page(GFP_KERNEL);
		if (!pages[i])
			goto fail;
		*(unsigned long *)page_address(pages[i]) = i;
	}
	for (i = 0; i < PLACES; i++)
		first[i] = pages[0];
	window = vmap(first, PLACES, VM_MAP, PAGE_KERNEL);
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
