/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * bytes -> line up to CRLF -> its words -> for messages the body after it.
 */
#include "common/bus/broker_protocol.h"

#include <strings.h>

#include "common/utf8.h"

#define WORDS_MAXIMUM 5
#define LINE_END      2 /* CRLF */

/* ---- what the server says ----------------------------------------------------------------------------- */

/* The line without its end. STATUS_NOT_FOUND: it is incomplete. */
static enum status take_line(struct slice bytes, struct slice *ret_line)
{
    size_t within = bytes.length < BROKER_LINE_MAXIMUM ? bytes.length : BROKER_LINE_MAXIMUM;
    const char *end = within ? memchr(bytes.data, '\n', within) : NULL;
    if (!end)
        return within == BROKER_LINE_MAXIMUM ? STATUS_MALFORMED : STATUS_NOT_FOUND;
    if (end == bytes.data || end[-1] != '\r')
        return STATUS_MALFORMED;
    *ret_line = slice_make(bytes.data, (size_t)(end - bytes.data) - 1);
    return STATUS_OK;
}

/* Splits at single spaces; 0 if there are too many words or an empty one. */
static size_t split(struct slice text, struct slice words[WORDS_MAXIMUM])
{
    size_t count = 0;
    size_t start = 0;
    for (size_t i = 0; i <= text.length; i++) {
        if (i < text.length && text.data[i] != ' ')
            continue;
        if (count == WORDS_MAXIMUM || i == start)
            return 0;
        words[count++] = slice_make(text.data + start, i - start);
        start = i + 1;
    }
    return count;
}

static bool parse_number(struct slice word, uint64_t *ret_number)
{
    if (word.length == 0 || word.length > 19)
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < word.length; i++) {
        if (word.data[i] < '0' || word.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(word.data[i] - '0');
    }
    *ret_number = number;
    return true;
}

/* The words after MSG or HMSG, and the body. */
static enum status read_message(struct slice bytes, struct slice line, bool has_headers, size_t body_maximum,
                                struct broker_operation *ret_operation, size_t *ret_size)
{
    struct slice words[WORDS_MAXIMUM];
    size_t verb = has_headers ? 5 : 4;
    size_t numbers = has_headers ? 2 : 1;
    size_t count = split(slice_make(line.data + verb, line.length - verb), words);
    struct broker_operation message = {.kind = BROKER_MESSAGE};
    if (count != 2 + numbers && count != 3 + numbers)
        return STATUS_MALFORMED;
    uint64_t head = 0;
    uint64_t total = 0;
    if (!parse_number(words[1], &message.subscription) || !parse_number(words[count - 1], &total) ||
        (has_headers && !parse_number(words[count - 2], &head)) || total > body_maximum || head > total)
        return STATUS_MALFORMED;
    *ret_size = line.length + LINE_END + (size_t)total + LINE_END;
    if (bytes.length < *ret_size)
        return STATUS_NOT_FOUND;
    const char *body = bytes.data + line.length + LINE_END;
    if (memcmp(body + total, "\r\n", LINE_END) != 0)
        return STATUS_MALFORMED;
    message.subject = words[0];
    if (count == 3 + numbers)
        message.reply = words[2];
    message.headers = slice_make(body, (size_t)head);
    message.data = slice_make(body + head, (size_t)(total - head));
    *ret_operation = message;
    return STATUS_OK;
}

static struct slice without_quotes(struct slice text)
{
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\''))
        text = slice_make(text.data + 1, text.length - 1);
    while (text.length > 0 && (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\''))
        text.length--;
    return text;
}

static enum status read_line(struct slice line, struct broker_operation *ret_operation)
{
    struct broker_operation operation = {0};
    if (slice_equal_string(line, "PING")) {
        operation.kind = BROKER_PING;
    } else if (slice_equal_string(line, "PONG")) {
        operation.kind = BROKER_PONG;
    } else if (slice_equal_string(line, "+OK")) {
        operation.kind = BROKER_OK;
    } else if (slice_starts_with(line, SLICE_LITERAL("INFO "))) {
        operation.kind = BROKER_INFO;
        operation.text = slice_make(line.data + 5, line.length - 5);
    } else if (slice_starts_with(line, SLICE_LITERAL("-ERR"))) {
        operation.kind = BROKER_ERROR;
        operation.text = without_quotes(slice_make(line.data + 4, line.length - 4));
    } else {
        return STATUS_MALFORMED;
    }
    *ret_operation = operation;
    return STATUS_OK;
}

enum status broker_operation_read(struct slice bytes, size_t body_maximum,
                                  struct broker_operation *ret_operation, size_t *ret_size)
{
    struct slice line = {0};
    size_t size = bytes.length + 1;
    enum status status = take_line(bytes, &line);
    if (status == STATUS_OK && slice_starts_with(line, SLICE_LITERAL("MSG "))) {
        status = read_message(bytes, line, false, body_maximum, ret_operation, &size);
    } else if (status == STATUS_OK && slice_starts_with(line, SLICE_LITERAL("HMSG "))) {
        status = read_message(bytes, line, true, body_maximum, ret_operation, &size);
    } else if (status == STATUS_OK) {
        size = line.length + LINE_END;
        status = read_line(line, ret_operation);
    }
    if (status != STATUS_MALFORMED)
        *ret_size = size;
    return status;
}

/* ---- where the servers are ---------------------------------------------------------------------------- */

static enum status parse_server(char *text, struct broker_server *ret_server)
{
    if (strncasecmp(text, "tls://", 6) == 0)
        return STATUS_NOT_FOUND;
    if (strncasecmp(text, "nats://", 7) != 0)
        return STATUS_MALFORMED;
    text += 7;
    char *at = strrchr(text, '@');
    struct slice address = slice_from_string(at ? at + 1 : text);
    if (address.length > 0 && address.data[address.length - 1] == '/')
        address.length--;
    struct broker_server server = {0};
    const char *reason;
    if (host_parse(address, 4222, &server.host, &reason) != STATUS_OK)
        return STATUS_MALFORMED;
    if (!utf8_valid(slice_from_string(text)))
        return STATUS_MALFORMED;
    if (at) {
        char *colon = strchr(text, ':');
        *at = '\0';
        if (colon && colon < at) {
            *colon = '\0';
            server.user = text;
            server.password = colon + 1;
        } else {
            server.token = text;
        }
    }
    *ret_server = server;
    return STATUS_OK;
}

enum status broker_servers_parse(char *list, struct broker_server servers[BROKER_SERVERS], size_t *ret_count)
{
    size_t count = 0;
    for (char *place = list; place;) {
        char *text = strsep(&place, ",");
        text += strspn(text, " ");
        text[strcspn(text, " ")] = '\0';
        if (count == BROKER_SERVERS)
            return STATUS_MALFORMED;
        enum status status = parse_server(text, &servers[count++]);
        if (status != STATUS_OK)
            return status;
    }
    *ret_count = count;
    return STATUS_OK;
}

/* ---- what is said to it ------------------------------------------------------------------------------- */

static enum status append_member(struct buf *buf, const char *name, const char *value)
{
    enum status status = value ? buf_append_format(buf, ",\"%s\":", name) : STATUS_OK;
    return status == STATUS_OK && value ? buf_append_json_string(buf, slice_from_string(value)) : status;
}

enum status broker_connect_append(struct buf *buf, const struct broker_server *server, const char *name)
{
    enum status status = buf_append_string(
        buf, "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"c\","
             "\"version\":\"1\",\"protocol\":1,\"headers\":true,\"no_responders\":true,\"echo\":true");
    if (status == STATUS_OK)
        status = append_member(buf, "name", name);
    if (status == STATUS_OK)
        status = append_member(buf, "user", server->user);
    if (status == STATUS_OK)
        status = append_member(buf, "pass", server->password);
    if (status == STATUS_OK)
        status = append_member(buf, "auth_token", server->token);
    return status == STATUS_OK ? buf_append_string(buf, "}\r\n") : status;
}

enum status broker_subscribe_append(struct buf *buf, const char *subject, uint64_t subscription)
{
    return buf_append_format(buf, "SUB %s %llu\r\n", subject, (unsigned long long)subscription);
}

enum status broker_unsubscribe_append(struct buf *buf, uint64_t subscription)
{
    return buf_append_format(buf, "UNSUB %llu\r\n", (unsigned long long)subscription);
}

enum status broker_publish_append(struct buf *buf, const char *subject, const char *reply, struct slice data)
{
    enum status status = buf_append_format(buf, "PUB %s %s%s%zu\r\n", subject, reply ? reply : "",
                                           reply ? " " : "", data.length);
    if (status == STATUS_OK)
        status = buf_append(buf, data.data, data.length);
    return status == STATUS_OK ? buf_append_string(buf, "\r\n") : status;
}

bool broker_no_responders(const struct broker_operation *message)
{
    return message->data.length == 0 && slice_starts_with(message->headers, SLICE_LITERAL("NATS/1.0 503"));
}
