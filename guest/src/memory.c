/* SPDX-License-Identifier: BSD-3-Clause */
/* Physical memory. Fresh pages come from a frontier that moves up through the
   regions, so neither the pages nor their descriptors are touched before use:
   a large machine starts as fast as a small one. */
#include "memory.h"
#include "paging.h"

#define NO_PAGE 0u
#define REGIONS_MAX 32
#define BUCKETS_MAX 65536u

/* `file` and `index` are meaningful while the page is in the cache; `next`
   chains a hash bucket or the free list. */
struct page {
    u32 references, file, index, next;
};

static struct region { u64 start, end; } regions[REGIONS_MAX];
static u32 region_count, frontier_region;
static u64 total_pages, used_pages, cached_pages;
static struct page *pages;
static u32 page_limit, free_list;
static u32 *buckets, bucket_mask;
static u32 bucket_hand;
static u64 direct_end = 4ul << 30;

u64 memory_direct_end(void) { return direct_end; }
u64 memory_total(void) { return total_pages * PAGE_SIZE; }
u64 memory_free(void) { return (total_pages - used_pages + cached_pages) * PAGE_SIZE; }

static u32 frontier_take(void)
{
    for (; frontier_region < region_count; frontier_region++) {
        struct region *r = &regions[frontier_region];
        if (r->start < r->end) {
            u32 pfn = (u32)(r->start / PAGE_SIZE);
            r->start += PAGE_SIZE;
            used_pages++;
            return pfn;
        }
    }
    return NO_PAGE;
}

void *memory_reserve(u64 bytes)
{
    u64 count = round_up(bytes, PAGE_SIZE) / PAGE_SIZE;
    u32 first = NO_PAGE;
    for (u32 i = frontier_region; i < region_count && first == NO_PAGE; i++) {
        struct region *r = &regions[i];
        if (r->end - r->start < count * PAGE_SIZE)
            continue;
        first = (u32)(r->start / PAGE_SIZE);
        r->start += count * PAGE_SIZE;
        used_pages += count;
    }
    if (first == NO_PAGE)
        return NULL;
    void *at = phys_to_virt((u64)first * PAGE_SIZE);
    memset(at, 0, count * PAGE_SIZE);
    return at;
}

static void add_region(u64 start, u64 end)
{
    start = round_up(start, PAGE_SIZE);
    end = round_down(end, PAGE_SIZE);
    if (start >= end || region_count == REGIONS_MAX)
        return;
    regions[region_count++] = (struct region){start, end};
    total_pages += (end - start) / PAGE_SIZE;
}

void memory_init(const struct memory_range *map, u32 entries)
{
    /* Everything below 1 MiB stays the BIOS's; the image lies right above. */
    extern char kernel_end[];
    u64 lowest = (u64)kernel_end - KERNEL_BASE, top = 0;
    for (u32 i = 0; i < entries; i++) {
        u64 end = map[i].start + map[i].size;
        if (map[i].type != MEMORY_USABLE || end < map[i].start || end > (1ul << 43))
            continue;
        add_region(max(map[i].start, lowest), end);
        top = max(top, end);
    }
    if (!region_count)
        panic("no usable memory");
    page_limit = (u32)(top / PAGE_SIZE);
    if (top > direct_end)
        direct_end = paging_extend_direct_map(top);
    /* Not memory_reserve: descriptors are written when the frontier
       hands out their page. */
    u64 bytes = round_up((u64)page_limit * sizeof(struct page), PAGE_SIZE);
    for (u32 i = 0; i < region_count && !pages; i++) {
        if (regions[i].end - regions[i].start < bytes)
            continue;
        pages = phys_to_virt(regions[i].start);
        regions[i].start += bytes;
        used_pages += bytes / PAGE_SIZE;
    }
    u32 n = 1024;
    while (n < total_pages / 4 && n < BUCKETS_MAX)
        n *= 2;
    bucket_mask = n - 1;
    buckets = memory_reserve(n * sizeof(u32));
    if (!pages || !buckets)
        panic("too little memory");
}

static u32 bucket_of(u32 file, u64 index)
{
    return (u32)((file * 0x9e3779b97f4a7c15ul + index * 0xff51afd7ed558ccdul) >> 40) & bucket_mask;
}

static u32 *find_link(u32 file, u64 index)
{
    u32 *link = &buckets[bucket_of(file, index)];
    while (*link != NO_PAGE && !(pages[*link].file == file && pages[*link].index == index))
        link = &pages[*link].next;
    return link;
}

static void uncache(u32 *link)
{
    u32 pfn = *link;
    *link = pages[pfn].next;
    pages[pfn].file = 0;
    cached_pages--;
    page_release((u64)pfn * PAGE_SIZE);
}

/* One turn over the buckets, dropping pages that only the cache holds. Pages of
   memory files have no other copy and stay. */
static bool evict_some(void)
{
    u32 freed = 0;
    for (u32 n = 0; n <= bucket_mask && freed < 32; n++) {
        bucket_hand = (bucket_hand + 1) & bucket_mask;
        u32 *link = &buckets[bucket_hand];
        while (*link != NO_PAGE) {
            struct page *p = &pages[*link];
            if (p->references == 1 && node_from_key(p->file).system == FS_ROFS) {
                uncache(link);
                freed++;
            } else
                link = &p->next;
        }
    }
    return freed > 0;
}

u64 page_alloc(void)
{
    u32 pfn;
    if (free_list == NO_PAGE && (pfn = frontier_take()) != NO_PAGE) {
        pages[pfn] = (struct page){.references = 1};
        return (u64)pfn * PAGE_SIZE;
    }
    if (free_list == NO_PAGE && !evict_some())
        return 0;
    pfn = free_list;
    free_list = pages[pfn].next;
    pages[pfn] = (struct page){.references = 1};
    used_pages++;
    return (u64)pfn * PAGE_SIZE;
}

u64 page_alloc_zeroed(void)
{
    u64 phys = page_alloc();
    if (phys)
        memset(phys_to_virt(phys), 0, PAGE_SIZE);
    return phys;
}

void page_hold(u64 phys) { pages[phys / PAGE_SIZE].references++; }

void page_release(u64 phys)
{
    u32 pfn = (u32)(phys / PAGE_SIZE);
    if (--pages[pfn].references)
        return;
    pages[pfn].next = free_list;
    free_list = pfn;
    used_pages--;
}

bool page_is_private(u64 phys)
{
    struct page *p = &pages[phys / PAGE_SIZE];
    return p->references == 1 && !p->file;
}

u64 cache_find(node file, u64 index)
{
    u32 pfn = *find_link(node_key(file), index);
    if (pfn == NO_PAGE)
        return 0;
    pages[pfn].references++;
    return (u64)pfn * PAGE_SIZE;
}

bool cache_has(node file, u64 index) { return *find_link(node_key(file), index) != NO_PAGE; }

void cache_insert(node file, u64 index, u64 phys)
{
    u32 pfn = (u32)(phys / PAGE_SIZE), *bucket = &buckets[bucket_of(node_key(file), index)];
    pages[pfn].file = node_key(file);
    pages[pfn].index = (u32)index;
    pages[pfn].references++;
    pages[pfn].next = *bucket;
    *bucket = pfn;
    cached_pages++;
}

void cache_drop(node file, u64 index)
{
    u32 *link = find_link(node_key(file), index);
    if (*link != NO_PAGE)
        uncache(link);
}

/* Heap: one free list for each power of two from 32 bytes to a page. */
static void *free_objects[8];

static unsigned class_of(size_t n)
{
    unsigned c = 0;
    while ((32ul << c) < n)
        c++;
    return c;
}

void *heap_alloc(size_t n)
{
    unsigned c = class_of(n);
    size_t size = 32ul << c;
    if (size > PAGE_SIZE)
        return NULL;
    if (!free_objects[c]) {
        u64 phys = page_alloc();
        if (!phys)
            return NULL;
        for (size_t at = 0; at < PAGE_SIZE; at += size) {
            void **object = phys_to_virt(phys + at);
            *object = free_objects[c];
            free_objects[c] = object;
        }
    }
    void **object = free_objects[c];
    free_objects[c] = *object;
    return memset(object, 0, size);
}

void heap_free(void *p, size_t n)
{
    if (!p)
        return;
    unsigned c = class_of(n);
    *(void **)p = free_objects[c];
    free_objects[c] = p;
}
