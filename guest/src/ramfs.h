/* SPDX-License-Identifier: BSD-3-Clause */
/* The writable file system in memory, mounted on /tmp. Ids index a table of
   nodes; contents live in the page cache, which never drops them. */
#ifndef RAMFS_H
#define RAMFS_H
#include "vfs.h"

#define RAM_ROOT 1u
#define RAM_FILE_LIMIT (1ul << 34)

void ram_init(void);
struct attributes ram_attributes(u32 id);
int ram_child(u32 directory, const char *name, size_t length, u32 *found);
u32 ram_parent(u32 id);
const char *ram_name(u32 id, size_t *length);   /* NULL: removed */
int ram_entry(u32 directory, u64 position, u32 *id, const char **name, size_t *length, u64 *next);
int ram_link(u32 id, char *to, size_t size);
u64 ram_page(u32 id, u64 index, bool make);

int ram_create(u32 directory, const char *name, size_t length, u32 mode, const char *target, u32 *made);
int ram_remove(u32 directory, const char *name, size_t length, bool want_directory);
int ram_rename(u32 from, const char *name, size_t length, u32 to, const char *new_name, size_t new_length);
int ram_set_size(u32 id, u64 size);
void ram_set_mode(u32 id, u32 mode);
void ram_set_time(u32 id, u64 seconds);
/* An open or mapped file outlives its name. */
void ram_hold(u32 id);
void ram_drop(u32 id);

#endif
