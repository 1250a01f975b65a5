/* SPDX-License-Identifier: BSD-3-Clause */
#include "paging.h"
#include "memory.h"
#include "x86.h"

#define PTE_LARGE 0x080ul
#define PTE_UNCACHED 0x018ul    /* PCD and PWT */
#define LARGE_PAGE (2ul << 20)

extern u64 kernel_pml4[512], direct_pdpt[512], image_pdpt[512], direct_pds[4 * 512];
extern char kernel_start[], kernel_rodata[], kernel_data[], kernel_end[];

static u64 image_pd[512] __attribute__((aligned(4096)));
static u64 image_pt[512] __attribute__((aligned(4096)));

static u64 image_phys(const void *p) { return (u64)p - KERNEL_BASE; }

/* Replaces the loader's generous tables: code is not writable, data is not
   executable, and nothing is left at low addresses. */
void paging_init(void)
{
    for (u64 at = (u64)kernel_start; at < (u64)kernel_end; at += PAGE_SIZE) {
        u64 flags = at < (u64)kernel_rodata ? 0
            : at < (u64)kernel_data ? PTE_NO_EXECUTE
                                    : PTE_NO_EXECUTE | PTE_WRITE;
        image_pt[(at - KERNEL_BASE) / PAGE_SIZE] = (at - KERNEL_BASE) | flags | PTE_PRESENT;
    }
    image_pd[0] = image_phys(image_pt) | PTE_PRESENT | PTE_WRITE;
    image_pdpt[510] = image_phys(image_pd) | PTE_PRESENT | PTE_WRITE;
    for (u32 i = 0; i < 4 * 512; i++)
        direct_pds[i] |= PTE_NO_EXECUTE;
    kernel_pml4[0] = 0;
    write_cr3(read_cr3());
}

static bool map_large(u64 phys, u64 flags)
{
    u64 *slot = &direct_pdpt[phys >> 30];
    if (!(*slot & PTE_PRESENT)) {
        void *table = memory_reserve(PAGE_SIZE);
        if (!table)
            return false;
        *slot = virt_to_phys(table) | PTE_PRESENT | PTE_WRITE;
    }
    u64 *pd = phys_to_virt(*slot & PTE_ADDRESS);
    pd[phys >> 21 & 511] = phys | flags | PTE_LARGE | PTE_PRESENT | PTE_WRITE | PTE_NO_EXECUTE;
    return true;
}

u64 paging_extend_direct_map(u64 end)
{
    end = min(round_up(end, LARGE_PAGE), 512ul << 30);
    for (u64 at = 4ul << 30; at < end; at += LARGE_PAGE)
        if (!map_large(at, 0))
            return at;
    return end;
}

void *paging_map_device(u64 phys, u64 size)
{
    for (u64 at = round_down(phys, LARGE_PAGE); at < phys + size; at += LARGE_PAGE) {
        if (at >= 512ul << 30 || !map_large(at, PTE_UNCACHED))
            return NULL;
        invalidate_page((u64)phys_to_virt(at));
    }
    return phys_to_virt(phys);
}

u64 *paging_entry(u64 address, bool create)
{
    u64 *table = kernel_pml4;
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        u64 *slot = &table[address >> shift & 511];
        if (!(*slot & PTE_PRESENT)) {
            u64 phys = create ? page_alloc_zeroed() : 0;
            if (!phys)
                return NULL;
            *slot = phys | PTE_PRESENT | PTE_WRITE | PTE_USER;
        }
        table = phys_to_virt(*slot & PTE_ADDRESS);
    }
    return &table[address >> 12 & 511];
}

u64 paging_skip(u64 address)
{
    u64 *table = kernel_pml4;
    unsigned shift = 39;
    while (shift > 12 && table[address >> shift & 511] & PTE_PRESENT) {
        table = phys_to_virt(table[address >> shift & 511] & PTE_ADDRESS);
        shift -= 9;
    }
    return round_down(address, 1ul << shift) + (1ul << shift);
}

static void free_table(u64 *table, unsigned level)
{
    for (u32 i = 0; i < (level == 4 ? 256u : 512u); i++) {
        if (!(table[i] & PTE_PRESENT))
            continue;
        u64 phys = table[i] & PTE_ADDRESS;
        if (level > 1)
            free_table(phys_to_virt(phys), level - 1);
        page_release(phys);
        table[i] = 0;
    }
}

void paging_free_user_tables(void)
{
    free_table(kernel_pml4, 4);
    write_cr3(read_cr3());
}
