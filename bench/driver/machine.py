# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
"""What the machine is asked: processes on a CPU, free ports, CPU time, memory."""
import http.client
import os
import platform
import re
import signal
import socket
import subprocess
import time

SERVER_CPU, OTHER_CPU, BOTH_CPUS = 0, 1, "0,1"
READY_S = 30


class Failed(Exception):
    """A measurement that could not be made; the text says why."""


class Process:
    """A child on one CPU. It is ended by its id (by the kernel, should the driver be killed), and its output is kept
    in a file."""

    def __init__(self, name, cpu, command, log_folder, environment=None, **streams):
        self.name = name
        self.log_path = os.path.join(log_folder, f"{name}.log")
        self.log = open(self.log_path, "ab")
        streams.setdefault("stdout", self.log)
        streams.setdefault("stdin", subprocess.DEVNULL)
        self.popen = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "taskset", "-c", str(cpu), *map(str, command)],
                                      stderr=self.log, env={**os.environ, **(environment or {})},
                                      start_new_session=True, **streams)
        self.pid = self.popen.pid

    def check(self):
        if self.popen.poll() is not None:
            raise Failed(f"{self.name} has ended (status {self.popen.returncode}): {self.tail()}")

    def tail(self):
        self.log.flush()
        with open(self.log_path, "rb") as log:
            return " | ".join(log.read()[-1000:].decode(errors="replace").strip().splitlines()[-3:])

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.log.close()

    def cpu_ns(self):
        """Exact run time of all its threads so far."""
        total = 0
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{thread}/schedstat") as stat:
                    total += int(stat.read().split()[0])
            except FileNotFoundError:
                pass  # a thread that has just ended
        return total

    def private_bytes(self):
        """Memory of its own that no file backs."""
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(r"RssAnon:\s+(\d+)", status.read())[1]) * 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, process, condition):
    end = time.monotonic() + READY_S
    while not condition():
        process.check()
        if time.monotonic() > end:
            raise Failed(f"{what} after {READY_S} s: {process.tail()}")
        time.sleep(0.02)


def wait_port(process, port):
    def answers():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False
    until(f"{process.name} does not listen", process, answers)


def metrics(ops_port):
    """What a service tells of itself: a number a series."""
    connection = http.client.HTTPConnection("127.0.0.1", ops_port, timeout=5)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return {series: float(value) for series, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def wait_ready(process, ops_port):
    def ready():
        try:
            connection = http.client.HTTPConnection("127.0.0.1", ops_port, timeout=1)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
    until(f"{process.name} is not ready", process, ready)


def busy_seconds(cpu):
    with open("/proc/stat") as stat:
        fields = [int(x) for x in re.search(rf"^cpu{cpu} (.*)", stat.read(), re.M)[1].split()]
    return (sum(fields[:3]) + sum(fields[5:8])) / os.sysconf("SC_CLK_TCK")


def busy_share(seconds=2):
    """How much of both CPUs is used while we do nothing."""
    before = busy_seconds(SERVER_CPU) + busy_seconds(OTHER_CPU)
    time.sleep(seconds)
    return (busy_seconds(SERVER_CPU) + busy_seconds(OTHER_CPU) - before) / seconds / 2


def description():
    with open("/proc/cpuinfo") as info:
        model = re.search(r"model name\s*:\s*(.*)", info.read())
    with open("/proc/meminfo") as info:
        memory = int(re.search(r"MemTotal:\s+(\d+)", info.read())[1]) // 1024 // 1024
    return (f"{os.cpu_count()} x {model[1] if model else platform.machine()}, {memory} GB, "
            f"Linux {platform.release()}")


def interrupted(*_):
    raise KeyboardInterrupt


def stop_on_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
