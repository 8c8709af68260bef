/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * fork → the log as its output → exec; /proc/<pid> → figures.
 */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Versions of clang-format differ on this. */
/* clang-format off */
static void __attribute__((format(printf, 2, 0)))
add_text(char texts[PROCESS_TEXTS][PROCESS_TEXT], const char *format, va_list arguments)
/* clang-format on */
{
    size_t at = 0;

    while (at < PROCESS_TEXTS && texts[at][0])
        at++;
    if (at == PROCESS_TEXTS || vsnprintf(texts[at], PROCESS_TEXT, format, arguments) >= PROCESS_TEXT) {
        fprintf(stderr, "chaos: too many or too long arguments of a process\n");
        exit(2);
    }
}

void process_argument(struct process *process, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add_text(process->arguments, format, arguments);
    va_end(arguments);
}

void process_setting(struct process *process, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add_text(process->settings, format, arguments);
    va_end(arguments);
}

static _Noreturn void become(struct process *process, pid_t parent)
{
    char *arguments[PROCESS_TEXTS + 1] = {NULL};
    int log = open(process->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0); /* a Ctrl-C is for this program alone */
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    for (size_t i = 0; i < PROCESS_TEXTS && process->settings[i][0]; i++)
        putenv(process->settings[i]);
    for (size_t i = 0; i < PROCESS_TEXTS && process->arguments[i][0]; i++)
        arguments[i] = process->arguments[i];
    execvp(arguments[0], arguments);
    dprintf(STDERR_FILENO, "%s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

bool process_start(struct process *process, uint64_t now_ms)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0)
        become(process, parent);
    if (pid < 0)
        return false;
    process->pid = pid;
    process->started_ms = now_ms;
    process->resident_kb = process->warm_kb = 0;
    return true;
}

void process_kill(struct process *process)
{
    if (process->pid == 0)
        return;
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    process->pid = 0;
}

bool process_ended(struct process *process, int *ret_status)
{
    if (process->pid == 0 || waitpid(process->pid, ret_status, WNOHANG) != process->pid)
        return false;
    process->pid = 0;
    return true;
}

static long count_descriptors(pid_t pid)
{
    char path[64];
    long count = -2; /* . and .. */
    DIR *folder;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    folder = opendir(path);
    if (!folder)
        return 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static long read_resident_kb(pid_t pid)
{
    char path[64];
    long pages = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

void process_look(struct process *process, uint64_t now_ms, uint64_t warm_after_ms)
{
    if (process->pid == 0)
        return;
    process->resident_kb = read_resident_kb(process->pid);
    process->descriptors = count_descriptors(process->pid);
    if (process->resident_kb == 0 || now_ms - process->started_ms < warm_after_ms)
        return;
    if (process->warm_kb == 0)
        process->warm_kb = process->resident_kb;
    if (process->resident_kb - process->warm_kb > process->grown_kb)
        process->grown_kb = process->resident_kb - process->warm_kb;
}
