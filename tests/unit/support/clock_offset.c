/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * A library to preload: what the process is told as the time of day is CLOCK_OFFSET_MS off, so that a service
 * can be tried on a machine whose clock is wrong. The monotonic clock stays.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

typedef int clock_gettime_fn(clockid_t clock, struct timespec *time);

int clock_gettime(clockid_t clock, struct timespec *time)
{
    static clock_gettime_fn *real;
    const char *text = getenv("CLOCK_OFFSET_MS");
    long offset_ms = text ? strtol(text, NULL, 10) : 0;
    int result;

    if (!real) {
        void *symbol = dlsym(RTLD_NEXT, "clock_gettime");

        real = *(clock_gettime_fn **)(void *)&symbol;
    }
    result = real(clock, time);
    if (result != 0 || clock != CLOCK_REALTIME)
        return result;
    time->tv_sec += offset_ms / 1000;
    time->tv_nsec += offset_ms % 1000 * 1000000;
    if (time->tv_nsec < 0) {
        time->tv_nsec += 1000000000;
        time->tv_sec--;
    } else if (time->tv_nsec >= 1000000000) {
        time->tv_nsec -= 1000000000;
        time->tv_sec++;
    }
    return 0;
}
