/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree: ROFS (or nothing) at the root, /dev and /proc, memory files on /tmp. */
#include "vfs.h"
#include "errno.h"
#include "process.h"
#include "pseudofs.h"
#include "ramfs.h"
#include "rofs.h"

#define LINKS_FOLLOWED_MAX 40

static node root = {FS_PSEUDO, PSEUDO_ROOT};

static const struct { const char *name; node at; } mounts[] = {
    {"dev", {FS_PSEUDO, PSEUDO_DEV}},
    {"proc", {FS_PSEUDO, PSEUDO_PROC}},
    {"tmp", {FS_RAM, RAM_ROOT}},
};

bool vfs_mount_root(void)
{
    if (!rofs_mount())
        return false;
    root = (node){FS_ROFS, ROFS_ROOT};
    return true;
}

node vfs_root(void) { return root; }

struct attributes node_attributes(node n)
{
    struct attributes a = n.system == FS_ROFS ? rofs_attributes(n.id)
        : n.system == FS_RAM                  ? ram_attributes(n.id)
                                              : pseudo_attributes(n.id);
    if ((a.mode & MODE_TYPE) == MODE_DIR) {
        a.links = 2;
        a.size = a.size ? a.size : PAGE_SIZE;
    }
    return a;
}

static const char *mount_name(node n)
{
    for (u32 i = 0; i < count_of(mounts); i++)
        if (node_same(n, mounts[i].at))
            return mounts[i].name;
    return NULL;
}

node node_parent(node n)
{
    if (mount_name(n) || node_same(n, root))
        return root;
    u32 id = n.system == FS_ROFS ? rofs_parent(n.id) : n.system == FS_RAM ? ram_parent(n.id) : pseudo_parent(n.id);
    return (node){n.system, id};
}

static u32 mount_index(const char *name, size_t length)
{
    u32 i = 0;
    while (i < count_of(mounts) && (strlen(mounts[i].name) != length || memcmp(name, mounts[i].name, length)))
        i++;
    return i;
}

int node_child(node directory, const char *name, size_t length, node *found)
{
    if (length == 1 && name[0] == '.') {
        *found = directory;
        return 0;
    }
    if (length == 2 && name[0] == '.' && name[1] == '.') {
        *found = node_parent(directory);
        return 0;
    }
    if (length > NAME_LIMIT)
        return -ENAMETOOLONG;
    if (node_same(directory, root) && mount_index(name, length) < count_of(mounts)) {
        *found = mounts[mount_index(name, length)].at;
        return 0;
    }
    found->system = directory.system;
    switch (directory.system) {
    case FS_ROFS: return rofs_child(directory.id, name, length, &found->id);
    case FS_RAM: return ram_child(directory.id, name, length, &found->id);
    default:
        /* Open files by number; every one of them looks like the terminal. */
        if (directory.id == SELF_FD && length == 1 && name[0] >= '0' && name[0] <= '2') {
            found->id = DEV_TTY;
            return 0;
        }
        return pseudo_child(directory.id, name, length, &found->id);
    }
}

#define MOUNT_POSITIONS (1ul << 62)

/* Positions: 0 and 1 are . and .., then those of the file system plus 2; mount
   points that the root's own file system lacks come last. */
int node_entry(node directory, u64 position, struct entry *e)
{
    if (position < 2) {
        *e = (struct entry){position ? node_parent(directory) : directory, "..", position + 1, position + 1};
        return 1;
    }
    e->target.system = directory.system;
    e->next = position + 1;
    if (position < MOUNT_POSITIONS) {
        int found;
        if (directory.system == FS_ROFS)
            found = rofs_entry(directory.id, position - 2, &e->target.id, &e->name, &e->length);
        else if (directory.system == FS_RAM) {
            found = ram_entry(directory.id, position - 2, &e->target.id, &e->name, &e->length, &e->next);
            e->next += 2;
        } else
            found = node_same(directory, root) ? 0 : pseudo_entry(directory.id, position - 2, &e->target.id, &e->name, &e->length);
        if (found) {
            u32 m = node_same(directory, root) ? mount_index(e->name, e->length) : count_of(mounts);
            if (m < count_of(mounts))
                e->target = mounts[m].at;
            return 1;
        }
        position = MOUNT_POSITIONS;
    }
    if (!node_same(directory, root))
        return 0;
    for (u64 i = position - MOUNT_POSITIONS; i < count_of(mounts); i++) {
        u32 unused;
        size_t length = strlen(mounts[i].name);
        if (root.system == FS_ROFS && !rofs_child(root.id, mounts[i].name, length, &unused))
            continue;
        *e = (struct entry){mounts[i].at, mounts[i].name, length, MOUNT_POSITIONS + i + 1};
        return 1;
    }
    return 0;
}

int node_link(node n, char *to, size_t size)
{
    if ((node_attributes(n).mode & MODE_TYPE) != MODE_LINK)
        return -EINVAL;
    return n.system == FS_ROFS ? rofs_link(n.id, to, size) : n.system == FS_RAM ? ram_link(n.id, to, size) : pseudo_link(n.id, to, size);
}

u64 node_page(node file, u64 index, u32 ahead)
{
    return file.system == FS_ROFS ? rofs_page(file.id, index, ahead)
        : file.system == FS_RAM   ? ram_page(file.id, index, true)
                                  : pseudo_page(file.id, index);
}

/* Walks `path`. With `name`, stops before the last component and returns where
   it lies in `path`; the caller's buffer must then stay as it is. */
static int walk(node from, const char *path, unsigned flags, node *found, const char **name, size_t *name_length)
{
    static char pending[2 * PATH_LIMIT];
    u32 links = 0;
    node at = from;
    if (!*path)
        return -ENOENT;
    if (*path == '/')
        at = root;
    bool copied = false;
    for (;;) {
        while (*path == '/')
            path++;
        if (!*path)
            break;
        size_t length = 0;
        while (path[length] && path[length] != '/')
            length++;
        const char *rest = path + length;
        bool more = *rest == '/', last = true;
        for (const char *p = rest; *p; p++)
            last = last && *p == '/';
        if ((node_attributes(at).mode & MODE_TYPE) != MODE_DIR)
            return -ENOTDIR;
        if (name && last && !copied) {
            *name = path;
            *name_length = length;
            *found = at;
            return length > NAME_LIMIT ? -ENAMETOOLONG : 0;
        }
        node next;
        int error = node_child(at, path, length, &next);
        if (error)
            return error;
        bool is_link = (node_attributes(next).mode & MODE_TYPE) == MODE_LINK;
        if (is_link && (more || flags & FOLLOW)) {
            if (++links > LINKS_FOLLOWED_MAX)
                return -ELOOP;
            char target[PATH_LIMIT];
            int size = node_link(next, target, sizeof target);
            size_t rest_length = strlen(rest);
            if (size < 0)
                return size;
            if (size == 0)
                return -ENOENT;
            if ((size_t)size + rest_length + 1 > sizeof pending || size >= (int)PATH_LIMIT)
                return -ENAMETOOLONG;
            /* In a parent look-up only links before the last name are followed,
               and the name is found in the original path. */
            memmove(pending + size, rest, rest_length + 1);
            memcpy(pending, target, (size_t)size);
            if (name) {
                node directory;
                /* Resolve the link alone, then go on in the original path. */
                pending[size] = 0;
                char alone[PATH_LIMIT];
                memcpy(alone, pending, (size_t)size + 1);
                error = links > 8 ? -ELOOP : walk(at, alone, FOLLOW, &directory, NULL, NULL);
                if (error)
                    return error;
                at = directory;
                path = rest;
                continue;
            }
            path = pending;
            if (*path == '/')
                at = root;
            continue;
        }
        at = next;
        path = rest;
        if (more && last && (node_attributes(at).mode & MODE_TYPE) != MODE_DIR)
            return -ENOTDIR;
    }
    if (name)
        return -EEXIST; /* the root directory itself */
    *found = at;
    return 0;
}

int vfs_lookup(node from, const char *path, unsigned flags, node *found) { return walk(from, path, flags, found, NULL, NULL); }

int vfs_lookup_parent(node from, const char *path, node *directory, const char **name, size_t *length)
{
    return walk(from, path, 0, directory, name, length);
}

int vfs_path_of(node n, char *to, size_t size)
{
    /* Built from the end; the loop ends even if a hostile image's directories
       form a ring, because the buffer runs out. */
    size_t at = size - 1;
    to[at] = 0;
    while (!node_same(n, root)) {
        const char *name = mount_name(n);
        size_t length = name ? strlen(name) : 0;
        if (!name)
            name = n.system == FS_ROFS ? rofs_name(n.id, &length) : n.system == FS_RAM ? ram_name(n.id, &length) : pseudo_name(n.id, &length);
        if (!name)
            return -ENOENT;
        if (length + 1 > at)
            return -ENAMETOOLONG;
        at -= length;
        memcpy(to + at, name, length);
        to[--at] = '/';
        n = node_parent(n);
    }
    if (!to[at])
        to[--at] = '/';
    memmove(to, to + at, size - at);
    return (int)(size - at - 1);
}
