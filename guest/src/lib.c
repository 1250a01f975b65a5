/* SPDX-License-Identifier: BSD-3-Clause */
/* The few library functions that a freestanding kernel has to bring along. */
#include "base.h"

/* Plain 64-bit loops: under emulation (TCG) they beat the string
   instructions, which it executes one element at a time. */
typedef u64 __attribute__((may_alias, aligned(1))) word;

void *memcpy(void *to, const void *from, size_t n)
{
    u8 *d = to;
    const u8 *s = from;
    for (; n >= 32; n -= 32, d += 32, s += 32) {
        word a = ((const word *)s)[0], b = ((const word *)s)[1];
        word c = ((const word *)s)[2], e = ((const word *)s)[3];
        ((word *)d)[0] = a;
        ((word *)d)[1] = b;
        ((word *)d)[2] = c;
        ((word *)d)[3] = e;
    }
    while (n--)
        *d++ = *s++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    u8 *d = to;
    const u8 *s = from;
    if (d <= s || d >= s + n)
        return memcpy(to, from, n);
    while (n--)
        d[n] = s[n];
    return to;
}

void *memset(void *to, int c, size_t n)
{
    u8 *d = to;
    u64 fill = 0x0101010101010101ul * (u8)c;
    for (; n >= 32; n -= 32, d += 32) {
        ((word *)d)[0] = fill;
        ((word *)d)[1] = fill;
        ((word *)d)[2] = fill;
        ((word *)d)[3] = fill;
    }
    while (n--)
        *d++ = (u8)c;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}

bool starts_with(const char *s, const char *prefix)
{
    while (*prefix)
        if (*s++ != *prefix++)
            return false;
    return true;
}

char *find_char(const char *s, char c)
{
    for (; *s; s++)
        if (*s == c)
            return (char *)s;
    return NULL;
}

char *find_string(const char *s, const char *part)
{
    for (; *s; s++)
        if (starts_with(s, part))
            return (char *)s;
    return NULL;
}

bool parse_unsigned(const char *s, u64 *value)
{
    u64 v = 0;
    if (!*s)
        return false;
    for (; *s >= '0' && *s <= '9' && v < (1ul << 56); s++)
        v = v * 10 + (u64)(*s - '0');
    *value = v;
    return *s == 0;
}

static size_t format_number(char *end, u64 v, unsigned base)
{
    size_t n = 0;
    do {
        end[-++n] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    return n;
}

void format_text(void (*put)(void *, const char *, size_t), void *to, const char *format, va_list args)
{
    for (;;) {
        const char *start = format;
        while (*format && *format != '%')
            format++;
        if (format > start)
            put(to, start, (size_t)(format - start));
        if (!*format)
            return;
        format++;
        char pad = ' ';
        size_t width = 0, n;
        int longs = 0;
        if (*format == '0')
            pad = '0';
        for (; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + (size_t)(*format - '0');
        for (; *format == 'l'; format++)
            longs++;
        char digits[40];
        const char *text;
        switch (*format++) {
        case 's':
            text = va_arg(args, const char *);
            if (!text)
                text = "(null)";
            n = strlen(text);
            break;
        case 'c':
            digits[0] = (char)va_arg(args, int);
            text = digits;
            n = 1;
            break;
        case 'd': {
            s64 v = longs ? va_arg(args, s64) : va_arg(args, int);
            n = format_number(digits + 40, v < 0 ? -(u64)v : (u64)v, 10);
            if (v < 0)
                digits[40 - ++n] = '-';
            text = digits + 40 - n;
            break;
        }
        case 'p':
            longs = 1; /* fall through */
        case 'x':
            n = format_number(digits + 40, longs ? va_arg(args, u64) : va_arg(args, u32), 16);
            text = digits + 40 - n;
            break;
        case 'u':
            n = format_number(digits + 40, longs ? va_arg(args, u64) : va_arg(args, u32), 10);
            text = digits + 40 - n;
            break;
        default:
            text = format - 1;
            n = 1;
        }
        for (; width > n; width--)
            put(to, &pad, 1);
        put(to, text, n);
    }
}

static void put_text(void *to, const char *s, size_t n)
{
    struct text *t = to;
    for (size_t i = 0; i < n; i++, t->length++)
        if (t->length < t->size)
            t->at[t->length] = s[i];
}

void text_add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    format_text(put_text, t, format, args);
    va_end(args);
}
