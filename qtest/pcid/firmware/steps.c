/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Does steps, and keeps what was read. Each CPU has work of its own, in
 * memory of its own, and does it while the others do theirs.
 */
#include <stdint.h>

/* src/machine.rs has the same numbers. */
enum { WRITE, SET_CR3, SET_CR4, INVLPG, INVPCID, READ };

struct step {
    uint64_t op, a, b, c;
};

struct work {
    const struct step *steps;
    uint64_t count;
    uint64_t *answers;
    volatile uint64_t done;     /* 1, or what an exception left on the stack */
    uint64_t stack[4];
};

#define CPUS_WANTED (*(volatile uint32_t *)0x30004)
#define WORK        ((struct work *)0x30100)

#define ICR_LOW     (*(volatile uint32_t *)0xfee00300)
#define SPURIOUS    (*(volatile uint32_t *)0xfee000f0)
#define APIC_ID     (*(volatile uint32_t *)0xfee00020)

#define CR4_PAE     0x20

uint64_t probe(uint64_t address);
void run(uint32_t cpu);
void fail(const uint64_t *stack);

static uint32_t me(void)
{
    return APIC_ID >> 24;
}

static void do_step(const struct step *step, uint64_t **answer)
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
    case READ:
        *(*answer)++ = probe(step->a);
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
        do_step(&work->steps[i], &answer);
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
