/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps ELF programs and their interpreter (System V ABI, chapters 4 and 5). */
#include "errno.h"
#include "memory.h"
#include "paging.h"
#include "process.h"

#define PIE_BASE 0x555555554000ul
#define TYPE_EXEC 2
#define TYPE_DYN 3
#define MACHINE_X86_64 62
#define SEGMENT_LOAD 1
#define SEGMENT_INTERP 3
#define SEGMENT_PHDR 6
#define SEGMENT_STACK 0x6474e551
#define SEGMENTS_MAX 64u

struct elf_header {
    u8 ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, phoff, shoff;
    u32 flags;
    u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct segment_header {
    u32 type, flags;
    u64 offset, vaddr, paddr, filesz, memsz, align;
};
struct object {
    node file;
    const char *path;
    struct elf_header header;
    struct segment_header *segments;
    u64 base, low, high;    /* of the addresses in the file */
};

static bool refuse(struct text *why, const char *text)
{
    text_add(why, "%s", text);
    return false;
}

/* The sentences are those of OSv, so that whoever watches the console needs
   to know them once. */
static bool check_header(const struct object *o, u64 size, struct text *why)
{
    const struct elf_header *h = &o->header;
    if (size < sizeof *h) {
        text_add(why, "executable too short %s: file_size=%lu need=%lu", o->path, size, sizeof *h);
        return false;
    }
    if (memcmp(h->ident, "\177ELF", 4))
        return refuse(why, "bad elf header");
    if (h->ident[4] != 2)
        return refuse(why, "bad elf class");
    if (h->ident[5] != 1)
        return refuse(why, "bad elf endianness");
    if (h->type != TYPE_EXEC && h->type != TYPE_DYN)
        return refuse(why, "bad executable type (only PIE or non-PIE executable supported)");
    if (h->machine != MACHINE_X86_64) {
        text_add(why, "machine type for %s differs from the kernel", o->path);
        return false;
    }
    if (h->phentsize != sizeof(struct segment_header) || h->phnum > SEGMENTS_MAX || !h->phnum)
        return refuse(why, "bad elf header");
    if (h->phoff > size || h->phnum * sizeof(struct segment_header) > size - h->phoff) {
        text_add(why, "executable too short %s: file_size=%lu need=%lu", o->path, size, h->phoff + h->phnum * sizeof(struct segment_header));
        return false;
    }
    return true;
}

static bool check_segments(struct object *o, u64 size, struct text *why)
{
    o->low = ~0ul;
    for (u32 i = 0; i < o->header.phnum; i++) {
        const struct segment_header *s = &o->segments[i];
        if (s->type != SEGMENT_LOAD)
            continue;
        if (s->offset > size || s->filesz > size - s->offset) {
            text_add(why, "executable too short %s: file_size=%lu need=%lu", o->path, size, s->offset + s->filesz);
            return false;
        }
        if (s->filesz > s->memsz || s->vaddr > USER_END || s->memsz > USER_END - s->vaddr
            || (s->offset & PAGE_MASK) != (s->vaddr & PAGE_MASK))
            return refuse(why, "bad elf header");
        o->low = min(o->low, round_down(s->vaddr, PAGE_SIZE));
        o->high = max(o->high, round_up(s->vaddr + s->memsz, PAGE_SIZE));
    }
    return o->low < o->high ? true : refuse(why, "bad elf header");
}

static bool open_object(struct object *o, struct text *why)
{
    struct attributes a = node_attributes(o->file);
    if ((a.mode & MODE_TYPE) != MODE_FILE) {
        text_add(why, "Failed to load object: %s", o->path);
        return false;
    }
    file_read_kernel(o->file, 0, &o->header, sizeof o->header);
    if (!check_header(o, a.size, why))
        return false;
    u64 bytes = o->header.phnum * sizeof(struct segment_header);
    o->segments = heap_alloc(SEGMENTS_MAX * sizeof(struct segment_header));
    if (!o->segments)
        return refuse(why, "out of memory");
    if (file_read_kernel(o->file, o->header.phoff, o->segments, bytes) != (s64)bytes)
        return refuse(why, "cannot read the program headers");
    return check_segments(o, a.size, why);
}

static bool map_segment(const struct object *o, const struct segment_header *s)
{
    u32 protection = (s->flags & 4 ? PROT_READ : 0) | (s->flags & 2 ? PROT_WRITE : 0) | (s->flags & 1 ? PROT_EXEC : 0);
    u64 start = o->base + s->vaddr, page = round_down(start, PAGE_SIZE);
    u64 file_end = start + s->filesz, end = round_up(start + s->memsz, PAGE_SIZE);
    u64 middle = s->filesz ? round_up(file_end, PAGE_SIZE) : page;
    if (end > page && area_unmap(page, end - page))
        return false;
    if (middle > page && area_map(page, middle - page, protection, false, o->file, round_down(s->offset, PAGE_SIZE)))
        return false;
    if (end > middle && area_map(middle, end - middle, protection, false, (node){0}, 0))
        return false;
    /* What follows the file's part in its last page is the next thing in the
       file; memory must show zeros there. */
    if (s->memsz > s->filesz && middle > file_end && protection & PROT_WRITE)
        return !clear_out(file_end, middle - file_end);
    return true;
}

static bool map_object(struct object *o, u64 base, struct text *why)
{
    o->base = o->header.type == TYPE_DYN ? base - o->low : 0;
    for (u32 i = 0; i < o->header.phnum; i++)
        if (o->segments[i].type == SEGMENT_LOAD && !map_segment(o, &o->segments[i])) {
            text_add(why, "Failed to map %s into memory", o->path);
            return false;
        }
    return true;
}

static u64 address_of_phdr(const struct object *o)
{
    for (u32 i = 0; i < o->header.phnum; i++)
        if (o->segments[i].type == SEGMENT_PHDR)
            return o->base + o->segments[i].vaddr;
    for (u32 i = 0; i < o->header.phnum; i++) {
        const struct segment_header *s = &o->segments[i];
        if (s->type == SEGMENT_LOAD && o->header.phoff >= s->offset && o->header.phoff < s->offset + s->filesz)
            return o->base + s->vaddr + o->header.phoff - s->offset;
    }
    return 0;
}

/* The interpreter's path; 0 there is none, < 0 it is unusable. */
static int interpreter_path(const struct object *o, char *to, size_t size)
{
    for (u32 i = 0; i < o->header.phnum; i++) {
        const struct segment_header *s = &o->segments[i];
        if (s->type != SEGMENT_INTERP)
            continue;
        if (s->filesz < 2 || s->filesz > size || file_read_kernel(o->file, s->offset, to, s->filesz) != (s64)s->filesz)
            return -ENOEXEC;
        to[s->filesz - 1] = 0;
        return 1;
    }
    return 0;
}

static bool load(struct object *o, struct object *interpreter, struct program *p, struct text *why)
{
    char path[256];
    if (!open_object(o, why))
        return false;
    int has_interpreter = interpreter_path(o, path, sizeof path);
    if (has_interpreter < 0)
        return refuse(why, "bad elf header");
    /* A program that relocates itself lies in the mapping area, so that the
       heap has room after PIE_BASE (ld.so started as a command, static PIE). */
    u64 base = has_interpreter ? PIE_BASE : area_find_gap(o->high - o->low);
    if (!base || !map_object(o, base, why))
        return false;
    p->entry = p->interpreter_entry = o->base + o->header.entry;
    p->phdr = address_of_phdr(o);
    p->phnum = o->header.phnum;
    p->break_start = o->header.type == TYPE_DYN && !has_interpreter ? PIE_BASE : o->base + o->high;
    if (!has_interpreter)
        return true;
    interpreter->path = path;
    if (vfs_lookup(vfs_root(), path, FOLLOW, &interpreter->file)) {
        text_add(why, "%s needs the program interpreter %s, which this image lacks (OSv brings its own C library, the demo kernel does not).\nFailed to load object: %s",
            o->path, path, o->path);
        return false;
    }
    if (!open_object(interpreter, why))
        return false;
    base = area_find_gap(interpreter->high - interpreter->low);
    if (!base || !map_object(interpreter, base, why))
        return false;
    p->base = interpreter->base;
    p->interpreter_entry = interpreter->base + interpreter->header.entry;
    return true;
}

int elf_load(node file, const char *path, struct program *p, struct text *why)
{
    struct object o = {.file = file, .path = path}, interpreter = {0};
    bool good = load(&o, &interpreter, p, why);
    heap_free(o.segments, SEGMENTS_MAX * sizeof(struct segment_header));
    heap_free(interpreter.segments, SEGMENTS_MAX * sizeof(struct segment_header));
    return good ? 0 : -ENOEXEC;
}
