/* SPDX-License-Identifier: BSD-3-Clause */
/* Files and directories, whatever file system they lie in. */
#ifndef VFS_H
#define VFS_H
#include "base.h"

enum { FS_NONE, FS_ROFS, FS_RAM, FS_PSEUDO };

/* A file or directory. Nodes are values: ROFS and the pseudo files never go
   away; ramfs counts users of its own (ram_hold). */
typedef struct {
    u32 system, id;
} node;

#define NODE_ID_BITS 29
static inline u32 node_key(node n) { return n.system << NODE_ID_BITS | n.id; }
static inline node node_from_key(u32 key)
{
    return (node){key >> NODE_ID_BITS, key & ((1u << NODE_ID_BITS) - 1)};
}
static inline bool node_same(node a, node b) { return a.system == b.system && a.id == b.id; }

#define MODE_TYPE 0xf000u
#define MODE_FIFO 0x1000u
#define MODE_CHAR 0x2000u
#define MODE_DIR 0x4000u
#define MODE_FILE 0x8000u
#define MODE_LINK 0xa000u

#define NAME_LIMIT 255
#define PATH_LIMIT 4096

struct attributes {
    u32 mode, links;
    u64 size, device, seconds;
};

struct entry {
    node target;
    const char *name;
    size_t length;
    u64 next;               /* where to go on reading the directory */
};

bool vfs_mount_root(void);      /* false: there is no usable root; only /dev, /proc, /tmp exist */
node vfs_root(void);

#define FOLLOW 1                /* a symbolic link at the end is followed */
/* All of these return 0 or a negative error number. */
int vfs_lookup(node from, const char *path, unsigned flags, node *found);
/* The directory that `path` would be made in, and the name there (inside `path`). */
int vfs_lookup_parent(node from, const char *path, node *directory, const char **name, size_t *length);
int vfs_path_of(node n, char *to, size_t size);

struct attributes node_attributes(node n);
int node_child(node directory, const char *name, size_t length, node *found);
node node_parent(node directory);
int node_entry(node directory, u64 position, struct entry *e); /* 1 an entry, 0 the end */
int node_link(node n, char *to, size_t size);                  /* length of the target */

/* The page of a file with a reference for the caller; 0 when it cannot be had.
   `ahead` is how many further pages a read from disk should bring along. */
u64 node_page(node file, u64 index, u32 ahead);

#endif
