/* SPDX-License-Identifier: BSD-3-Clause */
/* OSv's command line: loader options, then commands. */
#ifndef COMMANDS_H
#define COMMANDS_H
#include "base.h"

#define COMMANDS_MAX 256u
#define WORDS_MAX 16384u      /* the longest command line has no more */

struct options {
    bool no_mount, no_init, verbose, help;
    const char *root, *directory;
    u64 delay_ms;
};

/* A command: words[first] up to a NULL; `separator` is ; & ! or D for "&!". */
struct command { u32 first; char separator; };
struct commands {
    struct command list[COMMANDS_MAX];
    char *words[WORDS_MAX];
    u32 count, word_count;
};

struct commands *commands_new(void);

/* Takes the leading options off; returns the rest. Power off on a wrong one. */
char *options_parse(char *line, struct options *o);

/* Parses a line and appends its commands. False: "Failed to parse". */
bool commands_parse(const char *line, struct commands *c);
/* $NAME in words, then `runscript FILE` by the commands of that file. */
bool commands_expand(struct commands *from, struct commands *to);

/* The environment, "NAME=value" each, ended by NULL. */
char **environment(void);
const char *environment_get(const char *name, size_t length);
void environment_set(const char *name, size_t length, const char *value);

#endif
