/* SPDX-License-Identifier: BSD-3-Clause */
/* /proc/self-test: a program that needs no disk. It goes through every door
   between user and kernel mode, because there are hosts on which a kernel
   prints its first lines and dies when a program is entered. The status of a
   failure is the number of the step. Headers: System V ABI, chapters 4 and 5. */

#define TEXT 0x400000
#define ZEROS 0x401000                  /* three pages, not there before they are touched */
#define SPLIT (ZEROS + 0x2000 - 8)      /* a buffer across the last two of them */
#define LINE_SIZE 18
#define SLEEP_NS 12000000               /* above 10 ms the kernel halts until a tick */
#define SPIN_NS 11000000                /* longer than from one tick to the next */

#define SYS_READ 0
#define SYS_WRITE 1
#define SYS_PIPE 22
#define SYS_NANOSLEEP 35
#define SYS_CLOCK_GETTIME 228
#define SYS_EXIT_GROUP 231
#define CLOCK_MONOTONIC 1

.macro system_call number
    mov $\number, %eax
    syscall
.endm
.macro expect_equal
    jne fail
    inc %ebx
.endm

    .section .rodata
    .balign 16
    .globl self_test, self_test_end
self_test:
    .byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0
    .quad 0
    .word 2, 62                         /* an executable for x86-64 */
    .long 1
    .quad TEXT + (start - self_test)
    .quad segments - self_test, 0
    .long 0
    .word 64, 56, 2, 0, 0, 0
segments:
    .long 1, 5                          /* load, readable and executable */
    .quad 0, TEXT, TEXT, self_test_end - self_test, self_test_end - self_test, 0x1000
    .long 1, 6                          /* load, readable and writable */
    .quad 0, ZEROS, ZEROS, 0, 0x3000, 0x1000

start:
    mov $1, %ebx                        /* step 1: the stack, which the kernel wrote */
    mov $ZEROS, %ebp
    mov (%rsp), %rax
    cmpq $0, 8(%rsp,%rax,8)             /* the NULL after the arguments */
    expect_equal

    cmpq $0, (%rbp)                     /* step 2: pages that come by page fault */
    jne fail
    movq $0x5e1f, 0x1000(%rbp)
    cmpq $0x5e1f, 0x1000(%rbp)
    expect_equal

    mov $7, %eax                        /* step 3: SSE, with results that step 6 looks at */
    cvtsi2sd %eax, %xmm0
    mulsd %xmm0, %xmm0
    pcmpeqd %xmm15, %xmm15
    cvttsd2si %xmm0, %eax
    cmp $49, %eax
    expect_equal

    mov %rbp, %rdi                      /* step 4: the kernel reads and writes user memory, and faults there */
    system_call SYS_PIPE
    test %eax, %eax
    jne fail
    mov 4(%rbp), %edi
    lea line(%rip), %rsi
    mov $LINE_SIZE, %edx
    system_call SYS_WRITE
    cmp $LINE_SIZE, %eax
    jne fail
    mov (%rbp), %edi
    mov $SPLIT, %esi
    system_call SYS_READ
    cmp $LINE_SIZE, %eax
    jne fail
    lea line(%rip), %rdi
    mov $LINE_SIZE, %ecx
    repe cmpsb
    expect_equal

    call now                            /* step 5: a tick while the kernel waits, then one in user mode */
    mov %rax, %r12
    lea pause(%rip), %rdi
    xor %esi, %esi
    system_call SYS_NANOSLEEP
    test %eax, %eax
    jne fail
    call now
    mov %rax, %r13
    sub %r12, %rax
    cmp $SLEEP_NS, %rax
    jb fail
1:  call now
    sub %r13, %rax
    cmp $SPIN_NS, %rax
    jb 1b
    inc %ebx

    cvttsd2si %xmm0, %eax               /* step 6: nothing of that touched the vector registers */
    cmp $49, %eax
    jne fail
    movmskps %xmm15, %eax
    cmp $15, %eax
    expect_equal

    mov $1, %edi                        /* step 7: the line, as it came through the kernel */
    mov $SPLIT, %esi
    mov $LINE_SIZE, %edx
    system_call SYS_WRITE
    cmp $LINE_SIZE, %eax
    jne fail
    xor %ebx, %ebx
fail:
    mov %ebx, %edi
    system_call SYS_EXIT_GROUP

/* Nanoseconds since the boot in %rax. */
now:
    mov $CLOCK_MONOTONIC, %edi
    lea 64(%rbp), %rsi
    system_call SYS_CLOCK_GETTIME
    imul $1000000000, 64(%rbp), %rax
    add 72(%rbp), %rax
    ret

    .balign 8
pause:
    .quad 0, SLEEP_NS
line:
    .ascii "Self-test passed.\n"
self_test_end:
    .section .note.GNU-stack, "", @progbits
