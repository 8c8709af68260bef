/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Numbers from the command line: a wrong one ends the program with one line that names it.
 */
#include "arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static void refuse(const char *name, const char *text, double minimum, double maximum)
{
    fprintf(stderr, "%s is '%s', expected a number from %g to %g\n", name, text, minimum, maximum);
    exit(2);
}

long argument_number(const char *name, const char *text, long minimum, long maximum)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < minimum || value > maximum)
        refuse(name, text, (double)minimum, (double)maximum);
    return value;
}

double argument_decimal(const char *name, const char *text, double minimum, double maximum)
{
    char *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (errno || end == text || *end || !(value >= minimum && value <= maximum))
        refuse(name, text, minimum, maximum);
    return value;
}

bool argument_expand(const char *template, uint32_t number, const char *token, char *out, size_t capacity)
{
    char digits[16];
    size_t length = 0;

    snprintf(digits, sizeof(digits), "%" PRIu32, number);
    while (*template) {
        bool is_number = strncmp(template, "%d", 2) == 0;
        bool is_token = token && strncmp(template, "%t", 2) == 0;
        const char *piece = is_number ? digits : is_token ? token : template;
        size_t piece_length = is_number || is_token ? strlen(piece) : 1;

        if (length + piece_length >= capacity)
            return false;
        memcpy(out + length, piece, piece_length);
        length += piece_length;
        template += is_number || is_token ? 2 : 1;
    }
    out[length] = 0;
    return true;
}

void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}
