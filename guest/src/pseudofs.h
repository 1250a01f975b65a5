/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev and /proc, and the mount points in the root. */
#ifndef PSEUDOFS_H
#define PSEUDOFS_H
#include "vfs.h"

enum {
    PSEUDO_ROOT = 1,        /* the root directory when no file system is mounted */
    PSEUDO_DEV, PSEUDO_PROC, PSEUDO_SELF,
    DEV_NULL, DEV_ZERO, DEV_FULL, DEV_RANDOM, DEV_URANDOM, DEV_CONSOLE, DEV_TTY,
    DEV_STDIN, DEV_STDOUT, DEV_STDERR, DEV_FD,
    PROC_MOUNTS, PROC_FILESYSTEMS, PROC_MEMINFO, PROC_CPUINFO, PROC_UPTIME, PROC_VERSION, PROC_SELF_TEST,
    SELF_EXE, SELF_CWD, SELF_MAPS, SELF_CMDLINE, SELF_MOUNTS, SELF_MOUNTINFO, SELF_STAT, SELF_STATUS, SELF_FD,
    PIPE_END,
    PSEUDO_END
};

struct attributes pseudo_attributes(u32 id);
int pseudo_child(u32 directory, const char *name, size_t length, u32 *found);
u32 pseudo_parent(u32 id);
const char *pseudo_name(u32 id, size_t *length);
int pseudo_entry(u32 directory, u64 position, u32 *id, const char **name, size_t *length);
int pseudo_link(u32 id, char *to, size_t size);
bool pseudo_is_terminal(u32 id);
/* Reads and writes; negative error numbers. Reading the console may wait. */
s64 pseudo_read(u32 id, u64 to, u64 n, u64 at, bool wait);
s64 pseudo_write(u32 id, u64 from, u64 n);
/* As node_page; only /proc/self-test has pages. */
u64 pseudo_page(u32 id, u64 index);
void fill_random(void *to, size_t n);

#endif
