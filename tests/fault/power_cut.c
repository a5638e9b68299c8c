/* Notes every change of files below a directory, with its octets, for test_power_cut.py. Preloaded into a writer.
 *
 * Nothing is noted until power_cut_note() was called. An entry is six numbers of 8 octets: kind, offset, size of the
 * file's name, size of the octets, 0, 0; then name and octets. A note of the writer stands in the same order.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, SYNC, RENAME, UNLINK, SAID };

static int notes = -1;
static char under[512];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void note(int kind, int64_t at, const char *name, const void *octets, size_t size)
{
    int saved = errno;
    int64_t head[6] = { kind, at, (int64_t)strlen(name), (int64_t)size, 0, 0 };
    struct iovec parts[3] = {
        { head, sizeof head }, { (void *)name, (size_t)head[2] }, { (void *)octets, size }
    };
    syscall(SYS_writev, notes, parts, 3);
    errno = saved;
}

int power_cut_note(const char *directory, const char *file)
{
    snprintf(under, sizeof under, "%s", directory);
    notes = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    return notes;
}

void power_cut_say(const char *text)
{
    pthread_mutex_lock(&turn);
    note(SAID, 0, "", text, strlen(text));
    pthread_mutex_unlock(&turn);
}

static int counts(const char *path) { return notes >= 0 && strncmp(path, under, strlen(under)) == 0; }

/* True if the file is below the directory; then `path` has its name, and it is this thread's turn. */
static int begins(int file, char *path, size_t size)
{
    char link[64];
    int saved = errno;
    if (notes < 0 || file < 0 || file == notes)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, size - 1);
    errno = saved;
    if (length < 0)
        return 0;
    path[length] = 0;
    if (!counts(path))
        return 0;
    pthread_mutex_lock(&turn);
    return 1;
}

#define NEXT(name) \
    static __typeof__(name) *next; \
    if (!next) \
        next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* The call, between a mutex if it counts; then its note if it worked. */
#define NOTED(file, call, worked, kind, at, octets, size) \
    char path[1024]; \
    int own = begins(file, path, sizeof path); \
    __auto_type done = call; \
    if (own) { \
        if (worked) \
            note(kind, at, path, octets, (size_t)(size)); \
        pthread_mutex_unlock(&turn); \
    } \
    return done

ssize_t write(int file, const void *octets, size_t size)
{
    NEXT(write);
    NOTED(file, next(file, octets, size), done > 0, WRITE, lseek(file, 0, SEEK_CUR) - done, octets, done);
}

ssize_t pwrite(int file, const void *octets, size_t size, off_t at)
{
    NEXT(pwrite);
    NOTED(file, next(file, octets, size, at), done > 0, WRITE, at, octets, done);
}

ssize_t pwrite64(int file, const void *octets, size_t size, off64_t at)
{
    NEXT(pwrite64);
    NOTED(file, next(file, octets, size, at), done > 0, WRITE, at, octets, done);
}

int ftruncate(int file, off_t size)
{
    NEXT(ftruncate);
    NOTED(file, next(file, size), done == 0, TRUNCATE, size, "", 0);
}

int ftruncate64(int file, off64_t size)
{
    NEXT(ftruncate64);
    NOTED(file, next(file, size), done == 0, TRUNCATE, size, "", 0);
}

int fsync(int file)
{
    NEXT(fsync);
    NOTED(file, next(file), done == 0, SYNC, 0, "", 0);
}

int fdatasync(int file)
{
    NEXT(fdatasync);
    NOTED(file, next(file), done == 0, SYNC, 0, "", 0);
}

int rename(const char *from, const char *to)
{
    NEXT(rename);
    int done = next(from, to);
    if (done == 0 && counts(from))
        note(RENAME, 0, from, to, strlen(to));
    return done;
}

int unlink(const char *path)
{
    NEXT(unlink);
    int done = next(path);
    if (done == 0 && counts(path))
        note(UNLINK, 0, path, "", 0);
    return done;
}
