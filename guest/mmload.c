/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Work for a kernel's memory management: what is right is checked, what is
 * fast is timed.
 *
 *   mmload storm ROUNDS     processes that fork, exec, map, unmap and protect;
 *                           "ok ROUNDS" if every byte was as it should be
 *   mmload replace ROUNDS   a page is replaced, which other threads must see;
 *                           "ok ROUNDS" if they did
 *   mmload pipes COUNT      two processes hand a byte to and fro
 *   mmload calls COUNT      system calls that do next to nothing
 *   mmload spawns COUNT     fork, exec, exit, wait
 *   mmload reads COUNT      reads all over 32 MiB
 *
 * The last four print how many seconds they took.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

#define PAGE 4096ul
#define WORDS (PAGE / sizeof(uint64_t))
#define PAGES 64ul
#define WORKERS 4

static void fail(const char *what)
{
    printf("mmload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void wrong(const char *what)
{
    printf("mmload: wrong: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* Accesses that may fault. */

static _Thread_local sigjmp_buf faulted;

static void on_fault(int signal)
{
    (void)signal;
    siglongjmp(faulted, 1);
}

static int can_read(volatile uint64_t *word, uint64_t *value)
{
    if (sigsetjmp(faulted, 1)) {
        return 0;
    }
    *value = *word;
    return 1;
}

static int can_write(volatile uint64_t *word, uint64_t value)
{
    if (sigsetjmp(faulted, 1)) {
        return 0;
    }
    *word = value;
    return 1;
}

/* Pages of one process: what is in each, and what may be done with it. */

static uint64_t *map(void *where, unsigned long pages)
{
    uint64_t *data = mmap(where, pages * PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | (where ? MAP_FIXED : 0),
                          -1, 0);

    if (data == MAP_FAILED) {
        fail("mmap");
    }
    return data;
}

struct pages {
    uint64_t *data;
    uint64_t seed[PAGES];
    int access[PAGES];          /* PROT_*, or -1 if it isn't mapped */
};

static void fill(struct pages *p, unsigned long page, uint64_t seed)
{
    unsigned long i;

    p->seed[page] = seed;
    for (i = 0; i < WORDS; i += 64) {
        p->data[page * WORDS + i] = stream(seed, i);
    }
}

static void check(struct pages *p)
{
    unsigned long page, i;
    uint64_t value;

    for (page = 0; page < PAGES; page++) {
        uint64_t *word = &p->data[page * WORDS];

        if (p->access[page] < 0 || !(p->access[page] & PROT_READ)) {
            if (can_read(word, &value)) {
                wrong("a page was read that isn't there, or mayn't be");
            }
            continue;
        }
        for (i = 0; i < WORDS; i += 64) {
            if (word[i] != stream(p->seed[page], i)) {
                wrong("a page has another one's data");
            }
        }
        if (can_write(word, *word) != !!(p->access[page] & PROT_WRITE)) {
            wrong("a page was written to that mayn't be, or couldn't be that may");
        }
    }
}

static void change(struct pages *p, uint64_t draw)
{
    unsigned long first = draw % PAGES, count = 1 + (draw >> 8) % 8, page;
    void *where;

    if (first + count > PAGES) {
        count = PAGES - first;
    }
    where = &p->data[first * WORDS];
    switch ((draw >> 16) % 4) {
    case 0:                     /* other pages in the same place */
        map(where, count);
        for (page = first; page < first + count; page++) {
            p->access[page] = PROT_READ | PROT_WRITE;
            fill(p, page, draw + page);
        }
        break;
    case 1:
        if (munmap(where, count * PAGE)) {
            fail("munmap");
        }
        for (page = first; page < first + count; page++) {
            p->access[page] = -1;
        }
        break;
    default:
        for (page = first; page < first + count; page++) {
            static const int access[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE };

            if (p->access[page] < 0) {
                continue;
            }
            p->access[page] = access[(draw >> 24) % 3];
            if (mprotect(&p->data[page * WORDS], PAGE, p->access[page])) {
                fail("mprotect");
            }
        }
    }
}

static void wait_for(pid_t child, const char *what)
{
    int status;

    if (waitpid(child, &status, 0) != child || status) {
        wrong(what);
    }
}

/* A child changes its copies, and the parent's stay as they are. */
static void fork_one(struct pages *p, uint64_t draw)
{
    pid_t child = fork();

    if (child < 0) {
        fail("fork");
    }
    if (child == 0) {
        unsigned long i;

        for (i = 0; i < 8; i++) {
            change(p, stream(draw, i));
            check(p);
        }
        exit(0);
    }
    change(p, draw);
    check(p);
    wait_for(child, "a forked process");
    check(p);
}

static void exec_one(uint64_t draw)
{
    char seed[32];
    pid_t child = fork();

    if (child < 0) {
        fail("fork");
    }
    if (child == 0) {
        snprintf(seed, sizeof(seed), "%" PRIu64, draw);
        execl("/proc/self/exe", "mmload", "alone", seed, NULL);
        _exit(127);
    }
    wait_for(child, "a program that was started");
}

static void begin(struct pages *p, uint64_t seed)
{
    unsigned long page;

    p->data = map(NULL, PAGES);
    for (page = 0; page < PAGES; page++) {
        p->access[page] = PROT_READ | PROT_WRITE;
        fill(p, page, seed + page);
    }
}

static void alone(uint64_t seed)
{
    struct pages p;
    unsigned long i;

    begin(&p, seed);
    for (i = 0; i < 16; i++) {
        change(&p, stream(seed, i));
        check(&p);
    }
}

/*
 * A page that is replaced by another one with a greater number, again and again:
 * who knows of a number must not see a smaller one in the page, on any CPU.
 */
static _Atomic uint64_t published;
static uint64_t *shared;

static void *watch(void *unused)
{
    (void)unused;
    for (;;) {
        uint64_t known = atomic_load(&published), value = 0;

        if (known == UINT64_MAX) {
            return NULL;
        }
        /* While it is replaced, a new page may be there with nothing in it yet. */
        if (can_read(shared, &value) && value && value < known) {
            wrong("a page that was replaced is still used");
        }
    }
}

static void replace(unsigned long rounds)
{
    pthread_t threads[3];
    uint64_t number;
    int i;

    shared = map(NULL, 1);
    atomic_store(&published, 0);
    for (i = 0; i < 3; i++) {
        if (pthread_create(&threads[i], NULL, watch, NULL)) {
            fail("pthread_create");
        }
    }
    for (number = 1; number <= rounds; number++) {
        map(shared, 1);
        *shared = number;
        atomic_store(&published, number);
    }
    atomic_store(&published, UINT64_MAX);
    for (i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("ok %lu\n", rounds);
}

static void worker(unsigned long rounds, uint64_t seed)
{
    struct pages p;
    unsigned long round;

    begin(&p, seed);
    for (round = 0; round < rounds; round++) {
        uint64_t draw = stream(seed, round);

        change(&p, draw);
        check(&p);
        if (round % 8 == 0) {
            fork_one(&p, draw);
        }
        if (round % 16 == 0) {
            exec_one(draw);
        }
    }
}

static void storm(unsigned long rounds)
{
    pid_t children[WORKERS];
    int i;

    fflush(stdout);
    for (i = 0; i < WORKERS; i++) {
        children[i] = fork();
        if (children[i] < 0) {
            fail("fork");
        }
        if (children[i] == 0) {
            worker(rounds, 1000 * (i + 1));
            exit(0);
        }
    }
    for (i = 0; i < WORKERS; i++) {
        wait_for(children[i], "a worker");
    }
    printf("ok %lu\n", rounds);
}

/* What is timed. */

static void pipes(unsigned long count)
{
    int there[2], back[2];
    unsigned long i;
    char byte = 0;
    pid_t child;

    if (pipe(there) || pipe(back) || (child = fork()) < 0) {
        fail("pipe");
    }
    for (i = 0; i < count; i++) {
        if (child == 0 ? read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1
                       : write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) {
            fail("a pipe");
        }
    }
    if (child == 0) {
        _exit(0);
    }
    wait_for(child, "the other end");
}

static void calls(unsigned long count)
{
    while (count--) {
        syscall(SYS_getppid);
    }
}

static void spawns(unsigned long count)
{
    while (count--) {
        pid_t child = fork();

        if (child == 0) {
            execl("/proc/self/exe", "mmload", "nothing", "0", NULL);
            _exit(127);
        }
        wait_for(child, "a program that was started");
    }
}

static uint64_t *field;
#define FIELD (32ul << 20)

static void touch_field(void)
{
    unsigned long i;

    field = map(NULL, FIELD / PAGE);
    for (i = 0; i < FIELD / sizeof(uint64_t); i += WORDS) {
        field[i] = i;
    }
}

static void reads(unsigned long count)
{
    unsigned long words = FIELD / sizeof(uint64_t), i, at = 0;
    uint64_t sum = 0;

    for (i = 0; i < count; i++) {
        /* Each page once in 8192 reads, far from the one before. */
        at = (at + 4099 * WORDS) % words;
        sum += field[at];
    }
    if (count % 8192 == 0 && sum != count / 8192 * (8192ul * 8191 / 2 * WORDS)) {
        wrong("the sum of what was read");
    }
}

static void timed(void (*work)(unsigned long), unsigned long count)
{
    double start = now();

    work(count);
    printf("%.6f\n", now() - start);
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = on_fault };
    static const struct {
        const char *name;
        void (*work)(unsigned long);
    } loads[] = {
        { "pipes", pipes }, { "calls", calls }, { "spawns", spawns }, { "reads", reads },
    };
    unsigned long number, i;

    if (argc != 3) {
        printf("usage: mmload storm|replace|pipes|calls|spawns|reads NUMBER\n");
        return 2;
    }
    number = strtoul(argv[2], NULL, 10);
    sigaction(SIGSEGV, &action, NULL);
    if (!strcmp(argv[1], "storm")) {
        storm(number);
        return 0;
    }
    if (!strcmp(argv[1], "replace")) {
        replace(number);
        return 0;
    }
    if (!strcmp(argv[1], "alone")) {
        alone(number);
        return 0;
    }
    if (!strcmp(argv[1], "nothing")) {
        return 0;
    }
    for (i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        if (!strcmp(argv[1], loads[i].name)) {
            if (loads[i].work == reads) {
                touch_field();
            }
            timed(loads[i].work, number);
            return 0;
        }
    }
    printf("mmload: no %s\n", argv[1]);
    return 2;
}
