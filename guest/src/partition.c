/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk.h"
#include "memory.h"

#define MBR_SECOND_ENTRY 0x1ce

/* OSv's rules: 55 AA must be there, and an entry counts when neither its type
   nor its CHS start sector is 0. */
bool partition_find(u64 *start, u64 *sectors)
{
    u64 page = page_alloc();
    if (!page)
        return false;
    const u8 *mbr = phys_to_virt(page), *entry = mbr + MBR_SECOND_ENTRY;
    struct segment to = {page, SECTOR};
    bool good = disk_read(0, &to, 1) && mbr[510] == 0x55 && mbr[511] == 0xaa && entry[4] && entry[2] & 0x3f;
    u32 first = 0, count = 0;
    if (good) {
        memcpy(&first, entry + 8, 4);
        memcpy(&count, entry + 12, 4);
    }
    page_release(page);
    *start = first;
    *sectors = count;
    return good && count && first + (u64)count <= disk_sectors();
}
