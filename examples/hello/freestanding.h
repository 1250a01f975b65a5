/* The functions that hello.c needs, on Linux system calls of x86-64 (System V ABI, Linux syscall table). */
#ifndef FREESTANDING_H
#define FREESTANDING_H

#include <stddef.h>

typedef long ssize_t;
#define O_RDONLY 0

static char **environment;

static long system_call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static ssize_t read(int file, void *to, size_t size) { return system_call(0, file, (long)to, (long)size); }
static ssize_t write(int file, const void *from, size_t size) { return system_call(1, file, (long)from, (long)size); }
static int open(const char *path, int flags) { return (int)system_call(2, (long)path, flags, 0); }
static int close(int file) { return (int)system_call(3, file, 0, 0); }

static size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}

static const char *getenv(const char *name)
{
    for (char **entry = environment; *entry != NULL; entry++) {
        const char *text = *entry, *wanted = name;
        while (*wanted != '\0' && *text == *wanted) {
            text++;
            wanted++;
        }
        if (*wanted == '\0' && *text == '=')
            return text + 1;
    }
    return NULL;
}

int main(int argc, char **argv);

__attribute__((noreturn, used)) static void start(long *stack)
{
    int argc = (int)stack[0];
    char **argv = (char **)(stack + 1);
    environment = argv + argc + 1;
    system_call(231, main(argc, argv), 0, 0);
    __builtin_unreachable();
}

/* The stack holds argc, argv and the environment at the entry. */
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n");

#endif
