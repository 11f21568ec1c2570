/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Firmware of 64 KiB that runs programs of page-table steps (steps.c): from the
 * reset vector, or from a startup IPI, straight into long mode. Page tables,
 * stacks and programs are in RAM before it starts: src/machine.rs puts them
 * there, and says where.
 *
 * The firmware is seen at 0xf0000, below 1 MiB, where all of it is linked.
 */
#define BOOT_PML4   0x10000
#define STACKS      0x20000
#define STACK_SIZE  0x4000
#define CPUS        0x30000     /* how many have started */

    .section .text.start, "ax"
    .code16
    .globl start
/* A startup IPI's vector 0xf0 is here: CS is 0xf000, IP 0. */
start:
    cli
    mov $0xf000, %ax
    mov %ax, %ds
    lgdtl gdt_pointer - start
    mov $0x20, %eax             /* CR4.PAE and nothing else */
    mov %eax, %cr4
    mov $BOOT_PML4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx       /* EFER: LME, NXE */
    rdmsr
    or $0x900, %eax
    wrmsr
    mov $0x80010001, %eax       /* CR0: PG, WP, PE */
    mov %eax, %cr0
    ljmpl $8, $long_mode

    .code64
long_mode:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    lidt idt_pointer
    /* The first CPU here is number 0, and so on. */
    mov $1, %edi
    lock xadd %edi, CPUS
    lea 1(%rdi), %eax
    imul $STACK_SIZE, %eax
    lea STACKS(%rax), %rsp
    call run
1:  hlt
    jmp 1b

/* uint64_t probe(uint64_t address): the eight bytes there, or NO_PAGE. */
    .globl probe
probe:
probe_load:
    mov (%rdi), %rax
    ret
probe_fault:
    mov $-1, %rax
    ret

/* A page fault in probe() is an answer. */
page_fault:
    cmpq $probe_load, 8(%rsp)
    jne unexpected
    movq $probe_fault, 8(%rsp)
    add $8, %rsp
    iretq

/* Any other exception ends all, for the host to see: what is on the stack. */
unexpected:
    mov %rsp, %rdi
    call fail
1:  hlt
    jmp 1b

    .balign 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* 8: 64-bit code, accessed */
    .quad 0x00cf93000000ffff    /* 16: data, accessed */
gdt_pointer:
    .word . - gdt - 1
    .long gdt

    .balign 8
idt:
    .set vector, 0
    .rept 32
    .if vector == 14
    .word page_fault - start
    .else
    .word unexpected - start
    .endif
    .word 8, 0x8e00, 0xf        /* bits 31:16 of 0xf0000 */
    .quad 0
    .set vector, vector + 1
    .endr
idt_pointer:
    .word . - idt - 1
    .quad idt

    .section .text.reset, "ax"
    .code16
    ljmp $0xf000, $0
