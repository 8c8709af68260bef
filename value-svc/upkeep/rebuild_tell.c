/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * users, some at a time -> their values -> a frame each. The broker drops those without a subscriber.
 */
#include "upkeep/rebuild_tell.h"

#include <string.h>

#include "common/base64url.h"
#include "common/bus/subject.h"
#include "common/wire.h"
#include "event/delivery.h"
#include "records/store_rebuild.h"

#define FRAME_MAXIMUM    4096
#define FLUSH_TIMEOUT_MS 5000

struct teller {
    struct service *service;
    struct store *store;
    struct buf data;
    struct buf frame;
};

static enum status on_tell_value(void *context, const char *user, int64_t sum, uint64_t version)
{
    struct teller *teller = context;
    const struct delivery_value value = {.sum = sum, .epoch = store_epoch(teller->store), .version = version};
    char user_id[ID_MAXIMUM_BYTES + 1];
    size_t length;
    enum status status = base64url_decode(user_id, ID_MAXIMUM_BYTES, slice_from_string(user), &length);
    if (status != STATUS_OK)
        return STATUS_OK; /* not one of our keys */
    user_id[length] = '\0';
    char subject[SUBJECT_SIZE];
    if (strlen(user_id) != length ||
        subject_make(subject, SUBJECT_OUT_USER, slice_from_string(user_id)) != STATUS_OK)
        return STATUS_OK;
    Pollen8__OutboundFrame frame = POLLEN8__OUTBOUND_FRAME__INIT;
    status = delivery_update_frame(user_id, &value, &teller->data, &frame);
    buf_clear(&teller->frame);
    if (status == STATUS_OK)
        status = wire_pack(&teller->frame, &frame.base);
    return status == STATUS_OK
               ? bus_publish(teller->service->bus, subject, teller->frame.data, teller->frame.length)
               : status;
}

enum status rebuild_tell_users(struct service *service, struct store *store)
{
    struct teller teller = {.service = service, .store = store};
    buf_init(&teller.data, FRAME_MAXIMUM);
    buf_init(&teller.frame, FRAME_MAXIMUM);
    enum status status = store_connect(store);
    if (status == STATUS_OK)
        status = store_epoch_refresh(store);
    uint64_t cursor = 0;
    do {
        if (status == STATUS_OK)
            status = store_values_step(store, &cursor, on_tell_value, &teller);
        if (status == STATUS_OK)
            status = bus_flush(service->bus, FLUSH_TIMEOUT_MS);
    } while (status == STATUS_OK && cursor != 0);
    buf_done(&teller.data);
    buf_done(&teller.frame);
    return status;
}
