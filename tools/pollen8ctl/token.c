/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * `token`: signs a token (HS256) with a ring's secret, for any id, even one that does not exist, and for
 * times in the past, so that refusals can be tested. The secret comes from a file, never from the command
 * line, where other users of the machine could read it.
 */
#include "command.h"

#include <getopt.h>
#include <jwt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECRET_MAXIMUM  4096
#define DAY_S           86400
#define EXPIRES_MAXIMUM (INT64_C(3650) * DAY_S)

static const char usage[] =
    "usage: pollen8ctl token USER --secret-file FILE [--role ROLE] [--expires 1h]\n"
    "\n"
    "  USER                the user id of the token; any text, known to the ring or not\n"
    "  --secret-file FILE  the secret to sign with; a trailing newline is ignored\n"
    "  --role ROLE         adds the claim `role` (user, service, admin)\n"
    "  --expires TIME      how long it is valid: 30s, 10m, 1h (the default), 7d; -1h makes one that\n"
    "                      expired an hour ago\n";

/* [-]<number>[s|m|h|d], seconds without a unit. */
static bool parse_duration(const char *text, int64_t *ret_seconds)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', DAY_S}};
    const char *place = text + (*text == '-');
    int64_t value = 0;
    int64_t unit = 1;

    if (*place < '0' || *place > '9')
        return false;
    for (; *place >= '0' && *place <= '9'; place++) {
        value = value * 10 + (*place - '0');
        if (value > EXPIRES_MAXIMUM)
            return false;
    }
    for (size_t i = 0; *place && i < sizeof(units) / sizeof(units[0]); i++) {
        if (*place == units[i].unit) {
            unit = units[i].seconds;
            place++;
            break;
        }
    }
    if (*place || value > EXPIRES_MAXIMUM / unit)
        return false;
    *ret_seconds = *text == '-' ? -value * unit : value * unit;
    return true;
}

/* The file's bytes without trailing newlines; -1 if it cannot be read or is empty. */
static int read_secret(const char *path, unsigned char *out, size_t capacity)
{
    FILE *file = fopen(path, "re");
    size_t length;

    if (!file)
        return -1;
    length = fread(out, 1, capacity, file);
    fclose(file);
    while (length > 0 && (out[length - 1] == '\n' || out[length - 1] == '\r'))
        length--;
    return length == 0 || length == capacity ? -1 : (int)length;
}

static int fill(jwt_t *jwt, const char *user, const char *role, int64_t expires_s)
{
    int64_t now_s = time(NULL);
    /* An expired token must have been issued before its end, or it would be refused for that. */
    int64_t issued_s = expires_s > 0 ? now_s : now_s + expires_s - 3600;

    if (jwt_add_grant(jwt, "sub", user) != 0 || jwt_add_grant_int(jwt, "iat", (long)issued_s) != 0 ||
        jwt_add_grant_int(jwt, "exp", (long)(now_s + expires_s)) != 0)
        return -1;
    return role ? jwt_add_grant(jwt, "role", role) : 0;
}

char *token_sign(const char *secret_file, const char *user, const char *role, int64_t expires_s)
{
    unsigned char secret[SECRET_MAXIMUM];
    int length = read_secret(secret_file, secret, sizeof(secret));
    jwt_t *jwt = NULL;
    char *encoded = NULL;
    char *token = NULL;

    if (length < 0) {
        command_fail(EXIT_FAILED, "cannot read a secret from %s", secret_file);
        return NULL;
    }
    if (jwt_new(&jwt) == 0 && fill(jwt, user, role, expires_s) == 0 &&
        jwt_set_alg(jwt, JWT_ALG_HS256, secret, length) == 0)
        encoded = jwt_encode_str(jwt);
    if (encoded)
        token = strdup(encoded);
    if (!token)
        command_fail(EXIT_FAILED, "cannot sign a token (is the id valid UTF-8?)");
    free(encoded); /* libjwt 1.10 has no function to free it */
    jwt_free(jwt);
    explicit_bzero(secret, sizeof(secret));
    return token;
}

int command_token(int argc, char **argv)
{
    const char *secret_file = NULL;
    const char *role = NULL;
    const char *expires = "1h";
    const struct command_option options[] = {{"secret-file", &secret_file, NULL},
                                             {"role", &role, NULL},
                                             {"expires", &expires, NULL},
                                             {NULL, NULL, NULL}};
    int64_t expires_s;
    char *token;
    int result = command_options(argc, argv, usage, options);

    if (result != 0)
        return result == COMMAND_HELPED ? 0 : result;
    if (!parse_duration(expires, &expires_s))
        return command_fail(EXIT_USAGE, "--expires is '%s', expected a time like 30s, 10m, 1h, 7d or -1h",
                            expires);
    if (argc - optind != 1 || argv[optind][0] == '\0')
        return command_fail(EXIT_USAGE, "token takes one USER; pollen8ctl token --help says more");
    if (!secret_file)
        return command_fail(EXIT_USAGE, "token needs --secret-file FILE");
    token = token_sign(secret_file, argv[optind], role, expires_s);
    if (!token)
        return EXIT_FAILED;
    puts(token);
    free(token);
    return 0;
}
