/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The chaos test: a ring of its own, a steady load, and processes killed at random meanwhile. At the end what
 * was acknowledged is held against what was counted and what each client was given. The last line of standard
 * output is the figures, as JSON; exit status 1 after any violation.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "common/clock.h"
#include "rolling.h"
#include "run.h"

static const char usage[] =
    "usage: chaos [options]\n"
    "  --seconds N        how long the load lasts (default: 1200)\n"
    "  --seed N           of the kills and events (default: random)\n"
    "  --rate N           events per second (default: 2000)\n"
    "  --clients N        receiving clients, ten per industry (default: 2000)\n"
    "  --attackers N      clients that claim invented offsets and pids (default: 24,\n"
    "                     none with --rolling and --failover)\n"
    "  --spare KIND,...   kinds of process that are not killed: gateway, auth-svc, value-svc, nats-server, "
    "redis-server\n"
    "  --rolling          no kills: three gateways restarted one after another under the load\n"
    "  --failover         Redis is a primary with two replicas under three sentinels: these alone, and\n"
    "                     value-svc, are stalled, failed over and killed\n"
    "  --wait-replicas N  with --failover: REDIS_WAIT_REPLICAS of the value-svc (default: 0)\n"
    "  --programs FOLDER  folder of the services (default: the one of this program)\n"
    "  --keep             keep the folder of logs and data\n";

#define WARM_SHARE        10 /* a tenth of the time is before the kills, a tenth after them */
#define CALM_LEAST        5000
#define CALM_MOST         60000
#define SECONDS_MAX       86400
#define ATTACKERS         24
#define ATTACKERS_BY_KIND UINT32_MAX /* the option was not given */

static void read_arguments(struct run_options *options, int count, char **values)
{
    static const struct option names[] = {{"seconds", required_argument, NULL, 's'},
                                          {"seed", required_argument, NULL, 'e'},
                                          {"rate", required_argument, NULL, 'r'},
                                          {"clients", required_argument, NULL, 'c'},
                                          {"spare", required_argument, NULL, 'n'},
                                          {"rolling", no_argument, NULL, 'o'},
                                          {"programs", required_argument, NULL, 'p'},
                                          {"keep", no_argument, NULL, 'k'},
                                          {"attackers", required_argument, NULL, 'a'},
                                          {"failover", no_argument, NULL, 'f'},
                                          {"wait-replicas", required_argument, NULL, 'w'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(count, values, "", names, NULL)) != -1) {
        switch (option) {
        case 's': options->seconds = (uint32_t)argument_number("--seconds", optarg, 10, SECONDS_MAX); break;
        case 'e': options->seed = (uint64_t)argument_number("--seed", optarg, 0, 1L << 60); break;
        case 'r': options->rate = (uint32_t)argument_number("--rate", optarg, 1, 100000); break;
        case 'c': options->clients = (uint32_t)argument_number("--clients", optarg, 10, 2500); break;
        case 'a':
            options->attackers = (uint32_t)argument_number("--attackers", optarg, 0, ATTACKERS_MAXIMUM);
            break;
        case 'n': options->spare = optarg; break;
        case 'o': options->rolling = true; break;
        case 'f': options->failover = true; break;
        case 'w': options->wait_replicas = (uint32_t)argument_number("--wait-replicas", optarg, 0, 2); break;
        case 'p': options->programs = optarg; break;
        case 'k': options->keep = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    options->clients -= options->clients % LEDGER_MEMBERS;
}

static void kill_at_random(struct run *run)
{
    uint64_t whole_ms = run->options->seconds * 1000UL;
    uint64_t calm_ms = whole_ms / WARM_SHARE;

    calm_ms = calm_ms < CALM_LEAST ? CALM_LEAST : calm_ms > CALM_MOST ? CALM_MOST : calm_ms;
    if (2 * calm_ms > whole_ms)
        calm_ms = whole_ms / 4;
    run->load_ms = clock_monotonic_ms();
    run->submitting = true;
    run_for(run, calm_ms);
    run->killing = true;
    run_for(run, whole_ms - 2 * calm_ms);
    run->killing = false;
    if (run->options->failover)
        failover_end(&run->failover);
    else
        killer_end(&run->killer);
    report_say(&run->report, "no more kills");
    run_for(run, calm_ms);
    if (!run_until(run, run_all_ready, CALM_MOST))
        report_violation(&run->report, "not every part is ready again after %u s", CALM_MOST / 1000);
}

int main(int argc, char **argv)
{
    static struct run run;
    char programs[RING_FOLDER_SIZE] = "";
    struct run_options options = {.seconds = 1200,
                                  .seed = (uint64_t)clock_wall_ms() % 1000000,
                                  .clients = 2000,
                                  .attackers = ATTACKERS_BY_KIND,
                                  .rate = 2000,
                                  .gateways = 2,
                                  .drain_seconds = 2,
                                  .programs = programs};
    ssize_t length = readlink("/proc/self/exe", programs, sizeof(programs) - 1);

    if (length > 0 && strrchr(programs, '/'))
        *strrchr(programs, '/') = 0;
    read_arguments(&options, argc, argv);
    if (options.attackers == ATTACKERS_BY_KIND)
        options.attackers = options.rolling || options.failover ? 0 : ATTACKERS;
    if (options.rolling)
        rolling_options(&options);
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);
    if (run_start(&run, &options)) {
        run_take_baseline(&run);
        if (options.rolling)
            rolling_run(&run);
        else
            kill_at_random(&run);
        run_settle(&run);
    } else {
        run.report.violations += run.report.violations == 0;
    }
    return run_end(&run);
}
