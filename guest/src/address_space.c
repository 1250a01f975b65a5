/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's address space. Nothing is read or allocated before it is
   touched; file pages are the cache's own until they are written. */
#include "errno.h"
#include "memory.h"
#include "paging.h"
#include "process.h"
#include "ramfs.h"

#define MAP_TOP 0x7ffff7fff000ul
#define FAULT_AROUND 16ul
#define FAULT_READ_AHEAD 31u

extern int user_copy(void *to, const void *from, size_t n);

static struct area *areas, *last_hit;

struct area *area_first(void) { return areas; }

struct area *area_at(u64 address)
{
    if (last_hit && address >= last_hit->start && address < last_hit->end)
        return last_hit;
    struct area *a = areas;
    while (a && a->end <= address)
        a = a->next;
    if (!a || a->start > address)
        return NULL;
    return last_hit = a;
}

static struct area **link_after(u64 address)
{
    struct area **link = &areas;
    while (*link && (*link)->end <= address)
        link = &(*link)->next;
    return link;
}

/* The highest gap below the mapping area's top, as Linux lays out programs. */
u64 area_find_gap(u64 size)
{
    u64 best = 0, low = USER_START;
    for (struct area *a = areas;; a = a->next) {
        u64 high = min(a ? a->start : MAP_TOP, MAP_TOP);
        if (high > low && high - low >= size)
            best = high - size;
        if (!a || a->end >= MAP_TOP)
            return best;
        low = a->end;
    }
}

static u64 entry_for(const struct area *a, u64 phys, bool writable)
{
    u64 pte = phys | PTE_PRESENT;
    if (a->protection)
        pte |= PTE_USER;
    if (!(a->protection & PROT_EXEC))
        pte |= PTE_NO_EXECUTE;
    if (writable && a->protection & PROT_WRITE)
        pte |= PTE_WRITE;
    return pte;
}

static void flush(u64 start, u64 end)
{
    if (end - start > 32 * PAGE_SIZE)
        write_cr3(read_cr3());
    else
        for (u64 at = start; at < end; at += PAGE_SIZE)
            invalidate_page(at);
}

static void zap(u64 start, u64 end)
{
    for (u64 at = start; at < end;) {
        u64 *pte = paging_entry(at, false);
        if (!pte) {
            at = paging_skip(at);
            continue;
        }
        if (*pte & PTE_PRESENT) {
            page_release(*pte & PTE_ADDRESS);
            *pte = 0;
        }
        at += PAGE_SIZE;
    }
    flush(start, end);
}

static void file_hold(node file)
{
    if (file.system == FS_RAM)
        ram_hold(file.id);
}

static void free_area(struct area *a)
{
    if (a->file.system == FS_RAM)
        ram_drop(a->file.id);
    if (last_hit == a)
        last_hit = NULL;
    heap_free(a, sizeof *a);
}

/* Makes `address` a border between areas. */
static bool split_at(u64 address)
{
    struct area *a = area_at(address);
    if (!a || a->start == address)
        return true;
    struct area *upper = heap_alloc(sizeof *upper);
    if (!upper)
        return false;
    *upper = *a;
    upper->start = address;
    upper->offset += address - a->start;
    a->end = address;
    a->next = upper;
    file_hold(upper->file);
    return true;
}

static bool may_join(const struct area *a, const struct area *b)
{
    return a->end == b->start && a->protection == b->protection && a->shared == b->shared && !a->file.system && !b->file.system;
}

int area_map(u64 start, u64 size, u32 protection, bool shared, node file, u64 offset)
{
    u64 end = start + size;
    if (start < USER_START || end > USER_END || end <= start)
        return -ENOMEM;
    struct area **link = link_after(start);
    if (*link && (*link)->start < end)
        return -EEXIST;
    struct area made = {start, end, protection, shared, file, offset, *link};
    struct area *before = areas;
    while (before && before->next != *link)
        before = before->next;
    if (before && link == &before->next && may_join(before, &made)) {
        before->end = end;
        return 0;
    }
    struct area *a = heap_alloc(sizeof *a);
    if (!a)
        return -ENOMEM;
    *a = made;
    *link = a;
    file_hold(file);
    return 0;
}

int area_unmap(u64 start, u64 size)
{
    u64 end = start + size;
    if (end <= start || end > USER_END)
        return -EINVAL;
    if (!split_at(start) || !split_at(end))
        return -ENOMEM;
    for (struct area **link = link_after(start); *link && (*link)->start < end;) {
        struct area *a = *link;
        zap(a->start, a->end);
        *link = a->next;
        free_area(a);
    }
    return 0;
}

static void protect_area(struct area *a, u32 protection)
{
    a->protection = protection;
    for (u64 at = a->start; at < a->end;) {
        u64 *pte = paging_entry(at, false);
        if (!pte) {
            at = paging_skip(at);
            continue;
        }
        /* Never writable here: the fault decides whether to copy first. */
        if (*pte & PTE_PRESENT)
            *pte = entry_for(a, *pte & PTE_ADDRESS, false);
        at += PAGE_SIZE;
    }
    flush(a->start, a->end);
}

int area_protect(u64 start, u64 size, u32 protection)
{
    u64 end = start + size, at = start;
    if (end < start || end > USER_END)
        return -ENOMEM;
    if (!split_at(start) || !split_at(end))
        return -ENOMEM;
    for (struct area *a = *link_after(start); at < end; a = a->next) {
        if (!a || a->start != at)
            return -ENOMEM;
        protect_area(a, protection);
        at = a->end;
    }
    return 0;
}

void area_discard(u64 start, u64 size)
{
    u64 end = min(start + size, USER_END);
    for (struct area *a = areas; a && a->start < end; a = a->next)
        if (a->end > start && !a->shared)
            zap(max(a->start, start), min(a->end, end));
}

static void move_pages(u64 from, u64 to, u64 size)
{
    for (u64 at = 0; at < size; at += PAGE_SIZE) {
        u64 *old = paging_entry(from + at, false);
        if (!old || !(*old & PTE_PRESENT))
            continue;
        u64 *new = paging_entry(to + at, true);
        if (!new)
            process_exit(137);
        *new = *old;
        *old = 0;
    }
    flush(from, from + size);
}

int area_resize(u64 start, u64 old_size, u64 new_size, bool may_move, u64 *moved_to)
{
    struct area *a = area_at(start);
    if (!a || start + old_size > a->end || start + old_size < start)
        return -EFAULT;
    *moved_to = start;
    if (new_size <= old_size)
        return new_size < old_size ? area_unmap(start + new_size, old_size - new_size) : 0;
    u64 more = new_size - old_size;
    bool at_end = start + old_size == a->end;
    struct area copy = *a;
    if (at_end && a->end + more > a->end && a->end + more <= min(a->next ? a->next->start : MAP_TOP, MAP_TOP)) {
        a->end += more;
        return 0;
    }
    if (!may_move)
        return -ENOMEM;
    u64 to = area_find_gap(new_size);
    if (!to)
        return -ENOMEM;
    int error = area_map(to, new_size, copy.protection, copy.shared, copy.file, copy.offset + start - copy.start);
    if (error)
        return error;
    move_pages(start, to, old_size);
    *moved_to = to;
    return area_unmap(start, old_size);
}

void address_space_free(void)
{
    while (areas) {
        struct area *a = areas;
        areas = a->next;
        free_area(a);
    }
    last_hit = NULL;
    paging_free_user_tables();
}

/* Maps what the cache already has near a page that was just faulted in: most
   programs go on right there, and a fault costs more than a look-up. */
static void map_around(const struct area *a, u64 address)
{
    u64 start = max(round_down(address, FAULT_AROUND * PAGE_SIZE), a->start);
    u64 end = min(start + FAULT_AROUND * PAGE_SIZE, a->end);
    for (u64 at = start; at < end; at += PAGE_SIZE) {
        u64 *pte = paging_entry(at, true), page;
        if (!pte || *pte & PTE_PRESENT)
            continue;
        page = cache_find(a->file, (at - a->start + a->offset) / PAGE_SIZE);
        if (page)
            *pte = entry_for(a, page, false);
    }
}

static enum fault_result make_writable(const struct area *a, u64 address, u64 *pte)
{
    u64 page = *pte & PTE_ADDRESS;
    if (!a->shared && !page_is_private(page)) {
        u64 copy = page_alloc();
        if (!copy)
            return FAULT_NO_MEMORY;
        memcpy(phys_to_virt(copy), phys_to_virt(page), PAGE_SIZE);
        page_release(page);
        page = copy;
    }
    *pte = entry_for(a, page, true);
    invalidate_page(address);
    return FAULT_FIXED;
}

static enum fault_result bring_in(const struct area *a, u64 address, u64 *pte, bool write)
{
    if (!a->file.system) {
        u64 page = page_alloc_zeroed();
        if (!page)
            return FAULT_NO_MEMORY;
        *pte = entry_for(a, page, true);
        return FAULT_FIXED;
    }
    u64 at = round_down(address, PAGE_SIZE) - a->start + a->offset;
    if (at >= round_up(node_attributes(a->file).size, PAGE_SIZE))
        return FAULT_BEYOND_FILE;
    u64 page = node_page(a->file, at / PAGE_SIZE, FAULT_READ_AHEAD);
    if (!page)
        return memory_free() ? FAULT_BEYOND_FILE : FAULT_NO_MEMORY;
    *pte = entry_for(a, page, false);
    if (write)
        return make_writable(a, address, pte);
    if (a->file.system == FS_ROFS)
        map_around(a, address);
    return FAULT_FIXED;
}

enum fault_result address_space_fault(u64 address, u64 error)
{
    struct area *a = address < USER_END ? area_at(address) : NULL;
    u32 needed = error & FAULT_WRITE ? PROT_WRITE : error & FAULT_EXECUTE ? PROT_EXEC : PROT_READ | PROT_WRITE | PROT_EXEC;
    if (!a || !(a->protection & needed))
        return FAULT_NO_ACCESS;
    u64 *pte = paging_entry(address, true);
    if (!pte)
        return FAULT_NO_MEMORY;
    if (!(*pte & PTE_PRESENT))
        return bring_in(a, address, pte, error & FAULT_WRITE);
    if (error & FAULT_WRITE)
        return make_writable(a, address, pte);
    invalidate_page(address);
    return FAULT_FIXED;
}

static bool is_user_range(u64 at, size_t n) { return at < USER_END && n <= USER_END - at; }

int copy_in(void *to, u64 from, size_t n)
{
    return is_user_range(from, n) && !user_copy(to, (const void *)from, n) ? 0 : -EFAULT;
}

int copy_out(u64 to, const void *from, size_t n)
{
    return is_user_range(to, n) && !user_copy((void *)to, from, n) ? 0 : -EFAULT;
}

int clear_out(u64 to, size_t n)
{
    static const char zeros[PAGE_SIZE];
    for (; n; n -= min(n, PAGE_SIZE), to += PAGE_SIZE)
        if (copy_out(to, zeros, min(n, PAGE_SIZE)))
            return -EFAULT;
    return 0;
}

int copy_string_in(char *to, u64 from, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t part = min(size - done, PAGE_SIZE - (from & PAGE_MASK));
        part = min(part, 256ul);
        if (copy_in(to + done, from, part))
            return -EFAULT;
        for (size_t i = done; i < done + part; i++)
            if (!to[i])
                return (int)i;
        done += part;
        from += part;
    }
    return -ENAMETOOLONG;
}
