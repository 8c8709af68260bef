# shellcheck shell=bash
# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
#
# Processes of a ring. Each has a file RUN_DIR/pid/<service>-<n> with: process id, its start time (so that
# a later process with the same id is never mistaken for ours), port, ops port (0: none).

# Start time in clock ticks since boot; empty if there is no such process.
process_start_time() {
  local stat fields
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  read -r -a fields <<<"${stat##*) }"
  [ "${fields[0]}" = Z ] || echo "${fields[19]}"
}

# Reads a process file into pid, start, port, ops; false if the process is not running.
process_read() {
  pid='' start='' port='' ops=''
  [ -r "$1" ] && read -r pid start port ops <"$1" && [ -n "$pid" ] && [ "$(process_start_time "$pid")" = "$start" ]
}

# Names of the running processes, in the order in which they are stopped.
processes_running() {
  local kind file
  local pid start port ops
  for kind in gateway value-svc auth-svc redis nats; do
    for file in "$PID_DIR/$kind"-*; do
      [ -e "$file" ] && process_read "$file" && echo "${file##*/}"
    done
  done
}

# process_start NAME PORT OPS COMMAND...: in the background, in its own session (so that Ctrl-C reaches only
# this program), with its output in its log.
process_start() {
  local name=$1 port=$2 ops=$3
  shift 3
  setsid "$@" </dev/null >"$LOG_DIR/$name.log" 2>&1 9>&- &
  local pid=$!
  echo "$pid $(process_start_time "$pid") $port $ops" >"$PID_DIR/$name"
  RING_NAMES[$pid]=$name
}

# Stops the named processes together: TERM, then KILL after the deadline.
processes_stop() {
  local seconds=$1 name deadline waiting
  local pid start port ops
  shift
  for name; do
    process_read "$PID_DIR/$name" && kill -TERM "$pid" 2>/dev/null
  done
  deadline=$((SECONDS + seconds))
  while :; do
    waiting=()
    for name; do
      if process_read "$PID_DIR/$name"; then waiting+=("$name"); else rm -f "$PID_DIR/$name"; fi
    done
    [ ${#waiting[@]} -gt 0 ] || return 0
    [ "$SECONDS" -lt "$deadline" ] || break
    sleep 0.05
  done
  for name in "${waiting[@]}"; do
    process_read "$PID_DIR/$name" || continue
    echo "pollen8: $name did not stop within $seconds s; killed" >&2
    kill -KILL "$pid" 2>/dev/null
    rm -f "$PID_DIR/$name"
  done
}

# In the ring's order, clients first, stores last.
processes_stop_all() {
  local kind names
  for kind in gateway value-svc auth-svc redis nats; do
    mapfile -t names < <(processes_running | grep "^$kind-")
    [ ${#names[@]} -eq 0 ] || processes_stop 15 "${names[@]}"
  done
  rm -f "$PID_DIR"/*
}

port_in_use() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Whether an ops port answers 200 on /readyz.
port_ready() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf 'GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
    read -r -t 2 _ code _ <&3 && [ "$code" = 200 ]
  ) 2>/dev/null
}
