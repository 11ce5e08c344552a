"use strict";
// Asks /stats every two seconds, and shows what has changed a second between two answers.
const EVERY = 2000;
const cells = [...document.querySelectorAll("[data-number]")];
const state = document.getElementById("state");
let before = null;

function span(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, units.findIndex(([, size]) => seconds >= size));
  const parts = units.slice(first, first + 2).map(([unit, size], at, shown) => {
    const whole = at === 0 ? seconds : seconds % shown[0][1];
    return `${Math.floor(whole / size)} ${unit}`;
  });
  return seconds < 1 ? "0 s" : parts.filter((part, at) => at === 0 || !part.startsWith("0 ")).join(" ");
}

function show(stats, now) {
  for (const cell of cells) {
    const name = cell.dataset.number;
    cell.textContent = stats[name].toLocaleString("en");
    if (!cell.closest(".ever")) continue;
    const rate = document.createElement("small");
    const passed = before && (now - before.now) / 1000;
    const gained = before ? stats[name] - before.stats[name] : 0;
    if (gained > 0) rate.textContent = `${(gained / passed).toLocaleString("en", { maximumFractionDigits: 1 })}/s`;
    cell.append(rate);
  }
  const allowed = stats.allowed === null ? "all torrents" : `${stats.allowed.toLocaleString("en")} torrents that are listed`;
  document.getElementById("about").textContent =
    `Tracks ${allowed}; peers come back every ${span(stats.interval)}. Up for ${span(stats.uptime)}.`;
  before = { stats, now };
}

async function look() {
  try {
    const reply = await fetch("stats", { cache: "no-store" });
    if (!reply.ok) throw new Error(`status ${reply.status}`);
    show(await reply.json(), performance.now());
    state.textContent = "live";
    state.className = "on";
  } catch (error) {
    state.textContent = "no answer";
    state.className = "off";
    before = null;
  }
  setTimeout(look, EVERY);
}
look();
