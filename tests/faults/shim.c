/* Preloaded into a process, makes its N-th call below given folders fail: any that opens, writes,
 * flushes, renames, makes or removes, whichever library calls. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
enum { NEEDS_NONE, NEEDS_SPACE };

static char folders[4 * PATH_MAX]; /* absolute, each followed by a colon */
static int fails_at, calls;        /* the first that fails; 0: none */
static int error_number, lasting, no_exchange;

/* Count from here. The error 0 kills the process; a lasting one is that of every later call too,
 * except those that need no space. */
void arm(const char *below, int first, int error, int lasts, int without_exchange) {
    snprintf(folders, sizeof folders, "%s", below);
    fails_at = first, error_number = error, lasting = lasts, no_exchange = without_exchange;
    calls = 0;
}
int disarm(void) { return *folders = 0, calls; }

static int fails(const char *path, int kind) {
    int below = 0;
    for (char *start = folders, *end; (end = strchr(start, ':')); start = end + 1)
        below |= strncmp(path, start, end - start) == 0;
    if (!below || ++calls < fails_at || !fails_at) return 0;
    if (calls > fails_at && !(lasting && kind == NEEDS_SPACE)) return 0;
    if (error_number == 0) kill(getpid(), SIGKILL);
    errno = error_number;
    return 1;
}

static int of_descriptor(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

static int fd_fails(int fd) {
    char path[PATH_MAX];
    int saved = errno, known = *folders && of_descriptor(fd, path);
    errno = saved;
    return known && fails(path, NEEDS_SPACE);
}

static int path_fails(int at, const char *name, int kind) {
    char path[2 * PATH_MAX];
    if (!*folders) return 0;
    if (*name == '/') return fails(name, kind);
    if (at == AT_FDCWD ? !getcwd(path, PATH_MAX) : !of_descriptor(at, path)) return 0;
    strcat(strcat(path, "/"), name);
    return fails(path, kind);
}

static int open_fails(int at, const char *name, int flags) {
    int writes = flags & (O_WRONLY | O_RDWR | O_CREAT);
    return path_fails(at, name, writes ? NEEDS_SPACE : NEEDS_NONE);
}

#define OPEN(function) \
    int function(const char *name, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return open_fails(AT_FDCWD, name, flags) ? -1 : REAL(function)(name, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(function) \
    int function(int at, const char *name, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return open_fails(at, name, flags) ? -1 : REAL(function)(at, name, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

FILE *fopen(const char *name, const char *mode) {
    return path_fails(AT_FDCWD, name, NEEDS_SPACE) ? NULL : REAL(fopen)(name, mode);
}
FILE *fopen64(const char *name, const char *mode) {
    return path_fails(AT_FDCWD, name, NEEDS_SPACE) ? NULL : REAL(fopen64)(name, mode);
}

/* A write that fails has written half. */
ssize_t write(int fd, const void *data, size_t size) {
    if (!fd_fails(fd)) return REAL(write)(fd, data, size);
    int error = errno;
    if (size > 1) REAL(write)(fd, data, size / 2);
    errno = error;
    return -1;
}
size_t fwrite(const void *data, size_t size, size_t n, FILE *file) {
    if (!fd_fails(fileno(file))) return REAL(fwrite)(data, size, n, file);
    int error = errno;
    size_t written = REAL(fwrite)(data, size, n / 2, file);
    errno = error;
    return written;
}
ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
    return fd_fails(to) ? -1 : REAL(sendfile)(to, from, offset, size);
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t size) {
    return fd_fails(to) ? -1 : REAL(sendfile64)(to, from, offset, size);
}
int ftruncate64(int fd, off64_t size) { return fd_fails(fd) ? -1 : REAL(ftruncate64)(fd, size); }
/* Flushes nothing: what the kernel has been given outlives a killed process. */
int fsync(int fd) { return fd_fails(fd) ? -1 : 0; }

int mkdir(const char *name, mode_t mode) {
    return path_fails(AT_FDCWD, name, NEEDS_SPACE) ? -1 : REAL(mkdir)(name, mode);
}
int rename(const char *from, const char *to) {
    return path_fails(AT_FDCWD, from, NEEDS_SPACE) ? -1 : REAL(rename)(from, to);
}
int renameat2(int at, const char *from, int to_at, const char *to, unsigned flags) {
    if (path_fails(at, from, NEEDS_SPACE)) return -1;
    if (no_exchange) return errno = EINVAL, -1;
    return REAL(renameat2)(at, from, to_at, to, flags);
}
int unlink(const char *name) {
    return path_fails(AT_FDCWD, name, NEEDS_NONE) ? -1 : REAL(unlink)(name);
}
int unlinkat(int at, const char *name, int flags) {
    return path_fails(at, name, NEEDS_NONE) ? -1 : REAL(unlinkat)(at, name, flags);
}
int rmdir(const char *name) {
    return path_fails(AT_FDCWD, name, NEEDS_NONE) ? -1 : REAL(rmdir)(name);
}
