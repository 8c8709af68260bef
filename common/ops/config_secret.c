/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * NAME_FILE for a secret NAME: orchestrators hand secrets over as files. Reads the file's text without the
 * trailing line end that editors add. Every copy that does not go to the caller is wiped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ops/config_internal.h"

#define VARIABLE_SIZE 128

/* As much of the file as fits into `out`; -1 with errno set. */
static ssize_t read_file(const char *path, char *out, size_t size)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return -1;
    size_t length = 0;
    ssize_t more = 1;
    while (more > 0 && length < size) {
        more = read(descriptor, out + length, size - length);
        if (more < 0 && errno == EINTR)
            more = 1;
        else if (more > 0)
            length += (size_t)more;
    }
    int error = errno;
    (void)close(descriptor); /* only read from */
    errno = error;
    return more < 0 ? -1 : (ssize_t)length;
}

static bool holds_one_text(const char *text, size_t length)
{
    return memchr(text, '\0', length) == NULL && memchr(text, '\n', length) == NULL;
}

int config_secret_read(const struct config_setting *setting, char **ret_text, char *error, size_t error_size)
{
    size_t size = (size_t)setting->maximum + 3; /* a line end and one byte that shows it is too long */
    char variable[VARIABLE_SIZE];
    snprintf(variable, sizeof(variable), "%s_FILE", setting->name);
    const char *path = getenv(variable);
    if (!path || !*path)
        return 0;
    char *text = calloc(1, size + 1);
    ssize_t length = text ? read_file(path, text, size) : -1;
    if (length < 0) {
        snprintf(error, error_size, "%s %s cannot be read: %s", variable, path, strerror(errno));
        free(text);
        return 1;
    }
    if (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    if (length > 0 && text[length - 1] == '\r')
        text[--length] = '\0';
    if (length == 0 || !holds_one_text(text, (size_t)length)) {
        snprintf(error, error_size, "%s %s is %s, expected one line", variable, path,
                 length == 0 ? "empty" : "several lines or binary");
        explicit_bzero(text, size);
        free(text);
        return 1;
    }
    *ret_text = text;
    return 0;
}
