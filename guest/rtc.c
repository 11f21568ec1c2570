/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Exact readings of a guest's clocks, for tests of virtio-rtc: what hwclock
 * rounds to seconds and phc2sys keeps to itself.
 *
 *   rtc now                 CLOCK_REALTIME and CLOCK_MONOTONIC, in ns
 *   rtc step NS             steps CLOCK_REALTIME by so many ns
 *   rtc read DEVICE         a PTP clock in ns, or an RTC in seconds
 *   rtc took DEVICE COUNT   how long each of COUNT such readings took, in ns
 *   rtc order PTP COUNT     reads COUNT times in a row, fails if a reading goes
 *                           back; the first and the last in ns
 *   rtc offset PTP COUNT    CLOCK_REALTIME less the PTP clock, and how long that
 *                           reading took, in ns: the shortest of COUNT
 *   rtc get RTC             the alarm: in seconds, 1 if it is enabled, 1 if pending
 *   rtc set RTC SECONDS     sets the alarm and enables it
 *   rtc off RTC             disables it
 *   rtc watch RTC [SECONDS] sets the alarm, if it is to, and writes a line for each
 *                           interrupt: what it was (RTC_AF is 32), how many,
 *                           CLOCK_BOOTTIME in ns. Nobody else may open the RTC.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ptp_clock.h>
#include <linux/rtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000ll

static void die(const char *what)
{
    fprintf(stderr, "rtc: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_device(const char *path, int flags)
{
    int fd = open(path, flags);

    if (fd < 0) {
        die(path);
    }
    return fd;
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t)) {
        die("clock_gettime");
    }
    return t.tv_sec * NS + t.tv_nsec;
}

/* The clock that an open PTP device is: clock_gettime(2), "Dynamic clocks". */
static clockid_t ptp_clock(int fd)
{
    return (~(clockid_t)fd << 3) | 3;
}

static int64_t seconds(const struct rtc_time *t)
{
    struct tm tm = {
        .tm_sec = t->tm_sec, .tm_min = t->tm_min, .tm_hour = t->tm_hour,
        .tm_mday = t->tm_mday, .tm_mon = t->tm_mon, .tm_year = t->tm_year,
    };

    return timegm(&tm);
}

static void now(void)
{
    int64_t realtime = read_clock(CLOCK_REALTIME);

    printf("%" PRId64 " %" PRId64 "\n", realtime, read_clock(CLOCK_MONOTONIC));
}

static void step(int64_t ns)
{
    int64_t to = read_clock(CLOCK_REALTIME) + ns;
    struct timespec t = { .tv_sec = to / NS, .tv_nsec = to % NS };

    if (clock_settime(CLOCK_REALTIME, &t)) {
        die("clock_settime");
    }
}

static void read_one(const char *path)
{
    int fd = open_device(path, O_RDONLY);
    struct rtc_time t;

    if (!ioctl(fd, RTC_RD_TIME, &t)) {
        printf("%" PRId64 "\n", seconds(&t));
    } else if (strncmp(path, "/dev/rtc", 8)) {
        printf("%" PRId64 "\n", read_clock(ptp_clock(fd)));
    } else {
        die(path);
    }
}

static void took(const char *path, unsigned long count)
{
    int fd = open_device(path, O_RDONLY);
    int is_rtc = !strncmp(path, "/dev/rtc", 8);

    while (count--) {
        int64_t before = read_clock(CLOCK_MONOTONIC);
        struct rtc_time t;

        if (!is_rtc) {
            read_clock(ptp_clock(fd));
        } else if (ioctl(fd, RTC_RD_TIME, &t)) {
            die(path);
        }
        printf("%" PRId64 "\n", read_clock(CLOCK_MONOTONIC) - before);
    }
}

static void order(const char *path, unsigned long count)
{
    clockid_t clock = ptp_clock(open_device(path, O_RDONLY));
    int64_t first = read_clock(clock), last = first;

    while (count-- > 1) {
        int64_t next = read_clock(clock);

        if (next < last) {
            printf("%" PRId64 " after %" PRId64 "\n", next, last);
            exit(1);
        }
        last = next;
    }
    printf("%" PRId64 " %" PRId64 "\n", first, last);
}

static int64_t ptp_ns(const struct ptp_clock_time *t)
{
    return t->sec * NS + t->nsec;
}

static void offset(const char *path, unsigned long count)
{
    int fd = open_device(path, O_RDONLY);
    int64_t best = INT64_MAX, shortest = INT64_MAX;

    while (count) {
        struct ptp_sys_offset_extended samples = {
            .n_samples = count < PTP_MAX_SAMPLES ? count : PTP_MAX_SAMPLES,
        };
        unsigned i;

        if (ioctl(fd, PTP_SYS_OFFSET_EXTENDED, &samples)) {
            die("PTP_SYS_OFFSET_EXTENDED");
        }
        for (i = 0; i < samples.n_samples; i++) {
            int64_t before = ptp_ns(&samples.ts[i][0]);
            int64_t took = ptp_ns(&samples.ts[i][2]) - before;

            if (took >= 0 && took < shortest) {
                shortest = took;
                best = before + took / 2 - ptp_ns(&samples.ts[i][1]);
            }
        }
        count -= samples.n_samples;
    }
    printf("%" PRId64 " %" PRId64 "\n", best, shortest);
}

static void get_alarm(const char *path)
{
    struct rtc_wkalrm alarm;

    if (ioctl(open_device(path, O_RDONLY), RTC_WKALM_RD, &alarm)) {
        die("RTC_WKALM_RD");
    }
    printf("%" PRId64 " %d %d\n", seconds(&alarm.time), alarm.enabled, alarm.pending);
}

static void set_alarm(int fd, time_t at)
{
    struct rtc_wkalrm alarm = { .enabled = 1 };
    struct tm tm;

    gmtime_r(&at, &tm);
    alarm.time = (struct rtc_time){
        .tm_sec = tm.tm_sec, .tm_min = tm.tm_min, .tm_hour = tm.tm_hour,
        .tm_mday = tm.tm_mday, .tm_mon = tm.tm_mon, .tm_year = tm.tm_year,
    };
    if (ioctl(fd, RTC_WKALM_SET, &alarm)) {
        die("RTC_WKALM_SET");
    }
}

static void alarm_off(const char *path)
{
    if (ioctl(open_device(path, O_RDONLY), RTC_AIE_OFF)) {
        die("RTC_AIE_OFF");
    }
}

static void watch(const char *path, const char *at)
{
    int fd = open_device(path, O_RDONLY);
    unsigned long said;

    if (at) {
        set_alarm(fd, strtoll(at, NULL, 10));
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("watching\n");
    while (read(fd, &said, sizeof(said)) == sizeof(said)) {
        printf("%lu %lu %" PRId64 "\n", said & 0xff, said >> 8,
               read_clock(CLOCK_BOOTTIME));
    }
    die(path);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (argc == 2 && !strcmp(what, "now")) {
        now();
    } else if (argc == 3 && !strcmp(what, "step")) {
        step(strtoll(argv[2], NULL, 10));
    } else if (argc == 3 && !strcmp(what, "read")) {
        read_one(argv[2]);
    } else if (argc == 4 && !strcmp(what, "took")) {
        took(argv[2], strtoul(argv[3], NULL, 10));
    } else if (argc == 4 && !strcmp(what, "order")) {
        order(argv[2], strtoul(argv[3], NULL, 10));
    } else if (argc == 4 && !strcmp(what, "offset")) {
        offset(argv[2], strtoul(argv[3], NULL, 10));
    } else if (argc == 3 && !strcmp(what, "get")) {
        get_alarm(argv[2]);
    } else if (argc == 4 && !strcmp(what, "set")) {
        set_alarm(open_device(argv[2], O_RDONLY), strtoll(argv[3], NULL, 10));
    } else if (argc == 3 && !strcmp(what, "off")) {
        alarm_off(argv[2]);
    } else if ((argc == 3 || argc == 4) && !strcmp(what, "watch")) {
        watch(argv[2], argv[3]);
    } else {
        fprintf(stderr, "rtc: see guest/rtc.c for what it can do\n");
        return 2;
    }
    return 0;
}
