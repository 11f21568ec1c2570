/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What netcat is for TCP, for the sockets between a guest and its host:
 *
 *   vsock PORT    connects to the host; standard input goes there until it
 *                 ends, then what comes back, until the host hangs up, goes to
 *                 standard output
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

static void die(const char *what)
{
    fprintf(stderr, "vsock: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void copy(int from, int to)
{
    static char buffer[1 << 16];
    ssize_t got, done, put;

    while ((got = read(from, buffer, sizeof(buffer))) > 0) {
        for (done = 0; done < got; done += put) {
            put = write(to, buffer + done, got - done);
            if (put < 0) {
                die("write");
            }
        }
    }
    if (got < 0) {
        die("read");
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_vm host = {
        .svm_family = AF_VSOCK,
        .svm_cid = VMADDR_CID_HOST,
    };
    int fd;

    if (argc != 2) {
        fprintf(stderr, "usage: vsock PORT\n");
        return 2;
    }
    host.svm_port = atoi(argv[1]);
    fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&host, sizeof(host))) {
        die("connect");
    }
    copy(STDIN_FILENO, fd);
    copy(fd, STDOUT_FILENO);
    return 0;
}
