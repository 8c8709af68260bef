# shellcheck shell=bash
# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
#
# Starts a ring: packages, build, broker, Redis, services, all at once. Waits until each is ready, then
# supervises it in the foreground, or leaves it to `down`.

READY_LIMIT_S=60
declare -A RING_NAMES=() # process id → name, of the processes that this shell started

up_usage() {
  cat <<'TEXT'
usage: ./pollen8 up [--detach] [--gateways N] [--auth N] [--value N]

  --detach      return once the ring is ready; ./pollen8 down stops it
  --gateways N  how many gateways: PORT, PORT+1, ... (default 1)
  --auth N      how many auth-svc (default 1)
  --value N     how many value-svc (default 1)

  Ops ports count up from OPS_PORT_BASE: gateways first, then auth-svc, then value-svc.
TEXT
}

ring_up() {
  local detach='' gateways=1 auths=1 values=1
  while [ $# -gt 0 ]; do
    case $1 in
      --detach) detach=1 ;;
      --gateways | --auth | --value)
        [ $# -ge 2 ] || fail 2 "$1 needs a number"
        settings_count "$1" "$2"
        case $1 in
          --gateways) gateways=$((10#$2)) ;;
          --auth) auths=$((10#$2)) ;;
          --value) values=$((10#$2)) ;;
        esac
        shift
        ;;
      --help | -h) up_usage; exit 0 ;;
      *) fail 2 "unknown option '$1' of up; ./pollen8 up --help lists them" ;;
    esac
    shift
  done

  up_folders
  up_ports "$gateways" "$auths" "$values"
  packages_need "a ring" "${PACKAGES_BUILD[@]}" "${PACKAGES_RUN[@]}"
  build_ring
  settings_secret
  settings_keep
  up_seed

  trap 'up_interrupted' INT TERM HUP
  [ -n "$detach" ] || echo $$ "$(process_start_time $$)" 0 0 >"$PID_DIR/supervisor"
  up_start "$gateways" "$auths" "$values"
  up_wait_ready
  up_tell "$gateways" "$detach"
  if [ -n "$detach" ]; then
    trap - INT TERM HUP
    exit 0
  fi
  up_supervise
}

up_folders() {
  local running
  mkdir -p "$LOG_DIR" "$PID_DIR" "$RUN_DIR/nats" "$RUN_DIR/redis" 2>/dev/null || fail 1 "cannot write to $RUN_DIR"
  # Held while starting, and by a ring in the foreground; the processes do not inherit it.
  exec 9>"$RUN_DIR/lock"
  flock -n 9 || fail 1 "a ring is already running (or starting) in $RUN_DIR; ./pollen8 status shows it"
  running=$(processes_running)
  [ -z "$running" ] || fail 1 "a ring is already running in $RUN_DIR; ./pollen8 down stops it"
  rm -f "$PID_DIR"/* "$LOG_DIR"/*-[0-9]*.log # of the previous ring
  : >"$PID_DIR/.starting" # removed once everything is ready: until then status sees only a part of the ring
}

# Every port must be free and used once.
up_ports() {
  local port name entry
  local -A taken=()
  for entry in $(up_port_list "$@"); do
    name=${entry%%=*} port=${entry#*=}
    [ "$port" -le 65535 ] || fail 2 "$name counts up past port 65535; give it a lower number"
    [ -z "${taken[$port]:-}" ] || fail 2 "port $port is used twice, by ${taken[$port]} and $name; change one of them"
    taken[$port]=$name
    ! port_in_use "$port" || fail 1 "port $port is in use by a different program; set $name to a free port"
  done
}

up_port_list() {
  local i
  echo "NATS_PORT=$RING_NATS_PORT" "REDIS_PORT=$RING_REDIS_PORT"
  for ((i = 0; i < $1; i++)); do echo "PORT=$((10#$RING_PORT + i))"; done
  for ((i = 0; i < $1 + $2 + $3; i++)); do echo "OPS_PORT_BASE=$((10#$RING_OPS_PORT + i))"; done
}

up_seed() {
  [ -s "$RUN_DIR/users.json" ] || cp "$POLLEN8_ROOT/deploy/demo-users.json" "$RUN_DIR/users.json" ||
    fail 1 "cannot write $RUN_DIR/users.json"
  cat >"$RUN_DIR/nats.conf" <<TEXT
# Written at every start of this ring.
listen: 127.0.0.1:$RING_NATS_PORT
max_payload: 2MB
jetstream { store_dir: "$RUN_DIR/nats" }
TEXT
}

up_start() {
  local gateways=$1 auths=$2 values=$3 i ops=$((10#$RING_OPS_PORT))
  local bin=$BUILD_DIR/bin
  local common=(env -u PORT -u JWT_SECRET "NATS_URL=nats://127.0.0.1:$RING_NATS_PORT"
    "OPS_ADDRESS=${OPS_ADDRESS:-127.0.0.1}" "LOG_FORMAT=${LOG_FORMAT:-text}")

  process_start nats-1 "$RING_NATS_PORT" 0 env -u JWT_SECRET nats-server -c "$RUN_DIR/nats.conf"
  process_start redis-1 "$RING_REDIS_PORT" 0 env -u JWT_SECRET redis-server --bind 127.0.0.1 \
    --port "$RING_REDIS_PORT" --dir "$RUN_DIR/redis" --appendonly yes --appendfsync always --save '' \
    --daemonize no --maxmemory 1gb --maxmemory-policy noeviction
  for ((i = 1; i <= gateways; i++)); do
    process_start "gateway-$i" $((10#$RING_PORT + i - 1)) "$ops" "${common[@]}" \
      "PORT=$((10#$RING_PORT + i - 1))" "OPS_PORT=$ops" "$bin/gateway"
    ops=$((ops + 1))
  done
  for ((i = 1; i <= auths; i++)); do
    JWT_SECRET=$RING_SECRET process_start "auth-svc-$i" 0 "$ops" env -u PORT MONGOC_DISABLE_SHM=1 "${common[@]:5}" \
      "OPS_PORT=$ops" "USER_STORE=${USER_STORE:-file:$RUN_DIR/users.json}" "CLIENT_SUBMIT=${CLIENT_SUBMIT:-on}" \
      "$bin/auth-svc"
    ops=$((ops + 1))
  done
  for ((i = 1; i <= values; i++)); do
    process_start "value-svc-$i" 0 "$ops" "${common[@]}" "OPS_PORT=$ops" \
      "REDIS_URL=redis://127.0.0.1:$RING_REDIS_PORT" "$bin/value-svc"
    ops=$((ops + 1))
  done
}

# Waits until every service is ready; asks each again every 20 ms.
up_wait_ready() {
  local name deadline=$((SECONDS + READY_LIMIT_S))
  local pid start port ops
  for name in $(processes_running | grep -v -e '^nats-' -e '^redis-'); do
    while process_read "$PID_DIR/$name" && ! port_ready "$ops"; do
      [ "$SECONDS" -lt "$deadline" ] || up_failed "$name is not ready after $READY_LIMIT_S s"
      up_check_all
      sleep 0.02
    done
  done
  up_check_all
  rm -f "$PID_DIR/.starting"
}

# Ends everything if one of the processes has ended.
up_check_all() {
  local id name
  for id in "${!RING_NAMES[@]}"; do
    name=${RING_NAMES[$id]}
    kill -0 "$id" 2>/dev/null && [ -n "$(process_start_time "$id")" ] || up_failed "$name has ended unexpectedly"  "$name"
  done
}

up_failed() { # TEXT [NAME]
  trap '' INT TERM HUP
  local name=${2:-${1%% *}}
  echo "pollen8: $1; the end of its log:" >&2
  tail -n 15 "$LOG_DIR/$name.log" | sed 's/^/  /' >&2
  processes_stop_all
  rm -f "$PID_DIR/.starting"
  fail 1 "the ring has been stopped; its logs are in $LOG_DIR"
}

up_tell() {
  local gateways=$1 detach=$2 user i token
  local scheme=http
  [ -n "${TLS_CERT_FILE:-}" ] && scheme=https
  echo
  echo "The ring is running."
  for ((i = 0; i < gateways; i++)); do
    echo "  $scheme://localhost:$((10#$RING_PORT + i))"
  done
  echo
  echo "Tokens, valid for a day:"
  for user in ada bo cy; do
    token=$("$BUILD_DIR/bin/pollen8ctl" token "$user" --secret-file "$SECRET_FILE" --expires 1d) || continue
    printf '  %-4s %s\n' "$user" "$token"
  done
  echo
  echo "Next, in two other terminals:"
  echo "  ./pollen8 watch ada"
  echo "  ./pollen8 emit connection.new '{\"userId\":\"ada\",\"industries\":[\"technology\"]}'"
  echo
  if [ -n "$detach" ]; then echo "./pollen8 down stops it."; else echo "Ctrl-C stops it."; fi
}

up_supervise() {
  local died='' status
  # A signal ends the wait and runs up_interrupted.
  { wait -n -p died; } 2>/dev/null # suppresses the shell's own message
  status=$?
  trap '' INT TERM HUP
  up_failed "${RING_NAMES[$died]:-a process} has ended unexpectedly (status $status)" "${RING_NAMES[$died]:-gateway-1}"
}

up_interrupted() {
  trap 'exit 1' INT TERM HUP # a second signal exits at once; ./pollen8 down stops the rest
  echo
  echo "pollen8: stopping"
  processes_stop_all
  rm -f "$PID_DIR/.starting"
  exit 0
}
