#!/usr/bin/env python3
"""Makes the traces in this folder: networks that were never measured, but behave as such networks do.

Each has ten minutes in lines of one second: the time in seconds, and what gets through in Mb/s. The same seeds give the same
traces on every machine: random numbers are SplitMix64, and nothing else of the system is asked.
"""

import math
import pathlib

SECONDS = 600


class Random:
    """SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014)."""

    def __init__(self, seed):
        self.state = seed

    def bits(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    def uniform(self):
        return self.bits() / 2**64

    def normal(self):
        return sum(self.uniform() for _ in range(12)) - 6

    def choice(self, weights):
        left = self.uniform() * sum(weights)
        for place, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return place
        return len(weights) - 1


def lte(random):
    """A Markov chain of five states of a cell, from its edge to its middle, with fast fading on top."""
    states = [1.0, 4.0, 10.0, 20.0, 35.0]
    state = 2
    for _ in range(SECONDS):
        state = max(0, min(4, state + random.choice([8, 84, 8]) - 1))
        yield states[state] * math.exp(0.3 * random.normal())


def bus(random):
    """3G on a bus: a slow wave between the cells, stops, and a tunnel every three minutes."""
    stop = 0
    for second in range(SECONDS):
        wave = 1.4 + 0.9 * math.sin(2 * math.pi * second / 95) + 0.3 * math.sin(2 * math.pi * second / 23)
        stop = stop - 1 if stop > 0 else (15 if random.uniform() < 0.02 else 0)
        tunnel = second % 180 in range(120, 132)
        rate = 0.05 if tunnel else wave * (0.9 if stop else math.exp(0.35 * random.normal()))
        yield max(rate, 0.05)


def wifi(random):
    """A home network: fast, but for minutes in which the microwave oven is on, or somebody leaves the room."""
    for second in range(SECONDS):
        drop = second in range(140, 200) or second in range(330, 345) or second in range(480, 540)
        yield (2.2 if drop else 28.0) * math.exp(0.2 * random.normal())


def step(_):
    """Steps up and down, a minute each: what a shaper in a laboratory does."""
    rates = [3, 6, 12, 25, 12, 6, 3, 1.5, 25, 3]
    for second in range(SECONDS):
        yield rates[second // 60]


def outage(random):
    """A good line that is cut three times, for 5, 15 and 40 seconds."""
    for second in range(SECONDS):
        cut = second in range(120, 125) or second in range(270, 285) or second in range(420, 460)
        yield 0.0 if cut else 15.0 * math.exp(0.1 * random.normal())


def main():
    folder = pathlib.Path(__file__).parent
    for seed, make in enumerate([lte, bus, wifi, step, outage], start=1):
        lines = [f"# {make.__doc__}", "# Made by make.py. Seconds, and Mb/s from then on."]
        lines += [f"{second} {rate:.3f}" for second, rate in enumerate(make(Random(seed)))]
        (folder / f"{make.__name__}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
