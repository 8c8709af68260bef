/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 * Secrets from files: NAME_FILE in place of NAME. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ops/config.h"

struct secrets {
    char *key;
};

static const struct config_setting settings[] = {
    {"P8_KEY", "", "A key", CONFIG_SECRET, offsetof(struct secrets, key), 8, 16}};
static const struct config_program program = {
    .name = "test", .purpose = "Tests", .settings = settings, .count = 1};

static char path[] = "/tmp/pollen8-secret-XXXXXX";

static void write_secret(const char *text, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

/* config_load in a child, because it ends the process: its exit status, and what it wrote to standard error.
 */
static int load_in_child(char *out, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char name[] = "test";
        char *arguments[] = {name, NULL};
        struct secrets secrets = {0};
        dup2(ends[1], STDERR_FILENO);
        config_load(&program, &secrets, 1, arguments);
        fputs(secrets.key ? secrets.key : "(none)", stderr);
        config_free(&program, &secrets);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t more;
    while (length < size - 1 && (more = read(ends[0], out + length, size - 1 - length)) > 0)
        length += (size_t)more;
    out[length] = '\0';
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect(const char *text, size_t length, int status, const char *said)
{
    char out[1024];
    write_secret(text, length);
    assert_int_equal(load_in_child(out, sizeof(out)), status);
    assert_non_null(strstr(out, said));
    if (status != 0)
        assert_null(strstr(out, "hunter")); /* never a byte of the secret */
}

static void test_file(void **state)
{
    (void)state;
    expect("hunter22", 8, 0, "hunter22");
    expect("hunter22\n", 9, 0, "hunter22");
    expect("hunter22\r\n", 10, 0, "hunter22");
    expect("hunter2222222222\n", 17, 0, "hunter2222222222");
}

static void test_bad_files(void **state)
{
    (void)state;
    expect("", 0, 2, "is empty");
    expect("\n", 1, 2, "is empty");
    expect("hunter2", 7, 2, "P8_KEY is too short");
    expect("hunter22222222222", 17, 2, "P8_KEY is too long");
    expect("hunter22\nhunter22", 17, 2, "one line");
    expect("hunter\0 2", 9, 2, "one line");
}

static void test_missing_file(void **state)
{
    (void)state;
    char out[1024];
    setenv("P8_KEY_FILE", "/nonexistent/key", 1);
    assert_int_equal(load_in_child(out, sizeof(out)), 2);
    assert_non_null(strstr(out, "P8_KEY_FILE /nonexistent/key cannot be read"));
    setenv("P8_KEY_FILE", path, 1);
}

static void test_both(void **state)
{
    (void)state;
    setenv("P8_KEY", "hunter33", 1);
    expect("hunter22", 8, 2, "both set");
    unsetenv("P8_KEY");
}

static void test_neither(void **state)
{
    (void)state;
    char out[1024];
    setenv("P8_KEY_FILE", "", 1);
    assert_int_equal(load_in_child(out, sizeof(out)), 0);
    assert_string_equal(out, "(none)");
    setenv("P8_KEY_FILE", path, 1);
}

static int make_file(void **state)
{
    (void)state;
    int descriptor = mkstemp(path);
    return descriptor < 0 || close(descriptor) != 0 || setenv("P8_KEY_FILE", path, 1) != 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file), cmocka_unit_test(test_bad_files), cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_both), cmocka_unit_test(test_neither),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
