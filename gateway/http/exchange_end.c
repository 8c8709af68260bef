/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * The end of an exchange, below exchange.c and exchange_park.c: off its connection, off every list, freed.
 */
#include <libwebsockets.h>
#include <stdlib.h>

#include "base/gateway.h"
#include "base/list.h"
#include "http/exchange_internal.h"

struct exchanges *exchanges_create(void)
{
    return calloc(1, sizeof(struct exchanges));
}

void exchanges_free(struct exchanges *exchanges)
{
    free(exchanges);
}

void exchange_stay(struct exchange *exchange)
{
    LIST_REMOVE(exchange);
}

void exchange_release(struct exchange *exchange)
{
    if (exchange->wsi)
        lws_set_opaque_user_data(exchange->wsi, NULL);
    exchange_stay(exchange);
    timer_wheel_cancel(exchange->gateway->wheel, &exchange->timer);
    buf_done(&exchange->body);
    exchange->magic = 0;
    free(exchange);
}

void exchange_gone(struct exchange *exchange)
{
    struct gateway *gateway = exchange->gateway;
    const struct exchange_owner *kind = exchange->kind;
    void *owner = exchange->owner;
    if (!exchange->ending)
        exchange_release(exchange);
    if (kind)
        kind->gone(gateway, owner);
}

void exchange_end_later(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->gateway->exchanges;
    if (exchange->ending)
        return;
    exchange->ending = true;
    exchange->next_ending = exchanges->ending;
    exchanges->ending = exchange;
}

void exchanges_end_turn(struct gateway *gateway)
{
    struct exchanges *exchanges = gateway->exchanges;
    struct exchange *exchange;
    while ((exchange = exchanges->ending)) {
        exchanges->ending = exchange->next_ending;
        exchange->ending = false;
        if (exchange->wsi) /* frees the exchange by exchange_closed, or when the rest is written */
            lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
        else
            exchange_release(exchange);
    }
}
