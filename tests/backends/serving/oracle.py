"""The stations once more, as simpy processes: slow, step by step, and written without looking at the fast ones."""

import math

import simpy


class Batches:
    """Batches as a dispatcher with free servers makes them. `events` are (time, what, call), by time."""

    def __init__(self, station, arrivals, tokens, factors):
        self.env, self.station, self.tokens = simpy.Environment(), station, tokens
        self.factors, self.events, self.queue = iter(factors), [], []
        self.more = self.env.event()
        self.free = simpy.Container(self.env, station.servers, init=station.servers)
        self.until = 0.0
        self.left = len(arrivals)
        self.env.process(self.arrive(arrivals))
        self.env.process(self.dispatch())
        self.env.run()

    def arrive(self, arrivals):
        for call, at in enumerate(arrivals):
            yield self.env.timeout(at - self.env.now)
            self.events.append((self.env.now, "arrival", call))
            self.queue.append(call)
            self.tell()

    def tell(self):
        told, self.more = self.more, self.env.event()
        told.succeed()

    def dispatch(self):
        arrived = {}
        while self.left:
            yield self.free.get(1)
            while not self.queue:
                yield self.more
            arrived = {call: at for at, what, call in self.events if what == "arrival"}
            due = self.env.timeout(max(0.0, arrived[self.queue[0]] + self.station.max_wait_s - self.env.now))
            while len(self.queue) < self.station.max_batch and not due.processed:
                yield due | self.more
            batch = self.queue[: self.station.max_batch]
            del self.queue[: len(batch)]
            self.left -= len(batch)
            self.env.process(self.serve(batch))

    def serve(self, batch):
        size, longest, factor = len(batch), max(self.tokens[call] for call in batch), next(self.factors)
        seconds = self.station.seconds[size - 1].at(longest) * factor
        gap = self.station.intervals[size - 1].at(longest) * factor
        if self.until > self.env.now and gap < seconds:
            seconds = math.ceil(seconds / gap - 1e-9) * gap
        self.until = self.env.now + seconds
        self.events += [(self.env.now, "start", call) for call in batch]
        self.env.process(self.release(gap))
        yield self.env.timeout(seconds)
        self.events += [(self.env.now, "finish", call) for call in batch]

    def release(self, gap):
        yield self.env.timeout(gap)
        yield self.free.put(1)


class Steps:
    """Continuous batching, one decode step after another."""

    def __init__(self, device, arrivals, tokens, factors):
        self.env, self.device, self.tokens = simpy.Environment(), device, tokens
        self.factors, self.events, self.queue = iter(factors), [], []
        self.more = self.env.event()
        self.left = len(arrivals)
        self.env.process(self.arrive(arrivals))
        self.env.process(self.work())
        self.env.run()

    arrive, tell = Batches.arrive, Batches.tell

    def work(self):
        flying, factor = {}, 1.0
        while self.left:
            while not self.queue and not flying:
                yield self.more
            taken = self.queue[: self.device.max_batch - len(flying)]
            if taken:
                del self.queue[: len(taken)]
                factor = next(self.factors)
                self.events += [(self.env.now, "start", call) for call in taken]
                flying |= {call: self.tokens[call] for call in taken}
                yield self.env.timeout(self.device.before_s[len(taken) - 1] * factor)
            else:
                yield self.env.timeout(self.device.step_s[len(flying) - 1] * factor)
                flying = {call: left - 1 for call, left in flying.items()}
            for call in [call for call, left in flying.items() if left <= 0]:
                self.events.append((self.env.now, "finish", call))
                del flying[call]
                self.left -= 1
