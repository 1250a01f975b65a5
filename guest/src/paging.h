/* SPDX-License-Identifier: BSD-3-Clause */
/* Page tables: one user half at a time below USER_END, the kernel above. */
#ifndef PAGING_H
#define PAGING_H
#include "base.h"

#define USER_START 0x10000ul
#define USER_END 0x7ffffffff000ul

#define PTE_PRESENT 0x001ul
#define PTE_WRITE 0x002ul
#define PTE_USER 0x004ul
#define PTE_NO_EXECUTE (1ul << 63)
#define PTE_ADDRESS 0x000ffffffffff000ul

void paging_init(void);
u64 paging_extend_direct_map(u64 end);
/* Device registers anywhere in physical memory. */
void *paging_map_device(u64 phys, u64 size);

/* The entry for a user address; NULL when there is no table (or, with create,
   no memory for one). */
u64 *paging_entry(u64 address, bool create);
/* Whole levels without a table are stepped over: the next address to look at. */
u64 paging_skip(u64 address);
void paging_free_user_tables(void);

#endif
