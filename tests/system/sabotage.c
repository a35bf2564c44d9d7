/* A disk and a clock that do as a test says: preloaded into one process, told through a shared page.
 *
 * The page is the file that SABOTAGE_PAGE names:
 *   int32 sync       0: as always; 1: fsync and fdatasync fail with EIO; 2: they do not return
 *   int32 delay_ms   how much longer each fsync and fdatasync takes
 *   int64 offset_ns  added to CLOCK_REALTIME; the other clocks stay as they are
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WELL = 0, FAILS = 1, HANGS = 2 };
#define MILLISECOND_NS 1000000L
#define SECOND_NS 1000000000LL

struct page {
    volatile int32_t sync;
    volatile int32_t delay_ms;
    volatile int64_t offset_ns;
};

static struct page nothing;
static struct page *page = &nothing;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

__attribute__((constructor)) static void find(void)
{
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    const char *path = getenv("SABOTAGE_PAGE");
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0)
        return;
    void *found = mmap(NULL, sizeof *page, PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (found != MAP_FAILED)
        page = found;
}

static int spoiled(int (*real)(int), int descriptor)
{
    const struct timespec moment = {.tv_sec = 0, .tv_nsec = 5 * MILLISECOND_NS};
    const int32_t delay_ms = page->delay_ms;
    const struct timespec delay = {
        .tv_sec = delay_ms / 1000, .tv_nsec = delay_ms % 1000 * MILLISECOND_NS};
    if (delay_ms)
        nanosleep(&delay, NULL);
    while (page->sync == HANGS)
        nanosleep(&moment, NULL);
    if (page->sync == FAILS) {
        errno = EIO;
        return -1;
    }
    return real(descriptor);
}

int fdatasync(int descriptor) { return spoiled(real_fdatasync, descriptor); }

int fsync(int descriptor) { return spoiled(real_fsync, descriptor); }

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = real_clock_gettime(clock, now);
    if (!failed && clock == CLOCK_REALTIME) {
        int64_t ns = now->tv_sec * SECOND_NS + now->tv_nsec + page->offset_ns;
        now->tv_sec = ns / SECOND_NS;
        now->tv_nsec = ns % SECOND_NS;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec exact;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *into)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (into)
        *into = exact.tv_sec;
    return exact.tv_sec;
}
