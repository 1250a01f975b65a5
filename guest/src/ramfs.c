/* SPDX-License-Identifier: BSD-3-Clause */
#include "ramfs.h"
#include "errno.h"
#include "memory.h"
#include "time.h"

#define NODES_MAX 16384u

/* `order` gives each entry of a directory a number that never changes, so that
   reading a directory goes on in the right place while entries come and go. */
struct ram_node {
    u32 mode, parent, users, children;
    u64 size, seconds, order, pages_end;    /* no page exists at pages_end or beyond */
    struct ram_node *first, *next;
    u32 id;
    u8 name_length;
    bool linked;
    char *name, *target;
    u32 target_size;
};

static struct ram_node **nodes;
static u32 used = RAM_ROOT;
static u64 last_order;

void ram_init(void)
{
    nodes = memory_reserve(NODES_MAX * sizeof *nodes);
    nodes[RAM_ROOT] = heap_alloc(sizeof(struct ram_node));
    *nodes[RAM_ROOT] = (struct ram_node){.mode = MODE_DIR | 01777, .id = RAM_ROOT, .linked = true};
}

struct attributes ram_attributes(u32 id)
{
    struct ram_node *n = nodes[id];
    u32 type = n->mode & MODE_TYPE;
    return (struct attributes){.mode = n->mode, .links = n->linked, .size = type == MODE_LINK ? n->target_size : n->size, .seconds = n->seconds};
}

static struct ram_node **find(u32 directory, const char *name, size_t length)
{
    struct ram_node **link = &nodes[directory]->first;
    while (*link && !((*link)->name_length == length && !memcmp((*link)->name, name, length)))
        link = &(*link)->next;
    return link;
}

int ram_child(u32 directory, const char *name, size_t length, u32 *found)
{
    struct ram_node *n = *find(directory, name, length);
    if (!n)
        return -ENOENT;
    *found = n->id;
    return 0;
}

u32 ram_parent(u32 id) { return nodes[id]->parent; }

const char *ram_name(u32 id, size_t *length)
{
    *length = nodes[id]->name_length;
    return nodes[id]->linked ? nodes[id]->name : NULL;
}

/* New entries go to the front, so the list is in falling order; positions rise. */
int ram_entry(u32 directory, u64 position, u32 *id, const char **name, size_t *length, u64 *next)
{
    struct ram_node *best = NULL;
    for (struct ram_node *n = nodes[directory]->first; n && n->order >= position; n = n->next)
        best = n;
    if (!best)
        return 0;
    *id = best->id;
    *name = best->name;
    *length = best->name_length;
    *next = best->order + 1;
    return 1;
}

int ram_link(u32 id, char *to, size_t size)
{
    size = min(size, (size_t)nodes[id]->target_size);
    memcpy(to, nodes[id]->target, size);
    return (int)size;
}

u64 ram_page(u32 id, u64 index, bool make)
{
    node file = {FS_RAM, id};
    u64 page = cache_find(file, index);
    if (page || !make)
        return page;
    page = page_alloc_zeroed();
    if (page) {
        cache_insert(file, index, page);
        nodes[id]->pages_end = max(nodes[id]->pages_end, index + 1);
    }
    return page;
}

static void free_if_unused(struct ram_node *n)
{
    if (n->linked || n->users)
        return;
    ram_set_size(n->id, 0);
    nodes[n->id] = NULL;
    heap_free(n->name, n->name_length);
    heap_free(n->target, n->target_size);
    heap_free(n, sizeof *n);
}

int ram_create(u32 directory, const char *name, size_t length, u32 mode, const char *target, u32 *made)
{
    u32 id = 0;
    if (!nodes[directory]->linked)
        return -ENOENT;
    for (u32 tries = 0; tries < NODES_MAX && !id; tries++) {
        used = used + 1 < NODES_MAX ? used + 1 : RAM_ROOT + 1;
        id = nodes[used] ? 0 : used;
    }
    struct ram_node *n = id ? heap_alloc(sizeof *n) : NULL;
    if (!n)
        return -ENOSPC;
    u32 target_size = target ? (u32)strlen(target) : 0;
    *n = (struct ram_node){.mode = mode, .parent = directory, .id = id, .order = ++last_order, .linked = true,
        .name_length = (u8)length, .name = heap_alloc(length), .target_size = target_size,
        .seconds = time_of_day() / 1000000000, .next = nodes[directory]->first};
    if (target)
        n->target = heap_alloc(target_size);
    if (!n->name || (target && !n->target)) {
        heap_free(n->name, length);
        heap_free(n, sizeof *n);
        return -ENOSPC;
    }
    memcpy(n->name, name, length);
    if (target)
        memcpy(n->target, target, target_size);
    nodes[id] = n;
    nodes[directory]->first = n;
    nodes[directory]->children++;
    *made = id;
    return 0;
}

static void unlink_node(struct ram_node **link)
{
    struct ram_node *n = *link;
    *link = n->next;
    nodes[n->parent]->children--;
}

int ram_remove(u32 directory, const char *name, size_t length, bool want_directory)
{
    struct ram_node **link = find(directory, name, length), *n = *link;
    if (!n)
        return -ENOENT;
    bool is_directory = (n->mode & MODE_TYPE) == MODE_DIR;
    if (want_directory && !is_directory)
        return -ENOTDIR;
    if (!want_directory && is_directory)
        return -EISDIR;
    if (n->children)
        return -ENOTEMPTY;
    unlink_node(link);
    n->linked = false;
    n->parent = RAM_ROOT; /* its own may go while somebody still stands in it */
    free_if_unused(n);
    return 0;
}

int ram_rename(u32 from, const char *name, size_t length, u32 to, const char *new_name, size_t new_length)
{
    struct ram_node *n = *find(from, name, length), *old = *find(to, new_name, new_length);
    if (!n)
        return -ENOENT;
    if (n == old)
        return 0;
    for (u32 d = to; d; d = nodes[d]->parent)
        if (d == n->id)
            return -EINVAL; /* into itself */
    bool is_directory = (n->mode & MODE_TYPE) == MODE_DIR;
    if (old && is_directory != ((old->mode & MODE_TYPE) == MODE_DIR))
        return is_directory ? -ENOTDIR : -EISDIR;
    char *copy = heap_alloc(new_length);
    if (!copy)
        return -ENOSPC;
    memcpy(copy, new_name, new_length);
    int error = old ? ram_remove(to, new_name, new_length, is_directory) : 0;
    if (error) {
        heap_free(copy, new_length);
        return error;
    }
    unlink_node(find(from, name, length));
    heap_free(n->name, n->name_length);
    n->name = copy;
    n->name_length = (u8)new_length;
    n->parent = to;
    n->order = ++last_order;
    n->next = nodes[to]->first;
    nodes[to]->first = n;
    nodes[to]->children++;
    return 0;
}

int ram_set_size(u32 id, u64 size)
{
    struct ram_node *n = nodes[id];
    if (size > RAM_FILE_LIMIT)
        return -EFBIG;
    if (size < n->size) {
        u64 end = round_up(size, PAGE_SIZE) / PAGE_SIZE;
        for (u64 i = end; i < n->pages_end; i++)
            cache_drop((node){FS_RAM, id}, i);
        n->pages_end = min(n->pages_end, end);
        u64 last = size % PAGE_SIZE ? cache_find((node){FS_RAM, id}, size / PAGE_SIZE) : 0;
        if (last) {
            memset((char *)phys_to_virt(last) + size % PAGE_SIZE, 0, PAGE_SIZE - size % PAGE_SIZE);
            page_release(last);
        }
    }
    if (size != n->size)
        n->seconds = time_of_day() / 1000000000;
    n->size = size;
    return 0;
}

void ram_set_mode(u32 id, u32 mode) { nodes[id]->mode = (nodes[id]->mode & MODE_TYPE) | (mode & 07777); }
void ram_set_time(u32 id, u64 seconds) { nodes[id]->seconds = seconds; }
void ram_hold(u32 id) { nodes[id]->users++; }

void ram_drop(u32 id)
{
    nodes[id]->users--;
    free_if_unused(nodes[id]);
}
