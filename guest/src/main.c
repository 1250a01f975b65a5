/* SPDX-License-Identifier: BSD-3-Clause */
/* From the loader's hand-over to power off. */
#include "acpi.h"
#include "boot.h"
#include "commands.h"
#include "console.h"
#include "disk.h"
#include "memory.h"
#include "paging.h"
#include "process.h"
#include "ramfs.h"
#include "time.h"
#include "vfs.h"

#define MAP_ENTRIES_MAX 128u

char command_line[COMMAND_LINE_MAX];

static struct memory_range map[MAP_ENTRIES_MAX];

/* What the loader left lies in memory that will be handed out: copy it first. */
static u64 take_start_info(u64 phys, u32 *entries)
{
    const struct start_info *info = phys_to_virt(phys);
    if (info->magic != START_INFO_MAGIC || info->version < 1)
        panic("the loader gave no start information");
    if (info->command_line) {
        const char *from = phys_to_virt(info->command_line);
        for (size_t i = 0; i < sizeof command_line - 1 && from[i]; i++)
            command_line[i] = from[i];
    }
    *entries = min(info->memory_map_entries, MAP_ENTRIES_MAX);
    memcpy(map, phys_to_virt(info->memory_map), *entries * sizeof map[0]);
    return info->rsdp;
}

/* The self-test must tell about the machine alone, with and without a disk. */
static bool is_self_test(const char *line)
{
    static const char command[] = "/proc/self-test";
    while (*line == ' ')
        line++;
    if (!starts_with(line, command))
        return false;
    for (line += strlen(command); *line == ' ';)
        line++;
    return !*line;
}

static void mount_root(const struct options *o, const char *line)
{
    bool asked = o->root && strcmp(o->root, "rofs");
    if (is_self_test(line) || o->no_mount || (o->root && !strcmp(o->root, "ramfs")))
        return;
    if (asked || !disk_init() || !vfs_mount_root())
        print("Could not mount %s root filesystem.\n", o->root ? o->root : "rofs");
}

/* The files of /init run before the command line, in the order of their names. */
static bool add_init_commands(struct commands *to)
{
    static char text[4096];
    struct commands *parsed = NULL;
    char last[NAME_LIMIT + 1] = "", name[NAME_LIMIT + 1];
    node directory;
    if (vfs_lookup(vfs_root(), "/init", FOLLOW, &directory) || (node_attributes(directory).mode & MODE_TYPE) != MODE_DIR)
        return true;
    for (;;) {
        node best;
        bool found = false;
        struct entry e;
        for (u64 at = 2; node_entry(directory, at, &e); at = e.next) {
            char current[NAME_LIMIT + 1];
            size_t n = min(e.length, (size_t)NAME_LIMIT);
            memcpy(current, e.name, n);
            current[n] = 0;
            if (strcmp(current, last) <= 0 || (found && strcmp(current, name) >= 0))
                continue;
            memcpy(name, current, n + 1);
            best = e.target;
            found = true;
        }
        if (!found)
            return true;
        memcpy(last, name, sizeof last);
        s64 size = file_read_kernel(best, 0, text, sizeof text - 1);
        text[max(size, 0l)] = 0;
        parsed = parsed ? parsed : commands_new();
        parsed->count = parsed->word_count = 0;
        if (commands_parse(text, parsed) && !commands_expand(parsed, to))
            return false;
    }
}

static void parse_commands(const char *line, const struct options *o, struct commands *to)
{
    struct commands *parsed = commands_new();
    if (!commands_parse(line, parsed)) {
        print("Failed to parse command line.\n");
        power_off();
    }
    if (!parsed->count) {
        print("This image has an empty command line. Nothing to run.\n");
        power_off();
    }
    if ((!o->no_init && !add_init_commands(to)) || !commands_expand(parsed, to)) {
        print("Failed to parse command line.\n");
        power_off();
    }
    if (!to->count) {
        print("This image has an empty command line. Nothing to run.\n");
        power_off();
    }
}

static void run_commands(struct commands *c)
{
    bool told = false;
    for (u32 i = 0; i < c->count; i++) {
        char separator = c->list[i].separator;
        if ((separator == '&' || separator == 'D') && !told) {
            print("Capstan demo kernel: & has no background here, commands run one after the other.\n");
            told = true;
        }
        int status = process_run(&c->words[c->list[i].first], environment());
        if (status < 0)
            power_off();
        if (status)
            print("program exited with status %d\n", status);
    }
}

/* Called by entry.S. */
void kernel_main(u64 start_info)
{
    static struct options options;
    struct commands *commands;
    u32 entries;
    time_init();
    console_init();
    u64 rsdp = take_start_info(start_info, &entries);
    print("Capstan demo kernel " KERNEL_VERSION " (for demos and tests; not OSv)\n");
    paging_init();
    memory_init(map, entries);
    acpi_init(rsdp);
    interrupts_init();
    ram_init();

    char *line = options_parse(command_line, &options);
    for (u64 until = options.delay_ms * 1000000; until && time_since_boot() < until;)
        acpi_poll_power_button();
    mount_root(&options, line);
    process.directory = vfs_root();
    if (options.directory && vfs_lookup(vfs_root(), options.directory, FOLLOW, &process.directory))
        print("chdir: %s: No such file or directory\n", options.directory);
    if (options.verbose)
        print("%lu MiB of memory, %lu MiB free, %lu us since the kernel's start\n", memory_total() >> 20, memory_free() >> 20, time_since_boot() / 1000);
    print("Cmdline: %s\n", line);
    commands = commands_new();
    parse_commands(line, &options, commands);
    run_commands(commands);
    power_off();
}
