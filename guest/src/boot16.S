/* SPDX-License-Identifier: BSD-3-Clause */
/* The boot sector: reads the command line and the kernel from the disk, asks
   for the memory map, and enters the kernel as a PVH loader would. */

BOUNCE = 0x10000                /* 32 KiB below 1 MiB; the BIOS cannot read higher */
CHUNK_SECTORS = 64
TARGET = 0x100000
START_INFO = 0x1000             /* struct hvm_start_info, 56 bytes */
MEMORY_MAP = 0x2000             /* 24-byte entries, room for 128 */
COMMAND_LINE = 0x7e00           /* disk bytes 512 ... 32767 */

    .code16
    .globl _start
_start:
    jmp 1f
    .org 0x10
payload_units:                  /* set by the build: payload size / 32 KiB */
    .word 0
1:  ljmp $0, $2f
2:  cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7c00, %sp
    sti
    cld
    mov %dl, drive
    mov $0x2401, %ax            /* A20, by the BIOS and by the chip set */
    int $0x15
    in $0x92, %al
    or $2, %al
    and $0xfe, %al
    out %al, $0x92

    mov $packet_line, %si
    call read
    movb $0, COMMAND_LINE + 63 * 512 - 1

    mov payload_units, %bp
next_chunk:
    mov $packet_kernel, %si
    call read
    /* Copy up in protected mode with 16-bit code, then back, because the BIOS
       runs in real mode and the segment limits do not survive its calls. */
    cli
    lgdtw gdt_pointer
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    mov $8, %bx
    mov %bx, %ds
    mov %bx, %es
    mov $BOUNCE, %esi
    mov target, %edi
    mov $CHUNK_SECTORS * 128, %ecx
    addr32 rep movsl
    and $0xfe, %al
    mov %eax, %cr0
    xor %bx, %bx
    mov %bx, %ds
    mov %bx, %es
    sti
    mov %edi, target
    addl $CHUNK_SECTORS, packet_kernel + 8
    dec %bp
    jnz next_chunk

    mov $MEMORY_MAP, %di
    xor %ebx, %ebx
next_range:
    movl $1, 20(%di)            /* a BIOS may fill only 20 of the 24 bytes */
    mov $0xe820, %eax
    mov $24, %ecx
    mov $0x534d4150, %edx
    int $0x15
    jc 3f
    add $24, %di
    cmp $MEMORY_MAP + 24 * 128, %di
    jae 3f
    test %ebx, %ebx
    jnz next_range
3:  sub $MEMORY_MAP, %di
    mov %di, %ax
    mov $24, %cl
    div %cl
    mov $START_INFO, %di
    push %ax
    xor %ax, %ax
    mov $28, %cx
    rep stosw
    pop %ax
    movl $0x336ec578, START_INFO
    movb $1, START_INFO + 4
    movw $COMMAND_LINE, START_INFO + 24
    movw $MEMORY_MAP, START_INFO + 40
    movb %al, START_INFO + 48

    cli
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    mov $8, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $START_INFO, %ebx
    ljmpl $16, $TARGET

read:                           /* %si: disk address packet */
    mov $0x42, %ah
    mov drive, %dl
    int $0x13
    jc failed
    ret
failed:
    mov $message, %si
4:  lodsb
    test %al, %al
    jz 5f
    mov $0x0e, %ah
    mov $7, %bx
    mov $0x3f8, %dx             /* the serial port as well: nobody watches a screen */
    out %al, %dx
    int $0x10
    jmp 4b
5:  hlt
    jmp 5b

message: .asciz "Disk read error\r\n"
drive:   .byte 0x80
    .balign 4
packet_line:
    .byte 16, 0
    .word 63, COMMAND_LINE, 0
    .quad 1
packet_kernel:
    .byte 16, 0
    .word CHUNK_SECTORS, 0, BOUNCE / 16
    .quad 128
target:  .long TARGET
gdt:     .quad 0
         .quad 0x00cf93000000ffff
         .quad 0x00cf9b000000ffff
gdt_pointer:
    .word . - gdt - 1
    .long gdt

    /* The composer's part: disk signature, four partition entries, 55 AA. */
    .org 0x1b8
    .byte 0x56, 0x53, 0x4f, 0, 0, 0
    .org 0x1fe
    .byte 0x55, 0xaa
