/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ACPI_H
#define ACPI_H
#include "base.h"

/* rsdp: physical address, or 0 to search the BIOS area. */
void acpi_init(u64 rsdp);
/* Ends everything and powers off if the power button was pressed. */
void acpi_poll_power_button(void);
noreturn void power_off(void);

#endif
