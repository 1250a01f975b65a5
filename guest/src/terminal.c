/* SPDX-License-Identifier: BSD-3-Clause */
/* The console as a terminal without lines: a read returns what is there. It
   echoes as OSv's does, unless the program turns that off. */
#include "terminal.h"
#include "acpi.h"
#include "console.h"
#include "errno.h"
#include "process.h"
#include "time.h"

#define BURST_NS 5000000ul
#define CONTROL_C 3
#define CONTROL_D 4
#define INPUT_CR_TO_NL 0x100u
#define LOCAL_SIGNALS 0x1u
#define LOCAL_CANONICAL 0x2u
#define LOCAL_ECHO 0x8u

#define TCGETS 0x5401
#define TCSETS 0x5402
#define TCSETSF 0x5404
#define TIOCGPGRP 0x540f
#define TIOCSPGRP 0x5410
#define TIOCGWINSZ 0x5413
#define FIONREAD 0x541b

static struct {
    u32 input, output, control, local;
    u8 line, characters[19];
} settings = {
    INPUT_CR_TO_NL, 5, 0xbf, LOCAL_SIGNALS | LOCAL_CANONICAL | LOCAL_ECHO, 0,
    {CONTROL_C, 28, 127, 21, CONTROL_D, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22},
};
static bool at_end;

bool terminal_ready(void) { return at_end || console_has_input(); }

/* A line that is pasted or piped arrives in pieces of a FIFO's size; a moment's
   patience keeps it, and its echo, together. */
static size_t gather(char *to, size_t n)
{
    u64 deadline = time_since_boot() + BURST_NS;
    size_t got = 0;
    do {
        size_t more = console_take(to + got, n - got);
        if (more)
            deadline = time_since_boot() + BURST_NS;
        got += more;
    } while (got < n && to[got - 1] != '\n' && to[got - 1] != '\r' && time_since_boot() < deadline);
    return got;
}

s64 terminal_read(u64 to, u64 n, bool wait)
{
    char buffer[256], *kept = buffer;
    if (!n)
        return 0;
    while (!terminal_ready()) {
        if (!wait)
            return -EAGAIN;
        idle(); /* until the next tick at the latest: 10 ms */
        acpi_poll_power_button();
    }
    if (at_end) {
        at_end = false;
        return 0;
    }
    size_t got = gather(buffer, min(n, sizeof buffer));
    for (size_t i = 0; i < got; i++) {
        char c = buffer[i];
        if (c == '\r' && settings.input & INPUT_CR_TO_NL)
            c = '\n';
        if (c == CONTROL_C && settings.local & LOCAL_SIGNALS)
            process_exit(130); /* as a shell reports SIGINT */
        if (c == CONTROL_D && settings.local & LOCAL_CANONICAL) {
            at_end = kept > buffer; /* what came before it is read first */
            break;
        }
        *kept++ = c;
    }
    size_t count = (size_t)(kept - buffer);
    if (settings.local & LOCAL_ECHO)
        console_write(buffer, count);
    return copy_out(to, buffer, count) ? -EFAULT : (s64)count;
}

s64 terminal_ioctl(u64 request, u64 argument)
{
    static const u16 window[4] = {24, 80, 0, 0};
    u32 number = 1;
    switch (request) {
    case TCGETS: return copy_out(argument, &settings, 36);
    case TCSETS ... TCSETSF: return copy_in(&settings, argument, 36);
    case TIOCGWINSZ: return copy_out(argument, window, sizeof window);
    case TIOCGPGRP: return copy_out(argument, &number, sizeof number);
    case TIOCSPGRP: return 0;
    case FIONREAD: number = console_has_input(); return copy_out(argument, &number, sizeof number);
    default: return -ENOTTY;
    }
}
