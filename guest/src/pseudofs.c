/* SPDX-License-Identifier: BSD-3-Clause */
#include "pseudofs.h"
#include "console.h"
#include "errno.h"
#include "memory.h"
#include "process.h"
#include "terminal.h"
#include "time.h"

/* self_test.S: a program, as an ELF file */
extern const char self_test[], self_test_end[];
#define SELF_TEST_SIZE ((u64)(self_test_end - self_test))

#define DEVICE(major, minor) ((major) << 8 | (minor))

static const struct { const char *name; u32 parent, mode, device; } files[PSEUDO_END] = {
    [PSEUDO_ROOT] = {"", PSEUDO_ROOT, MODE_DIR | 0555, 0},
    [PSEUDO_DEV] = {"dev", PSEUDO_ROOT, MODE_DIR | 0555, 0},
    [PSEUDO_PROC] = {"proc", PSEUDO_ROOT, MODE_DIR | 0555, 0},
    [PSEUDO_SELF] = {"self", PSEUDO_PROC, MODE_DIR | 0555, 0},
    [DEV_NULL] = {"null", PSEUDO_DEV, MODE_CHAR | 0666, DEVICE(1, 3)},
    [DEV_ZERO] = {"zero", PSEUDO_DEV, MODE_CHAR | 0666, DEVICE(1, 5)},
    [DEV_FULL] = {"full", PSEUDO_DEV, MODE_CHAR | 0666, DEVICE(1, 7)},
    [DEV_RANDOM] = {"random", PSEUDO_DEV, MODE_CHAR | 0666, DEVICE(1, 8)},
    [DEV_URANDOM] = {"urandom", PSEUDO_DEV, MODE_CHAR | 0666, DEVICE(1, 9)},
    [DEV_CONSOLE] = {"console", PSEUDO_DEV, MODE_CHAR | 0620, DEVICE(5, 1)},
    [DEV_TTY] = {"tty", PSEUDO_DEV, MODE_CHAR | 0620, DEVICE(5, 0)},
    [DEV_STDIN] = {"stdin", PSEUDO_DEV, MODE_LINK | 0777, 0},
    [DEV_STDOUT] = {"stdout", PSEUDO_DEV, MODE_LINK | 0777, 0},
    [DEV_STDERR] = {"stderr", PSEUDO_DEV, MODE_LINK | 0777, 0},
    [DEV_FD] = {"fd", PSEUDO_DEV, MODE_LINK | 0777, 0},
    [PROC_MOUNTS] = {"mounts", PSEUDO_PROC, MODE_FILE | 0444, 0},
    [PROC_FILESYSTEMS] = {"filesystems", PSEUDO_PROC, MODE_FILE | 0444, 0},
    [PROC_MEMINFO] = {"meminfo", PSEUDO_PROC, MODE_FILE | 0444, 0},
    [PROC_CPUINFO] = {"cpuinfo", PSEUDO_PROC, MODE_FILE | 0444, 0},
    [PROC_UPTIME] = {"uptime", PSEUDO_PROC, MODE_FILE | 0444, 0},
    [PROC_VERSION] = {"version", PSEUDO_PROC, MODE_FILE | 0444, 0},
    [PROC_SELF_TEST] = {"self-test", PSEUDO_PROC, MODE_FILE | 0555, 0},
    [SELF_EXE] = {"exe", PSEUDO_SELF, MODE_LINK | 0777, 0},
    [SELF_CWD] = {"cwd", PSEUDO_SELF, MODE_LINK | 0777, 0},
    [SELF_MAPS] = {"maps", PSEUDO_SELF, MODE_FILE | 0444, 0},
    [SELF_CMDLINE] = {"cmdline", PSEUDO_SELF, MODE_FILE | 0444, 0},
    [SELF_MOUNTS] = {"mounts", PSEUDO_SELF, MODE_FILE | 0444, 0},
    [SELF_MOUNTINFO] = {"mountinfo", PSEUDO_SELF, MODE_FILE | 0444, 0},
    [SELF_STAT] = {"stat", PSEUDO_SELF, MODE_FILE | 0444, 0},
    [SELF_STATUS] = {"status", PSEUDO_SELF, MODE_FILE | 0444, 0},
    [SELF_FD] = {"fd", PSEUDO_SELF, MODE_DIR | 0555, 0},
    [PIPE_END] = {"pipe", 0, MODE_FIFO | 0600, 0},
};

struct attributes pseudo_attributes(u32 id)
{
    u64 size = id == PROC_SELF_TEST ? SELF_TEST_SIZE : 0;
    return (struct attributes){.mode = files[id].mode, .links = 1, .size = size, .device = files[id].device};
}

int pseudo_child(u32 directory, const char *name, size_t length, u32 *found)
{
    for (u32 id = PSEUDO_DEV; id < PSEUDO_END; id++) {
        if (files[id].parent != directory || strlen(files[id].name) != length || memcmp(files[id].name, name, length))
            continue;
        *found = id;
        return 0;
    }
    return -ENOENT;
}

u32 pseudo_parent(u32 id) { return files[id].parent; }

const char *pseudo_name(u32 id, size_t *length)
{
    *length = strlen(files[id].name);
    return files[id].name;
}

int pseudo_entry(u32 directory, u64 position, u32 *id, const char **name, size_t *length)
{
    for (*id = PSEUDO_DEV; *id < PSEUDO_END; ++*id) {
        if (files[*id].parent != directory || position-- > 0)
            continue;
        *name = pseudo_name(*id, length);
        return 1;
    }
    return 0;
}

int pseudo_link(u32 id, char *to, size_t size)
{
    char path[PATH_LIMIT];
    const char *target = path;
    int error = 0;
    switch (id) {
    case DEV_STDIN: case DEV_STDOUT: case DEV_STDERR: target = "/dev/tty"; break;
    case DEV_FD: target = "/proc/self/fd"; break;
    case SELF_EXE: error = vfs_path_of(process.executable, path, sizeof path); break;
    case SELF_CWD: error = vfs_path_of(process.directory, path, sizeof path); break;
    default: return -EINVAL;
    }
    if (error < 0)
        return error;
    size = min(size, strlen(target));
    memcpy(to, target, size);
    return (int)size;
}

bool pseudo_is_terminal(u32 id) { return id == DEV_CONSOLE || id == DEV_TTY; }

static void describe_maps(struct text *t)
{
    char path[PATH_LIMIT];
    for (struct area *a = area_first(); a; a = a->next) {
        path[0] = 0;
        if (a->file.system)
            vfs_path_of(a->file, path, sizeof path);
        text_add(t, "%012lx-%012lx %c%c%c%c %08lx 00:00 %u %s\n", a->start, a->end, a->protection & PROT_READ ? 'r' : '-',
            a->protection & PROT_WRITE ? 'w' : '-', a->protection & PROT_EXEC ? 'x' : '-', a->shared ? 's' : 'p', a->offset,
            a->file.id, path[0] ? path : a->end == USER_STACK_TOP ? "[stack]" : a->start == process.break_start ? "[heap]" : "");
    }
}

/* The text of a /proc file, written for every read. */
static void describe(u32 id, struct text *t)
{
    u64 up = time_since_boot();
    switch (id) {
    case PROC_MOUNTS: case SELF_MOUNTS:
        if (vfs_root().system == FS_ROFS)
            text_add(t, "/dev/vblk0.1 / rofs ro 0 0\n");
        text_add(t, "devfs /dev devfs rw 0 0\nproc /proc procfs ro 0 0\nramfs /tmp ramfs rw 0 0\n");
        break;
    case SELF_MOUNTINFO: /* the device numbers are those that stat shows */
        if (vfs_root().system == FS_ROFS)
            text_add(t, "1 1 0:%u / / ro - rofs /dev/vblk0.1 ro\n", FS_ROFS);
        text_add(t, "2 1 0:%u / /dev rw - devfs devfs rw\n3 1 0:%u / /tmp rw - ramfs ramfs rw\n", FS_PSEUDO, FS_RAM);
        break;
    case PROC_FILESYSTEMS: text_add(t, "nodev\tramfs\nnodev\tprocfs\nnodev\tdevfs\n\trofs\n"); break;
    case PROC_MEMINFO:
        text_add(t, "MemTotal: %12lu kB\nMemFree:  %12lu kB\nMemAvailable: %8lu kB\n", memory_total() >> 10, memory_free() >> 10, memory_free() >> 10);
        break;
    case PROC_CPUINFO: text_add(t, "processor\t: 0\nvendor_id\t: x86-64\n\n"); break;
    case PROC_UPTIME: text_add(t, "%lu.%02lu 0.00\n", up / 1000000000, up / 10000000 % 100); break;
    case PROC_VERSION: text_add(t, "Capstan demo kernel version " KERNEL_VERSION "\n"); break;
    case SELF_MAPS: describe_maps(t); break;
    case SELF_CMDLINE: text_add(t, "%s%c", process.name, 0); break;
    case SELF_STAT: text_add(t, "1 (%s) R 0 1 1 1025 1 0 0 0 0 0 0 0 0 0 20 0 1 0 0 0 0\n", process.name); break;
    case SELF_STATUS: text_add(t, "Name:\t%s\nPid:\t1\nPPid:\t0\nThreads:\t1\n", process.name); break;
    }
}

static s64 read_bytes(const char *from, u64 length, u64 to, u64 n, u64 at)
{
    if (at >= length)
        return 0;
    n = min(n, length - at);
    return copy_out(to, from + at, n) ? -EFAULT : (s64)n;
}

static s64 read_description(u32 id, u64 to, u64 n, u64 at)
{
    static char page[16384];
    struct text t = {page, sizeof page, 0};
    describe(id, &t);
    return read_bytes(page, min(t.length, t.size), to, n, at);
}

u64 pseudo_page(u32 id, u64 index)
{
    u64 page = id == PROC_SELF_TEST && index == 0 ? page_alloc_zeroed() : 0;
    if (page)
        memcpy(phys_to_virt(page), self_test, SELF_TEST_SIZE);
    return page;
}

/* Good enough for hash seeds and temporary names; a demonstration is no place
   to make keys. RDRAND is mixed in where the processor has it. */
void fill_random(void *to, size_t n)
{
    static u64 state;
    static int has_rdrand = -1;
    if (has_rdrand < 0)
        has_rdrand = cpuid(1, 0).ecx >> 30 & 1;
    for (size_t i = 0; i < n; i += 8) {
        u64 extra = 0;
        if (has_rdrand)
            asm volatile("rdrand %0" : "+r"(extra)::"cc");
        state += 0x9e3779b97f4a7c15ul + (read_tsc() ^ extra);
        u64 x = state; /* the finalizer of SplitMix64 */
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ul;
        x = (x ^ x >> 27) * 0x94d049bb133111ebul;
        x ^= x >> 31;
        memcpy((u8 *)to + i, &x, min(n - i, 8ul));
    }
}

s64 pseudo_read(u32 id, u64 to, u64 n, u64 at, bool wait)
{
    u8 chunk[256];
    switch (id) {
    case DEV_NULL: return 0;
    case DEV_ZERO: case DEV_FULL: return clear_out(to, n) ? -EFAULT : (s64)n;
    case DEV_RANDOM: case DEV_URANDOM:
        for (u64 done = 0; done < n; done += sizeof chunk) {
            fill_random(chunk, sizeof chunk);
            if (copy_out(to + done, chunk, min(n - done, sizeof chunk)))
                return -EFAULT;
        }
        return (s64)n;
    case DEV_CONSOLE: case DEV_TTY: return terminal_read(to, n, wait);
    case PROC_SELF_TEST: return read_bytes(self_test, SELF_TEST_SIZE, to, n, at);
    default: return files[id].mode & MODE_FILE ? read_description(id, to, n, at) : -EISDIR;
    }
}

s64 pseudo_write(u32 id, u64 from, u64 n)
{
    char chunk[1024];
    switch (id) {
    case DEV_NULL: case DEV_ZERO: case DEV_RANDOM: case DEV_URANDOM: return (s64)n;
    case DEV_FULL: return -ENOSPC;
    case DEV_CONSOLE: case DEV_TTY:
        for (u64 done = 0; done < n;) {
            u64 part = min(n - done, sizeof chunk);
            if (copy_in(chunk, from + done, part))
                return done ? (s64)done : -EFAULT;
            console_write(chunk, part);
            done += part;
        }
        return (s64)n;
    default: return -EACCES;
    }
}
