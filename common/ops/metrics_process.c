/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the kernel knows of this process, read from /proc at each scrape. A number that cannot be read is
 * left out: a scrape never fails for it.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ops/metrics_internal.h"

struct process_reading {
    const char *name;
    const char *type;
    const char *help;
    double value; /* negative: not known */
};

/* The whitespace-separated number at `index` (from 0) of a one-line file in /proc, after the last `)` if
 * there is one: a program's name may hold spaces. */
static double proc_number(const char *path, unsigned index)
{
    char line[1024];
    FILE *file = fopen(path, "re");
    size_t length = file ? fread(line, 1, sizeof(line) - 1, file) : 0;
    if (file)
        fclose(file);
    line[length] = '\0';
    const char *at = strrchr(line, ')');
    at = at ? at + 1 : line;
    at += strspn(at, " ");
    for (; index > 0 && *at; index--) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return *at ? strtod(at, NULL) : -1;
}

static double open_descriptors(void)
{
    struct stat folder;
    /* Since Linux 6.2 the folder's size is their number; many take milliseconds to read. */
    if (stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0)
        return (double)folder.st_size;
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return -1;
    double count = -3; /* `.`, `..` and the directory itself */
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static double descriptor_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : -1;
}

static double clock_seconds(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? (double)now.tv_sec + (double)now.tv_nsec / 1e9 : -1;
}

/* Unix seconds: now, less the time since the kernel started this process. */
static double start_time(void)
{
    double ticks = proc_number("/proc/self/stat", 19); /* field 22; the first two are before the `)` */
    double up = clock_seconds(CLOCK_BOOTTIME);
    if (ticks < 0 || up < 0)
        return -1;
    return (double)clock_wall_ms() / 1000 - (up - ticks / (double)sysconf(_SC_CLK_TCK));
}

static enum status append_reading(struct buf *buf, const struct process_reading *reading)
{
    if (reading->value < 0)
        return STATUS_OK;
    enum status status = metrics_text_head(buf, reading->name, reading->type, reading->help);
    /* Two decimals for seconds: milliseconds of CPU time are noise. */
    return status == STATUS_OK ? buf_append_format(buf, "%s %.*f\n", reading->name,
                                                   strstr(reading->name, "_seconds") ? 2 : 0, reading->value)
                               : status;
}

static enum status append_build_info(const char *service, struct buf *buf)
{
    enum status status =
        metrics_text_head(buf, "pollen8_build_info", "gauge", "Always 1; the labels name what is running");
    if (status == STATUS_OK)
        status = buf_append_string(buf, "pollen8_build_info{service=\"");
    if (status == STATUS_OK)
        status = metrics_text_label_value(buf, service);
    return status == STATUS_OK ? buf_append_format(buf, "\",version=\"%s\"} 1\n", POLLEN8_VERSION) : status;
}

enum status metrics_render_process(const char *service, struct buf *buf)
{
    double page = (double)sysconf(_SC_PAGESIZE);
    const struct process_reading readings[] = {
        {"process_resident_memory_bytes", "gauge", "Memory that is in RAM",
         proc_number("/proc/self/statm", 1) * page},
        {"process_virtual_memory_bytes", "gauge", "Address space in use",
         proc_number("/proc/self/statm", 0) * page},
        {"process_open_fds", "gauge", "Open file descriptors", open_descriptors()},
        {"process_max_fds", "gauge", "Soft limit of open file descriptors", descriptor_limit()},
        {"process_threads", "gauge", "Threads", proc_number("/proc/self/stat", 17)},
        {"process_cpu_seconds_total", "counter", "CPU time used, user and system",
         clock_seconds(CLOCK_PROCESS_CPUTIME_ID)},
        {"process_start_time_seconds", "gauge", "Start of the process, Unix seconds", start_time()},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]) && status == STATUS_OK; i++)
        status = append_reading(buf, &readings[i]);
    return status == STATUS_OK ? append_build_info(service, buf) : status;
}
