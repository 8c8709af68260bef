/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The commands of pollen8ctl. Each gets its own arguments (argv[0] is its name), prints results on standard
 * output and one line per problem on standard error, and returns the exit status: 0 done, 1 failed, 2 wrong
 * usage. One thread.
 */
#ifndef POLLEN8_TOOLS_COMMAND_H
#define POLLEN8_TOOLS_COMMAND_H

#include <stdint.h>

#define EXIT_FAILED 1
#define EXIT_USAGE  2

int command_dead(int argc, char **argv);
int command_import(int argc, char **argv);
int command_token(int argc, char **argv);
int command_emit(int argc, char **argv);
int command_watch(int argc, char **argv);

/* "pollen8ctl: <text>" on standard error; returns `status`. */
int command_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A token for `user`, signed with the secret in a file: valid for `expires_s` seconds from now, which may be
 * negative. `role` may be NULL. NULL on failure, which has been reported; the caller frees the text. */
char *token_sign(const char *secret_file, const char *user, const char *role, int64_t expires_s);

#endif
