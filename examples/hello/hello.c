/*
 * Prints a greeting, its arguments, one environment variable and a file of the image.
 *
 * Built twice: `hello` is an ordinary dynamic program, as OSv runs it on its own C library;
 * `hello-static` brings the few functions that it needs itself (-DFREESTANDING), so that it also
 * runs where no C library is in the image.
 */
#ifdef FREESTANDING
#include "freestanding.h"
#else
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#endif

static void put(const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t written = write(1, text, left);
        if (written <= 0)
            return;
        text += written;
        left -= (size_t)written;
    }
}

static int put_file(const char *path)
{
    char buffer[512];
    ssize_t got;
    int file = open(path, O_RDONLY);
    if (file < 0)
        return -1;
    while ((got = read(file, buffer, sizeof buffer - 1)) > 0) {
        buffer[got] = '\0';
        put(buffer);
    }
    close(file);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = getenv("NAME");

    put("Hello, ");
    put(name != NULL && *name != '\0' ? name : "world");
    put("!\n");
    for (int i = 1; i < argc; i++) {
        put("argument: [");
        put(argv[i]);
        put("]\n");
    }
    if (put_file("/etc/greeting.txt") != 0) {
        put("hello: /etc/greeting.txt is missing\n");
        return 1;
    }
    return 0;
}
