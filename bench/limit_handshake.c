/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Sec-WebSocket-Key → SHA-1 with the protocol's GUID → base64 → the 101 answer.
 */
#include "limit_handshake.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define KEY_LENGTH    24
#define DIGEST_LENGTH 20
#define BLOCK_LENGTH  64

static uint32_t rotate(uint32_t value, int by)
{
    return value << by | value >> (32 - by);
}

static uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d)
{
    if (round < 20)
        return ((b & c) | (~b & d)) + 0x5a827999U;
    if (round < 40)
        return (b ^ c ^ d) + 0x6ed9eba1U;
    if (round < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcU;
    return (b ^ c ^ d) + 0xca62c1d6U;
}

static void sha1_block(uint32_t state[5], const unsigned char *block)
{
    uint32_t words[80];
    uint32_t s[5];

    memcpy(s, state, sizeof(s));
    for (int i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                   (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 80; i++)
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t next = rotate(s[0], 5) + mix(i, s[1], s[2], s[3]) + s[4] + words[i];
        s[4] = s[3];
        s[3] = s[2];
        s[2] = rotate(s[1], 30);
        s[1] = s[0];
        s[0] = next;
    }
    for (int i = 0; i < 5; i++)
        state[i] += s[i];
}

/* Key and GUID are 60 bytes: with the padding two blocks. */
static void sha1_of_60(const unsigned char *text, unsigned char digest[DIGEST_LENGTH + 1])
{
    uint32_t state[5] = {0x67452301U, 0xefcdab89U, 0x98badcfeU, 0x10325476U, 0xc3d2e1f0U};
    unsigned char blocks[2 * BLOCK_LENGTH] = {0};

    memcpy(blocks, text, 60);
    blocks[60] = 0x80;
    blocks[126] = (60 * 8) >> 8;
    blocks[127] = (60 * 8) & 0xff;
    sha1_block(state, blocks);
    sha1_block(state, blocks + BLOCK_LENGTH);
    for (int i = 0; i < DIGEST_LENGTH; i++)
        digest[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
    digest[DIGEST_LENGTH] = 0;
}

static void base64_of_20(const unsigned char digest[DIGEST_LENGTH + 1], char out[29])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (int i = 0; i <= DIGEST_LENGTH; i += 3) {
        uint32_t bits = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8;
        if (i + 2 <= DIGEST_LENGTH)
            bits |= digest[i + 2];
        *out++ = letters[bits >> 18];
        *out++ = letters[bits >> 12 & 63];
        *out++ = letters[bits >> 6 & 63];
        *out++ = letters[bits & 63];
    }
    out[-1] = '='; /* 20 bytes leave one byte of the last three empty */
    *out = 0;
}

size_t handshake_answer(const char *request, char *out, size_t capacity)
{
    static const char name[] = "\r\nSec-WebSocket-Key: ";
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const char *key = strcasestr(request, name);
    unsigned char text[KEY_LENGTH + sizeof(guid)];
    unsigned char digest[DIGEST_LENGTH + 1];
    char accept[29];
    int length;

    if (!key)
        return 0;
    key += sizeof(name) - 1;
    if (strcspn(key, "\r") != KEY_LENGTH)
        return 0;
    memcpy(text, key, KEY_LENGTH);
    memcpy(text + KEY_LENGTH, guid, sizeof(guid));
    sha1_of_60(text, digest);
    base64_of_20(digest, accept);
    length = snprintf(out, capacity,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: %s\r\n\r\n",
                      accept);
    return length > 0 && (size_t)length < capacity ? (size_t)length : 0;
}
