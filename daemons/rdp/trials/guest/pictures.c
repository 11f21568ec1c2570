/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest that shows pictures of 1024 by 768 pixels, 32 bits each, when it is told to.
 *
 * A byte on the first serial port is a command, and is the answer when that is done. 0x40 and
 * up draw the next picture of a scene (see draw()), each another one, in memory: from 32 MiB on,
 * one behind the other, where the test reads them. `S` copies the first one that hasn't been shown
 * to the display, from the top; after the last one, memory is used from its beginning. A key that
 * is pressed inverts a square at the top left. `R` says that the guest is ready.
 *
 * QEMU starts it with -kernel (Multiboot 0.6.96), on a machine with -vga std, whose registers
 * are in docs/specs/standard-vga.rst of QEMU. It sleeps when there is nothing to do.
 */
#include <stdint.h>

#define WIDTH   1024
#define HEIGHT  768
#define PIXELS  (WIDTH * HEIGHT)
#define SCENES  5
#define SQUARE  32

__asm__(
    ".section .multiboot, \"a\"\n"
    ".align 4\n"
    ".long 0x1badb002, 0, -0x1badb002\n"
    ".text\n"
    ".globl _start\n"
    "_start:\n"
    "    cli\n"
    "    mov $stack_end, %esp\n"
    "    lgdt gdt_pointer\n"
    "    ljmp $8, $1f\n"
    "1:  mov $16, %eax\n"
    "    mov %eax, %ds\n"
    "    mov %eax, %es\n"
    "    mov %eax, %ss\n"
    "    call run\n"
    /* An interrupt only ends the sleep; what it was for is asked of the devices. */
    ".globl interrupt\n"
    "interrupt:\n"
    "    push %eax\n"
    "    mov $0x20, %al\n"
    "    out %al, $0x20\n"
    "    pop %eax\n"
    "    iret\n"
    ".section .rodata\n"
    ".align 8\n"
    "gdt: .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff\n"
    "gdt_pointer: .word 23; .long gdt\n"
    ".bss\n"
    ".align 16\n"
    ".skip 16384\n"
    "stack_end:\n"
    ".text\n");

void interrupt(void);
void run(void) __attribute__((noreturn));

static uint32_t *const pictures = (uint32_t *)(32 << 20);
static uint8_t font[256][32];
static uint32_t *display;

static void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static uint32_t inl(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static uint32_t pci(uint32_t device, uint32_t offset)
{
    outl(0xcf8, 0x80000000 | device << 11 | offset);
    return inl(0xcfc);
}

/* Marsaglia's xorshift: no bit repeats before all of them do. The state isn't 0. */
static uint32_t random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Where a series begins: another one for each number. */
static uint32_t seed(uint32_t number)
{
    return (number + 1) * 2654435761u;
}

/* The text mode's font is in plane 2, 32 bytes a character, of which 16 are rows. */
static void read_font(void)
{
    const volatile uint8_t *plane = (const volatile uint8_t *)0xa0000;

    outw(0x3c4, 0x0604);        /* planes one by one, all 256 KiB */
    outw(0x3ce, 0x0204);        /* read plane 2 */
    outw(0x3ce, 0x0005);
    outw(0x3ce, 0x0406);        /* at 0xa0000 */
    for (int i = 0; i < 256 * 32; i++) {
        font[i / 32][i % 32] = plane[i];
    }
}

static void set_mode(void)
{
    static const uint16_t registers[][2] = {
        { 4, 0 }, { 1, WIDTH }, { 2, HEIGHT }, { 3, 32 }, { 4, 0x41 },
    };

    for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        outw(0x1ce, registers[i][0]);
        outw(0x1cf, registers[i][1]);
    }
    for (uint32_t device = 0; device < 32; device++) {
        if (pci(device, 8) >> 16 == 0x0300) {
            display = (uint32_t *)(pci(device, 0x10) & ~15u);
        }
    }
}

static void fill(uint32_t *to, int x, int y, int width, int height, uint32_t colour)
{
    for (int row = y; row < y + height && row < HEIGHT; row++) {
        for (int column = x; column < x + width && column < WIDTH; column++) {
            to[row * WIDTH + column] = colour;
        }
    }
}

/* Lines of text, of words of three to nine letters; a line looks as its number says. */
static void text(uint32_t *to, int x, int y, int columns, int lines, int first,
                 uint32_t paper, uint32_t ink)
{
    static const char letters[] = "etaoinshrdlucmfwypvbgkjqxz,.-;()=_0123456789";

    for (int line = 0; line < lines; line++) {
        uint32_t state = seed(first + line);
        int word = 0, length = random(&state) % columns;
        for (int column = 0; column < columns; column++) {
            /* Frequent letters are first, and more frequent. */
            uint32_t which = random(&state) % 44 * (random(&state) % 44) / 44;
            char c = column < length ? letters[which] : ' ';
            if (word-- == 0) {
                word = 3 + random(&state) % 7;
                c = ' ';
            }
            for (int row = 0; row < 16; row++) {
                uint32_t *pixel = to + (y + line * 16 + row) * WIDTH + x + column * 8;
                for (int bit = 0; bit < 8; bit++) {
                    pixel[bit] = font[(uint8_t)c][row] & 0x80 >> bit ? ink : paper;
                }
            }
        }
    }
}

static void draw(uint32_t *to, int scene, int variant)
{
    uint32_t state = seed(scene + SCENES * variant);

    switch (scene) {
    case 0:                     /* one colour */
        fill(to, 0, 0, WIDTH, HEIGHT, (0x204060 * (variant + 1)) & 0xffffff);
        break;
    case 1:                     /* a page of text, another each time */
        text(to, 0, 0, WIDTH / 8, HEIGHT / 16, 100 * variant, 0x000000, 0xaaaaaa);
        break;
    case 2:                     /* the same page, one line further */
        text(to, 0, 0, WIDTH / 8, HEIGHT / 16, 1000 + variant, 0x000000, 0xaaaaaa);
        break;
    case 3:                     /* a desktop: a background that fades, and windows */
        for (int y = 0; y < HEIGHT; y++) {
            fill(to, 0, y, WIDTH, 1, ((y / 6 + 16 * variant) & 0xff) << 8 | (0x50 + y / 8));
        }
        for (int window = 0; window < 4; window++) {
            int x = 20 + random(&state) % 480, y = 10 + random(&state) % 330;
            fill(to, x, y, 488, 392, 0x606060);
            fill(to, x + 2, y + 2, 484, 20, window == 3 ? 0x3070c0 : 0x909090);
            text(to, x + 8, y + 4, 20, 1, 2000 + window, window == 3 ? 0x3070c0 : 0x909090,
                 0xffffff);
            fill(to, x + 2, y + 22, 484, 368, 0xf8f8f8);
            text(to, x + 4, y + 24, 60, 22, 3000 + 50 * window + variant, 0xf8f8f8, 0x202020);
        }
        fill(to, 0, HEIGHT - 32, WIDTH, 32, 0xd0d0d0);
        text(to, 8, HEIGHT - 24, 40, 1, 4000, 0xd0d0d0, 0x000000);
        break;
    default:                    /* a photograph: colours that flow, and a sensor's noise */
        for (int y = 0; y < HEIGHT; y++) {
            for (int x = 0; x < WIDTH; x++) {
                uint32_t noise = random(&state);
                uint32_t r = (x * x / 4096 + y / 4 + 40 * variant + (noise & 3)) & 0xff;
                uint32_t g = (y * y / 3072 + x / 8 + (noise >> 2 & 3)) & 0xff;
                uint32_t b = ((x + y) / 8 + 30 * variant + (noise >> 4 & 3)) & 0xff;
                to[y * WIDTH + x] = r << 16 | g << 8 | b;
            }
        }
    }
}

static void show(const void *from)
{
    void *to = display;
    int count = PIXELS;

    __asm__ volatile("cld; rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static void invert(void)
{
    for (int y = 0; y < SQUARE; y++) {
        for (int x = 0; x < SQUARE; x++) {
            display[y * WIDTH + x] ^= 0xffffff;
        }
    }
}

/* Both devices' interrupts at 0x20 and up, and no others. */
static void take_interrupts(void)
{
    static uint64_t gates[0x30];
    static const uint8_t words[][2] = {
        { 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 0x04 }, { 0x21, 0x01 }, { 0x21, 0xed },
    };
    struct __attribute__((packed)) { uint16_t limit; uint32_t base; } pointer = {
        sizeof(gates) - 1, (uint32_t)gates,
    };
    uint64_t to = (uint32_t)interrupt;

    for (int i = 0; i < 0x30; i++) {
        gates[i] = (to & 0xffff) | 8 << 16 | 0x8e00ull << 32 | (to & 0xffff0000) << 32;
    }
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        outb(words[i][0], words[i][1]);
    }
    __asm__ volatile("lidt %0" : : "m"(pointer));
    outb(0x3f9, 1);             /* the serial port's, when there is something to read */
    outb(0x3fc, 0x0b);
}

void run(void)
{
    int variant = 0, drawn = 0, shown = 0;

    read_font();
    set_mode();
    take_interrupts();
    outb(0x3f8, 'R');
    for (;;) {
        __asm__ volatile("cli");
        if (inb(0x3fd) & 1) {
            uint8_t which = inb(0x3f8);
            if (which >= 0x40 && which < 0x40 + SCENES) {
                draw(pictures + PIXELS * drawn++, which - 0x40, variant++);
            } else if (which == 'S') {
                show(pictures + PIXELS * shown++);
                if (shown == drawn) {
                    drawn = shown = 0;
                }
            }
            outb(0x3f8, which);
        } else if (inb(0x64) & 1) {
            if (!(inb(0x60) & 0x80)) {
                invert();
            }
        } else {
            __asm__ volatile("sti; hlt");
        }
    }
}
