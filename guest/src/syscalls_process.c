/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls about the process, its signals, the time and the system. */
#include "acpi.h"
#include "errno.h"
#include "linux.h"
#include "memory.h"
#include "paging.h"
#include "process.h"
#include "pseudofs.h"
#include "terminal.h"
#include "time.h"

#define PROCESS_ID 1
#define SECOND 1000000000ul

SYSCALL(getpid) { return PROCESS_ID; }
SYSCALL(zero) { return 0; }     /* getppid, the user and group numbers, and what may be ignored */
SYSCALL(exit) { process_exit((int)a[0]); }

SYSCALL(arch_prctl)
{
    enum { SET_GS = 0x1001, SET_FS, GET_FS, GET_GS };
    u32 msr = a[0] == SET_FS || a[0] == GET_FS ? 0xc0000100 : 0xc0000101;
    switch (a[0]) {
    case SET_FS: case SET_GS:
        if (a[1] >= USER_END)
            return -EPERM;
        write_msr(msr, a[1]);
        return 0;
    case GET_FS: case GET_GS: {
        u64 base = read_msr(msr);
        return copy_out(a[1], &base, sizeof base);
    }
    default: return -EINVAL;
    }
}

SYSCALL(uname)
{
    /* Programs look for a Linux of about this age before they start. */
    char u[6][65] = {"Linux", "osv.local", "5.10.0-capstan-demo", "Capstan demo kernel " KERNEL_VERSION, "x86_64", "(none)"};
    return copy_out(a[0], u, sizeof u);
}

static s64 wait_until(u64 when)
{
    while (time_since_boot() < when) {
        idle(); /* until the next tick at the latest */
        acpi_poll_power_button();
    }
    return 0;
}

/* Short waits spin: a tick is 10 ms. */
static s64 sleep_until(u64 when)
{
    while (time_since_boot() + 10000000 < when) {
        idle();
        acpi_poll_power_button();
    }
    while (time_since_boot() < when)
        asm volatile("pause");
    return 0;
}

static bool get_duration(u64 from, u64 *ns)
{
    s64 t[2];
    if (copy_in(t, from, sizeof t) || t[0] < 0 || t[1] < 0 || t[1] >= (s64)SECOND)
        return false;
    *ns = (u64)min(t[0], 0x7fffffffl) * SECOND + (u64)t[1];
    return true;
}

SYSCALL(nanosleep)
{
    u64 ns;
    return get_duration(a[0], &ns) ? sleep_until(time_since_boot() + ns) : -EINVAL;
}

SYSCALL(clock_nanosleep)
{
    u64 ns, now = a[0] == 0 ? time_of_day() : time_since_boot();
    if (!get_duration(a[2], &ns))
        return -EINVAL;
    if (a[1] & 1) /* TIMER_ABSTIME */
        ns = ns > now ? ns - now : 0;
    return sleep_until(time_since_boot() + ns);
}

SYSCALL(clock_gettime)
{
    /* 0 and 5 are the time of day; all others count from the boot. */
    u64 ns = a[0] == 0 || a[0] == 5 ? time_of_day() : time_since_boot();
    u64 t[2] = {ns / SECOND, ns % SECOND};
    return a[0] > 11 ? -EINVAL : copy_out(a[1], t, sizeof t);
}

SYSCALL(clock_getres)
{
    u64 t[2] = {0, 1};
    return a[0] > 11 ? -EINVAL : a[1] ? copy_out(a[1], t, sizeof t) : 0;
}

SYSCALL(gettimeofday)
{
    u64 ns = time_of_day(), t[2] = {ns / SECOND, ns % SECOND / 1000};
    if (a[1] && clear_out(a[1], 8))
        return -EFAULT;
    return a[0] ? copy_out(a[0], t, sizeof t) : 0;
}

SYSCALL(time)
{
    u64 seconds = time_of_day() / SECOND;
    if (a[0] && copy_out(a[0], &seconds, sizeof seconds))
        return -EFAULT;
    return (s64)seconds;
}

SYSCALL(times)
{
    u64 ticks = time_since_boot() / 10000000, t[4] = {ticks};
    if (a[0] && copy_out(a[0], t, sizeof t))
        return -EFAULT;
    return (s64)ticks;
}

SYSCALL(getrusage)
{
    u64 ns = time_since_boot(), usage[18] = {ns / SECOND, ns % SECOND / 1000};
    return copy_out(a[1], usage, sizeof usage);
}

SYSCALL(sysinfo)
{
    struct { s64 uptime; u64 loads[3], total, free, shared, buffers, swap, swap_free; u16 processes, pad[3]; u64 high[2]; u32 unit, end; } s = {
        .uptime = (s64)(time_since_boot() / SECOND), .total = memory_total(), .free = memory_free(), .processes = 1, .unit = 1};
    return copy_out(a[0], &s, sizeof s);
}

static s64 get_limit(u64 resource, u64 to)
{
    u64 limit[2] = {~0ul, ~0ul};
    if (resource == 3)
        limit[0] = 8ul << 20;
    if (resource == 7)
        limit[0] = limit[1] = FILES_MAX;
    return copy_out(to, limit, sizeof limit);
}

SYSCALL(getrlimit) { return get_limit(a[0], a[1]); }
SYSCALL(prlimit64) { return a[3] ? get_limit(a[1], a[3]) : 0; }

SYSCALL(getrandom)
{
    u8 chunk[256];
    for (u64 done = 0; done < a[1]; done += sizeof chunk) {
        fill_random(chunk, sizeof chunk);
        if (copy_out(a[0] + done, chunk, min(a[1] - done, sizeof chunk)))
            return -EFAULT;
    }
    return (s64)a[1];
}

SYSCALL(sched_getaffinity)
{
    u64 mask = 1;
    if (a[1] < sizeof mask)
        return -EINVAL;
    return copy_out(a[2], &mask, sizeof mask) ? -EFAULT : (s64)sizeof mask;
}

/* The processor's number is 0, and so is its node's. */
SYSCALL(getcpu)
{
    u32 zero = 0;
    if (a[0] && copy_out(a[0], &zero, 4))
        return -EFAULT;
    return a[1] ? copy_out(a[1], &zero, 4) : 0;
}

SYSCALL(futex)
{
    enum { WAIT = 0, WAKE = 1, WAIT_BITSET = 9, WAKE_BITSET = 10 };
    u32 operation = a[1] & 0x7f, value;
    if (operation == WAKE || operation == WAKE_BITSET)
        return 0;
    if (operation != WAIT && operation != WAIT_BITSET)
        return -ENOSYS;
    if (copy_in(&value, a[0], sizeof value))
        return -EFAULT;
    if (value != (u32)a[2])
        return -EAGAIN;
    u64 ns = 0;
    if (a[3] && get_duration(a[3], &ns)) {
        if (operation == WAIT)
            wait_until(time_since_boot() + ns);
        return -110; /* ETIMEDOUT: nobody is there to wake us */
    }
    print("deadlock: the only thread waits for another one\n");
    process_exit(1);
}

SYSCALL(prctl)
{
    enum { SET_NAME = 15, GET_NAME = 16 };
    char name[16] = {0};
    switch (a[0]) {
    case SET_NAME:
        if (copy_string_in(name, a[1], sizeof name) == -EFAULT)
            return -EFAULT;
        memcpy(process.name, name, sizeof name - 1);
        return 0;
    case GET_NAME: return copy_out(a[1], process.name, sizeof process.name);
    default: return -EINVAL;
    }
}

SYSCALL(rt_sigaction)
{
    if (!a[0] || a[0] >= SIGNALS || a[3] != 8)
        return -EINVAL;
    struct signal_action *action = &process.actions[a[0]], new;
    if (a[1] && copy_in(&new, a[1], sizeof new))
        return -EFAULT;
    if (a[2] && copy_out(a[2], action, sizeof *action))
        return -EFAULT;
    if (a[1])
        *action = new;
    return 0;
}

SYSCALL(rt_sigprocmask)
{
    u64 mask, old = process.blocked;
    if (a[1]) {
        if (copy_in(&mask, a[1], sizeof mask))
            return -EFAULT;
        if (a[0] > 2)
            return -EINVAL;
        process.blocked = a[0] == 0 ? old | mask : a[0] == 1 ? old & ~mask : mask;
    }
    return a[2] ? copy_out(a[2], &old, sizeof old) : 0;
}

SYSCALL(rt_sigpending) { return copy_out(a[0], &process.pending, 8); }
SYSCALL(rt_sigreturn) { return signal_return(regs); }

SYSCALL(sigaltstack)
{
    u64 old[3] = {process.alt_stack, process.alt_stack_size ? 0 : 2, process.alt_stack_size}, new[3];
    if (a[0]) {
        if (copy_in(new, a[0], sizeof new))
            return -EFAULT;
        process.alt_stack = new[0];
        process.alt_stack_size = new[1] & 2 ? 0 : new[2];
    }
    return a[1] ? copy_out(a[1], old, sizeof old) : 0;
}

static s64 send_signal(struct frame *regs, s64 to, u64 signal)
{
    if (to != PROCESS_ID && to != 0 && to != -1)
        return -ESRCH;
    if (signal >= SIGNALS)
        return -EINVAL;
    if (signal) {
        regs->rax = 0; /* what the call returns once a handler is done */
        signal_raise(regs, (int)signal);
    }
    return 0;
}

SYSCALL(kill) { return send_signal(regs, (int)a[0], a[1]); }
SYSCALL(tkill) { return send_signal(regs, (int)a[0], a[1]); }
SYSCALL(tgkill) { return send_signal(regs, (int)a[1], a[2]); }

SYSCALL(ioctl)
{
    struct file *f = file_get(a[0]);
    if (!f)
        return -EBADF;
    return f->at.system == FS_PSEUDO && pseudo_is_terminal(f->at.id) ? terminal_ioctl(a[1], a[2]) : -ENOTTY;
}

/* Which of the wanted events (1 input, 4 output) are there. */
static u32 ready_events(u64 number, u32 wanted)
{
    struct file *f = file_get(number);
    if (!f)
        return 0x20; /* POLLNVAL */
    bool terminal = f->at.system == FS_PSEUDO && pseudo_is_terminal(f->at.id);
    return wanted & (terminal && !terminal_ready() ? 4 : 5);
}

static s64 poll_files(u64 list, u64 count, u64 deadline)
{
    struct { int number; u16 events, found; } item;
    if (count > FILES_MAX)
        return -EINVAL;
    for (;;) {
        s64 total = 0;
        for (u64 i = 0; i < count; i++) {
            u64 at = list + i * sizeof item;
            if (copy_in(&item, at, sizeof item))
                return -EFAULT;
            item.found = item.number < 0 ? 0 : (u16)ready_events((u64)item.number, item.events);
            total += item.found != 0;
            if (copy_out(at, &item, sizeof item))
                return -EFAULT;
        }
        if (total || time_since_boot() >= deadline)
            return total;
        wait_until(min(deadline, time_since_boot() + 5000000));
    }
}

SYSCALL(poll)
{
    return poll_files(a[0], a[1], (int)a[2] < 0 ? ~0ul : time_since_boot() + (u64)(int)a[2] * 1000000);
}

SYSCALL(ppoll)
{
    u64 ns;
    if (a[2] && !get_duration(a[2], &ns))
        return -EINVAL;
    return poll_files(a[0], a[1], a[2] ? time_since_boot() + ns : ~0ul);
}

static s64 select_files(const u64 *a, u64 deadline)
{
    static const u32 events[3] = {1, 4, 0};
    u64 wanted[3][FILES_MAX / 64] = {0}, found[3][FILES_MAX / 64];
    u64 count = min(a[0], (u64)FILES_MAX), bytes = round_up(count, 64) / 8;
    for (u32 s = 0; s < 3; s++)
        if (a[s + 1] && copy_in(wanted[s], a[s + 1], bytes))
            return -EFAULT;
    for (;;) {
        s64 total = 0;
        memset(found, 0, sizeof found);
        for (u64 i = 0; i < count; i++)
            for (u32 s = 0; s < 3; s++) {
                if (!(wanted[s][i / 64] >> i % 64 & 1))
                    continue;
                u32 ready = ready_events(i, events[s]);
                if (ready & 0x20)
                    return -EBADF;
                found[s][i / 64] |= (u64)(ready != 0) << i % 64;
                total += ready != 0;
            }
        if (total || time_since_boot() >= deadline) {
            for (u32 s = 0; s < 3; s++)
                if (a[s + 1] && copy_out(a[s + 1], found[s], bytes))
                    return -EFAULT;
            return total;
        }
        wait_until(min(deadline, time_since_boot() + 5000000));
    }
}

SYSCALL(select)
{
    u64 t[2] = {0};
    if (a[4] && copy_in(t, a[4], sizeof t))
        return -EFAULT;
    return select_files(a, a[4] ? time_since_boot() + t[0] * SECOND + t[1] * 1000 : ~0ul);
}

SYSCALL(pselect6)
{
    u64 ns;
    if (a[4] && !get_duration(a[4], &ns))
        return -EINVAL;
    return select_files(a, a[4] ? time_since_boot() + ns : ~0ul);
}

SYSCALL(socket)
{
    enum { INET = 2, INET6 = 10 };
    static bool told;
    /* C libraries ask local name services by a Unix socket; that is no news. */
    if (!told && (a[0] == INET || a[0] == INET6)) {
        print("Capstan demo kernel: this program wants a network connection; the demo kernel has no network. Use an OSv kernel for this image.\n");
        told = true;
    }
    return -EAFNOSUPPORT;
}
SYSCALL(not_socket) { return file_get(a[0]) ? -ENOTSOCK : -EBADF; }
SYSCALL(wait4) { return -ECHILD; }
SYSCALL(set_tid_address) { return PROCESS_ID; }
