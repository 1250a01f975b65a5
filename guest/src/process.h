/* SPDX-License-Identifier: BSD-3-Clause */
/* The one program that runs, its address space and its open files. */
#ifndef PROCESS_H
#define PROCESS_H
#include "base.h"
#include "vfs.h"
#include "x86.h"

#define PROT_READ 1u
#define PROT_WRITE 2u
#define PROT_EXEC 4u

/* Part of the address space. `file` without system: anonymous memory. */
struct area {
    u64 start, end;
    u32 protection;
    bool shared;
    node file;
    u64 offset;             /* in the file, of `start` */
    struct area *next;      /* ordered by address */
};

/* address_space.c */
struct area *area_at(u64 address);
struct area *area_first(void);
u64 area_find_gap(u64 size);    /* 0: none */
int area_map(u64 start, u64 size, u32 protection, bool shared, node file, u64 offset);
int area_unmap(u64 start, u64 size);
int area_protect(u64 start, u64 size, u32 protection);
int area_resize(u64 start, u64 old_size, u64 new_size, bool may_move, u64 *moved_to);
void area_discard(u64 start, u64 size);     /* the contents: next use sees fresh pages */
void address_space_free(void);

#define FAULT_WRITE 2u
#define FAULT_EXECUTE 16u
enum fault_result { FAULT_FIXED, FAULT_NO_ACCESS, FAULT_BEYOND_FILE, FAULT_NO_MEMORY };
enum fault_result address_space_fault(u64 address, u64 error);

/* The kernel touches user memory by these only: 0 or -EFAULT. */
int copy_in(void *to, u64 from, size_t n);
int copy_out(u64 to, const void *from, size_t n);
int clear_out(u64 to, size_t n);
/* A NUL-terminated string; -ENAMETOOLONG when it does not fit. Its length. */
int copy_string_in(char *to, u64 from, size_t size);

struct pipe;
struct file {
    node at;
    u32 flags, references;
    u64 position, read_end;     /* read_end: where the last read stopped, for read-ahead */
    struct pipe *pipe;
    bool pipe_writer;
};
#define FILES_MAX 256
#define USER_STACK_TOP 0x7fffffffe000ul

struct signal_action { u64 handler, flags, restorer, mask; };
#define SIGNALS 65

struct process {
    struct file *files[FILES_MAX];
    bool close_on_exec[FILES_MAX];  /* kept for F_GETFD; there is no exec */
    node directory, executable;
    u64 break_start, break_end;
    u32 umask;
    struct signal_action actions[SIGNALS];
    u64 blocked, pending, alt_stack, alt_stack_size;
    u64 last_missing;               /* number of a system call that was refused; 0: none */
    char name[16];
};
extern struct process process;

/* Runs a program to its end. Returns its exit status, or a negative number
   after saying why it could not be started. */
int process_run(char **argv, char **envp);
noreturn void process_exit(int status);
/* A program died of an exception or a signal: registers, "Aborted", power off. */
noreturn void process_crash(const struct frame *f, const char *why, u64 address);

/* elf.c: maps the program; 0, or a message for `why`. */
struct program {
    u64 entry, interpreter_entry, base, phdr, phnum, break_start;
};
int elf_load(node file, const char *path, struct program *p, struct text *why);

/* files.c */
int file_open_at(int number, node n, u32 flags);    /* number < 0: the lowest free one */
struct file *file_get(u64 number);
int file_close(u64 number);
void files_close_all(void);
s64 file_read(struct file *f, u64 to, u64 n, s64 at);   /* at < 0: the file position */
s64 file_write(struct file *f, u64 from, u64 n, s64 at);
s64 file_read_kernel(node n, u64 at, void *to, u64 size);

/* syscalls.c */
const char *system_call_name(u64 number);

/* signals.c */
void signal_raise(struct frame *f, int signal);
void signal_fault(struct frame *f, int signal, u64 address, const char *why);
void signal_deliver_pending(struct frame *f);
s64 signal_return(struct frame *f);

/* interrupts.c */
void interrupts_init(void);
void reset_fpu(void);
void idle(void);
extern u64 extra_hwcap2;

#endif
