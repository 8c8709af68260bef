/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Answers to gateways: FrameReply and SessionOpenReply. Nothing is sent if the asker wants no answer. Any
 * thread.
 */
#ifndef POLLEN8_VALUE_SVC_SUBMIT_REPLY_H
#define POLLEN8_VALUE_SVC_SUBMIT_REPLY_H

#include "common/bus/batch.h"
#include "common/bus/bus.h"
#include "frame.pb-c.h"

/* How long a refused client is asked to wait if waiting can help. */
#define REPLY_RETRY_MS 1000

/* `data` is one JSON text. */
enum status reply_frame(struct bus *bus, struct slice reply, struct slice data);

/* `message` NULL: the refusal's own. */
enum status reply_frame_refused(struct bus *bus, struct slice reply, enum status refusal,
                                const char *message);

/* Of a HistoryRead. */
enum status reply_history_refused(struct bus *bus, struct slice reply, enum status refusal);

enum status reply_session_refused(struct batch_answers *answers, struct slice reply, uint64_t id,
                                  enum status refusal, const char *message);

#endif
