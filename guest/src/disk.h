/* SPDX-License-Identifier: BSD-3-Clause */
/* The first virtio block device, in 512-byte sectors. */
#ifndef DISK_H
#define DISK_H
#include "base.h"

#define SECTOR 512ul
#define DISK_SEGMENTS_MAX 64u

struct segment { u64 phys; u32 bytes; };

bool disk_init(void);               /* false: there is none */
u64 disk_sectors(void);
/* One request into scattered memory; sizes are multiples of a sector. */
bool disk_read(u64 sector, const struct segment *to, u32 segments);

/* partition.c: the second MBR entry. */
bool partition_find(u64 *start, u64 *sectors);

#endif
