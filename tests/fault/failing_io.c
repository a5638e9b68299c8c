/* Makes calls of the operating system fail below SQLite. Preloaded into a writer of a database by test_failing_io.py.
 *
 * Nothing fails until failing_arm() was called. From then on the calls of the chosen kinds are counted, and those with
 * the numbers nth to nth + times - 1 fail. Files count if their path begins with `under`; allocations count if SQLite's
 * library asks for them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, TRUNCATE = 4, MAP = 8, MEMORY = 16 };

static int kinds, number;
static long first, last, calls, failed;
static char under[512];
static uintptr_t begin = UINTPTR_MAX, end;

extern void *__libc_malloc(size_t);
extern void *__libc_realloc(void *, size_t);

static int find_sqlite(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size, (void)data;
    if (!strstr(info->dlpi_name, "sqlite3"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X))
            continue;
        begin = from;
        end = from + info->dlpi_phdr[i].p_memsz;
    }
    return strstr(info->dlpi_name, "libsqlite3") != NULL; /* else the extension module holds it, unless one follows */
}

void failing_arm(int which, long nth, long times, int error, const char *directory)
{
    dl_iterate_phdr(find_sqlite, NULL);
    snprintf(under, sizeof under, "%s", directory);
    number = error, first = nth, last = nth + times - 1, calls = failed = 0;
    kinds = which;
}

/* How many calls failed. */
long failing_count(void) { return failed; }

static int fails(int kind)
{
    if (!(kinds & kind))
        return 0;
    long call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    if (call < first || call > last)
        return 0;
    __atomic_add_fetch(&failed, 1, __ATOMIC_RELAXED);
    errno = number;
    return 1;
}

static int fails_on(int kind, int file)
{
    char link[64], path[1024];
    if (!(kinds & kind) || file < 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    int saved = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, under, strlen(under)) == 0 && fails(kind);
}

#define NEXT(name) \
    static __typeof__(name) *next; \
    if (!next) \
        next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int file, const void *octets, size_t size)
{
    NEXT(write);
    return fails_on(WRITE, file) ? -1 : next(file, octets, size);
}

/* Every other failure is a short write: some octets arrive, then nothing. */
#define PWRITE(name, offset_type) \
    ssize_t name(int file, const void *octets, size_t size, offset_type at) \
    { \
        NEXT(name); \
        if (!fails_on(WRITE, file)) \
            return next(file, octets, size, at); \
        if (failed % 2 == 0 && size > 1) \
            next(file, octets, size / 2, at); \
        errno = number; \
        return -1; \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

int fsync(int file)
{
    NEXT(fsync);
    return fails_on(SYNC, file) ? -1 : next(file);
}

int fdatasync(int file)
{
    NEXT(fdatasync);
    return fails_on(SYNC, file) ? -1 : next(file);
}

int ftruncate(int file, off_t size)
{
    NEXT(ftruncate);
    return fails_on(TRUNCATE, file) ? -1 : next(file, size);
}

int ftruncate64(int file, off64_t size)
{
    NEXT(ftruncate64);
    return fails_on(TRUNCATE, file) ? -1 : next(file, size);
}

void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    NEXT(mmap);
    return fails_on(MAP, file) ? MAP_FAILED : next(at, size, protection, flags, file, offset);
}

void *mmap64(void *at, size_t size, int protection, int flags, int file, off64_t offset)
{
    NEXT(mmap64);
    return fails_on(MAP, file) ? MAP_FAILED : next(at, size, protection, flags, file, offset);
}

static int asked_by_sqlite(void *caller) { return (uintptr_t)caller >= begin && (uintptr_t)caller < end; }

void *malloc(size_t size)
{
    return kinds & MEMORY && asked_by_sqlite(__builtin_return_address(0)) && fails(MEMORY) ? NULL : __libc_malloc(size);
}

void *realloc(void *old, size_t size)
{
    return kinds & MEMORY && asked_by_sqlite(__builtin_return_address(0)) && fails(MEMORY) ? NULL
                                                                                        : __libc_realloc(old, size);
}
