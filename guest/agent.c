/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest's agent, its PID 1 once guest/init is through: what a test can
 * ask a guest to do, to show later that its memory survived.
 *
 *   agent PORT FILE
 *
 * On the console, every tick: "agent: tick N nonce X". N counts on and X is
 * drawn once; both live in this process's memory only, so a restored guest
 * is told from a rebooted one.
 *
 * On PORT (a serial line, raw): one command a line, one answer a line, "ok"
 * and its results or "error" and why.
 *
 *   nonce              -> ok X
 *   counter            -> ok N
 *   tick MS            -> ok              a tick every MS ms (1 to 10000)
 *   fill SEED MIB      -> ok              FILE := MIB MiB of stream(SEED)
 *   verify SEED        -> ok PAGES        every word of FILE against the stream
 *   probe SEED COUNT   -> ok COUNT        COUNT pages of FILE, in random order
 *   sha256             -> ok DIGEST       of FILE
 *   roam SEED          -> ok              from now on read pages before each tick,
 *                                         see roam()
 *   churn MIB          -> ok              keep rewriting MIB MiB, see churn()
 *   churned            -> ok ROUNDS BAD   rounds done, pages found wrong
 *   available          -> ok KIB          MemAvailable
 *   time [PTP]         -> ok NS           CLOCK_REALTIME, or what a PTP device says
 *   run COMMAND        -> ok STATUS TEXT  of the shell, see run()
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

#define PAGE 4096ul
#define MIB (1ul << 20)
#define WORDS_PER_PAGE (PAGE / sizeof(uint64_t))

static const char *fill_path;
static uint64_t nonce;
static atomic_ullong counter;
static atomic_uint tick_ms = 100;
static atomic_ullong roam_seed;

static void die(const char *what)
{
    printf("agent: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void start(void *(*body)(void *), void *arg)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, body, arg);
    if (errno) {
        die("pthread_create");
    }
    pthread_detach(thread);
}

/* The fill file mapped, or NULL with errno set. *@words is its size. */
static uint64_t *map_file(int flags, size_t new_size, size_t *words)
{
    int fd = open(fill_path, flags, 0600);
    struct stat st;
    void *data;

    if (fd < 0 || (new_size && ftruncate(fd, new_size)) || fstat(fd, &st)) {
        return NULL;
    }
    *words = st.st_size / sizeof(uint64_t);
    data = mmap(NULL, st.st_size,
                new_size ? PROT_READ | PROT_WRITE : PROT_READ,
                MAP_SHARED, fd, 0);
    close(fd);
    return data == MAP_FAILED ? NULL : data;
}

/*
 * Reads 64 random pages of FILE, others each time, as a guest does that works
 * with what it has in memory, and compares a word of each with the stream.
 */
static void roam(void)
{
    static uint64_t position;
    static const uint64_t *data;
    static size_t words;
    uint64_t seed = roam_seed;
    int i;

    if (!seed || (!data && !(data = map_file(O_RDONLY, 0, &words)))) {
        return;
    }
    for (i = 0; i < 64; i++) {
        size_t word = stream(~seed, position++) % words;

        if (data[word] != stream(seed, word)) {
            printf("agent: word %zu is %016" PRIx64 "\n", word, data[word]);
            exit(1);
        }
    }
}

static void *tick(void *unused)
{
    (void)unused;
    for (;;) {
        usleep(tick_ms * 1000);
        roam();
        printf("agent: tick %llu nonce %016" PRIx64 "\n", ++counter, nonce);
    }
    return NULL;
}

static void fill(FILE *port, uint64_t seed, size_t mib)
{
    size_t words, i;
    uint64_t *data = map_file(O_RDWR | O_CREAT | O_TRUNC, mib * MIB, &words);

    if (!data) {
        fprintf(port, "error fill: %s\n", strerror(errno));
        return;
    }
    for (i = 0; i < words; i++) {
        data[i] = stream(seed, i);
    }
    munmap(data, words * sizeof(uint64_t));
    fprintf(port, "ok\n");
}

/* Compares one page; on a difference answers on @port and says false. */
static int page_is_right(FILE *port, const uint64_t *data, uint64_t seed,
                         size_t page)
{
    size_t i;

    for (i = page * WORDS_PER_PAGE; i < (page + 1) * WORDS_PER_PAGE; i++) {
        if (data[i] != stream(seed, i)) {
            fprintf(port, "error byte %zu (page %zu) is %016" PRIx64
                    ", not %016" PRIx64 "\n", i * sizeof(uint64_t), page,
                    data[i], stream(seed, i));
            return 0;
        }
    }
    return 1;
}

/* Compares @count random pages, or every page in order when @count is 0. */
static void compare(FILE *port, uint64_t seed, size_t count)
{
    size_t words, pages, todo, i;
    uint64_t *data = map_file(O_RDONLY, 0, &words);

    if (!data) {
        fprintf(port, "error no filled file: %s\n", strerror(errno));
        return;
    }
    pages = words / WORDS_PER_PAGE;
    todo = count ? count : pages;
    for (i = 0; i < todo; i++) {
        size_t page = count ? stream(~seed, i) % pages : i;

        if (!page_is_right(port, data, seed, page)) {
            break;
        }
    }
    munmap(data, words * sizeof(uint64_t));
    if (i == todo) {
        fprintf(port, "ok %zu\n", todo);
    }
}

/* The output of shell @command up to the first blank, as the answer. */
static void answer_from(FILE *port, const char *command)
{
    char word[128] = "";
    FILE *pipe = popen(command, "r");

    if (pipe && fscanf(pipe, "%127s", word) == 1) {
        fprintf(port, "ok %s\n", word);
    } else {
        fprintf(port, "error %s: no output\n", command);
    }
    if (pipe) {
        pclose(pipe);
    }
}

/*
 * Has the shell run @command; answers with its exit status and what it wrote,
 * on one line: a newline is sent as \n, a backslash as \\.
 */
static void run(FILE *port, const char *command)
{
    char path[] = "/data/run.XXXXXX";
    int out = mkstemp(path), status, c;
    FILE *text;
    pid_t child;

    if (out < 0) {
        fprintf(port, "error run: %s\n", strerror(errno));
        return;
    }
    /*
     * fork() would make our pages read-only for a moment, in which the other
     * threads go on to write by what the TLB has: nobody's fault, but reported
     * by a TLB that looks for missing flushes.
     */
    child = vfork();
    if (child == 0) {
        int null = open("/dev/null", O_RDONLY);

        /* Waiting for those that it leaves in the background is not wanted. */
        setsid();
        dup2(null, 0);
        dup2(out, 1);
        dup2(out, 2);
        /* By way of PATH: busybox's shell runs its own mt and tar. */
        execlp("sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    close(out);
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        fprintf(port, "error run: %s\n", strerror(errno));
        return;
    }
    fprintf(port, "ok %d ", WIFEXITED(status) ? WEXITSTATUS(status)
                                              : 128 + WTERMSIG(status));
    text = fopen(path, "r");
    while (text && (c = getc(text)) != EOF) {
        fputs(c == '\n' ? "\\n" : c == '\\' ? "\\\\" : (char[]){ c, 0 }, port);
    }
    fputc('\n', port);
    if (text) {
        fclose(text);
    }
    unlink(path);
}

/*
 * Keeps rewriting its pages, data in odd rounds and zeros in even ones, and
 * checks in each round what the round before left: a page of a live snapshot
 * that was data, was written out, and is zero by the end of the save must
 * come back zero.
 */
static atomic_ullong churn_rounds, churn_bad;

static void *churn(void *arg)
{
    size_t pages = (size_t)arg * MIB / PAGE, page, i;
    uint64_t (*data)[WORDS_PER_PAGE] = mmap(NULL, pages * PAGE,
                                            PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (data == MAP_FAILED) {
        die("churn: mmap");
    }
    for (;;) {
        uint64_t round = churn_rounds + 1;

        for (page = 0; page < pages; page++) {
            int bad = 0;

            for (i = 0; i < WORDS_PER_PAGE; i++) {
                uint64_t old = round % 2 ? 0 : stream(round - 1, i + page);

                bad |= data[page][i] != old;
                data[page][i] = round % 2 ? stream(round, i + page) : 0;
            }
            churn_bad += bad;
            if (page % 16 == 0) {
                usleep(1000); /* or no live save would ever catch up */
            }
        }
        churn_rounds = round;
    }
    return NULL;
}

/*
 * Answers with what @clock says, without a process for it, which would take a
 * guest under TCG longer than what is to be measured.
 */
static void tell_time(FILE *port, clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t)) {
        fprintf(port, "error clock_gettime: %s\n", strerror(errno));
        return;
    }
    fprintf(port, "ok %lld\n", t.tv_sec * 1000000000ll + t.tv_nsec);
}

static void tell_ptp_time(FILE *port, const char *path)
{
    int fd = open(path, O_RDONLY);

    if (fd < 0) {
        fprintf(port, "error %s: %s\n", path, strerror(errno));
        return;
    }
    /* clock_gettime(2), "Dynamic clocks". */
    tell_time(port, (~(clockid_t)fd << 3) | 3);
    close(fd);
}

static void obey(FILE *port, const char *line)
{
    static const char run_it[] = "run ";
    char path[64];
    unsigned long long a, b;

    if (!strcmp(line, "nonce\n")) {
        fprintf(port, "ok %016" PRIx64 "\n", nonce);
    } else if (!strcmp(line, "counter\n")) {
        fprintf(port, "ok %llu\n", counter);
    } else if (sscanf(line, "tick %llu", &a) == 1 && a && a <= 10000) {
        tick_ms = a;
        fprintf(port, "ok\n");
    } else if (sscanf(line, "fill %llu %llu", &a, &b) == 2 && b) {
        fill(port, a, b);
    } else if (sscanf(line, "verify %llu", &a) == 1) {
        compare(port, a, 0);
    } else if (sscanf(line, "probe %llu %llu", &a, &b) == 2 && b) {
        compare(port, a, b);
    } else if (!strcmp(line, "sha256\n")) {
        char command[128];

        snprintf(command, sizeof(command), "sha256sum %s", fill_path);
        answer_from(port, command);
    } else if (sscanf(line, "roam %llu", &a) == 1 && a) {
        roam_seed = a;
        fprintf(port, "ok\n");
    } else if (sscanf(line, "churn %llu", &a) == 1 && a) {
        start(churn, (void *)(size_t)a);
        fprintf(port, "ok\n");
    } else if (!strcmp(line, "churned\n")) {
        fprintf(port, "ok %llu %llu\n", churn_rounds, churn_bad);
    } else if (!strncmp(line, run_it, sizeof(run_it) - 1)) {
        run(port, line + sizeof(run_it) - 1);
    } else if (!strcmp(line, "time\n")) {
        tell_time(port, CLOCK_REALTIME);
    } else if (sscanf(line, "time %63s", path) == 1) {
        tell_ptp_time(port, path);
    } else if (!strcmp(line, "available\n")) {
        answer_from(port, "awk '/^MemAvailable/ { print $2 }' /proc/meminfo");
    } else {
        fprintf(port, "error what is: %s%s", line,
                strchr(line, '\n') ? "" : "\n");
    }
}

int main(int argc, char **argv)
{
    struct termios raw;
    char *line = NULL;
    size_t size = 0;
    FILE *in, *out;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 3) {
        printf("usage: agent PORT FILE\n");
        return 1;
    }
    fill_path = argv[2];
    in = fopen(argv[1], "r");
    out = fopen(argv[1], "w");
    if (!in || !out || tcgetattr(fileno(in), &raw)) {
        die(argv[1]);
    }
    cfmakeraw(&raw);
    if (tcsetattr(fileno(in), TCSANOW, &raw)) {
        die(argv[1]);
    }
    setvbuf(out, NULL, _IOLBF, 0);
    if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce)) {
        die("getrandom");
    }
    start(tick, NULL);
    printf("agent: ready\n");
    while (getline(&line, &size, in) > 0) {
        obey(out, line);
    }
    die("the port closed");
}
