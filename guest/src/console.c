/* SPDX-License-Identifier: BSD-3-Clause */
/* The console: first serial port, a 16550 with FIFOs, polled. */
#include "console.h"
#include "acpi.h"
#include "x86.h"

#define COM1 0x3f8
#define LINE_STATUS (COM1 + 5)
#define DATA_READY 0x01
#define TRANSMIT_EMPTY 0x20
#define FIFO_SIZE 16

static char input[256];
static size_t input_count;

void console_init(void)
{
    outb(COM1 + 1, 0);          /* no interrupts */
    outb(COM1 + 3, 0x80);       /* divisor latch: 115200 baud */
    outb(COM1 + 0, 1);
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 0x03);       /* 8 data bits, no parity, 1 stop bit */
    outb(COM1 + 2, 0xc7);       /* FIFOs on and empty; QEMU fills up to this trigger level, 14, at once */
    outb(COM1 + 4, 0x0b);       /* DTR, RTS, OUT2 */
}

static void send(const char *data, size_t n)
{
    while (n) {
        for (u32 spins = 1; !(inb(LINE_STATUS) & TRANSMIT_EMPTY); spins++) {
            pause();
            if (spins % 4096 == 0)
                acpi_poll_power_button(); /* the reader may be gone for good */
        }
        size_t part = min(n, FIFO_SIZE);
        outb_many(COM1, data, part);
        data += part;
        n -= part;
    }
}

void console_write(const char *data, size_t n)
{
    char out[256];
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (data[i] == '\n')
            out[used++] = '\r';
        out[used++] = data[i];
        if (used >= sizeof out - 1) {
            send(out, used);
            used = 0;
        }
    }
    send(out, used);
}

static void receive(void)
{
    /* An absent port reads 0xff for ever; a present one never shows all bits. */
    while (input_count < sizeof input) {
        u8 status = inb(LINE_STATUS);
        if (!(status & DATA_READY) || status == 0xff)
            return;
        input[input_count++] = (char)inb(COM1);
    }
}

bool console_has_input(void)
{
    receive();
    return input_count > 0;
}

size_t console_take(char *to, size_t n)
{
    receive();
    n = min(n, input_count);
    memcpy(to, input, n);
    memmove(input, input + n, input_count - n);
    input_count -= n;
    return n;
}

static void put_console(void *to, const char *s, size_t n)
{
    (void)to;
    console_write(s, n);
}

void print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    format_text(put_console, NULL, format, args);
    va_end(args);
}

void panic(const char *format, ...)
{
    va_list args;
    print("Assertion failed: ");
    va_start(args, format);
    format_text(put_console, NULL, format, args);
    va_end(args);
    print("\nAborted\n");
    power_off();
}
