/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Whom an event is for: everyone, the members of an industry, or one user. There are rooms of each kind
 * (rooms.h).
 */
#ifndef POLLEN8_GATEWAY_FRAME_ROOM_KIND_H
#define POLLEN8_GATEWAY_FRAME_ROOM_KIND_H

enum room_kind { ROOM_EVERYONE, ROOM_INDUSTRY, ROOM_USER, ROOM_KINDS };

#endif
