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
#define USER_SIDE   0x1000      /* within a stack: where user mode comes back to */
#define USER_STACK  0x201000
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
    mov %edi, %eax
    shl $4, %eax
    add $tss_0 - gdt, %eax
    ltr %ax
    call run
1:  hlt
    jmp 1b

/*
 * uint64_t load(uint64_t address): the eight bytes there
 * uint64_t store(uint64_t address, uint64_t value): 0
 * uint64_t fetch(uint64_t address): what the code there gives
 *
 * Each gives NO_PAGE for a page fault.
 */
    .globl load, store, fetch
load:
    mov (%rdi), %rax
    ret
store:
    mov %rsi, (%rdi)
    xor %eax, %eax
    ret
fetch:
    call *%rdi
    ret
no_page:
    mov $-1, %rax
    ret

/* uint64_t user(uint64_t address, uint64_t value, uint64_t code): the same in user mode. */
    .globl user
user:
    mov %rsp, %rcx
    and $-STACK_SIZE, %rcx
    mov %rsp, USER_SIDE(%rcx)
    push $user_data - gdt + 3
    push $USER_STACK
    push $2
    push $user_code - gdt + 3
    push %rdx
    iretq

/* A page fault of these is an answer. Only fetch() faults where RDI points. */
page_fault:
    testb $3, 16(%rsp)
    jnz 2f
    cmpq $load, 8(%rsp)
    je 1f
    cmpq $store, 8(%rsp)
    je 1f
    cmp %rdi, 8(%rsp)
    jne unexpected
1:  movq $no_page, 8(%rsp)
    add $8, %rsp
    iretq
2:  mov $-1, %rax
    add $8, %rsp
    jmp leave_user

/* User mode ends with UD2. */
invalid_opcode:
    testb $3, 8(%rsp)
    jz unexpected
leave_user:
    mov 40(%rsp), %rsp          /* behind the frame: USER_SIDE */
    mov $16, %ecx
    mov %ecx, %ss
    ret

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
user_data:
    .quad 0x00cff3000000ffff
user_code:
    .quad 0x00affb000000ffff
tss_0:                          /* machine.rs fills them: 0x34000, 0x34080 */
    .quad 0x0000890340000067, 0
    .quad 0x0000890340800067, 0
gdt_pointer:
    .word . - gdt - 1
    .long gdt

    .balign 8
idt:
    .set vector, 0
    .rept 32
    .if vector == 14
    .word page_fault - start
    .elseif vector == 6
    .word invalid_opcode - start
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
