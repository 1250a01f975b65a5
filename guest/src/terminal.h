/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TERMINAL_H
#define TERMINAL_H
#include "base.h"

/* At least one byte, 0 at ^D, or -EAGAIN if there is nothing and wait is false. */
s64 terminal_read(u64 to, u64 n, bool wait);
bool terminal_ready(void);
s64 terminal_ioctl(u64 request, u64 argument);

#endif
