/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * JSON -> publish_ack.
 */
#include "submit/publish_ack.h"

#include "common/json.h"

enum status publish_ack_read(struct slice text, struct publish_ack *ret_ack)
{
    json_t *object = NULL;
    if (json_parse(text, &object, NULL, 0) != STATUS_OK)
        return STATUS_UNAVAILABLE;
    const json_t *sequence = json_object_get(object, "seq");
    enum status status = STATUS_UNAVAILABLE;
    if (!json_object_get(object, "error") && json_is_integer(sequence) && json_integer_value(sequence) > 0) {
        ret_ack->sequence = (uint64_t)json_integer_value(sequence);
        ret_ack->duplicate = json_is_true(json_object_get(object, "duplicate"));
        status = STATUS_OK;
    }
    json_decref(object);
    return status;
}
