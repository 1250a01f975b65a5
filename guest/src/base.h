/* SPDX-License-Identifier: BSD-3-Clause */
/* Types and the small library that every file of the kernel uses. */
#ifndef BASE_H
#define BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define KERNEL_VERSION "1.0"

#define PAGE_SIZE 4096ul
#define PAGE_MASK (PAGE_SIZE - 1)
#define round_down(x, a) ((x) & ~((u64)(a) - 1))
#define round_up(x, a) (((x) + (u64)(a) - 1) & ~((u64)(a) - 1))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define count_of(a) (sizeof(a) / sizeof((a)[0]))
#define noreturn __attribute__((noreturn))
#define packed __attribute__((packed))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

/* All physical memory is visible here; the kernel image itself is linked at
   KERNEL_BASE + its physical address. Both are reached from 64-bit code only. */
#define DIRECT_MAP 0xffff800000000000ul
#define KERNEL_BASE 0xffffffff80000000ul
#define phys_to_virt(p) ((void *)((u64)(p) + DIRECT_MAP))
#define virt_to_phys(v) ((u64)(v) - DIRECT_MAP)

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
bool starts_with(const char *s, const char *prefix);
char *find_char(const char *s, char c);
char *find_string(const char *s, const char *part);
bool parse_unsigned(const char *s, u64 *value);

/* Text collected in a caller's buffer; `length` may exceed `size` and then
   tells how much there would have been. */
struct text {
    char *at;
    size_t size, length;
};
void text_add(struct text *t, const char *format, ...) printf_like(2, 3);
void format_text(void (*put)(void *, const char *, size_t), void *to, const char *format, va_list args);

/* Kernel messages on the console. Understands %s %c %d %u %x %p with l, and
   0 and a width. */
void print(const char *format, ...) printf_like(1, 2);
noreturn void panic(const char *format, ...) printf_like(1, 2);

#endif
