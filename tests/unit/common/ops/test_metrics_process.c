/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the process says of itself, against what the test knows of it: files that it opens, a thread that it
 * starts, memory that it touches, the time at which it began.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ops/metrics_internal.h"

static struct buf text;

static int setup(void **state)
{
    (void)state;
    buf_init(&text, 100000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&text);
    return 0;
}

/* The value of the line that starts with this name. */
static double reading(const char *name)
{
    size_t length = strlen(name);

    buf_clear(&text);
    assert_int_equal(metrics_render_process("test", &text), STATUS_OK);
    for (const char *line = text.data; *line; line += strcspn(line, "\n") + 1)
        if (strncmp(line, name, length) == 0 && line[length] == ' ')
            return strtod(line + length, NULL);
    fail_msg("no %s", name);
    return 0;
}

static void open_files(void **state)
{
    double before = reading("process_open_fds");
    struct rlimit limit;
    int files[5];

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        files[i] = dup(STDOUT_FILENO);
        assert_true(files[i] >= 0);
    }
    assert_int_equal((int)reading("process_open_fds"), (int)before + 5);
    for (size_t i = 0; i < 5; i++)
        close(files[i]);
    assert_int_equal((int)reading("process_open_fds"), (int)before);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(reading("process_max_fds") == (double)limit.rlim_cur);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_lock(void *argument)
{
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    return argument;
}

static void threads(void **state)
{
    double before = reading("process_threads");
    pthread_t thread;

    (void)state;
    pthread_mutex_lock(&lock);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_lock, NULL), 0);
    assert_int_equal((int)reading("process_threads"), (int)before + 1);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
}

static void memory(void **state)
{
    const size_t size = 64u * 1024 * 1024;
    double resident = reading("process_resident_memory_bytes");
    double space = reading("process_virtual_memory_bytes");
    char *block = malloc(size);

    (void)state;
    assert_non_null(block);
    memset(block, 1, size);
    assert_true(reading("process_resident_memory_bytes") > resident + (double)size / 2);
    assert_true(reading("process_virtual_memory_bytes") >= reading("process_resident_memory_bytes"));
    assert_true(space > 0);
    free(block);
}

static void times(void **state)
{
    double before = reading("process_cpu_seconds_total");
    double started = reading("process_start_time_seconds");
    double now = (double)time(NULL);
    clock_t until = clock() + CLOCKS_PER_SEC / 10;

    (void)state;
    assert_true(started <= now + 1 && started > now - 3600);
    while (clock() < until) {
    }
    assert_true(reading("process_cpu_seconds_total") >= before + 0.05);
}

static void what_is_running(void **state)
{
    (void)state;
    assert_int_equal(metrics_render_process("a\"b", &text), STATUS_OK);
    assert_non_null(strstr(text.data, "pollen8_build_info{service=\"a\\\"b\",version=\""));
    assert_non_null(strstr(text.data, "# TYPE process_cpu_seconds_total counter\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open_files, setup, teardown),
        cmocka_unit_test_setup_teardown(threads, setup, teardown),
        cmocka_unit_test_setup_teardown(memory, setup, teardown),
        cmocka_unit_test_setup_teardown(times, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_running, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
