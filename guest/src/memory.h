/* SPDX-License-Identifier: BSD-3-Clause */
/* Physical pages, the kernel's heap and the cache of file pages. */
#ifndef MEMORY_H
#define MEMORY_H
#include "base.h"
#include "boot.h"
#include "vfs.h"

void memory_init(const struct memory_range *map, u32 entries);
u64 memory_direct_end(void);    /* first physical address beyond the direct map */
u64 memory_total(void);         /* bytes */
u64 memory_free(void);          /* bytes, counting what the cache could give back */

/* A page with one reference, or 0. */
u64 page_alloc(void);
u64 page_alloc_zeroed(void);
void page_hold(u64 phys);
void page_release(u64 phys);
/* Whether the only reference to it is the caller's, so that it may be written. */
bool page_is_private(u64 phys);

/* Zeroed, contiguous, never given back; meant for start-up. NULL if not there. */
void *memory_reserve(u64 bytes);

void *heap_alloc(size_t n);     /* zeroed; at most one page */
void heap_free(void *p, size_t n);

/* Cache of file pages by (file, page index). cache_find adds a reference for
   the caller; cache_insert keeps one of its own besides the caller's. */
u64 cache_find(node file, u64 index);
bool cache_has(node file, u64 index);
void cache_insert(node file, u64 index, u64 phys);
void cache_drop(node file, u64 index);

#endif
