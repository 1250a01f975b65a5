/* SPDX-License-Identifier: BSD-3-Clause */
/* Entry from the loader, and the doors between user and kernel mode. */

#define PHYS(symbol) (symbol - 0xffffffff80000000)
#define PTE_PRESENT_WRITE 0x3
#define PTE_LARGE 0x83

/* A PVH-capable loader (qemu -kernel) finds the 32-bit entry by this note:
   Xen's public/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY = 18. */
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad PHYS(entry32)

/* 32-bit protected mode, flat segments, no paging, %ebx = physical address of
   hvm_start_info (Xen's public/arch-x86/hvm/start_info.h). The boot sector
   jumps to the first byte of the image, so this must stay first. */
    .section .head, "ax"
    .code32
    .globl entry32
entry32:
    cld
    cli
    mov $PHYS(bss_start), %edi
    mov $PHYS(kernel_end), %ecx
    sub %edi, %ecx
    shr $2, %ecx
    xor %eax, %eax
    rep stosl

    movl $(PHYS(direct_pdpt) + PTE_PRESENT_WRITE), PHYS(kernel_pml4)
    movl $(PHYS(direct_pdpt) + PTE_PRESENT_WRITE), PHYS(kernel_pml4) + 256 * 8
    movl $(PHYS(image_pdpt) + PTE_PRESENT_WRITE), PHYS(kernel_pml4) + 511 * 8
    movl $(PHYS(direct_pds) + PTE_PRESENT_WRITE), PHYS(image_pdpt) + 510 * 8
    mov $PHYS(direct_pds) + PTE_PRESENT_WRITE, %eax
    mov $PHYS(direct_pdpt), %edi
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 1b
    mov $PTE_LARGE, %eax
    mov $PHYS(direct_pds), %edi
    mov $2048, %ecx
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b

    mov $PHYS(kernel_pml4), %eax
    mov %eax, %cr3
    mov $0x6a0, %eax            /* PAE, PGE, OSFXSR, OSXMMEXCPT */
    mov %eax, %cr4
    mov $0xc0000080, %ecx       /* EFER: SCE, LME, NXE */
    rdmsr
    or $0x901, %eax
    wrmsr
    mov $0x80010033, %eax       /* PG, WP, NE, ET, MP, PE */
    mov %eax, %cr0
    lgdt PHYS(boot_gdt_pointer)
    ljmp $8, $PHYS(entry64)

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .long PHYS(boot_gdt)

    .code64
entry64:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %rsp
    mov %ebx, %edi
    xor %ebp, %ebp
    mov $kernel_main, %rax
    call *%rax
    ud2

    .text
.macro push_registers
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
.endm
.macro pop_registers
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
.endm

/* One processor and no kernel threads: a fixed stack, no swapgs. FMASK clears
   the interrupt flag, so nothing can come between the two moves. */
    .globl syscall_entry
syscall_entry:
    mov %rsp, user_rsp(%rip)
    lea kernel_stack_top(%rip), %rsp
    push $0x1b
    push user_rsp(%rip)
    push %r11
    push $0x23
    push %rcx
    push $0
    push $0x100
    push_registers
    cld
    mov %rsp, %rdi
    call system_call
return_to_user:
    pop_registers
    add $16, %rsp
    iretq

/* run_user(frame) -> exit status. Starts a program; the entries above use a
   stack of their own, so this one waits here until leave_user(status). */
    .globl run_user, leave_user
run_user:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, waiting_rsp(%rip)
    mov %rdi, %rsp
    jmp return_to_user
leave_user:
    mov waiting_rsp(%rip), %rsp
    mov %edi, %eax
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* Vectors 0-31 are exceptions, 32-47 the interrupt controller's lines. */
.macro stub vector
    .balign 16
    .if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30)
    .else
    push $0
    .endif
    push $\vector
    jmp trap_entry
.endm
    .balign 16
    .globl trap_stubs
trap_stubs:
    .altmacro
    .set i, 0
    .rept 48
    stub %i
    .set i, i + 1
    .endr
    .noaltmacro

trap_entry:
    push_registers
    cld
    cmpb $0, smap_on(%rip)
    je 1f
    clac                        /* the program may have set AC */
1:
    mov %rsp, %rdi
    call trap
    pop_registers
    add $16, %rsp
    iretq

/* user_copy(to, from, count) -> 0, or 1 if a user page was not there. The
   page fault handler continues at user_copy_fault for a fault in between.
   stac/clac only where the processor has SMAP (smap_on). */
    .globl user_copy, user_copy_end, user_copy_fault
user_copy:
    cmpb $0, smap_on(%rip)
    je 1f
    stac
1:  mov %rdx, %rcx
    shr $5, %rcx
    jz 3f
2:  mov (%rsi), %rax
    mov 8(%rsi), %r8
    mov 16(%rsi), %r9
    mov 24(%rsi), %r10
    mov %rax, (%rdi)
    mov %r8, 8(%rdi)
    mov %r9, 16(%rdi)
    mov %r10, 24(%rdi)
    add $32, %rsi
    add $32, %rdi
    dec %rcx
    jnz 2b
3:  and $31, %edx
    jz 5f
4:  movzbl (%rsi), %eax
    mov %al, (%rdi)
    inc %rsi
    inc %rdi
    dec %edx
    jnz 4b
5:  xor %eax, %eax
    jmp user_copy_done
user_copy_end:
user_copy_fault:
    mov $1, %eax
user_copy_done:
    cmpb $0, smap_on(%rip)
    je 6f
    clac
6:  ret

/* A program starts with clean vector registers. */
    .globl reset_fpu
reset_fpu:
    fninit
    push $0x1f80
    ldmxcsr (%rsp)
    pop %rax
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    xorps %xmm\n, %xmm\n
    .endr
    cmpb $0, avx_on(%rip)
    je 1f
    vzeroall
1:  ret

    .globl idle
/* Wait for one interrupt; sti takes effect after hlt has begun. */
idle:
    sti
    hlt
    cli
    ret

    .bss
    .balign 4096
    .globl kernel_pml4, direct_pdpt, image_pdpt, direct_pds, kernel_stack_top, fault_stack_top
kernel_pml4: .skip 4096
direct_pdpt: .skip 4096
image_pdpt:  .skip 4096
direct_pds:  .skip 4 * 4096
    .skip 65536
kernel_stack_top:
    .skip 8192
fault_stack_top:
    .skip 65536
boot_stack_top:
waiting_rsp: .skip 8
user_rsp:    .skip 8
    .section .note.GNU-stack, "", @progbits
