/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * One process of the ring: started with the same arguments each time, killed, watched. It ends with this
 * program. One thread.
 */
#ifndef POLLEN8_CHAOS_PROCESS_H
#define POLLEN8_CHAOS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_TEXTS 16 /* arguments or settings at most */
#define PROCESS_TEXT  320

struct process {
    char name[32];
    char log[PROCESS_TEXT];
    char arguments[PROCESS_TEXTS][PROCESS_TEXT]; /* the program first; up to the first empty one */
    char settings[PROCESS_TEXTS][PROCESS_TEXT];  /* NAME=value */
    pid_t pid;                                   /* 0: does not run */
    uint64_t started_ms;
    long resident_kb; /* at the last look; 0: none yet */
    long warm_kb;     /* at the first look after it was warm; 0: it is not yet */
    long grown_kb;    /* most that any of its lives grew after that */
    long descriptors;
};

void process_argument(struct process *process, const char *format, ...) __attribute__((format(printf, 2, 3)));
void process_setting(struct process *process, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* false with errno. Its output is appended to its log. */
bool process_start(struct process *process, uint64_t now_ms);

/* kill -9, and waits for its end. */
void process_kill(struct process *process);

/* true where it has ended (wait status in *ret_status); it does not run any more. */
bool process_ended(struct process *process, int *ret_status);

/* Reads how much memory and how many descriptors it holds. */
void process_look(struct process *process, uint64_t now_ms, uint64_t warm_after_ms);

#endif
