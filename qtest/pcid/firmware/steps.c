/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Does steps, and keeps what was read. Each CPU has work of its own, in
 * memory of its own, and does it while the others do theirs.
 */
#include <stdint.h>

/* src/machine.rs has the same numbers. */
enum { WRITE, SET_CR3, SET_CR4, INVLPG, INVPCID, ACCESS };
enum { LOAD, STORE, FETCH };
enum { PAGE_TOKEN = 8, PAGE_CODE = 16, PAGE_USER_CODE = 32 };

struct step {
    uint64_t op, a, b, c;
};

struct work {
    const struct step *steps;
    uint64_t count;
    uint64_t *answers;
    const uint64_t *pages;      /* all that an access may come to */
    uint64_t page_count;
    volatile uint64_t done;     /* 1, or what an exception left on the stack */
    uint64_t stack[4];
    uint64_t reserved[6];
};

#define CPUS_WANTED (*(volatile uint32_t *)0x30004)
#define WORK        ((struct work *)0x30100)

#define USER_CODE   0x200000    /* 16 bytes for each kind of access */
#define NO_PAGE     (-1ULL)

#define ICR_LOW     (*(volatile uint32_t *)0xfee00300)
#define SPURIOUS    (*(volatile uint32_t *)0xfee000f0)
#define APIC_ID     (*(volatile uint32_t *)0xfee00020)

#define CR4_PAE     0x20

uint64_t load(uint64_t address);
uint64_t store(uint64_t address, uint64_t value);
uint64_t fetch(uint64_t address);
uint64_t user(uint64_t address, uint64_t value, uint64_t code);
void run(uint32_t cpu);
void fail(const uint64_t *stack);

static uint32_t me(void)
{
    return APIC_ID >> 24;
}

/* The page that a new value has come to, seen past all translations. */
static uint64_t find(const struct work *work, uint64_t token)
{
    uint64_t i;

    for (i = 0; i < work->page_count; i++) {
        if (*(volatile uint64_t *)(work->pages[i] + PAGE_TOKEN) == token) {
            return work->pages[i];
        }
    }
    return 0;
}

/* The page that an access comes to, or NO_PAGE. */
static uint64_t access(const struct work *work, const struct step *step, uint64_t token)
{
    static const uint8_t offset[][2] = {
        [LOAD] = { 0, 0 },
        [STORE] = { PAGE_TOKEN, PAGE_TOKEN },
        [FETCH] = { PAGE_CODE, PAGE_USER_CODE },
    };
    uint64_t address = step->a + offset[step->b][step->c];
    uint64_t seen;

    if (step->c) {
        seen = user(address, token, USER_CODE + 16 * step->b);
    } else if (step->b == LOAD) {
        seen = load(address);
    } else if (step->b == STORE) {
        seen = store(address, token);
    } else {
        seen = fetch(address);
    }
    return step->b == STORE && seen != NO_PAGE ? find(work, token) : seen;
}

static void do_step(const struct work *work, const struct step *step, uint64_t **answer)
{
    switch (step->op) {
    case WRITE:
        *(volatile uint64_t *)step->a = step->b;
        break;
    case SET_CR3:
        asm volatile("mov %0, %%cr3" : : "r"(step->a) : "memory");
        break;
    case SET_CR4:
        asm volatile("mov %0, %%cr4" : : "r"(step->a | CR4_PAE) : "memory");
        break;
    case INVLPG:
        asm volatile("invlpg (%0)" : : "r"(step->a) : "memory");
        break;
    case INVPCID:
        asm volatile("invpcid %1, %0" : : "r"(step->a), "m"(step->b), "m"(step->c)
                     : "memory");
        break;
    case ACCESS:
        /* No two have the same place for their answers. */
        **answer = access(work, step, (uint64_t)*answer);
        (*answer)++;
        break;
    default:
        asm volatile("ud2");
    }
}

void run(uint32_t cpu)
{
    struct work *work = &WORK[me()];
    uint64_t *answer = work->answers;
    uint64_t i;

    if (cpu == 0 && CPUS_WANTED > 1) {
        SPURIOUS = 0x1ff;
        ICR_LOW = 0xc4500;      /* INIT, all but me */
        for (i = 0; i < 100000; i++) {
            asm volatile("pause");
        }
        ICR_LOW = 0xc46f0;      /* start at 0xf0000 */
    }
    for (i = 0; i < work->count; i++) {
        do_step(work, &work->steps[i], &answer);
    }
    work->done = 1;
}

void fail(const uint64_t *stack)
{
    struct work *work = &WORK[me()];
    int i;

    for (i = 0; i < 4; i++) {
        work->stack[i] = stack[i];
    }
    work->done = 2;
}
