/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The parts of the Prometheus text that the registry's metrics and the process's own have in common.
 */
#include "common/ops/metrics_internal.h"
#include "common/utf8.h"

/* Appends with backslash, newline and, in label values, the quote escaped. */
static enum status append_escaped(struct buf *buf, const char *text, bool quote)
{
    enum status status = STATUS_OK;
    for (; *text && status == STATUS_OK; text++) {
        if (*text == '\n')
            status = buf_append_string(buf, "\\n");
        else if (*text == '\\')
            status = buf_append_string(buf, "\\\\");
        else if (*text == '"' && quote)
            status = buf_append_string(buf, "\\\"");
        else
            status = buf_append_char(buf, *text);
    }
    return status;
}

enum status metrics_text_label_value(struct buf *buf, const char *value)
{
    /* One label that is not UTF-8 would make the whole scrape fail. */
    return append_escaped(buf, utf8_valid(slice_from_string(value)) ? value : "(invalid UTF-8)", true);
}

enum status metrics_text_head(struct buf *buf, const char *name, const char *type, const char *help)
{
    enum status status = buf_append_format(buf, "# HELP %s ", name);
    if (status == STATUS_OK)
        status = append_escaped(buf, help, false);
    return status == STATUS_OK ? buf_append_format(buf, "\n# TYPE %s %s\n", name, type) : status;
}
