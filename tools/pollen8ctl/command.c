/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What all commands do alike: read their options, and say in one line what is wrong.
 */
#include "command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#define OPTIONS_MAXIMUM 8

int command_fail(int status, const char *format, ...)
{
    va_list arguments;

    fputs("pollen8ctl: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}

int command_options(int argc, char **argv, const char *usage, const struct command_option *options)
{
    struct option list[OPTIONS_MAXIMUM + 2] = {{"help", no_argument, NULL, 'h'}};
    int which;
    int index = 0;

    for (int i = 0; i < OPTIONS_MAXIMUM && options[i].name; i++)
        list[i + 1] =
            (struct option){options[i].name, options[i].text ? required_argument : no_argument, NULL, 1};
    opterr = 0;
    while ((which = getopt_long(argc, argv, ":", list, &index)) != -1) {
        switch (which) {
        case 1:
            if (options[index - 1].text)
                *options[index - 1].text = optarg;
            else
                *options[index - 1].flag = true;
            break;
        case 'h': fputs(usage, stdout); return COMMAND_HELPED;
        case ':': return command_fail(EXIT_USAGE, "%s needs a value", argv[optind - 1]);
        default: return command_fail(EXIT_USAGE, "unknown option '%s' of %s", argv[optind - 1], argv[0]);
        }
    }
    return 0;
}
