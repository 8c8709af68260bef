/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Turns an event with its fields into one line of text or JSON and writes it to standard error with one
 * write(). No lock and no allocation: a line is built on the stack, and the kernel keeps a write whole.
 */
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log_line.h"

#define SITE_INTERVAL_MS 1000

/* Set once by log_init, before threads; read ever after. */
static const char *service_name = "pollen8";
static enum log_level least_level = LOG_INFO;
static bool json_lines = true;

struct level_row {
    const char *name;
    const char *shape;
};

static const struct level_row levels[] = {
    [LOG_DEBUG] = {"debug", "\xc2\xb7"},     /* · */
    [LOG_INFO] = {"info", "\xe2\x96\xa1"},   /* □ */
    [LOG_WARN] = {"warn", "\xe2\x96\xa3"},   /* ▣ */
    [LOG_ERROR] = {"error", "\xe2\x96\xa0"}, /* ■ */
};

void log_init(const char *service, enum log_level level, enum log_format format)
{
    service_name = service;
    least_level = level;
    json_lines = format == LOG_JSON || (format == LOG_AUTO && !isatty(STDERR_FILENO));
}

bool log_enabled(enum log_level level)
{
    return level >= least_level;
}

/* The last barrier against a secret in a log: a text under such a key is not printed. */
static bool key_is_secret(const char *key)
{
    static const char *const secrets[] = {"token", "secret", "password", "authorization"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        if (strcasestr(key, secrets[i]))
            return true;
    }
    return false;
}

static void append_real(struct log_line *line, double real)
{
    if (!isfinite(real)) {
        log_line_append_string(line, "null"); /* JSON has no such number */
        return;
    }
    char text[40];
    snprintf(text, sizeof(text), "%.9g", real);
    log_line_append_string(line, text);
}

static void append_text(struct log_line *line, const struct log_field *field, struct slice text)
{
    if (!text.data && text.length == 0)
        text = slice_from_string("");
    if (key_is_secret(field->key))
        text = SLICE_LITERAL("(hidden)");
    log_line_append_quoted(line, text, json_lines);
}

static void append_value(struct log_line *line, const struct log_field *field)
{
    char number[24];
    switch (field->kind) {
    case LOG_KIND_TEXT: append_text(line, field, slice_from_string(field->value.text)); return;
    case LOG_KIND_SLICE: append_text(line, field, field->value.slice); return;
    case LOG_KIND_REAL: append_real(line, field->value.real); return;
    case LOG_KIND_INTEGER: snprintf(number, sizeof(number), "%" PRId64, field->value.integer); break;
    case LOG_KIND_UNSIGNED:
        snprintf(number, sizeof(number), "%" PRIu64, field->value.unsigned_integer);
        break;
    case LOG_END: return;
    }
    log_line_append_string(line, number);
}

/* Appends one field; if it does not fit, the line stays as it was and ends with a note. */
static bool append_field(struct log_line *line, const struct log_field *field)
{
    size_t before = line->length;
    line->overflowed = false;
    log_line_append_string(line, json_lines ? ",\"" : " ");
    log_line_append_escaped(line, slice_from_string(field->key));
    log_line_append_string(line, json_lines ? "\":" : "=");
    append_value(line, field);
    /* Room for the note below and the end of the line. */
    if (!line->overflowed && line->length <= sizeof(line->text) - 32)
        return true;
    line->length = before;
    log_line_append_string(line, json_lines ? ",\"cut\":true" : " cut=true");
    return false;
}

static void append_head(struct log_line *line, enum log_level level, const char *message)
{
    char time[25];
    clock_format_rfc3339(clock_wall_ms(), time);
    if (json_lines)
        log_line_append_string(line, "{\"ts\":\"");
    log_line_append_string(line, time);
    log_line_append_string(line, json_lines ? "\",\"level\":\"" : " ");
    log_line_append_string(line, json_lines ? levels[level].name : levels[level].shape);
    log_line_append_string(line, json_lines ? "\",\"service\":\"" : " ");
    log_line_append_escaped(line, slice_from_string(service_name));
    log_line_append_string(line, json_lines ? "\",\"msg\":\"" : " ");
    log_line_append_escaped(line, slice_from_string(message));
    if (json_lines)
        log_line_append_string(line, "\"");
}

/* One write for the whole line, repeated only if it was interrupted before it began. A line that cannot be
 * written is lost: there is no place to report it. */
static void write_line(const struct log_line *line)
{
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line->text, line->length);
    } while (written < 0 && errno == EINTR);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    int saved_errno = errno;
    struct log_line line;
    line.length = 0;
    line.overflowed = false;
    append_head(&line, level, message);
    for (const struct log_field *field = fields; field && field->kind != LOG_END; field++) {
        if (!append_field(&line, field))
            break;
    }
    log_line_append_string(&line, json_lines ? "}\n" : "\n");
    write_line(&line);
    errno = saved_errno;
}

bool log_site_allows(struct log_site *site, uint64_t *ret_suppressed)
{
    uint64_t now = clock_monotonic_ms() + 1; /* never 0, which means never */
    uint64_t last = atomic_load_explicit(&site->last_ms, memory_order_relaxed);
    if ((last != 0 && now - last < SITE_INTERVAL_MS) ||
        !atomic_compare_exchange_strong(&site->last_ms, &last, now)) {
        atomic_fetch_add_explicit(&site->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *ret_suppressed = atomic_exchange(&site->suppressed, 0);
    return true;
}
