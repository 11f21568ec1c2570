/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Plays frames that count, on the first sound card's first device.
 *
 *   play COUNT
 *
 * All volumes are at their highest, so that samples arrive as they are. A frame's two samples are
 * its number, the low half first, and begin with 1; zeros follow, a second of them. If the card
 * runs out of frames it goes on with the next ones. Prints how often it did.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sound/asound.h>

#define RATE 48000
#define PIECE 1024

static void die(const char *what)
{
    fprintf(stderr, "play: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void raise_volumes(void)
{
    int card = open("/dev/snd/controlC0", O_RDWR);
    struct snd_ctl_elem_id ids[64];
    struct snd_ctl_elem_list list = { .space = 64, .pids = ids };

    if (card < 0 || ioctl(card, SNDRV_CTL_IOCTL_ELEM_LIST, &list) < 0) {
        die("the card's controls");
    }
    for (unsigned int i = 0; i < list.used; i++) {
        struct snd_ctl_elem_info info = { .id = ids[i] };
        struct snd_ctl_elem_value value = { .id = ids[i] };

        if (ioctl(card, SNDRV_CTL_IOCTL_ELEM_INFO, &info) < 0) {
            die("a control");
        }
        if (!(info.access & SNDRV_CTL_ELEM_ACCESS_WRITE) || info.count > 128 ||
            (info.type != SNDRV_CTL_ELEM_TYPE_BOOLEAN && info.type != SNDRV_CTL_ELEM_TYPE_INTEGER)) {
            continue;
        }
        for (unsigned int at = 0; at < info.count; at++) {
            value.value.integer.value[at] = info.value.integer.max;
        }
        if (ioctl(card, SNDRV_CTL_IOCTL_ELEM_WRITE, &value) < 0) {
            die("setting a control");
        }
    }
}

static void set_mask(struct snd_pcm_hw_params *params, int which, unsigned int bit)
{
    struct snd_mask *mask = &params->masks[which - SNDRV_PCM_HW_PARAM_FIRST_MASK];

    memset(mask, 0, sizeof(*mask));
    mask->bits[bit / 32] = 1u << bit % 32;
}

static void set_interval(struct snd_pcm_hw_params *params, int which, unsigned int min,
                         unsigned int max)
{
    struct snd_interval *it = &params->intervals[which - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];

    it->min = min;
    it->max = max;
    it->integer = 1;
}

static int open_card(void)
{
    struct snd_pcm_hw_params params = { .rmask = ~0u };
    int card = open("/dev/snd/pcmC0D0p", O_RDWR);

    if (card < 0) {
        die("the card");
    }
    memset(params.masks, 0xff, sizeof(params.masks));
    for (size_t i = 0; i < sizeof(params.intervals) / sizeof(params.intervals[0]); i++) {
        params.intervals[i].max = ~0u;
    }
    set_mask(&params, SNDRV_PCM_HW_PARAM_ACCESS, SNDRV_PCM_ACCESS_RW_INTERLEAVED);
    set_mask(&params, SNDRV_PCM_HW_PARAM_FORMAT, SNDRV_PCM_FORMAT_S16_LE);
    set_mask(&params, SNDRV_PCM_HW_PARAM_SUBFORMAT, SNDRV_PCM_SUBFORMAT_STD);
    set_interval(&params, SNDRV_PCM_HW_PARAM_CHANNELS, 2, 2);
    set_interval(&params, SNDRV_PCM_HW_PARAM_RATE, RATE, RATE);
    set_interval(&params, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, PIECE, PIECE);
    set_interval(&params, SNDRV_PCM_HW_PARAM_BUFFER_SIZE, 16 * PIECE, 16 * PIECE);
    if (ioctl(card, SNDRV_PCM_IOCTL_HW_PARAMS, &params) < 0) {
        die("48000 frames a second of 2 samples of 16 bits");
    }
    if (ioctl(card, SNDRV_PCM_IOCTL_PREPARE) < 0) {
        die("prepare");
    }
    return card;
}

int main(int argc, char **argv)
{
    uint32_t count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0, next = 1;
    unsigned int underruns = 0;
    int card;

    raise_volumes();
    card = open_card();
    while (next <= count + RATE) {
        uint32_t frames[PIECE];
        struct snd_xferi piece = { .buf = frames, .frames = PIECE };

        for (uint32_t i = 0; i < PIECE; i++) {
            frames[i] = next + i <= count ? next + i : 0;
        }
        if (ioctl(card, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &piece) < 0) {
            if (errno != EPIPE) {
                die("write");
            }
            underruns++;
            if (ioctl(card, SNDRV_PCM_IOCTL_PREPARE) < 0) {
                die("prepare");
            }
            continue;
        }
        next += piece.result;
    }
    if (ioctl(card, SNDRV_PCM_IOCTL_DRAIN) < 0 && errno != EPIPE) {
        die("drain");
    }
    printf("%u\n", underruns);
    return 0;
}
