/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One log line being built in fixed memory: what does not fit is left out whole, so that a line is always
 * well-formed. Private to log.c. Any thread; one line on one thread.
 */
#ifndef POLLEN8_COMMON_LOG_LINE_H
#define POLLEN8_COMMON_LOG_LINE_H

#include "common/slice.h"

#define LOG_LINE_BYTES          8192
#define LOG_VALUE_MAXIMUM_BYTES 512

struct log_line {
    size_t length;
    bool overflowed; /* something did not fit since this was last set to false */
    char text[LOG_LINE_BYTES];
};

void log_line_append(struct log_line *line, struct slice text);
void log_line_append_string(struct log_line *line, const char *text);

/* Appends what is safe inside a JSON string and on a terminal: control characters (C0, DEL, C1), invalid
 * UTF-8, line separators, direction overrides, quotes and backslashes are escaped. At most
 * LOG_VALUE_MAXIMUM_BYTES of the text, then an ellipsis. */
void log_line_append_escaped(struct log_line *line, struct slice text);

/* The same, in quotes if `always`, if the text is empty, or if it holds anything but printable ASCII without
 * space, quote, backslash and equals sign. */
void log_line_append_quoted(struct log_line *line, struct slice text, bool always);

#endif
