# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
# The gateway's pure parts: bytes in, structs out; no socket, no loop, no log.
add_library(pollen8_gateway_codecs STATIC
  append.c
  attachments.c
  base64_padded.c
  client_frame.c
  dedupe.c
  departures.c
  eio_packet.c
  handshake.c
  http_answer.c
  json_scan.c
  limits.c
  origin.c
  position.c
  sid.c
  sio_assembly.c
  sio_packet.c
  ws_frame.c
  ws_json.c
  ws_proto.c)
# Not an include directory for anyone: gateway/limits.h would hide the system's <limits.h>.
target_link_libraries(pollen8_gateway_codecs PUBLIC pollen8_common PRIVATE pollen8_warnings pollen8_sanitizers)
