# shellcheck shell=bash
# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
#
# Commands for a ring that may be running: down, status, logs, token, emit, watch, dead, import.

ring_down() {
  local pid start port ops
  case ${1:-} in
    '') ;;
    --help | -h) echo "usage: ./pollen8 down   stops the ring of RUN_DIR"; exit 0 ;;
    *) fail 2 "unknown option '$1' of down" ;;
  esac
  if process_read "$PID_DIR/supervisor"; then # a ring in the foreground of another terminal stops itself
    kill -TERM "$pid"
    while [ "$(process_start_time "$pid")" = "$start" ]; do sleep 0.05; done
    return 0
  fi
  [ -n "$(processes_running)" ] || { echo "pollen8: no ring is running in $RUN_DIR"; return 0; }
  processes_stop_all
  echo "pollen8: the ring has been stopped"
}

status_uptime() { # START TIME
  local up seconds ticks
  read -r up _ </proc/uptime
  ticks=$(getconf CLK_TCK)
  seconds=$((${up%.*} - $1 / ticks))
  if [ "$seconds" -ge 86400 ]; then echo "$((seconds / 86400))d$((seconds % 86400 / 3600))h"
  elif [ "$seconds" -ge 3600 ]; then echo "$((seconds / 3600))h$((seconds % 3600 / 60))m"
  elif [ "$seconds" -ge 60 ]; then echo "$((seconds / 60))m$((seconds % 60))s"
  else echo "${seconds}s"; fi
}

# 0: everything is ready; 1: something is not; 3: not running.
ring_status() {
  local name state result=0 names
  local pid start port ops
  case ${1:-} in
    '') ;;
    --help | -h)
      echo "usage: ./pollen8 status   exit status 0: all ready, 1: something is not, 3: not running"; exit 0 ;;
    *) fail 2 "unknown option '$1' of status" ;;
  esac
  mapfile -t names < <(processes_running)
  [ ${#names[@]} -gt 0 ] || { echo "no ring is running in $RUN_DIR"; exit 3; }
  printf '%-12s %8s %6s %6s  %-10s %s\n' SERVICE PID PORT OPS STATE UPTIME
  for name in "${names[@]}"; do
    process_read "$PID_DIR/$name" || continue
    state='not ready'
    if [ "$ops" -gt 0 ]; then port_ready "$ops" && state=ready; else port_in_use "$port" && state=ready; fi
    [ "$state" = ready ] || result=1
    printf '%-12s %8s %6s %6s  %-10s %s\n' "$name" "$pid" "${port/#0/-}" "${ops/#0/-}" "$state" "$(status_uptime "$start")"
  done
  # A process file without its process: the process died unexpectedly.
  for name in "$PID_DIR"/*-[0-9]*; do
    [ -e "$name" ] && ! process_read "$name" && { printf '%-12s %8s %6s %6s  %s\n' "${name##*/}" - - - 'has died'; result=1; }
  done
  [ ! -e "$PID_DIR/.starting" ] || { echo "still starting"; result=1; }
  exit "$result"
}

ring_logs() {
  local service='' follow='' files=()
  while [ $# -gt 0 ]; do
    case $1 in
      --follow | -f) follow=1 ;;
      --help | -h)
        echo "usage: ./pollen8 logs [gateway|auth-svc|value-svc|nats|redis|build, or one like gateway-2] [--follow]"; exit 0 ;;
      -*) fail 2 "unknown option '$1' of logs" ;;
      *) [ -z "$service" ] || fail 2 "logs takes one service"; service=$1 ;;
    esac
    shift
  done
  case $service in
    '' | gateway | auth-svc | value-svc | nats | redis | build | packages) files=("$LOG_DIR/${service:+$service}"*.log) ;;
    gateway-[0-9]* | auth-svc-[0-9]* | value-svc-[0-9]* | nats-1 | redis-1) files=("$LOG_DIR/$service.log") ;;
    *) fail 2 "unknown service '$service'; logs --help lists them" ;;
  esac
  [ -e "${files[0]}" ] || fail 1 "no such log in $LOG_DIR; ./pollen8 up writes them"
  exec tail -n 200 ${follow:+-F} -- "${files[@]}"
}

# For a command that needs the ring's secret.
ring_secret_needed() {
  [ -s "$SECRET_FILE" ] || fail 1 "no ring has run in $RUN_DIR yet; ./pollen8 up starts one"
}

ring_help_or() { # COMMAND "USAGE" ARGUMENTS...
  local argument text=$1
  shift
  for argument; do
    case $argument in
      --help | -h) printf '%s\n' "$text"; exit 0 ;;
      --) return ;;
    esac
  done
}

ring_token() {
  ring_help_or "usage: ./pollen8 token USER [--role R] [--expires 1h]

  Signs a token for any id, known or not, with the secret of the ring in RUN_DIR.
  --role R        user, service, admin
  --expires TIME  30s, 10m, 1h (default), 7d; -1h is already expired" "$@"
  ring_secret_needed
  build_tool
  exec "$BUILD_DIR/bin/pollen8ctl" token --secret-file "$SECRET_FILE" "$@"
}

ring_emit() {
  ring_help_or "usage: ./pollen8 emit EVENT JSON [--id ID]

  Publishes directly to NATS, as a platform backend does; prints the stream's acknowledgement.
  ./pollen8 emit connection.new '{\"userId\":\"ada\",\"industries\":[\"technology\"]}'
  ./pollen8 emit invite.created '{\"inviteId\":\"i1\",\"creatorId\":\"ada\"}'" "$@"
  build_tool
  exec "$BUILD_DIR/bin/pollen8ctl" emit --nats "nats://127.0.0.1:$RING_NATS_PORT" "$@"
}

ring_watch() {
  local scheme=ws
  [ -n "${TLS_CERT_FILE:-}" ] && scheme=wss
  ring_help_or "usage: ./pollen8 watch USER [--role R] [--url ws://localhost:PORT/ws]

  A client's view: every message that this user receives, one per line, until Ctrl-C. Reconnects automatically." "$@"
  ring_secret_needed
  build_tool
  exec "$BUILD_DIR/bin/pollen8ctl" watch --secret-file "$SECRET_FILE" \
    --url "$scheme://127.0.0.1:$((10#$RING_PORT))/ws" "$@"
}

ring_dead() {
  ring_help_or "usage: ./pollen8 dead list [--limit N] [--json]
       ./pollen8 dead show SEQUENCE [--json]
       ./pollen8 dead replay SEQUENCE|--all
       ./pollen8 dead drop SEQUENCE|--all --yes

  Events that value-svc put aside: their content is wrong, or they failed in 8 tries. replay publishes the body
  again as the event it was and deletes it there; drop deletes it permanently. Exit status: 0 done, 1 failed,
  2 wrong usage." "$@"
  build_tool
  exec "$BUILD_DIR/bin/pollen8ctl" dead --nats "nats://127.0.0.1:$RING_NATS_PORT" "$@"
}

ring_import() {
  ring_help_or "usage: ./pollen8 import FILE [--name NAME] [--dry-run] [--restart] [--progress PATH]

  Imports existing connections: one {\"userId\":\"ada\",\"connections\":12} per line. Counts once per user and
  name (default: members), however often it is run. If interrupted, run it again to resume. Bad lines are
  reported as FILE:LINE. Exit status: 0 every line is stored, 1 bad lines or not all stored, 2 wrong usage." "$@"
  build_tool
  exec "$BUILD_DIR/bin/pollen8ctl" import --nats "nats://127.0.0.1:$RING_NATS_PORT" "$@"
}
