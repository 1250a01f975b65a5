/* SPDX-License-Identifier: BSD-3-Clause */
/* Open files and pipes: reading and writing whatever a descriptor stands for. */
#include "errno.h"
#include "memory.h"
#include "process.h"
#include "pseudofs.h"
#include "ramfs.h"
#include "linux.h"

#define READ_AHEAD_MAX 63u
#define PIPE_SIZE 4000u
#define RAM_RESERVE (2ul << 20)

/* With a single process nobody can fill or empty a pipe while another waits,
   so an empty pipe is at its end and a full one refuses. */
struct pipe {
    u32 users, start, count;
    char data[PIPE_SIZE];
};

struct file *file_get(u64 number) { return number < FILES_MAX ? process.files[number] : NULL; }

static void release(struct file *f)
{
    if (--f->references)
        return;
    if (f->at.system == FS_RAM)
        ram_drop(f->at.id);
    if (f->pipe && !--f->pipe->users)
        heap_free(f->pipe, sizeof *f->pipe);
    heap_free(f, sizeof *f);
}

static int free_number(u32 from)
{
    for (u32 i = from; i < FILES_MAX; i++)
        if (!process.files[i])
            return (int)i;
    return -EMFILE;
}

int file_open_at(int number, node n, u32 flags)
{
    number = number < 0 ? free_number(0) : number;
    struct file *f = number < 0 ? NULL : heap_alloc(sizeof *f);
    if (!f)
        return number < 0 ? number : -ENOMEM;
    *f = (struct file){.at = n, .flags = flags & ~(u32)O_CLOEXEC, .references = 1};
    if (n.system == FS_RAM)
        ram_hold(n.id);
    process.files[number] = f;
    process.close_on_exec[number] = flags & O_CLOEXEC;
    return number;
}

int file_close(u64 number)
{
    struct file *f = file_get(number);
    if (!f)
        return -EBADF;
    process.files[number] = NULL;
    release(f);
    return 0;
}

void files_close_all(void)
{
    for (u32 i = 0; i < FILES_MAX; i++)
        file_close(i);
}

static int duplicate(u64 from, u32 lowest, bool close_on_exec)
{
    struct file *f = file_get(from);
    int number = f ? free_number(lowest) : -EBADF;
    if (number < 0)
        return number;
    f->references++;
    process.files[number] = f;
    process.close_on_exec[number] = close_on_exec;
    return number;
}

SYSCALL(dup) { return duplicate(a[0], 0, false); }

static s64 duplicate_to(u64 from, u64 to, bool close_on_exec)
{
    struct file *f = file_get(from);
    if (!f || to >= FILES_MAX)
        return -EBADF;
    if (from != to) {
        f->references++;
        file_close(to);
        process.files[to] = f;
        process.close_on_exec[to] = close_on_exec;
    }
    return (s64)to;
}

SYSCALL(dup2) { return duplicate_to(a[0], a[1], false); }
SYSCALL(dup3) { return a[0] == a[1] ? -EINVAL : duplicate_to(a[0], a[1], a[2] & O_CLOEXEC); }

SYSCALL(fcntl)
{
    struct file *f = file_get(a[0]);
    if (!f)
        return -EBADF;
    switch (a[1]) {
    case F_DUPFD: case F_DUPFD_CLOEXEC: return a[2] >= FILES_MAX ? -EINVAL : duplicate(a[0], (u32)a[2], a[1] == F_DUPFD_CLOEXEC);
    case F_GETFD: return process.close_on_exec[a[0]];
    case F_SETFD: process.close_on_exec[a[0]] = a[2] & 1; return 0;
    case F_GETFL: return f->flags;
    case F_SETFL: f->flags = (f->flags & ~(u32)(O_APPEND | O_NONBLOCK)) | (a[2] & (O_APPEND | O_NONBLOCK)); return 0;
    case F_GETLK: case F_SETLK: case F_SETLKW: return 0; /* nobody else is there */
    default: return -EINVAL;
    }
}

static s64 make_pipe(u64 to, u32 flags)
{
    int numbers[2];
    struct pipe *p = heap_alloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    for (u32 i = 0; i < 2; i++) {
        numbers[i] = file_open_at(-1, (node){FS_PSEUDO, PIPE_END}, flags | i);
        if (numbers[i] < 0) {
            if (i)
                file_close((u64)numbers[0]);
            else
                heap_free(p, sizeof *p);
            return numbers[i];
        }
        process.files[numbers[i]]->pipe = p;
        process.files[numbers[i]]->pipe_writer = i;
        p->users++;
    }
    return copy_out(to, numbers, sizeof numbers);
}

SYSCALL(pipe) { return make_pipe(a[0], 0); }
SYSCALL(pipe2) { return make_pipe(a[0], (u32)a[1]); }

static s64 pipe_read(struct pipe *p, u64 to, u64 n)
{
    u64 done = 0;
    for (; done < n && p->count; done++) {
        if (copy_out(to + done, &p->data[p->start], 1))
            return -EFAULT;
        p->start = (p->start + 1) % PIPE_SIZE;
        p->count--;
    }
    return (s64)done;
}

static s64 pipe_write(struct pipe *p, u64 from, u64 n)
{
    u64 done = 0;
    for (; done < n && p->count < PIPE_SIZE; done++) {
        if (copy_in(&p->data[(p->start + p->count) % PIPE_SIZE], from + done, 1))
            return -EFAULT;
        p->count++;
    }
    return done || !n ? (s64)done : -EAGAIN;
}

/* Reads file pages; `move` gets each piece in the kernel's view. */
static s64 read_pages(node n, u64 at, u64 size, u64 to, bool to_user, u32 ahead)
{
    u64 length = node_attributes(n).size, done = 0;
    if (at >= length)
        return 0;
    size = min(size, length - at);
    while (done < size) {
        u64 offset = (at + done) & PAGE_MASK, part = min(size - done, PAGE_SIZE - offset);
        u32 wanted = (u32)min((size - done) / PAGE_SIZE + ahead, READ_AHEAD_MAX);
        u64 page = n.system == FS_RAM ? ram_page(n.id, (at + done) / PAGE_SIZE, false) : node_page(n, (at + done) / PAGE_SIZE, wanted);
        int error = 0;
        if (!page && n.system != FS_RAM)
            return done ? (s64)done : -EIO;
        const char *from = page ? (char *)phys_to_virt(page) + offset : NULL;
        if (to_user)
            error = from ? copy_out(to + done, from, part) : clear_out(to + done, part);
        else if (from)
            memcpy((void *)(to + done), from, part);
        else
            memset((void *)(to + done), 0, part);
        if (page)
            page_release(page);
        if (error)
            return done ? (s64)done : error;
        done += part;
    }
    return (s64)done;
}

s64 file_read_kernel(node n, u64 at, void *to, u64 size) { return read_pages(n, at, size, (u64)to, false, 7); }

s64 file_read(struct file *f, u64 to, u64 n, s64 at)
{
    if ((f->flags & O_ACCMODE) == O_WRONLY || f->flags & O_PATH)
        return -EBADF;
    if (f->pipe)
        return pipe_read(f->pipe, to, n);
    u64 from = at < 0 ? f->position : (u64)at;
    s64 done;
    n = min(n, 0x7ffff000ul);
    if (f->at.system == FS_PSEUDO)
        done = pseudo_read(f->at.id, to, n, from, !(f->flags & O_NONBLOCK));
    else if ((node_attributes(f->at).mode & MODE_TYPE) == MODE_DIR)
        return -EISDIR;
    else
        done = read_pages(f->at, from, n, to, true, from == f->read_end ? 31 : 3);
    if (done > 0) {
        f->read_end = from + (u64)done;
        if (at < 0)
            f->position = f->read_end;
    }
    return done;
}

static s64 ram_write(node n, u64 at, u64 from, u64 size)
{
    u64 done = 0;
    if (at > RAM_FILE_LIMIT || size > RAM_FILE_LIMIT - at)
        return -EFBIG;
    while (done < size) {
        u64 offset = (at + done) & PAGE_MASK, part = min(size - done, PAGE_SIZE - offset);
        u64 page = memory_free() > RAM_RESERVE ? ram_page(n.id, (at + done) / PAGE_SIZE, true) : 0;
        if (!page)
            return done ? (s64)done : -ENOSPC;
        int error = copy_in((char *)phys_to_virt(page) + offset, from + done, part);
        page_release(page);
        if (error)
            return done ? (s64)done : error;
        done += part;
        if (at + done > node_attributes(n).size && (error = ram_set_size(n.id, at + done)))
            return error;
    }
    return (s64)done;
}

s64 file_write(struct file *f, u64 from, u64 n, s64 at)
{
    if ((f->flags & O_ACCMODE) == O_RDONLY || f->flags & O_PATH)
        return -EBADF;
    if (f->pipe)
        return pipe_write(f->pipe, from, n);
    if (f->at.system == FS_PSEUDO)
        return pseudo_write(f->at.id, from, n);
    if (f->at.system != FS_RAM)
        return -EROFS;
    u64 to = f->flags & O_APPEND ? node_attributes(f->at).size : at < 0 ? f->position : (u64)at;
    n = min(n, 0x7ffff000ul);
    s64 done = ram_write(f->at, to, from, n);
    if (done > 0 && at < 0)
        f->position = to + (u64)done;
    return done;
}

SYSCALL(read) { struct file *f = file_get(a[0]); return f ? file_read(f, a[1], a[2], -1) : -EBADF; }
SYSCALL(write) { struct file *f = file_get(a[0]); return f ? file_write(f, a[1], a[2], -1) : -EBADF; }

SYSCALL(pread64)
{
    struct file *f = file_get(a[0]);
    if (!f)
        return -EBADF;
    return (s64)a[3] < 0 ? -EINVAL : f->pipe ? -ESPIPE : file_read(f, a[1], a[2], (s64)a[3]);
}

SYSCALL(pwrite64)
{
    struct file *f = file_get(a[0]);
    if (!f)
        return -EBADF;
    return (s64)a[3] < 0 ? -EINVAL : f->pipe ? -ESPIPE : file_write(f, a[1], a[2], (s64)a[3]);
}

static s64 for_vectors(u64 number, u64 vectors, u64 count, bool writing)
{
    struct file *f = file_get(number);
    s64 total = 0;
    if (!f)
        return -EBADF;
    if (count > 1024)
        return -EINVAL;
    for (u64 i = 0; i < count; i++) {
        u64 v[2];
        if (copy_in(v, vectors + i * sizeof v, sizeof v))
            return -EFAULT;
        if (!v[1])
            continue;
        s64 done = writing ? file_write(f, v[0], v[1], -1) : file_read(f, v[0], v[1], -1);
        if (done < 0)
            return total ? total : done;
        total += done;
        if ((u64)done < v[1] || (!writing && f->at.system == FS_PSEUDO))
            break;
    }
    return total;
}

SYSCALL(readv) { return for_vectors(a[0], a[1], a[2], false); }
SYSCALL(writev) { return for_vectors(a[0], a[1], a[2], true); }

SYSCALL(sendfile)
{
    /* Programs fall back to reading and writing. */
    return -EINVAL;
}

SYSCALL(lseek)
{
    struct file *f = file_get(a[0]);
    if (!f)
        return -EBADF;
    if (f->pipe || (f->at.system == FS_PSEUDO && pseudo_is_terminal(f->at.id)))
        return -ESPIPE;
    u64 size = node_attributes(f->at).size;
    s64 to = (s64)a[1];
    switch (a[2]) {
    case 0: break;
    case 1: to += (s64)f->position; break;
    case 2: to += (s64)size; break;
    case 3: case 4: /* SEEK_DATA, SEEK_HOLE: files are data, then a hole */
        if (to < 0 || (u64)to >= size)
            return -6;
        to = a[2] == 3 ? to : (s64)size;
        break;
    default: return -EINVAL;
    }
    if (to < 0)
        return -EINVAL;
    f->position = (u64)to;
    return to;
}
