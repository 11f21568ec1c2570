/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeps a network busy, and tells how much it did.
 *
 *   netload discard|echo ADDRESS BYTES SECONDS
 *
 * Sends UDP packets of BYTES, IP's and UDP's headers included, to a service of
 * ADDRESS: "discard" as many as the network takes, "echo" one at a time, each
 * when the last one has come back. Prints the packets that were sent, the
 * seconds until the last one had left or come back, and half of the round
 * trips' latency in ns at most, or nan: "31415 1.003 27182".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEADERS 28
#define BATCH 32
#define MOST_LATENCIES (1ul << 20)
#define ECHO_PORT 7
#define DISCARD_PORT 9

static char packet[65536], answer[65536];
static uint32_t latencies[MOST_LATENCIES];

static void die(const char *what)
{
    fprintf(stderr, "netload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static uint64_t discard(int net, size_t len, uint64_t end)
{
    struct iovec data = { .iov_base = packet, .iov_len = len };
    struct mmsghdr batch[BATCH] = { 0 };
    uint64_t sent = 0;
    int i, queued;

    for (i = 0; i < BATCH; i++) {
        batch[i].msg_hdr.msg_iov = &data;
        batch[i].msg_hdr.msg_iovlen = 1;
    }
    while (now() < end) {
        /* Waits while the socket's buffer is full. */
        int done = sendmmsg(net, batch, BATCH, 0);

        if (done < 0) {
            die("sendmmsg");
        }
        sent += done;
    }
    do {
        if (ioctl(net, SIOCOUTQ, &queued)) {
            die("SIOCOUTQ");
        }
    } while (queued && !usleep(50));
    return sent;
}

static uint64_t echo(int net, size_t len, uint64_t end)
{
    struct timeval patience = { .tv_sec = 5 };
    uint64_t done = 0, start;

    if (setsockopt(net, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience))) {
        die("SO_RCVTIMEO");
    }
    while ((start = now()) < end) {
        /* Nothing else's answer is taken for this one's. */
        memcpy(packet, &done, sizeof(done));
        if (send(net, packet, len, 0) != (ssize_t)len ||
            recv(net, answer, sizeof(answer), 0) != (ssize_t)len) {
            die("a round trip");
        }
        if (memcmp(packet, answer, len)) {
            errno = EBADMSG;
            die("an answer");
        }
        if (done < MOST_LATENCIES) {
            latencies[done] = now() - start;
        }
        done++;
    }
    return done;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct sockaddr_in there = { .sin_family = AF_INET };
    uint64_t start, end, done;
    double seconds;
    size_t len;
    int net, echoes;

    if (argc != 5) {
        fprintf(stderr, "usage: netload discard|echo ADDRESS BYTES SECONDS\n");
        return 1;
    }
    echoes = !strcmp(argv[1], "echo");
    len = strtoul(argv[3], NULL, 0) - HEADERS;
    if (len < sizeof(done) || len > sizeof(packet) - HEADERS) {
        errno = EMSGSIZE;
        die(argv[3]);
    }
    there.sin_port = htons(echoes ? ECHO_PORT : DISCARD_PORT);
    net = socket(AF_INET, SOCK_DGRAM, 0);
    if (net < 0 || inet_pton(AF_INET, argv[2], &there.sin_addr) != 1 ||
        connect(net, (struct sockaddr *)&there, sizeof(there))) {
        die(argv[2]);
    }
    start = now();
    end = start + (uint64_t)(atof(argv[4]) * 1e9);
    done = echoes ? echo(net, len, end) : discard(net, len, end);
    seconds = (now() - start) / 1e9;
    if (echoes && done) {
        size_t kept = done < MOST_LATENCIES ? done : MOST_LATENCIES;

        qsort(latencies, kept, sizeof(*latencies), by_value);
        printf("%" PRIu64 " %.6f %" PRIu32 "\n", done, seconds,
               latencies[kept / 2]);
    } else {
        printf("%" PRIu64 " %.6f nan\n", done, seconds);
    }
    return 0;
}
