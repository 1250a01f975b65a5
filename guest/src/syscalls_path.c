/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that take a path, or ask about a file. */
#include "errno.h"
#include "linux.h"
#include "memory.h"
#include "process.h"
#include "pseudofs.h"
#include "ramfs.h"
#include "rofs.h"

static char path_buffer[PATH_LIMIT];

static int start_of(u64 number, node *from)
{
    if ((int)number == AT_FDCWD) {
        *from = process.directory;
        return 0;
    }
    struct file *f = file_get(number & 0xffffffff);
    if (!f)
        return -EBADF;
    *from = f->at;
    return 0;
}

static bool is_directory(node n) { return (node_attributes(n).mode & MODE_TYPE) == MODE_DIR; }

/* The path, in path_buffer, and where it starts. */
static int get_path(u64 number, u64 path, node *from)
{
    int length = copy_string_in(path_buffer, path, sizeof path_buffer);
    if (length < 0)
        return length;
    *from = process.directory;
    return path_buffer[0] == '/' ? 0 : start_of(number, from);
}

static int find(u64 number, u64 path, u64 flags, node *found)
{
    node from;
    int error = get_path(number, path, &from);
    if (error)
        return error;
    if (!path_buffer[0] && flags & AT_EMPTY_PATH)
        return start_of(number, found);
    if (path_buffer[0] != '/' && path_buffer[0] && !is_directory(from))
        return -ENOTDIR;
    return vfs_lookup(from, path_buffer, flags & AT_SYMLINK_NOFOLLOW ? 0 : FOLLOW, found);
}

/* For calls that make or remove a name: only memory files allow that. */
static int find_parent(u64 number, u64 path, node *directory, const char **name, size_t *length)
{
    node from;
    int error = get_path(number, path, &from);
    if (!error)
        error = vfs_lookup_parent(from, path_buffer, directory, name, length);
    return error;
}

static bool is_dots(const char *name, size_t length)
{
    return name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}

static s64 create(node from, u32 flags, u32 mode)
{
    node directory, made = {FS_RAM, 0};
    const char *name;
    size_t length;
    int error = vfs_lookup_parent(from, path_buffer, &directory, &name, &length);
    if (error)
        return error;
    if (directory.system != FS_RAM)
        return -EROFS;
    error = ram_create(directory.id, name, length, MODE_FILE | (mode & 07777 & ~process.umask), NULL, &made.id);
    return error ? error : file_open_at(-1, made, flags);
}

static s64 open_path(u64 number, u64 path, u32 flags, u32 mode)
{
    node from, found;
    int error = get_path(number, path, &from);
    if (error)
        return error;
    error = vfs_lookup(from, path_buffer, flags & O_NOFOLLOW || (flags & O_CREAT && flags & O_EXCL) ? 0 : FOLLOW, &found);
    if (error == -ENOENT && flags & O_CREAT && path_buffer[0])
        return create(from, flags, mode);
    if (error)
        return error;
    u32 type = node_attributes(found).mode & MODE_TYPE;
    bool writing = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
    if (flags & O_CREAT && flags & O_EXCL)
        return -EEXIST;
    if (type == MODE_LINK && !(flags & O_PATH))
        return -ELOOP;
    if (type != MODE_DIR && flags & O_DIRECTORY)
        return -ENOTDIR;
    if (type == MODE_DIR && writing)
        return -EISDIR;
    if (writing && (found.system == FS_ROFS || (found.system == FS_PSEUDO && type == MODE_FILE)))
        return found.system == FS_ROFS ? -EROFS : -EACCES;
    if (flags & O_TRUNC && found.system == FS_RAM)
        ram_set_size(found.id, 0);
    return file_open_at(-1, found, flags);
}

SYSCALL(open) { return open_path((u64)AT_FDCWD, a[0], (u32)a[1], (u32)a[2]); }
SYSCALL(openat) { return open_path(a[0], a[1], (u32)a[2], (u32)a[3]); }
SYSCALL(creat) { return open_path((u64)AT_FDCWD, a[0], O_CREAT | O_TRUNC | O_WRONLY, (u32)a[1]); }
SYSCALL(close) { return file_close(a[0]); }

static u64 blocks_of(const struct attributes *t) { return round_up(t->size, 512) / 512; }

static s64 put_stat(node n, u64 to)
{
    struct attributes t = node_attributes(n);
    struct stat s = {
        .device = n.system, .inode = n.id, .links = t.links, .mode = t.mode, .special = t.device, .size = (s64)t.size,
        .block_size = PAGE_SIZE, .blocks = (s64)blocks_of(&t), .access = {t.seconds}, .modify = {t.seconds}, .change = {t.seconds},
    };
    return copy_out(to, &s, sizeof s);
}

static s64 stat_path(u64 number, u64 path, u64 to, u64 flags)
{
    node n;
    int error = find(number, path, flags, &n);
    return error ? error : put_stat(n, to);
}

SYSCALL(stat) { return stat_path((u64)AT_FDCWD, a[0], a[1], 0); }
SYSCALL(lstat) { return stat_path((u64)AT_FDCWD, a[0], a[1], AT_SYMLINK_NOFOLLOW); }
SYSCALL(newfstatat) { return stat_path(a[0], a[1], a[2], a[3]); }
SYSCALL(fstat) { struct file *f = file_get(a[0]); return f ? put_stat(f->at, a[1]) : -EBADF; }

SYSCALL(statx)
{
    node n;
    int error = find(a[0], a[1], a[2], &n);
    if (error)
        return error;
    struct attributes t = node_attributes(n);
    struct statx s = {
        .mask = 0x7ff, .block_size = PAGE_SIZE, .links = t.links, .mode = (u16)t.mode, .inode = n.id, .size = t.size,
        .blocks = blocks_of(&t), .access.seconds = (s64)t.seconds, .change.seconds = (s64)t.seconds, .modify.seconds = (s64)t.seconds,
        .special_major = (u32)(t.device >> 8), .special_minor = (u32)(t.device & 0xff), .device_minor = n.system,
    };
    return copy_out(a[4], &s, sizeof s);
}

static s64 put_statfs(node n, u64 to)
{
    struct statfs s = {.type = 0x858458f6, .block_size = PAGE_SIZE, .name_length = NAME_LIMIT, .fragment = PAGE_SIZE, .id = n.system};
    if (n.system == FS_ROFS) {
        s.type = 0xdeadbead; /* the magic number on the disk */
        s.block_size = s.fragment = 512;
        s.flags = 1;
        rofs_totals(&s.blocks, &s.files);
    } else if (n.system == FS_RAM) {
        s.blocks = memory_total() / PAGE_SIZE;
        s.free = s.available = memory_free() / PAGE_SIZE;
    }
    return copy_out(to, &s, sizeof s);
}

SYSCALL(statfs)
{
    node n;
    int error = find((u64)AT_FDCWD, a[0], 0, &n);
    return error ? error : put_statfs(n, a[1]);
}
SYSCALL(fstatfs) { struct file *f = file_get(a[0]); return f ? put_statfs(f->at, a[1]) : -EBADF; }

static s64 check_access(u64 number, u64 path, u64 mode, u64 flags)
{
    node n;
    int error = find(number, path, flags, &n);
    if (error)
        return error;
    u32 bits = node_attributes(n).mode;
    if (mode & 2 && n.system == FS_ROFS)
        return -EROFS;
    /* Root may read and write anything, and run what anyone may run. */
    return mode & 1 && !(bits & 0111) ? -EACCES : 0;
}

SYSCALL(access) { return check_access((u64)AT_FDCWD, a[0], a[1], 0); }
SYSCALL(faccessat) { return check_access(a[0], a[1], a[2], 0); }
SYSCALL(faccessat2) { return check_access(a[0], a[1], a[2], a[3]); }

static s64 read_link(u64 number, u64 path, u64 to, u64 size)
{
    node n;
    int error = find(number, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &n);
    if (error)
        return error;
    if ((s64)size <= 0)
        return -EINVAL;
    int length = node_link(n, path_buffer, min(size, sizeof path_buffer));
    if (length < 0)
        return length;
    return copy_out(to, path_buffer, (size_t)length) ? -EFAULT : length;
}

SYSCALL(readlink) { return read_link((u64)AT_FDCWD, a[0], a[1], a[2]); }
SYSCALL(readlinkat) { return read_link(a[0], a[1], a[2], a[3]); }

static u8 entry_type(u32 mode) { return (u8)((mode & MODE_TYPE) >> 12); }

SYSCALL(getdents64)
{
    struct file *f = file_get(a[0]);
    u64 done = 0;
    struct packed { u64 inode, next; u16 size; u8 type; char name[NAME_LIMIT + 8]; } record;
    if (!f)
        return -EBADF;
    if (!is_directory(f->at))
        return -ENOTDIR;
    struct entry e;
    while (node_entry(f->at, f->position, &e)) {
        size_t length = min(e.length, (size_t)NAME_LIMIT);
        u64 size = round_up(offsetof(typeof(record), name) + length + 1, 8);
        if (done + size > a[2])
            return done ? (s64)done : -EINVAL;
        memset(&record, 0, size);
        record.inode = e.target.id;
        record.next = e.next;
        record.size = (u16)size;
        record.type = entry_type(node_attributes(e.target).mode);
        memcpy(record.name, e.name, length);
        if (copy_out(a[1] + done, &record, size))
            return -EFAULT;
        f->position = e.next;
        done += size;
    }
    return (s64)done;
}

SYSCALL(getcwd)
{
    int length = vfs_path_of(process.directory, path_buffer, sizeof path_buffer);
    if (length < 0)
        return length;
    if ((u64)length + 1 > a[1])
        return -ERANGE;
    return copy_out(a[0], path_buffer, (size_t)length + 1) ? -EFAULT : length + 1;
}

static s64 change_directory(node n)
{
    if (!is_directory(n))
        return -ENOTDIR;
    if (n.system == FS_RAM)
        ram_hold(n.id);
    if (process.directory.system == FS_RAM)
        ram_drop(process.directory.id);
    process.directory = n;
    return 0;
}

SYSCALL(chdir)
{
    node n;
    int error = find((u64)AT_FDCWD, a[0], 0, &n);
    return error ? error : change_directory(n);
}
SYSCALL(fchdir) { struct file *f = file_get(a[0]); return f ? change_directory(f->at) : -EBADF; }

static s64 make(u64 number, u64 path, u32 mode, const char *target)
{
    node directory;
    const char *name;
    size_t length;
    u32 made;
    int error = find_parent(number, path, &directory, &name, &length);
    if (error)
        return error;
    node existing;
    if (!node_child(directory, name, length, &existing))
        return -EEXIST;
    return directory.system == FS_RAM ? ram_create(directory.id, name, length, mode, target, &made) : -EROFS;
}

SYSCALL(mkdir) { return make((u64)AT_FDCWD, a[0], MODE_DIR | (a[1] & 07777 & ~process.umask), NULL); }
SYSCALL(mkdirat) { return make(a[0], a[1], MODE_DIR | (a[2] & 07777 & ~process.umask), NULL); }

static s64 make_link(u64 target, u64 number, u64 path)
{
    static char text[PATH_LIMIT];
    int length = copy_string_in(text, target, sizeof text);
    return length < 0 ? length : length == 0 ? -ENOENT : make(number, path, MODE_LINK | 0777, text);
}

SYSCALL(symlink) { return make_link(a[0], (u64)AT_FDCWD, a[1]); }
SYSCALL(symlinkat) { return make_link(a[0], a[1], a[2]); }

static s64 remove(u64 number, u64 path, bool directory_wanted)
{
    node directory;
    const char *name;
    size_t length;
    int error = find_parent(number, path, &directory, &name, &length);
    if (error)
        return error;
    if (is_dots(name, length))
        return -EINVAL;
    node existing;
    error = node_child(directory, name, length, &existing);
    if (error)
        return error;
    return directory.system == FS_RAM ? ram_remove(directory.id, name, length, directory_wanted) : -EROFS;
}

SYSCALL(unlink) { return remove((u64)AT_FDCWD, a[0], false); }
SYSCALL(rmdir) { return remove((u64)AT_FDCWD, a[0], true); }
SYSCALL(unlinkat) { return remove(a[0], a[1], a[2] & AT_REMOVEDIR); }

static s64 rename_path(u64 from_number, u64 from, u64 to_number, u64 to)
{
    char old_name[NAME_LIMIT];
    node old_directory, directory;
    const char *name;
    size_t old_length, length;
    int error = find_parent(from_number, from, &old_directory, &name, &old_length);
    if (error)
        return error;
    memcpy(old_name, name, old_length);
    error = find_parent(to_number, to, &directory, &name, &length);
    if (error)
        return error;
    if (is_dots(name, length) || is_dots(old_name, old_length))
        return -EBUSY;
    if (old_directory.system != FS_RAM && directory.system != FS_RAM)
        return -EROFS;
    if (old_directory.system != directory.system)
        return -EXDEV;
    return ram_rename(old_directory.id, old_name, old_length, directory.id, name, length);
}

SYSCALL(rename) { return rename_path((u64)AT_FDCWD, a[0], (u64)AT_FDCWD, a[1]); }
SYSCALL(renameat) { return rename_path(a[0], a[1], a[2], a[3]); }
SYSCALL(renameat2) { return a[4] ? -EINVAL : rename_path(a[0], a[1], a[2], a[3]); }

/* Attributes can be changed on memory files, and are refused elsewhere. */
static s64 find_writable(u64 number, u64 path, u64 flags, node *n)
{
    int error = find(number, path, flags, n);
    return error ? error : n->system == FS_ROFS ? -EROFS : n->system == FS_RAM ? 0 : 1;
}

static s64 truncate_node(node n, u64 size)
{
    if (n.system != FS_RAM)
        return n.system == FS_ROFS ? -EROFS : -EINVAL;
    return is_directory(n) ? -EISDIR : (s64)size < 0 ? -EINVAL : ram_set_size(n.id, size);
}

SYSCALL(truncate)
{
    node n;
    int error = find((u64)AT_FDCWD, a[0], 0, &n);
    return error ? error : truncate_node(n, a[1]);
}
SYSCALL(ftruncate)
{
    struct file *f = file_get(a[0]);
    return !f ? -EBADF : (f->flags & O_ACCMODE) == O_RDONLY ? -EINVAL : truncate_node(f->at, a[1]);
}
SYSCALL(fallocate)
{
    struct file *f = file_get(a[0]);
    if (!f)
        return -EBADF;
    if (a[1] || (s64)a[2] < 0 || (s64)a[3] <= 0)
        return -EOPNOTSUPP;
    return a[2] + a[3] > node_attributes(f->at).size ? truncate_node(f->at, a[2] + a[3]) : 0;
}

static s64 change_mode(s64 found, node n, u32 mode)
{
    if (found == 0)
        ram_set_mode(n.id, mode);
    return found < 0 ? found : 0;
}

SYSCALL(chmod) { node n; s64 r = find_writable((u64)AT_FDCWD, a[0], 0, &n); return change_mode(r, n, (u32)a[1]); }
SYSCALL(fchmodat) { node n; s64 r = find_writable(a[0], a[1], 0, &n); return change_mode(r, n, (u32)a[2]); }
SYSCALL(fchmod)
{
    struct file *f = file_get(a[0]);
    return !f ? -EBADF : change_mode(f->at.system == FS_RAM ? 0 : f->at.system == FS_ROFS ? -EROFS : 1, f->at, (u32)a[1]);
}
SYSCALL(chown) { node n; s64 r = find_writable((u64)AT_FDCWD, a[0], 0, &n); return min(r, 0l); }
SYSCALL(fchownat) { node n; s64 r = find_writable(a[0], a[1], a[4], &n); return min(r, 0l); }
SYSCALL(fchown) { struct file *f = file_get(a[0]); return !f ? -EBADF : f->at.system == FS_ROFS ? -EROFS : 0; }

SYSCALL(utimensat)
{
    node n;
    u64 times[4] = {0, 0, 0, 0x3fffffff /* now */};
    s64 found;
    if (a[1])
        found = find_writable(a[0], a[1], a[3], &n);
    else {
        found = start_of(a[0], &n);
        if (!found && n.system == FS_ROFS)
            found = -EROFS;
    }
    if (found || n.system != FS_RAM)
        return min(found, 0l);
    if (a[2] && copy_in(times, a[2], sizeof times))
        return -EFAULT;
    extern u64 time_of_day(void);
    if (times[3] != 0x3ffffffe) /* UTIME_OMIT */
        ram_set_time(n.id, times[3] == 0x3fffffff ? time_of_day() / 1000000000 : times[2]);
    return 0;
}

SYSCALL(umask)
{
    u32 old = process.umask;
    process.umask = a[0] & 0777;
    return old;
}

static s64 no_attribute(u64 path, u64 flags, s64 answer)
{
    node n;
    int error = find((u64)AT_FDCWD, path, flags, &n);
    return error ? error : answer;
}

SYSCALL(getxattr) { return no_attribute(a[0], 0, -EOPNOTSUPP); }
SYSCALL(lgetxattr) { return no_attribute(a[0], AT_SYMLINK_NOFOLLOW, -EOPNOTSUPP); }
SYSCALL(listxattr) { return no_attribute(a[0], 0, 0); }
SYSCALL(llistxattr) { return no_attribute(a[0], AT_SYMLINK_NOFOLLOW, 0); }
SYSCALL(fgetxattr) { return file_get(a[0]) ? -EOPNOTSUPP : -EBADF; }
SYSCALL(flistxattr) { return file_get(a[0]) ? 0 : -EBADF; }
SYSCALL(fsync) { return file_get(a[0]) ? 0 : -EBADF; }
SYSCALL(sync) { return 0; }
SYSCALL(fadvise64) { return file_get(a[0]) ? 0 : -EBADF; }
SYSCALL(flock) { return file_get(a[0]) ? 0 : -EBADF; }
