/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptor tables, exceptions and the timer interrupt. */
#include "acpi.h"
#include "process.h"
#include "time.h"
#include "x86.h"

#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_PAGE_FAULT 14
#define VECTOR_TIMER 32
#define TIMER_HZ 100
#define PIT_HZ 1193182

extern char kernel_stack_top[], fault_stack_top[], trap_stubs[];
extern char user_copy[], user_copy_end[], user_copy_fault[];
extern void syscall_entry(void);

u8 smap_on, avx_on;
u64 extra_hwcap2;

static u64 gdt[7];
static struct packed {
    u32 reserved0;
    u64 rsp[3], reserved1, ist[7], reserved2;
    u16 reserved3, io_map;
} tss;
static struct packed gate {
    u16 low, selector;
    u8 stack, type;
    u16 middle;
    u32 high, reserved;
} idt[48];

static void load_tables(void)
{
    u64 base = (u64)&tss;
    tss.rsp[0] = (u64)kernel_stack_top;
    tss.ist[0] = (u64)fault_stack_top;
    tss.io_map = sizeof tss;
    gdt[1] = 0x00af9b000000ffff;
    gdt[2] = 0x00cf93000000ffff;
    gdt[3] = 0x00cff3000000ffff;
    gdt[4] = 0x00affb000000ffff;
    gdt[5] = (sizeof tss - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
    gdt[6] = base >> 32;
    for (u32 v = 0; v < count_of(idt); v++) {
        u64 at = (u64)trap_stubs + v * 16;
        /* Breakpoint (3) and overflow (4) may be raised by programs. */
        u8 type = v == 3 || v == 4 ? 0xee : 0x8e;
        idt[v] = (struct gate){(u16)at, KERNEL_CS, v == VECTOR_DOUBLE_FAULT || v == 2, type, (u16)(at >> 16), (u32)(at >> 32), 0};
    }
    struct packed { u16 limit; u64 base; } gdtr = {sizeof gdt - 1, (u64)gdt}, idtr = {sizeof idt - 1, (u64)idt};
    asm volatile("lgdt %0; lidt %1; ltr %w2" ::"m"(gdtr), "m"(idtr), "r"(TSS_SELECTOR));
}

static void start_timer(void)
{
    /* 8259: vectors 32-47, only line 0 (the timer) open. */
    outb(0x20, 0x11), outb(0xa0, 0x11);
    outb(0x21, 32), outb(0xa1, 40);
    outb(0x21, 4), outb(0xa1, 2);
    outb(0x21, 1), outb(0xa1, 1);
    outb(0x21, 0xfe), outb(0xa1, 0xff);
    outb(0x43, 0x34);
    outb(0x40, (PIT_HZ / TIMER_HZ) & 0xff), outb(0x40, (PIT_HZ / TIMER_HZ) >> 8);
}

static void enable_features(void)
{
    u64 cr4 = read_cr4();
    struct cpuid one = cpuid(1, 0), seven = {0};
    if (cpuid(0, 0).eax >= 7)
        seven = cpuid(7, 0);
    if (seven.ebx & 1u << 0) {
        cr4 |= 1ul << 16;       /* FSGSBASE, told to programs by AT_HWCAP2 bit 1 */
        extra_hwcap2 = 2;
    }
    if (seven.ebx & 1u << 7)
        cr4 |= 1ul << 20;       /* SMEP */
    if (seven.ebx & 1u << 20) {
        cr4 |= 1ul << 21;       /* SMAP */
        smap_on = 1;
    }
    if (one.ecx & 1u << 26)
        cr4 |= 1ul << 18;       /* OSXSAVE */
    write_cr4(cr4);
    if (one.ecx & 1u << 26) {
        /* x87, SSE, AVX and the AVX-512 parts, as far as there. */
        u64 components = cpuid(13, 0).eax & 0xe7;
        if (!(components & 4))
            components &= 3;
        if ((components & 0xe0) != 0xe0)
            components &= ~0xe0ul;
        asm volatile("xsetbv" ::"c"(0), "a"((u32)components), "d"(0));
        avx_on = (components & 4) != 0;
    }
    write_msr(0xc0000081, (u64)(USER_SS - 11) << 48 | (u64)KERNEL_CS << 32);   /* STAR */
    write_msr(0xc0000082, (u64)syscall_entry);                                /* LSTAR */
    write_msr(0xc0000084, 0x47700);     /* FMASK: TF, IF, DF, OF, IOPL, NT, AC */
}

void interrupts_init(void)
{
    load_tables();
    enable_features();
    start_timer();
}

static const struct { int signal; const char *name; } exceptions[] = {
    [0] = {8, "division error"}, [1] = {5, "debug trap"}, [3] = {5, "breakpoint"},
    [4] = {11, "overflow"}, [5] = {11, "bound range"}, [6] = {4, "invalid instruction"},
    [7] = {4, "no floating point unit"}, [11] = {7, "segment not present"}, [12] = {7, "stack segment fault"},
    [13] = {11, "general protection fault"}, [16] = {8, "floating point error"},
    [17] = {7, "alignment check"}, [19] = {8, "vector floating point error"},
};

static void page_fault(struct frame *f)
{
    u64 address = read_cr2();
    bool user = f->cs == USER_CS;
    bool copying = f->rip >= (u64)user_copy && f->rip < (u64)user_copy_end;
    if (!user && !copying)
        process_crash(f, "page fault in the kernel", address);
    enum fault_result r = address_space_fault(address, f->error);
    if (r == FAULT_FIXED)
        return;
    if (copying) {
        f->rip = (u64)user_copy_fault;
        return;
    }
    static const char *const why[] = {
        [FAULT_NO_ACCESS] = "page fault outside application",
        [FAULT_BEYOND_FILE] = "page fault beyond the end of a mapped file",
        [FAULT_NO_MEMORY] = "out of memory",
    };
    signal_fault(f, r == FAULT_NO_ACCESS ? 11 : 7, address, why[r]);
}

/* Called by entry.S for every exception and interrupt. */
void trap(struct frame *f)
{
    if (f->vector == VECTOR_PAGE_FAULT) {
        page_fault(f);
        return;
    }
    if (f->vector >= 32) {
        if (f->vector >= 40)
            outb(0xa0, 0x20);
        outb(0x20, 0x20);
        if (f->vector == VECTOR_TIMER)
            acpi_poll_power_button();
        return;
    }
    bool known = f->vector < count_of(exceptions) && exceptions[f->vector].name;
    if (f->cs != USER_CS || !known)
        process_crash(f, known ? exceptions[f->vector].name : "unexpected exception", f->vector);
    signal_fault(f, exceptions[f->vector].signal, f->rip, exceptions[f->vector].name);
}
