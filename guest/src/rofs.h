/* SPDX-License-Identifier: BSD-3-Clause */
/* OSv's read-only file system. A node's id is its inode number. */
#ifndef ROFS_H
#define ROFS_H
#include "vfs.h"

#define ROFS_ROOT 1u

bool rofs_mount(void);
struct attributes rofs_attributes(u32 id);
int rofs_child(u32 directory, const char *name, size_t length, u32 *found);
u32 rofs_parent(u32 directory);
int rofs_entry(u32 directory, u64 position, u32 *id, const char **name, size_t *length);
int rofs_link(u32 id, char *to, size_t size);
u64 rofs_page(u32 id, u64 index, u32 ahead);
/* The name under which a directory was first found; NULL for the root. */
const char *rofs_name(u32 id, size_t *length);
void rofs_totals(u64 *blocks, u64 *inodes);

#endif
