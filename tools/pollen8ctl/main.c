/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * pollen8ctl: the commands of ./pollen8 that a shell cannot do. Finds the command, which does the rest.
 */
#include "command.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: pollen8ctl COMMAND [options]\n"
    "\n"
    "  token USER --secret-file FILE [--role ROLE] [--expires 1h]   print a signed token\n"
    "  emit EVENT JSON [--nats URL] [--id ID]                       publish as a platform backend does\n"
    "  watch USER --secret-file FILE [--role ROLE] [--url URL]      print what a client of that user "
    "receives\n"
    "  dead list|show|replay|drop [...]                             events that can never be processed\n"
    "  import FILE [--name NAME] [--dry-run]                        import existing connection counts\n"
    "\n"
    "  pollen8ctl COMMAND --help says more; ./pollen8 fills in the local ring's files and ports.\n";

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"token", command_token},
                    {"emit", command_emit},
                    {"watch", command_watch},
                    {"dead", command_dead},
                    {"import", command_import}};

    if (argc < 2) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("pollen8ctl " POLLEN8_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return command_fail(EXIT_USAGE, "unknown command '%s'; pollen8ctl --help lists them", argv[1]);
}
