/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The watcher. Redis may forget its tail (a restart without every write on disk, a failover) or everything.
 * Each connection learns the server's run_id and the epoch; a new run_id or a missing epoch raises it (by
 * script, so that all instances agree). The watcher of one instance then puts the stream, from where this
 * Redis remembers to have been, or the last window where it does not, through the same script as ever: what
 * Redis still knows is found in `seen`, of which nothing is forgotten meanwhile, what it forgot counts again,
 * and its users get their corrected value. A lock that expires with its holder keeps it to one instance;
 * workers go on meanwhile.
 */
#ifndef POLLEN8_VALUE_REPLAY_H
#define POLLEN8_VALUE_REPLAY_H

/* A thread's function; the argument is the struct service. Returns NULL after service_stop. */
void *replay_run(void *context);

#endif
