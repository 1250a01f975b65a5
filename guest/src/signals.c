/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals that a program sends to itself or causes by an exception. The frame
   on the stack is the one of the x86-64 Linux interface, without the vector
   state: the kernel does not use those registers, so they pass through. */
#include "errno.h"
#include "process.h"

#define SIGABRT 6
#define SIGKILL 9
#define SIGCHLD 17
#define SIGCONT 18
#define SIGURG 23
#define SIGWINCH 28
#define HANDLER_DEFAULT 0
#define HANDLER_IGNORE 1
#define FLAG_ON_STACK 0x08000000ul
#define FLAG_NO_DEFER 0x40000000ul
#define FLAG_RESET 0x80000000ul
#define RED_ZONE 128

struct signal_frame {
    u64 return_address;
    struct {
        u64 flags, link, stack, stack_flags, stack_size;
        u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
        u16 cs, gs, fs, ss;
        u64 error, vector, old_mask, cr2, fpu, reserved[8], mask;
    } context;
    struct {
        int signal, error, code, pad;
        u64 address, rest[13];
    } info;
};

static bool enter_handler(struct frame *f, int signal, u64 address)
{
    struct signal_action *action = &process.actions[signal];
    struct signal_frame s = {.return_address = action->restorer};
    u64 sp = f->rsp - RED_ZONE;
    bool on_alt = process.alt_stack_size && f->rsp - process.alt_stack < process.alt_stack_size;
    if (action->flags & FLAG_ON_STACK && process.alt_stack_size && !on_alt)
        sp = process.alt_stack + process.alt_stack_size;
    /* A handler is entered as if called: the stack is 16-byte aligned before
       the return address. */
    sp = round_down(sp - sizeof s, 16) - 8;
    s.context.r8 = f->r8, s.context.r9 = f->r9, s.context.r10 = f->r10, s.context.r11 = f->r11;
    s.context.r12 = f->r12, s.context.r13 = f->r13, s.context.r14 = f->r14, s.context.r15 = f->r15;
    s.context.rdi = f->rdi, s.context.rsi = f->rsi, s.context.rbp = f->rbp, s.context.rbx = f->rbx;
    s.context.rdx = f->rdx, s.context.rax = f->rax, s.context.rcx = f->rcx, s.context.rsp = f->rsp;
    s.context.rip = f->rip, s.context.rflags = f->rflags, s.context.cs = USER_CS, s.context.ss = USER_SS;
    s.context.error = f->error, s.context.vector = f->vector, s.context.cr2 = address;
    s.context.mask = process.blocked;
    s.info.signal = signal;
    s.info.address = address;
    if (copy_out(sp, &s, sizeof s))
        return false;
    process.blocked |= action->mask;
    if (!(action->flags & FLAG_NO_DEFER))
        process.blocked |= 1ul << (signal - 1);
    f->rip = action->handler;
    f->rsp = sp;
    f->rdi = (u64)signal;
    f->rsi = sp + offsetof(struct signal_frame, info);
    f->rdx = sp + offsetof(struct signal_frame, context);
    f->rax = 0;
    f->rflags = 0x202;
    if (action->flags & FLAG_RESET)
        action->handler = HANDLER_DEFAULT;
    return true;
}

static void act_on(struct frame *f, int signal)
{
    u64 handler = process.actions[signal].handler;
    if (signal != SIGKILL && handler == HANDLER_IGNORE)
        return;
    if (signal != SIGKILL && handler != HANDLER_DEFAULT) {
        if (enter_handler(f, signal, 0))
            return;
        process_crash(f, "no stack for a signal handler", f->rsp);
    }
    if (signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH)
        return;
    if (signal == SIGABRT)
        process_crash(f, "program called abort", f->rip);
    process_exit(128 + signal); /* as a shell reports it */
}

void signal_raise(struct frame *f, int signal)
{
    if (process.blocked >> (signal - 1) & 1 && signal != SIGKILL)
        process.pending |= 1ul << (signal - 1);
    else
        act_on(f, signal);
}

void signal_deliver_pending(struct frame *f)
{
    for (int signal = 1; process.pending & ~process.blocked && signal < SIGNALS; signal++) {
        u64 bit = 1ul << (signal - 1);
        if (!(process.pending & ~process.blocked & bit))
            continue;
        process.pending &= ~bit;
        act_on(f, signal);
    }
}

void signal_fault(struct frame *f, int signal, u64 address, const char *why)
{
    bool blocked = process.blocked >> (signal - 1) & 1;
    if (process.actions[signal].handler <= HANDLER_IGNORE || blocked || !enter_handler(f, signal, address))
        process_crash(f, why, address);
}

s64 signal_return(struct frame *f)
{
    struct signal_frame s;
    /* The handler's ret took the return address. */
    if (copy_in(&s, f->rsp - 8, sizeof s))
        process_crash(f, "bad signal frame", f->rsp);
    f->r8 = s.context.r8, f->r9 = s.context.r9, f->r10 = s.context.r10, f->r11 = s.context.r11;
    f->r12 = s.context.r12, f->r13 = s.context.r13, f->r14 = s.context.r14, f->r15 = s.context.r15;
    f->rdi = s.context.rdi, f->rsi = s.context.rsi, f->rbp = s.context.rbp, f->rbx = s.context.rbx;
    f->rdx = s.context.rdx, f->rcx = s.context.rcx, f->rsp = s.context.rsp, f->rip = s.context.rip;
    /* Only the arithmetic flags are the program's to choose. */
    f->rflags = (s.context.rflags & 0xcd5) | 0x202;
    process.blocked = s.context.mask;
    return (s64)s.context.rax;
}
