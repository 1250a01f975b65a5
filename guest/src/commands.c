/* SPDX-License-Identifier: BSD-3-Clause */
/* The grammar of OSv's commands (the facts are in core/commands.cc there):
   words end at a blank, only double quotes group, a later command that does
   not parse is dropped with everything after it. */
#include "commands.h"
#include "memory.h"
#include "acpi.h"
#include "errno.h"
#include "process.h"

#define ENVIRONMENT_MAX 512u
#define SCRIPT_MAX 65536u

static char *variables[ENVIRONMENT_MAX + 1];

/* Text that stays until the machine is switched off. */
static char *keep(const char *s, size_t n)
{
    static char *at;
    static size_t left;
    if (n + 1 > left) {
        left = max(n + 1, 65536ul);
        at = memory_reserve(left);
        if (!at)
            panic("too little memory for the command line");
    }
    char *kept = memcpy(at, s, n);
    kept[n] = 0;
    at += n + 1;
    left -= n + 1;
    return kept;
}

struct commands *commands_new(void)
{
    struct commands *c = memory_reserve(sizeof *c);
    if (!c)
        panic("too little memory for the command line");
    return c;
}

char **environment(void) { return variables; }

static u32 find_variable(const char *name, size_t length)
{
    u32 i = 0;
    while (variables[i] && (memcmp(variables[i], name, length) || variables[i][length] != '='))
        i++;
    return i;
}

const char *environment_get(const char *name, size_t length)
{
    u32 i = find_variable(name, length);
    return length && variables[i] ? variables[i] + length + 1 : NULL;
}

void environment_set(const char *name, size_t length, const char *value)
{
    u32 i = find_variable(name, length);
    if (!length || i == ENVIRONMENT_MAX)
        return;
    size_t value_length = strlen(value);
    char *text = keep(name, length + 1 + value_length);
    text[length] = '=';
    memcpy(text + length + 1, value, value_length);
    variables[i] = text;
}

static void environment_remove(const char *name)
{
    u32 i = find_variable(name, strlen(name));
    for (; variables[i]; i++)
        variables[i] = variables[i + 1];
}

/* ---- loader options ---- */

static noreturn void usage(void)
{
    print("Options of the Capstan demo kernel (those of OSv; most have no meaning here and are ignored):\n"
          "  --help --verbose --env=NAME=VALUE --cwd=DIRECTORY --rootfs=rofs --nomount --noinit --delay=SECONDS\n");
    power_off();
}

static u64 parse_delay(const char *s)
{
    u64 ms = 0, unit = 100;
    for (; *s >= '0' && *s <= '9' && ms < 100000000; s++)
        ms = ms * 10 + (u64)(*s - '0') * 1000;
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
            ms += (u64)(*s - '0') * unit;
    if (*s) {
        print("the argument for option '--delay' is invalid\n");
        usage();
    }
    return ms;
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(name, *list))
            return true;
    return false;
}

static void set_variable(char *value)
{
    char *equals = find_char(value, '=');
    if (equals)
        environment_set(value, (size_t)(equals - value), equals + 1);
    else
        environment_remove(value);
}

static void apply_option(char *name, char *value, struct options *o)
{
    static const char *const flags[] = {
        "help", "verbose", "nomount", "noinit", "norandom", "noshutdown", "power-off-on-abort", "bootchart", "nopivot",
        "disable_rofs_cache", "nopci", "extra-zfs-pools", "preload-zfs-library", "assign-net", "leak", "trace-backtrace",
        "trace-list", "strace", NULL};
    static const char *const with_value[] = {
        "env", "cwd", "rootfs", "delay", "console", "ip", "defaultgw", "nameserver", "maxnic", "mount-fs", "redirect",
        "sampler", "trace", NULL};
    if (!is_one_of(name, value ? with_value : flags)) {
        if (value ? is_one_of(name, flags) : is_one_of(name, with_value))
            print(value ? "option '--%s' does not take any arguments\n" : "the required argument for option '--%s' is missing\n", name);
        else
            print("unrecognized option: %s\n", name);
        usage();
    }
    if (!value) {
        o->help |= !strcmp(name, "help");
        o->verbose |= !strcmp(name, "verbose");
        o->no_mount |= !strcmp(name, "nomount");
        o->no_init |= !strcmp(name, "noinit");
    } else if (!strcmp(name, "env"))
        set_variable(value);
    else if (!strcmp(name, "cwd"))
        o->directory = o->directory ? o->directory : value;
    else if (!strcmp(name, "rootfs"))
        o->root = o->root ? o->root : value;
    else if (!strcmp(name, "delay"))
        o->delay_ms = parse_delay(value);
}

static bool is_separator(char c) { return c == ' ' || c == '\t' || c == '\n'; }

char *options_parse(char *line, struct options *o)
{
    for (;;) {
        char *start = line;
        while (is_separator(*line))
            line++;
        if (*line != '-')
            return start;
        /* \X stands for X, whatever X is, and does not end the option. */
        char *option = line, *to = line;
        while (*line && !is_separator(*line)) {
            if (*line == '\\' && !*++line)
                break;
            *to++ = *line++;
        }
        bool more = *line != 0;
        *to = 0;
        if (!starts_with(option, "--")) {
            print("not an option: %s\n", option);
            usage();
        }
        char *value = find_char(option, '=');
        if (value) {
            *value++ = 0;
            if (!*value) {
                print("the required argument for option '%s' is missing\n", option);
                usage();
            }
        }
        apply_option(option + 2, value, o);
        if (!more)
            return line;
        line++;
    }
}

/* ---- commands ---- */

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_plain(char c) { return c && c != ' ' && c != ';' && c != '&' && c != '!' && (u8)c < 0x80; }

/* One character of a word, after escapes. */
static char take_character(const char **p)
{
    static const char names[] = "abfnrtv\\'\"", values[] = "\a\b\f\n\r\t\v\\'\"";
    const char *found = (*p)[0] == '\\' && (*p)[1] ? find_char(names, (*p)[1]) : NULL;
    char c = found ? values[found - names] : **p;
    *p += found ? 2 : 1;
    return c;
}

/* Takes a quoted or a plain word at *p into `to`; false when there is none. */
static bool take_word(const char **p, char *to, size_t *length)
{
    const char *s = *p;
    size_t n = 0;
    if (*s == '"') {
        for (s++; *s && *s != '"' && (u8)*s < 0x80;)
            to[n++] = take_character(&s);
        if (*s == '"') {
            *p = s + 1;
            *length = n;
            return true;
        }
        s = *p; /* no closing quote: the quote is an ordinary character */
        n = 0;
    }
    while (is_plain(*s))
        to[n++] = take_character(&s);
    *p = s;
    *length = n;
    return n > 0;
}

static bool add_word(struct commands *c, char *word)
{
    if (c->word_count == WORDS_MAX)
        return false;
    c->words[c->word_count++] = word;
    return true;
}

/* One command at *p; false (and nothing added) when it does not parse. */
static bool take_command(const char **p, struct commands *c, char *scratch)
{
    u32 first = c->word_count;
    size_t length;
    const char *s = *p;
    for (;;) {
        while (is_space(*s))
            s++;
        if (!take_word(&s, scratch, &length))
            break;
        if (!add_word(c, keep(scratch, length)))
            return false;
    }
    bool ends = !*s || *s == ';' || *s == '&' || *s == '!';
    if (c->word_count == first || !ends || c->count == COMMANDS_MAX || !add_word(c, NULL)) {
        c->word_count = first;
        return false;
    }
    char separator = *s ? *s++ : ';';
    if (separator == '&' && *s == '!') {
        separator = 'D';
        s++;
    }
    c->list[c->count++] = (struct command){first, separator};
    *p = s;
    return true;
}

bool commands_parse(const char *line, struct commands *c)
{
    static char scratch[SCRIPT_MAX];
    const char *p = line;
    while (is_space(*p) || *p == ';')
        p++;
    if (!*p)
        return true;
    p = line;
    if (strlen(line) >= sizeof scratch || !take_command(&p, c, scratch))
        return false;
    while (take_command(&p, c, scratch))
        ;
    return true;
}

/* Everything after the first $ is the variable's name. */
static char *expand_word(char *word)
{
    const char *dollar = find_char(word, '$');
    if (!dollar)
        return word;
    const char *value = environment_get(dollar + 1, strlen(dollar + 1));
    size_t head = (size_t)(dollar - word), n = value ? strlen(value) : 0;
    char *text = keep(word, head + n);
    if (n)
        memcpy(text + head, value, n);
    text[head + n] = 0;
    return text;
}

static void script_usage(const char *word, const char *expected)
{
    print("%s '%s'\nrunscript options:\n  --env=NAME=VALUE or --env=NAME?=VALUE\n", expected, word);
    power_off();
}

static void apply_script_option(const char *word)
{
    if (!starts_with(word, "--env="))
        script_usage(word, "unrecognised option");
    const char *name = word + 6, *question = find_string(name, "?="), *equals = find_char(name, '=');
    if (!equals)
        script_usage(word, "expected 'KEY(?)=value' but instead got");
    size_t length = (size_t)((question ? question : equals) - name);
    const char *value = question ? question + 2 : equals + 1;
    if (!(question && environment_get(name, length)))
        environment_set(name, length, expand_word((char *)value));
}

static bool append(struct commands *to, char **words, char separator)
{
    u32 first = to->word_count;
    if (to->count == COMMANDS_MAX)
        return false;
    for (; *words; words++)
        if (!add_word(to, expand_word(*words)))
            return false;
    to->list[to->count++] = (struct command){first, separator};
    return add_word(to, NULL);
}

static bool run_script_line(char *line, struct commands *to)
{
    static struct commands *parsed;
    if (!parsed)
        parsed = commands_new();
    parsed->count = parsed->word_count = 0;
    if (!commands_parse(line, parsed))
        return false;
    /* All options of a line hold before its commands are expanded. */
    for (u32 i = 0; i < parsed->count; i++)
        for (char **w = &parsed->words[parsed->list[i].first]; *w && (*w)[0] == '-'; w++)
            apply_script_option(*w);
    for (u32 i = 0; i < parsed->count; i++) {
        char **w = &parsed->words[parsed->list[i].first];
        while (*w && (*w)[0] == '-')
            w++;
        if (*w && !append(to, w, parsed->list[i].separator))
            return false;
    }
    return true;
}

static bool run_script(const char *name, struct commands *to)
{
    static char script[SCRIPT_MAX];
    node file;
    s64 size = -1;
    if (!vfs_lookup(process.directory, name, FOLLOW, &file) && (node_attributes(file).mode & MODE_TYPE) == MODE_FILE)
        size = file_read_kernel(file, 0, script, sizeof script - 1);
    if (size < 0) {
        print("Failed to open runscript file '%s'.\n", name);
        return false;
    }
    script[size] = 0;
    u32 number = 0;
    for (char *line = script, *end = script + size; line < end; number++) {
        char *next = line;
        while (next < end && *next != '\n')
            next++;
        *next = 0;
        print("runscript expand fn='%s' line=%u '%s'\n", name, number, line);
        if (!run_script_line(line, to)) {
            print("Failed expanding runscript file='%s' line=%u '%s'.\n", name, number, line);
            return false;
        }
        line = next + 1;
    }
    return true;
}

bool commands_expand(struct commands *from, struct commands *to)
{
    for (u32 i = 0; i < from->count; i++)
        for (char **w = &from->words[from->list[i].first]; *w; w++)
            *w = expand_word(*w);
    for (u32 i = 0; i < from->count; i++) {
        char **w = &from->words[from->list[i].first];
        if (strcmp(*w, "runscript")) {
            /* Already expanded: a value may hold a $ that is not a name. */
            if (to->count == COMMANDS_MAX)
                return false;
            to->list[to->count++] = (struct command){to->word_count, from->list[i].separator};
            do
                if (!add_word(to, *w))
                    return false;
            while (*w++);
            continue;
        }
        if (!w[1] || w[2]) {
            print("Failed expanding runscript - filename missing or extra parameters present.\n");
            return false;
        }
        if (!run_script(w[1], to))
            return false;
    }
    return true;
}
