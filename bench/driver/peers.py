# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
"""Who is measured. A peer starts its server alone on CPU 0 and everything else on CPU 1, says how the load client
speaks to it and how events are published to it. In every peer a session is in the room of one industry and in
its user's; each user has one session, with a token of its own."""
import json
import pathlib
import re
import subprocess
import tempfile

from . import programs
from .machine import BOTH_CPUS, OTHER_CPU, SERVER_CPU, Failed, Process, free_port, metrics, wait_port, wait_ready


class Peer:
    name = ""
    about = ""
    serves = True  # takes clients
    fleet = False  # can be many servers
    end_to_end = False  # takes events of the platform, from the submission to the socket
    end_to_end_alone = False  # is another in that row alone
    redis_sync = "always"  # Redis's appendfsync
    nats_sync = None  # JetStream's sync_interval; None: the server's default
    tls = True  # whether its clients may come with TLS
    checks_tokens = True
    settle_s = 0  # what it does of itself after the sessions are in

    def __init__(self, bench):
        self.bench = bench
        self.processes = []
        self.port = free_port()
        self.ack_port = free_port()
        self.use_tls = False

    @classmethod
    def install(cls):
        """Makes it ready to start; raises Failed where it cannot be had here."""

    def start(self, use_tls):
        self.use_tls = use_tls
        self.launch()

    def launch(self):
        raise NotImplementedError

    def process(self, name, cpu, command, environment=None):
        process = Process(f"{self.name}-{name}", cpu, command, self.bench.folder, environment)
        self.processes.append(process)
        return process

    def stop(self):
        for process in reversed(self.processes):
            process.stop()

    def nats(self, *more, cpu=OTHER_CPU):
        self.broker_port = free_port()
        broker = self.process("nats", cpu, ["nats-server", "-a", "127.0.0.1", "-p", self.broker_port, *more])
        wait_port(broker, self.broker_port)

    def brokers(self, cpu):
        """The stream and Redis as a ring has them: every change is on disk before its answer."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=self.bench.folder))
        (folder / "redis").mkdir()
        if self.nats_sync:
            (folder / "nats.conf").write_text(f'jetstream {{ store_dir: "{folder}/jetstream", sync_interval: {self.nats_sync} }}\n')
            self.nats("-c", folder / "nats.conf", cpu=cpu)
        else:
            self.nats("-js", "-sd", folder / "jetstream", cpu=cpu)
        self.redis_port = free_port()
        redis = self.process("redis", cpu, ["redis-server", "--bind", "127.0.0.1", "--port", self.redis_port, "--dir",
                                                  folder / "redis", "--appendonly", "yes", "--appendfsync", self.redis_sync,
                                                  "--save", ""])
        wait_port(redis, self.redis_port)

    def secret_environment(self):
        environment = {"BENCH_SECRET": self.bench.secret, "NODE_ENV": "production"}
        if self.use_tls:
            cert, key = programs.certificate()
            environment.update(BENCH_CERT=str(cert), BENCH_KEY=str(key))
        return environment

    def launch_fleet(self, count):
        """As many servers as the descriptors need; `servers`, and `ports` for the load clients, one a server."""
        raise NotImplementedError

    def turns(self):
        """Turns of the server's loop since this was last asked: those that can be felt and, of them, the long ones."""
        return {}

    def load_arguments(self):
        return ["--path", "/?token=%t"]

    def publisher(self, mode, seconds, window=None, rate=None, users=1):
        command = [self.bench.bin / "bench-publish", "--broker", self.broker_port, "--mode", mode, "--seconds", seconds,
                   "--users", users]
        return command + (["--window", window, "--ack", self.ack_port] if window else ["--rate", rate])


class Pollen8(Peer):
    name = "pollen8"
    about = "this product: gateway on CPU 0; auth-svc (users in a file), value-svc, NATS and Redis on CPU 1"
    end_to_end = True
    fleet = True
    with_value = True
    settle_s = 3  # every session asks for its value again 2 s after it has opened

    def launch(self):
        self.ring(SERVER_CPU, OTHER_CPU)

    def launch_fleet(self, count):
        """Several gateways on one port: the kernel spreads the connections."""
        self.ring(SERVER_CPU, OTHER_CPU, count)
        self.ports = [self.port] * count

    def launch_end_to_end(self):
        self.ring(BOTH_CPUS, BOTH_CPUS)

    def ring(self, gateway_cpu, other_cpu, gateways=1):
        self.brokers(other_cpu)
        self.service("auth-svc", other_cpu, JWT_SECRET=self.bench.secret, USER_STORE=f"file:{self.bench.users}")
        if self.with_value:
            self.service("value-svc", other_cpu, REDIS_URL=f"redis://127.0.0.1:{self.redis_port}")
        tls = {}
        if self.use_tls:
            cert, key = programs.certificate()
            tls = {"TLS_CERT_FILE": str(cert), "TLS_KEY_FILE": str(key)}
        self.servers = [self.service("gateway", gateway_cpu, PORT=str(self.port), LISTEN_ADDRESS="127.0.0.1",
                                     HANDSHAKE_RATE="0", **tls) for _ in range(gateways)]
        self.server = self.servers[0]
        self.turns_before = (0, 0)

    def turns(self):
        name = "pollen8_gateway_loop_turn_seconds"
        told = [metrics(server.ops_port) for server in self.servers if server.popen.poll() is None]
        if not told:  # a fleet has ended with its row
            return {}
        felt = sum(int(one[f"{name}_count"]) for one in told)
        long = felt - sum(int(one[f'{name}_bucket{{le="0.005"}}']) for one in told)
        before, self.turns_before = self.turns_before, (felt, long)
        return {"turns": felt - before[0], "turns_long": long - before[1]}

    def service(self, name, cpu, **settings):
        ops_port = free_port()
        common = {"NATS_URL": f"nats://127.0.0.1:{self.broker_port}", "OPS_ADDRESS": "127.0.0.1", "LOG_LEVEL": "warn",
                  "LOG_FORMAT": "text", "OPS_PORT": str(ops_port)}
        service = self.process(name, cpu, [self.bench.bin / name], {**common, **settings})
        wait_ready(service, ops_port)
        service.ops_port = ops_port
        return service

    def load_arguments(self):
        return ["--path", "/socket.io/?EIO=4&transport=websocket", "--first", '40{"token":"%t"}', "--ready", '40{"sid"',
                "--ping", "2", "--pong", "3"]

    def publisher(self, mode, seconds, **pace):
        return super().publisher(mode, seconds, **pace) + ["--frames"]


class Pollen8EverySecond(Pollen8):
    name = "pollen8-everysec"
    about = "this product with Redis at appendfsync everysec: what Redis loses with its machine is counted again by a replay"
    end_to_end_alone = True
    redis_sync = "everysec"


class Pollen8SyncAlways(Pollen8):
    name = "pollen8-sync"
    about = "this product with NATS at sync_interval always (2.10 or later): an acknowledged event survives the machine"
    end_to_end_alone = True
    nats_sync = "always"

    @classmethod
    def install(cls):
        programs.need("nats-server", "the peer pollen8-sync")
        version = subprocess.run(["nats-server", "--version"], capture_output=True, text=True, check=False).stdout
        numbers = re.search(r"(\d+)\.(\d+)", version)
        if not numbers or tuple(map(int, numbers.groups())) < (2, 10):
            raise Failed("nats-server is older than 2.10, the first with sync_interval: always")


class SocketIo(Peer):
    name = "socketio"
    about = "Socket.IO 4 with its Redis adapter on Node, published to through its Redis emitter"

    @classmethod
    def install(cls):
        cls.folder = programs.node_peers()
        programs.need("redis-server", "the peer socketio")

    fleet = True

    def launch(self):
        self.launch_fleet(1)

    def launch_fleet(self, count):
        self.broker_port = free_port()
        redis = self.process("redis", OTHER_CPU, ["redis-server", "--bind", "127.0.0.1", "--port", self.broker_port,
                                                  "--save", "", "--appendonly", "no"])
        wait_port(redis, self.broker_port)
        self.ports = [self.port] + [free_port() for _ in range(count - 1)]
        self.servers = [self.process(f"server-{i}", SERVER_CPU, ["node", self.folder / "socketio.js", port,
                                                               self.broker_port], self.secret_environment())
                        for i, port in enumerate(self.ports)]
        self.server = self.servers[0]
        for server, port in zip(self.servers, self.ports):
            wait_port(server, port)

    load_arguments = Pollen8.load_arguments

    def publisher(self, mode, seconds, window=None, rate=None, users=1):
        return ["node", self.folder / "socketio-publish.js", self.broker_port, self.ack_port, mode, window or rate, users,
                seconds]


class WsNats(Peer):
    name = "ws-nats"
    about = "a self-written relay with the Node packages `ws` and `nats`"

    @classmethod
    def install(cls):
        cls.folder = programs.node_peers()

    def launch(self):
        self.nats()
        self.server = self.process("server", SERVER_CPU, ["node", self.folder / "ws-nats.js", self.port,
                                                          self.broker_port], self.secret_environment())
        wait_port(self.server, self.port)


class NatsWebsocket(Peer):
    name = "nats-websocket"
    about = "nats-server's own WebSocket listener: broker and server in one, no tokens"
    checks_tokens = False

    def launch(self):
        self.broker_port = free_port()
        tls = "no_tls: true"
        if self.use_tls:
            cert, key = programs.certificate()
            tls = f'tls {{ cert_file: "{cert}", key_file: "{key}" }}'
        conf = self.bench.folder / "nats-websocket.conf"
        conf.write_text(f'listen: "127.0.0.1:{self.broker_port}"\nwebsocket {{ listen: "127.0.0.1:{self.port}", {tls}, '
                        "compression: false }\n")
        self.server = self.process("server", SERVER_CPU, ["nats-server", "-c", conf])
        wait_port(self.server, self.broker_port)
        wait_port(self.server, self.port)

    def load_arguments(self):
        return ["--binary", "--ready", "PONG", "--ping", "PING\r\n", "--pong", "PONG\r\n", "--first",
                'CONNECT {"verbose":false,"protocol":1}\r\nSUB industry.steel 1\r\nSUB user.u%d 2\r\nPING\r\n']


class Centrifuge(Peer):
    name = "centrifuge"
    about = "Centrifugo's Go library over NATS"

    @classmethod
    def install(cls):
        cls.program = programs.centrifuge()

    def launch(self):
        self.nats()
        self.server = self.process("server", SERVER_CPU, [self.program, self.port, self.broker_port],
                                   self.secret_environment())
        wait_port(self.server, self.port)

    def load_arguments(self):
        return ["--path", "/connection/websocket", "--first", json.dumps({"id": 1, "connect": {"token": "%t"}}),
                "--ready", '"connect":', "--ping", "{}", "--pong", "{}"]


class Limit(Peer):
    name = "limit"
    about = "bare C: epoll, one send() per event and socket; no library, no tokens, no queues"
    sending = "send"
    tls = False
    fleet = True
    checks_tokens = False

    def launch(self):
        self.launch_fleet(1)

    def launch_fleet(self, count):
        self.nats()
        self.ports = [self.port] + [free_port() for _ in range(count - 1)]
        self.servers = [self.process(f"server-{i}", SERVER_CPU, [self.bench.bin / "bench-limit", port, self.broker_port,
                                                               self.sending]) for i, port in enumerate(self.ports)]
        self.server = self.servers[0]
        for server, port in zip(self.servers, self.ports):
            wait_port(server, port)

    def load_arguments(self):
        return ["--path", "/?room=steel&user=u%d"]


class LimitBatch(Limit):
    name = "limit-batch"
    about = "the same, with all waiting events in one send() per socket"
    sending = "batch"


class LimitUring(Limit):
    name = "limit-uring"
    about = "as limit, sends through io_uring (if the kernel allows it and liburing is installed)"
    sending = "uring"

    @classmethod
    def install(cls):
        if subprocess.run([programs.BUILD / "bin" / "bench-limit", "--check", cls.sending], capture_output=True,
                          check=False).returncode != 0:
            raise Failed("it was built without liburing, or the kernel forbids io_uring")


class Bare(Peer):
    name = "bare"
    about = "the bare path of an event: stored, fetched, value-svc's script, two appends, two publishes, acknowledged; nothing more"
    serves = False
    end_to_end = True

    def launch_end_to_end(self):
        self.brokers(BOTH_CPUS)


PEERS = {peer.name: peer for peer in (Pollen8, Pollen8EverySecond, Pollen8SyncAlways, SocketIo, WsNats, NatsWebsocket,
                                      Centrifuge, Limit, LimitBatch, LimitUring, Bare)}
