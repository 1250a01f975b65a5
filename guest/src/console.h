/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONSOLE_H
#define CONSOLE_H
#include "base.h"

void console_init(void);
void console_write(const char *data, size_t n);
/* Makes room for, and takes, bytes that have arrived; 0 when there are none. */
bool console_has_input(void);
size_t console_take(char *to, size_t n);

#endif
