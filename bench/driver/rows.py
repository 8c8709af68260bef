# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
"""What is measured. A row is one class; rows with the same number of sessions share a sitting, that is one start
of a peer with its sessions, in the order in which they stand here."""
import json
import subprocess
import time

from .load import Load
from .machine import BOTH_CPUS, OTHER_CPU, SERVER_CPU, Failed, Process, busy_seconds

DRAIN_TURN_S = 0.4
DRAIN_TURNS = 40


class Metric:
    """A figure of a row: its key in a sample, its heading, how it is printed, and whether less is better."""

    def __init__(self, key, heading, form="{:,.0f}", less=False, ratio=True):
        self.key, self.heading, self.form, self.less, self.ratio = key, heading, form, less, ratio


CPU = Metric("cpu_us", "server CPU µs per event delivered", "{:.2f}", less=True)
P50 = Metric("p50_ms", "p50 ms", "{:.2f}", less=True, ratio=False)
P99 = Metric("p99_ms", "p99 ms", "{:.2f}", less=True)
RATE = Metric("per_second", "delivered/s")
BUSY = Metric("busy", "CPU 0 busy", "{:.2f}", ratio=False)


class Sitting:
    """A running peer with its sessions."""

    def __init__(self, peer, sessions, seconds):
        self.peer, self.sessions, self.seconds = peer, sessions, seconds
        self.load = None  # the load client, once it is started
        self.opened = None  # its report once all sessions are in
        self.opening_cpu_ns = 0
        self.private_before = 0  # the server's own memory before

    def published(self, mode, seconds, **pace):
        """Runs the publisher and waits until nothing more arrives; the sample of the phase."""
        server, load = self.peer.server, self.load
        load.tell("reset")
        cpu, client_busy, busy, began = (server.cpu_ns(), busy_seconds(OTHER_CPU), busy_seconds(SERVER_CPU),
                                         time.monotonic())
        publisher = Process(f"{self.peer.name}-publish", OTHER_CPU, self.peer.publisher(mode, seconds, **pace),
                            self.peer.bench.folder, stdout=subprocess.PIPE)
        try:
            output, _ = publisher.popen.communicate(timeout=seconds + 60)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{publisher.name} does not end") from error
        finally:
            publisher.stop()
        if publisher.popen.returncode != 0 or not output.strip():
            raise Failed(f"{publisher.name}: {publisher.tail()}")
        took = time.monotonic() - began
        client_busy, busy = busy_seconds(OTHER_CPU) - client_busy, busy_seconds(SERVER_CPU) - busy
        publication = json.loads(output)
        report = self.drained()
        delivered = max(report["events"], 1)
        return {**{k: report[k] for k in ("sessions", "failed", "lost", "events", "least", "most", "churned")},
                "published": publication["published"], "stalls": publication["stalls"],
                "per_second": report["events"] / report["seconds"] if report["seconds"] else 0,
                "cpu_us": (server.cpu_ns() - cpu) / 1e3 / delivered,
                "busy": busy / took, "client_busy": client_busy / took,
                "p50_ms": report["p50_us"] / 1e3, "p99_ms": report["p99_us"] / 1e3, "max_ms": report["max_us"] / 1e3}

    def drained(self):
        seen = None
        for _ in range(DRAIN_TURNS):
            time.sleep(DRAIN_TURN_S)
            self.peer.server.check()
            report = self.load.tell("report")
            if report["events"] == seen:
                break
            seen = report["events"]
        return report


class Row:
    name = ""
    title = ""
    sessions = 0
    tls = False
    alone = False  # starts its peer itself (launch, measure_alone); others share a sitting (measure)
    whole = True  # part of a whole run; others must be named
    users = 10000
    metrics = ()

    @classmethod
    def fits(cls, peer):
        return peer.serves and not peer.end_to_end_alone and (peer.tls or not cls.tls)

    @classmethod
    def launch(cls, peer):
        peer.launch_end_to_end()

    @classmethod
    def measure(cls, sitting):
        """A sample: figures by key, and `complete`, whether everything arrived and nothing failed."""
        raise NotImplementedError


class Connect(Row):
    name = "connect"
    title = "Authenticated connects until 10,000 sessions are in, 128 at once"
    sessions = 10000
    metrics = (Metric("per_second", "connects/s"), Metric("cpu_us", "server CPU µs a connect", less=True))

    @classmethod
    def measure(cls, sitting):
        opened = sitting.opened
        return {"per_second": opened["sessions"] / opened["opening_s"], "cpu_us": sitting.opening_cpu_ns / 1e3 / cls.sessions,
                "complete": opened["sessions"] == cls.sessions and opened["failed"] == 0}


class Memory(Row):
    name = "memory"
    title = "Server memory per idle session, 10,000 sessions"
    sessions = 10000
    metrics = (Metric("bytes", "bytes per session", less=True),)

    @classmethod
    def measure(cls, sitting):
        time.sleep(3)
        report = sitting.load.tell("report")
        return {"bytes": (sitting.peer.server.private_bytes() - sitting.private_before) / cls.sessions,
                "complete": report["sessions"] == cls.sessions}


class MemoryTls(Memory):
    name = "memory-tls"
    title = "Server memory per idle session, 10,000 sessions, TLS"
    tls = True


class FanOut(Row):
    window = 0
    metrics = (RATE, CPU, BUSY)

    @classmethod
    def measure(cls, sitting):
        sample = sitting.published("flood", sitting.seconds, window=cls.window)
        sample["complete"] = (sample["least"] == sample["most"] == sample["published"] and not sample["stalls"]
                              and not sample["lost"] and sample["sessions"] == cls.sessions)
        return sample


class FanOut1000(FanOut):
    name, sessions, window = "fan-out-1000", 1000, 32
    title = "Flat-out fan-out, one room of 1,000 (32 events in flight)"


class FanOut5000(FanOut):
    name, sessions, window = "fan-out-5000", 5000, 16
    title = "Flat-out fan-out, one room of 5,000 (16 events in flight)"


class FanOut10000(FanOut):
    name, sessions, window = "fan-out-10000", 10000, 8
    title = "Flat-out fan-out, one room of 10,000 (8 events in flight)"


class FanOut10000Wide(FanOut):
    name, sessions, window = "fan-out-10000-w32", 10000, 32
    title = "Flat-out fan-out, one room of 10,000 (32 events in flight)"


class LowRate(Row):
    name = "low-rate"
    title = "2 broadcasts per second to 5,000 sessions"
    sessions = 5000
    metrics = (CPU, P50, P99)
    rate = 2

    @classmethod
    def measure(cls, sitting):
        sample = sitting.published("rate", sitting.seconds, rate=cls.rate)
        sample["complete"] = (sample["least"] == sample["most"] == sample["published"] and not sample["lost"]
                              and sample["sessions"] == cls.sessions)
        return sample


class Unicast(Row):
    name = "unicast"
    title = "2,000 updates per second to one user each, 5,000 users"
    sessions = 5000
    metrics = (CPU, P50, P99)

    @classmethod
    def measure(cls, sitting):
        sample = sitting.published("unicast", sitting.seconds, rate=2000, users=cls.sessions)
        sample["complete"] = (sample["events"] == sample["published"] and not sample["lost"]
                              and sample["sessions"] == cls.sessions)
        return sample


class Churn(Row):
    name = "churn"
    title = "Mixed: 5,000 sessions, of which 200 per second leave and reconnect, 5 broadcasts and 200 updates per second"
    sessions = 5000
    metrics = (CPU, P50, P99)

    @classmethod
    def measure(cls, sitting):
        sitting.load.tell("churn 200")
        updates = Process(f"{sitting.peer.name}-updates", OTHER_CPU,
                          sitting.peer.publisher("unicast", sitting.seconds, rate=200, users=cls.sessions),
                          sitting.peer.bench.folder, stdout=subprocess.DEVNULL)
        try:
            sample = sitting.published("rate", sitting.seconds, rate=5)
        finally:
            sitting.load.tell("churn 0")
            updates.stop()
        sample["complete"] = not sample["lost"] and not sample["failed"] and sample["churned"] > 0
        return sample


class Storm(Row):
    name = "storm"
    title = "Reconnect storm: 10,000 sessions end at once and reconnect, 1,000 at once"
    sessions = 10000
    metrics = (Metric("per_second", "connects/s"), Metric("cpu_us", "server CPU µs a reconnect", less=True),
               Metric("seconds", "s until all are back", "{:.2f}", less=True, ratio=False))

    @classmethod
    def measure(cls, sitting):
        cpu = sitting.peer.server.cpu_ns()
        report = sitting.load.tell("storm 1000")
        return {"per_second": report["sessions"] / report["opening_s"], "seconds": report["opening_s"],
                "cpu_us": (sitting.peer.server.cpu_ns() - cpu) / 1e3 / cls.sessions, "failed": report["failed"],
                "complete": report["sessions"] == cls.sessions and not report["failed"]}


class EndToEnd(Row):
    """Starts its peer itself: everything shares both CPUs. An event is a platform backend's publish of connection.new
    for one of 1,000 users, each with one session; its end is network.update on the socket. Complete: every session's last value holds
    every event; an update that waits is replaced by the next, so there may be fewer updates than events."""
    name = "end-to-end"
    title = "Events per second end to end, 4 publishers, everything on both CPUs"
    sessions = 1000
    alone = True
    metrics = (Metric("per_second", "events/s"), Metric("delivered_share", "updates per event", "{:.3f}", ratio=False))
    publishers, workers, events_a_second, settle_s, hundredths = 4, 2, 12000, 4, 314

    @classmethod
    def fits(cls, peer):
        return peer.end_to_end

    @classmethod
    def measure_alone(cls, peer, seconds):
        events = int(cls.events_a_second * seconds / cls.publishers) * cls.publishers
        return cls.ring(peer, events) if peer.serves else cls.bare(peer, events)

    @classmethod
    def submitted(cls, peer, events):
        """Runs the publishers; when the first event went out, and how many are stored."""
        processes = [Process(f"{peer.name}-submit-{i}", BOTH_CPUS,
                             [peer.bench.bin / "bench-submit", "--broker", peer.broker_port, "--events",
                              events // cls.publishers, "--users", cls.sessions, "--first", i * cls.sessions // cls.publishers],
                             peer.bench.folder, stdout=subprocess.PIPE) for i in range(cls.publishers)]
        try:
            outputs = [json.loads(p.popen.communicate(timeout=120)[0] or b"null") for p in processes]
        except subprocess.TimeoutExpired as error:
            raise Failed("the publishers do not end") from error
        finally:
            for process in processes:
                process.stop()
        if None in outputs:
            raise Failed(f"a publisher failed: {processes[outputs.index(None)].name}")
        return min(o["started_ns"] for o in outputs), sum(o["stored"] for o in outputs)

    @classmethod
    def ring(cls, peer, events):
        sitting = Sitting(peer, cls.sessions, 0)
        sitting.load = Load(peer, cls.sessions, "--marker", '"newValue":', "--values")
        try:
            opened = sitting.load.answer()
            time.sleep(cls.settle_s)  # the sessions' first values, and their repetition
            sitting.load.tell("reset")
            started, stored = cls.submitted(peer, events)
            report = sitting.drained()
        finally:
            sitting.load.stop()
        return {"per_second": stored / ((report["last_event_ns"] - started) / 1e9), "stored": stored, "submitted": events,
                "delivered_share": report["events"] / max(stored, 1),
                "complete": stored == events and report["values"] == events * cls.hundredths and opened["sessions"] == cls.sessions and not report["lost"]}

    @classmethod
    def bare(cls, peer, events):
        command = [peer.bench.bin / "bench-bare", "--broker", peer.broker_port, "--redis", peer.redis_port, "--users",
                   cls.sessions]
        ready = Process("bare-ready", BOTH_CPUS, [*command, "--ready"], peer.bench.folder)
        if ready.popen.wait(60) != 0:
            raise Failed(f"bench-bare: {ready.tail()}")
        ready.stop()
        workers = [Process(f"bare-{i}", BOTH_CPUS, command, peer.bench.folder, stdout=subprocess.PIPE)
                   for i in range(cls.workers)]
        try:
            started, stored = cls.submitted(peer, events)
            outputs = [json.loads(w.popen.communicate(timeout=120)[0] or b"null") for w in workers]
        except subprocess.TimeoutExpired as error:
            raise Failed("the bare path does not end") from error
        finally:
            for worker in workers:
                worker.stop()
        if None in outputs:
            raise Failed(f"bench-bare: {workers[0].tail()}")
        done = sum(o["done"] for o in outputs)
        return {"per_second": done / ((max(o["ended_ns"] for o in outputs) - started) / 1e9), "stored": stored,
                "submitted": events, "delivered_share": done / max(stored, 1), "complete": done == stored == events}


ROWS = {row.name: row for row in (FanOut1000, FanOut5000, LowRate, Unicast, Churn, Connect, Memory, FanOut10000,
                                  FanOut10000Wide, Storm, MemoryTls, EndToEnd)}
