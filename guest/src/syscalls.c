/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of system calls, and what happens to those that are not in it. */
#include "errno.h"
#include "linux.h"
#include "process.h"

typedef s64 (*handler)(const u64 *, struct frame *);

#define CALL(name) extern s64 sys_##name(const u64 *, struct frame *);
CALL(access) CALL(arch_prctl) CALL(brk) CALL(chdir) CALL(chmod) CALL(chown) CALL(clock_getres) CALL(clock_gettime)
CALL(clock_nanosleep) CALL(close) CALL(creat) CALL(dup) CALL(dup2) CALL(dup3) CALL(exit) CALL(faccessat)
CALL(faccessat2) CALL(fadvise64) CALL(fallocate) CALL(fchdir) CALL(fchmod) CALL(fchmodat) CALL(fchown)
CALL(fchownat) CALL(fcntl) CALL(fgetxattr) CALL(flistxattr) CALL(flock) CALL(fstat) CALL(fstatfs) CALL(fsync)
CALL(ftruncate) CALL(futex) CALL(getcpu) CALL(getcwd) CALL(getdents64) CALL(getpid) CALL(getrandom) CALL(getrlimit)
CALL(getrusage) CALL(gettimeofday) CALL(getxattr) CALL(ioctl) CALL(kill) CALL(lgetxattr) CALL(listxattr)
CALL(llistxattr) CALL(lseek) CALL(lstat) CALL(madvise) CALL(mincore) CALL(mkdir) CALL(mkdirat) CALL(mlock)
CALL(mmap) CALL(mprotect) CALL(mremap) CALL(msync) CALL(munmap) CALL(nanosleep) CALL(newfstatat) CALL(not_socket) CALL(open)
CALL(openat) CALL(pipe) CALL(pipe2) CALL(poll) CALL(ppoll) CALL(prctl) CALL(pread64) CALL(prlimit64) CALL(pselect6)
CALL(pwrite64) CALL(read) CALL(readlink) CALL(readlinkat) CALL(readv) CALL(rename) CALL(renameat) CALL(renameat2)
CALL(rmdir) CALL(rt_sigaction) CALL(rt_sigpending) CALL(rt_sigprocmask) CALL(rt_sigreturn) CALL(sched_getaffinity)
CALL(select) CALL(sendfile) CALL(set_tid_address) CALL(sigaltstack) CALL(socket) CALL(stat) CALL(statfs)
CALL(statx) CALL(symlink) CALL(symlinkat) CALL(sync) CALL(sysinfo) CALL(tgkill) CALL(time) CALL(times) CALL(tkill)
CALL(truncate) CALL(umask) CALL(uname) CALL(unlink) CALL(unlinkat) CALL(utimensat) CALL(wait4) CALL(write)
CALL(writev) CALL(zero)
#undef CALL

static const struct { const char *name; handler call; } calls[] = {
    [0] = {"read", sys_read}, [1] = {"write", sys_write}, [2] = {"open", sys_open}, [3] = {"close", sys_close},
    [4] = {"stat", sys_stat}, [5] = {"fstat", sys_fstat}, [6] = {"lstat", sys_lstat}, [7] = {"poll", sys_poll},
    [8] = {"lseek", sys_lseek}, [9] = {"mmap", sys_mmap}, [10] = {"mprotect", sys_mprotect},
    [11] = {"munmap", sys_munmap}, [12] = {"brk", sys_brk}, [13] = {"rt_sigaction", sys_rt_sigaction},
    [14] = {"rt_sigprocmask", sys_rt_sigprocmask}, [15] = {"rt_sigreturn", sys_rt_sigreturn},
    [16] = {"ioctl", sys_ioctl}, [17] = {"pread64", sys_pread64}, [18] = {"pwrite64", sys_pwrite64},
    [19] = {"readv", sys_readv}, [20] = {"writev", sys_writev}, [21] = {"access", sys_access},
    [22] = {"pipe", sys_pipe}, [23] = {"select", sys_select}, [24] = {"sched_yield", sys_zero},
    [25] = {"mremap", sys_mremap}, [26] = {"msync", sys_msync}, [27] = {"mincore", sys_mincore},
    [28] = {"madvise", sys_madvise}, [29] = {"shmget", NULL}, [32] = {"dup", sys_dup}, [33] = {"dup2", sys_dup2},
    [34] = {"pause", NULL}, [35] = {"nanosleep", sys_nanosleep}, [36] = {"getitimer", sys_zero},
    [37] = {"alarm", sys_zero}, [38] = {"setitimer", sys_zero}, [39] = {"getpid", sys_getpid},
    [40] = {"sendfile", sys_sendfile}, [41] = {"socket", sys_socket}, [42] = {"connect", sys_not_socket},
    [43] = {"accept", sys_not_socket}, [44] = {"sendto", sys_not_socket}, [45] = {"recvfrom", sys_not_socket}, [49] = {"bind", sys_not_socket},
    [50] = {"listen", sys_not_socket}, [51] = {"getsockname", sys_not_socket}, [52] = {"getpeername", sys_not_socket}, [53] = {"socketpair", sys_socket},
    [55] = {"getsockopt", sys_not_socket}, [54] = {"setsockopt", sys_not_socket}, [56] = {"clone", NULL},
    [57] = {"fork", NULL}, [58] = {"vfork", NULL}, [59] = {"execve", NULL}, [60] = {"exit", sys_exit},
    [61] = {"wait4", sys_wait4}, [62] = {"kill", sys_kill}, [63] = {"uname", sys_uname},
    [72] = {"fcntl", sys_fcntl}, [73] = {"flock", sys_flock}, [74] = {"fsync", sys_fsync},
    [75] = {"fdatasync", sys_fsync}, [76] = {"truncate", sys_truncate}, [77] = {"ftruncate", sys_ftruncate},
    [79] = {"getcwd", sys_getcwd}, [80] = {"chdir", sys_chdir}, [81] = {"fchdir", sys_fchdir},
    [82] = {"rename", sys_rename}, [83] = {"mkdir", sys_mkdir}, [84] = {"rmdir", sys_rmdir},
    [85] = {"creat", sys_creat}, [86] = {"link", NULL}, [87] = {"unlink", sys_unlink},
    [88] = {"symlink", sys_symlink}, [89] = {"readlink", sys_readlink}, [90] = {"chmod", sys_chmod},
    [91] = {"fchmod", sys_fchmod}, [92] = {"chown", sys_chown}, [93] = {"fchown", sys_fchown},
    [94] = {"lchown", sys_chown}, [95] = {"umask", sys_umask}, [96] = {"gettimeofday", sys_gettimeofday},
    [97] = {"getrlimit", sys_getrlimit}, [98] = {"getrusage", sys_getrusage}, [99] = {"sysinfo", sys_sysinfo},
    [100] = {"times", sys_times}, [101] = {"ptrace", NULL}, [102] = {"getuid", sys_zero},
    [104] = {"getgid", sys_zero}, [105] = {"setuid", sys_zero}, [106] = {"setgid", sys_zero},
    [107] = {"geteuid", sys_zero}, [108] = {"getegid", sys_zero}, [109] = {"setpgid", sys_zero},
    [110] = {"getppid", sys_zero}, [111] = {"getpgrp", sys_getpid}, [112] = {"setsid", sys_getpid},
    [115] = {"getgroups", sys_zero}, [117] = {"setresuid", sys_zero}, [118] = {"getresuid", NULL},
    [119] = {"setresgid", sys_zero}, [120] = {"getresgid", NULL}, [121] = {"getpgid", sys_getpid},
    [124] = {"getsid", sys_getpid}, [125] = {"capget", NULL}, [127] = {"rt_sigpending", sys_rt_sigpending},
    [130] = {"rt_sigsuspend", NULL}, [131] = {"sigaltstack", sys_sigaltstack}, [133] = {"mknod", NULL},
    [137] = {"statfs", sys_statfs}, [138] = {"fstatfs", sys_fstatfs}, [145] = {"sched_getscheduler", sys_zero},
    [149] = {"mlock", sys_mlock}, [150] = {"munlock", sys_mlock}, [157] = {"prctl", sys_prctl},
    [158] = {"arch_prctl", sys_arch_prctl}, [160] = {"setrlimit", sys_zero}, [161] = {"chroot", NULL},
    [162] = {"sync", sys_sync}, [165] = {"mount", NULL}, [186] = {"gettid", sys_getpid}, [188] = {"setxattr", NULL},
    [191] = {"getxattr", sys_getxattr}, [192] = {"lgetxattr", sys_lgetxattr}, [193] = {"fgetxattr", sys_fgetxattr},
    [194] = {"listxattr", sys_listxattr}, [195] = {"llistxattr", sys_llistxattr},
    [196] = {"flistxattr", sys_flistxattr}, [200] = {"tkill", sys_tkill}, [201] = {"time", sys_time},
    [202] = {"futex", sys_futex}, [203] = {"sched_setaffinity", sys_zero},
    [204] = {"sched_getaffinity", sys_sched_getaffinity}, [206] = {"io_setup", NULL},
    [213] = {"epoll_create", NULL}, [217] = {"getdents64", sys_getdents64},
    [218] = {"set_tid_address", sys_set_tid_address}, [221] = {"fadvise64", sys_fadvise64},
    [222] = {"timer_create", NULL}, [228] = {"clock_gettime", sys_clock_gettime},
    [229] = {"clock_getres", sys_clock_getres}, [230] = {"clock_nanosleep", sys_clock_nanosleep},
    [231] = {"exit_group", sys_exit}, [232] = {"epoll_wait", NULL}, [233] = {"epoll_ctl", NULL},
    [234] = {"tgkill", sys_tgkill}, [247] = {"waitid", NULL}, [253] = {"inotify_init", NULL},
    [257] = {"openat", sys_openat}, [258] = {"mkdirat", sys_mkdirat}, [260] = {"fchownat", sys_fchownat},
    [262] = {"newfstatat", sys_newfstatat}, [263] = {"unlinkat", sys_unlinkat}, [264] = {"renameat", sys_renameat},
    [265] = {"linkat", NULL}, [266] = {"symlinkat", sys_symlinkat}, [267] = {"readlinkat", sys_readlinkat},
    [268] = {"fchmodat", sys_fchmodat}, [269] = {"faccessat", sys_faccessat}, [270] = {"pselect6", sys_pselect6},
    [271] = {"ppoll", sys_ppoll}, [272] = {"unshare", NULL}, [273] = {"set_robust_list", sys_zero},
    [275] = {"splice", NULL}, [280] = {"utimensat", sys_utimensat}, [281] = {"epoll_pwait", NULL},
    [282] = {"signalfd", NULL}, [283] = {"timerfd_create", NULL}, [284] = {"eventfd", NULL},
    [285] = {"fallocate", sys_fallocate}, [289] = {"signalfd4", NULL}, [290] = {"eventfd2", NULL},
    [291] = {"epoll_create1", NULL}, [292] = {"dup3", sys_dup3}, [293] = {"pipe2", sys_pipe2},
    [294] = {"inotify_init1", NULL}, [295] = {"preadv", NULL}, [296] = {"pwritev", NULL},
    [302] = {"prlimit64", sys_prlimit64}, [309] = {"getcpu", sys_getcpu}, [316] = {"renameat2", sys_renameat2},
    [318] = {"getrandom", sys_getrandom}, [319] = {"memfd_create", NULL}, [322] = {"execveat", NULL},
    [324] = {"membarrier", NULL}, [326] = {"copy_file_range", NULL}, [332] = {"statx", sys_statx},
    [334] = {"rseq", NULL}, [424] = {"pidfd_send_signal", NULL}, [425] = {"io_uring_setup", NULL},
    [434] = {"pidfd_open", NULL}, [435] = {"clone3", NULL}, [436] = {"close_range", NULL},
    [437] = {"openat2", NULL}, [439] = {"faccessat2", sys_faccessat2},
};

#define NUMBERS 512u
enum { CLONE = 56, EXECVE = 59, EPOLL_CREATE1 = 291, EXECVEAT = 322, RSEQ = 334, CLONE3 = 435, CLOSE_RANGE = 436 };

const char *system_call_name(u64 number)
{
    return number < count_of(calls) && calls[number].name ? calls[number].name : "unknown";
}

/* Each missing call is named once; a program may try it a thousand times. */
static s64 missing(u64 number)
{
    static u64 told[NUMBERS / 64];
    static bool told_processes;
    bool processes = (number >= CLONE && number <= EXECVE) || number == CLONE3 || number == EXECVEAT;
    if (number == EPOLL_CREATE1)
        process.last_missing = number;
    /* C libraries and Python probe for these at their start and do without. */
    if (number == RSEQ || number == CLOSE_RANGE || number == EPOLL_CREATE1)
        return -ENOSYS;
    if (processes) {
        if (!told_processes)
            print("Capstan demo kernel: this program wants to start a process or a thread; the demo kernel runs one program with one thread. Use an OSv kernel for this image.\n");
        told_processes = true;
        return -ENOSYS;
    }
    process.last_missing = number;
    u64 slot = number < NUMBERS ? number : NUMBERS - 1;
    if (!(told[slot / 64] >> slot % 64 & 1))
        print("Capstan demo kernel: unimplemented system call %lu (%s)\n", number, system_call_name(number));
    told[slot / 64] |= 1ul << slot % 64;
    return -ENOSYS;
}

/* Called by entry.S. */
void system_call(struct frame *f)
{
    u64 number = f->rax;
    const u64 arguments[6] = {f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9};
    if (number < count_of(calls) && calls[number].call)
        f->rax = (u64)calls[number].call(arguments, f);
    else
        f->rax = (u64)missing(number);
    if (process.pending & ~process.blocked)
        signal_deliver_pending(f);
}
