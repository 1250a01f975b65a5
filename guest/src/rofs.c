/* SPDX-License-Identifier: BSD-3-Clause */
/* OSv's read-only file system (fs/rofs in OSv documents the format). The image
   is not trusted: all counts and offsets are checked when it is mounted, so
   that the rest can use the tables without asking again. */
#include "rofs.h"
#include "disk.h"
#include "errno.h"
#include "memory.h"

#define MAGIC 0xdeadbeadul
#define VERSION 1
#define ENTRY_HEAD 10           /* u64 inode, u16 length */

struct super_block {
    u64 magic, version, block_size, structure_block, structure_blocks, entries, links, inodes;
};
struct packed inode {
    u32 mode, mode_high;
    u64 number, start, count;
};

static struct super_block super;
static u64 partition_start, partition_sectors;
static const u8 *tables;
static u32 *entry_at, *link_at;         /* offsets into the tables */
static const struct inode *inodes;      /* inode n is inodes[n - 1] */
static u32 *parent, *named_by;          /* of each inode: directory, and entry + 1 */
static u32 *hash, hash_mask;            /* entry + 1 */

static u16 length_at(u64 at) { u16 v; memcpy(&v, tables + at, 2); return v; }
static u64 entry_inode(u32 e) { u64 v; memcpy(&v, tables + entry_at[e], 8); return v; }
static const char *entry_name(u32 e) { return (const char *)tables + entry_at[e] + ENTRY_HEAD; }
static size_t entry_length(u32 e) { return length_at(entry_at[e] + 8); }
static u32 type_of(u32 id) { return inodes[id - 1].mode & MODE_TYPE; }

static bool read_blocks(u64 block, void *to, u64 bytes)
{
    u64 phys = virt_to_phys(to);
    while (bytes) {
        struct segment s = {phys, (u32)min(bytes, 1ul << 20)};
        if (!disk_read(partition_start + block, &s, 1))
            return false;
        block += s.bytes / SECTOR;
        phys += s.bytes;
        bytes -= s.bytes;
    }
    return true;
}

static bool read_super_block(void)
{
    void *block = memory_reserve(SECTOR);
    if (!block || !partition_find(&partition_start, &partition_sectors) || !read_blocks(0, block, SECTOR))
        return false;
    memcpy(&super, block, sizeof super);
    /* A table entry takes at least 2 bytes, which bounds the counts before
       anything is multiplied. */
    u64 bytes = super.structure_blocks * SECTOR;
    return super.magic == MAGIC && super.version == VERSION && super.block_size == SECTOR
        && super.structure_block <= partition_sectors
        && super.structure_blocks <= partition_sectors - super.structure_block
        && bytes < min(memory_free() / 2, 0xffffffffUL) && super.entries <= bytes / ENTRY_HEAD
        && super.links <= bytes / 2 && super.inodes > 0 && super.inodes <= bytes / sizeof(struct inode)
        && super.inodes < 1u << NODE_ID_BITS;
}

/* Finds where each record begins and that the tables end within the area. */
static bool index_tables(void)
{
    u64 size = super.structure_blocks * SECTOR, at = 0;
    for (u64 i = 0; i < super.entries; i++) {
        if (at + ENTRY_HEAD > size)
            return false;
        entry_at[i] = (u32)at;
        at += ENTRY_HEAD + length_at(at + 8);
    }
    for (u64 i = 0; i < super.links; i++) {
        if (at + 2 > size)
            return false;
        link_at[i] = (u32)at;
        at += 2 + length_at(at);
    }
    if (at > size || super.inodes * sizeof(struct inode) > size - at)
        return false;
    /* The table may lie at any byte; x86 reads it there. */
    inodes = (const struct inode *)(tables + at);
    return true;
}

static bool inode_is_sound(const struct inode *n)
{
    switch (n->mode & MODE_TYPE) {
    case MODE_DIR: return n->start <= super.entries && n->count <= super.entries - n->start;
    case MODE_LINK: return n->start < super.links;
    case MODE_FILE:
        return n->start <= partition_sectors && n->count <= (partition_sectors - n->start) * SECTOR;
    default: return false;
    }
}

static u32 hash_of(u32 directory, const char *name, size_t length)
{
    u64 h = directory * 0x9e3779b97f4a7c15ul;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (u8)name[i]) * 0x100000001b3ul;
    return (u32)(h ^ h >> 32) & hash_mask;
}

/* Directories own disjoint ranges of entries; where they do not, the sum of
   their lengths gives it away, and the image is refused. */
static bool fill_hash(void)
{
    u64 owned = 0;
    for (u32 d = 1; d <= super.inodes; d++) {
        const struct inode *n = &inodes[d - 1];
        if (type_of(d) != MODE_DIR)
            continue;
        owned += n->count;
        if (owned > super.entries)
            return false;
        for (u32 e = (u32)n->start; e < n->start + n->count; e++) {
            u64 child = entry_inode(e);
            u32 slot = hash_of(d, entry_name(e), entry_length(e));
            while (hash[slot])
                slot = (slot + 1) & hash_mask;
            hash[slot] = e + 1;
            if (child != ROFS_ROOT && !parent[child - 1]) {
                parent[child - 1] = d;
                named_by[child - 1] = e + 1;
            }
        }
    }
    return true;
}

static bool check_tables(void)
{
    for (u64 i = 0; i < super.inodes; i++)
        if (!inode_is_sound(&inodes[i]))
            return false;
    for (u32 e = 0; e < super.entries; e++) {
        u64 child = entry_inode(e);
        if (child < 1 || child > super.inodes || entry_length(e) < 1)
            return false;
    }
    return type_of(ROFS_ROOT) == MODE_DIR;
}

bool rofs_mount(void)
{
    if (!read_super_block())
        return false;
    u64 bytes = super.structure_blocks * SECTOR;
    u32 slots = 64;
    while (slots < super.entries * 2)
        slots *= 2;
    hash_mask = slots - 1;
    tables = memory_reserve(bytes + PAGE_SIZE);
    entry_at = memory_reserve(max(super.entries, 1ul) * sizeof(u32));
    link_at = memory_reserve(max(super.links, 1ul) * sizeof(u32));
    parent = memory_reserve(super.inodes * sizeof(u32));
    named_by = memory_reserve(super.inodes * sizeof(u32));
    hash = memory_reserve(slots * sizeof(u32));
    if (!tables || !entry_at || !link_at || !parent || !named_by || !hash)
        return false;
    if (!read_blocks(super.structure_block, (void *)tables, bytes) || !index_tables() || !check_tables())
        return false;
    return fill_hash();
}

struct attributes rofs_attributes(u32 id)
{
    const struct inode *n = &inodes[id - 1];
    u32 type = n->mode & MODE_TYPE;
    /* Times and owners are not kept, and all permissions are 0555, as under OSv. */
    struct attributes a = {.mode = type | 0555, .links = 1};
    if (type == MODE_FILE)
        a.size = n->count;
    else if (type == MODE_LINK)
        a.size = length_at(link_at[n->start]);
    return a;
}

int rofs_child(u32 directory, const char *name, size_t length, u32 *found)
{
    const struct inode *n = &inodes[directory - 1];
    u32 slot = hash_of(directory, name, length);
    for (; hash[slot]; slot = (slot + 1) & hash_mask) {
        u32 e = hash[slot] - 1;
        if (e < n->start || e - n->start >= n->count)
            continue;
        if (entry_length(e) == length && !memcmp(entry_name(e), name, length)) {
            *found = (u32)entry_inode(e);
            return 0;
        }
    }
    return -ENOENT;
}

u32 rofs_parent(u32 directory) { return parent[directory - 1] ? parent[directory - 1] : ROFS_ROOT; }

const char *rofs_name(u32 id, size_t *length)
{
    if (id == ROFS_ROOT || !named_by[id - 1])
        return NULL;
    *length = entry_length(named_by[id - 1] - 1);
    return entry_name(named_by[id - 1] - 1);
}

int rofs_entry(u32 directory, u64 position, u32 *id, const char **name, size_t *length)
{
    const struct inode *n = &inodes[directory - 1];
    if (position >= n->count)
        return 0;
    u32 e = (u32)(n->start + position);
    *id = (u32)entry_inode(e);
    *name = entry_name(e);
    *length = entry_length(e);
    return 1;
}

int rofs_link(u32 id, char *to, size_t size)
{
    u64 at = link_at[inodes[id - 1].start];
    size_t n = min((size_t)length_at(at), size);
    memcpy(to, tables + at + 2, n);
    return (int)n;
}

u64 rofs_page(u32 id, u64 index, u32 ahead)
{
    const struct inode *n = &inodes[id - 1];
    u64 size = n->count, pages_in_file = round_up(size, PAGE_SIZE) / PAGE_SIZE;
    node file = {FS_ROFS, id};
    u64 page = cache_find(file, index);
    if (page || index >= pages_in_file)
        return page;
    struct segment to[DISK_SEGMENTS_MAX];
    u32 wanted = (u32)min(min(ahead + 1ul, DISK_SEGMENTS_MAX), pages_in_file - index), got = 0;
    for (; got < wanted; got++) {
        if (got && cache_has(file, index + got))
            break;
        u64 phys = page_alloc();
        if (!phys)
            break;
        u64 rest = size - (index + got) * PAGE_SIZE;
        u32 bytes = (u32)min(round_up(rest, SECTOR), PAGE_SIZE);
        if (rest < PAGE_SIZE)
            memset(phys_to_virt(phys), 0, PAGE_SIZE);
        to[got] = (struct segment){phys, bytes};
    }
    bool good = got && disk_read(partition_start + n->start + index * (PAGE_SIZE / SECTOR), to, got);
    u64 first = 0;
    for (u32 i = 0; i < got; i++) {
        /* Behind the end of a file, memory is zero whatever the disk has there. */
        u64 rest = size - (index + i) * PAGE_SIZE;
        if (rest < PAGE_SIZE)
            memset((char *)phys_to_virt(to[i].phys) + rest, 0, PAGE_SIZE - rest);
        if (good)
            cache_insert(file, index + i, to[i].phys);
        if (good && i == 0)
            first = to[i].phys;
        else
            page_release(to[i].phys);
    }
    return first;
}

void rofs_totals(u64 *blocks, u64 *count)
{
    *blocks = super.structure_block + super.structure_blocks;
    *count = super.inodes;
}
