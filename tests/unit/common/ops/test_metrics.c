/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Series, bounds, the text format, replacing all at once, and threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/ops/metrics.h"

enum { EVENTS, CONNECTIONS, LATENCY, BY_EVENT, REFUSED, DEPTH };

static const struct metric_definition definitions[] = {
    [EVENTS] = {METRIC_COUNTER, "pollen8_events_total", NULL, "Events"},
    [CONNECTIONS] = {METRIC_GAUGE, "pollen8_gateway_connections", "industry", "Live connections"},
    [LATENCY] = {METRIC_HISTOGRAM, "pollen8_redis_latency_seconds", NULL, "Redis \\ a round\ntrip"},
    [BY_EVENT] = {METRIC_HISTOGRAM, "pollen8_event_processing_seconds", "event", "Processing"},
    [REFUSED] = {METRIC_COUNTER, "pollen8_refused_total", "code", "Refusals"},
    [DEPTH] = {METRIC_GAUGE, "pollen8_queue_depth", NULL, "Queue"},
};

static struct metrics *metrics;
static struct buf text;

static int make(void **state)
{
    (void)state;
    buf_init(&text, 1024 * 1024);
    return metrics_create(definitions, sizeof(definitions) / sizeof(definitions[0]), &metrics) == STATUS_OK
               ? 0
               : -1;
}

static int drop(void **state)
{
    (void)state;
    buf_done(&text);
    metrics_free(metrics);
    return 0;
}

static void render(void)
{
    buf_clear(&text);
    assert_int_equal(metrics_render(metrics, "gateway", &text), STATUS_OK);
}

static bool shows(const char *line)
{
    size_t length = strlen(line);

    for (const char *at = strstr(text.data, line); at; at = strstr(at + 1, line)) {
        if ((at == text.data || at[-1] == '\n') && at[length] == '\n')
            return true;
    }
    return false;
}

static unsigned lines_starting(const char *start)
{
    unsigned count = 0;

    for (const char *line = text.data; *line; line += strcspn(line, "\n") + 1)
        count += strncmp(line, start, strlen(start)) == 0;
    return count;
}

static void counters_and_gauges(void **state)
{
    (void)state;
    metrics_add(metrics, EVENTS, 3);
    metrics_add(metrics, EVENTS, 4);
    metrics_set(metrics, DEPTH, 10);
    metric_subtract(metrics_cell(metrics, DEPTH, NULL), 15);
    assert_int_equal(metric_value(metrics_cell(metrics, EVENTS, NULL)), 7);
    assert_int_equal((int64_t)metric_value(metrics_cell(metrics, DEPTH, "")), -5);
    render();
    assert_true(shows("# HELP pollen8_events_total Events"));
    assert_true(shows("# TYPE pollen8_events_total counter"));
    assert_true(shows("pollen8_events_total 7"));
    assert_true(shows("# TYPE pollen8_queue_depth gauge"));
    assert_true(shows("pollen8_queue_depth -5"));
}

static void an_unused_metric_shows_zero_and_an_unused_label_nothing(void **state)
{
    (void)state;
    render();
    assert_true(shows("pollen8_events_total 0"));
    assert_true(shows("pollen8_redis_latency_seconds_count 0"));
    assert_true(shows("# TYPE pollen8_refused_total counter"));
    assert_int_equal(lines_starting("pollen8_refused_total"), 0);
}

static void histograms(void **state)
{
    static const uint64_t observed[] = {0,      100000,       100001,       250000,
                                        999999, 10000000000u, 10000000001u, 3600000000000u};

    (void)state;
    for (size_t i = 0; i < sizeof(observed) / sizeof(observed[0]); i++)
        metrics_observe_ns(metrics, LATENCY, observed[i]);
    metric_observe_ns(metrics_cell(metrics, BY_EVENT, "connection.new"), 1000000);
    assert_int_equal(metric_value(metrics_cell(metrics, LATENCY, NULL)), 8);
    render();
    assert_true(shows("# HELP pollen8_redis_latency_seconds Redis \\\\ a round\\ntrip"));
    assert_true(shows("# TYPE pollen8_redis_latency_seconds histogram"));
    assert_true(shows("pollen8_redis_latency_seconds_bucket{le=\"0.0001\"} 2")); /* the bound belongs to it */
    assert_true(shows("pollen8_redis_latency_seconds_bucket{le=\"0.00025\"} 4"));
    assert_true(shows("pollen8_redis_latency_seconds_bucket{le=\"0.0005\"} 4"));
    assert_true(shows("pollen8_redis_latency_seconds_bucket{le=\"0.001\"} 5"));
    assert_true(shows("pollen8_redis_latency_seconds_bucket{le=\"5\"} 5"));
    assert_true(shows("pollen8_redis_latency_seconds_bucket{le=\"10\"} 6"));
    assert_true(shows("pollen8_redis_latency_seconds_bucket{le=\"+Inf\"} 8"));
    assert_true(shows("pollen8_redis_latency_seconds_sum 3620.001450001"));
    assert_true(shows("pollen8_redis_latency_seconds_count 8"));
    assert_true(shows("pollen8_event_processing_seconds_bucket{event=\"connection.new\",le=\"0.0005\"} 0"));
    assert_true(shows("pollen8_event_processing_seconds_bucket{event=\"connection.new\",le=\"0.001\"} 1"));
    assert_true(shows("pollen8_event_processing_seconds_sum{event=\"connection.new\"} 0.001000000"));
    assert_true(shows("pollen8_event_processing_seconds_count{event=\"connection.new\"} 1"));
}

static void labels_are_escaped(void **state)
{
    (void)state;
    metric_add(metrics_cell(metrics, REFUSED, "a\"b\\c\nd"), 1);
    metric_add(metrics_cell(metrics, REFUSED, "caf\xc3\xa9"), 2);
    metric_add(metrics_cell(metrics, REFUSED, "\xff"), 3);
    render();
    assert_true(shows("pollen8_refused_total{code=\"a\\\"b\\\\c\\nd\"} 1"));
    assert_true(shows("pollen8_refused_total{code=\"caf\xc3\xa9\"} 2"));
    assert_true(shows("pollen8_refused_total{code=\"(invalid UTF-8)\"} 3"));
}

static void a_held_series_stays_where_it_is(void **state)
{
    struct metric_cell *cell = metrics_cell(metrics, REFUSED, "FORBIDDEN");

    (void)state;
    for (int i = 0; i < METRIC_LABELS_MAXIMUM * 2; i++) {
        char label[16];

        snprintf(label, sizeof(label), "code%d", i);
        assert_non_null(metrics_cell(metrics, REFUSED, label));
    }
    assert_ptr_equal(metrics_cell(metrics, REFUSED, "FORBIDDEN"), cell);
}

static void labels_are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char label[16];

        snprintf(label, sizeof(label), "code%d", i);
        metric_add(metrics_cell(metrics, REFUSED, label), 1);
    }
    render();
    assert_int_equal(lines_starting("pollen8_refused_total{"), METRIC_LABELS_MAXIMUM + 1);
    assert_true(shows("pollen8_refused_total{code=\"code127\"} 1"));
    assert_true(shows("pollen8_refused_total{code=\"other\"} 872"));
    assert_ptr_equal(metrics_cell(metrics, REFUSED, "new"), metrics_cell(metrics, REFUSED, "other"));
    assert_ptr_equal(metrics_cell(metrics, REFUSED, NULL), metrics_cell(metrics, REFUSED, "other"));
}

static void other_may_come_first(void **state)
{
    (void)state;
    metric_add(metrics_cell(metrics, REFUSED, "other"), 1);
    for (int i = 0; i < METRIC_LABELS_MAXIMUM + 1; i++) {
        char label[16];

        snprintf(label, sizeof(label), "code%d", i);
        metric_add(metrics_cell(metrics, REFUSED, label), 1);
    }
    render();
    assert_int_equal(lines_starting("pollen8_refused_total{"), METRIC_LABELS_MAXIMUM + 1);
    assert_true(shows("pollen8_refused_total{code=\"other\"} 2"));
}

static void replacing(void **state)
{
    const struct metric_sample samples[] = {{"tech", 5}, {"health", 9}, {"law", 1},
                                            {"art", 1},  {"other", 2},  {"tech", 2}};

    (void)state;
    metric_add(metrics_cell(metrics, CONNECTIONS, "gone"), 1);
    assert_int_equal(metrics_replace(metrics, CONNECTIONS, samples, 6, 3), STATUS_OK);
    render();
    assert_int_equal(lines_starting("pollen8_gateway_connections{"), 4);
    assert_true(shows("pollen8_gateway_connections{industry=\"health\"} 9"));
    assert_true(shows("pollen8_gateway_connections{industry=\"tech\"} 7"));
    assert_true(shows("pollen8_gateway_connections{industry=\"art\"} 1")); /* of equals, the first by name */
    assert_true(shows("pollen8_gateway_connections{industry=\"other\"} 3"));
    assert_int_equal(metrics_replace(metrics, CONNECTIONS, samples, 2, 100), STATUS_OK);
    render();
    assert_int_equal(lines_starting("pollen8_gateway_connections{"), 2);
    assert_int_equal(metrics_replace(metrics, CONNECTIONS, NULL, 0, 100), STATUS_OK);
    render();
    assert_int_equal(lines_starting("pollen8_gateway_connections{"), 0);
}

static void replacing_is_bounded(void **state)
{
    struct metric_sample samples[1000];
    char names[1000][8];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof(names[i]), "i%d", i);
        samples[i] = (struct metric_sample){.label_value = names[i], .value = i};
    }
    assert_int_equal(metrics_replace(metrics, CONNECTIONS, samples, 1000, SIZE_MAX), STATUS_OK);
    render();
    assert_int_equal(lines_starting("pollen8_gateway_connections{"), METRIC_LABELS_MAXIMUM + 1);
    assert_true(shows("pollen8_gateway_connections{industry=\"i999\"} 999"));
    assert_false(shows("pollen8_gateway_connections{industry=\"i0\"} 0"));
}

static void definitions_that_prometheus_would_refuse(void **state)
{
    static const struct metric_definition bad[] = {
        {METRIC_COUNTER, "", NULL, "x"},
        {METRIC_COUNTER, "9lives", NULL, "x"},
        {METRIC_COUNTER, "with-dash", NULL, "x"},
        {METRIC_COUNTER, "a b", NULL, "x"},
        {METRIC_COUNTER, "caf\xc3\xa9", NULL, "x"},
        {METRIC_COUNTER, "good", "le", "x"},
        {METRIC_COUNTER, "good", "a:b", "x"},
        {METRIC_COUNTER, "good", "", "x"},
        {METRIC_COUNTER, "good", NULL, ""},
        {METRIC_COUNTER, "good", NULL, NULL},
    };
    const struct metric_definition twice[] = {{METRIC_COUNTER, "a", NULL, "x"},
                                              {METRIC_GAUGE, "a", NULL, "x"}};
    const struct metric_definition good = {METRIC_COUNTER, "_a:b9", "_c9", "x"};
    struct metrics *made = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(metrics_create(&bad[i], 1, &made), STATUS_MALFORMED);
    assert_int_equal(metrics_create(twice, 2, &made), STATUS_MALFORMED);
    assert_null(made);
    assert_int_equal(metrics_create(&good, 1, &made), STATUS_OK);
    metrics_free(made);
    assert_int_equal(metrics_create(NULL, 0, &made), STATUS_OK);
    metrics_free(made);
    metrics_free(NULL);
}

static double reading(const char *name)
{
    char start[64];
    const char *at;

    snprintf(start, sizeof(start), "\n%s ", name);
    at = strstr(text.data, start);
    assert_non_null(at);
    return strtod(at + strlen(start), NULL);
}

static void the_process_itself(void **state)
{
    (void)state;
    render();
    assert_true(shows("pollen8_build_info{service=\"gateway\",version=\"" POLLEN8_VERSION "\"} 1"));
    assert_true(shows("# TYPE process_cpu_seconds_total counter"));
    assert_true(reading("process_resident_memory_bytes") > 100000);
    assert_true(reading("process_virtual_memory_bytes") >= reading("process_resident_memory_bytes"));
    assert_true(reading("process_open_fds") >= 3);
    assert_true(reading("process_max_fds") >= reading("process_open_fds"));
    assert_true(reading("process_threads") >= 1);
    assert_true(reading("process_cpu_seconds_total") >= 0);
    /* started before now, and within the hour that no unit test takes */
    assert_in_range((uint64_t)reading("process_start_time_seconds"), (uint64_t)time(NULL) - 3600,
                    (uint64_t)time(NULL) + 1);
}

static void every_line_is_well_formed(void **state)
{
    (void)state;
    metric_add(metrics_cell(metrics, REFUSED, "x"), 1);
    render();
    for (const char *line = text.data; *line; line += strcspn(line, "\n") + 1) {
        const char *end = line + strcspn(line, "\n");
        const char *space = end;
        char *rest = NULL;

        if (*line == '#') {
            assert_true(strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0);
            continue;
        }
        while (space > line && *space != ' ')
            space--;
        assert_true(space > line);
        (void)strtod(space + 1, &rest);
        assert_ptr_equal(rest, end);
    }
    assert_int_equal(text.data[text.length - 1], '\n');
}

static void a_buf_too_small_is_said(void **state)
{
    struct buf small;

    (void)state;
    for (size_t maximum = 0; maximum < 200; maximum += 7) {
        buf_init(&small, maximum);
        assert_int_equal(metrics_render(metrics, "gateway", &small), STATUS_FULL);
        buf_done(&small);
    }
}

/* ---- threads ---- */

static _Atomic bool stop;

static void *count_up(void *argument)
{
    (void)argument;
    for (int i = 0; i < 20000; i++) {
        metrics_add(metrics, EVENTS, 1);
        metrics_observe_ns(metrics, LATENCY, (uint64_t)i * 1000);
        metric_add(metrics_cell(metrics, REFUSED, i % 2 ? "odd" : "even"), 1);
    }
    return NULL;
}

static void *replace_all(void *argument)
{
    const struct metric_sample samples[] = {{"tech", 1}, {"health", 2}, {"law", 3}};

    (void)argument;
    for (size_t i = 0; !stop; i++)
        assert_int_equal(metrics_replace(metrics, CONNECTIONS, samples, i % 4, 2), STATUS_OK);
    return NULL;
}

static void updates_replacements_and_renderings_at_once(void **state)
{
    pthread_t counters[3];
    pthread_t replacer;

    (void)state;
    stop = false;
    assert_int_equal(pthread_create(&replacer, NULL, replace_all, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&counters[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < 50; i++) {
        render();
        /* a histogram never contradicts itself */
        assert_true(reading("pollen8_redis_latency_seconds_count") ==
                    reading("pollen8_redis_latency_seconds_bucket{le=\"+Inf\"}"));
    }
    for (int i = 0; i < 3; i++)
        pthread_join(counters[i], NULL);
    stop = true;
    pthread_join(replacer, NULL);
    render();
    assert_true(shows("pollen8_events_total 60000"));
    assert_true(shows("pollen8_redis_latency_seconds_count 60000"));
    assert_true(shows("pollen8_refused_total{code=\"odd\"} 30000"));
    assert_true(shows("pollen8_refused_total{code=\"even\"} 30000"));
}

#define WITH_METRICS(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_METRICS(counters_and_gauges),
        WITH_METRICS(an_unused_metric_shows_zero_and_an_unused_label_nothing),
        WITH_METRICS(histograms),
        WITH_METRICS(labels_are_escaped),
        WITH_METRICS(a_held_series_stays_where_it_is),
        WITH_METRICS(labels_are_bounded),
        WITH_METRICS(other_may_come_first),
        WITH_METRICS(replacing),
        WITH_METRICS(replacing_is_bounded),
        cmocka_unit_test(definitions_that_prometheus_would_refuse),
        WITH_METRICS(the_process_itself),
        WITH_METRICS(every_line_is_well_formed),
        WITH_METRICS(a_buf_too_small_is_said),
        WITH_METRICS(updates_replacements_and_renderings_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
