# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
"""Rows with more sessions than one process has descriptors for: several servers (ours on one port), a load client each.
A whole run leaves them out; --only names them."""
import json
import subprocess
import time

from .load import Load
from .machine import OTHER_CPU, Failed, Process
from .rows import ROWS, Metric, Row

SESSIONS_A_PROCESS = 17000  # of 20,000 descriptors; the kernel spreads connections over one port unevenly
SETTLE_S = 5


class Fleet:
    """Servers, load clients and what they have in common."""

    def __init__(self, peer, sessions):
        self.peer, self.sessions, self.loads = peer, sessions, []
        count = -(-sessions // SESSIONS_A_PROCESS)
        peer.launch_fleet(count)
        self.private_before = self.private_bytes()
        for i in range(count):
            start, end = sessions * i // count, sessions * (i + 1) // count
            self.loads.append(Load(peer, end - start, "--from", start, "--in-flight", max(128 // count, 16),
                                   port=peer.ports[i], name=f"load-{i}"))
        for load in self.loads:
            load.answer()
        time.sleep(SETTLE_S)

    def private_bytes(self):
        return sum(server.private_bytes() for server in self.peer.servers)

    def bytes_a_session(self):
        return (self.private_bytes() - self.private_before) / self.sessions

    def cpu_ns(self):
        return sum(server.cpu_ns() for server in self.peer.servers)

    def told(self, line):
        return [load.tell(line) for load in self.loads]

    def broadcast(self, rate, seconds, each_second=None):
        """Broadcasts at a fixed rate; what came of them, over all load clients."""
        self.told("reset")
        cpu = self.cpu_ns()
        publisher = Process(f"{self.peer.name}-publish", OTHER_CPU, self.peer.publisher("rate", seconds, rate=rate),
                            self.peer.bench.folder, stdout=subprocess.PIPE)
        try:
            while publisher.popen.poll() is None:
                time.sleep(1)
                for server in self.peer.servers:
                    server.check()
                if each_second:
                    each_second()
            output = publisher.popen.stdout.read()
        finally:
            publisher.stop()
        if not output.strip():
            raise Failed(f"{publisher.name}: {publisher.tail()}")
        published = json.loads(output)["published"]
        time.sleep(SETTLE_S)
        reports = self.told("report")
        events = sum(r["events"] for r in reports)
        return {"published": published, "events": events, "lost": sum(r["lost"] for r in reports),
                "failed": sum(r["failed"] for r in reports), "open": sum(r["sessions"] for r in reports),
                "least": min(r["least"] for r in reports), "most": max(r["most"] for r in reports),
                "cpu_us": (self.cpu_ns() - cpu) / 1e3 / max(events, 1),
                "p99_ms": max(r["p99_us"] for r in reports) / 1e3, "max_ms": max(r["max_us"] for r in reports) / 1e3,
                "complete": (sum(r["sessions"] for r in reports) == self.sessions
                             and min(r["least"] for r in reports) == max(r["most"] for r in reports) == published
                             and not any(r["lost"] or r["failed"] for r in reports))}

    def stop(self):
        for load in self.loads:
            load.stop()
        self.peer.stop()
        self.peer.processes.clear()


class FleetRow(Row):
    alone = True
    whole = False
    sessions = users = 100000

    @classmethod
    def fits(cls, peer):
        return peer.fleet and super().fits(peer)

    @classmethod
    def launch(cls, peer):
        """Each size is a fleet of its own, started by the row."""
        peer.use_tls = cls.tls


class Hold(FleetRow):
    """Heartbeats go on meanwhile (25 s, answered within 20 s): a session that misses one is lost."""
    name = "hold"
    title = "100,000 sessions held (--hold seconds), one broadcast per minute"
    metrics = (Metric("bytes", "bytes per session", less=True), Metric("lost", "sessions lost", ratio=False),
               Metric("published", "broadcasts", ratio=False), Metric("max_ms", "ms until the last had one", ratio=False),
               Metric("busy", "server CPU share", "{:.3f}", less=True))

    @classmethod
    def measure_alone(cls, peer, seconds):
        held = peer.bench.options.hold
        fleet = None
        try:
            fleet = Fleet(peer, cls.sessions)
            used = fleet.bytes_a_session()
            cpu = fleet.cpu_ns()
            sample = fleet.broadcast(1 / 60, held)
            return {**sample, "bytes": used, "busy": (fleet.cpu_ns() - cpu) / 1e9 / held, "seconds": held}
        finally:
            if fleet:
                fleet.stop()
            peer.stop()


class MemoryTls(FleetRow):
    name = "memory-tls-100000"
    title = "Server memory per idle session, 100,000 sessions, TLS"
    metrics = (Metric("bytes", "bytes per session", less=True),)
    tls = True

    @classmethod
    def measure_alone(cls, peer, seconds):
        fleet = None
        try:
            fleet = Fleet(peer, cls.sessions)
            used = fleet.bytes_a_session()
            reports = fleet.told("report")
            return {"bytes": used, "complete": (sum(r["sessions"] for r in reports) == cls.sessions
                                                and not any(r["failed"] for r in reports))}
        finally:
            if fleet:
                fleet.stop()
            peer.stop()


class Growth(FleetRow):
    """The same number of deliveries per second at both sizes, open loop."""
    name = "growth"
    title = "Server CPU time per event delivered, 1,000 against 100,000 sessions (40,000 deliveries per second)"
    metrics = (Metric("growth", "growth", "{:.2f}", less=True), Metric("cpu_small", "µs at 1,000", "{:.2f}", less=True),
               Metric("cpu_large", "µs at 100,000", "{:.2f}", less=True),
               Metric("bytes", "bytes a session at 100,000", less=True))
    small, deliveries, seconds = 1000, 40000, 15

    @classmethod
    def measure_alone(cls, peer, seconds):
        samples, used = [], 0
        for sessions in (cls.small, cls.sessions):
            fleet = None
            try:
                fleet = Fleet(peer, sessions)
                used = fleet.bytes_a_session()
                samples.append(fleet.broadcast(cls.deliveries / sessions, max(cls.seconds, seconds)))
            finally:
                if fleet:
                    fleet.stop()
                peer.stop()
                peer.processes.clear()
        small, large = samples
        return {"growth": large["cpu_us"] / small["cpu_us"], "cpu_small": small["cpu_us"], "cpu_large": large["cpu_us"],
                "bytes": used, "lost": small["lost"] + large["lost"], "complete": small["complete"] and large["complete"]}


ROWS.update({row.name: row for row in (Hold, MemoryTls, Growth)})
