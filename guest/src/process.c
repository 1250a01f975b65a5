/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting and ending the one program. */
#include "process.h"
#include "acpi.h"
#include "errno.h"
#include "paging.h"
#include "pseudofs.h"
#include "ramfs.h"
#include "time.h"

#define STACK_SIZE (8ul << 20)
#define VECTOR_MAX 16384u

enum {
    AT_NULL = 0, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_FLAGS = 8, AT_ENTRY = 9,
    AT_UID = 11, AT_EUID = 12, AT_GID = 13, AT_EGID = 14, AT_PLATFORM = 15, AT_HWCAP = 16, AT_CLKTCK = 17,
    AT_SECURE = 23, AT_RANDOM = 25, AT_HWCAP2 = 26, AT_EXECFN = 31,
};

struct process process;

extern int run_user(struct frame *f);
extern noreturn void leave_user(int status);

/* Names without a slash are looked for where OSv's linker looks. */
static int find_program(const char *name, char *path, size_t size, node *found)
{
    static const char *const places[] = {"", "/", "/usr/lib/"};
    for (u32 i = find_char(name, '/') ? 0 : 1; i < count_of(places); i++) {
        struct text t = {path, size - 1, 0};
        text_add(&t, "%s%s", places[i], name);
        if (t.length >= size)
            return -ENAMETOOLONG;
        path[t.length] = 0;
        if (!vfs_lookup(process.directory, path, FOLLOW, found))
            return 0;
        if (i == 0)
            break;
    }
    return -ENOENT;
}

static u64 push_string(u64 *sp, const char *s)
{
    size_t n = strlen(s) + 1;
    *sp -= n;
    return copy_out(*sp, s, n) ? 0 : *sp;
}

static bool push_strings(u64 *sp, char **strings, u64 *vector, u32 *count)
{
    for (; *strings; strings++) {
        u64 at = *count < VECTOR_MAX - 64 ? push_string(sp, *strings) : 0;
        if (!at)
            return false;
        vector[(*count)++] = at;
    }
    vector[(*count)++] = 0;
    return true;
}

/* The initial stack of the x86-64 ABI, 3.4.1. Returns its pointer, 0: no room. */
static u64 make_stack(const struct program *p, const char *path, char **argv, char **envp)
{
    static u64 vector[VECTOR_MAX];
    u64 sp = USER_STACK_TOP, random[2];
    u32 count = 1;
    if (area_map(sp - STACK_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE, false, (node){0}, 0))
        return 0;
    fill_random(random, sizeof random);
    u64 name_at = push_string(&sp, path), platform_at = push_string(&sp, "x86_64");
    sp = round_down(sp - sizeof random, 16);
    u64 random_at = sp;
    if (!name_at || !platform_at || copy_out(sp, random, sizeof random))
        return 0;
    if (!push_strings(&sp, argv, vector, &count))
        return 0;
    vector[0] = count - 2;
    if (!push_strings(&sp, envp, vector, &count))
        return 0;
    const u64 auxiliary[][2] = {
        {AT_PHDR, p->phdr}, {AT_PHENT, 56}, {AT_PHNUM, p->phnum}, {AT_PAGESZ, PAGE_SIZE}, {AT_BASE, p->base},
        {AT_FLAGS, 0}, {AT_ENTRY, p->entry}, {AT_UID, 0}, {AT_EUID, 0}, {AT_GID, 0}, {AT_EGID, 0}, {AT_SECURE, 0},
        {AT_HWCAP, cpuid(1, 0).edx}, {AT_HWCAP2, extra_hwcap2}, {AT_CLKTCK, 100}, {AT_PLATFORM, platform_at},
        {AT_RANDOM, random_at}, {AT_EXECFN, name_at}, {AT_NULL, 0},
    };
    memcpy(vector + count, auxiliary, sizeof auxiliary);
    u64 bytes = count * sizeof(u64) + sizeof auxiliary;
    sp = round_down(sp - bytes, 16);
    return copy_out(sp, vector, bytes) ? 0 : sp;
}

static void set_name(const char *path)
{
    const char *base = path;
    for (const char *p = path; *p; p++)
        if (*p == '/')
            base = p + 1;
    size_t n = min(strlen(base), sizeof process.name - 1);
    memset(process.name, 0, sizeof process.name);
    memcpy(process.name, base, n);
}

static void end_program(void)
{
    files_close_all();
    address_space_free();
    if (process.executable.system == FS_RAM)
        ram_drop(process.executable.id);
    process.executable = (node){0};
}

int process_run(char **argv, char **envp)
{
    static char path[PATH_LIMIT];
    char message[1024];
    struct text why = {message, sizeof message - 1, 0};
    struct program p = {0};
    node file, directory = process.directory;
    if (find_program(argv[0], path, sizeof path, &file)) {
        print("Failed to load object: %s. Powering off.\n", argv[0]);
        return -ENOENT;
    }
    memset(&process, 0, sizeof process);
    process.directory = directory;
    process.executable = file;
    if (file.system == FS_RAM)
        ram_hold(file.id);
    process.umask = 022;
    set_name(path);
    int error = elf_load(file, argv[0], &p, &why);
    u64 sp = error ? 0 : make_stack(&p, path, argv, envp);
    if (!sp) {
        message[min(why.length, why.size)] = 0;
        print("%s. Powering off.\n", error ? message : "Failed to start the program: too little memory");
        end_program();
        return -ENOEXEC;
    }
    process.break_start = process.break_end = p.break_start;
    for (int i = 0; i < 3; i++)
        file_open_at(i, (node){FS_PSEUDO, DEV_CONSOLE}, 2);
    write_msr(0xc0000100, 0); /* FS base */
    write_msr(0xc0000101, 0); /* GS base */
    reset_fpu();
    struct frame f = {.rip = p.interpreter_entry, .cs = USER_CS, .rflags = 0x202, .rsp = sp, .ss = USER_SS};
    int status = run_user(&f);
    end_program();
    return status;
}

void process_exit(int status) { leave_user(status & 0xff); }

static void print_backtrace(const struct frame *f)
{
    u64 link[2], at = f->rbp;
    print("\n[backtrace]\n0x%016lx\n", f->rip);
    /* Frame pointers as far as they make sense; programs may use the register
       for anything. */
    for (u32 n = 0; n < 16 && f->cs == USER_CS; n++) {
        if (at % 8 || copy_in(link, at, sizeof link) || link[0] <= at || !area_at(link[1]))
            break;
        print("0x%016lx\n", link[1]);
        at = link[0];
    }
}

static void print_registers(const struct frame *f)
{
    print("[registers]\nRIP: 0x%016lx  RSP: 0x%016lx  RFL: 0x%016lx  CS:  0x%016lx\n", f->rip, f->rsp, f->rflags, f->cs);
    print("RAX: 0x%016lx  RBX: 0x%016lx  RCX: 0x%016lx  RDX: 0x%016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    print("RSI: 0x%016lx  RDI: 0x%016lx  RBP: 0x%016lx  R8:  0x%016lx\n", f->rsi, f->rdi, f->rbp, f->r8);
    print("R9:  0x%016lx  R10: 0x%016lx  R11: 0x%016lx  R12: 0x%016lx\n", f->r9, f->r10, f->r11, f->r12);
    print("R13: 0x%016lx  R14: 0x%016lx  R15: 0x%016lx  ERR: 0x%016lx\n", f->r13, f->r14, f->r15, f->error);
}

void process_crash(const struct frame *f, const char *why, u64 address)
{
    static bool crashing;
    if (crashing)
        power_off();
    crashing = true;
    print("%s, addr: 0x%016lx (program %s)\n", why, address, process.name[0] ? process.name : "none");
    print_registers(f);
    struct area *a = f->cs == USER_CS ? area_at(f->rip) : NULL;
    char path[PATH_LIMIT];
    if (a && a->file.system && vfs_path_of(a->file, path, sizeof path) > 0)
        print("in %s at file offset 0x%lx\n", path, f->rip - a->start + a->offset);
    if (process.last_missing)
        print("Before, the program asked for system call %lu (%s), which the demo kernel lacks.\n", process.last_missing, system_call_name(process.last_missing));
    print("Aborted\n");
    print_backtrace(f);
    power_off();
}
