/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PCI_H
#define PCI_H
#include "base.h"

/* A function's address in configuration mechanism 1: bus<<16 | device<<11 | function<<8. */
u32 pci_read(u32 function, u32 offset);
void pci_write(u32 function, u32 offset, u32 value);
/* Calls visit for every function until it returns true. */
bool pci_find(bool (*visit)(u32 function, u16 vendor, u16 device));
u64 pci_bar(u32 function, u32 number);      /* address; 0 if it is an I/O or an unset BAR */

#endif
