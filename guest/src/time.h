/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TIME_H
#define TIME_H
#include "base.h"

void time_init(void);
u64 time_since_boot(void);      /* nanoseconds */
u64 time_of_day(void);          /* nanoseconds since 1970 */

#endif
