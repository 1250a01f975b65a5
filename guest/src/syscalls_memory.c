/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls about the address space. */
#include "errno.h"
#include "linux.h"
#include "paging.h"
#include "process.h"
#include "pseudofs.h"

#define MAP_SHARED 1
#define MAP_TYPE 0xf
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MAP_FIXED_NOREPLACE 0x100000
#define MREMAP_MAYMOVE 1
#define MREMAP_FIXED 2
#define MADV_DONTNEED 4

/* What a descriptor can be mapped as; system 0 stands for anonymous memory. */
static s64 file_to_map(u64 number, u32 protection, bool shared, node *n)
{
    struct file *f = file_get(number);
    if (!f)
        return -EBADF;
    *n = f->at;
    if (n->system == FS_PSEUDO && n->id == DEV_ZERO) {
        n->system = 0;
        return 0;
    }
    if (n->system == FS_PSEUDO || (node_attributes(*n).mode & MODE_TYPE) != MODE_FILE)
        return -ENODEV;
    if ((f->flags & O_ACCMODE) == O_WRONLY || (shared && protection & PROT_WRITE && (f->flags & O_ACCMODE) == O_RDONLY))
        return -EACCES;
    return 0;
}

static s64 map(u64 hint, u64 size, u32 protection, u64 flags, u64 number, u64 offset)
{
    bool shared = (flags & MAP_TYPE & 1) != 0, fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
    node n = {0};
    if (!size || offset & PAGE_MASK || (fixed && hint & PAGE_MASK))
        return -EINVAL;
    if (size > USER_END)
        return -ENOMEM;
    size = round_up(size, PAGE_SIZE);
    if (!(flags & MAP_ANONYMOUS)) {
        s64 error = file_to_map(number, protection, shared, &n);
        if (error)
            return error;
    }
    u64 at = hint;
    if (fixed) {
        if (hint < USER_START || hint > USER_END || size > USER_END - hint)
            return -ENOMEM;
        if (flags & MAP_FIXED && !(flags & MAP_FIXED_NOREPLACE) && area_unmap(at, size))
            return -ENOMEM;
        int error = area_map(at, size, protection, shared, n, offset);
        return error ? error : (s64)at;
    }
    at = round_down(at, PAGE_SIZE);
    if (at && at < USER_END && !area_map(at, size, protection, shared, n, offset))
        return (s64)at;
    at = area_find_gap(size);
    if (!at)
        return -ENOMEM;
    int error = area_map(at, size, protection, shared, n, offset);
    return error ? error : (s64)at;
}

SYSCALL(mmap) { return map(a[0], a[1], a[2] & 7, a[3], a[4], a[5]); }

SYSCALL(munmap)
{
    if (a[0] & PAGE_MASK || !a[1] || a[1] > USER_END)
        return -EINVAL;
    return area_unmap(a[0], round_up(a[1], PAGE_SIZE));
}

SYSCALL(mprotect)
{
    if (a[0] & PAGE_MASK)
        return -EINVAL;
    if (a[1] > USER_END)
        return -ENOMEM;
    return a[1] ? area_protect(a[0], round_up(a[1], PAGE_SIZE), a[2] & 7) : 0;
}

SYSCALL(mremap)
{
    u64 old_size = round_up(a[1], PAGE_SIZE), new_size = round_up(a[2], PAGE_SIZE), moved_to;
    if (a[0] & PAGE_MASK || !a[2] || a[1] > USER_END || a[2] > USER_END || !old_size || a[3] & MREMAP_FIXED)
        return -EINVAL;
    int error = area_resize(a[0], old_size, new_size, a[3] & MREMAP_MAYMOVE, &moved_to);
    return error ? error : (s64)moved_to;
}

SYSCALL(madvise)
{
    if (a[0] & PAGE_MASK || a[1] > USER_END)
        return -EINVAL;
    if (a[2] == MADV_DONTNEED)
        area_discard(a[0], round_up(a[1], PAGE_SIZE));
    return 0;
}

SYSCALL(brk)
{
    u64 old = round_up(process.break_end, PAGE_SIZE), new = round_up(a[0], PAGE_SIZE);
    if (a[0] < process.break_start || a[0] > USER_END)
        return (s64)process.break_end;
    if (new > old && area_map(old, new - old, PROT_READ | PROT_WRITE, false, (node){0}, 0))
        return (s64)process.break_end;
    if (new < old && area_unmap(new, old - new))
        return (s64)process.break_end;
    process.break_end = a[0];
    return (s64)a[0];
}

SYSCALL(mincore) { return -ENOMEM; }
SYSCALL(msync) { return 0; }
SYSCALL(mlock) { return 0; }
