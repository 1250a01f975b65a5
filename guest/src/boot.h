/* SPDX-License-Identifier: BSD-3-Clause */
/* What a PVH loader hands over (Xen's public/arch-x86/hvm/start_info.h). Our
   boot sector fills in the same structure, so both roads look alike. */
#ifndef BOOT_H
#define BOOT_H
#include "base.h"

#define START_INFO_MAGIC 0x336ec578
#define MEMORY_USABLE 1
#define COMMAND_LINE_MAX 32768

struct start_info {
    u32 magic, version, flags, modules;
    u64 modules_at, command_line, rsdp, memory_map;
    u32 memory_map_entries, reserved;
};
struct memory_range {
    u64 start, size;
    u32 type, reserved;
};

extern char command_line[COMMAND_LINE_MAX];

#endif
