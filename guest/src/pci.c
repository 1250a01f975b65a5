/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI configuration space by ports 0xcf8/0xcfc. */
#include "pci.h"
#include "x86.h"

u32 pci_read(u32 function, u32 offset)
{
    outl(0xcf8, 0x80000000 | function | (offset & 0xfc));
    return inl(0xcfc);
}

void pci_write(u32 function, u32 offset, u32 value)
{
    outl(0xcf8, 0x80000000 | function | (offset & 0xfc));
    outl(0xcfc, value);
}

static bool find_on_bus(u32 bus, bool (*visit)(u32, u16, u16), u32 depth)
{
    for (u32 device = 0; device < 32; device++) {
        u32 functions = 1;
        for (u32 n = 0; n < functions; n++) {
            u32 function = bus << 16 | device << 11 | n << 8, id = pci_read(function, 0);
            if ((id & 0xffff) == 0xffff)
                continue;
            u8 header = (u8)(pci_read(function, 12) >> 16);
            if (n == 0 && header & 0x80)
                functions = 8;
            if (visit(function, (u16)id, (u16)(id >> 16)))
                return true;
            /* Behind a bridge (q35 root ports): its secondary bus. */
            u32 secondary = (header & 0x7f) == 1 ? pci_read(function, 0x18) >> 8 & 0xff : 0;
            if (secondary > bus && depth < 8 && find_on_bus(secondary, visit, depth + 1))
                return true;
        }
    }
    return false;
}

bool pci_find(bool (*visit)(u32, u16, u16)) { return find_on_bus(0, visit, 0); }

u64 pci_bar(u32 function, u32 number)
{
    u32 low = pci_read(function, 0x10 + number * 4);
    if (low & 1)
        return 0;
    u64 high = (low & 6) == 4 && number < 5 ? pci_read(function, 0x14 + number * 4) : 0;
    return high << 32 | (low & ~0xfu);
}
