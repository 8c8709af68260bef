/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The commands of pollen8ctl. Each gets its own arguments (argv[0] is its name), prints results on standard
 * output and one line per problem on standard error, and returns the exit status: 0 done, 1 failed, 2 wrong
 * usage. One thread.
 */
#ifndef POLLEN8_TOOLS_COMMAND_H
#define POLLEN8_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#define EXIT_FAILED    1
#define EXIT_USAGE     2
#define COMMAND_HELPED (-1)

int command_dead(int argc, char **argv);
int command_import(int argc, char **argv);
int command_token(int argc, char **argv);
int command_emit(int argc, char **argv);
int command_watch(int argc, char **argv);

/* "pollen8ctl: <text>" on standard error; returns `status`. */
int command_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An option of a command, and where to store its value: the text that follows it, or that it was given. */
struct command_option {
    const char *name; /* NULL: the end of the list */
    const char **text;
    bool *flag;
};

/* Reads the options (8 at most), and --help, which prints `usage`. 0: `optind` is at the first operand.
 * COMMAND_HELPED: the command is done. Else the exit status; the problem has been reported. */
int command_options(int argc, char **argv, const char *usage, const struct command_option *options);

/* A token for `user`, signed with the secret in a file: valid for `expires_s` seconds from now, which may be
 * negative. `role` may be NULL. NULL on failure, which has been reported; the caller frees the text. */
char *token_sign(const char *secret_file, const char *user, const char *role, int64_t expires_s);

#endif
