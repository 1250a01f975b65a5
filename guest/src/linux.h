/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers and records of the Linux x86-64 system call interface, as its manual
   pages (section 2) give them. */
#ifndef LINUX_H
#define LINUX_H
#include "base.h"
#include "x86.h"

/* A system call: its six arguments and the registers it was made with. */
#define SYSCALL(name) \
    s64 sys_##name(const u64 *a __attribute__((unused)), struct frame *regs __attribute__((unused))); \
    s64 sys_##name(const u64 *a __attribute__((unused)), struct frame *regs __attribute__((unused)))

#define AT_FDCWD (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR 0x200
#define AT_EMPTY_PATH 0x1000

#define O_ACCMODE 3
#define O_RDONLY 0
#define O_WRONLY 1
#define O_CREAT 0x40
#define O_EXCL 0x80
#define O_TRUNC 0x200
#define O_APPEND 0x400
#define O_NONBLOCK 0x800
#define O_DIRECTORY 0x10000
#define O_NOFOLLOW 0x20000
#define O_CLOEXEC 0x80000
#define O_PATH 0x200000

#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7
#define F_DUPFD_CLOEXEC 1030

struct stat {
    u64 device, inode, links;
    u32 mode, user, group, pad;
    u64 special;
    s64 size, block_size, blocks;
    u64 access[2], modify[2], change[2];
    s64 unused[3];
};
struct statx {
    u32 mask, block_size;
    u64 flags;
    u32 links, user, group;
    u16 mode, pad;
    u64 inode, size, blocks, flags_mask;
    struct { s64 seconds; u32 nanoseconds, pad; } access, birth, change, modify;
    u32 special_major, special_minor, device_major, device_minor;
    u64 more[14];
};
struct statfs {
    u64 type, block_size, blocks, free, available, files, files_free, id, name_length, fragment, flags, spare[4];
};

#endif
