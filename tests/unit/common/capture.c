/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * fork with both outputs in temporary files: no pipe can fill up and no order of reading matters.
 */
#include "capture.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int good)
{
    if (!good)
        abort();
}

static int open_memory(void)
{
    int descriptor = memfd_create("captured", MFD_CLOEXEC);

    must(descriptor >= 0);
    return descriptor;
}

static void read_all(int descriptor, char *out, size_t size)
{
    ssize_t got = pread(descriptor, out, size - 1, 0);

    must(got >= 0);
    out[got] = '\0';
    close(descriptor);
}

void capture(void (*body)(void *context), void *context, struct captured *ret)
{
    const struct rlimit no_core = {0, 0};
    int out = open_memory();
    int err = open_memory();
    int status = 0;
    pid_t child = fork();

    must(child >= 0);
    if (child == 0) {
        must(setrlimit(RLIMIT_CORE, &no_core) == 0);
        must(dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0);
        body(context);
        exit(0);
    }
    must(waitpid(child, &status, 0) == child);
    ret->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ret->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    read_all(out, ret->out, sizeof(ret->out));
    read_all(err, ret->err, sizeof(ret->err));
}
