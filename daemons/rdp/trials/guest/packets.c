/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Receives packets of a USB device's isochronous endpoint, or sends some, past its driver.
 *
 *   packets DEVICE in|out COUNT
 *   packets DEVICE status|request 1
 *
 * DEVICE is what /sys/bus/usb/devices calls it: 1-2. It is that of trials/src/packets.rs. Packets
 * that have come are printed until there are COUNT, as a line of hexadecimal digits each; empty ones
 * and those that failed aren't. Packets to the device are 4 bytes each, and count. `status` prints
 * what its interrupt endpoint says, and `request` sends one that the device never answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define ENDPOINT_IN 0x83
#define ENDPOINT_OUT 0x04
#define ENDPOINT_STATUS 0x81
#define STATUS_BYTES 8
#define SIZE 192
#define URBS 8
#define PACKETS 8
#define TIMEOUT_MS 60000

struct transfer {
    union {
        struct usbdevfs_urb urb;
        char room[sizeof(struct usbdevfs_urb) + PACKETS * sizeof(struct usbdevfs_iso_packet_desc)];
    };
    uint8_t data[PACKETS * SIZE];
};

static int usb;
static uint32_t next;

static void die(const char *what)
{
    fprintf(stderr, "packets: %s: %s\n", what, strerror(errno));
    exit(1);
}

static unsigned int number(const char *device, const char *name)
{
    char path[256];
    unsigned int value;
    FILE *file;

    snprintf(path, sizeof(path), "/sys/bus/usb/devices/%s/%s", device, name);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%u", &value) != 1) {
        die(path);
    }
    fclose(file);
    return value;
}

static void submit(struct transfer *it, int is_in)
{
    unsigned int size = is_in ? SIZE : sizeof(next);

    memset(&it->urb, 0, sizeof(it->urb));
    it->urb.type = USBDEVFS_URB_TYPE_ISO;
    it->urb.endpoint = is_in ? ENDPOINT_IN : ENDPOINT_OUT;
    it->urb.flags = USBDEVFS_URB_ISO_ASAP;
    it->urb.buffer = it->data;
    it->urb.buffer_length = PACKETS * size;
    it->urb.number_of_packets = PACKETS;
    for (int i = 0; i < PACKETS; i++) {
        it->urb.iso_frame_desc[i].length = size;
        if (!is_in) {
            memcpy(it->data + i * size, &next, size);
            next++;
        }
    }
    if (ioctl(usb, USBDEVFS_SUBMITURB, &it->urb) < 0) {
        die("submit");
    }
}

static int print(const struct usbdevfs_iso_packet_desc *packet, const uint8_t *data)
{
    if (packet->status || !packet->actual_length) {
        return 0;
    }
    for (unsigned int i = 0; i < packet->actual_length; i++) {
        printf("%02x", data[i]);
    }
    printf("\n");
    return 1;
}

static void status(void)
{
    char text[STATUS_BYTES];
    struct usbdevfs_bulktransfer transfer = {
        .ep = ENDPOINT_STATUS, .len = sizeof(text), .timeout = TIMEOUT_MS, .data = text,
    };

    /* It is an interrupt transfer, as its endpoint is. */
    if (ioctl(usb, USBDEVFS_BULK, &transfer) != sizeof(text)) {
        die("the interrupt endpoint");
    }
    fwrite(text, sizeof(text), 1, stdout);
}

static void request(void)
{
    char answer[4];
    struct usbdevfs_ctrltransfer transfer = {
        .bRequestType = 0xc0, .bRequest = 1, .wLength = sizeof(answer),
        .timeout = TIMEOUT_MS, .data = answer,
    };

    if (ioctl(usb, USBDEVFS_CONTROL, &transfer) >= 0) {
        errno = 0;
    }
    die("the request");
}

int main(int argc, char **argv)
{
    static struct transfer transfers[URBS];
    struct usbdevfs_setinterface setting = { .interface = 0, .altsetting = 1 };
    unsigned int interface = 0, count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0, done = 0;
    int is_in = argc == 4 && !strcmp(argv[2], "in");
    char path[64];

    if (!count) {
        fprintf(stderr, "usage: packets DEVICE in|out|status|request COUNT\n");
        return 2;
    }
    snprintf(path, sizeof(path), "/dev/bus/usb/%03u/%03u", number(argv[1], "busnum"),
             number(argv[1], "devnum"));
    usb = open(path, O_RDWR);
    if (usb < 0) {
        die(path);
    }
    if (ioctl(usb, USBDEVFS_CLAIMINTERFACE, &interface) < 0 ||
        ioctl(usb, USBDEVFS_SETINTERFACE, &setting) < 0) {
        die("the interface");
    }
    if (!strcmp(argv[2], "status")) {
        status();
        return 0;
    }
    if (!strcmp(argv[2], "request")) {
        request();
    }
    for (int i = 0; i < URBS; i++) {
        submit(&transfers[i], is_in);
    }
    while (done < count) {
        struct usbdevfs_urb *urb;

        if (ioctl(usb, USBDEVFS_REAPURB, &urb) < 0) {
            die("reap");
        }
        if (urb->status) {
            errno = -urb->status;
            die("a transfer");
        }
        for (int i = 0; i < PACKETS && done < count; i++) {
            done += is_in ? print(&urb->iso_frame_desc[i], (uint8_t *)urb->buffer + i * SIZE) : 1;
        }
        submit((struct transfer *)urb, is_in);
    }
    return 0;
}
