// What every Node adapter shares; the same protocol as common.py (see bench/README.md).

import { openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";

export const WARM_UP_JOBS = 10;
const PROGRESS_INTERVAL_MS = 2;

export class Unsupported extends Error {}

/** One worker process seen from outside: waits for `go`, counts handlers, reports at `stop`. */
export class Worker {
  constructor(stamp) {
    this.stamp = stamp;
    this.delays = [];
    this.done = 0;
    this.first = 0;
    this.last = 0;
    this.page = openSync(process.env.BENCH_PROGRESS, "r+");
  }

  mark = (jobs = 1) => {
    this.last = now();
    if (this.done === 0) this.first = this.last;
    this.done += jobs;
  };

  arrived = (payload) => {
    this.delays.push(now() - payload.t);
    this.mark();
  };

  waitForGo() {
    const lines = createInterface({ input: process.stdin });
    const stop = () => {
      say(this.report());
      process.exit(0);
    };
    return new Promise((resolve) => {
      lines.on("line", (line) => {
        if (line.trim() !== "go") return stop();
        this.cpuAtGo = process.cpuUsage();
        this.publish();
        resolve();
      });
      lines.on("close", stop);
      say({ ready: true });
    });
  }

  // Node has no shared memory with a foreign process, so a timer writes the page whenever it changed.
  publish() {
    const page = Buffer.alloc(24);
    let written = -1;
    setInterval(() => {
      if (this.done === written) return;
      written = this.done;
      page.writeBigUInt64LE(BigInt(this.done), 0);
      page.writeDoubleLE(this.first, 8);
      page.writeDoubleLE(this.last, 16);
      writeSync(this.page, page, 0, 24, 0);
    }, PROGRESS_INTERVAL_MS);
  }

  report() {
    const cpu = process.cpuUsage(this.cpuAtGo);
    const report = {
      first: this.first,
      last: this.last,
      done: this.done,
      cpu_s: (cpu.user + cpu.system) / 1e6,
      rss_mb: process.resourceUsage().maxRSS / 1024,
    };
    if (this.stamp) {
      const delays = this.delays.slice(WARM_UP_JOBS).sort((a, b) => a - b);
      report.p50_ms = quantile(delays, 0.5) * 1000;
      report.p99_ms = quantile(delays, 0.99) * 1000;
    }
    return report;
  }
}

export const now = () => (performance.timeOrigin + performance.now()) / 1000;

const quantile = (ordered, q) => ordered[Math.min(ordered.length - 1, Math.floor(q * ordered.length))];

const say = (answer) => writeSync(1, JSON.stringify(answer) + "\n");

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** 0 … n−1 in arrays of at most `chunk`: the batches of a bulk call. */
export function* numbers(n, chunk) {
  for (let start = 0; start < n; start += chunk) {
    yield Array.from({ length: Math.min(chunk, n - start) }, (_, i) => start + i);
  }
}

function option(name, fallback) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
}

async function timed(peer, n, action) {
  await peer.open?.();
  const begin = performance.now();
  await action(n);
  return { seconds: (performance.now() - begin) / 1000, n };
}

async function pace(peer, n, rate) {
  const begin = performance.now();
  for (let i = 0; i < n + WARM_UP_JOBS; i++) {
    await sleep(begin + (i * 1000) / rate - performance.now());
    await peer.send({ t: now() });
  }
}

async function answer(peer, command) {
  const n = Number(option("n", "0"));
  const offered = (method) => {
    if (!peer[method]) throw new Unsupported();
    return (count) => peer[method](count);
  };
  switch (command) {
    case "info":
      return { runtime: `Node ${process.versions.node}`, ...peer.info };
    case "setup":
      await peer.setup();
      return {};
    case "drain":
    case "latency":
      await peer.work(new Worker(command === "latency"));
      return new Promise(() => {}); // until `stop`
    case "enqueue":
      return timed(peer, n, offered({ one: "enqueueOne", bulk: "enqueueBulk", copy: "enqueueCopy" }[option("how")]));
    case "fill":
      return timed(peer, n, offered(peer.fill ? "fill" : "enqueueBulk"));
    case "fill-done":
      return timed(peer, n, offered("fillDone"));
    case "pace":
      return timed(peer, n, (count) => pace(peer, count, Number(option("rate", "50"))));
    default:
      throw new Unsupported();
  }
}

export async function main(peer) {
  try {
    say(await answer(peer, process.argv[2]));
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    say({ unsupported: true });
  }
  process.exit(0);
}
