/* SPDX-License-Identifier: BSD-3-Clause */
/* Time from the time stamp counter. Its rate is measured against the interval
   timer at the first question about time, so that booting does not wait for it. */
#include "time.h"
#include "x86.h"

#define PIT_HZ 1193182ul
#define MEASURE_TICKS 3580ul    /* 3 ms */

static u64 tsc_at_boot, wall_at_boot, ns_per_tick; /* ns_per_tick: 32.32 fixed point */

static u64 timer_elapsed(void)
{
    outb(0x43, 0x80); /* latch counter 2 */
    u64 low = inb(0x42);
    return 0xffff - (low | (u64)inb(0x42) << 8);
}

static u8 clock_register(u8 n)
{
    outb(0x70, n);
    return inb(0x71);
}

static u64 days_from_civil(u64 y, u64 m, u64 d)
{
    /* Days since 1970-01-01; years begin in March so that leap days come last. */
    y -= m <= 2;
    u64 day_of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

/* MC146818 clock: BCD unless register B says binary. */
static u64 read_wall_clock(void)
{
    u8 v[6];
    static const u8 registers[6] = {0, 2, 4, 7, 8, 9};
    for (u32 tries = 0; tries < 100000 && clock_register(10) & 0x80; tries++)
        pause(); /* an update takes 2 ms at most */
    for (u32 i = 0; i < 6; i++)
        v[i] = clock_register(registers[i]);
    if (!(clock_register(11) & 4))
        for (u32 i = 0; i < 6; i++)
            v[i] = (u8)((v[i] >> 4) * 10 + (v[i] & 15));
    u64 year = 2000ul + v[5] % 100;
    return days_from_civil(year, v[4], v[3]) * 86400 + v[2] * 3600ul + v[1] * 60ul + v[0];
}

void time_init(void) { tsc_at_boot = read_tsc(); }

static void measure(void)
{
    u64 hz = 0;
    if (cpuid(0x40000000, 0).eax >= 0x40000010 && cpuid(0x40000000, 0).eax < 0x40010000)
        hz = cpuid(0x40000010, 0).eax * 1000ul;     /* hypervisors may tell the rate, in kHz */
    if (!hz) {
        outb(0x61, (inb(0x61) & 0xfc) | 1); /* gate of counter 2 on, speaker off */
        outb(0x43, 0xb0);                   /* counter 2, mode 0, 16 bits */
        outb(0x42, 0xff);
        outb(0x42, 0xff);
        timer_elapsed();                    /* the first reading is slow under emulation */
        u64 first = timer_elapsed(), start = read_tsc(), last;
        do
            last = timer_elapsed();
        while (last - first < MEASURE_TICKS);
        hz = (read_tsc() - start) * PIT_HZ / (last - first);
    }
    ns_per_tick = (1000000000ul << 32) / max(hz, 1000000ul);
    wall_at_boot = read_wall_clock() * 1000000000ul;
    wall_at_boot -= (u64)((unsigned __int128)(read_tsc() - tsc_at_boot) * ns_per_tick >> 32);
}

u64 time_since_boot(void)
{
    if (!ns_per_tick)
        measure();
    return (u64)((unsigned __int128)(read_tsc() - tsc_at_boot) * ns_per_tick >> 32);
}

u64 time_of_day(void)
{
    u64 since = time_since_boot();
    return wall_at_boot + since;
}
