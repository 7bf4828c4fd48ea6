/* What a program does to its files, seen from below it: written down in order, or made to fail once.

   Loaded before the C library (LD_PRELOAD). Nothing happens until `disk_watch` names a folder and a trace; from then on
   each write, truncation, sync, removal and renaming below that folder is one record of the trace, in the order in
   which it was done, because all of them take turns: the threads of a process by a mutex, processes that watch the same
   folder by the lock of their trace, which goes with a process that is killed. `disk_fail` lets the n-th write or sync
   of this process from now on fail, `disk_fail_syncs` the n-th sync. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char under[PATH_MAX];
static int trace = -1, watching, with, syncs;
static long counted, failing;
static ssize_t (*writes_out)(int, const struct iovec *, int);

struct record { char kind; uint64_t at; uint32_t path, data; } __attribute__((packed));

static void take_turn(void)
{
    pthread_mutex_lock(&turn);
    while (trace >= 0 && flock(trace, LOCK_EX) && errno == EINTR);
}

static void give_turn(void)
{
    if (trace >= 0) flock(trace, LOCK_UN);
    pthread_mutex_unlock(&turn);
}

void disk_watch(const char *folder, int to)
{
    writes_out = NEXT(writev);
    snprintf(under, sizeof under, "%s/", folder);
    trace = to;
    watching = 1;
}

void disk_rest(void) { watching = 0; trace = -1; failing = 0; }

/* The n-th write or sync from now on fails once with this error; 0 lets none fail. */
void disk_fail(long nth, int error)
{
    pthread_mutex_lock(&turn);
    counted = 0, failing = nth, with = error, syncs = 0;
    pthread_mutex_unlock(&turn);
}

/* The same, where syncs alone are counted. */
void disk_fail_syncs(long nth, int error)
{
    disk_fail(nth, error);
    syncs = 1;
}

long disk_count(void) { return counted; }

static const char *below(const char *path)
{
    size_t length = strlen(under);
    return watching && path && !strncmp(path, under, length) ? path + length : NULL;
}

static const char *named(int file, char *path)
{
    char link[32];
    if (!watching) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    return strstr(path, " (deleted)") ? NULL : below(path);
}

static void note(char kind, const char *path, uint64_t at, const void *data, size_t length)
{
    if (trace < 0) return;
    struct record head = {kind, at, strlen(path), length};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, length}};
    writes_out(trace, parts, 3);
}

static int fails(char kind)
{
    if (syncs && kind != 'S') return 0;
    if (++counted != failing) return 0;
    errno = with;
    return 1;
}

/* One operation on a file that is watched: in turn, failing if it is the one, written down if it was done. */
#define DONE(type, file, call, kind, at, data, length)           \
    char path[PATH_MAX];                                         \
    const char *name = named(file, path);                        \
    if (!name) return call;                                      \
    take_turn();                                                 \
    type made = fails(kind) ? -1 : call;                         \
    int error = errno;                                           \
    if (made >= 0) note(kind, name, at, data, length);           \
    else if (kind == 'S') note('F', name, 0, "", 0);             \
    give_turn();                                                 \
    errno = error;                                               \
    return made

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at)
{
    DONE(ssize_t, file, NEXT(pwrite64)(file, data, size, at), 'W', at, data, made);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t at)
{
    DONE(ssize_t, file, NEXT(pwrite)(file, data, size, at), 'W', at, data, made);
}

ssize_t write(int file, const void *data, size_t size)
{
    DONE(ssize_t, file, NEXT(write)(file, data, size), 'W', lseek64(file, 0, SEEK_CUR) - made, data, made);
}

int ftruncate64(int file, off64_t size) { DONE(int, file, NEXT(ftruncate64)(file, size), 'T', size, "", 0); }
int ftruncate(int file, off_t size) { DONE(int, file, NEXT(ftruncate)(file, size), 'T', size, "", 0); }
int fsync(int file) { DONE(int, file, NEXT(fsync)(file), 'S', 0, "", 0); }
int fdatasync(int file) { DONE(int, file, NEXT(fdatasync)(file), 'S', 0, "", 0); }

int unlink(const char *path)
{
    const char *name = below(path);
    if (!name) return NEXT(unlink)(path);
    take_turn();
    int made = NEXT(unlink)(path), error = errno;
    if (!made) note('U', name, 0, "", 0);
    give_turn();
    errno = error;
    return made;
}

int rename(const char *from, const char *to)
{
    const char *name = below(from), *other = below(to);
    if (!name || !other) return NEXT(rename)(from, to);
    take_turn();
    int made = NEXT(rename)(from, to), error = errno;
    if (!made) note('R', name, 0, other, strlen(other));
    give_turn();
    errno = error;
    return made;
}

/* What somebody was told, at this point of the order. */
void disk_told(const char *said, size_t length)
{
    take_turn();
    note('A', "", 0, said, length);
    give_turn();
}
