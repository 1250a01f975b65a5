/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk over PCI by the OASIS virtio 1.1 specification: modern devices
   (4.1.4) through their capabilities, older ones through the legacy I/O ports
   (4.1.4.8). One request at a time, completion by polling. */
#include "acpi.h"
#include "disk.h"
#include "memory.h"
#include "paging.h"
#include "pci.h"
#include "x86.h"

#define QUEUE_MAX 256u
#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER 2
#define STATUS_DRIVER_OK 4
#define STATUS_FEATURES_OK 8
#define DESC_NEXT 1
#define DESC_WRITE 2

struct descriptor { u64 address; u32 length; u16 flags, next; };
struct packed common_config {
    u32 device_feature_select, device_feature, driver_feature_select, driver_feature;
    u16 msix, queues;
    u8 status, generation;
    u16 queue_select, queue_size, queue_msix, queue_enable, queue_notify_off;
    u64 queue_descriptors, queue_available, queue_used;
};

static struct {
    u16 size;
    volatile struct descriptor *descriptors;
    volatile u16 *available;    /* flags, index, ring[size] */
    volatile u16 *used;         /* flags, index, ... */
    u64 available_phys, used_phys, phys;
    u16 seen;
    u16 legacy_port;            /* 0: modern */
    volatile u16 *notify;
    u64 sectors;
} queue;

static struct { u32 type, reserved; u64 sector; } *header;
static volatile u8 *status;
static u64 header_phys;
static u32 found_function;

static bool is_virtio_blk(u32 function, u16 vendor, u16 device)
{
    if (vendor != 0x1af4 || (device != 0x1001 && device != 0x1042))
        return false;
    found_function = function;
    return true;
}

/* Rings in the legacy layout (2.6.2), which suits modern devices as well. */
static bool make_queue(u16 size)
{
    u64 used_at = round_up(size * 16ul + 6 + 2ul * size, PAGE_SIZE);
    u8 *at = memory_reserve(used_at + 6 + 8ul * size);
    header = memory_reserve(PAGE_SIZE);
    if (!at || !header)
        return false;
    queue.size = size;
    queue.phys = virt_to_phys(at);
    queue.descriptors = (void *)at;
    queue.available = (void *)(at + size * 16ul);
    queue.available_phys = queue.phys + size * 16ul;
    queue.used = (void *)(at + used_at);
    queue.used_phys = queue.phys + used_at;
    header_phys = virt_to_phys(header);
    status = (u8 *)header + 64;
    queue.available[0] = 1; /* no interrupts, please */
    return true;
}

static bool legacy_init(void)
{
    u16 port = (u16)(pci_read(found_function, 0x10) & ~3u);
    outb(port + 18, 0);
    outb(port + 18, STATUS_ACKNOWLEDGE);
    outb(port + 18, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    outl(port + 4, 0); /* no optional features */
    outw(port + 14, 0);
    u16 size = inw(port + 12);
    /* The device dictates the size here; a larger ring than ours is not expected. */
    if (size < 4 || size > 4096 || !make_queue(size))
        return false;
    outl(port + 8, (u32)(queue.phys / PAGE_SIZE));
    outb(port + 18, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK);
    queue.legacy_port = port;
    queue.sectors = inl(port + 20) | (u64)inl(port + 24) << 32;
    return true;
}

static volatile void *map_capability(u32 at, u32 least)
{
    u32 bar = pci_read(found_function, at + 4) & 0xff;
    u32 offset = pci_read(found_function, at + 8), length = pci_read(found_function, at + 12);
    u64 base = bar < 6 ? pci_bar(found_function, bar) : 0;
    return base && length >= least ? paging_map_device(base + offset, length) : NULL;
}

static bool modern_init(void)
{
    volatile struct common_config *common = NULL;
    volatile u32 *config = NULL;
    volatile u8 *notify = NULL;
    u32 multiplier = 0, at = pci_read(found_function, 0x34) & 0xfc;
    for (u32 n = 0; at && n < 48; n++, at = pci_read(found_function, at) >> 8 & 0xfc) {
        u32 first = pci_read(found_function, at);
        if ((first & 0xff) != 9) /* vendor specific = virtio */
            continue;
        switch (first >> 24) {
        case 1: common = common ? common : map_capability(at, sizeof *common); break;
        case 2:
            notify = notify ? notify : map_capability(at, 2);
            multiplier = pci_read(found_function, at + 16);
            break;
        case 4: config = config ? config : map_capability(at, 8); break;
        }
    }
    if (!common || !config || !notify)
        return false;
    common->status = 0;
    while (common->status)
        pause();
    common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
    common->driver_feature_select = 0;
    common->driver_feature = 0;
    common->driver_feature_select = 1;
    common->driver_feature = 1; /* bit 32: VIRTIO_F_VERSION_1 */
    common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    if (!(common->status & STATUS_FEATURES_OK))
        return false;
    common->queue_select = 0;
    u16 size = min(common->queue_size, QUEUE_MAX);
    if (size < 4 || !make_queue(size))
        return false;
    common->queue_size = size;
    common->queue_descriptors = queue.phys;
    common->queue_available = queue.available_phys;
    common->queue_used = queue.used_phys;
    queue.notify = (volatile u16 *)(notify + common->queue_notify_off * multiplier);
    common->queue_enable = 1;
    common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
    queue.sectors = config[0] | (u64)config[1] << 32;
    return true;
}

bool disk_init(void)
{
    if (!pci_find(is_virtio_blk))
        return false;
    /* Memory, I/O and bus master on; no interrupt line. */
    pci_write(found_function, 4, (pci_read(found_function, 4) & 0xffff) | 0x407);
    bool has_ports = pci_read(found_function, 0x10) & 1 && pci_read(found_function, 0x10) > 3;
    return has_ports && (pci_read(found_function, 0) >> 16) == 0x1001 ? legacy_init() : modern_init();
}

u64 disk_sectors(void) { return queue.sectors; }

static void describe(u16 n, u64 phys, u32 length, u16 flags)
{
    queue.descriptors[n].address = phys;
    queue.descriptors[n].length = length;
    queue.descriptors[n].flags = flags;
    queue.descriptors[n].next = n + 1;
}

static bool request(u64 sector, const struct segment *to, u16 n)
{
    header->type = 0; /* VIRTIO_BLK_T_IN */
    header->sector = sector;
    *status = 0xff;
    describe(0, header_phys, 16, DESC_NEXT);
    for (u16 i = 0; i < n; i++)
        describe(i + 1, to[i].phys, to[i].bytes, DESC_NEXT | DESC_WRITE);
    describe(n + 1, header_phys + 64, 1, DESC_WRITE);
    u16 index = queue.available[1];
    queue.available[2 + index % queue.size] = 0;
    asm volatile("mfence" ::: "memory");
    queue.available[1] = index + 1;
    asm volatile("mfence" ::: "memory");
    if (queue.legacy_port)
        outw(queue.legacy_port + 16, 0);
    else
        *queue.notify = 0;
    for (u32 spins = 1; queue.used[1] == queue.seen; spins++) {
        pause();
        if (spins % 65536 == 0)
            acpi_poll_power_button();
    }
    queue.seen++;
    barrier();
    return *status == 0;
}

bool disk_read(u64 sector, const struct segment *to, u32 segments)
{
    u64 total = 0;
    for (u32 i = 0; i < segments; i++)
        total += to[i].bytes / SECTOR;
    if (sector > queue.sectors || total > queue.sectors - sector)
        return false;
    while (segments) {
        u32 n = min(min(segments, DISK_SEGMENTS_MAX), queue.size - 2u);
        if (!request(sector, to, (u16)n))
            return false;
        for (u32 i = 0; i < n; i++)
            sector += to[i].bytes / SECTOR;
        to += n;
        segments -= n;
    }
    return true;
}
