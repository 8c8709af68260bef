/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Black-and-white logs on standard error: text on a terminal (`2026-01-31T12:00:00.123Z □ gateway ready
 * port=3001`), else one JSON object per line with keys ts, level, service, msg and the context. A level is a
 * shape, never a colour. Control characters and invalid UTF-8 in values are escaped, so that no input can
 * forge a line. Values are cut at 512 bytes. Any thread; a line is written with one write().
 *
 * Leaf code never logs: the owner of an operation logs once, with context. Nothing named token, secret,
 * password or authorization may be passed as a value.
 */
#ifndef POLLEN8_COMMON_LOG_H
#define POLLEN8_COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };

enum log_kind {
    LOG_END = 0,
    LOG_KIND_TEXT,
    LOG_KIND_SLICE,
    LOG_KIND_INTEGER,
    LOG_KIND_UNSIGNED,
    LOG_KIND_REAL
};

struct log_field {
    const char *key;
    enum log_kind kind;
    union {
        const char *text;
        struct slice slice;
        int64_t integer;
        uint64_t unsigned_integer;
        double real;
    } value;
};

#define LOG_S(name, text_)   ((struct log_field){.key = (name), .kind = LOG_KIND_TEXT, .value.text = (text_)})
#define LOG_SLICE(name, slc) ((struct log_field){.key = (name), .kind = LOG_KIND_SLICE, .value.slice = (slc)})
#define LOG_I(name, number)                                                                                  \
    ((struct log_field){.key = (name), .kind = LOG_KIND_INTEGER, .value.integer = (number)})
#define LOG_U(name, number)                                                                                  \
    ((struct log_field){.key = (name), .kind = LOG_KIND_UNSIGNED, .value.unsigned_integer = (number)})
#define LOG_F(name, number) ((struct log_field){.key = (name), .kind = LOG_KIND_REAL, .value.real = (number)})

/* Sets the service's name (borrowed for good), the minimum level and the format. Call once, first. */
void log_init(const char *service, enum log_level level, enum log_format format);

bool log_enabled(enum log_level level);

/* Use log_event: log_event(LOG_INFO, "ready", LOG_I("port", 3001)); context fields may be none. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

#define log_event(level, message, ...)                                                                       \
    do {                                                                                                     \
        if (log_enabled(level))                                                                              \
            log_write((level), (message), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}});        \
    } while (0)

/* Rate limit for messages that input can cause: at most one line per second per site, then a line that says
 * how many were left out (key `suppressed`). `site` is a static object of the caller, zeroed. */
struct log_site {
    _Atomic uint64_t last_ms;
    _Atomic uint64_t suppressed;
};
bool log_site_allows(struct log_site *site, uint64_t *ret_suppressed);

#define log_event_limited(level, message, ...)                                                               \
    do {                                                                                                     \
        static struct log_site log_site_here;                                                                \
        uint64_t log_suppressed_here;                                                                        \
        if (log_enabled(level) && log_site_allows(&log_site_here, &log_suppressed_here))                     \
            log_write((level), (message),                                                                    \
                      (const struct log_field[]){                                                            \
                          LOG_U("suppressed", log_suppressed_here) __VA_OPT__(, ) __VA_ARGS__, {0}});        \
    } while (0)

#endif
