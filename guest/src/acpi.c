/* SPDX-License-Identifier: BSD-3-Clause */
/* Power: the fixed power button and soft off, by the ACPI specification 6.4,
   chapters 4.8.3 (PM1 registers) and 5.2 (tables). */
#include "acpi.h"
#include "memory.h"
#include "x86.h"

#define PM1_POWER_BUTTON 0x0100
#define PM1_SCI_ENABLE 0x0001
/* SLP_EN with SLP_TYP 0, which is \_S5 on the QEMU machines pc and q35. */
#define PM1_SOFT_OFF 0x2000

static u16 pm1_event, pm1_control;

/* Tables lie anywhere in memory that the direct map has; anything else is
   treated as absent. */
static const u8 *table(u64 phys, const char *signature, u32 least)
{
    if (!phys || phys + least > memory_direct_end())
        return NULL;
    const u8 *t = phys_to_virt(phys);
    if (memcmp(t, signature, strlen(signature)))
        return NULL;
    return t;
}

static u32 u32_at(const u8 *p) { u32 v; memcpy(&v, p, 4); return v; }
static u64 u64_at(const u8 *p) { u64 v; memcpy(&v, p, 8); return v; }

static const u8 *find_rsdp(u64 hint)
{
    const u8 *t = table(hint, "RSD PTR ", 36);
    for (u64 at = 0xe0000; !t && at < 0x100000; at += 16)
        t = table(at, "RSD PTR ", 36);
    return t;
}

static const u8 *find_fadt(const u8 *rsdp)
{
    bool wide = rsdp[15] >= 2 && u64_at(rsdp + 24);
    const u8 *root = wide ? table(u64_at(rsdp + 24), "XSDT", 36) : table(u32_at(rsdp + 16), "RSDT", 36);
    if (!root)
        return NULL;
    u32 length = min(u32_at(root + 4), 4096u), step = wide ? 8 : 4;
    for (u32 at = 36; at + step <= length; at += step) {
        const u8 *t = table(wide ? u64_at(root + at) : u32_at(root + at), "FACP", 116);
        if (t)
            return t;
    }
    return NULL;
}

void acpi_init(u64 rsdp_hint)
{
    const u8 *rsdp = find_rsdp(rsdp_hint);
    const u8 *fadt = rsdp ? find_fadt(rsdp) : NULL;
    if (!fadt)
        return;
    pm1_event = (u16)u32_at(fadt + 56);
    pm1_control = (u16)u32_at(fadt + 64);
    u16 smi_command = (u16)u32_at(fadt + 48);
    if (pm1_control && smi_command && fadt[52] && !(inw(pm1_control) & PM1_SCI_ENABLE))
        outb(smi_command, fadt[52]);
    if (pm1_event) {
        outw(pm1_event, PM1_POWER_BUTTON);
        u8 half = fadt[88] / 2; /* PM1_EVT_LEN: status, then enable */
        outw(pm1_event + (half ? half : 2), PM1_POWER_BUTTON);
    }
}

void acpi_poll_power_button(void)
{
    if (pm1_event && (inw(pm1_event) & PM1_POWER_BUTTON)) {
        outw(pm1_event, PM1_POWER_BUTTON);
        power_off();
    }
}

void power_off(void)
{
    if (pm1_control)
        outw(pm1_control, PM1_SOFT_OFF);
    /* Without tables: the ports of QEMU's pc and q35, and of older ones. */
    outw(0x604, PM1_SOFT_OFF);
    outw(0xb004, PM1_SOFT_OFF);
    for (;;)
        asm volatile("cli; hlt");
}
